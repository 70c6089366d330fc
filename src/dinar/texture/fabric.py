"""Cloth, skin and shoes as they go on where no photo shows them: what runs round a limb, without the figures on it.

Trunk, arms, legs, feet and layers are unrolled: rows run round them, as hems, belts, stripes and sleeves' ends do. The
colour that most of a row's seen places have is the fabric's (`_plain`); rows that slant are straightened first, so that
stripes meet. Fine detail is what is left beside that; where it is stronger than the fabric's own statistics explain, it
is a figure - a print, a badge, a zip, a tie, a lapel - and stays where it was seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d, median_filter
from torch import Tensor

from dinar.texture.lines import closed, ends
from dinar.texture.rounds import CELLS, ROW, SIDES, Round

ALIKE = 0.15           # distance in RGB, [0, 1], of colours that are one
SHADED = 0.55          # of a difference in brightness that is light rather than colour
LIT = 0.15             # difference in brightness up to which, and twice which, a place of that hue is the same cloth
CARRIED = (2.0, 1.0), (6.0, 1e-3), (16.0, 1e-6)      # cells round that a value reaches, and what it counts there
ROUND = 0.7            # of light that goes on where nothing is seen
ATSIDES = 3.0         # what a cell of the flanks counts beside one in the middle of the front: figures stand there
RIMS = 2, 25.0         # so many cells at either end of what is seen of a foot's rows count so much: laces lie between
SLANT = 8              # rows up and down that a stripe may run off the level, and
STIFF = 2e-4           # what each of them costs, squared, beside a squared difference of colours
WINDOW = 9, 7          # rows and cells in which slants are one
FELLOW = 0.05          # what the same limb of the other side counts in the mean of a colour that both have
DOUBT = 20.0           # cells that two limbs have to share before their light is told apart
LONE = 0.1             # what a colour counts that the other side's row lacks, beside one that is all of it
PARTLY = 0.2           # share of a place that is a limb's, from which that limb alone may tell its colour
ENOUGH = 3.0           # seen cells that tell a row's colour
REACH = 0.08, 0.012    # metres along a limb that a row's colour goes on where none is seen, and beyond the limb's end
EVEN = 5.0, 0.08       # rows, and distance in RGB, within which neighbouring rows are evened out
FOLD = 0.05, 0.35      # metres, and darkness in RGB: narrower and lighter bands round a limb are folds at its joints
BAND = 0.08, 0.35      # metres: a narrower band is a print, if the limb and its fellow have so much of what prevails
#                        about it in its rows, beside what they have of it
HUE = 0.25             # difference of colours, over their brightness, of two hues
GAP = 14               # cells: a narrower hole has the colour of both its sides, where they are of one


@dataclass(frozen=True)
class Fabric:
    """What texels have by what runs round the body there.

    base    float32 [3, R, R]  colours without figures
    sure    float32 [1, R, R]  how far they are known, in [0, 1]
    detail  float32 [1, R, R]  how strong the fabric's own detail is: differences of colours
    fronts  float32 [3, R, R]  share in the middle of a front, about the neck, in the trunk below that
    """

    base: Tensor
    sure: Tensor
    detail: Tensor
    fronts: Tensor

    @classmethod
    def of(cls, rgb: Tensor, trust: Tensor, rounds: list[Round]) -> Self:
        """Of colours [3, R, R] that are seen as far as `trust` [1, R, R] says."""
        side = rgb.shape[-1]
        colours, trusted = rgb.flatten(1).T.cpu().numpy(), trust.flatten().cpu().numpy()
        grids = {about.name: _Grid.of(colours, trusted, about) for about in rounds}
        found = {name: _Rows.of(grid, grids.get(_other(name))) for name, grid in grids.items()}
        total = np.zeros((side * side, 5), np.float32)
        share, most = np.full(side * side, 1e-6, np.float32), np.zeros((side * side, 1), np.float32)
        fronts = np.zeros((side * side, 3), np.float32)
        for about in rounds:
            fronts[about.texels] += about.fronts
            here = found[about.name].at(about)
            weight = about.share * here[:, 3]
            total[about.texels] += np.concatenate([here[:, :3] * weight[:, None], weight[:, None],
                                                   here[:, 4:] * weight[:, None]], axis=1)  # fmt: skip
            share[about.texels] += about.share
            told = here[:, 3] * np.minimum(about.share / PARTLY, 1)
            most[about.texels, 0] = np.maximum(most[about.texels, 0], told)
        known = np.maximum(total[:, 3:4], 1e-6)
        base, detail, sure = total[:, :3] / known, total[:, 4:] / known, most * np.minimum(share, 1.0)[:, None]
        base, detail, sure, fronts = (
            torch.from_numpy(v.T.reshape(-1, side, side)).to(rgb) for v in (base, detail, sure, fronts)
        )
        return cls(base, sure.clamp(0, 1), detail, fronts.clamp(0, 1))


def _other(name: str) -> str:
    side, *rest = name.split()
    return " ".join([SIDES[1 - SIDES.index(side)], *rest]) if side in SIDES else ""


@dataclass(frozen=True)
class _Grid:
    """What is seen of one limb, unrolled.

    cells   float32 [L, CELLS, 3]  colours
    seen    float32 [L, CELLS]     how far they are seen, in [0, 1]
    worth   float32 [L, CELLS]     what a cell counts
    prints  bool                   prints may stand on it
    last    float                  row at which the limb ends
    """

    cells: np.ndarray
    seen: np.ndarray
    worth: np.ndarray
    prints: bool
    last: float

    @classmethod
    def of(cls, colours: np.ndarray, trusted: np.ndarray, about: Round) -> Self:
        weight = trusted[about.texels] * (about.share > 0.5)
        shape = about.rows, CELLS
        places = about.places
        sums = [np.bincount(places, weight * of, about.rows * CELLS).reshape(shape).astype(np.float32)
                for of in (*colours[about.texels].T, 1)]  # fmt: skip
        cells = np.stack(sums[:3], axis=-1) / np.maximum(sums[3], 1e-6)[..., None]
        angle = np.abs(np.sin(np.arange(CELLS, dtype=np.float32) / CELLS * 2 * np.pi))      # 1 at the sides
        worth = 1 + (ATSIDES - 1) * np.clip((angle - 0.4) / 0.3, 0, 1) * (about.name in ("trunk", "skirt"))
        seen, foot = np.minimum(sums[3], 1), about.name.endswith("foot")
        worth = np.where(_rims(seen), RIMS[1], 1.0).astype(np.float32) if foot else np.broadcast_to(worth, shape)
        return cls(cells, seen, worth, not foot, about.last)

    def like(self, other: _Grid) -> _Grid:
        """The other one's colours in this one's light, as many rows."""
        count = len(self.cells)
        theirs = other.cells, other.seen, other.worth
        cells, seen, worth = (np.resize(of[:count], (count, *of.shape[1:])) for of in theirs)
        seen[len(other.cells) :] = 0
        mine, theirs = self.seen.sum(1), seen.sum(1)
        rows = np.minimum(mine, theirs)
        light = [np.log(np.maximum((of * w[..., None]).sum((1, 2)) / np.maximum(w.sum(1), 1e-6) / 3, 0.02))
                 for of, w in ((self.cells, self.seen), (cells, seen))]  # fmt: skip
        gain = np.exp(rows @ (light[0] - light[1]) / (rows.sum() + DOUBT)).clip(0.5, 2.0)
        return _Grid((cells * np.float32(gain)).clip(0, 1), seen, worth, other.prints, self.last)


@dataclass(frozen=True)
class _Rows:
    """What the rows round one limb have.

    plain   float32 [L, 3]      the fabric's colour of each
    sure    float32 [L]         how far that is known
    detail  float32 [L]         how strong its own detail is
    slant   float32 [L, CELLS]  by how many rows a place's colour lies off its own
    light   float32 [L, CELLS]  how bright it is there beside the fabric's colour
    across  float32 [L, CELLS, 4]  colours of narrow holes, times how far they are known, and that
    """

    plain: np.ndarray
    sure: np.ndarray
    detail: np.ndarray
    slant: np.ndarray
    light: np.ndarray
    across: np.ndarray

    @classmethod
    def of(cls, grid: _Grid, other: _Grid | None) -> Self:
        """Of what is seen of a limb and of its fellow."""
        grids = [grid] if other is None else [grid, grid.like(other)]
        slants = [np.zeros(g.seen.shape, np.float32) for g in grids]
        if sum(g.seen.sum() for g in grids) < ENOUGH:
            nothing = np.zeros(len(grid.seen), np.float32)
            colours = np.zeros((len(nothing), 3), np.float32)
            return cls(colours, nothing, nothing, slants[0], slants[0] + 1, np.zeros((*grid.seen.shape, 4), np.float32))
        plain, _ = _plain(grids, slants)
        slants = [_slant(g, plain) for g in grids]
        plain, sure = _plain(grids, slants)
        base = _shifted(plain, slants[0])
        light = _light(grid, base)
        differ = np.abs(grid.cells - base * light[..., None]).max(2)
        return cls(plain, sure, _typical(differ, grid.seen), slants[0], light, _across(grid))

    def at(self, about: Round) -> np.ndarray:
        """Colour, how far it is known and detail of each of its texels, [N, 5]."""
        row = about.row + _sampled(self.slant, about.row, about.cell)
        table = np.concatenate([self.plain, self.sure[:, None], self.detail[:, None]], axis=1)
        found = _between(table, row)
        across = np.stack([_sampled(self.across[..., k], about.row, about.cell) for k in range(4)], axis=1)
        light = _sampled(self.light, about.row, about.cell)[:, None]
        found[:, :3] = across[:, :3] + found[:, :3] * light * (1 - across[:, 3:])
        return found


def _plain(grids: list[_Grid], slants: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The colour [L, 3] that most of a row has, and how far it is known [L]; the first of two limbs tells it, and the
    other which of several.
    """
    count = len(grids[0].seen)
    values, mine, theirs = [], [], []
    for k, (grid, slant) in enumerate(zip(grids, slants, strict=True)):
        shown = np.flatnonzero((grid.seen > 0.05).any(0))
        from_row = (np.arange(count)[:, None] - slant[:, shown]).round().astype(int).clip(0, count - 1)
        values.append(grid.cells[from_row, shown])
        weight = (grid.seen * grid.worth)[from_row, shown]
        mine.append(weight * (k == 0))
        theirs.append(weight * (k > 0))
    values, mine, theirs = (np.concatenate(of, axis=1) for of in (values, mine, theirs))
    hues = values - SHADED * values.mean(2, keepdims=True)
    some = hues[:, ::2]                                                       # candidates
    off = sum((some[:, :, None, k] - hues[:, None, :, k]) ** 2 for k in range(3))                 # [L, half of C, C]
    near = np.maximum(1 - off / ALIKE**2, 0)
    shares = [(near @ of[..., None])[..., 0] / (of.sum(1, keepdims=True) + 0.3) for of in (mine, theirs)]
    score = np.sqrt(shares[0] + FELLOW * shares[1]) * (shares[1] + LONE) if len(grids) > 1 and grids[0].prints else (
        shares[0] + shares[1]
    )
    score[(mine + theirs)[:, ::2] <= 0.05] = -1
    most = near[np.arange(count), score.argmax(1)] * (mine + FELLOW * theirs)
    plain = (most[..., None] * values).sum(1) / np.maximum(most.sum(1), 1e-6)[:, None]
    if len(grids) > 1 and grids[0].prints:
        plain = _without_prints(plain, values, (mine, theirs))
    sure = np.minimum((mine + theirs).sum(1) / ENOUGH, 1) * (most.sum(1) > 0)
    reach = np.where(np.arange(count) > grids[0].last, REACH[1], REACH[0])
    return _evened(plain, sure, reach, folds=len(grids) > 1)


