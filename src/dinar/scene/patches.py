"""Loops of the completion by patches, in machine code. Import it late: numba takes a second."""

from __future__ import annotations

import numpy as np

from dinar.raster.compiled import compiled

NOWHERE = np.float32(np.inf)


@compiled
def _distance(features, y, x, v, u, radius, pull, most):
    """Difference of the patches about (y, x) and (v, u), or some number not below `most` once it is that large.

    pull  what a pixel's way up or down costs: grounds and walls lie in layers
    """
    total = pull * np.float32((y - v) * (y - v))
    for i in range(-radius, radius + 1):
        for j in range(-radius, radius + 1):
            for k in range(features.shape[2]):
                d = features[y + i, x + j, k] - features[v + i, u + j, k]
                total += d * d
        if total >= most:
            return total
    return total


@compiled
def _better(features, source, field, cost, y, x, v, u, radius, pull):
    """Takes (v, u) for (y, x) where it is a source and closer than what is there."""
    if 0 <= v < source.shape[0] and 0 <= u < source.shape[1] and source[v, u]:
        d = _distance(features, y, x, v, u, radius, pull, cost[y, x])
        if d < cost[y, x]:
            cost[y, x] = d
            field[y, x, 0] = v
            field[y, x, 1] = u


@compiled
def search(features, targets, source, field, cost, radius, pull, seed, backward):
    """One pass of PatchMatch (Barnes et al. 2009) over the targets in the order of rows.

    features  float32 [H, W, C]
    targets   int32 [N, 2]       row and column of the patches that look for a source, row by row
    source    bool [H, W]        where a patch may come from
    field     int32 [H, W, 2]    what each target takes; changed
    cost      float32 [H, W]     its difference, inf where there is no target; changed
    """
    step = 1 if backward else -1
    state = np.uint64(seed)
    reach = max(source.shape)
    for n in range(len(targets)):
        y, x = targets[len(targets) - 1 - n] if backward else targets[n]
        cost[y, x] = np.inf
        cost[y, x] = _distance(features, y, x, field[y, x, 0], field[y, x, 1], radius, pull, NOWHERE)
        if 0 <= y + step < cost.shape[0] and cost[y + step, x] < np.inf:
            _better(features, source, field, cost, y, x, field[y + step, x, 0] - step, field[y + step, x, 1], radius,
                    pull)
        if 0 <= x + step < cost.shape[1] and cost[y, x + step] < np.inf:
            _better(features, source, field, cost, y, x, field[y, x + step, 0], field[y, x + step, 1] - step, radius,
                    pull)
        around = reach
        while around >= 1:
            state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
            v = field[y, x, 0] + np.int64((state >> np.uint64(33)) % np.uint64(2 * around + 1)) - around
            state = state * np.uint64(6364136223846793005) + np.uint64(1442695040888963407)
            u = field[y, x, 1] + np.int64((state >> np.uint64(33)) % np.uint64(2 * around + 1)) - around
            _better(features, source, field, cost, y, x, v, u, radius, pull)
            around //= 2


@compiled
def vote(features, pixels, field, cost, trust, radius, out):
    """What the patches that cover each pixel say of it, on a weighted average (Wexler et al. 2007).

    pixels  int32 [N, 2]       row and column of pixels that are targets
    trust   float32 [H, W]     of patches: the closer to what is known, the more
    out     float32 [H, W, C]  changed at the pixels
    """
    for n in range(len(pixels)):
        y, x = pixels[n]
        count, mean = 0, np.float32(0)
        for i in range(-radius, radius + 1):
            for j in range(-radius, radius + 1):
                if cost[y + i, x + j] < NOWHERE:
                    count += 1
                    mean += cost[y + i, x + j]
        width = max(mean / np.float32(2 * count), np.float32(1e-9))
        total = np.float32(0)
        for k in range(features.shape[2]):
            out[y, x, k] = 0
        for i in range(-radius, radius + 1):
            for j in range(-radius, radius + 1):
                if not cost[y + i, x + j] < NOWHERE:
                    continue
                v, u = field[y + i, x + j, 0] - i, field[y + i, x + j, 1] - j
                w = trust[y + i, x + j] * np.exp(-cost[y + i, x + j] / width) + np.float32(1e-12)
                total += w
                for k in range(features.shape[2]):
                    out[y, x, k] += w * features[v, u, k]
        for k in range(features.shape[2]):
            out[y, x, k] /= total


@compiled
def elect(pixels, field, cost, trust, radius, out):
    """The pixel that the best of the patches that cover each pixel copies to it: out int32 [N, 2], row and column."""
    for n in range(len(pixels)):
        y, x = pixels[n]
        best = NOWHERE
        for i in range(-radius, radius + 1):
            for j in range(-radius, radius + 1):
                if cost[y + i, x + j] / trust[y + i, x + j] < best:
                    best = cost[y + i, x + j] / trust[y + i, x + j]
                    out[n, 0] = field[y + i, x + j, 0] - i
                    out[n, 1] = field[y + i, x + j, 1] - j
