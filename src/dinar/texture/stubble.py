"""Where hair ends on skin that no photo shows: short hair thins out towards it, so skin below its end has its shade."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from scipy.spatial import cKDTree
from torch import Tensor

from dinar.body.layers import RISE, thickness, vertices_of
from dinar.body.uv import PARTS, part_weights
from dinar.texture.strands import boxed

if TYPE_CHECKING:
    from dinar.body.model import BodyModel
    from dinar.body.uv import TexelMap

REACH = 0.016     # metres below the end of hair that skin has its shade
MOST = 0.6        # of it, at the end


def stubble_of(model: BodyModel, texels: TexelMap, face: Tensor) -> Tensor:
    """How much of its hair's shade each texel of skin has if no photo shows it: float32 [1, R, R] in [0, 1].

    face  float32 [V]  1 on the face and at the ears (`filling.face_of`), where there is none
    """
    vertices = model.rest(model.neutral().shape)[0][0].detach()
    own, height = vertices_of(model, "hair"), thickness(model).to(vertices)
    faces = model.faces[own[model.faces].all(1)] - int(own.nonzero()[0, 0])
    hair = vertices[own]
    ends = []
    for i, j in ((0, 1), (1, 2), (2, 0)):
        a, b = faces[:, i], faces[:, j]
        a, b = (of[(height[a] > RISE) & (height[b] <= 0)] for of in (a, b))
        share = (height[a] / (height[a] - height[b]))[:, None]
        ends.append(hair[a] + share * (hair[b] - hair[a]))
    ends = torch.cat(ends)
    amount = torch.zeros_like(face)
    if len(ends):
        head = part_weights(model)[:, PARTS.index("head")] * (1 - face)
        near = (model.layer == 0) & (head > 0.05)
        distance, _ = cKDTree(ends.cpu().numpy()).query(vertices[near].cpu().numpy())
        away = torch.from_numpy(distance).to(face)
        amount[near] = head[near] * MOST * (1 - away / REACH).clamp(0, 1)
    return texels.interpolate(amount[:, None], model.faces)[0] * texels.covered[0]


def stubbled(filled: Tensor, seen: Tensor, stubble: Tensor) -> Tensor:
    """Colours [B, 3, R, R] of the atlas `clothed` with `stubble` [1, R, R] on skin that is not seen [B, 1, R, R]."""
    shade = filled[boxed(filled)].flatten(2).mean(2)[..., None, None]
    return torch.lerp(filled, shade.expand_as(filled), (stubble * (seen == 0)).expand_as(filled))
