"""The rasteriser on a CPU. Import it late: numba takes a second."""

from __future__ import annotations

import math

import numpy as np

from dinar.raster.compiled import BAND, compiled, shared_out
from dinar.raster.fragments import NEAR


@compiled
def _edge(px, py, qx, qy, side):
    """The edge p -> q as (a, b, x, y, least): a * (X - x) + b * (Y - y) > least inside the triangle.

    Both triangles at an edge start from the same corner, so they compute the same number with opposite signs, and a
    pixel between them cannot fall through. `least` is just below zero on top and left edges: they own their pixels.
    """
    if py > qy or (py == qy and px < qx):
        px, py, qx, qy, side = qx, qy, px, py, -side
    return side * (py - qy), side * (qx - px), px, py, -1e-300 if side < 0 else 0.0


@compiled
def _draw(vertices, faces, cull, part, parts, face, barycentric, depth):
    """Draws one image's rows that belong to `part` of `parts`; writes face, barycentric and depth [H, W]."""
    h, w = face.shape

    following = np.empty(h + 1, np.int32)  # the first row >= y that is ours
    following[h] = h
    for y in range(h - 1, -1, -1):
        following[y] = y if (y // BAND) % parts == part else following[y + 1]
        if following[y] == y:
            face[y] = -1
            barycentric[y] = 0
            depth[y] = np.inf

    for f in range(len(faces)):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        # float64: exact or nearly so for float32 input, and no product of two coordinates overflows
        ay, by, cy = np.float64(vertices[i, 1]), np.float64(vertices[j, 1]), np.float64(vertices[k, 1])
        if not math.isfinite(ay + by + cy):
            continue
        y0 = int(min(max(np.ceil(min(ay, by, cy) - 0.5), 0.0), float(h)))
        y1 = int(min(max(np.floor(max(ay, by, cy) - 0.5), -1.0), h - 1.0))
        if following[y0] > y1:
            continue
        ax, bx, cx = np.float64(vertices[i, 0]), np.float64(vertices[j, 0]), np.float64(vertices[k, 0])
        az, bz, cz = np.float64(vertices[i, 2]), np.float64(vertices[j, 2]), np.float64(vertices[k, 2])
        if not (az > NEAR and bz > NEAR and cz > NEAR and math.isfinite(ax + bx + cx + az + bz + cz)):
            continue
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0 or (cull and area > 0):
            continue
        x0 = int(min(max(np.ceil(min(ax, bx, cx) - 0.5), 0.0), float(w)))
        x1 = int(min(max(np.floor(max(ax, bx, cx) - 0.5), -1.0), w - 1.0))
        if x0 > x1:
            continue

        side = 1.0 if area > 0 else -1.0
        a0, b0, u0, v0, least0 = _edge(bx, by, cx, cy, side)
        a1, b1, u1, v1, least1 = _edge(cx, cy, ax, ay, side)
        a2, b2, u2, v2, least2 = _edge(ax, ay, bx, by, side)
        scale = side / area
        q0, q1, q2 = scale / az, scale / bz, scale / cz

        y = following[y0]
        while y <= y1:
            r0, r1, r2 = b0 * (y + 0.5 - v0), b1 * (y + 0.5 - v1), b2 * (y + 0.5 - v2)
            entered = False
            for x in range(x0, x1 + 1):
                e0, e1, e2 = a0 * (x + 0.5 - u0) + r0, a1 * (x + 0.5 - u1) + r1, a2 * (x + 0.5 - u2) + r2
                if (e0 > least0) & (e1 > least1) & (e2 > least2):
                    entered = True
                    e0, e1, e2 = e0 * q0, e1 * q1, e2 * q2
                    z = 1.0 / (e0 + e1 + e2)
                    if np.float32(z) < depth[y, x]:  # strict: of equal depths the first face stays
                        depth[y, x] = z
                        face[y, x] = f
                        barycentric[y, x, 0] = e0 * z
                        barycentric[y, x, 1] = e1 * z
                        barycentric[y, x, 2] = e2 * z
                elif entered:
                    break
            y = following[y + 1]


def draw(
    vertices: np.ndarray,          # float32 [B, V, 3] x px, y px, depth m
    faces: np.ndarray,             # int32 [F, 3]
    size: tuple[int, int],         # (H, W)
    cull: bool,
    threads: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Face int32 [B, H, W], barycentric float32 [B, H, W, 3] and depth float32 [B, H, W]; see `rasterize`.

    The result does not depend on the number of threads. The first call on a machine compiles for a few seconds.
    """
    batch = len(vertices)
    face = np.empty((batch, *size), np.int32)
    barycentric = np.empty((batch, *size, 3), np.float32)
    depth = np.empty((batch, *size), np.float32)
    parts = max(1, min(-(-threads // max(batch, 1)), -(-size[0] // BAND)))

    def job(number: int) -> None:
        b, part = divmod(number, parts)
        _draw(vertices[b], faces, cull, part, parts, face[b], barycentric[b], depth[b])

    shared_out(job, batch * parts, threads)
    return face, barycentric, depth
