"""LPIPS (Zhang et al. 2018) and DISTS (Ding et al. 2020) as their papers word them, in float64 numpy, one image each.

`kernels` [k, k, inputs, outputs] and `biases` are in the networks' order.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

# (stride, padding) of each convolution, and what the image is pooled with before it: (side, stride)
ALEXNET = (((4, 2), None), ((1, 2), (3, 2)), ((1, 1), (3, 2)), ((1, 1), None), ((1, 1), None))
ALEXNET_LAYERS = (0, 1, 2, 3, 4)
VGG16 = tuple(((1, 1), (2, 2) if i in (2, 4, 7, 10) else None) for i in range(13))
VGG16_LAYERS = (1, 3, 6, 9, 12)


def convolve(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """[I, H, W] -> [O, H', W']."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    windows = sliding_window_view(x, kernel.shape[:2], axis=(1, 2))[:, ::stride, ::stride]
    return np.tensordot(kernel, windows, axes=([0, 1, 2], [3, 4, 0])) + bias[:, None, None]


def max_pool(x: np.ndarray, side: int, stride: int) -> np.ndarray:
    return sliding_window_view(x, (side, side), axis=(1, 2))[:, ::stride, ::stride].max((3, 4))


def blur_pool(x: np.ndarray) -> np.ndarray:
    """Root of the Hann-weighted mean square."""
    hann = np.hanning(5)[1:-1]
    window = hann[:, None] * hann
    squares = np.pad(x**2, ((0, 0), (1, 1), (1, 1)))
    windows = sliding_window_view(squares, (3, 3), axis=(1, 2))[:, ::2, ::2]
    return np.sqrt((windows * window / window.sum()).sum((3, 4)) + 1e-12)


def layers(x: np.ndarray, kernels: list, biases: list, plan: tuple, wanted: tuple, *, blur: bool) -> list[np.ndarray]:
    found = []
    for i, ((stride, padding), pool) in enumerate(plan):
        if pool is not None:
            x = blur_pool(x) if blur else max_pool(x, *pool)
        x = np.maximum(convolve(x, kernels[i], biases[i], stride, padding), 0)
        if i in wanted:
            found.append(x)
    return found


def lpips(a: np.ndarray, b: np.ndarray, kernels: list, biases: list, heads: list, plan: tuple, wanted: tuple) -> float:
    """Eq. 1 of the LPIPS paper; a, b [3, H, W] in [-1, 1], heads [C] a layer."""
    shift = np.array([-0.030, -0.088, -0.188])[:, None, None]
    scale = np.array([0.458, 0.448, 0.450])[:, None, None]
    total = 0.0
    both = [layers((x - shift) / scale, kernels, biases, plan, wanted, blur=False) for x in (a, b)]
    for x, y, head in zip(*both, heads, strict=True):
        height, width = x.shape[1:]
        for i in range(height):
            for j in range(width):
                p = x[:, i, j] / (np.linalg.norm(x[:, i, j]) + 1e-10)
                q = y[:, i, j] / (np.linalg.norm(y[:, i, j]) + 1e-10)
                total += (head * (p - q) ** 2).sum() / (height * width)
    return total


def dists(a: np.ndarray, b: np.ndarray, kernels: list, biases: list, alpha: np.ndarray, beta: np.ndarray) -> float:
    """Eqs 6, 7 and 8 of the DISTS paper; a, b [3, H, W] in [0, 1], alpha and beta [1475] not yet summing to 1."""
    mean = np.array([0.485, 0.456, 0.406])[:, None, None]
    deviation = np.array([0.229, 0.224, 0.225])[:, None, None]
    both = [[x, *layers((x - mean) / deviation, kernels, biases, VGG16, VGG16_LAYERS, blur=True)] for x in (a, b)]
    alike, channel = 0.0, 0
    for x, y in zip(*both, strict=True):
        for p, q in zip(x, y, strict=True):
            luminance = (2 * p.mean() * q.mean() + 1e-6) / (p.mean() ** 2 + q.mean() ** 2 + 1e-6)
            covariance = (p * q).mean() - p.mean() * q.mean()
            structure = (2 * covariance + 1e-6) / (p.var() + q.var() + 1e-6)
            alike += alpha[channel] * luminance + beta[channel] * structure
            channel += 1
    return 1 - alike / (alpha.sum() + beta.sum())
