"""What shapes people have, weakly told by their sex and age."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from dinar.body.model import BodyModel

_TALL, _CHILD_TALL = 0.10, 0.22     # metres, of adults of a sex and of children of any age

DATA = Path(__file__).parent / "data" / "shapes.npz"


@dataclass(frozen=True, eq=False)
class ShapePrior:
    """A normal distribution of shapes; float64.

    mean       [S]
    whitening  [S, S]  takes departures from the mean to independent numbers of variance 1
    tall       spread of the stature about the mean's, metres
    """

    mean: Tensor
    whitening: Tensor
    tall: float

    @classmethod
    def of(cls, model: BodyModel, female: float = 0.5, *, child: bool = False) -> Self:
        """Of people who are women with probability `female`, or of children from 3 to 14 years of both sexes.

        Women and men are two normal distributions; this one has the mean and covariance of their mixture. Bodies other
        than the open one have shapes of variance 1 about 0, as their makers say.
        """
        if model.name != "open":
            count = len(model.shape_basis)
            return cls(torch.zeros(count).double(), torch.eye(count).double(), _TALL)
        known = _statistics()
        if child:
            return cls._normal(known["child"], known["child_covariance"], _CHILD_TALL)
        women, men, covariance = (known[name] for name in ("female", "male", "covariance"))
        apart = women - men
        mixed = covariance + female * (1 - female) * np.outer(apart, apart)
        return cls._normal(men + female * apart, mixed, _TALL)

    @classmethod
    def _normal(cls, mean: np.ndarray, covariance: np.ndarray, tall: float) -> Self:
        whitening = np.linalg.cholesky(np.linalg.inv(covariance)).T
        return cls(torch.from_numpy(mean), torch.from_numpy(np.ascontiguousarray(whitening)), tall)

    def departure(self, shape: Tensor) -> Tensor:
        """[S] of a shape [S]; half the sum of its squares is the negative logarithm of the density, less a constant."""
        return self.whitening @ (shape - self.mean)


@lru_cache(maxsize=1)
def _statistics() -> dict[str, np.ndarray]:
    with np.load(DATA, allow_pickle=False) as found:
        return {name: found[name].astype(np.float64) for name in found.files}
