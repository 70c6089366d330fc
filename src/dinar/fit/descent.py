"""Gauss-Newton steps with damping (Levenberg-Marquardt) for one shape and the poses of several photos."""

from __future__ import annotations

import torch
from torch import Tensor

from dinar.fit.problem import Problem, State, Weights

DAMPING = 1e-2            # of the diagonal, at first
_LEAST, _MOST = 1e-5, 1e4
_TRIES = 6


def step(problem: Problem, state: State, weights: Weights, damping: float, *, limbs: bool) -> tuple[State, float]:
    """A state of less loss, or the same where none is found, and the damping to go on with."""
    system = _System(problem, state, weights, limbs=limbs)
    for _ in range(_TRIES):
        after = problem.state(state.unknowns.moved(*system.solved(damping)), weights)
        if after.loss < state.loss:
            return after, max(damping / 4, _LEAST)
        damping = damping * 5
    return state, min(damping, _MOST)


class _System:
    """Normal equations: what photos share in one corner, and beside it a block of its own for each photo."""

    def __init__(self, problem: Problem, state: State, weights: Weights, *, limbs: bool) -> None:
        shapes, own = len(state.unknowns.shape), state.unknowns.expression.shape[1]
        self.shapes = shapes
        likely = problem.shape_rows(state.unknowns, weights)
        shared, slope = likely.jacobian.T @ likely.jacobian, likely.jacobian.T @ likely.residual
        self.blocks: list[tuple[Tensor, Tensor, Tensor]] = []
        for i in range(len(problem.photos)):
            rows = problem.rows(state, i, weights)
            if not limbs:
                rows.jacobian[:, shapes : shapes + own] = 0
                rows.jacobian[:, shapes + own + 3 : -4] = 0
            square, right = rows.jacobian.T @ rows.jacobian, rows.jacobian.T @ rows.residual
            shared = shared + square[:shapes, :shapes]
            slope = slope + right[:shapes]
            self.blocks.append((square[shapes:, shapes:], square[shapes:, :shapes], right[shapes:]))
        self.shared, self.slope = shared, slope

    def solved(self, damping: float) -> tuple[Tensor, Tensor]:
        """The step of the shape [S] and of each photo's own [n, P - S]."""
        left, right = _damped(self.shared, damping), -self.slope
        parts = []
        for square, beside, slope in self.blocks:
            factor = torch.linalg.cholesky(_damped(square, damping))
            found = torch.cholesky_solve(torch.cat([beside, slope[:, None]], dim=1), factor)
            left = left - beside.T @ found[:, :-1]
            right = right + beside.T @ found[:, -1]
            parts.append(found)
        shape = torch.cholesky_solve(right[:, None], torch.linalg.cholesky(left))[:, 0]
        return shape, torch.stack([-(found[:, :-1] @ shape + found[:, -1]) for found in parts])


def _damped(square: Tensor, damping: float) -> Tensor:
    diagonal = square.diagonal()
    return square + torch.diag(damping * diagonal + 1e-6 * diagonal.max())
