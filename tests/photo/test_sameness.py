"""Whether photos show one person."""

from __future__ import annotations

import math

import pytest
import torch
from photo.people import body

from dinar.photo.landmarks import Landmarks
from dinar.photo.openpose import BODY_25
from dinar.photo.photo import Photo
from dinar.photo.sameness import clothes, strangers

RED, BLUE, GREY, NAVY = (0.8, 0.1, 0.1), (0.3, 0.4, 0.8), (0.5, 0.5, 0.5), (0.05, 0.05, 0.2)


def photo(upper: tuple[float, ...], lower: tuple[float, ...], light: float = 1.0, trust: float = 0.9) -> Photo:
    """Somebody of 260 pixels: one colour above the hips, another below."""
    points = torch.tensor(body(150, 150)).reshape(25, 3)
    image = torch.tensor(upper)[:, None, None].expand(3, 300, 300).clone()
    image[:, 150:] = torch.tensor(lower)[:, None, None]
    mask = torch.zeros(1, 300, 300)
    mask[:, 50:250, 120:180] = 1
    seen = Landmarks(BODY_25, points[:, :2], torch.full((25,), trust), torch.full((25, 3), math.nan))
    return Photo(image * light, mask, seen, None, (300, 300), (0.0, 0.0, 1.0))


def test_other_clothes_are_another_person() -> None:
    assert strangers([photo(RED, BLUE), photo(BLUE, RED)]) == (0, 1)
    assert strangers([photo(RED, BLUE), photo(RED, BLUE), photo(RED, GREY)]) == (0, 2), "below the hips alone"
    assert strangers([photo(RED, BLUE)]) is None


@pytest.mark.parametrize("light", [0.5, 0.8, 1.2])
def test_other_light_is_not(light: float) -> None:
    assert strangers([photo(GREY, NAVY), photo(GREY, NAVY, light)]) is None


def test_of_what_is_not_seen_nothing_is_said() -> None:
    assert not clothes(photo(RED, BLUE, trust=0.1))
    assert strangers([photo(RED, BLUE), photo(BLUE, RED, trust=0.1)]) is None
