"""Feet that stand: the legs give, and nothing else moves."""

from __future__ import annotations

from pathlib import Path

import pytest
import roma
import torch

from dinar.body.model import BodyModel
from dinar.motion import feet, retarget
from dinar.motion.motion import Motion

ASSETS = Path(__file__).parents[3] / "shared" / "assets" / "motion"

THIGH, SHIN, FOOT = 1, 2, 3
PARENTS = (-1, 0, 1, 2)
BONES = torch.tensor([[0.0, 1.0, 0.0], [0.0, -0.05, 0.0], [0.0, -0.45, 0.02], [0.0, -0.43, -0.02]])


def leg(slide: float, bend: float = 0.4, count: int = 30):
    """A leg whose root glides `slide` metres a frame over a standing foot: local, global rotations and points."""
    turn = torch.zeros(count, 4, 3)
    turn[:, THIGH, 0], turn[:, SHIN, 0], turn[:, FOOT, 0] = -bend / 2, bend, -bend / 2
    local = roma.rotvec_to_rotmat(turn)
    rotations, points = retarget._forward(local, PARENTS, BONES.cumsum(0))
    points = points - points[:1, FOOT : FOOT + 1] * torch.tensor([0.0, 1.0, 0.0])
    points = points + torch.arange(count)[:, None, None] * torch.tensor([0.0, 0.0, slide])
    return local, rotations, points


def held(slide: float, bend: float = 0.4):
    local, rotations, points = leg(slide, bend)
    new = feet.hold(local, rotations, points, points[:, FOOT : FOOT + 1], (THIGH, SHIN, FOOT), PARENTS, 30.0)
    turns, at = retarget._forward(new, PARENTS, BONES.cumsum(0))
    return rotations, points, turns, at + points[:, :1] - at[:, :1]


def test_a_sliding_foot_is_held():
    before, start, after, at = held(0.001)
    assert (at[1:, FOOT] - at[:-1, FOOT]).norm(dim=1).max() < 2e-4          # of 1e-3; the middle stays where it was
    assert torch.allclose(at[:, FOOT].mean(0), start[:, FOOT].mean(0), atol=1e-4)
    assert torch.allclose(at[:, FOOT, 1], start[:, FOOT, 1], atol=1e-5)
    assert torch.allclose(after[:, FOOT], before[:, FOOT], atol=1e-5)       # the foot keeps its turn
    assert torch.allclose(after[:, 0], before[:, 0]) and torch.allclose(at[:, THIGH], start[:, THIGH], atol=1e-6)
    assert at[:, SHIN, 0].abs().max() < 1e-5                                # the knee keeps its plane
    for a, b in ((THIGH, SHIN), (SHIN, FOOT)):
        assert torch.allclose((at[:, a] - at[:, b]).norm(dim=1), BONES[b].norm(), atol=1e-5)


def test_a_straight_leg_is_not_torn():
    _, start, _, at = held(0.001, bend=0.0)
    assert at.isfinite().all()
    front = at[:, SHIN, 2] - (at[:, THIGH, 2] + at[:, FOOT, 2]) / 2
    assert front.min() > -0.01 and (at[:, FOOT] - start[:, FOOT]).norm(dim=1).max() < feet.MOST


def test_no_leg_gives_more_than_it_may():
    _, start, _, at = held(0.008)
    assert (at[:, FOOT] - start[:, FOOT]).norm(dim=1).max() <= feet.MOST + 1e-5


def test_a_foot_in_the_air_is_let_alone():
    local, rotations, points = leg(0.001)
    sole = points[:, FOOT : FOOT + 1] + torch.tensor([0.0, 0.2, 0.0])
    assert feet.hold(local, rotations, points, sole, (THIGH, SHIN, FOOT), PARENTS, 30.0) is local


@pytest.mark.skipif(not ASSETS.is_dir(), reason="../shared/assets/motion is not here")
@pytest.mark.parametrize("file", ["cmu_02_01_walk", "cmu_16_15_run"])
def test_recorded_feet_slide_less_and_knees_hardly_move(monkeypatch, file):
    model = BodyModel.open()
    motion = Motion.load(ASSETS / "cmu_bvh" / f"{file}.bvh").resampled(30)
    shape = torch.zeros(len(model.shape_basis))

    def posed():
        with torch.no_grad():
            return model(retarget.apply(motion, model, shape))

    mesh = posed()
    monkeypatch.setattr(feet, "hold", lambda local, *_: local)
    free = posed()
    soles = (model.template[:, 1] < model.template[:, 1].min() + 0.02).nonzero()[:, 0]

    def slides(vertices):
        """The slowest point of each sole that touches the ground, metres from frame to frame."""
        out = []
        for side in (1, -1):
            sole = vertices[:, soles[model.template[soles, 0] * side > 0]]
            touches = sole[..., 1] < 0.01
            step = (sole[1:] - sole[:-1])[..., [0, 2]].norm(dim=-1)
            least = torch.where(touches[1:] & touches[:-1], step, torch.inf).amin(1)
            out.append(least[least < 0.01])                                 # what is faster swings
        return torch.cat(out)

    assert slides(mesh.vertices).mean() < 0.7 * slides(free.vertices).mean()
    knees = [model.humanoid["leftLowerLeg"], model.humanoid["rightLowerLeg"]]
    assert (mesh.joints[:, knees] - free.joints[:, knees]).norm(dim=-1).max() < 0.06
    others = [j for bone, j in model.humanoid.items() if not bone.endswith(("Leg", "Foot", "Toes"))]
    assert torch.allclose(mesh.joints[:, others], free.joints[:, others], atol=1e-5)
