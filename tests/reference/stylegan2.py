"""Layers of StyleGAN2 (Karras et al. 2020) as the paper words them: number by number, sample by sample."""

from __future__ import annotations

import math

import numpy as np

TAPS = (1.0, 3.0, 3.0, 1.0)


def convolve(x: np.ndarray, weight: np.ndarray, padding: int, stride: int = 1) -> np.ndarray:
    """x [I, H, W], weight [O, I, k, k] -> [O, H', W']; zeros beyond the image."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    outputs, _, side, _ = weight.shape
    height, width = ((n - side) // stride + 1 for n in x.shape[1:])
    out = np.zeros((outputs, height, width))
    for o in range(outputs):
        for i in range(height):
            for j in range(width):
                out[o, i, j] = (weight[o] * x[:, i * stride : i * stride + side, j * stride : j * stride + side]).sum()
    return out


def spread(x: np.ndarray) -> np.ndarray:
    """[C, H, W] -> [C, 2 H, 2 W]: a zero after every pixel and row."""
    out = np.zeros((x.shape[0], 2 * x.shape[1], 2 * x.shape[2]))
    out[:, ::2, ::2] = x
    return out


def filtered(x: np.ndarray, before: int, after: int, gain: float = 1.0) -> np.ndarray:
    """Every channel convolved with [1, 3, 3, 1] / 8 along both axes, `before` and `after` zeros around it."""
    x = np.pad(x, ((0, 0), (before, after), (before, after)))
    out = np.zeros((x.shape[0], x.shape[1] - 3, x.shape[2] - 3))
    for c in range(out.shape[0]):
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                for k in range(4):
                    for m in range(4):
                        out[c, i, j] += gain * TAPS[k] * TAPS[m] / 64 * x[c, i + k, j + m]
    return out


def halve(x: np.ndarray) -> np.ndarray:
    """[C, H, W] -> [C, H / 2, W / 2]: filtered, then every other pixel."""
    return filtered(x, 1, 1)[:, ::2, ::2]


def double(x: np.ndarray) -> np.ndarray:
    """[C, H, W] -> [C, 2 H, 2 W]: a zero after every pixel, then filtered with gain 4."""
    return filtered(spread(x), 2, 1, gain=4)


def modulated(
    x: np.ndarray,         # [B, I, H, W]
    weight: np.ndarray,    # [O, I, k, k]
    style: np.ndarray,     # [B, I]
    demodulate: bool,
) -> np.ndarray:
    """Equations 1 and 3 of the StyleGAN2 paper: each sample with weights of its own."""
    out = []
    for sample, s in zip(x, style, strict=True):
        w = weight * s[None, :, None, None]
        if demodulate:
            for o in range(len(w)):
                w[o] = w[o] / math.sqrt((w[o] ** 2).sum() + 1e-8)
        out.append(convolve(sample, w, padding=weight.shape[-1] // 2))
    return np.stack(out)


def deviation(x: np.ndarray, size: int) -> np.ndarray:
    """One number a sample: [B, C, H, W] -> [B]; sample n is in group n mod (B / size)."""
    groups = len(x) // size
    out = np.zeros(len(x))
    for g in range(groups):
        members = [n for n in range(len(x)) if n % groups == g]
        out[members] = np.sqrt(x[members].var(axis=0) + 1e-8).mean()
    return out
