"""Equation 5 texel by texel."""

from __future__ import annotations

import math

import numpy as np


def merge(
    textures: list[np.ndarray],    # N of [C, S, S]
    frontality: list[np.ndarray],  # N of [S, S]
    counts: list[np.ndarray],      # N of [S, S] bool: which photos count at a texel
    tau: float,
) -> np.ndarray:
    """[C, S, S], 0 where no photo counts."""
    channels, size, _ = textures[0].shape
    T = np.zeros((channels, size, size))
    for y in range(size):
        for x in range(size):
            views = [i for i in range(len(textures)) if counts[i][y, x]]
            total = sum(math.exp(frontality[i][y, x] / tau) for i in views)
            for i in views:
                T[:, y, x] += textures[i][:, y, x] * math.exp(frontality[i][y, x] / tau) / total
    return T
