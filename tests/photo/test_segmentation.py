from __future__ import annotations

import numpy as np

from dinar.photo.blazepose import POINTS, Person
from dinar.photo.regions import Region
from dinar.photo.segmentation import connected, continued, matted, without_others

SIDE = 128


def disc(x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    return (rows - y) ** 2 + (columns - x) ** 2 < radius**2


def person(mask: np.ndarray) -> Person:
    """Somebody whose region is the whole picture of 128 x 128."""
    points = np.full((POINTS, 2), SIDE / 2)
    return Person(
        points, np.ones(POINTS), np.zeros((POINTS, 3)), 1.0, Region(SIDE / 2, SIDE / 2, SIDE), mask.astype(np.float32)
    )


def test_matting_finds_the_true_edge() -> None:
    """A hard mask that is too large or too small is drawn to where the colours change."""
    size = 4 * SIDE
    rows, columns = np.mgrid[:size, :size] + 0.5
    distance = np.hypot(rows - size / 2, columns - size / 2)
    alpha = (160.5 - distance).clip(0, 1)
    shade = 10 * np.sin(np.arange(size) / 20)[:, None, None]
    crop = alpha[..., None] * (200, 60, 40) + (1 - alpha[..., None]) * (60, 90, 160) + shade
    pixels = crop.round().clip(0, 255).astype(np.uint8)
    for radius in (158.8, 163):
        rough = distance < radius
        soft = matted(pixels, rough)
        assert soft.dtype == np.float32 and soft.min() >= 0 and soft.max() <= 1
        assert np.abs(soft - alpha).mean() < 0.5 * np.abs(rough - alpha).mean()


def test_matting_of_nothing_and_of_everything_changes_nothing() -> None:
    pixels = np.full((SIDE, SIDE, 3), 100, np.uint8)
    for value in (False, True):
        assert (matted(pixels, np.full((SIDE, SIDE), value)) == value).all()


def test_parts_without_landmarks_are_dropped() -> None:
    solid = disc(40, 64, 20) | disc(90, 30, 10) | disc(100, 100, 12)
    kept = connected(solid, np.array([[40.0, 64.0], [90.0, 30.0], [500.0, -3.0]]))
    assert (kept == (disc(40, 64, 20) | disc(90, 30, 10))).all()
    assert (connected(solid, np.zeros((0, 2))) == disc(40, 64, 20)).all(), "the largest where no landmark helps"


def test_who_stands_in_front_hides_the_other() -> None:
    back, front = disc(50, 50, 30), disc(70, 80, 30)
    mine, theirs = (person(m) for m in (back, front))
    window = (0.0, 0.0, 1.0)
    hidden = without_others(back.astype(np.float32), mine, [theirs], window) > 0.5
    assert not (hidden & front).any()
    assert (hidden == (back & ~front)).mean() > 0.99
    free = without_others(front.astype(np.float32), theirs, [mine], window) > 0.5
    assert (free == front).all()


def test_a_body_cut_by_the_edge_goes_on_beyond_it() -> None:
    solid = np.zeros((8, 8), bool)
    solid[2:6, 3:5] = True  # the picture ends below row 5 of the crop, which starts 2 rows above it
    out = continued(solid, (4, 100), (10.0, -2.0, 1.0))
    assert out[:, 3:5].all() and not out[:, :3].any() and not out[:, 5:].any()
