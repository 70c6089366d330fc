"""Which way is up in a photo: fits take cameras to be level, but most look down a little."""

from __future__ import annotations

import math
from dataclasses import replace

import roma
import torch

from dinar.body.model import Body, BodyModel
from dinar.camera import Camera

EYE = 1.4                        # metres over the ground that a camera is held at
LEAST = math.radians(8)          # that the ground is seen at, where the camera is far away: from a stand, down a slope
MOST = math.radians(20)          # that a camera is taken to look down


def levelled(model: BodyModel, start: Body, camera: Camera) -> tuple[Body, Camera]:
    """The same body (a batch of 1) before the same camera, turned about the feet until up is likely to be up.

    A level camera at the height that the fit gives it would often lie on the ground. It is taken to be held as people
    do, and so to look down, but not by more than the body leans towards it: that is what looking down looks like.
    """
    with torch.no_grad():
        mesh = model(start)
    bones, joints = model.humanoid, mesh.joints[0]
    feet = (joints[bones["leftFoot"]] + joints[bones["rightFoot"]]) / 2
    pivot = torch.stack([feet[0], mesh.vertices[0, :, 1].min(), feet[2]])
    towards = -camera.R[2] * torch.tensor([1.0, 0.0, 1.0])
    towards = towards / towards.norm()
    eye, body = camera.position - pivot, joints[bones["head"]] - feet
    away = max(float(eye @ towards), 1e-3)
    seen = math.atan2(float(eye[1]), away)
    lean = math.atan2(float(body @ towards), float(body[1]))
    down = min(max(math.atan2(EYE, away), LEAST) - seen, lean, MOST)
    if down <= 0:
        return start, camera
    axis = torch.linalg.cross(torch.tensor([0.0, 1.0, 0.0]), towards)
    turn = roma.rotvec_to_rotmat(-down * axis)
    root = model.rest(start.shape)[1][0, 0].detach()
    pose = start.pose.clone()
    pose[:, 0] = roma.rotmat_to_rotvec(turn @ roma.rotvec_to_rotmat(pose[:, 0]))
    translation = (root + start.translation - pivot) @ turn.T + pivot - root
    moved = replace(camera, R=camera.R @ turn.T, t=camera.t + camera.R @ (pivot - turn.T @ pivot))
    return replace(start, pose=pose, translation=translation), moved
