"""The search finds what an exhaustive one finds, where there is one answer."""

from __future__ import annotations

import numpy as np

from dinar.scene import patches

RADIUS = 2


def test_every_target_finds_its_copy() -> None:
    """The right half repeats the left one: each of its patches has one equal among the sources."""
    random = np.random.default_rng(0)
    left = random.random((30, 24, 3), np.float32)
    features = np.concatenate([left, left], axis=1)
    source = np.zeros(features.shape[:2], bool)
    source[RADIUS:-RADIUS, RADIUS : 24 - RADIUS] = True
    targets = np.argwhere(np.roll(source, 24, axis=1)).astype(np.int32)
    field, cost = np.zeros((*source.shape, 2), np.int32), np.full(source.shape, np.inf, np.float32)
    places = np.argwhere(source)
    field[targets[:, 0], targets[:, 1]] = places[random.integers(len(places), size=len(targets))]
    cost[targets[:, 0], targets[:, 1]] = 0
    for turn in range(6):
        patches.search(features, targets, source, field, cost, RADIUS, np.float32(0), turn, bool(turn % 2))
    found = field[targets[:, 0], targets[:, 1]]
    right = (found == targets - (0, 24)).all(axis=1)
    assert right.mean() > 0.98
    assert (cost[targets[:, 0], targets[:, 1]][right] == 0).all()


def test_votes_of_exact_copies_are_the_copied_pixel() -> None:
    random = np.random.default_rng(1)
    features = random.random((20, 40, 3), np.float32)
    field, cost = np.zeros((20, 40, 2), np.int32), np.full((20, 40), np.inf, np.float32)
    rows, columns = np.mgrid[2:18, 22:38]
    field[2:18, 22:38] = np.stack([rows, columns - 20], axis=-1)
    cost[2:18, 22:38] = 0.1
    pixels = np.argwhere(np.pad(np.ones((12, 12), bool), ((4, 4), (24, 4)))).astype(np.int32)
    out, copied = features.copy(), np.empty_like(pixels)
    trust = np.ones((20, 40), np.float32)
    patches.vote(features, pixels, field, cost, trust, RADIUS, out)
    patches.elect(pixels, field, cost, trust, RADIUS, copied)
    assert (copied == pixels - (0, 20)).all()
    assert np.abs(out[pixels[:, 0], pixels[:, 1]] - features[copied[:, 0], copied[:, 1]]).max() < 1e-5
    untouched = np.ones((20, 40), bool)
    untouched[pixels[:, 0], pixels[:, 1]] = False
    assert (out[untouched] == features[untouched]).all()
