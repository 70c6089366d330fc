from __future__ import annotations

import math

import numpy as np
import pytest

from dinar.photo.regions import Region

ANGLES = [0.0, 0.7, math.pi / 2, -2.0]


@pytest.mark.parametrize("angle", ANGLES)
def test_points_go_there_and_back(angle: float) -> None:
    region = Region(30.0, 50.0, 40.0, angle)
    points = np.array([[0.0, 0.0], [16.0, 16.0], [3.0, 30.0]])
    there = region.to_picture(points, 32)
    assert np.allclose(there[1], (30, 50)), "the middle of the region is its centre"
    assert np.allclose(region.from_picture(there, 32), points)
    seen = region.seen_in(5, 7, 2.0)
    assert np.allclose(seen.to_picture(points, 32), (there - (5, 7)) * 2)


def test_top_is_up() -> None:
    region = Region.around(np.array([50.0, 50.0]), np.array([80.0, 50.0]), 1.0)
    assert region.side == pytest.approx(60) and region.angle == pytest.approx(math.pi / 2)
    assert np.allclose(region.to_picture(np.array([[5.0, 0.0]]), 10), (80, 50))
    assert np.allclose(region.rotation @ (0, -1), (1, 0))
    moved = region.shifted(0, -0.5, 2.0)
    assert (moved.x, moved.y, moved.side) == pytest.approx((80, 50, 120))


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("size", [16, 64, 200])
def test_drawing_and_pasting_keep_places(angle: float, size: int) -> None:
    """A smooth blob is found at the same place in the region and back in the picture, shrunk or enlarged."""
    y, x = np.mgrid[:90, :120] + 0.5
    blob = np.exp(-((x - 70) ** 2 + (y - 40) ** 2) / 60)
    pixels = np.repeat((blob * 255).astype(np.uint8)[..., None], 3, axis=2)
    region = Region(64.0, 45.0, 60.0, angle)
    drawn = region.draw(pixels, size)[..., 0]
    grid = np.mgrid[:size, :size] + 0.5
    centre = np.array([(grid[1] * drawn).sum(), (grid[0] * drawn).sum()]) / drawn.sum()
    assert np.allclose(region.to_picture(centre[None], size), (70, 40), atol=0.5)
    back = region.paste(drawn, (90, 120))
    assert np.allclose(np.array([(x * back).sum(), (y * back).sum()]) / back.sum(), (70, 40), atol=0.5)


def test_regions_may_lie_outside() -> None:
    pixels = np.full((20, 20, 3), 255, np.uint8)
    assert Region(200.0, -90.0, 30.0).draw(pixels, 8).max() == 0
    half = Region(0.0, 10.0, 20.0).draw(pixels, 20)[..., 0]
    assert half[:, :9].max() == 0 and half[:, 11:].min() == 1
