"""`dinar.motion.swinging`, one particle and one spring after the other, in vectors."""

from __future__ import annotations

import math

import numpy as np

from dinar.motion import swinging


def substep(points, speed, goal, before, lean, balls, reach, held, pull, far, springs, lengths, h):
    """Points and speeds [P, 3] after a substep; every ball counts."""
    points, own = points.copy(), (goal - before) / h
    start = np.where(held[:, None], goal, points)
    moved = own + (speed - own) * math.exp(-swinging.DRAG * h) + h * (lean + pull[:, None] * (goal - points))
    points = np.where(held[:, None], goal, points + h * moved)
    for _ in range(swinging.ROUNDS):
        for (i, j), length in zip(springs, lengths, strict=True):
            free = [k for k in (i, j) if not held[k]]
            if not free:
                continue
            way = points[j] - points[i]
            long = np.linalg.norm(way)
            back = max(long - length, 0) / max(long, 1e-9) * way + swinging.SMOOTH * (way - (goal[j] - goal[i]))
            for k in free:
                points[k] += back / len(free) * (1 if k == i else -1)
    for p in np.flatnonzero(~held):
        for b in np.argsort(np.linalg.norm(start[p] - balls, axis=1) - reach[p], kind="stable"):     # as it starts
            way = points[p] - balls[b]
            if (off := np.linalg.norm(way)) < reach[p, b]:
                push = swinging.PUSH * (reach[p, b] / off - 1) * way
                points[p] += push
                start[p] += swinging.KEPT * push
        away = points[p] - goal[p]
        if (off := np.linalg.norm(away)) > far[p]:
            points[p] = goal[p] + far[p] / off * away
    return points, (points - start) / h

