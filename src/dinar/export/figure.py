"""A person as other programs want one: one skinned mesh, textured, with facial actions."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
import roma
import torch
from PIL import Image
from torch import Tensor

from dinar import images
from dinar.body.model import Body, BodyModel
from dinar.body.normals import vertex_normals
from dinar.body.uv import UVLayout
from dinar.errors import InputError
from dinar.motion import retarget
from dinar.motion.humanoid import PARENT
from dinar.motion.joint_names import mixamo_name
from dinar.motion.motion import Motion
from dinar.raster.rasterize import rasterize

TEXTURE_SIZES = (64, 8192)
JPEG_QUALITY = 92
INFLUENCES = (4, 8)

PictureKind = Literal["png", "jpeg"]


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
    """

    model: BodyModel
    layout: UVLayout
    shape: Tensor
    colours: Tensor
    triangles: Triangles | None = None

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
        off = rasterize(corners[None], self.layout.faces, (side, side)).mask[0, 0].numpy() < 0.5
        _, label = cv2.distanceTransformWithLabels(
            off.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
        )
        nearest = np.zeros(label.max() + 1, np.int64)
        nearest[label[~off]] = np.flatnonzero(~off)
        return self.colours.flatten(1)[:, torch.from_numpy(nearest[label.ravel()])].view_as(self.colours)

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
    options = {"png": {"compress_level": 6}, "jpeg": {"quality": JPEG_QUALITY, "subsampling": 0}}[kind]
    Image.fromarray(pixels).save(content, kind.upper(), **options)
    return content.getvalue()


@dataclass(frozen=True)
class SkinnedMesh:
    """A figure's mesh in its rest pose; vertices are split where the texture is cut.

    body_vertex  int64   [N]        the body's vertex that each was
    vertices     float32 [N, 3]     metres; the lowest one at y = 0
    normals      float32 [N, 3]     of unit length, not split
    uv           float32 [N, 2]     origin top left
    faces        int64   [F, 3]     counter-clockwise seen from outside
    joint        int64   [N, K]     joints that move a vertex, the strongest first; 0 where its weight is 0
    weight       float32 [N, K]     rows sum to 1
    joints       float32 [J, 3]     metres; all frames are the world's
    morphs       float32 [E, N, 3]  metres at strength 1
    """

    body_vertex: np.ndarray
    vertices: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    faces: np.ndarray
    joint: np.ndarray
    weight: np.ndarray
    joints: np.ndarray
    morphs: np.ndarray


def skinned(figure: Figure, *, influences: int = 4, t_pose: bool = False) -> SkinnedMesh:
    """A figure's mesh, at rest as the body model has it, or baked into a T-pose.

    influences  joints a vertex follows at most; what is left of its weights is scaled to a sum of 1

    Raises InputError for another number than 4 or 8.
    """
    if influences not in INFLUENCES:
        raise InputError(f"{influences} joints a vertex are not possible; give 4 or 8")
    model = figure.model
    body = standing(figure, t_pose=t_pose)
    with torch.no_grad():
        posed = model(body)
        turn = torch.matmul(model.skin_weights, posed.transforms[0, :, :3, :3].flatten(1)).unflatten(1, (3, 3))
        normals = vertex_normals(posed.vertices, model.faces)[0]
        morphs = torch.einsum("vij,evj->evi", turn, model.whole_expression_basis())
    joint, weight = strongest(model.skin_weights.numpy(), influences)
    corners = torch.stack([figure.mesh.faces.flatten(), figure.mesh.uv_faces.flatten()], dim=1)
    pairs, number = corners.unique(dim=0, return_inverse=True)
    vertex = pairs[:, 0].numpy()
    return SkinnedMesh(
        body_vertex=vertex,
        vertices=posed.vertices[0].numpy()[vertex],
        normals=_unit(normals.numpy().astype(np.float64))[vertex].astype(np.float32),
        uv=figure.layout.uv.numpy()[pairs[:, 1].numpy()],
        faces=number.view(-1, 3).numpy(),
        joint=joint[vertex],
        weight=weight[vertex],
        joints=posed.joints[0].numpy(),
        morphs=morphs.numpy()[:, vertex],
    )


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


def joint_names(model: BodyModel) -> list[str]:
    """A name for each joint: Mixamo's without its prefix for humanoid bones, the body's own for those in between.

    Dots become underscores, because some programs take what follows a dot for a property.
    """
    names = [name.replace(".", "_") for name in model.joint_names]
    for bone, joint in model.humanoid.items():
        names[joint] = mixamo_name(bone)
    return names


def moving(figure: Figure, motion: Motion) -> tuple[Tensor, Tensor]:
    """How a motion turns the figure's joints, from its rest pose, and where it puts the root.

    Returns unit quaternions x y z w float32 [T, J, 4], each on the near side of the one before it, and places [T, 3].
    """
    body = retarget.apply(motion, figure.model, figure.shape)
    _, joints = figure.model.rest(figure.shape[None])
    q = roma.rotvec_to_unitquat(body.pose.double())
    flips = torch.where((q[1:] * q[:-1]).sum(2) < 0, -1.0, 1.0).cumprod(0)
    q = torch.cat([q[:1], q[1:] * flips[..., None]])
    return (q / q.norm(dim=2, keepdim=True)).float(), (joints[:, 0] + body.translation).detach()


def strongest(weights: np.ndarray, influences: int) -> tuple[np.ndarray, np.ndarray]:
    """Joints [V, K] and weights float32 [V, K] of the K strongest of skin weights [V, J], scaled to a sum of 1."""
    order = np.argsort(-weights, axis=1, kind="stable")[:, :influences]
    weight = np.take_along_axis(weights, order, axis=1).astype(np.float64)
    weight = (weight / weight.sum(1, keepdims=True)).astype(np.float32)
    return np.where(weight > 0, order, 0), weight


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors [N, 3] of length 1, up where they have none."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(length > 1e-8, vectors / np.maximum(length, 1e-8), [0.0, 1.0, 0.0])