def _without_prints(plain: np.ndarray, values: np.ndarray, weights: tuple[np.ndarray, ...]) -> np.ndarray:
    """Colours of rows [L, 3] without narrow bands that rows of places [L, C, 3] do not have all round the limbs.

    weights  [L, C] what each place counts, for each limb
    """
    reach = round(BAND[0] / ROW)
    sides = [median_filter(plain, (reach, 1), mode="nearest", origin=(o, 0)) for o in (reach // 2, -(reach // 2))]
    around = (sides[0] + sides[1]) / 2
    hues = [of - SHADED * of.mean(-1, keepdims=True) for of in (plain, around, values, *sides)]
    own, cloth, cells, before, behind = hues
    band = (((own - cloth) ** 2).sum(1) > ALIKE**2) & (((before - behind) ** 2).sum(1) < ALIKE**2)
    own, cloth = (
        sum((np.maximum(1 - ((cells - of[:, None]) ** 2).sum(2) / ALIKE**2, 0) * w).sum(1) / (w.sum(1) + 0.3)
            for w in weights)
        for of in (own, cloth)
    )  # fmt: skip
    found = plain.copy()
    for rows in np.split(np.arange(len(plain)), np.flatnonzero(np.diff(band)) + 1):
        if band[rows[0]] and cloth[rows].sum() > BAND[1] * own[rows].sum():
            found[rows] = around[rows]
    return found


def _evened(plain: np.ndarray, sure: np.ndarray, reach: np.ndarray, *, folds: bool) -> tuple[np.ndarray, np.ndarray]:
    """The same with neighbouring rows of like colour evened out, rows between and beyond known ones, and no `folds`."""
    count = len(plain)
    known = np.flatnonzero(sure > 0)
    filled = np.stack([np.interp(np.arange(count), known, plain[known, k]) for k in range(3)], axis=1)
    filled = median_filter(filled, (3, 1), mode="nearest")
    if folds:
        filled = _without_folds(filled)
    away = np.abs(np.arange(count)[:, None] - np.arange(count))
    weight = np.exp(-0.5 * (away / EVEN[0]) ** 2) * (sure + 1e-3)
    weight = weight * np.exp(-0.5 * ((filled[:, None] - filled[None]) ** 2).sum(2) / EVEN[1] ** 2)
    even = weight @ filled / weight.sum(1, keepdims=True)
    gap = np.abs(np.arange(count)[:, None] - known).min(1) * ROW
    own = np.interp(np.arange(count), known, sure[known])
    return even.astype(np.float32), (own * np.clip(2 - 2 * gap / reach, 0, 1)).astype(np.float32)


def _without_folds(rows: np.ndarray) -> np.ndarray:
    """Colours of rows [L, 3] as light as those of the same hue a little before and behind them."""
    count = len(rows)
    light = rows.mean(1)
    hue = rows / np.maximum(light, 0.05)[:, None]
    after = np.arange(count) - np.arange(count)[:, None]
    alike = (np.abs(hue[:, None] - hue[None]).max(2) < HUE) & (np.abs(after) * ROW < FOLD[0])
    before, behind = ((light * (alike & there)).max(1) for there in (after <= 0, after >= 0))
    dark = np.minimum(before, behind) - light
    return (rows * (1 + dark * np.clip(2 - 2 * dark / FOLD[1], 0, 1) / np.maximum(light, 0.05))[:, None]).clip(0, 1)


def _slant(grid: _Grid, plain: np.ndarray) -> np.ndarray:
    """By how many rows each place's colour lies off its row's, [L, CELLS]; unseen ones lie between seen ones."""
    cells, seen = grid.cells, grid.seen
    rows = np.arange(len(cells))
    shifts = np.arange(-SLANT, SLANT + 1, 2)
    costs = []
    for shift in shifts:
        there = plain[(rows + shift).clip(0, len(rows) - 1)][:, None]
        costs.append(np.minimum(((cells - there) ** 2).sum(2), ALIKE**2) * seen)
    smooth = closed(np.stack([*costs, seen], axis=-1), lambda of: cv2.blur(of, WINDOW[::-1]), WINDOW[1])
    cost = smooth[..., :-1] + STIFF * shifts**2 * (smooth[..., -1:] + 0.05)
    return _carried(shifts[cost.argmin(-1)].astype(np.float32), smooth[..., -1] * (seen > 0.05))


def _rims(seen: np.ndarray) -> np.ndarray:
    """Which places lie at either end of what is seen of rows, bool [L, CELLS]."""
    shown, reach = (seen > 0.05)[..., None], RIMS[0]
    whole = closed(shown, lambda of: cv2.morphologyEx(of, cv2.MORPH_CLOSE, np.ones((5, 5))), 4)     # no specks
    return closed(whole[..., None] < 0.5, lambda of: cv2.dilate(of, np.ones((1, 2 * reach + 1))), reach) > 0


def _carried(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Values [L, CELLS] smoothed where they have weight, and carried on round the rows elsewhere."""
    total = np.zeros((*values.shape, 2), np.float32)
    both = np.stack([values * weight, weight], axis=-1).astype(np.float32)
    for reach, share in CARRIED:
        size = 2 * min(round(5 * reach), 40) + 1, 2 * round(5 * min(reach, 4.0)) + 1      # cut off nowhere that shows
        total += share * closed(
            both, lambda of, s=size, r=reach: cv2.GaussianBlur(of, s, r, sigmaY=2 * min(r, 4.0)), size[0] // 2
        )
    return total[..., 0] / (total[..., 1] + 1e-9)


def _light(grid: _Grid, base: np.ndarray) -> np.ndarray:
    """How bright each place is beside the fabric's colour [L, CELLS, 3] there, and goes on round it [L, CELLS]."""
    own, plain = (np.maximum(of.mean(2), 0.03) for of in (grid.cells, base))
    hues = np.abs(grid.cells / own[..., None] - base / plain[..., None]).max(2)
    alike = grid.seen * np.clip(2 - 2 * hues / HUE, 0, 1) * np.clip(2 - np.abs(own - plain) / LIT, 0, 1)
    return np.exp(ROUND * _carried(np.log(own / plain), alike * (grid.seen > 0.05)))


def _across(grid: _Grid) -> np.ndarray:
    """What both sides of narrow holes in a row agree on, [L, CELLS, 4]: colours times how far that goes, and that."""
    seen = grid.seen > 0.05
    count = seen.shape[1]
    before, behind = ends(seen)
    gap = behind - before
    both = np.concatenate([grid.cells * seen[..., None], seen[..., None]], axis=-1)
    soft = closed(both, lambda of: cv2.blur(of, (3, 3)), 1)
    soft = soft[..., :3] / np.maximum(soft[..., 3:], 1e-6)
    rows = np.arange(len(seen))[:, None]
    first, last = soft[rows, before % count], soft[rows, behind % count]
    hues = [of - SHADED * of.mean(2, keepdims=True) for of in (first, last)]
    agree = np.clip(2 - 2 * np.abs(hues[0] - hues[1]).max(2) / ALIKE, 0, 1) * (~seen & (gap <= GAP))
    share = ((np.arange(count) - before) / np.maximum(gap, 1))[..., None]
    colours = np.where(seen[..., None], soft, first * (1 - share) + last * share)
    rim = closed(agree[..., None], lambda of: cv2.dilate(of, np.ones((3, 3))), 1)       # texels lie between cells
    agree = np.where(seen, rim, agree)[..., None]
    return np.concatenate([colours * agree, agree], axis=-1).astype(np.float32)


def _typical(differ: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """The middle one [L] of the differences [L, CELLS] of a row, evened out over the rows about it, and no more than
    the whole limb has: a pattern is everywhere, a print is not.
    """
    known = seen > 0.05
    if not known.any():
        return np.zeros(len(seen), np.float32)
    middle = np.where(known.any(1), np.nanmedian(np.where(known | ~known.any(1, keepdims=True), differ, np.nan), 1), 0)
    sums = [gaussian_filter1d(of, 0.04 / ROW, mode="nearest") for of in (middle * known.sum(1), known.sum(1) + 1e-6)]
    row = sums[0] / sums[1]
    return (1.5 * np.minimum(row, np.median(row[known.any(1)]))).astype(np.float32)


def _shifted(plain: np.ndarray, slant: np.ndarray) -> np.ndarray:
    return _between(plain, (np.arange(len(plain))[:, None] + slant).ravel()).reshape(*slant.shape, -1)


def _between(table: np.ndarray, row: np.ndarray) -> np.ndarray:
    """Rows of a table [L, C] at places [N], linearly between them."""
    row = row.clip(0, len(table) - 1)
    low = np.minimum(row.astype(int), len(table) - 2)
    share = (row - low)[:, None]
    return (table[low] * (1 - share) + table[low + 1] * share).astype(np.float32)


def _sampled(grid: np.ndarray, row: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """A grid [L, CELLS] that is closed round its rows, at places [N]."""
    left = cell.astype(int) % CELLS
    share = (cell % 1)[:, None]
    row = row.clip(0, len(grid) - 1)
    up = np.minimum(row.astype(int), len(grid) - 2)
    low, high = (np.stack([grid[r, left], grid[r, (left + 1) % CELLS]], axis=1) for r in (up, up + 1))
    across = [(line * np.concatenate([1 - share, share], axis=1)).sum(1) for line in (low, high)]
    return across[0] + (row - up) * (across[1] - across[0])
