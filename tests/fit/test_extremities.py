from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from dinar.body.model import Body, BodyModel
from dinar.camera import Camera, intrinsics
from dinar.fit import extremities
from dinar.fit.problem import LEVEL
from dinar.fit.rims import Seen
from dinar.raster.rasterize import rasterize

SIDE = 512
ENDS = "leftHand", "rightHand", "leftFoot", "rightFoot"


@pytest.fixture(scope="module")
def model() -> BodyModel:
    return BodyModel.open()


def seen(model: BodyModel, body: Body) -> Seen:
    """What a camera 3 m before a body shows of it."""
    camera = Camera(intrinsics(1.4 * SIDE, (SIDE, SIDE)), LEVEL, torch.tensor([0.0, 0.0, 3.0]), (SIDE, SIDE))
    mask = rasterize(camera.project(model(body).vertices), model.faces, camera.size).mask[0]
    return Seen(mask, body, camera)


def bent(model: BodyModel, **angles: float) -> Body:
    """The resting body with bones turned about the camera's axis, radians."""
    body = model.neutral()
    pose = body.pose.clone()
    for bone, angle in angles.items():
        pose[0, model.humanoid[bone]] = torch.tensor([0.0, 0.0, angle])
    return replace(body, pose=pose)


def test_hands_and_feet_are_turned_to_where_the_mask_shows_them(model) -> None:
    true = bent(model, leftHand=0.25, rightHand=-0.2, leftFoot=0.3, rightFoot=-0.25)
    guess = bent(model, leftUpperArm=0.0)
    found = extremities.turned(model, replace(seen(model, true), body=guess))
    for bone in ENDS:
        joint = model.humanoid[bone]
        near = model.skin_weights[:, model.below([joint])].sum(1) > 0.9
        before, after = (
            (model(body).vertices[0, near] - model(true).vertices[0, near])[:, :2].norm(dim=1).mean()
            for body in (guess, found)
        )
        assert after < 0.5 * before, bone


def test_fingers_are_turned_to_where_a_close_look_shows_them(model, monkeypatch) -> None:
    fingers = ("Index", "Middle", "Ring", "Little")
    true = bent(model, **{f"left{name}Proximal": 0.4 for name in fingers})
    guess = bent(model, leftUpperArm=0.0)
    near = model.skin_weights[:, model.below([model.humanoid[f"left{name}Proximal"] for name in fingers])].sum(1) > 0.9
    apart = []
    for steps in (0, extremities.CLOSE_STEPS):
        monkeypatch.setattr(extremities, "CLOSE_STEPS", steps)
        found = extremities.turned(model, replace(seen(model, true), body=guess))
        away = model(found).vertices[0, near] - model(true).vertices[0, near]
        apart.append(float(away[:, :2].norm(dim=1).mean()))
    assert apart[1] < 0.8 * apart[0], apart


def test_a_head_is_turned_to_where_the_mask_shows_skin(model) -> None:
    """Somebody seen from behind: what the outline of hair says is not asked."""
    true, guess = bent(model, head=0.12), bent(model, leftUpperArm=0.0)
    silhouette = replace(seen(model, true), body=guess)
    joint = model.humanoid["head"]
    near = model.skin_weights[:, model.below([joint])].sum(1) > 0.9

    def apart(body: Body) -> float:
        return float((model(body).vertices[0, near] - model(true).vertices[0, near])[:, :2].norm(dim=1).mean())

    everything = torch.ones(SIDE, SIDE, dtype=torch.bool)
    assert apart(extremities.turned(model, silhouette, skin=everything)) < 0.5 * apart(guess)
    for nothing in (None, ~everything):
        found = extremities.turned(model, silhouette, skin=nothing)
        assert float((found.pose[0, joint] - guess.pose[0, joint]).norm()) < 1e-6


def test_the_rest_of_the_body_stays(model) -> None:
    true = bent(model, leftHand=0.25, rightLowerArm=0.1)
    guess = bent(model, leftUpperArm=0.0)
    found = extremities.turned(model, replace(seen(model, true), body=guess))
    names = {joint: bone for bone, joint in model.humanoid.items()}
    moved = {names[int(joint)] for joint in (found.pose[0] != guess.pose[0]).any(1).nonzero()[:, 0]}
    parts = *extremities.SPREADS, *extremities._FINGERS
    assert moved and all(any(part in bone for part in parts) for bone in moved)
    assert torch.equal(found.shape, guess.shape) and torch.equal(found.translation, guess.translation)


def test_a_body_that_fits_stays_as_it_is(model) -> None:
    body = bent(model, leftHand=0.1)
    found = extremities.turned(model, seen(model, body))
    turned = (found.pose - body.pose).norm(dim=2).max()
    assert turned < 0.06                                # what half a pixel tells


def test_what_the_picture_cuts_off_is_not_looked_for(model) -> None:
    guess = bent(model, leftHand=0.1)
    whole = seen(model, guess)
    inside = torch.ones(SIDE, SIDE, dtype=torch.bool)
    ankle = whole.camera.project(model(guess).joints[0, model.humanoid["leftFoot"]][None])[0, 1]
    inside[int(ankle) + 14 :] = False
    cut = replace(whole, mask=whole.mask * inside)
    feet = [model.humanoid[bone] for bone in ("leftFoot", "rightFoot")]
    turned = {
        name: (extremities.turned(model, cut, some).pose - guess.pose)[0, feet].norm(dim=1).max()
        for name, some in {"told": inside, "not": None}.items()
    }
    assert turned["told"] < 0.06 and turned["told"] < turned["not"]


def test_hands_that_nobody_sees_stay(model) -> None:
    body = bent(model, leftHand=0.1)
    nobody = replace(seen(model, body), mask=torch.zeros(1, SIDE, SIDE))
    assert torch.allclose(extremities.turned(model, nobody).pose, body.pose, atol=1e-5)
