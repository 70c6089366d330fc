"""Normals of a triangle mesh."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Unit normals [B, V, 3] of vertices [B, V, 3]: of the triangles [F, 3] about each, weighted by area."""
    a, b, c = (vertices[:, faces[:, k]] for k in range(3))
    across = torch.linalg.cross(b - a, c - a)
    total = torch.zeros_like(vertices)
    for k in range(3):
        total = total.index_add(1, faces[:, k], across)
    return normalize(total, dim=-1)
