from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dinar.body.model import BodyModel
from dinar.camera import Camera, intrinsics
from dinar.fit.problem import LEVEL
from dinar.fit.rims import SIDE, Mask, Rim, Seen

HALF, AWAY = 0.25, 4.0      # metres: half the side of a square, and its distance


def scene(half: float, inside: torch.Tensor | None = None) -> Rim:
    """The rim of a square board before a camera, beside the mask of one with another side."""
    focal = float(SIDE)
    camera = Camera(intrinsics(focal, (SIDE, SIDE)), LEVEL, torch.tensor([0.0, 0.0, AWAY]), (SIDE, SIDE))
    pixel = (torch.arange(SIDE) + 0.5 - SIDE / 2).abs()
    row = (half * focal / AWAY - pixel + 0.5).clamp(0, 1)
    seen = Seen(row[None, :, None] * row[None, None], BodyModel.open().neutral(), camera)
    board = np.array([[-HALF, -HALF, 0], [HALF, -HALF, 0], [HALF, HALF, 0], [-HALF, HALF, 0]], np.float64)
    return Mask.of(seen, inside).rim(board, np.array([[0, 1, 2], [0, 2, 3]]))


@pytest.mark.parametrize("more", [0.06, -0.04, 0.0])
def test_gaps_are_those_of_two_squares(more) -> None:
    rim = scene(HALF + more)
    straight = np.abs(rim.outwards).max(1) > 0.99
    assert straight.mean() > 0.8
    assert np.abs(rim.gap[straight] - more).max() < 0.6 * AWAY / SIDE         # half a pixel
    assert np.abs(np.median(rim.gap[straight]) - more) < 0.1 * AWAY / SIDE
    assert np.allclose(rim.width, AWAY / SIDE)
    assert np.allclose(rim.share.sum(1), 1) and np.allclose(np.linalg.norm(rim.outwards, axis=1), 1)


def test_outwards_is_away_from_the_middle() -> None:
    rim = scene(HALF)
    corner = np.array([[-1, 1], [1, 1], [1, -1], [-1, -1]]) * HALF              # in the picture's axes: y goes down
    place = (rim.share[..., None] * corner[rim.corners]).sum(1)
    assert ((place * rim.outwards).sum(1) > 0).all()


def test_what_is_cut_off_has_no_outline() -> None:
    inside = torch.ones(SIDE, SIDE, dtype=torch.bool)
    inside[:, : SIDE // 2] = False
    rim = scene(HALF, inside)
    assert len(rim.gap) and len(rim.gap) < 0.6 * len(scene(HALF).gap)
    assert (rim.outwards[:, 0] > -0.9).all()                                    # none to the left


def test_masks_are_as_long_as_asked() -> None:
    camera = Camera(intrinsics(900.0, (800, 400)), LEVEL, torch.tensor([0.0, 0.0, 3.0]), (800, 400))
    seen = Seen(torch.ones(1, 800, 400), BodyModel.open().neutral(), camera)
    mask = Mask.of(seen)
    assert mask.mask.shape == mask.inside.shape == mask.camera.size == (SIDE, SIDE // 2) and mask.inside.all()
    assert not Mask.of(replace(seen), torch.zeros(800, 400)).inside.any()
