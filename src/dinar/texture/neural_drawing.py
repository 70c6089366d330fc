"""What the neural renderer draws: the neural texture rasterised, and the person it makes of that (section 3.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from dinar.camera import framing
from dinar.raster.rasterize import interpolate, rasterize
from dinar.texture.drawing import Rendering, antialiased, sampled_at
from dinar.texture.neural_texture import NeuralTexture, window

if TYPE_CHECKING:
    from dinar.body.model import BodyModel
    from dinar.body.uv import UVLayout
    from dinar.camera import Camera
    from dinar.networks.renderer import Renderer

MARGIN = 0.08   # of the body's larger side in the image: how far hair and cloth reach beyond it
GRAIN = 64      # pixels: drawn parts come in few sizes, for a new size costs a CPU up to seconds of preparation
WHOLE = 256     # images up to this side are drawn whole, for the same reason
FAINT = 0.02    # of a mask: a sigmoid never quite reaches 0 and 1, and a veil around the person would show


@dataclass(frozen=True)
class Surface:
    """Bodies as a camera sees them: what the renderer needs besides the generated channels.

    colours  float32 [B, 5, H, W]  colours, `sampled` and `filled`: channels 16 to 20 of eq. 2, antialiased
    uv       float32 [B, 2, H, W]  the UV image, at pixels' centres
    mask     float32 [B, 1, H, W]  share of the pixel that the body covers

    All are 0 where no body is seen.
    """

    colours: Tensor
    uv: Tensor
    mask: Tensor

    def features(self, generated: Tensor) -> Tensor:
        """The rasterised neural texture (eq. 2): generated [B or 1, 16, S, S] -> [B, 21, H, W]."""
        seen = (self.uv != 0).any(1, keepdim=True)
        return torch.cat([sampled_at(generated, self.uv) * seen, self.colours], dim=1)


def surface(
    texture: NeuralTexture,        # batch B or 1
    painted: Tensor,               # [B or 1, 3, R, R] its colours without holes
    vertices: Tensor,              # [B, V, 3] world, metres
    faces: Tensor,                 # [F, 3] the body's triangles
    layout: UVLayout,              # the same triangles in UV space
    camera: Camera,
) -> Surface:
    """Bodies in their colours; differentiable in `painted`.

    Where the paper leaves unseen texels black the colours are `painted` ones. `sampled` and `filled` tell the renderer
    which of them a photo showed, and it need not learn to invent what the filling knows.
    """
    maps = torch.cat([texture.sampled, texture.filled], dim=1).expand(len(painted), -1, -1, -1)
    colours, mask = antialiased(torch.cat([painted, maps], dim=1), vertices, faces, layout, camera)
    x, y, width, height = window(vertices, camera)
    there = camera.cropped(x, y, (height, width))
    fragments = rasterize(there.project(vertices.detach()), faces, there.size)
    uv = interpolate(fragments, layout.uv[None], layout.faces)
    uv = functional.pad(uv, (x, camera.size[1] - x - width, y, camera.size[0] - y - height))
    return Surface(colours, uv, mask)


def draw_neural(
    renderer: Renderer,
    texture: NeuralTexture,        # batch B or 1, with generated channels
    painted: Tensor,               # [B or 1, 3, R, R] its colours without holes
    vertices: Tensor,              # [B, V, 3] world, metres
    faces: Tensor,                 # [F, 3] the body's triangles
    layout: UVLayout,              # the same triangles in UV space
    camera: Camera,                # of any image size
) -> Rendering:
    """B people as the neural renderer sees them; differentiable in the texture and in `painted`.

    It works on the body's surroundings only: what lies farther off than `MARGIN` is empty. Its grid is fixed to the
    image, so that a limb that moves, and with it the surroundings' extent, changes nothing far from it.
    """
    there, (left, top, right, bottom) = surroundings(vertices, camera, renderer.stride)
    h, w = camera.size
    seen = surface(texture, painted, vertices, faces, layout, there)
    drawn = renderer(seen.features(texture.generated), seen.uv, seen.mask)
    clear = ((drawn.mask - FAINT) / (1 - 2 * FAINT)).clamp(0, 1)
    rgb, mask = (part[..., : bottom - top, : right - left] for part in (drawn.rgb, clear))
    mask = functional.pad(mask, (left, w - right, top, h - bottom))
    return Rendering(functional.pad(rgb, (left, w - right, top, h - bottom)) * (mask > 0), mask)


def warm_up(model: BodyModel, layout: UVLayout) -> None:
    """Compiles the loops that draw on a CPU, or reads them from the disk; the first time on a machine takes seconds."""
    side = 16
    maps = torch.zeros(1, 1, side, side)
    texture = NeuralTexture(None, maps.expand(-1, 3, -1, -1), maps, maps, maps)
    camera = framing(model.template, 0, 0, (side, side))
    surface(texture, texture.rgb, model.template[None], model.faces, layout, camera)


def surroundings(vertices: Tensor, camera: Camera, stride: int) -> tuple[Camera, tuple[int, int, int, int]]:
    """What the renderer works on, in a size that it can: its camera, and left, top, right, bottom of what is needed."""
    x, y, width, height = window(vertices, camera)
    reach = math.ceil(MARGIN * max(width, height))
    h, w = camera.size
    left, top = (max(side - reach, 0) // stride * stride for side in (x, y))
    right, bottom = min(x + width + reach, w), min(y + height + reach, h)
    if max(h, w) <= WHOLE:
        left, top, right, bottom = 0, 0, w, h
    grain = math.lcm(stride, GRAIN)
    size = tuple(-(-side // grain) * grain for side in (bottom - top, right - left))
    return camera.cropped(left, top, size), (left, top, right, bottom)
