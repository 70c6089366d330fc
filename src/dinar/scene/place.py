"""A motion in the place of a person in a photo: from their pose, on their ground, and back again."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import roma
import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, max_pool1d

from dinar.body.model import Body, BodyModel
from dinar.motion import feet, retarget
from dinar.motion.motion import Motion

HELD = 0.2         # seconds that the photo's pose is held before it moves and after
EASED = 0.8        # seconds from the photo's pose to the motion's, and back: a step of each foot
LONGEST = 0.6      # metres of such a step
DEEPEST = 0.25     # metres that the hips come down for it
AWAY = 0.25        # metres between a motion's ends from which on it is made to stay in its place
NEAR = 0.05        # metres above the ground at which a foot counts for 1 / e of one that stands
RAISED = 0.25      # of the length of a step: how high the foot is raised
HIGHEST = 0.12     # metres: the most that it is
_SIDES = "left", "right"
_FLAT = torch.tensor([1.0, 0.0, 1.0])


@dataclass(frozen=True)
class Course:
    """What is drawn, frame by frame; the last one leads into the first.

    bodies  Body of T frames
    photo   T shares of the photo in what is seen: 1 in the first frame, falling to 0 while its pose is held
    fps     frames a second
    """

    bodies: Body
    photo: tuple[float, ...]
    fps: float = 30.0


def stays(motion: Motion) -> bool:
    """Whether a motion ends where it began."""
    return float(((motion.hips[-1] - motion.hips[0]) * _FLAT).norm()) < AWAY


def course(motion: Motion, model: BodyModel, start: Body) -> Course:
    """A motion that begins and ends in the pose of `start`, a batch of 1, and happens on its ground.

    The person turns as the motion says, from where they look in the photo; the feet that stand in the photo stay there
    in the motion's first frame.
    """
    moving = placed(motion, model, start)
    held = max(1, round(HELD * motion.fps))
    there = eased_between(model, start, moving[:1], motion.fps)
    back = eased_between(model, moving[-1:], start, motion.fps)
    still = [start] * held
    bodies = _joined([*still, there, moving, back, *still[1:]])
    fall = (1 - _smooth(torch.arange(held) / held)).tolist()
    photo = [*fall, *[0.0] * (len(bodies) - 2 * held + 1), *fall[:0:-1]]
    return Course(bodies, tuple(photo), motion.fps)


def placed(motion: Motion, model: BodyModel, start: Body) -> Body:
    """A motion that starts where the person of `start` stands and looks."""
    with torch.no_grad():
        bodies = retarget.apply(motion, model, start.shape[0])
        mesh, first = model(start), model(bodies[:1])
    hips, root = model.humanoid["hips"], model.rest(start.shape)[1][0, 0]
    turn = _about_y(_heading(mesh.transforms[0, hips]) - _heading(first.transforms[0, hips]))
    pose = bodies.pose.clone()
    pose[:, 0] = roma.rotmat_to_rotvec(turn @ roma.rotvec_to_rotmat(pose[:, 0]))
    translation = (root + bodies.translation) @ turn.T - root
    soles = [model.humanoid[f"{side}Foot"] for side in _SIDES]
    ground = mesh.vertices[0, :, 1].min()
    here, there = mesh.joints[0, soles], first.joints[0, soles] @ turn.T
    raised = (here[:, 1] - here[:, 1].min()) + (there[:, 1] - there[:, 1].min())
    weight = torch.exp(-raised / NEAR)
    moved = (weight[:, None] * (here - there)).sum(0) / weight.sum() * _FLAT
    return replace(bodies, pose=pose, translation=translation + moved + ground * (1 - _FLAT))


def eased_between(model: BodyModel, first: Body, last: Body, fps: float) -> Body:
    """The bodies on the way from one pose to another, both batches of 1 and neither among them.

    The feet do not slide: one steps to its new place, then the other; somebody who is far away takes several steps.
    """
    with torch.no_grad():
        ends = [model(body).joints[0] for body in (first, last)]
    soles = [model.humanoid[f"{side}Foot"] for side in _SIDES]
    far = float(((ends[1] - ends[0])[soles] * _FLAT).norm(dim=1).max())
    steps = max(1, math.ceil(far / LONGEST))
    count = max(1, round(steps * EASED * fps))
    time = torch.arange(1, count + 1) / (count + 1)
    share = _smooth(time)[:, None]
    a, b = (roma.rotvec_to_unitquat(body.pose).expand(count, -1, -1) for body in (first, last))
    way = roma.unitquat_to_rotvec(roma.quat_product(roma.quat_conjugation(a), b)) * share[..., None]
    pose = roma.unitquat_to_rotvec(roma.quat_product(a, roma.rotvec_to_unitquat(way)))
    expression = torch.lerp(first.expression, last.expression, share)
    between = Body(first.shape, pose, expression, torch.lerp(first.translation, last.translation, share))
    with torch.no_grad():
        between = _stepping(model, ends, between, time, steps)
        lows = [model(body).vertices[..., 1].amin(1) for body in (first, last, between)]
    lift = torch.lerp(lows[0], lows[1], share[:, 0]) - lows[2]
    return replace(between, translation=between.translation + lift[:, None] * (1 - _FLAT))


def _stepping(model: BodyModel, ends: list[Tensor], between: Body, time: Tensor, steps: int) -> Body:
    """`between` with legs that take so many steps each.

    ends  [J, 3] joints before and after
    time  [T] in (0, 1)
    """
    legs = [[model.humanoid[f"{side}{part}"] for part in ("UpperLeg", "LowerLeg", "Foot")] for side in _SIDES]
    mesh, (here, there) = model(between), ends
    order = sorted(range(2), key=lambda k: -float(here[legs[k][2], 1]))         # the foot that is up already goes first
    goals = {}
    for turn, k in enumerate(order):
        foot = legs[k][2]
        gone = (steps * time - turn / 2).clamp(0, steps)
        done = gone.floor()
        share = ((done + _smooth((2 * (gone - done)).clamp(0, 1))) / steps)[:, None]
        far = float(((there[foot] - here[foot]) * _FLAT).norm()) / steps
        height = min(RAISED * far, HIGHEST) * torch.sin(torch.pi * (steps * share).frac())
        goals[k] = torch.lerp(here[foot], there[foot], share) + height * (1 - _FLAT)
    drop = torch.stack([_too_far(mesh.joints, leg, goals[k]) for k, leg in enumerate(legs)]).amax(0).clamp(max=DEEPEST)
    reach = round(len(time) / steps / 8)
    drop = max_pool1d(drop[None], 2 * reach + 1, 1, reach)
    drop = avg_pool1d(drop, 2 * reach + 1, 1, reach)[0]                         # hips do not jerk
    joints = mesh.joints - drop[:, None, None] * (1 - _FLAT)
    local, turned = roma.rotvec_to_rotmat(between.pose), mesh.transforms[..., :3, :3]
    for k, leg in enumerate(legs):
        local = feet.bend(local, turned, joints, goals[k] - joints[:, leg[2]], tuple(leg), model.parents)
    translation = between.translation - drop[:, None] * (1 - _FLAT)
    return replace(between, pose=roma.rotmat_to_rotvec(local), translation=translation)


def _too_far(joints: Tensor, leg: list[int], goal: Tensor) -> Tensor:
    """How far the hips [T] have to come down for a foot to reach its goal [T, 3], metres."""
    upper, lower, foot = (joints[:, j] for j in leg)
    long = feet.STRETCH * ((lower - upper).norm(dim=1) + (foot - lower).norm(dim=1))
    aside = ((upper - goal) * _FLAT).norm(dim=1)
    return (upper[:, 1] - goal[:, 1] - (long.square() - aside.square()).clamp(min=0).sqrt()).clamp(min=0)


def _joined(bodies: list[Body]) -> Body:
    """One after the other."""
    count = [len(body) for body in bodies]
    fields = {
        name: torch.cat([getattr(b, name).expand(n, *getattr(b, name).shape[1:]) for b, n in zip(bodies, count,
                                                                                                strict=True)])
        for name in ("pose", "expression", "translation")
    }
    return Body(bodies[0].shape.expand(sum(count), -1), **fields)


def _heading(transform: Tensor) -> Tensor:
    """The angle about the vertical axis of a rotation, the upper left of [4, 4]."""
    return torch.atan2(transform[0, 2] - transform[2, 0], transform[0, 0] + transform[2, 2])


def _about_y(angle: Tensor) -> Tensor:
    return roma.rotvec_to_rotmat(torch.stack([torch.zeros_like(angle), angle, torch.zeros_like(angle)]))


def _smooth(x: Tensor) -> Tensor:
    return x * x * (3 - 2 * x)
