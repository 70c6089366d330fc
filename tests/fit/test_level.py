"""Turning the world changes nothing in the picture and brings the camera to a likely height."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from dinar.avatar import open_body
from dinar.body.model import Body
from dinar.camera import Camera, intrinsics
from dinar.fit.level import EYE, MOST, levelled

SIZE = 90, 60


@pytest.fixture(scope="module")
def model():
    return open_body()


def camera(height: float, distance: float) -> Camera:
    """Level, before the body at rest, so high over its feet."""
    R = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    return Camera(intrinsics(100.0, SIZE), R, -R @ torch.tensor([0.1, height, distance]), SIZE)


def leaning(model, degrees: float) -> Body:
    """Towards +Z, where the camera is, standing on y = 0."""
    body = model.neutral()
    pose = body.pose.clone()
    pose[0, 0, 0] = math.radians(degrees)
    body = replace(body, pose=pose)
    with torch.no_grad():
        low = model(body).vertices[..., 1].min()
    return replace(body, translation=torch.stack([torch.zeros(()), -low, torch.zeros(())])[None])


def test_the_picture_stays_the_same(model) -> None:
    start, before = leaning(model, 30.0), camera(0.5, 4.0)
    body, after = levelled(model, start, before)
    with torch.no_grad():
        seen = [view.project(model(b).vertices[0]) for view, b in ((before, start), (after, body))]
    assert torch.allclose(*seen, atol=2e-3)
    assert not torch.equal(before.R, after.R)


def test_the_camera_is_held_as_people_do(model) -> None:
    start = leaning(model, 30.0)
    body, after = levelled(model, start, camera(0.5, 4.0))
    with torch.no_grad():
        ground = model(body).vertices[0, :, 1].min()
    assert float(after.position[1] - ground) == pytest.approx(EYE, abs=0.15)
    assert float(torch.linalg.det(after.R)) == pytest.approx(1, abs=1e-5)


def test_no_farther_than_the_body_leans(model) -> None:
    upright, backwards = leaning(model, -8.0), leaning(model, -20.0)
    for start in (upright, backwards):
        body, after = levelled(model, start, camera(0.5, 4.0))
        assert body is start and torch.equal(after.R, camera(0.5, 4.0).R)
    close = levelled(model, leaning(model, 60.0), camera(0.1, 1.0))[1]
    assert math.acos(float(-close.R[2, 2])) == pytest.approx(MOST, abs=1e-3)


def test_a_camera_that_is_high_already_stays(model) -> None:
    high = camera(2.5, 4.0)
    assert levelled(model, leaning(model, 30.0), high)[1] is high
