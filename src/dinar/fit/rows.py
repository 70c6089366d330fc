"""Residuals with their derivatives: what Gauss-Newton steps are made of."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """Residuals of one photo; half the sum of their squares is minimised. float64.

    residual  [M]
    jacobian  [M, P]  derivatives by unknowns
    """

    residual: Tensor
    jacobian: Tensor

    def weighted(self, weight: float) -> Rows:
        """As if half the squares were that many times as much."""
        return Rows(self.residual * weight**0.5, self.jacobian * weight**0.5)
