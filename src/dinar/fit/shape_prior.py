"""What shapes people have, weakly told by their sex."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from dinar.body.model import BodyModel

DATA = Path(__file__).parent / "data" / "shapes.npz"


@dataclass(frozen=True, eq=False)
class ShapePrior:
    """A normal distribution of shapes; float64.

    mean       [S]
    whitening  [S, S]  takes departures from the mean to independent numbers of variance 1
    """

    mean: Tensor
    whitening: Tensor

    @classmethod
    def of(cls, model: BodyModel, female: float = 0.5) -> Self:
        """Of people who are women with probability `female`.

        Women and men are two normal distributions; this one has the mean and covariance of their mixture. Bodies other
        than the open one have shapes of variance 1 about 0, as their makers say.
        """
        if model.name != "open":
            count = len(model.shape_basis)
            return cls(torch.zeros(count).double(), torch.eye(count).double())
        women, men, covariance = _statistics()
        apart = women - men
        mixed = covariance + female * (1 - female) * np.outer(apart, apart)
        whitening = np.linalg.cholesky(np.linalg.inv(mixed)).T
        return cls(torch.from_numpy(men + female * apart), torch.from_numpy(np.ascontiguousarray(whitening)))

    def departure(self, shape: Tensor) -> Tensor:
        """[S] of a shape [S]; half the sum of its squares is the negative logarithm of the density, less a constant."""
        return self.whitening @ (shape - self.mean)


@lru_cache(maxsize=1)
def _statistics() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    found = np.load(DATA, allow_pickle=False)
    return tuple(found[name].astype(np.float64) for name in ("female", "male", "covariance"))
