"""The shell of hair as it is worn: what its components lack, where hair ends, and what lies under the skin.

Vertices stand in rows of COLUMNS about the head's axis, from the top down, and the crown is the last
(`tools/build_hair.py`). Each moves on a ray of its own, so that a shell is heights above the skin [N], metres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.ndimage import binary_closing, gaussian_filter, gaussian_filter1d, maximum_filter1d, median_filter
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from dinar.body.layers import RISE, Layer
from dinar.texture.filling import edges_of

AWAY = np.arange(-15, 125) * 0.002
"""Metres above the skin at which photos are asked."""

GAP = 0.006          # metres without hair that are passed over
AT_LEAST = 0.006     # metres that hair which is seen stands above the skin,
LOCK = 0.012         # as it is worn,
BARE = -0.003        # and where none is
SUNK = -0.004        # what of the shell is there nevertheless, and lies
THIN = 0.015         # no higher, goes under the skin,
DEEP = -0.012        # so deep where hair is near,
BURIED = 0.07        # and so deep where none is, since shoulders move;
WITHIN = 0.8         # of the way to the head's axis at most
SLOPE = 1.5          # metres a metre by which hair grows thicker from skin that is seen, at most
BAND = 3             # rows without hair that are closed between rows that have some
ROUNDED = 1.0, 3.0   # rows and columns over which its end is rounded where no photo shows it
EARS = 17, 20, -0.45, 0.15   # rows, and cosines to straight ahead, of ears: what is raised would stick out of them
ROUNDS = 3           # of evening heights out among neighbours
COLUMNS = 64
CAP = 18             # rows above the head's middle
UPPER = 0.008        # metres from one of them to the next,
ROW = 0.024          # and from one row below to the next
LOW = 3              # rows below those to which hair reaches at the nape at least, as the mean hair does,
BEHIND = -0.5, -0.75     # between these cosines to straight ahead on the way to there
TAPER = 0.3          # metres a metre by which a short cut grows thicker from its end at the nape upwards,
SHORT = 22           # row where it ends at most,
TOP = 12             # row above which it does not,
BACK = -0.1, -0.4    # and cosines to straight ahead between which it begins to
NAPE = 12            # row from which hair may end behind; its hem
HEM = 7              # is evened out over so many columns
FREE = 0.03          # metres: what components leave at the sides, one standard deviation,
RANGE = 0.03         # and how far that reaches over the shell
BRIM = 0.06          # metres: what they leave of a hat, all round the head
LEVEL = 0.8          # rows over which that fades
SURE = 0.008         # metres to which sides are seen
SLACK = 0.012        # metres that are left to errors of the body's fit, and to the outline
HAT = 0.2            # share of headwear in what is seen, from which it is a hat
TILT = 8             # rows that one side of a hat may be lower than the other
PROMINENT = 0.04     # metres that a brim stands out beyond what is above it
BELOW = 2            # rows of a brim below where it stands out most
AHEAD = 0.9          # cosine to straight ahead, of what tells how low a hat is there

_BESIDE = 3          # columns on either side that tell where hair ends


@dataclass(frozen=True)
class Told:
    """What one photo says of the shell's vertices.

    height  float64 [N]     metres
    kind    int [N]         1 hair at least so high, 0 just so high, 2 at most so high; -1 none, at most so high
    weight  float64 [N]     0 where it says nothing
    edge    float64 [N]     metres from the end of the hair that is seen, 0 and more within it; NaN where skin is not
                            seen from in front
    skin    float64 [N]     metres from skin that is seen, where `edge` is one
    hat     bool [N]        whether headwear is seen there
    open    bool [A, N]     whether hair may lie `AWAY` metres above the skin: it is seen there, or nothing tells
    """

    height: np.ndarray
    kind: np.ndarray
    weight: np.ndarray
    edge: np.ndarray
    skin: np.ndarray
    hat: np.ndarray
    open: np.ndarray


def freed(layer: Layer, height: Tensor, told: Sequence[Told]) -> Tensor:
    """Heights [N] with what is seen at the sides beyond them, or less, added: a Gaussian process over the shell."""
    height = height.double().numpy()
    just = np.stack([one.weight * (one.kind == 0) for one in told])
    weight = just.sum(0)
    seen = np.flatnonzero(weight > 0)
    if not len(seen):
        return torch.from_numpy(height).float()
    target = (just * [one.height for one in told]).sum(0)[seen] / weight[seen]
    place = (layer.inner + torch.from_numpy(height).float().clamp(min=0)[:, None] * layer.outwards).double().numpy()
    apart = ((place[:, None] - place[seen]) / RANGE) ** 2
    worn = [one.weight * ((one.kind >= 0) & (one.height > RISE)) for one in told]
    hat = sum((one.hat * w).sum() for one, w in zip(told, worn, strict=True)) / max(np.sum(worn), 1e-9) > HAT
    likeness = FREE**2 * np.exp(-0.5 * apart.sum(2))
    if hat:
        there = np.any([one.hat for one in told], axis=0)
        level, rim = _levels(layer, seen, target, there)
        top = level <= rim
        apart = ((level[:, None] - level[seen]) / LEVEL) ** 2
        likeness += BRIM**2 * np.exp(-0.5 * apart) * top[:, None] * top[seen]
    system = likeness[seen] + np.diag(SURE**2 / weight[seen])
    off = target - height[seen]
    height += likeness @ np.linalg.solve(system, off if hat else np.sign(off) * (np.abs(off) - SLACK).clip(0))
    return torch.from_numpy(height).float()


def _levels(
    layer: Layer, seen: np.ndarray, target: np.ndarray, hat: np.ndarray
) -> tuple[np.ndarray, float]:
    """Rows of a hat's shell [N], level with its brim, and the lowest of them.

    They are tilted as what stands out at the two sides (`target` metres at `seen` vertices) is apart, and as the hat is
    seen to end higher or lower ahead; `hat` bool [N] is where it is seen.
    """
    row = np.arange(len(layer.inner)) // COLUMNS
    x, _, z = layer.outwards.double().numpy().T
    flat = np.hypot(x, z).clip(1e-6)
    aside, ahead = x / flat, z / flat
    sides = (aside[seen] > 0.5, aside[seen] < -0.5)
    left, right = (_profile(row[seen][side], target[side], row.max() + 1) for side in sides)
    rim = float(np.quantile(row[hat], 0.95))
    shifts = {}
    for shift in range(-TILT, TILT + 1):
        off = np.square(left[max(shift, 0) :][: len(left) - TILT] - right[max(-shift, 0) :][: len(left) - TILT])
        if np.isfinite(off).sum() > TILT:
            shifts[shift] = float(np.nanmean(off))
    if not shifts:
        return row.astype(float), rim
    tilt = min(shifts, key=shifts.get)
    level = row - tilt * aside / 2
    both = np.nan_to_num([np.roll(left, -tilt // 2), np.roll(right, tilt - tilt // 2)]).max(0)[: CAP + TILT]
    brim, front = int(both.argmax()), hat & (ahead > AHEAD)
    if brim and both[brim] > np.median(both[:brim]) + PROMINENT and front.any():
        level = level + np.clip(brim - np.quantile(row[front], 0.95), -TILT, TILT) * ahead
        rim = max(rim, brim + BELOW)
    return level, rim


def _profile(row: np.ndarray, height: np.ndarray, count: int) -> np.ndarray:
    """The mean height in each of so many rows, NaN where there is none."""
    there = np.bincount(row, minlength=count)
    return np.bincount(row, height, count) / np.where(there, there, np.nan)


def even(layer: Layer, height: Tensor, told: Sequence[Told]) -> Tensor:
    """Heights [N] of the shell's vertices, metres, as it is worn: even, in one piece, with no spikes at its hem, and
    under the skin where there is no hair.

    Where a photo would see it before skin, cloth or background, it lies no higher than it may.
    """
    skin = sum(one.weight * (one.kind < 0) for one in told) > sum(one.weight * (one.kind >= 0) for one in told)
    row = torch.arange(len(height)) // COLUMNS
    ahead = layer.outwards[:, 2] / layer.outwards[:, [0, 2]].norm(dim=1).clamp(min=1e-6)
    low = CAP + LOW * ((BEHIND[0] - ahead) / (BEHIND[0] - BEHIND[1])).clamp(0, 1)
    haired = (layer.height(torch.zeros(len(layer.basis))) > RISE) | (row >= CAP)
    scalp = haired & (row < low) & ~torch.from_numpy(skin)                 # nobody with hair is bald behind
    scalp[-1] = True
    height = torch.minimum(height, _allowed(height, told))
    height = torch.where(scalp, height.clamp(min=AT_LEAST), height)
    height = _hemmed(_ended(height, told), sum(one.weight for one in told) == 0)
    worn = (height > RISE) & ~(torch.from_numpy(skin) & (height < THIN))
    grid = worn[:-1].view(-1, COLUMNS)                     # the same memory: what goes here goes there
    end = torch.where(grid, torch.arange(len(grid))[:, None], -1).amax(0)
    beside = torch.stack([end.roll(k) for k in range(-_BESIDE, _BESIDE + 1)])
    grid &= torch.arange(len(grid))[:, None] <= beside.median(0).values + 1
    a, b = edges_of(layer.faces).T
    joined = coo_array((np.ones(len(a)), (a.numpy(), b.numpy())), shape=(len(height),) * 2).tocsr()
    kept = np.flatnonzero(worn.numpy())
    if not len(kept):
        return height.clamp(max=SUNK)
    _, piece = connected_components(joined[kept][:, kept], directed=False)
    kept = kept[piece == np.bincount(piece).argmax()]
    around = joined + joined.T
    out = height.clamp(DEEP, SUNK).double().numpy()
    out[kept] = height[kept].double().numpy()
    for _ in range(ROUNDS):
        out[kept] = (out + around @ out / around.sum(1))[kept] / 2
    near = np.isin(np.arange(len(out)), kept)
    reach = (layer.inner - layer.inner[-1])[:, [0, 2]].norm(dim=1).numpy()
    beside = ~near & (around @ near > 0)
    out[beside] = DEEP                                      # cloth and necks may be thinner than the mean body's
    out[~near & ~beside] = -np.minimum(BURIED, WITHIN * reach)[~near & ~beside]
    ears = ((row >= EARS[0]) & (row <= EARS[1]) & (ahead > EARS[2]) & (ahead < EARS[3])).numpy()
    seen = np.any([one.weight > 0 for one in told], axis=0)
    ended = np.any([np.isfinite(one.edge) & (one.weight > 0) for one in told], axis=0)
    rounded = _rounded(out, near)
    stays = ended | seen & (rounded < out) | ears & ~near       # what is seen aside is as thick as it is seen
    out = torch.from_numpy(np.where(stays, out, rounded)).to(height)
    out = torch.where(torch.from_numpy(near | beside), _ended(out, told), out)
    return _tapered(_closed(out), torch.from_numpy(seen), ahead)


def _closed(height: Tensor) -> Tensor:
    """Heights [N] without narrow bands of skin in the hair of the upper head: what shines there is taken for skin."""
    grid = (height[:CAP * COLUMNS] > RISE).view(CAP, COLUMNS).numpy()
    lacks = binary_closing(grid, np.ones((BAND + 1, 1))) & ~grid
    out = height.clone()
    out[: CAP * COLUMNS][torch.from_numpy(lacks.ravel())] = AT_LEAST
    return out


def _tapered(height: Tensor, seen: Tensor, ahead: Tensor) -> Tensor:
    """Heights [N] that grow from a short cut's end at the nape upwards, as far as no photo shows them, bool [N].

    ahead  [N]  cosines to straight ahead
    """
    grid, row = height[:-1].view(-1, COLUMNS), torch.arange(len(height) // COLUMNS)[:, None]
    end = torch.where(grid > RISE, row, 0).amax(0)
    behind = ((BACK[0] - ahead[:-1].view_as(grid)) / (BACK[0] - BACK[1])).clamp(0, 1)
    short = behind * ((SHORT + 1 - end) / 2).clamp(0, 1)
    most = AT_LEAST + TAPER * ROW * (end - row).clamp(min=0)
    tapered = torch.lerp(grid, torch.minimum(grid, most), short)
    kept = seen[:-1].view_as(grid) | (row < TOP)
    return torch.cat([torch.where(kept, grid, tapered).flatten(), height[-1:]])


def _ended(height: Tensor, told: Sequence[Told]) -> Tensor:
    """Heights [N] that come out of the skin where hair is seen to end, straight through the shell's cells."""
    weight = np.array([one.weight * np.isfinite(one.edge) for one in told])

    def mean(distances: Sequence[np.ndarray]) -> Tensor:
        return torch.from_numpy((np.nan_to_num(distances) * weight).sum(0) / np.maximum(weight.sum(0), 1e-9)).to(height)

    edge = mean([one.edge for one in told])
    sloped = torch.minimum(height, AT_LEAST + SLOPE * mean([one.skin for one in told]).clamp(min=0))
    near = torch.where(height < THIN, edge.clamp(min=DEEP), sloped)
    ended = torch.where(edge < LOCK, near, sloped.clamp(min=LOCK))
    return torch.where(torch.from_numpy(weight.sum(0) > 0), ended, height)


