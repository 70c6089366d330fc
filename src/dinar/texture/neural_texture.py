"""The neural texture (eq. 2) and the UV image that ties its texels to pixels (section 3.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor
from torch.nn import functional

from dinar.body.normals import vertex_normals
from dinar.raster.rasterize import interpolate, rasterize

if TYPE_CHECKING:
    from dinar.body.uv import UVLayout
    from dinar.camera import Camera


@dataclass(frozen=True)
class UVImage:
    """The surface that each pixel sees.

    uv          float32 [B, 2, H, W]  its UV coordinates in [0, 1], origin top left; 0 where nothing is seen
    mask        float32 [B, 1, H, W]  1 where the body is seen, else 0
    frontality  float32 [B, 1, H, W]  cosine between normal and direction to the camera, in [0, 1]; 0 where nothing
    """

    uv: Tensor
    mask: Tensor
    frontality: Tensor

    def __post_init__(self) -> None:
        batch, _, h, w = self.uv.shape
        _check(self, {"uv": (batch, 2, h, w), "mask": (batch, 1, h, w), "frontality": (batch, 1, h, w)})

    @property
    def size(self) -> tuple[int, int]:
        """(H, W), pixels."""
        return tuple(self.uv.shape[-2:])

    def masked(self, keep: Tensor) -> Self:
        """Nothing is seen any more where `keep` [B or 1, 1, H, W] is not above one half."""
        keep = (keep > 0.5).to(self.mask.dtype)
        return replace(self, uv=self.uv * keep, mask=self.mask * keep, frontality=self.frontality * keep)


@dataclass(frozen=True)
class NeuralTexture:
    """The texture of B people (eq. 2); `rgb` and its maps may be finer than `generated`.

    generated   float32 [B, 16, S, S]  what the generator made of the whole photo; None for a texture of colours only
    rgb         float32 [B, 3, R, R]   colours in [0, 1], 0 where not filled
    sampled     float32 [B, 1, R, R]   1 where a pixel fell on the texel (B_smp)
    filled      float32 [B, 1, R, R]   1 where a pixel fell on it or beside it (B_fill)
    frontality  float32 [B, 1, R, R]   how frontal it was seen (the paper's lambda), 0 where not filled
    """

    generated: Tensor | None
    rgb: Tensor
    sampled: Tensor
    filled: Tensor
    frontality: Tensor

    def __post_init__(self) -> None:
        batch, _, side, _ = self.rgb.shape
        mask = (batch, 1, side, side)
        _check(self, {"rgb": (batch, 3, side, side), "sampled": mask, "filled": mask, "frontality": mask})

    def to(self, device: torch.device | str) -> Self:
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: None if part is None else part.to(device) for name, part in parts.items()})


def _check(value: object, shapes: dict[str, tuple[int, ...]]) -> None:
    for name, shape in shapes.items():
        if getattr(value, name).shape != shape:
            raise ValueError(f"{name} is {list(getattr(value, name).shape)}, should be {list(shape)}")


def uv_image(
    vertices: Tensor,              # [B, V, 3] world, metres
    faces: Tensor,                 # [F, 3] the body's triangles
    layout: UVLayout,              # the same triangles in UV space
    camera: Camera,
) -> UVImage:
    """What the camera sees of B bodies, as UV coordinates (section 3.1); no gradient passes.

    Frontality takes smooth vertex normals and each pixel's own ray.
    """
    vertices = vertices.detach()
    fragments = rasterize(camera.project(vertices), faces, camera.size)
    geometry = interpolate(fragments, torch.cat([vertices, vertex_normals(vertices, faces)], dim=-1), faces)
    position, normal = geometry[:, :3], functional.normalize(geometry[:, 3:], dim=1)
    direction = functional.normalize(camera.position[:, None, None] - position, dim=1)
    frontality = (normal * direction).sum(1, keepdim=True).clamp(0, 1) * fragments.mask
    uv = interpolate(fragments, layout.uv[None], layout.faces).clamp(0, 1)
    return UVImage(uv, fragments.mask, frontality)


def window(vertices: Tensor, camera: Camera) -> tuple[int, int, int, int]:
    """The part of the image that holds all vertices [B, V, 3]: x, y, width, height in whole pixels, at least 1 x 1.

    The whole image where a vertex is not safely before the camera.
    """
    h, w = camera.size
    points = camera.project(vertices.detach()).flatten(0, 1)
    if not len(points):
        return 0, 0, w, h
    low, high = points.amin(0).tolist(), points.amax(0).tolist()
    if not low[2] > 1e-3:
        return 0, 0, w, h
    x, y = (math.floor(min(max(v, 0), side - 1)) for v, side in zip(low[:2], (w, h), strict=True))
    right, bottom = (math.ceil(min(max(v, p + 1), side)) for v, p, side in zip(high[:2], (x, y), (w, h), strict=True))
    return x, y, right - x, bottom - y
