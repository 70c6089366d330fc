"""Hats, caps and scarves that no photo shows from behind: what is seen of one goes on around the head, row by row.

They are worn as the layer `hair` (`fit.shell`), in whose island azimuth runs along y and height along x up to the
crown. A hat ends at a plane: a row lies as far from there as from the crown, and has one colour or pattern all round.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import torch
from scipy.ndimage import map_coordinates
from torch import Tensor

from dinar.texture.lines import repeated
from dinar.texture.strands import boxed, faded

WORN = 0.5      # share of headwear in a texel that is a hat's
ENOUGH = 0.3    # share of what is seen of the layer that is a hat's where there is one,
WHOLE = 0.85    # and of what is seen of it above the hat's end: gloss, bands and clips have hair above them
COLUMN = 4      # texels of a hat, one above the other, that tell where it ends
EDGE = 0.03     # quantile of their heights where it does
LEVEL = 0.02    # weight of a level edge, for one column's
ROW = 8         # texels of a row that are seen, from which it is known
TILTS = np.arange(-24.0, 25.0, 3.0)   # texels by which rows may be tilted to where the hat ends,
UNLIKELY = 5e-4 # and what a texel of it costs, squared, as a share of what rows differ by in themselves
ROUND = 0.2     # of the head's round that has to be seen of a row for its pattern to go on
FIGURE = 2.0    # median departures from a row's colour up to which it is the row's pattern
SOFT = 1.0      # texels over which a hat ends


def around(filled: Tensor, rgb: Tensor, seen: Tensor, trust: Tensor, hat: Tensor) -> Tensor:
    """Colours [B, 3, R, R] of the atlas `clothed` with the unseen part of a hat made of what is seen.

    filled  [B, 3, R, R]  without holes
    rgb     [B, 3, R, R]  as photos show it
    seen    [B, 1, R, R]  1 where they do; that stays
    trust   [B, 1, R, R]  how far a texel may be a source, [0, 1]
    hat     [B, 1, R, R]  share of headwear in what is seen
    """
    box, out = boxed(filled), filled.clone()
    for k in range(len(filled)):
        colours = rgb[k][box].permute(2, 1, 0).cpu().numpy()                 # [heights, azimuths, 3]
        shown = (seen[k, 0][box] > 0).T.cpu().numpy()
        worn = shown & (hat[k, 0][box] > WORN).T.cpu().numpy()
        if worn.sum() < max(ENOUGH * shown.sum(), COLUMN):
            continue
        sound = worn & (trust[k, 0][box] > WORN).T.cpu().numpy()
        sound = sound if sound.any() else worn
        end = _end(sound)
        above = np.arange(len(worn))[:, None] >= end
        sound &= above
        if not sound.any() or worn[above].sum() < WHOLE * shown[above].sum():
            continue
        made = faded(_rows(colours, sound, end), colours, worn)
        covered = np.clip((np.arange(len(worn))[:, None] - end) / SOFT + 0.5, 0, 1)[..., None]
        before = out[k][box].permute(2, 1, 0).cpu().numpy()
        new = torch.from_numpy(before + covered * (made - before)).permute(2, 1, 0).to(out)
        out[k][box] = torch.where(seen[k][box] > 0, out[k][box], new)
    return out


def _end(worn: np.ndarray) -> np.ndarray:
    """The height at which a hat, bool [H, N], ends at each azimuth [N]: a plane through where it is seen to."""
    columns = np.flatnonzero(worn.sum(0) >= min(COLUMN, worn.sum(0).max()))
    lowest = np.array([np.quantile(np.flatnonzero(worn[:, c]), EDGE) for c in columns])
    plane = _plane(worn.shape[1])
    weight = np.ones(len(columns))
    for _ in range(5):                                                       # hands and locks before it count little
        normal = plane[columns].T @ (weight[:, None] * plane[columns])
        stiff = np.diag([0.0, LEVEL, LEVEL]) * len(columns)
        there = np.linalg.solve(normal + stiff, plane[columns].T @ (weight * lowest))
        off = np.abs(lowest - plane[columns] @ there)
        weight = 1 / (1 + (off / max(np.median(off), 0.5)) ** 2)
    return np.clip(plane @ there, 0, worn.shape[0] - COLUMN)


def _plane(azimuths: int) -> np.ndarray:
    """What a plane's heights round the head are made of: [N, 3]."""
    angle = np.arange(azimuths) / azimuths * 2 * np.pi
    return np.stack([np.ones_like(angle), np.cos(angle), np.sin(angle)], axis=1)


def _row(height: np.ndarray, end: np.ndarray, count: int) -> np.ndarray:
    """The row in which heights lie where the lowest one is at `end` and the last one, count - 1, is the crown."""
    return (height - end) / (count - 1 - end) * (count - 1)


def _levelled(colours: np.ndarray, sound: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Where the lowest row lies [N], when rows are tilted so that each is as much of one colour as can be."""
    height, azimuth = np.nonzero(sound)
    seen, count = colours[height, azimuth].astype(np.float64), len(sound)
    best, found = np.inf, end
    for across, along in product(TILTS, TILTS):
        tilted = np.clip(end + _plane(len(end)) @ [0.0, across, along], 0, count - COLUMN)
        row = _row(height, tilted[azimuth], count).round().astype(np.int64).clip(0)
        number = np.bincount(row).clip(1)
        mean = np.stack([np.bincount(row, seen[:, c]) / number for c in range(3)], axis=1)
        apart = np.square(seen - mean[row]).mean() * (1 + UNLIKELY * (across**2 + along**2))
        if apart < best:
            best, found = apart, tilted
    return found


def _rows(colours: np.ndarray, sound: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Colours [H, N, 3] of a hat that `sound`, bool [H, N], shows, all round the head; above the highest row that is
    known and below the lowest one the same ones once more, in the other order.
    """
    end = _levelled(colours, sound, end)
    count, azimuths = sound.shape
    step = np.arange(count)[:, None] / (count - 1)
    places = np.stack([end + step * (count - 1 - end), np.broadcast_to(np.arange(azimuths), sound.shape)])
    rows = np.stack([map_coordinates(c, places, order=1, mode="nearest") for c in np.moveaxis(colours, 2, 0)], axis=2)
    share = map_coordinates(sound.astype(np.float32), places, order=1, mode="nearest")
    good = share > (0.99 if share.max() > 0.99 else share.max() / 2)      # single texels have no whole place
    known = np.flatnonzero(good.sum(1) >= min(ROW, good.sum(1).max()))
    middle = np.stack([np.median(rows[k][good[k]], axis=0) for k in known])
    pattern = repeated(rows[known], good[known]) - middle[:, None]
    usual = np.median(np.abs(pattern), axis=(1, 2), keepdims=True)
    pattern = pattern.clip(-FIGURE * usual, FIGURE * usual)
    pattern *= np.minimum(good[known].mean(1) / ROUND, 1)[:, None, None]
    first, last, level = known[0], known[-1], np.arange(count)
    level = np.where(level > last, np.maximum(2 * last - level, first), level)               # stripes go on upwards
    level = np.where(level < first, np.minimum(2 * first - level, last), level)              # and downwards
    nearest = np.abs(level[:, None] - known).argmin(1)
    base = np.stack([np.interp(level, known, middle[:, c]) for c in range(3)], axis=1)
    made = base[:, None] + pattern[nearest]
    places = np.stack([np.abs(_row(np.arange(count)[:, None], end, count)), places[1]])
    found = [map_coordinates(c, places, order=1, mode="nearest") for c in np.moveaxis(made, 2, 0)]
    return np.stack(found, axis=2).clip(0, 1).astype(np.float32)
