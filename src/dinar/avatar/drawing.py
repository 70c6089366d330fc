"""How a person is put into pictures: sizes that the renderer draws well, cameras that follow, backgrounds."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dinar import images
from dinar.body.model import Body, BodyModel
from dinar.camera import Camera
from dinar.texture.drawing import Rendering
from dinar.texture.neural_texture import window

VIEWS = {"front": 0.0, "left": 90.0, "back": 180.0, "right": 270.0}   # azimuth of the camera, degrees

_FOLLOW = 0.3               # seconds; the camera follows the hips smoothed by this much
_DRAWN = (320, 1024)        # pixels of the body's larger side that the neural renderer is used at: near what it learnt,
#                             and beyond them the texture has no more to show


def composed(rendering: Rendering, background: Tensor | None) -> Tensor:
    """The first person of a rendering on a colour [3], [3, H, W]; on None with transparency, [4, H, W]."""
    if background is None:
        return torch.cat([rendering.rgb[0], rendering.mask[0]])
    return rendering.over(background.to(rendering.rgb)[None, :, None, None])[0]


def scale_of(vertices: Tensor, camera: Camera) -> float:
    """How much larger than asked for the neural renderer draws bodies [B, V, 3]: 1 but for small and large ones."""
    _, _, width, height = window(vertices.cpu(), camera.to("cpu"))
    least, most = _DRAWN
    return min(max(1.0, least / max(width, height)), most / max(width, height))


def resized(rendering: Rendering, size: tuple[int, int]) -> Rendering:
    """A rendering in another size (H, W); colours are weighted by the mask."""
    if tuple(rendering.mask.shape[-2:]) == tuple(size):
        return rendering
    both = images.resize(torch.cat([rendering.rgb * rendering.mask, rendering.mask], dim=1), size).clamp_(0, 1)
    rgb, mask = both[:, :3], both[:, 3:]
    return Rendering(rgb.div_(torch.where(mask > 0, mask, 1)).clamp_(0, 1), mask)   # in place: pictures may be large


def way_of(model: BodyModel, bodies: Body, fps: float) -> Tensor:
    """The hips' way over the ground [T, 3], smoothed, height 0."""
    hips = model.humanoid["hips"]
    way = model.only_landmarks()(bodies).joints[:, hips].cpu() * torch.tensor([1.0, 0.0, 1.0])
    if len(way) < 3:
        return way
    sigma = _FOLLOW * fps
    reach = min(math.ceil(3 * sigma), len(way) - 1)
    ahead, behind = 2 * way[0] - way[1 : reach + 1].flip(0), 2 * way[-1] - way[-reach - 1 : -1].flip(0)
    weight = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    padded = torch.cat([ahead, way, behind]).T[:, None]
    return torch.nn.functional.conv1d(padded, (weight / weight.sum())[None, None])[:, 0].T


def about_y(degrees: float) -> Tensor:
    """A turn about the vertical axis [3, 3] that brings +Z towards +X."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return torch.tensor([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
