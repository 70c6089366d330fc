from __future__ import annotations

import math

import pytest
import roma
import torch

from dinar.avatar import Avatar
from dinar.camera import orbit
from dinar.viewer.pictures import FAST, HEIGHTS, SLOW, Pace, camera_of, picture, size_of


def test_a_browsers_camera_is_ours() -> None:
    wanted = orbit(torch.tensor([0.1, 0.9, 0.0]), 40.0, 20.0, 3.0, (120, 90), fov=35.0)
    x, y, z, w = roma.rotmat_to_unitquat(wanted.R.T).tolist()
    found = camera_of((w, x, y, z), wanted.position.numpy(), math.radians(35.0), (120, 90))
    points = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(found.project(points), wanted.project(points), atol=1e-3)


@pytest.mark.parametrize(
    ("height", "canvas", "size"),
    [(512, (1000, 2000), (512, 1024)), (1024, (600, 300), (600, 300)), (4, (9, 1), (16, 16))],
)
def test_sizes_keep_proportions(height: int, canvas: tuple[int, int], size: tuple[int, int]) -> None:
    assert size_of(height, canvas) == size


def test_slow_pictures_become_smaller_and_quick_ones_larger() -> None:
    pace = Pace()
    start = pace.height
    for _ in range(100):
        pace.took(10 * SLOW)
    assert pace.height == HEIGHTS[0] < start
    for _ in range(100):
        pace.took(FAST / 10)
    assert pace.height == HEIGHTS[-1]


def test_a_single_slow_picture_changes_nothing() -> None:
    pace = Pace()
    start = pace.height
    for seconds in (5.0, 0.06, 0.06, 0.06, 5.0, 0.06, 0.06):
        pace.took(seconds)
        assert pace.height == start


def test_pictures(avatar: Avatar) -> None:
    camera = avatar.camera(0.0, (80, 60))
    blue = torch.tensor([0.0, 0.0, 1.0])
    found = picture(avatar, avatar.standing(), camera, blue)
    assert found.shape == (80, 60, 3) and found.dtype == "uint8" and found[0, 0].tolist() == [0, 0, 255]
    assert found[40, 26, 0] > 150                      # somebody red stands in the middle
    clear = picture(avatar, avatar.standing(), camera, None)
    assert clear.shape == (80, 60, 4) and clear[0, 0, 3] == 0 and clear[40, 30, 3] == 255


@pytest.mark.parametrize("distance", [0.05, 0.2, 0.6])
def test_cameras_close_to_the_skin_and_in_it(avatar: Avatar, distance: float) -> None:
    camera = orbit(torch.tensor([0.0, 1.2, 0.0]), 0.0, 0.0, distance, (48, 64))
    assert picture(avatar, avatar.standing(), camera, torch.ones(3)).shape == (48, 64, 3)
    away = orbit(torch.tensor([0.0, 1.2, 50.0]), 180.0, 0.0, 1.0, (48, 64))
    assert (picture(avatar, avatar.standing(), away, torch.ones(3)) == 255).all()
