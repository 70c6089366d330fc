"""The lifter: where the points that a pose network sees lie in depth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from dinar.networks import pretrained

HIPS = (23, 24)    # of BlazePose's points
FINEST = -6.0      # logarithm of the least spread in metres


@dataclass(frozen=True)
class Lifted:
    """Points in the camera's axes, and how far off they may be.

    points  [B, N, 3]  metres about the hips' middle, x right, y down, z away
    spread  [B, N, 3]  mean distance from the truth that it expects, metres
    """

    points: Tensor
    spread: Tensor


class Lifter(nn.Module):
    """Moves the 3D points that a pose network guesses by what it saw, all points together: a residual MLP.

    After the lifting networks of Martinez et al. 2017, which know the 2D points alone.
    """

    def __init__(
        self,
        points: int = 33,        # BlazePose's
        width: int = 384,        # with it 1.1 M parameters
        depth: int = 3,          # residual blocks
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        self.points = points
        self.first = nn.Linear(6 * points, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(width, width)
            )
            for _ in range(depth)
        )
        self.last = nn.Linear(width, 6 * points)
        nn.init.zeros_(self.last.weight)      # it begins with what the pose network guessed
        nn.init.zeros_(self.last.bias)

    def forward(self, xy: Tensor, world: Tensor, confidence: Tensor) -> Lifted:
        """What a pose network saw of people: xy [B, N, 2] in any pixels, world [B, N, 3] metres about any origin in the
        camera's axes, confidence [B, N] in [0, 1].
        """
        hips = list(HIPS)
        size = (xy.amax(1) - xy.amin(1)).amax(1).clamp(min=1e-6)
        seen = (xy - xy[:, hips].mean(1, keepdim=True)) / size[:, None, None]
        guessed = world - world[:, hips].mean(1, keepdim=True)
        x = self.first(torch.cat([4 * seen, 3 * guessed, confidence[..., None]], dim=2).flatten(1))
        for block in self.blocks:
            x = x + block(x)
        moved, spread = self.last(x).unflatten(1, (self.points, 6)).split(3, dim=2)
        return Lifted(guessed + 0.1 * moved, (spread - 3).clamp(min=FINEST).exp())


@dataclass(frozen=True, eq=False)
class LandmarkLifter(pretrained.Single[Lifter]):
    """The network of one training."""

    NETWORK = Lifter
    PART = "lifter"


@lru_cache(maxsize=1)
def shipped() -> LandmarkLifter | None:
    """The weights that come with the package, loaded once; None where it has none."""
    return LandmarkLifter.shipped()
