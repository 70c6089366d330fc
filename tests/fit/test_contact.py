from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from dinar.body.model import Body, BodyModel
from dinar.fit.contact import Contact


@pytest.fixture(scope="module")
def model() -> BodyModel:
    return BodyModel.open().only_landmarks()


@pytest.fixture(scope="module")
def contact() -> Contact:
    return Contact(BodyModel.open())


def with_arm(model: BodyModel, angle: float) -> Body:
    """The left arm swung down from the A-pose by `angle` radians."""
    body = model.neutral()
    pose = body.pose.clone()
    pose[0, model.humanoid["leftUpperArm"]] = torch.tensor([0.0, 0.0, -angle])
    return replace(body, pose=pose)


def depth(model: BodyModel, contact: Contact, body: Body) -> float:
    return contact(model, body.shape, model(body)).sum().item()


def test_nothing_touches_at_rest_or_with_arms_down(model, contact):
    assert depth(model, contact, model.neutral()) == 0
    assert depth(model, contact, with_arm(model, 0.5)) == 0


def test_an_arm_in_the_body_is_deeper_the_farther_it_goes(model, contact):
    depths = [depth(model, contact, with_arm(model, angle)) for angle in (1.2, 1.4, 1.6)]
    assert 0 < depths[0] < depths[1] < depths[2]


def test_the_gradient_pushes_the_arm_out(model, contact):
    body = with_arm(model, 1.4)
    pose = body.pose.clone().requires_grad_()
    body = replace(body, pose=pose)
    contact(model, body.shape, model(body)).square().sum().backward()
    assert pose.grad[0, model.humanoid["leftUpperArm"], 2] < 0      # less negative angle, less depth


def test_placing_the_body_elsewhere_changes_nothing(model, contact):
    body = with_arm(model, 1.4)
    moved = replace(body, translation=torch.tensor([[1.0, -2.0, 3.0]]))
    assert abs(depth(model, contact, body) - depth(model, contact, moved)) < 1e-4


def test_spheres_lie_inside_the_skin(contact):
    assert (contact.radius > 0.002).all() and (contact.radius < 0.15).all()
