"""How people stand and move: random joint-limited poses, faces and hands, and poses out of motion files."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import numpy as np
import roma
import torch

from dinar.body.model import Body, BodyModel
from dinar.motion.motion import Motion
from dinar.motion.retarget import apply
from dinar.synth.people import Person
from dinar.synth.wigs import arms_hang, lies_on_shoulders

#          joint -> (mean, spread) of its rotation vector in degrees, the left side's; the right mirrors it
_RELAXED = {
    "clavicle.L": ((0, 0, 0), (2, 3, 3)),
    "upperarm01.L": ((2, 0, -24), (7, 6, 10)),
    "lowerarm01.L": ((-9, -9, 0), (7, 7, 2)),
    "wrist.L": ((0, 0, 0), (7, 5, 6)),
    "upperleg01.L": ((-2, 0, -2), (4, 5, 2.5)),
    "lowerleg01.L": ((4, 0, 0), (3, 0, 0)),
}
_LIVELY = {
    "clavicle.L": ((0, 0, 3), (5, 6, 6)),
    "upperarm01.L": ((0, -10, 0), (30, 30, 38)),
    "lowerarm01.L": ((-28, -28, 0), (20, 20, 8)),
    "wrist.L": ((0, 0, 0), (15, 12, 14)),
    "upperleg01.L": ((-12, 0, 3), (20, 12, 7)),
    "lowerleg01.L": ((18, 0, 0), (14, 0, 0)),
    "foot.L": ((0, 4, 0), (8, 10, 4)),
}
_LIMITS = {"lowerarm01.L": ((-75, -75, -12), (0, 0, 12)), "lowerleg01.L": ((0, -2, -2), (75, 2, 2)),
           "upperarm01.L": ((-60, -55, -38), (60, 40, 75)), "upperleg01.L": ((-65, -25, -6), (25, 25, 25))}  # fmt: skip
_SPINE = ("spine04", "spine03", "spine02", "spine01", "neck01", "neck02", "head")
_TRIES = 8  # poses that are drawn for somebody with long hair before a quiet one is taken
_FACES = ("mouthSmileLeft", "mouthSmileRight", "browInnerUp", "jawOpen", "eyeBlinkLeft", "eyeBlinkRight")


def random_body(
    person: Person, rng: np.random.Generator, *, lively: float = 0.3, motions: tuple[Path, ...] = ()
) -> Body:
    """A pose for a person: mostly standing at ease, `lively` of them in motion; a frame of `motions` as often as not.

    Hands are half open and the face has some expression. The root turns by less than 15 degrees. Arms hang where hair
    lies on the shoulders, as it lies on hanging ones.
    """
    model = person.model
    moving = rng.random() < lively
    pose = _random_pose(person, rng, moving, motions)
    if lies_on_shoulders(person.rest[person.kind == 2], model, person.shape):
        for _ in range(_TRIES):
            if arms_hang(model, person.shape, pose):
                break
            pose = _random_pose(person, rng, moving, motions)
        else:
            pose = _random_pose(person, rng, False, ())
    _set_fingers(model, pose, rng)
    expression = np.zeros((1, len(model.expression_names)), np.float32)
    smile = max(0.0, rng.normal(0.1, 0.35))
    strengths = (smile, smile, rng.uniform(0, 0.3), max(0.0, rng.normal(-0.1, 0.2)), rng.uniform(0, 0.25), 0.0)
    for name, strength in zip(_FACES, strengths, strict=True):
        if name in model.expression_names:
            expression[0, model.expression_names.index(name)] = min(strength, 0.8)
    blink = [model.expression_names.index(n) for n in _FACES[-2:] if n in model.expression_names]
    expression[0, blink] = expression[0, blink].max() if blink else 0
    return Body(person.shape, torch.from_numpy(pose)[None], torch.from_numpy(expression), torch.zeros(1, 3))


def _random_pose(person: Person, rng: np.random.Generator, moving: bool, motions: tuple[Path, ...]) -> np.ndarray:
    """Rotation vectors float32 [J, 3], fingers straight."""
    model = person.model
    if motions and rng.random() < (0.5 if moving else 0.1):
        return _from_motion(person, motions[rng.integers(len(motions))], rng)
    pose = np.zeros((len(model.joint_names), 3), np.float32)
    _set_limbs(model, pose, rng, _LIVELY if moving else _RELAXED)
    spread = 7 if moving else 2.5
    for name in _SPINE:
        pose[model.joint_names.index(name)] = np.radians(rng.normal(0, spread, 3) * (0.8, 1, 0.6))
    pose[0] = np.radians([rng.normal(0, spread / 3), rng.normal(0, 6), rng.normal(0, spread / 3)])
    if not moving:
        _set_feet_level(model, pose, rng)
    return pose


def _set_limbs(model: BodyModel, pose: np.ndarray, rng: np.random.Generator, limbs: dict) -> None:
    for name, (mean, spread) in limbs.items():
        both = rng.normal(0, 1, 3)
        for side in ".L", ".R":
            angles = np.array(mean) + np.array(spread) * (0.5 * both + 0.85 * rng.normal(0, 1, 3))
            if name == "lowerarm01.L":
                angles[1] = angles[0] + rng.normal(0, 4)  # the elbow is a hinge, oblique in the A-pose
            if name in _LIMITS:
                angles = np.clip(angles, *_LIMITS[name])
            if side == ".R":
                angles = angles * (1, -1, -1)
            pose[model.joint_names.index(name[:-2] + side)] = np.radians(angles)


def _set_feet_level(model: BodyModel, pose: np.ndarray, rng: np.random.Generator) -> None:
    """Feet flat on the ground, toes a little outwards."""
    turns = roma.rotvec_to_rotmat(torch.from_numpy(pose)).numpy()
    level = []
    for side, out in ((".L", 1), (".R", -1)):
        leg, joint = np.eye(3, dtype=np.float32), model.parents[model.joint_names.index("foot" + side)]
        while joint >= 0:
            leg = turns[joint] @ leg
            joint = model.parents[joint]
        yaw = math.atan2(leg[0, 2], leg[2, 2]) + out * math.radians(rng.normal(5, 5))
        c, s = math.cos(yaw), math.sin(yaw)
        level.append(leg.T @ np.float32([[c, 0, s], [0, 1, 0], [-s, 0, c]]))
    feet = [model.joint_names.index("foot" + side) for side in (".L", ".R")]
    pose[feet] = roma.rotmat_to_rotvec(torch.from_numpy(np.stack(level))).numpy()


def _set_fingers(model: BodyModel, pose: np.ndarray, rng: np.random.Generator) -> None:
    """Curls fingers about the axis across the palm."""
    joints = _finger_axes(model)
    for side in ".L", ".R":
        curl = np.clip(rng.normal(14, 12), -5, 60)
        for (name, phalanx), axis in joints[side].items():
            amount = curl + rng.normal(0, 4)
            if name == 1:
                amount *= 0.3
            pose[model.joint_names.index(f"finger{name}-{phalanx}{side}")] = axis * math.radians(amount)


@lru_cache(maxsize=2)
def _finger_axes(model: BodyModel) -> dict[str, dict[tuple[int, int], np.ndarray]]:
    """Unit axes that bend each phalanx towards the palm, from where the knuckles are at rest."""
    joints = dict(zip(model.joint_names, model.joint_template.numpy(), strict=True))
    axes: dict[str, dict[tuple[int, int], np.ndarray]] = {}
    for side in ".L", ".R":
        across = joints[f"finger5-1{side}"] - joints[f"finger2-1{side}"]  # index to little finger
        sign = 1.0 if side == ".L" else -1.0
        axes[side] = {}
        for finger in range(1, 6):
            along = joints[f"finger{finger}-3{side}"] - joints[f"finger{finger}-1{side}"]
            axis = across - along * (across @ along) / (along @ along)
            for phalanx in range(1, 4):
                axes[side][finger, phalanx] = (sign * axis / np.linalg.norm(axis)).astype(np.float32)
    return axes


@lru_cache(maxsize=64)
def _rotations(path: Path, model: BodyModel) -> np.ndarray:
    """A motion file's poses, rotation vectors float32 [T, J, 3], as the mean body takes them."""
    return apply(Motion.load(path), model, torch.zeros(model.shape_basis.shape[0])).pose.numpy()


def _from_motion(person: Person, path: Path, rng: np.random.Generator) -> np.ndarray:
    """A pose [J, 3] out of a motion file, looking ahead."""
    poses = _rotations(path, person.model)
    pose = poses[rng.integers(len(poses))].copy()
    turn = roma.rotvec_to_rotmat(torch.from_numpy(pose[0]))
    heading = math.atan2(float(turn[0, 2]), float(turn[2, 2]))  # where +Z goes: undone, so that azimuths stay true
    yaw = roma.rotvec_to_rotmat(torch.tensor([0.0, rng.normal(0, 0.12) - heading, 0.0]))
    pose[0] = roma.rotmat_to_rotvec(yaw @ turn).numpy()
    return pose
