"""Algorithm 1 of the paper as it stands there: two loops over the pixels."""

from __future__ import annotations

import numpy as np


def sample_rgb(
    rgb: np.ndarray,               # [H, W, C]
    uv: np.ndarray,                # [H, W, 2] (u, v) in [0, 1]
    mask: np.ndarray,              # [H, W] bool: pixels without UV coordinates are no part of the loops
    size: int,
    *,
    last_write: bool = False,      # the paper's second loop word for word; else the mean of the pixels on a texel
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """T [size, size, C], the texels written in the second loop and those written in either, [size, size] bool.

    One deviation: where several pixels fall on a texel, the paper keeps the last write and here it is their mean,
    unless `last_write`. Texels that nothing was written to stay 0 instead of 0 / 0; writes outside the texture are
    dropped.
    """
    height, width, channels = rgb.shape
    T = np.zeros((size, size, channels))
    C = np.zeros((size, size))
    pixels = [(x, y) for x in range(height) for y in range(width) if mask[x, y]]

    def texel(x: int, y: int) -> tuple[int, int]:
        u, v = uv[x, y]
        return min(int(v * size), size - 1), min(int(u * size), size - 1)

    for x, y in pixels:
        i, j = texel(x, y)
        for k in (-1, 0, 1):
            for m in (-1, 0, 1):
                if 0 <= i + k < size and 0 <= j + m < size:
                    T[i + k, j + m] += rgb[x, y]
                    C[i + k, j + m] += 1
    filled = C > 0
    T[filled] /= C[filled, None]

    written: dict[tuple[int, int], list[np.ndarray]] = {}
    for x, y in pixels:
        i, j = texel(x, y)
        T[i, j] = rgb[x, y]
        written.setdefault((i, j), []).append(rgb[x, y])
    sampled = np.zeros((size, size), bool)
    for at, values in written.items():
        sampled[at] = True
        if not last_write:
            T[at] = np.mean(values, axis=0)
    return T, sampled, filled
