"""What the neural renderer draws: the neural texture rasterised, and the person it makes of that (section 3.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dinar.networks.renderer import OUTLINE
from dinar.raster.rasterize import interpolate, rasterize
from dinar.texture.drawing import Rendering, antialiased, sampled_at
from dinar.texture.neural_texture import NeuralTexture, window

if TYPE_CHECKING:
    from dinar.body.uv import UVLayout
    from dinar.camera import Camera
    from dinar.networks.prepared import PreparedRenderer
    from dinar.networks.renderer import Renderer
    from dinar.raster.blocks import Blocks, Canvas

MARGIN = 0.08   # of the body's larger side in the image: how far hair and cloth reach beyond it
GRAIN = 64      # pixels: drawn parts come in few sizes, for a new size costs a CPU up to seconds of preparation
WHOLE = 256     # images up to this side are drawn whole, for the same reason
SAMPLES = 2     # a pixel along each axis, as many as `antialiased` takes
INNER = 0.012   # of the body's larger side in the image: nearer to its outline the network may leave pixels open
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
    image, so that a limb that moves, and with it the surroundings' extent, changes nothing far from it. What the
    renderer leaves open well within the body (`inner`) shows the texture's colours.
    """
    there, (left, top, right, bottom) = surroundings(vertices, camera, renderer.stride)
    h, w = camera.size
    seen = surface(texture, painted, vertices, faces, layout, there)
    drawn = renderer(seen.features(texture.generated), seen.uv, seen.mask)
    clear = cleared(drawn.mask)
    open_inside = inner(seen.mask) * (1 - clear)
    rgb = torch.lerp(drawn.rgb, seen.colours[:, :3], open_inside)
    rgb, mask = (part[..., : bottom - top, : right - left] for part in (rgb, clear + open_inside))
    mask = functional.pad(mask, (left, w - right, top, h - bottom))
    return Rendering(functional.pad(rgb, (left, w - right, top, h - bottom)) * (mask > 0), mask)


@dataclass(frozen=True, eq=False)
class Artist:
    """A renderer and a texture made ready to draw one person many times on a CPU: what `draw_neural` draws, in half
    the time, with no gradient.

    What is drawn a pixel at a time (sampling the texture, putting the picture together) makes one pass each over those
    pixels that show something, and convolutions are those of `networks.prepared`.
    """

    renderer: PreparedRenderer
    stride: int                    # of the renderer
    canvas: Canvas

    @classmethod
    def of(cls, renderer: Renderer, texture: NeuralTexture, painted: Tensor, layout: UVLayout) -> Self | None:
        """For a texture of batch 1 and its colours without holes [3, R, R]; None where only `draw_neural` can."""
        from dinar.networks.prepared import PreparedRenderer
        from dinar.raster.blocks import Canvas

        if painted.device.type != "cpu" or not PreparedRenderer.can(renderer):
            return None
        empty = painted.new_zeros(3, *painted.shape[1:])
        colours = torch.cat([painted, texture.sampled[0], texture.filled[0], empty])
        canvas = (colours.permute(1, 2, 0), texture.generated[0].permute(1, 2, 0), layout.uv[layout.faces].flatten(1))
        arrays = (part.detach().float().contiguous().numpy() for part in canvas)
        return cls(PreparedRenderer.of(renderer), renderer.stride, Canvas(*arrays))

    @torch.no_grad()
    def draw(self, vertices: Tensor, faces: Tensor, camera: Camera) -> Rendering:
        """One person [1, V, 3] as `draw_neural` draws them."""
        from dinar.raster import blocks

        there, part = surroundings(vertices, camera, self.stride)
        seen = self.surface(vertices, faces, there)
        values, place = torch.from_numpy(seen.values), torch.from_numpy(seen.place)
        logits, beyond = self.renderer(values, place), self.renderer.continued(values, place)
        rgb, mask = torch.zeros(1, 3, *camera.size), torch.zeros(1, 1, *camera.size)
        blocks.write(
            logits.numpy(), seen, _inner(seen.cover), beyond.numpy(), self.renderer.copied.numpy(), OUTLINE, FAINT,
            rgb.numpy()[0], mask.numpy()[0, 0], part, torch.get_num_threads(),
        )  # fmt: skip
        return Rendering(rgb, mask)

    def surface(self, vertices: Tensor, faces: Tensor, camera: Camera) -> Blocks:
        """What the renderer needs of one body [1, V, 3]; the image is of a size that it can (`surroundings`)."""
        from dinar.raster import blocks, samples

        x, y, width, height = window(vertices, camera)
        points = camera.cropped(x, y, (height, width)).project(vertices)[0].numpy()
        threads = torch.get_num_threads()
        triangles = np.ascontiguousarray(faces.numpy(), np.int32)
        seen = samples.draw(points, triangles, self.canvas.uv, (height, width), SAMPLES, threads)
        size = (camera.size[0] // self.renderer.fold, camera.size[1] // self.renderer.fold)
        return blocks.read(self.canvas, seen, (x, y), size, self.renderer.fold, threads)


def cleared(mask: Tensor) -> Tensor:
    """A mask of the renderer's as it is shown: 0 and 1 where a sigmoid only comes near."""
    return ((mask - FAINT) / (1 - 2 * FAINT)).clamp(0, 1)


def inner(mask: Tensor) -> Tensor:
    """The inner part of drawn bodies, [B, 1, H, W] in {0, 1}, of the pixels' shares that they cover [B, 1, H, W]."""
    found = [torch.from_numpy(_inner(one[0].numpy())) for one in mask.detach().cpu()]
    return torch.stack(found)[:, None].to(mask)


def _inner(cover: np.ndarray) -> np.ndarray:
    """Where pixels, of which a body covers so much [H, W], are farther than `INNER` from its outline: bool [H, W]."""
    body = cover > 0.5
    extent = max(np.ptp(np.flatnonzero(body.any(axis))) if body.any() else 0 for axis in (0, 1))
    distance = cv2.distanceTransform(body.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return distance > max(2.0, INNER * float(extent))


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
