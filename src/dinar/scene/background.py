"""A picture with a hole -> the whole picture: patches from elsewhere, coarse to fine."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from dinar.scene.seams import seamless

RADIUS = 3            # pixels: patches have 7 x 7
DEEP = 2.5            # pixels from a hole's edge to its middle on the coarsest level, where a smooth start is enough
ROUNDS = 8, 3         # of searching and voting: on the coarsest level, on the finest
PASSES = 2            # of the search, forward and backward, a round
TEXTURE = 4.0         # weight of roughness against colour: grass stays grass before its blades are there
PULL = 6.0            # cost of a patch from as far up or down as the picture is large, colours (0 to 1) squared a pixel
FADE = 1.25           # how much less a patch is trusted for every pixel into the hole
TRIES = 6             # starts, of which the one goes on whose patches are most like others
TRIED_TO = 2          # level to which all of them go: the ones below take long
SMALLEST = 24         # pixels: the shorter side of the coarsest level


def fill(image: Tensor, hole: Tensor, *, avoid: Tensor | None = None, seed: int = 0) -> Tensor:
    """The picture with its hole filled so that every patch looks like one elsewhere (Wexler et al. 2007).

    image  [3, H, W] in [0, 1]
    hole   [1, H, W], above one half where to fill; other pixels come out as they were
    avoid  [1, H, W], above one half where nothing may be taken from

    The search is PatchMatch (Barnes et al. 2009); roughness is completed beside the colours, as Newson et al. (2014)
    do. Where no whole patch is known, colours spread smoothly. The same seed gives the same picture.
    """
    colours = image.permute(1, 2, 0).contiguous().numpy().astype(np.float32)
    missing = hole[0].numpy() > 0.5
    barred = missing if avoid is None else missing | (avoid[0].numpy() > 0.5)
    if not missing.any():
        return image
    if missing.all():
        return torch.full_like(image, 0.5)
    levels = _levels(_features(colours, missing), missing, barred)
    top = len(levels) - 1
    middle = min(TRIED_TO, top)
    rough = [_descended(levels, None, top, middle, seed=seed + 104729 * k) for k in range(TRIES)]
    best = min(rough, key=lambda found: found.difference)
    found = _descended(levels, best, middle - 1, 0, seed=seed)
    features, copied = found.features, found.copied
    whole = features[..., :3] if copied is None else seamless(colours, missing, copied)
    filled = torch.from_numpy(np.ascontiguousarray(whole.transpose(2, 0, 1))).clamp(0, 1)
    return torch.where(torch.from_numpy(missing), filled, image)


@dataclass(frozen=True)
class _Found:
    """What a level came to; the last three are None where no whole patch is known.

    features    float32 [H, W, C]
    difference  float             mean of the patches from what they are copies of
    field       int [H, W, 2]     where each patch comes from
    copied      int [N, 2]        which pixel each pixel of the hole, row by row, is a copy of
    """

    features: np.ndarray
    difference: float = np.inf
    field: np.ndarray | None = None
    copied: np.ndarray | None = None


def _descended(
    levels: list[tuple[np.ndarray, ...]], found: _Found | None, first: int, last: int, *, seed: int
) -> _Found:
    """From level `first` down to `last`; what was found already where that is above it."""
    for depth in range(first, last - 1, -1):
        known, gap, bar = levels[depth]
        start = _spread(known, gap) if found is None else _enlarged(found.features, known, gap)
        rounds = round(np.interp(depth, (0, max(1, len(levels) - 1)), ROUNDS[::-1]))
        found = _completed(start, gap, bar, found and found.field, rounds, seed=seed + 7919 * depth)
    return found


def _features(colours: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Colours and roughness [H, W, 5]: the mean steepness across and down, over a few pixels that are known."""
    grey = colours.mean(axis=2)
    known = (~cv2.dilate(missing.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)).astype(np.float32)
    size = (2 * max(2, round(max(grey.shape) / 160)) + 1,) * 2
    share = cv2.blur(known, size)
    rough = [
        cv2.blur(np.abs(cv2.Sobel(grey, cv2.CV_32F, dx, dy)) / 4 * known, size) / np.maximum(share, 1e-3)
        for dx, dy in ((1, 0), (0, 1))
    ]
    return np.dstack([colours, *(TEXTURE * r for r in rough)]).astype(np.float32)


