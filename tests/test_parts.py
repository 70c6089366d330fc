"""The parts of a person: numbers that files hold, colours that can be told apart."""

from __future__ import annotations

import numpy as np

from dinar.parts import COLOURS, NAMES, BodyPart, coloured


def test_numbers_and_names_stay() -> None:
    known = [part for part in BodyPart if part is not BodyPart.UNKNOWN]
    assert [int(part) for part in known] == list(range(12)) and BodyPart.UNKNOWN == 255
    assert [NAMES[part] for part in known] == [
        "background", "hair", "face_skin", "skin", "upper", "outer", "lower", "dress", "shoes", "headwear", "glasses",
        "bag",
    ]  # fmt: skip


def test_every_part_has_a_colour_of_its_own() -> None:
    assert set(COLOURS) == set(BodyPart)
    colours = np.array(list(COLOURS.values()), int)
    apart = np.abs(colours[:, None] - colours[None]).max(2) + 255 * np.eye(len(colours), dtype=int)
    assert apart.min() >= 40


def test_pictures_of_labels() -> None:
    labels = np.array([[0, BodyPart.SHOES], [77, 255]], np.uint8)
    picture = coloured(labels)
    assert picture.dtype == np.uint8 and picture.shape == (2, 2, 3)
    assert tuple(picture[0, 1]) == COLOURS[BodyPart.SHOES]
    assert tuple(picture[1, 0]) == tuple(picture[1, 1]) == COLOURS[BodyPart.UNKNOWN]
