"""Textures on what pixels see, in one pass on a CPU. Import it late: numba takes a second."""

from __future__ import annotations

import numpy as np

from dinar.raster.compiled import BAND, compiled, shared_out


@compiled
def _add(texture, u, v, out):
    """Adds a texture [C, R, R] at (u, v), bilinear, its border continued, to out [C]."""
    side = texture.shape[1]
    x = min(max(u * np.float32(side) - np.float32(0.5), np.float32(0)), np.float32(side - 1))
    y = min(max(v * np.float32(side) - np.float32(0.5), np.float32(0)), np.float32(side - 1))
    left, top = int(x), int(y)
    right, bottom = min(left + 1, side - 1), min(top + 1, side - 1)
    x, y = x - np.float32(left), y - np.float32(top)
    a, b = (np.float32(1) - x) * (np.float32(1) - y), x * (np.float32(1) - y)
    c, d = (np.float32(1) - x) * y, x * y
    for k in range(len(out)):
        plane = texture[k]
        out[k] += a * plane[top, left] + b * plane[top, right] + c * plane[bottom, left] + d * plane[bottom, right]


@compiled
def _average(texture, uv, uv_faces, face, barycentric, n, first, last, values, share):
    """Rows first to last of the means of n x n samples a pixel."""
    total = np.empty(len(values), np.float32)
    for i in range(first, last):
        for j in range(values.shape[2]):
            hits = 0
            total[:] = 0
            for y in range(n * i, n * i + n):
                for x in range(n * j, n * j + n):
                    f = face[y, x]
                    if f < 0:
                        continue
                    hits += 1
                    u, v = np.float32(0), np.float32(0)
                    for corner in range(3):
                        weight, row = barycentric[y, x, corner], uv_faces[f, corner]
                        u += weight * uv[row, 0]
                        v += weight * uv[row, 1]
                    _add(texture, u, v, total)
            share[i, j] = np.float32(hits) / np.float32(n * n)
            if hits:
                for k in range(len(values)):
                    values[k, i, j] = total[k] / np.float32(hits)
            else:
                for k in range(len(values)):
                    values[k, i, j] = 0


def average(
    texture: np.ndarray,           # float32 [B, C, R, R]
    uv: np.ndarray,                # float32 [T, 2]
    uv_faces: np.ndarray,          # int [F, 3]
    face: np.ndarray,              # int32 [B, nH, nW], -1 where nothing is hit
    barycentric: np.ndarray,       # float32 [B, nH, nW, 3]
    n: int,                        # samples a pixel along each axis
    threads: int,
) -> tuple[np.ndarray, np.ndarray]:
    """A texture's mean over the covered part of each pixel, float32 [B, C, H, W], and that part [B, 1, H, W]."""
    batch, high, wide = face.shape
    values = np.empty((batch, texture.shape[1], high // n, wide // n), np.float32)
    share = np.empty((batch, 1, high // n, wide // n), np.float32)
    bands = -(-(high // n) // BAND)

    def job(number: int) -> None:
        b, band = divmod(number, bands)
        first, last = band * BAND, min((band + 1) * BAND, high // n)
        _average(texture[b], uv, uv_faces, face[b], barycentric[b], n, first, last, values[b], share[b, 0])

    shared_out(job, batch * bands, threads)
    return values, share