def _levels(features: np.ndarray, missing: np.ndarray, barred: np.ndarray) -> list[tuple[np.ndarray, ...]]:
    """Features, hole and what is barred, halved until the hole is shallow; means are of known pixels."""
    levels = [(features, missing, barred)]
    while True:
        features, missing, barred = levels[-1]
        deep = cv2.distanceTransform(missing.astype(np.uint8), cv2.DIST_L2, 5).max()
        height, width = missing.shape
        if deep <= DEEP or min(height, width) < 2 * SMALLEST:
            return levels
        size = (width // 2, height // 2)
        known = (~missing).astype(np.float32)
        layers = [known, barred.astype(np.float32), *np.moveaxis(features * known[..., None], 2, 0)]
        share, bar, *means = (cv2.resize(layer, size, interpolation=cv2.INTER_AREA) for layer in layers)
        gap = share < 0.5
        levels.append((np.dstack(means) / np.maximum(share, 1e-6)[..., None], gap, (bar > 0.25) | gap))


def _spread(features: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Features whose hole is filled smoothly from its edge."""
    features, known = features.copy(), (~missing).astype(np.float32)
    while True:
        gap = known == 0
        if not gap.any():
            return features
        share = cv2.blur(known, (3, 3))
        means = cv2.blur(features * known[..., None], (3, 3))
        reached = gap & (share > 1e-6)
        features[reached] = means[reached] / share[reached][:, None]
        known[reached] = 1


def _enlarged(coarse: np.ndarray, known: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Known features, with those of the coarser level in the hole."""
    height, width = missing.shape
    return np.where(missing[..., None], cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), known)


def _completed(
    features: np.ndarray,
    missing: np.ndarray,
    barred: np.ndarray,
    field: np.ndarray | None,              # of the coarser level
    rounds: int,
    *,
    seed: int,
) -> _Found:
    """Features with a hole whose patches look like others."""
    from dinar.scene import patches

    r = RADIUS
    padded = np.pad(features, ((r, r), (r, r), (0, 0)), mode="edge").astype(np.float32)
    hole = np.pad(missing, r)
    square = np.ones((2 * r + 1, 2 * r + 1), np.uint8)
    barred = cv2.dilate(np.pad(barred, r, constant_values=True).astype(np.uint8), square).astype(bool)
    source = ~barred
    if not source.any():
        return _Found(features)
    seeking = cv2.dilate(hole.astype(np.uint8), square).astype(bool)
    seeking[:r], seeking[-r:], seeking[:, :r], seeking[:, -r:] = False, False, False, False
    cost = np.full(hole.shape, np.inf, np.float32)
    cost[seeking] = 0
    targets = np.argwhere(seeking).astype(np.int32)
    places = _start(field, targets, source, np.random.default_rng(seed), r)
    pull = np.float32(PULL / max(missing.shape) ** 2 * (2 * r + 1) ** 2)
    deep = cv2.distanceTransform(np.pad(missing, r, mode="edge").astype(np.uint8), cv2.DIST_L2, 5)
    trust = (FADE ** -np.minimum(deep, 60)).astype(np.float32)
    pixels = np.argwhere(hole).astype(np.int32)
    for turn in range(rounds):
        for number in range(PASSES):
            told = seed + 2 * PASSES * turn + number
            patches.search(padded, targets, source, places, cost, r, pull, told, bool(number % 2))
        fresh = padded.copy()
        patches.vote(padded, pixels, places, cost, trust, r, fresh)
        padded = np.pad(fresh[r:-r, r:-r], ((r, r), (r, r), (0, 0)), mode="edge")
    copied = np.empty_like(pixels)
    patches.elect(pixels, places, cost, trust, r, copied)
    difference = float(cost[targets[:, 0], targets[:, 1]].mean())
    return _Found(padded[r:-r, r:-r], difference, places[r:-r, r:-r] - r, copied - r)


def _start(
    field: np.ndarray | None, targets: np.ndarray, source: np.ndarray, random: np.random.Generator, r: int
) -> np.ndarray:
    """Where each target [N, 2] starts to look: as on the coarser level, or somewhere."""
    places = np.zeros((*source.shape, 2), np.int32)
    sources = np.argwhere(source)
    chosen = sources[random.integers(len(sources), size=len(targets))]
    if field is not None:
        coarse = (targets - r) // 2
        low = np.minimum(coarse, np.array(field.shape[:2]) - 1)
        near = 2 * field[low[:, 0], low[:, 1]] + (targets - r - 2 * coarse) + r
        near = near.clip(0, np.array(source.shape) - 1)
        known = (field[low[:, 0], low[:, 1]] > 0).any(1) & source[near[:, 0], near[:, 1]]
        chosen = np.where(known[:, None], near, chosen)
    places[targets[:, 0], targets[:, 1]] = chosen
    return places
