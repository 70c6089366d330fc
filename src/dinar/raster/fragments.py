"""What a rasteriser finds, and where it begins."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

NEAR = 1e-3  # metres; a triangle with a corner at this depth or nearer is not drawn


@dataclass(frozen=True)
class Fragments:
    """What each pixel sees: the nearest triangle, and where in it.

    face         int32   [B, H, W]     triangle index, -1 where nothing is hit
    barycentric  float32 [B, H, W, 3]  weights of its corners, perspective-correct, 0 where nothing is hit
    depth        float32 [B, H, W]     metres along the camera's axis, inf where nothing is hit
    """

    face: Tensor
    barycentric: Tensor
    depth: Tensor

    @property
    def mask(self) -> Tensor:
        """1 where something is hit, else 0: float32 [B, 1, H, W]."""
        return (self.face >= 0).float()[:, None]
