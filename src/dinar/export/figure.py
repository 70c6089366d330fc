"""A person as other programs want one: one skinned mesh, textured, with facial actions."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dinar import images
from dinar.body.model import Body, BodyModel
from dinar.body.uv import UVLayout
from dinar.errors import InputError
from dinar.export.profiles import PictureKind
from dinar.motion import retarget
from dinar.motion.humanoid import PARENT
from dinar.motion.motion import Motion
from dinar.raster.nearest import nearest
from dinar.raster.rasterize import rasterize

TEXTURE_SIZES = (64, 8192)
JPEG_QUALITY = 92
WEBP_QUALITY = 90


@dataclass(frozen=True, eq=False)
class Triangles:
    """Some triangles between a body's vertices.

    faces     int64 [F, 3]  rows of the body's vertices, counter-clockwise seen from outside
    uv_faces  int64 [F, 3]  rows of the layout's `uv`, the same triangles in the same order
    """

    faces: Tensor
    uv_faces: Tensor


@dataclass(frozen=True, eq=False)
class Figure:
    """What is exported, all of it on the CPU.

    model      BodyModel           the body
    layout     UVLayout            of the colours on that body
    shape      float32 [S]         standard deviations from the mean person
    colours    float32 [3, R, R]   base colour, sRGB in [0, 1]; texels off the islands say nothing
    triangles  Triangles           fewer than the body's own (`simplify.simplified`); None: those
    name       of its mesh in files
    parts      what is no part of that mesh and has colours of its own: teeth, with the same shape and joints
    """

    model: BodyModel
    layout: UVLayout
    shape: Tensor
    colours: Tensor
    triangles: Triangles | None = None
    name: str = "Body"
    parts: tuple[Figure, ...] = ()

    @property
    def mesh(self) -> Triangles:
        """The triangles that are written."""
        return self.triangles or Triangles(self.model.faces, self.layout.faces)

    def extended(self) -> Tensor:
        """The colours [3, R, R], islands continued beyond their borders.

        So neither filtering nor the smaller copies that graphics hardware keeps show what lies between islands.
        """
        side = self.colours.shape[-1]
        corners = torch.nn.functional.pad(self.layout.uv * side, (0, 1), value=1.0)
        inside = rasterize(corners[None], self.layout.faces, (side, side)).mask[0, 0].numpy() >= 0.5
        return self.colours.flatten(1)[:, torch.from_numpy(nearest(inside).ravel())].view_as(self.colours)

    def picture(self, size: int | None = None) -> np.ndarray:
        """The extended colours as uint8 [size, size, 3].

        Raises InputError for a size below 64 or above 8192 texels.
        """
        if size is not None:
            check_texture_size(size)
        colours = self.extended()
        return images.to_bytes(colours if size is None else images.resize(colours, (size, size)))


def check_texture_size(size: int) -> None:
    """Raises InputError for a size below 64 or above 8192 texels a side."""
    least, most = TEXTURE_SIZES
    if not least <= size <= most:
        raise InputError(f"a texture of {size} texels a side is not possible; give {least} to {most}")


def encoded(pixels: np.ndarray, kind: PictureKind) -> bytes:
    """The file of a picture uint8 [H, W, 3]; the same bytes every time."""
    content = io.BytesIO()
    options = {
        "png": {"compress_level": 6},
        "jpeg": {"quality": JPEG_QUALITY, "subsampling": 0},
        "webp": {"quality": WEBP_QUALITY, "method": 6},
    }[kind]
    Image.fromarray(pixels).save(content, kind.upper(), **options)
    return content.getvalue()


def standing(figure: Figure, *, t_pose: bool = False) -> Body:
    """The figure at rest or in a T-pose, batch 1, its lowest vertex at y = 0."""
    model = figure.model
    body = replace(model.neutral(), shape=figure.shape[None])
    if t_pose:
        bones = tuple(bone for bone in PARENT if bone in model.humanoid)
        still = Motion(bones, torch.zeros(1, len(bones), 3), torch.tensor([[0.0, 1.0, 0.0]]), 30.0)
        body = replace(body, pose=retarget.apply(still, model, figure.shape).pose)
    with torch.no_grad():
        lowest = model(body).vertices[0, :, 1].min()
    return replace(body, translation=torch.stack([lowest * 0, -lowest, lowest * 0])[None])
