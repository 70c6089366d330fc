"""Closed-form matting word for word: every window, a dense matrix (Levin, Lischinski, Weiss 2008, eqs 12 to 14)."""

from __future__ import annotations

import numpy as np


def laplacian(image: np.ndarray, epsilon: float) -> np.ndarray:
    """The matting Laplacian [H W, H W] of an image [H, W, 3]."""
    height, width = image.shape[:2]
    out = np.zeros((height * width, height * width))
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            window = [(y + v, x + u) for v in (-1, 0, 1) for u in (-1, 0, 1)]
            colours = np.array([image[place] for place in window])
            mean = colours.mean(axis=0)
            covariance = (colours - mean).T @ (colours - mean) / 9
            inverse = np.linalg.inv(covariance + epsilon / 9 * np.eye(3))
            for i, a in enumerate(window):
                for j, b in enumerate(window):
                    alike = (1 + (colours[i] - mean) @ inverse @ (colours[j] - mean)) / 9
                    out[a[0] * width + a[1], b[0] * width + b[1]] += (i == j) - alike
    return out


def closed_form(image: np.ndarray, alpha: np.ndarray, unknown: np.ndarray, epsilon: float) -> np.ndarray:
    """alpha [H, W] that minimises alpha^T L alpha where it is unknown and is as given elsewhere, cut to [0, 1]."""
    matrix, free = laplacian(image, epsilon), unknown.ravel()
    out = alpha.astype(float).ravel()
    out[free] = np.linalg.solve(matrix[np.ix_(free, free)], -matrix[np.ix_(free, ~free)] @ out[~free])
    return out.clip(0, 1).reshape(alpha.shape)
