"""The hole holds the person, their hair and their shade, and no other people."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from dinar.photo.landmarks import Landmarks
from dinar.photo.photo import Photo
from dinar.photo.regions import Region
from dinar.scene.hole import hole, mask_in_picture, others_in_picture

SIZE = 100, 160
NOBODY = torch.zeros(1, *SIZE)


def block(rows: slice, columns: slice) -> torch.Tensor:
    out = torch.zeros(1, *SIZE)
    out[:, rows, columns] = 1
    return out


@dataclass(frozen=True)
class Somebody:
    """What is asked of a person that BlazePose found."""

    region: Region
    mask: np.ndarray

    @property
    def pixels(self) -> np.ndarray:
        return self.region.to_picture(np.array([[8.0, 16.0]]), 16)


def test_it_is_a_little_larger_than_the_mask_and_more_so_about_the_head() -> None:
    mask = block(slice(10, 90), slice(70, 90))
    found = hole(mask, (80.0, 15.0, 12.0), NOBODY, NOBODY)[0]
    assert found[mask[0] > 0].all()
    beyond = [int(found[row].sum()) - 20 for row in (15, 60)]
    assert 0 < beyond[1] < beyond[0] < 20
    assert not found[:, :50].any()


def test_dark_ground_goes_too_and_others_stay() -> None:
    mask, neighbour = block(slice(10, 90), slice(70, 90)), block(slice(10, 90), slice(91, 110))
    shade = block(slice(86, 94), slice(60, 100))
    found = hole(mask, (80.0, 15.0, 0.0), shade, neighbour)[0]
    assert found[93, 62] == 1
    assert not found[neighbour[0] > 0].any()


def test_the_mask_lies_where_the_person_is_in_the_whole_picture() -> None:
    """A crop twice as fine as the picture, which reaches beyond its left edge."""
    mask = torch.zeros(1, 80, 80)
    mask[:, 20:40, 40:60] = 1
    photo = Photo(mask.expand(3, -1, -1), mask, Landmarks((), torch.zeros(0, 2), torch.zeros(0), torch.zeros(0, 3)),
                  None, SIZE, (-10.0, 30.0, 2.0))  # fmt: skip
    found = mask_in_picture(photo, SIZE)
    assert torch.equal(found > 0.5, block(slice(40, 50), slice(10, 20)) > 0)
    small = mask_in_picture(photo, (50, 80))[0]
    assert float(small[20:25, 5:10].min()) > 0.6 and float(small.sum()) == pytest.approx(25, abs=0.5)


def test_the_person_is_told_from_others_by_the_mask() -> None:
    whole = np.ones((16, 16), np.float32)
    me, far, near = (Somebody(Region(x, y, 40), whole) for x, y in ((60, 100), (220, 90), (80, 140)))
    mask = block(slice(38, 62), slice(18, 42))                       # of a picture at half its size
    others, before = (found[0] for found in others_in_picture([me, far, near], mask, (200, 320)))
    assert float(others[45, 110]) > 0.9 and float(others[75, 40]) > 0.9 and float(others[45, 30]) == 0
    assert float(before[75, 40]) > 0.9, "who reaches farther down stands in front"
    assert float(before[45, 110]) == 0 and not before[mask[0] > 0].any()
    assert not any(found.any() for found in others_in_picture([], mask, (200, 320)))
    assert not others_in_picture([far, near], mask, (200, 320))[1].any(), "in front of nobody"
