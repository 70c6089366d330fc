"""Pixels in square blocks: what a renderer that folds them reads and writes. Import it late: numba takes a second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dinar.raster.compiled import bare, shared_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from dinar.raster.samples import Samples

CHUNK = 64     # blocks that one thread takes at a time


@dataclass(frozen=True)
class Canvas:
    """A texture as the loops read it: a texel's channels lie side by side.

    colours    float32 [R, R, 8]   colours, `sampled`, `filled` and zeros: eight numbers are added at once
    generated  float32 [S, S, G]   the generated channels
    uv         float32 [F, 6]      u and v of each triangle's corners
    """

    colours: np.ndarray
    generated: np.ndarray
    uv: np.ndarray


@dataclass(frozen=True)
class Blocks:
    """The blocks of an image that a body touches.

    values  float32 [P + 1, side, side, G + 8]  generated channels, colours, `sampled`, `filled`, 2 uv - mask and mask
                                                of each pixel: zeros where no body is seen and in the last block
    place   int64   [h, w]                      which of them stands where; P where none does
    """

    values: np.ndarray
    place: np.ndarray

    @property
    def cover(self) -> np.ndarray:
        """Share of each pixel that the body covers, float32 [h * side, w * side]."""
        share = np.ascontiguousarray(self.values[..., -1])[self.place]
        return share.transpose(0, 2, 1, 3).reshape(len(share) * share.shape[2], -1)


@bare
def _add(texture, u, v, out):
    """Adds a texture [R, R, C] at (u, v), bilinear, its border continued, to out [C].

    `textured._add` has the same weights; numba's cache on disk would not notice a change of theirs in a third file.
    """
    side = texture.shape[0]
    x = min(max(u * np.float32(side) - np.float32(0.5), np.float32(0)), np.float32(side - 1))
    y = min(max(v * np.float32(side) - np.float32(0.5), np.float32(0)), np.float32(side - 1))
    left, top = int(x), int(y)
    right, bottom = min(left + 1, side - 1), min(top + 1, side - 1)
    x, y = x - np.float32(left), y - np.float32(top)
    a, b = (np.float32(1) - x) * (np.float32(1) - y), x * (np.float32(1) - y)
    c, d = (np.float32(1) - x) * y, x * y
    p, q, r, s = texture[top, left], texture[top, right], texture[bottom, left], texture[bottom, right]
    for k in range(len(out)):
        out[k] += a * p[k] + b * q[k] + c * r[k] + d * s[k]


@bare
def _touched(depth, fine_depth, n, side, x0, y0, touched):
    """Marks the blocks in which something is hit."""
    for fine in range(2):
        step = side * (n if fine else 1)
        top, left = y0 * (n if fine else 1), x0 * (n if fine else 1)
        hits = fine_depth if fine else depth
        for y in range(hits.shape[0]):
            row, here = touched[(top + y) // step], hits[y]
            x = 0
            while x < hits.shape[1]:
                block = (left + x) // step
                end = min((block + 1) * step - left, hits.shape[1])
                hit = False
                for k in range(x, end):
                    hit |= here[k] < np.inf
                row[block] |= hit
                x = end


@bare
def _read(colours, generated, fine_depth, fine_at, depth, at, n, corners, x0, y0, first, last, values):
    """Blocks first to last, whose corners are [P, 2] y and x; the samples' window begins at (x0, y0)."""
    side, start = values.shape[1], generated.shape[2]
    for number in range(first, last):
        for i in range(side):
            for j in range(side):
                out = values[number, i, j]
                out[:] = 0
                row, column = corners[number, 0] + i - y0, corners[number, 1] + j - x0
                if not (0 <= row < depth.shape[0] and 0 <= column < depth.shape[1]):
                    continue
                u, v, hits = np.float32(0), np.float32(0), 0
                if depth[row, column] < np.inf:
                    u, v = at[row, column, 0], at[row, column, 1]
                    _add(generated, u, v, out[:start])
                for y in range(n * row, n * row + n):
                    for x in range(n * column, n * column + n):
                        if fine_depth[y, x] < np.inf:
                            hits += 1
                            _add(colours, fine_at[y, x, 0], fine_at[y, x, 1], out[start:])
                for k in range(start, start + 5):
                    out[k] /= np.float32(max(hits, 1))
                share = np.float32(hits) / np.float32(n * n)
                out[start + 5], out[start + 6] = u * np.float32(2) - share, v * np.float32(2) - share
                out[start + 7] = share


@bare
def _logistic(x):
    return np.float32(1) / (np.float32(1) + np.exp(-x))


@bare
def _looked_up(map, u, v):
    """A map [S, S] at (u, v), bilinear, 0 around it."""
    side = map.shape[0]
    x, y = u * np.float32(side) - np.float32(0.5), v * np.float32(side) - np.float32(0.5)
    left, top = int(np.floor(x)), int(np.floor(y))
    x, y = x - np.float32(left), y - np.float32(top)
    found = np.float32(0)
    for i in range(2):
        for j in range(2):
            if 0 <= top + i < side and 0 <= left + j < side:
                found += (y if i else np.float32(1) - y) * (x if j else np.float32(1) - x) * map[top + i, left + j]
    return found


