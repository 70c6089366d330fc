"""Islands of a flattened surface laid out in a square, as large as they can be."""

from __future__ import annotations

import cv2
import numpy as np
from flattening import Island, edge_matrices
from scipy.signal import fftconvolve

TEXTURE = 256  # texels a side of the neural texture, for which the gutters are made
GUTTER = 2.0  # texels between islands


def overlaps(uv: np.ndarray, faces: np.ndarray, size: int) -> int:
    """Pixel centres, of size x size over [0, 1]^2, that lie inside two triangles or more."""
    count = np.zeros((size, size), np.uint8)
    for a, b, c in uv[faces] * size - 0.5:
        low = np.ceil(np.min([a, b, c], 0)).astype(int)
        high = np.floor(np.max([a, b, c], 0)).astype(int) + 1
        if (high <= low).any():
            continue
        x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
        side = [(q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]) for p, q in ((a, b), (b, c), (c, a))]
        inside = (np.min(side, 0) > 1e-9) | (np.max(side, 0) < -1e-9)
        count[low[1] : high[1], low[0] : high[0]] += inside
    return int((count > 1).sum())


def footprint(island: Island, uv: np.ndarray, size: int) -> np.ndarray:
    """Every cell that the island touches (and a little more), bool [h, w], for uv in cells."""
    canvas = np.zeros((int(np.ceil(uv[:, 1].max())) + 1, int(np.ceil(uv[:, 0].max())) + 1), np.uint8)
    fine = np.round(uv[island.corners] * 16).astype(np.int32) - 8
    for triangle in fine:
        cv2.fillConvexPoly(canvas, triangle, 1, lineType=cv2.LINE_8, shift=4)
    return canvas.astype(bool)


def pack(islands: list[Island], tries: int, seed: int, cells: int = 512) -> tuple[float, list[np.ndarray]]:
    """The largest scale at which every island finds room, and the uv of each, top left origin, in [0, 1]."""
    rng = np.random.default_rng(seed)
    gap = int(np.ceil(GUTTER * cells / TEXTURE))
    margin = gap // 2
    area = [np.abs(np.linalg.det(edge_matrices(i.uv, i.corners))).sum() / 2 for i in islands]
    extent = [np.ptp(i.uv, axis=0).max() for i in islands]

    def turned(island: Island, turn: int, scale: float) -> np.ndarray:
        uv = island.uv * [1, -1]
        for _ in range(turn):
            uv = np.stack([-uv[:, 1], uv[:, 0]], 1)
        uv = uv - uv.min(0)
        return uv * scale * cells + 1

    def attempt(order, turns, bias, scale):
        taken = np.zeros((cells, cells), np.float32)
        taken[:margin] = taken[-margin:] = 1
        taken[:, :margin] = taken[:, -margin:] = 1
        placed: dict[int, np.ndarray] = {}
        kernel = np.ones((2 * gap + 1, 2 * gap + 1), np.uint8)
        for k in order:
            uv = turned(islands[k], turns[k], scale)
            shape = footprint(islands[k], uv, cells)
            h, w = shape.shape
            if h > cells or w > cells:
                return None
            hits = fftconvolve(taken, shape[::-1, ::-1].astype(np.float32), mode="valid")
            free = np.argwhere(hits < 0.5)
            if not len(free):
                return None
            cost = free[:, 0] * bias[k, 0] + free[:, 1] * bias[k, 1]
            y, x = free[cost.argmin()]
            block = np.zeros((cells, cells), np.uint8)
            block[y : y + h, x : x + w] = shape
            taken = np.maximum(taken, cv2.dilate(block, kernel).astype(np.float32))
            placed[k] = (uv + np.array([x, y])) / cells
        return [placed[k] for k in range(len(islands))]

    scale, best = 0.72 / np.sqrt(sum(area)) * 0.9, None
    while best is None:
        scale *= 0.95
        order = np.argsort(extent)[::-1]
        best = attempt(order, [0] * len(islands), np.ones((len(islands), 2)), scale)
    for _ in range(tries):
        order = np.argsort(np.array(extent) * np.exp(0.25 * rng.standard_normal(len(islands))))[::-1]
        turns = [int(rng.choice(i.turns)) for i in islands]
        bias = rng.choice([-1.0, -0.3, 0.3, 1.0], (len(islands), 2))
        while (found := attempt(order, turns, bias, scale * 1.008)) is not None:
            scale, best = scale * 1.008, found
            print(f"packing: {scale:.4f} of the texture a metre, fill {sum(area) * scale**2:.3f}", flush=True)
    return scale, best
