"""How much a photo's texels count beside what is made up next to them."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from dinar.texture.neural_texture import NeuralTexture


def trust(texture: NeuralTexture, inside: Tensor, *, feather: float, angles: tuple[float, float]) -> Tensor:
    """How much each texel's own colour counts, [B, 1, R, R] in [0, 1]: less at grazing angles and at edges of holes.

    inside   [1 or B, 1, R, R]  1 on islands, whose own border is no edge
    feather  how far an edge reaches, part of the texture's side, two texels at least
    angles   frontality at which a texel begins to count, and from which it counts whole

    Texels without frontality were painted and count by distance alone.
    """
    low, high = angles
    frontal = ((texture.frontality - low) / (high - low)).clamp(0, 1)
    covered = ((texture.filled > 0.5) | (inside < 0.5))[:, 0].cpu().numpy().astype(np.uint8)
    reach = max(feather * texture.rgb.shape[-1], 2.0)
    edge = np.stack([cv2.distanceTransform(c, cv2.DIST_L2, cv2.DIST_MASK_5) / reach for c in covered])
    near = torch.from_numpy(edge).to(frontal)[:, None].clamp(0, 1)
    return texture.filled * near * torch.where(texture.frontality > 0, frontal, 1)


def near(filled: Tensor, inside: Tensor, *, reach: float) -> Tensor:
    """How near each texel is to filled ones, [B, 1, R, R]: 1 on them, 0 at `reach`, part of the texture's side.

    inside   [1 or B, 1, R, R]  1 on islands; 0 is returned beside them
    """
    empty = (filled < 0.5)[:, 0].cpu().numpy().astype(np.uint8)
    far = np.stack([cv2.distanceTransform(e, cv2.DIST_L2, cv2.DIST_MASK_5) for e in empty])
    reach = max(reach * filled.shape[-1], 2.0)
    return (1 - torch.from_numpy(far).to(filled)[:, None] / reach).clamp(0, 1) * (filled > 0.5).logical_or(inside > 0.5)
