"""Motions on the open body: who bends what where, and where the feet are."""

from __future__ import annotations

from pathlib import Path

import pytest
import roma
import torch

from dinar.body.model import BodyModel
from dinar.motion.motion import Motion
from dinar.motion.retarget import apply

ASSETS = Path(__file__).parents[3] / "shared" / "assets" / "motion"


@pytest.fixture(scope="module")
def model() -> BodyModel:
    return BodyModel.open()


def still(turned: dict[str, tuple[float, float, float]], count: int = 1) -> Motion:
    """Standing, with some bones turned (degrees, rotation vectors)."""
    names = ("hips", *turned)
    rotations = torch.deg2rad(torch.tensor([[0.0, 0, 0], *turned.values()])).expand(count, -1, -1)
    return Motion(names, rotations, torch.tensor([[0.0, 1, 0]]).expand(count, 3), 30)


def joints(model: BodyModel, motion: Motion, shape: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
    """Humanoid bone -> positions [T, 3]."""
    shape = torch.zeros(len(model.shape_basis)) if shape is None else shape
    with torch.no_grad():
        posed = model(apply(motion, model, shape)).joints
    return {bone: posed[:, j] for bone, j in model.humanoid.items()}


LIMBS = ("UpperArm", "LowerArm", "UpperLeg", "LowerLeg")
T_POSE = {f"{side}{part}": (0.0, 0, 0) for side in ("left", "right") for part in LIMBS}


def test_t_pose(model):
    at = {bone: p[0] for bone, p in joints(model, still(T_POSE)).items()}
    for side, x in (("left", 1.0), ("right", -1.0)):
        for a, b in (("UpperArm", "LowerArm"), ("LowerArm", "Hand")):
            bone = at[side + b] - at[side + a]
            assert torch.allclose(bone / bone.norm(), torch.tensor([x, 0, 0]), atol=1e-4)
        for a, b in (("UpperLeg", "LowerLeg"), ("LowerLeg", "Foot")):
            bone = at[side + b] - at[side + a]
            assert torch.allclose(bone / bone.norm(), torch.tensor([0.0, -1, 0]), atol=1e-4)


@pytest.mark.parametrize(("side", "x"), [("left", 1.0), ("right", -1.0)])
def test_bent_elbow_puts_the_wrist_in_front(model, side, x):
    flat = {bone: p[0] for bone, p in joints(model, still(T_POSE)).items()}
    bent = joints(model, still(T_POSE | {f"{side}LowerArm": (0, -90 * x, 0)}))
    length = (flat[f"{side}Hand"] - flat[f"{side}LowerArm"]).norm()
    expected = flat[f"{side}LowerArm"] + torch.tensor([0, 0, 1.0]) * length
    assert torch.allclose(bent[f"{side}Hand"][0], expected, atol=1e-4)
    other = "right" if side == "left" else "left"
    assert torch.allclose(bent[f"{other}Hand"][0], flat[f"{other}Hand"], atol=1e-5)


def test_global_rotations_are_those_of_the_motion(model):
    # twist joints and shared spines change where a turn happens, not what it comes to
    trunk = ("hips", "spine", "chest", "upperChest")
    chains = {
        "head": (*trunk, "neck", "head"),
        "leftHand": (*trunk, "leftShoulder", "leftUpperArm", "leftLowerArm", "leftHand"),
    }
    names = tuple(dict.fromkeys(bone for chain in chains.values() for bone in chain))
    rotations = torch.randn(5, len(names), 3, generator=torch.Generator().manual_seed(0)) * 0.4
    motion = Motion(names, rotations, torch.tensor([[0.0, 1, 0]]).expand(5, 3), 30)
    rest = Motion(names, torch.zeros_like(rotations), motion.hips, 30)
    shape = torch.zeros(len(model.shape_basis))
    with torch.no_grad():
        moved, flat = (model(apply(m, model, shape)).transforms[:, :, :3, :3] for m in (motion, rest))
    for bone, chain in chains.items():
        expected = torch.eye(3).expand(5, 3, 3)
        for name in chain:
            expected = expected @ roma.rotvec_to_rotmat(rotations[:, names.index(name)])
        joint = model.humanoid[bone]
        assert torch.allclose(moved[:, joint], expected @ flat[:, joint], atol=1e-4), bone


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_soles_stand_on_the_ground(model, seed):
    shape = torch.zeros(len(model.shape_basis))
    if seed is not None:
        shape = torch.randn(len(shape), generator=torch.Generator().manual_seed(seed))
    body = apply(still(T_POSE), model, shape)
    with torch.no_grad():
        mesh = model(body)
    assert mesh.vertices[..., 1].amin().abs() < 0.004
    height = mesh.vertices[0, :, 1].max()
    assert 0.4 * height < mesh.joints[0, model.humanoid["hips"], 1] < 0.6 * height


def test_walk_goes_forward_on_legs_that_bend_forward(model):
    at = joints(model, Motion.load("walk"))
    assert at["hips"][-1, 2] - at["hips"][0, 2] > 2.5
    assert at["hips"][:, 0].abs().max() < 0.1
    for side, x in (("left", 1), ("right", -1)):
        hip, knee, ankle = (at[f"{side}{part}"] for part in ("UpperLeg", "LowerLeg", "Foot"))
        way = ankle - hip
        bend = (knee - hip) - way * ((knee - hip) * way).sum(1, keepdim=True) / (way * way).sum(1, keepdim=True)
        assert (bend[:, 2] > 0).all()
        assert (at[f"{side}Hand"][:, 0] * x > 0.15).all()                       # beside the body, not in it
        assert (at[f"{side}Hand"][:, 1] < at[f"{side}LowerArm"][:, 1]).all()
    arm, leg = at["leftHand"][:, 2] - at["hips"][:, 2], at["leftFoot"][:, 2] - at["hips"][:, 2]
    assert torch.corrcoef(torch.stack([arm, leg]))[0, 1] < -0.7                 # left arm against left leg


@pytest.mark.parametrize("clip", ["walk", "dance", "wave"])
def test_feet_neither_sink_nor_slide(model, clip):
    with torch.no_grad():
        vertices = model(apply(Motion.load(clip).clipped(0, 1.5), model, torch.zeros(len(model.shape_basis)))).vertices
    lowest = vertices[..., 1].amin(1)
    assert lowest.min() > -0.004 and lowest.max() < 0.004
    down = (vertices[1:, :, 1] < 0.006) & (vertices[:-1, :, 1] < 0.006)
    speed = (vertices[1:] - vertices[:-1])[..., [0, 2]].norm(dim=-1)[down] * 30
    assert speed.median() < 0.03                                                # metres a second


def test_walking_on_the_spot_stays_there(model):
    motion = Motion.load("walk").in_place()
    hips = joints(model, motion)["hips"]
    assert hips[:, [0, 2]].abs().max() < 0.08


def test_wave_raises_the_right_hand(model):
    at = joints(model, Motion.load("wave"))
    assert at["rightHand"][60, 1] > at["rightUpperArm"][60, 1] + 0.15
    assert (at["leftHand"][:, 1] < at["leftUpperArm"][:, 1] - 0.3).all()


@pytest.mark.skipif(not ASSETS.is_dir(), reason="../shared/assets/motion is not here")
@pytest.mark.parametrize("file", ["cmu_02_01_walk", "cmu_07_02_walk"])
def test_recorded_walk(model, file):
    at = joints(model, Motion.load(ASSETS / "cmu_bvh" / f"{file}.bvh").resampled(30))
    ankle = torch.minimum(at["leftFoot"][:, 1], at["rightFoot"][:, 1])
    assert ankle.min() > 0.05 and ankle.max() < 0.2
    assert at["hips"][-1, 2] - at["hips"][0, 2] > 2
    for side in ("left", "right"):
        knee, middle = at[f"{side}LowerLeg"][:, 2], (at[f"{side}UpperLeg"] + at[f"{side}Foot"])[:, 2] / 2
        assert (knee - middle).min() > -0.03
    assert (at["leftHand"][:, 0] > at["rightHand"][:, 0]).all()
