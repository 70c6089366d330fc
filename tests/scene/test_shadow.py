"""Shade lies under what is near the ground, in the right place of the picture."""

from __future__ import annotations

import pytest
import torch

from dinar.camera import Camera, look_at
from dinar.scene.shadow import BOUNDS, USUAL, Ground, strength

SIZE = 90, 120
FLOOR = -0.8


def camera() -> Camera:
    return look_at(torch.tensor([0.4, 0.6, 4.0]), torch.tensor([0.0, 0.0, 0.0]), SIZE)


def box(height: float) -> torch.Tensor:
    """Points [N, 3] of something as large as two shoes, whose underside is so far above the ground."""
    x, z = torch.meshgrid(torch.linspace(-0.15, 0.15, 16), torch.linspace(-0.12, 0.12, 16), indexing="ij")
    return torch.stack([x.flatten(), torch.full((256,), FLOOR + height), z.flatten()], dim=1)


def test_pixels_see_the_ground_where_it_projects_to() -> None:
    ground, view = Ground.of(camera(), FLOOR), camera()
    for row, column in ((70, 20), (88, 100)):
        x, z = ground.places[row, column].tolist()
        seen = view.project(torch.tensor([x, FLOOR, z]))
        assert seen[:2].tolist() == pytest.approx([column + 0.5, row + 0.5], abs=1e-2)


def test_above_the_horizon_there_is_no_ground() -> None:
    level = look_at(torch.tensor([0.0, 0.0, 4.0]), torch.tensor([0.0, 0.0, 0.0]), SIZE)
    ground = Ground.of(level, FLOOR)
    assert ground.places[:45].isinf().all() and ground.places[46:].isfinite().all()
    assert float(ground.shade(box(0.0))[:, :45].max()) == 0


def test_it_is_darkest_under_a_foot_and_gone_far_away() -> None:
    ground, view = Ground.of(camera(), FLOOR), camera()
    shade = ground.shade(box(0.0))[0]
    column, row, _ = view.project(torch.tensor([0.0, FLOOR, 0.0])).tolist()
    assert float(shade[int(row), int(column)]) > 0.8
    assert float(shade[int(row), int(column) - 45]) == 0
    lifted = ground.shade(box(0.15))[0]
    assert float(lifted.max()) < 0.5 * float(shade.max()), "a raised foot hardly shades"
    assert float(ground.shade(box(1.5)).max()) == 0


def test_how_dark_it_is_is_told_from_the_photo() -> None:
    shade = Ground.of(camera(), FLOOR).shade(box(0.0))
    background = torch.full((3, *SIZE), 0.6)
    everywhere, nowhere = torch.ones(1, *SIZE), torch.zeros(1, *SIZE)
    big = torch.nn.functional.interpolate(shade[None], scale_factor=3)[0]     # enough pixels
    wide = background.repeat(1, 3, 3)
    for k in (0.25, 0.5):
        photo = wide * (1 - k * big)
        assert strength(photo, wide, big, everywhere.repeat(1, 3, 3)) == pytest.approx(k, abs=0.01)
    assert strength(wide, wide, big, everywhere.repeat(1, 3, 3)) == BOUNDS[0]
    assert strength(background, background, shade, nowhere) == USUAL
