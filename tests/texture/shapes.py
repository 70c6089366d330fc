"""Small bodies with UV coordinates, and what is painted on them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Layout:
    """What the texture functions need of a UV layout: coordinates [T, 2] and the corners of every triangle [F, 3]."""

    uv: Tensor
    faces: Tensor


def ball(rings: int = 24, sectors: int = 48, margin: float = 0.06) -> tuple[Tensor, Tensor, Layout]:
    """The unit sphere: vertices [V, 3], faces [F, 3], and one island with a seam on -Z and a margin about it.

    u runs from the person's right (-X) past the front (+Z) to the left, v from top to bottom.
    """
    theta = torch.linspace(0, math.pi, rings + 1)[:, None].expand(-1, sectors + 1)
    phi = torch.linspace(-math.pi, math.pi, sectors + 1)[None].expand(rings + 1, -1)
    uv = torch.stack([phi / math.tau + 0.5, theta / math.pi], dim=-1) * (1 - 2 * margin) + margin
    points = torch.stack([theta.sin() * phi.sin(), theta.cos(), theta.sin() * phi.cos()], dim=-1)
    at = torch.arange((rings + 1) * (sectors + 1)).view(rings + 1, sectors + 1)
    a, b, c, d = at[:-1, :-1], at[1:, :-1], at[1:, 1:], at[:-1, 1:]
    corners = torch.cat([torch.stack([a, b, c], -1)[:-1].flatten(0, 1), torch.stack([a, c, d], -1)[1:].flatten(0, 1)])
    vertex = torch.arange(rings - 1)[:, None] * sectors + torch.arange(sectors + 1)[None] % sectors + 1
    top, bottom = torch.zeros(1, sectors + 1, dtype=torch.long), torch.full((1, sectors + 1), (rings - 1) * sectors + 1)
    vertex = torch.cat([top, vertex, bottom])                    # the vertex at each place of the UV grid
    vertices = torch.empty(int(bottom[0, 0]) + 1, 3)
    vertices[vertex.flatten()] = points.flatten(0, 1)
    return vertices, vertex.flatten()[corners], Layout(uv.flatten(0, 1), corners)


def two_limbs() -> tuple[Tensor, Tensor, Tensor]:
    """A thin upright limb before a thick one: vertices [1, V, 3], faces, and part colours [V, 3]."""
    points, faces, _ = ball()
    thick = points * torch.tensor([0.5, 0.9, 0.3])
    thin = points * torch.tensor([0.12, 0.5, 0.12]) + torch.tensor([0.1, 0.0, 0.6])
    shade = (0.5 + 0.1 * points[:, 1:2]).expand(-1, 3)          # a limb's own smooth gradient
    colours = torch.cat([shade * torch.tensor([1.0, 0.2, 0.2]), shade * torch.tensor([0.2, 1.0, 0.2])])
    return torch.cat([thick, thin])[None], torch.cat([faces, faces + len(points)]), colours


def paint(size: int, frequency: float = 3.0) -> Tensor:
    """A smooth texture of all hues [1, 3, size, size] that reaches neither 0 nor 1."""
    at = (torch.arange(size) + 0.5) / size * math.tau * frequency
    v, u = torch.meshgrid(at, at, indexing="ij")
    return (0.5 + 0.4 * torch.stack([u.sin(), v.sin(), (u + v).cos()]))[None]
