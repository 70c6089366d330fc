"""A motion in a photo's place: it begins and ends there, on the same ground, looking the same way."""

from __future__ import annotations

from dataclasses import replace

import pytest
import roma
import torch

from dinar.avatar import open_body
from dinar.body.model import Body
from dinar.motion.motion import Motion
from dinar.scene import place

FPS = 15.0


@pytest.fixture(scope="module")
def model():
    return open_body()


@pytest.fixture(scope="module")
def start(model) -> Body:
    """Somebody who looks half to their left, legs apart, somewhere in the air of the world's axes."""
    body = model.neutral()
    pose = body.pose.clone()
    pose[0, 0] = torch.tensor([0.0, 0.8, 0.0])
    pose[0, model.humanoid["leftUpperLeg"]] = torch.tensor([0.0, 0.0, 0.3])
    pose[0, model.humanoid["rightUpperLeg"]] = torch.tensor([-0.2, 0.0, -0.2])
    return replace(body, pose=pose, translation=torch.tensor([[0.7, 2.0, -3.0]]))


def feet(model, bodies: Body) -> torch.Tensor:
    with torch.no_grad():
        return model(bodies).joints[:, [model.humanoid["leftFoot"], model.humanoid["rightFoot"]]]


def lowest(model, bodies: Body) -> torch.Tensor:
    with torch.no_grad():
        return model(bodies).vertices[..., 1].amin(1)


def test_it_begins_and_ends_in_the_photos_pose(model, start) -> None:
    course = place.course(Motion.load("wave").resampled(FPS), model, start)
    held = round(place.HELD * FPS)
    for body in (course.bodies[:1], course.bodies[held - 1 : held], course.bodies[-1:]):
        assert torch.equal(body.pose, start.pose) and torch.equal(body.translation, start.translation)
    assert len(course.photo) == len(course.bodies)
    assert course.photo[0] == 1 and course.photo[held] == 0
    assert list(course.photo[:held]) == sorted(course.photo[:held], reverse=True)
    assert course.photo[-1] == course.photo[1], "the last frame leads into the first"


def test_nothing_jumps(model, start) -> None:
    """From any frame to the next, and from the last to the first, no joint goes farther than a swift limb does."""
    course = place.course(Motion.load("wave").resampled(FPS), model, start)
    with torch.no_grad():
        joints = model(course.bodies).joints
    step = (joints - joints.roll(1, 0)).norm(dim=-1).amax(1) * FPS
    assert float(step[0]) == 0
    assert float(step.max()) < 5.0, "metres a second"


def test_it_stands_on_the_same_ground(model, start) -> None:
    course = place.course(Motion.load("dance").resampled(FPS), model, start)
    low = lowest(model, course.bodies) - lowest(model, start)
    assert float(low.abs().max()) < 0.02
    eased = low[round(place.HELD * FPS) : round((place.HELD + place.EASED) * FPS)]
    assert float(eased.abs().max()) < 2e-3


def test_it_looks_where_the_photo_looks(model, start) -> None:
    motion = Motion.load("wave").resampled(FPS)
    placed = place.placed(motion, model, start)
    with torch.no_grad():
        across = model(placed[:1]).joints[0]
    left, right = across[model.humanoid["leftUpperLeg"]], across[model.humanoid["rightUpperLeg"]]
    wanted = roma.rotvec_to_rotmat(torch.tensor([0.0, 0.8, 0.0])) @ torch.tensor([1.0, 0.0, 0.0])
    side = torch.nn.functional.normalize((left - right) * torch.tensor([1.0, 0.0, 1.0]), dim=0)
    assert float(side @ wanted) > 0.99


def test_the_feet_step_and_do_not_slide(model, start) -> None:
    """While one is on its way the other one stays, and who goes far is raised."""
    course = place.course(Motion.load("wave").resampled(FPS), model, start)
    first, last = round(place.HELD * FPS), round((place.HELD + place.EASED) * FPS)
    path = feet(model, course.bodies)[first - 1 : last + 1]
    way = (path[1:] - path[:-1])[..., [0, 2]].norm(dim=-1)                       # [steps, feet]
    assert float(way.sum(0).max()) > 0.1, "somebody with legs apart has to step"
    middle = len(way) // 2
    halves = torch.stack([way[:middle].sum(0), way[middle + 1 :].sum(0)])
    for foot in range(2):
        resting = halves[:, foot].argmin()
        assert float(halves[resting, foot]) < 0.1 * float(halves[1 - resting, foot]) + 0.004


def test_a_walk_comes_back_or_stays(model, start) -> None:
    walk = Motion.load("walk")
    assert not place.stays(walk) and place.stays(walk.in_place()) and place.stays(Motion.load("wave"))
    on_the_spot = place.placed(walk.in_place().resampled(FPS), model, start)
    hips = on_the_spot.translation - start.translation
    assert float(hips[:, [0, 2]].norm(dim=1).max()) < 0.5
