"""What a user would reach for to paint the side that the photo does not show: the rivals of inpainting (section 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dinar.body.uv import texel_map
from dinar.images import to_bytes
from dinar.raster.nearest import nearest

if TYPE_CHECKING:
    from dinar.body.model import BodyModel
    from dinar.body.uv import UVLayout
    from dinar.synth.view import View
    from dinar.texture.neural_texture import NeuralTexture

TELEA_RADIUS = 5   # texels


def mean_colour(texture: NeuralTexture) -> Tensor:   # -> [1, 3, R, R]
    """Every unseen texel takes the mean of the seen ones; mid-grey where there are none."""
    count = texture.filled.sum()
    mean = (texture.rgb * texture.filled).sum((2, 3), keepdim=True) / count if count > 0 else 0.5
    return texture.rgb * texture.filled + mean * (1 - texture.filled)


def telea(texture: NeuralTexture) -> Tensor:   # -> [1, 3, R, R]
    """OpenCV's inpainting (Telea 2004) of the texture as a flat picture; it knows neither seams nor islands."""
    unseen = (texture.filled[0, 0] < 0.5).numpy().astype(np.uint8)
    painted = cv2.inpaint(to_bytes(texture.rgb[0]), unseen, TELEA_RADIUS, cv2.INPAINT_TELEA)
    painted = torch.from_numpy(painted).permute(2, 0, 1)[None].float() / 255
    return torch.where(texture.filled > 0.5, texture.rgb, painted)


def mirrored_front(
    texture: NeuralTexture,
    view: View,                    # that the texture was sampled from
    model: BodyModel,
    layout: UVLayout,              # the texture's
) -> Tensor:                       # [1, 3, R, R]
    """The back looks as the front does: an unseen texel takes the pixel that it would have, were the body of glass.

    Points that fall beside the person take the nearest of their pixels.
    """
    size = texture.rgb.shape[-1]
    with torch.no_grad():
        vertices = model(view.body).vertices[0]
    texels = texel_map(layout, size)
    pixels = view.camera.project(texels.interpolate(vertices, model.faces)[0].permute(1, 2, 0))[..., :2]
    h, w = view.camera.size
    grid = pixels / torch.tensor([w, h]) * 2 - 1
    outward = _nearest_inside(view)
    seen = functional.grid_sample(outward, grid[None], padding_mode="border", align_corners=False)
    return torch.where(texture.filled > 0.5, texture.rgb, seen)


def _nearest_inside(view: View) -> Tensor:
    """The picture [1, 3, H, W] with every pixel beside the person replaced by their nearest one."""
    inside = (view.mask[0] > 0.9).numpy()
    if not inside.any():
        return view.image[None]
    return view.image.flatten(1)[:, torch.from_numpy(nearest(inside)).flatten()].view_as(view.image)[None]
