"""Convolutions of 3 x 3 taps with a quarter of the products (Winograd's F(4 x 4, 3 x 3)). Import it late: numba."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from dinar.raster.compiled import bare, shared_out

TILE = 4            # pixels a side that are made at once
POINTS = TILE + 2   # a side of what is multiplied
ROWS = 4            # rows of tiles that one thread takes at a time
CACHED = 1 << 18    # numbers that stay near the processor: as many are worked on at a time

_KEPT = threading.local()
_TAPS = (  # of a row of three taps: its values at the six points
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)


@dataclass(frozen=True, eq=False)
class Winograd:
    """A 3 x 3 convolution, padded by 1, and the leaky ReLU behind it.

    weight  float32 [36, C, K]  the taps at the points
    bias    float32 [K]
    slope   of the leaky ReLU
    """

    weight: Tensor
    bias: Tensor
    slope: float

    @classmethod
    def of(cls, weight: Tensor, bias: Tensor, slope: float) -> Self:
        """Of a convolution's weight [K, C, 3, 3] and bias [K]."""
        taps = torch.tensor(_TAPS, dtype=torch.float64)
        points = torch.einsum("pi,kcij,qj->pqck", taps, weight.detach().double(), taps)
        return cls(points.flatten(0, 1).float().contiguous(), bias.detach().float().contiguous(), slope)

    @torch.inference_mode()
    def __call__(self, x: Tensor, beside: Tensor | None = None) -> Tensor:
        """Channels-last x [1, C, H, W], and what is added before the ReLU [1, K, H, W]: [1, K, H, W].

        float32 rounds it to some 1e-5 of its range, as a sum in another order does.
        """
        picture = _plane(x)
        height, width, channels = picture.shape
        outputs, high, wide = self.weight.shape[2], -(-height // TILE), -(-width // TILE)
        made = np.empty((1, height, width, outputs), np.float32)
        more = _plane(beside) if beside is not None else np.zeros((0, 0, 0), np.float32)
        lines_of = picture.reshape(height, -1)
        bias, slope, threads = self.bias.numpy(), np.float32(self.slope), torch.get_num_threads()
        # as many rows of tiles as the cache holds, but enough to be worth reading all weights
        rows = max(CACHED // POINTS**2, channels * outputs) // (wide * (channels + outputs)) + 1
        rows = high if threads > 1 else rows
        for start in range(0, high, rows):
            stop = min(start + rows, high)
            count = (stop - start) * wide
            points, products = _room(0, count * channels), _room(1, count * outputs)
            points = points.view(POINTS**2, count, channels)
            products = products.view(POINTS**2, count, outputs)
            into, out_of = points.numpy(), products.flatten(1).numpy()

            def spread(first: int, last: int) -> None:
                lines = np.empty((2, POINTS, (TILE * wide + 2) * channels), np.float32)
                _spread(lines_of, lines[0], lines[1], into, wide, start, first, last)  # noqa: B023

            def gather(first: int, last: int) -> None:
                ready = np.empty((TILE, POINTS, wide * outputs), np.float32)
                _gather(out_of, bias, more, slope, ready, made[0], wide, start, first, last)  # noqa: B023

            _shared(spread, start, stop, threads)
            torch.bmm(points, self.weight, out=products)
            _shared(gather, start, stop, threads)
        return torch.from_numpy(made).permute(0, 3, 1, 2)


def _room(which: int, count: int) -> Tensor:
    """Memory for so many numbers at every point: this thread's own, and the same each time, for new pages cost time."""
    kept = getattr(_KEPT, "rooms", None)
    if kept is None:
        kept = _KEPT.rooms = {}
    if which not in kept or len(kept[which]) < POINTS**2 * count:
        kept[which] = torch.empty(POINTS**2 * count)
    return kept[which][: POINTS**2 * count]


def _plane(x: Tensor) -> np.ndarray:
    """[1, C, H, W] as [H, W, C], with no copy where it is channels-last."""
    return x[0].permute(1, 2, 0).contiguous().numpy()


def _shared(job: Callable[[int, int], None], first: int, last: int, threads: int) -> None:
    """`job` for the rows of tiles first to last, on so many threads."""
    if threads == 1:
        job(first, last)
        return
    shared_out(
        lambda k: job(first + k * ROWS, min(first + (k + 1) * ROWS, last)), -(-(last - first) // ROWS), threads
    )


@bare
def _at_points(a, b, c, d, e, f, p0, p1, p2, p3, p4, p5):
    """Six rows of numbers at the six points; a loop each, for compilers vectorise loops that write to one place."""
    two, four, five = np.float32(2), np.float32(4), np.float32(5)
    for k in range(len(p0)):
        p0[k] = four * a[k] - five * c[k] + e[k]
    for k in range(len(p1)):
        p1[k] = (d[k] + e[k]) - four * (b[k] + c[k])
    for k in range(len(p2)):
        p2[k] = (e[k] - d[k]) + four * (b[k] - c[k])
    for k in range(len(p3)):
        p3[k] = (e[k] - c[k]) + two * (d[k] - b[k])
    for k in range(len(p4)):
        p4[k] = (e[k] - c[k]) - two * (d[k] - b[k])
    for k in range(len(p5)):
        p5[k] = four * b[k] - five * d[k] + f[k]


@bare
def _spread(picture, lines, ready, points, wide, start, first, last):
    """Rows of tiles first to last of a picture [H, W C] at the points [36, T, C], which begin with row `start`."""
    height, inner, channels = picture.shape[0], picture.shape[1], points.shape[2]
    for tile in range(first, last):
        for i in range(POINTS):
            y = TILE * tile + i - 1
            if 0 <= y < height:
                lines[i, :channels] = 0
                line, row = lines[i, channels : channels + inner], picture[y]
                for k in range(inner):
                    line[k] = row[k]
                lines[i, channels + inner :] = 0
            else:
                lines[i] = 0
        _at_points(
            lines[0], lines[1], lines[2], lines[3], lines[4], lines[5],
            ready[0], ready[1], ready[2], ready[3], ready[4], ready[5],
        )  # fmt: skip
        for i in range(POINTS):
            line = ready[i]
            for across in range(wide):
                at, number = TILE * across * channels, (tile - start) * wide + across
                a, b = line[at : at + channels], line[at + channels : at + 2 * channels]
                c, d = line[at + 2 * channels : at + 3 * channels], line[at + 3 * channels : at + 4 * channels]
                e, f = line[at + 4 * channels : at + 5 * channels], line[at + 5 * channels : at + 6 * channels]
                k = POINTS * i
                _at_points(
                    a, b, c, d, e, f, points[k, number], points[k + 1, number], points[k + 2, number],
                    points[k + 3, number], points[k + 4, number], points[k + 5, number],
                )  # fmt: skip


@bare
def _pixel(which):
    """What the first, the last and the middle points give to one of four pixels: see `_gather`."""
    one, zero = np.float32(1), np.float32(0)
    outer, far = (one if which == 0 else zero), (one if which == 3 else zero)
    return outer, far, (one if which % 2 == 0 else -one), np.float32(1 << which)


@bare
def _gather(products, bias, more, slope, ready, made, wide, start, first, last):
    """Products at the points [36, T K] as a picture [H, W, K], with what is added, and the leaky ReLU.

    One loop for all four pixels of a row of six points: four would take seconds to compile.
    """
    height, width, channels = made.shape
    for tile in range(first, last):
        at = (tile - start) * wide * channels
        row = slice(at, at + wide * channels)
        for j in range(POINTS):
            a, b, c = products[j, row], products[POINTS + j, row], products[2 * POINTS + j, row]
            d, e, f = products[3 * POINTS + j, row], products[4 * POINTS + j, row], products[5 * POINTS + j, row]
            for i in range(TILE):
                out = ready[i, j]
                outer, far, sign, weight = _pixel(i)
                for k in range(len(out)):
                    out[k] = outer * a[k] + (b[k] + sign * c[k]) + weight * (d[k] + sign * e[k]) + far * f[k]
        for i in range(min(TILE, height - TILE * tile)):
            for x in range(width):
                here = slice(x // TILE * channels, (x // TILE + 1) * channels)
                a, b, c = ready[i, 0, here], ready[i, 1, here], ready[i, 2, here]
                d, e, f = ready[i, 3, here], ready[i, 4, here], ready[i, 5, here]
                outer, far, sign, weight = _pixel(x % TILE)
                out = made[TILE * tile + i, x]
                for k in range(channels):
                    out[k] = outer * a[k] + (b[k] + sign * c[k]) + weight * (d[k] + sign * e[k]) + far * f[k]
                if more.shape[0]:
                    beside = more[TILE * tile + i, x]
                    for k in range(channels):
                        out[k] += beside[k]
                for k in range(channels):
                    found = out[k] + bias[k]
                    out[k] = found if found > 0 else found * slope
