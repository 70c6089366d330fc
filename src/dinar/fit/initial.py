"""A first guess of pose and place from a pose network's landmarks: direction by direction, then a linear solve."""

from __future__ import annotations

import roma
import torch
from torch import Tensor
from torch.nn.functional import normalize

from dinar.body.model import BodyModel

# Humanoid bone, the landmarks whose difference is its direction, and its child bone (for the hinge of elbow and knee).
LIMBS = tuple(
    (f"{side}{upper}", f"{side}{lower}", f"{side}{end}", tuple(f"{side}_{name}" for name in names))
    for side in ("left", "right")
    for upper, lower, end, names in (
        ("UpperArm", "LowerArm", "Hand", ("shoulder", "elbow", "wrist")),
        ("UpperLeg", "LowerLeg", "Foot", ("hip", "knee", "ankle")),
    )
)


def initial_pose(model: BodyModel, world: dict[str, Tensor]) -> Tensor:
    """Pose [J, 3] whose torso and limbs point as the 3D landmarks do; the rest stays at rest.

    world  name -> [3] metres, in the world's axes (Y up), about any origin; limbs with unknown points stay at rest
    """
    _, joints = model.rest(model.template.new_zeros(1, len(model.shape_basis)))
    joints = joints[0]
    pose = model.template.new_zeros(len(model.parents), 3)
    bone = model.humanoid
    torso = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
    if not all(name in world for name in torso):
        return pose
    rest = _torso_frame(*(joints[bone[b]] for b in ("leftUpperArm", "rightUpperArm", "leftUpperLeg", "rightUpperLeg")))
    seen = _torso_frame(*(world[name] for name in torso))
    root = seen @ rest.T
    pose[bone["hips"]] = roma.rotmat_to_rotvec(root)
    for upper, lower, end, names in LIMBS:
        if not all(name in world for name in names):
            continue
        a, b, c = (joints[bone[part]] for part in (upper, lower, end))
        u, v = (root.T @ normalize(world[names[i + 1]] - world[names[i]], dim=0) for i in (0, 1))
        rest_frame = _limb_frame(b - a, c - b)
        rest_axis = rest_frame[:, 0]
        axis = torch.linalg.cross(u, v)
        bend = torch.atan2(axis.norm(), u @ v)
        swing = _shortest_turn(normalize(b - a, dim=0), u)
        # A nearly straight limb says nothing about its hinge: then the shortest turn from rest is the best guess.
        trust = ((bend - 0.25) / 0.5).clamp(0, 1)
        axis = normalize((1 - trust) * (swing @ rest_axis) + trust * axis / axis.norm().clamp(min=1e-6), dim=0)
        axis = normalize(axis - (axis @ u) * u, dim=0)
        turn = torch.stack([axis, u, torch.linalg.cross(axis, u)], dim=1) @ rest_frame.T
        pose[bone[upper]] = roma.rotmat_to_rotvec(turn)
        rest_bend = torch.acos((normalize(b - a, dim=0) @ normalize(c - b, dim=0)).clamp(-1, 1))
        pose[bone[lower]] = rest_axis * (bend - rest_bend)
    return pose


def initial_translation(points: Tensor, xy: Tensor, weight: Tensor, focal: Tensor, middle: Tensor) -> Tensor:
    """The translation [3] that brings points [N, 3] in camera axes nearest to pixels xy [N, 2], weighted [N]."""
    ray = (xy - middle) / focal
    zeros, ones = torch.zeros_like(weight), torch.ones_like(weight)
    rows = torch.cat([torch.stack([ones, zeros, -ray[:, 0]], 1), torch.stack([zeros, ones, -ray[:, 1]], 1)])
    right = torch.cat([ray[:, 0] * points[:, 2] - points[:, 0], ray[:, 1] * points[:, 2] - points[:, 1]])
    # The normal equations in float64: LAPACK's own least squares differ in their last bits from call to call.
    rows, right, square = rows.double(), right.double(), weight.repeat(2).double().square()
    left = (square[:, None, None] * rows[:, :, None] * rows[:, None, :]).sum(0)
    translation = torch.linalg.solve(left, (square[:, None] * rows * right[:, None]).sum(0)).float()
    translation[2] = translation[2].clamp(min=0.5)
    return translation


def _torso_frame(left_shoulder: Tensor, right_shoulder: Tensor, left_hip: Tensor, right_hip: Tensor) -> Tensor:
    """Columns: to the person's left, up, forward."""
    up = normalize((left_shoulder + right_shoulder) - (left_hip + right_hip), dim=0)
    left = (left_shoulder - right_shoulder) + (left_hip - right_hip)
    left = normalize(left - (left @ up) * up, dim=0)
    return torch.stack([left, up, torch.linalg.cross(left, up)], dim=1)


def _limb_frame(upper: Tensor, lower: Tensor) -> Tensor:
    """Columns: the hinge's axis (flexion positive), along the upper bone, across."""
    u = normalize(upper, dim=0)
    axis = normalize(torch.linalg.cross(u, lower), dim=0)
    return torch.stack([axis, u, torch.linalg.cross(axis, u)], dim=1)


def _shortest_turn(a: Tensor, b: Tensor) -> Tensor:
    """Rotation [3, 3] that brings the unit vector a to b."""
    axis = torch.linalg.cross(a, b)
    angle = torch.atan2(axis.norm(), a @ b)
    return roma.rotvec_to_rotmat(axis / axis.norm().clamp(min=1e-8) * angle)
