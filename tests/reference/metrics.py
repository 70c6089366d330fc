"""The measures of the tables as their papers word them, in float64 numpy."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)   # of the scales, Wang et al. 2003


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    total, count = 0.0, 0
    for p, q in zip(a.ravel(), b.ravel(), strict=True):
        total, count = total + (float(p) - float(q)) ** 2, count + 1
    return 10 * np.log10(1 / (total / count))


def blurred(x: np.ndarray) -> np.ndarray:
    """[H, W] -> [H - 10, W - 10]."""
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(taps, taps)
    return (sliding_window_view(x, (11, 11)) * (window / window.sum())).sum((2, 3))


def halved(x: np.ndarray) -> np.ndarray:
    h, w = x.shape[0] // 2 * 2, x.shape[1] // 2 * 2
    return (x[0:h:2, 0:w:2] + x[1:h:2, 0:w:2] + x[0:h:2, 1:w:2] + x[1:h:2, 1:w:2]) / 4


def ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """a, b [3, H, W] in [0, 1]; each channel by itself, a scale's mean over all of them."""
    c1, c2 = 0.01**2, 0.03**2
    result = 1.0
    for scale, weight in enumerate(WEIGHTS):
        structures, wholes = [], []
        for x, y in zip(a, b, strict=True):
            mx, my = blurred(x), blurred(y)
            vx, vy = blurred(x * x) - mx**2, blurred(y * y) - my**2
            structure = (2 * (blurred(x * y) - mx * my) + c2) / (vx + vy + c2)
            structures.append(structure)
            wholes.append(structure * (2 * mx * my + c1) / (mx**2 + my**2 + c1))
        result *= np.mean(wholes if scale == len(WEIGHTS) - 1 else structures) ** weight
        a, b = np.stack([halved(x) for x in a]), np.stack([halved(y) for y in b])
    return float(result)


def kid(a: np.ndarray, b: np.ndarray) -> float:
    """Eq. 4 of Binkowski et al. 2018."""

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return (float(np.dot(x, y)) / len(x) + 1) ** 3

    n, m = len(a), len(b)
    first = sum(kernel(a[i], a[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    second = sum(kernel(b[i], b[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return first + second - 2 * sum(kernel(x, y) for x in a for y in b) / (n * m)