def _rounded(height: np.ndarray, worn: np.ndarray) -> np.ndarray:
    """Heights [N] that come out of the skin along a smooth line, for what is worn, bool [N], ends from cell to cell."""
    blurred = gaussian_filter(worn[:-1].reshape(-1, COLUMNS).astype(float), ROUNDED, mode=("nearest", "wrap")).ravel()
    apart = np.where(np.arange(len(worn) - 1) // COLUMNS < CAP, UPPER, ROW)
    inwards = ((blurred - 0.5) * ROUNDED[0] * np.sqrt(2 * np.pi) * apart).clip(DEEP)    # metres, about
    out = np.where(worn[:-1], np.minimum(height[:-1], inwards), np.maximum(height[:-1], inwards.clip(max=AT_LEAST)))
    return np.append(np.where(np.abs(blurred - 0.5) < 0.45, out, height[:-1]), height[-1])


def _hemmed(height: Tensor, unseen: np.ndarray) -> Tensor:
    """Heights [N] with an even hem where no photo shows it."""
    grid = height[:-1].view(-1, COLUMNS).numpy()
    row = np.arange(len(grid))[:, None]
    fall = NAPE - 0.5 + (grid[NAPE:] / AT_LEAST).clip(0, 1).sum(0)
    below = (gaussian_filter1d(median_filter(fall, HEM, mode="wrap"), HEM / 3, mode="wrap") - row) * ROW
    below = below.clip(DEEP)
    even = np.where(below < AT_LEAST, np.minimum(grid, below), np.maximum(grid, AT_LEAST))
    even = np.where(unseen[:-1].reshape(grid.shape) & (row >= NAPE), even, grid)
    return torch.cat([torch.from_numpy(even).to(height).flatten(), height[-1:]])


def _allowed(height: Tensor, told: Sequence[Told]) -> Tensor:
    """The greatest heights [N], metres, up to those given, at which no photo would see hair where there is none."""
    clear = np.all([one.open for one in told], axis=0)
    spacing = AWAY[1] - AWAY[0]
    clear = maximum_filter1d(clear.astype(np.uint8), 2 * round(GAP / spacing) + 1, axis=0) > 0
    step = np.arange(len(AWAY))[:, None]
    up_to = np.maximum.accumulate(np.where(clear, step, -1), axis=0)
    own = np.clip(((height.numpy() - AWAY[0]) / spacing).astype(int), 0, len(AWAY) - 1)
    found = up_to[own, np.arange(len(own))]
    lower = np.where(found == own, np.inf, np.where(found < 0, SUNK, AWAY[found]))
    return torch.from_numpy(lower).float()