@bare
def _write(logits, place, values, inner, spread, copied, outline, faint, first, last, rgb, mask, y0, x0, height, width):
    """Rows of blocks first to last, as far as height x width, into rgb [3, H, W] and mask [H, W] from (y0, x0) on."""
    side, start = values.shape[1], values.shape[3] - 8
    one = np.float32(1)
    nothing = np.log(faint / (one - faint))
    for row in range(side * first, min(side * last, height)):
        above = max((row - 1) // 2, 0)
        below = min(above + 1, spread.shape[0] - 1)
        down = max(np.float32(row) / 2 - np.float32(0.25), np.float32(0)) - np.float32(above)
        for column in range(width):
            pixel = values[place[row // side, column // side], row % side, column % side]
            logit = logits[row // side, column // side, row % side, column % side]
            share = pixel[start + 7]
            there = logit[4] + outline * (np.float32(2) * share - one)
            if there <= nothing and not inner[row, column]:
                continue
            clear = min(max((_logistic(there) - faint) / (one - 2 * faint), np.float32(0)), one)
            open_inside = one - clear if inner[row, column] else np.float32(0)
            mask[y0 + row, x0 + column] = clear + open_inside
            copy = _logistic(logit[3])
            filled = pixel[start + 4]
            if copied.shape[0] and filled > 0:
                u, v = (pixel[start + 5] + share) / 2, (pixel[start + 6] + share) / 2
                copy = max(copy, filled * _looked_up(copied, u, v))
            left = max((column - 1) // 2, 0)
            right = min(left + 1, spread.shape[1] - 1)
            across = max(np.float32(column) / 2 - np.float32(0.25), np.float32(0)) - np.float32(left)
            own = min(np.float32(4) * share, one)
            for k in range(3):
                upper = spread[above, left, k] + across * (spread[above, right, k] - spread[above, left, k])
                lower = spread[below, left, k] + across * (spread[below, right, k] - spread[below, left, k])
                colour = upper + down * (lower - upper)
                colour += own * (pixel[start + k] - colour)
                drawn = _logistic(logit[k])
                drawn += copy * (colour - drawn)
                rgb[k, y0 + row, x0 + column] = drawn + open_inside * (pixel[start + k] - drawn)


def read(
    canvas: Canvas,
    seen: Samples,                 # of a window of the image
    window: tuple[int, int],       # x and y of its top left corner there
    size: tuple[int, int],         # (h, w) blocks of the image
    side: int,                     # pixels of a block's side
    threads: int,
) -> Blocks:
    """What a body shows in the image: its texture's means over the covered part of each pixel, as `textured.average`
    takes them; generated channels and UV coordinates at the pixels' centres."""
    n, (x0, y0) = len(seen.fine_depth) // max(len(seen.depth), 1), window
    touched = np.zeros(size, bool)
    _touched(seen.depth, seen.fine_depth, n, side, x0, y0, touched)
    corners = np.argwhere(touched)
    place = np.full(size, len(corners), np.int64)
    place[touched] = np.arange(len(corners))
    values = np.empty((len(corners) + 1, side, side, canvas.generated.shape[2] + 8), np.float32)
    values[-1] = 0
    corners *= side

    def job(first: int, last: int) -> None:
        _read(
            canvas.colours, canvas.generated, seen.fine_depth, seen.fine_at, seen.depth, seen.at, n, corners, x0, y0,
            first, last, values,
        )  # fmt: skip

    _in_chunks(job, len(corners), CHUNK, threads)
    return Blocks(values, place)


def write(
    logits: np.ndarray,            # float32 [h, w, side, side, 5] of colours, of the share that is copied, of the mask
    blocks: Blocks,
    inner: np.ndarray,             # bool [H, W] where what is left open shows the body's own colours
    spread: np.ndarray,            # float32 [H / 2, W / 2, 3] the body's colours, continued beyond its outline
    copied: np.ndarray,            # float32 [S, S] how much a filled texel is copied at least; [0, 0] for no such map
    outline: float,                # logit of the body's own mask
    faint: float,                  # of a mask that counts as none
    rgb: np.ndarray,               # float32 [3, H', W'] of zeros: the picture
    mask: np.ndarray,              # float32 [H', W'] of zeros
    part: tuple[int, int, int, int],   # left, top, right, bottom: where in it the first blocks stand, as many as fit
    threads: int,
) -> None:
    """The picture of what a renderer found, `networks.renderer.Renderer`'s last steps in one pass."""

    left, top, right, bottom = part

    def job(first: int, last: int) -> None:
        _write(
            logits, blocks.place, blocks.values, inner, spread, copied, np.float32(outline), np.float32(faint), first,
            last, rgb, mask, top, left, bottom - top, right - left,
        )  # fmt: skip

    _in_chunks(job, len(logits), max(1, CHUNK // (4 * blocks.values.shape[1])), threads)


def _in_chunks(job: Callable[[int, int], None], count: int, chunk: int, threads: int) -> None:
    if threads == 1:
        job(0, count)
        return
    shared_out(lambda k: job(k * chunk, min((k + 1) * chunk, count)), -(-count // chunk), threads)
