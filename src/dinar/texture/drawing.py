"""The plain renderer: texture mapping, the baseline of the neural one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from dinar.raster.rasterize import interpolate, rasterize
from dinar.texture.neural_texture import window

if TYPE_CHECKING:
    from dinar.body.uv import UVLayout
    from dinar.camera import Camera


@dataclass(frozen=True)
class Rendering:
    """Drawn people, not yet on any background.

    rgb   float32 [B, 3, H, W]  colours in [0, 1], not multiplied by the mask; 0 where the mask is 0
    mask  float32 [B, 1, H, W]  share of the pixel that the person covers, [0, 1]
    """

    rgb: Tensor
    mask: Tensor

    def over(self, background: Tensor | float) -> Tensor:
        """The people on a background, [B, 3, H, W] or a shade: [B, 3, H, W]."""
        return torch.lerp(torch.as_tensor(background).to(self.rgb), self.rgb, self.mask)


def draw(
    rgb: Tensor,                   # [B or 1, 3, R, R] a texture without holes: its padding is seen at seams
    vertices: Tensor,              # [B, V, 3] world, metres
    faces: Tensor,                 # [F, 3] the body's triangles
    layout: UVLayout,              # the same triangles in UV space
    camera: Camera,
    *,
    supersample: int = 2,          # samples a pixel along each axis
) -> Rendering:
    """B bodies in their texture, antialiased: the mean of `supersample`^2 samples a pixel; differentiable in `rgb`."""
    values, mask = antialiased(rgb, vertices, faces, layout, camera, supersample=supersample)
    return Rendering(values.clamp(0, 1), mask)


def antialiased(
    texture: Tensor,               # [B or 1, C, R, R]
    vertices: Tensor,              # [B, V, 3] world, metres
    faces: Tensor,                 # [F, 3] the body's triangles
    layout: UVLayout,              # the same triangles in UV space
    camera: Camera,
    *,
    supersample: int = 2,          # samples a pixel along each axis
) -> tuple[Tensor, Tensor]:
    """A texture on B bodies: its mean over the covered part of each pixel [B, C, H, W], and that part [B, 1, H, W].

    Both are 0 where no body is seen; differentiable in `texture`. A CPU with no gradient to keep makes one pass of it.
    """
    x, y, width, height = window(vertices, camera)
    size = (height * supersample, width * supersample)
    camera_there = camera.cropped(x, y, (height, width)).resized(size)
    fragments = rasterize(camera_there.project(vertices), faces, size)
    if _in_one_pass(texture, vertices):
        from dinar.raster import textured

        values, mask = textured.average(
            texture.detach().float().expand(len(vertices), -1, -1, -1).numpy(),
            layout.uv.numpy(),
            layout.faces.numpy(),
            fragments.face.numpy(),
            fragments.barycentric.numpy(),
            supersample,
            torch.get_num_threads(),
        )
        values, mask = torch.from_numpy(values), torch.from_numpy(mask)
    else:
        uv = interpolate(fragments, layout.uv[None], layout.faces)
        means = _block_mean(torch.cat([sampled_at(texture, uv) * fragments.mask, fragments.mask], dim=1), supersample)
        mask = means[:, -1:]
        values = means[:, :-1] / torch.where(mask > 0, mask, 1)
    around = (x, camera.size[1] - x - width, y, camera.size[0] - y - height)
    return functional.pad(values, around), functional.pad(mask, around)


def sampled_at(texture: Tensor, uv: Tensor) -> Tensor:
    """A texture [B or 1, C, R, R] at UV coordinates [B, 2, H, W]: float32 [B, C, H, W]."""
    grid = (uv * 2 - 1).permute(0, 2, 3, 1).float()
    texture = texture.float().expand(len(uv), -1, -1, -1)
    return functional.grid_sample(texture, grid, padding_mode="border", align_corners=False)


def _in_one_pass(texture: Tensor, geometry: Tensor) -> bool:
    tracked = torch.is_grad_enabled() and texture.requires_grad
    return not tracked and texture.device.type == geometry.device.type == "cpu"


def _block_mean(image: Tensor, side: int) -> Tensor:
    """Means of blocks of `side` x `side` pixels; some ten times faster than torch's pooling on a CPU."""
    return sum(image[..., i::side, j::side] for i in range(side) for j in range(side)) / side**2
