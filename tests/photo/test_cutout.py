"""Transparency: a mask or a card, what it hides, and the colours of its edge."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch

from dinar.photo import cutout
from dinar.photo.landmarks import Landmarks

SIDE = 256
SKIN, CLOTH, WALL = (0.8, 0.6, 0.5), (0.5, 0.1, 0.2), (1.0, 0.0, 1.0)


def figure() -> np.ndarray:
    """A head, a trunk and two legs, bool [S, S]."""
    solid = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(solid, (128, 50), 20, 1, -1)
    cv2.rectangle(solid, (95, 70), (160, 150), 1, -1)
    for x in (100, 140):
        cv2.rectangle(solid, (x, 150), (x + 15, 240), 1, -1)
    return solid > 0


def colours() -> np.ndarray:
    return np.where(np.arange(SIDE)[:, None, None] < 70, SKIN, CLOTH) * np.ones((SIDE, SIDE, 1))


def soft() -> np.ndarray:
    return cv2.GaussianBlur(figure().astype(np.float32), (0, 0), 3)


def tensor(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture.astype(np.float32).transpose(2, 0, 1).copy())


@pytest.mark.parametrize("kind", ["white", "wall", "multiplied"])
def test_the_edge_has_the_colours_of_the_inside(kind: str) -> None:
    alpha, own = soft()[..., None], colours()
    stored = {"white": own, "wall": np.where(alpha > 0.5, own, WALL), "multiplied": own * alpha}[kind]
    given = stored * alpha + 1 - alpha
    found = cutout.own_colours(tensor(given), torch.from_numpy(alpha[..., 0])[None]).numpy().transpose(1, 2, 0)
    edge = (alpha[..., 0] > 0.05) & (alpha[..., 0] < 0.95) & (np.abs(np.arange(SIDE) - 70) > 12)[:, None]
    before, after = (np.abs(picture - own)[edge].mean() for picture in (given, found))
    assert after < 0.3 * before, (before, after)
    sure = alpha[..., 0] >= cutout.SURE
    assert np.array_equal(found[sure], given.astype(np.float32)[sure])


def test_a_hard_edge_is_left_alone() -> None:
    picture, alpha = tensor(colours()), torch.from_numpy(figure().astype(np.float32))[None]
    found = cutout.own_colours(picture, alpha)
    assert torch.equal(found[:, alpha[0] == 1], picture[:, alpha[0] == 1])
    assert cutout.own_colours(picture, torch.ones(1, SIDE, SIDE)) is picture
    assert cutout.own_colours(picture, torch.zeros(1, SIDE, SIDE)) is picture


def test_what_is_a_mask_and_what_a_card() -> None:
    solid = figure()
    assert cutout.is_mask(torch.from_numpy(soft())[None], solid)
    card, oval, hole = np.zeros((3, SIDE, SIDE), np.uint8)
    cv2.rectangle(card, (10, 10), (245, 250), 1, -1)
    cv2.ellipse(oval, (128, 140), (110, 115), 0, 0, 360, 1, -1)
    hole[~solid] = 1
    for picture in (card, oval, hole):
        assert not cutout.is_mask(torch.from_numpy(picture).float()[None], solid)
    bag = solid.copy()
    bag[100:140, 160:200] = True
    assert cutout.is_mask(torch.from_numpy(bag).float()[None], solid)


def test_points_that_nothing_opaque_is_near_are_not_seen() -> None:
    alpha = np.full((SIDE, SIDE), 255, np.uint8)
    assert not cutout.matters(None) and not cutout.matters(alpha)
    alpha[150:] = 0
    assert cutout.matters(alpha)
    names, places = ("nose", "left_hip", "left_knee"), [[128.0, 40.0], [120.0, 152.0], [120.0, 240.0]]
    unknown = np.full((3, 3), math.nan, np.float32)
    points = Landmarks(names, np.array(places, np.float32), np.full(3, 0.9, np.float32), unknown)
    found = cutout.without_hidden(points, alpha)
    assert found.confidence.tolist() == pytest.approx([0.9, 0.9, 0.0])
