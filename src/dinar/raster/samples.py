"""Where on its surface pixels see a body, at their centres and at n x n samples each, in one pass on a CPU.

Import it late: numba takes a second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dinar.raster.compiled import bare, shared_out
from dinar.raster.fragments import NEAR


@dataclass(frozen=True)
class Samples:
    """What pixels of an image [H, W] see of a body, and n x n samples in each of them.

    depth       float32 [H, W]         metres along the camera's axis at the pixel's centre, inf where nothing is hit
    at          float32 [H, W, 2]      UV coordinates there; of no meaning where nothing is hit
    fine_depth  float32 [nH, nW]       the same of the samples
    fine_at     float32 [nH, nW, 2]
    """

    depth: np.ndarray
    at: np.ndarray
    fine_depth: np.ndarray
    fine_at: np.ndarray


@bare
def _edge(px, py, qx, qy, side):
    """`cpu._edge`; numba's cache on disk would not notice a change of that in another file."""
    if py > qy or (py == qy and px < qx):
        px, py, qx, qy, side = qx, qy, px, py, -side
    return side * (py - qy), side * (qx - px), px, py, -1e-300 if side < 0 else 0.0


@bare
def _fill(edges, slopes, corners, step, x0, x1, y0, y1, depth, at):
    """One triangle at the points step (x + 1 / 2), step (y + 1 / 2) of x0 to x1 and y0 to y1."""
    (a0, b0, u0, v0, least0), (a1, b1, u1, v1, least1), (a2, b2, u2, v2, least2) = edges
    for y in range(y0, y1 + 1):
        here = step * (y + 0.5)
        r0, r1, r2 = b0 * (here - v0), b1 * (here - v1), b2 * (here - v2)
        entered = False
        for x in range(x0, x1 + 1):
            there = step * (x + 0.5)
            e0, e1, e2 = a0 * (there - u0) + r0, a1 * (there - u1) + r1, a2 * (there - u2) + r2
            if (e0 > least0) & (e1 > least1) & (e2 > least2):
                entered = True
                e0, e1, e2 = e0 * slopes[0], e1 * slopes[1], e2 * slopes[2]
                z = 1.0 / (e0 + e1 + e2)
                if np.float32(z) < depth[y, x]:  # strict: of equal depths the first face stays
                    depth[y, x] = z
                    p, q, r = np.float32(e0 * z), np.float32(e1 * z), np.float32(e2 * z)
                    at[y, x, 0] = p * corners[0] + q * corners[2] + r * corners[4]
                    at[y, x, 1] = p * corners[1] + q * corners[3] + r * corners[5]
            elif entered:
                break


@bare
def _within(least, most, step, first, last):
    """The first and last whole numbers k from first to last with step (k + 1 / 2) between two numbers."""
    low, high = np.ceil(least / step - 0.5), np.floor(most / step - 0.5)
    low = low if low > first else float(first)
    high = high if high < last else float(last)
    return int(low if low < last + 1 else last + 1), int(high if high > first - 1 else first - 1)


@bare
def _hidden(nearest, x0, x1, y0, y1, depth):
    """Whether all that is farther off than `nearest` lies behind what is drawn of x0 to x1 and y0 to y1."""
    for y in range(y0, y1 + 1):
        free = False
        for x in range(x0, x1 + 1):
            free |= depth[y, x] > nearest
        if free:
            return False
    return True


@bare
def _draw(vertices, faces, uv, n, first, last, back, depth, at, fine_depth, fine_at):
    """Front or back faces in rows of pixels first to last; as `cpu._draw` with n times the size, in whose pixels all
    is counted."""
    width = depth.shape[1]
    for f in range(len(faces)):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        ay, by, cy = n * np.float64(vertices[i, 1]), n * np.float64(vertices[j, 1]), n * np.float64(vertices[k, 1])
        if not math.isfinite(ay + by + cy):
            continue
        low, high = (ay if ay < by else by), (ay if ay > by else by)
        low, high = (low if low < cy else cy), (high if high > cy else cy)
        y0, y1 = _within(low, high, 1.0, n * first, n * last - 1)
        wide_y0, wide_y1 = _within(low, high, float(n), first, last - 1)
        if y0 > y1 and wide_y0 > wide_y1:
            continue
        ax, bx, cx = n * np.float64(vertices[i, 0]), n * np.float64(vertices[j, 0]), n * np.float64(vertices[k, 0])
        az, bz, cz = np.float64(vertices[i, 2]), np.float64(vertices[j, 2]), np.float64(vertices[k, 2])
        if not (az > NEAR and bz > NEAR and cz > NEAR and math.isfinite(ax + bx + cx + az + bz + cz)):
            continue
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0 or (area > 0) != back:
            continue
        left, right = (ax if ax < bx else bx), (ax if ax > bx else bx)
        left, right = (left if left < cx else cx), (right if right > cx else cx)
        x0, x1 = _within(left, right, 1.0, 0, n * width - 1)
        wide_x0, wide_x1 = _within(left, right, float(n), 0, width - 1)
        centres = wide_x0 <= wide_x1 and wide_y0 <= wide_y1
        if (x0 > x1 or y0 > y1) and not centres:
            continue
        if back:
            nearest = az if az < bz else bz
            nearest = np.float32((nearest if nearest < cz else cz) * (1 - 1e-6))
            if _hidden(nearest, x0, x1, y0, y1, fine_depth) and _hidden(
                nearest, wide_x0, wide_x1, wide_y0, wide_y1, depth
            ):
                continue
        side = 1.0 if area > 0 else -1.0
        edges = (
            _edge(bx, by, cx, cy, side), _edge(cx, cy, ax, ay, side), _edge(ax, ay, bx, by, side)
        )  # fmt: skip
        scale = side / area
        slopes = (scale / az, scale / bz, scale / cz)
        _fill(edges, slopes, uv[f], 1.0, x0, x1, y0, y1, fine_depth, fine_at)
        if centres:
            _fill(edges, slopes, uv[f], float(n), wide_x0, wide_x1, wide_y0, wide_y1, depth, at)


def draw(
    vertices: np.ndarray,          # float32 [V, 3] x px, y px, depth m
    faces: np.ndarray,             # int32 [F, 3], rows of `vertices`
    uv: np.ndarray,                # float32 [F, 6] u and v of each triangle's corners
    size: tuple[int, int],         # (H, W)
    n: int,                        # samples a pixel along each axis, a power of two
    threads: int,
) -> Samples:
    """What `rasterize` finds at the size and at n times the size, to the bit, with UV coordinates for weights.

    Back faces come last, for then hardly any of them is seen; of equal depths a front face wins.
    """
    height, width = size
    depth, at = np.empty(size, np.float32), np.empty((*size, 2), np.float32)
    fine_depth = np.empty((n * height, n * width), np.float32)
    fine_at = np.empty((n * height, n * width, 2), np.float32)
    parts = max(1, min(threads, height))

    def job(part: int) -> None:
        first, last = part * height // parts, (part + 1) * height // parts
        depth[first:last] = np.inf
        fine_depth[n * first : n * last] = np.inf
        for back in (False, True):
            _draw(vertices, faces, uv, n, first, last, back, depth, at, fine_depth, fine_at)

    shared_out(job, parts, threads)
    return Samples(depth, at, fine_depth, fine_at)
