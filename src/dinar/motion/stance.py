"""How a skeleton stands in the T-pose, told from a pose of it that stands."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from dinar.motion.humanoid import arc, nearest_parent, next_along, t_pose_alignment
from dinar.motion.person import Chains

_LEGS_DOWN = 40.0       # degrees between a leg and the trunk's line, up to which a pose stands
_STRAIGHT = 30.0        # degrees that a knee may bend there
_LEVEL = 20.0           # degrees by which the line across the hips may be off the trunk's normal
_BENT = 25.0            # degrees from the legs' line to that from hips to shoulders, from which on a rest pose is bent
_NODS = 45.0            # the same for the neck and the trunk
_SNAPS = 15.0           # degrees by which a rest pose may be off its file's axes and still mean them
_LEANS = 35.0           # degrees by which people lean on average in a movement whose rest pose says not where up is
_LIMBS = ("UpperArm", "LowerArm", "UpperLeg", "LowerLeg")


@dataclass(frozen=True)
class Skeleton:
    """A skeleton in one pose: global rotations float32 [J, 3, 3] of its joints, and their places [J, 3]."""

    rotations: Tensor
    positions: Tensor


@dataclass(frozen=True)
class Stance:
    """The T-pose of a skeleton whose bones are chains of joints; a bone turns as its last joint does.

    chains   bone -> its joints, first to last
    frames   bone -> float32 [3, 3], from the bone's own axes to the T-pose's: left +x, up +y, front +z
    offsets  bone -> float32 [3], from where its parent bone starts, in that one's own axes; in the file's measure
    upright  float32 [3, 3], from the file's axes to y up
    """

    chains: Chains
    frames: dict[str, Tensor]
    offsets: dict[str, Tensor]
    upright: Tensor

    def hip_height(self, soles: dict[str, Tensor]) -> float:
        """Height of the hips over the lowest of the points [N, 3] of each foot's, in its own axes."""
        lowest = []
        for bone, points in soles.items():
            height, below = (points @ self.frames[bone].T)[:, 1].min(), bone
            while below != "hips":
                above = nearest_parent(below, set(self.chains))
                height = height + (self.frames[above] @ self.offsets[below])[1]
                below = above
            lowest.append(float(height))
        return -min(lowest)


def starts(chains: Chains, pose: Skeleton) -> dict[str, Tensor]:
    """Bone -> where it starts [3]."""
    return {bone: pose.positions[..., chain[0], :] for bone, chain in chains.items()}


def middle(points: dict[str, Tensor], part: str) -> Tensor:
    return (points[f"left{part}"] + points[f"right{part}"]) / 2


def lowest_part(bones: Collection[str]) -> str:
    """Feet, or shins where a foot is missing."""
    return "Foot" if "leftFoot" in bones and "rightFoot" in bones else "LowerLeg"


def upwards(at: dict[str, Tensor]) -> Tensor:
    """The mean direction [3] from feet to shoulders of bones that move [T, 3]."""
    return torch.nn.functional.normalize(middle(at, "UpperArm") - middle(at, lowest_part(at)), dim=1).mean(0)


def nearest_axis(direction: Tensor) -> Tensor:
    """The axis [3], one way or the other, that is nearest to a direction."""
    axis = torch.zeros_like(direction)
    largest = direction.abs().argmax()
    axis[largest] = direction[largest].sign()
    return axis


def unlikeness(chains: Chains, pose: Skeleton) -> float:
    """Degrees by which the two sides of a standing pose differ; infinite where it does not stand."""
    at = starts(chains, pose)
    up = middle(at, "UpperArm") - middle(at, "UpperLeg")
    left = at["leftUpperLeg"] - at["rightUpperLeg"]
    if abs(_angle(up, left) - 90) > _LEVEL:
        return math.inf
    legs = middle(at, lowest_part(at)) - middle(at, "UpperLeg")
    if _angle(middle(at, "UpperArm") - at["hips"], -legs) > _BENT:
        return math.inf
    if "neck" in at and "head" in at and _angle(at["head"] - at["neck"], up) > _NODS:
        return math.inf
    axes = _axes(up, left)
    sides: dict[str, Tensor] = {}
    for side in ("left", "right"):
        for bone in (f"{side}{part}" for part in _LIMBS):
            if (below := next_along(bone)) in at:
                sides[bone] = axes @ (at[below] - at[bone])
        thigh = sides[f"{side}UpperLeg"]
        shin = sides.get(f"{side}LowerLeg", thigh)
        down = axes.new_tensor([0.0, -1.0, 0.0])
        if _angle(thigh + shin, down) > _LEGS_DOWN or _angle(thigh, shin) > _STRAIGHT:
            return math.inf
    mirror = axes.new_tensor([-1.0, 1.0, 1.0])
    both = [part for part in _LIMBS if {f"left{part}", f"right{part}"} <= sides.keys()]
    return max(_angle(sides[f"left{part}"], sides[f"right{part}"] * mirror) for part in both)


def from_pose(
    chains: Chains, pose: Skeleton, moving: Skeleton, tips: dict[str, Tensor], *, world: Tensor | None = None,
    sure: bool = False,
) -> Stance:  # fmt: skip
    """The stance of a skeleton that stands in a pose.

    moving   how it moves [T, J, ...]: up is what feet and shoulders say over the movement
    tips     foot -> float32 [3], the way to the end of its toes, in its own axes
    world    float32 [3, 3], from the axes in which it moves to y up, as far as known; None: those of the pose
    sure     whether that is known for certain, so that the movement is not asked

    Sides are exchanged where the feet point backwards: the file is mirrored.
    """
    at = starts(chains, pose)
    up = middle(at, "UpperArm") - middle(at, "LowerLeg")
    axes = _snapped(_axes(up, at["leftUpperLeg"] - at["rightUpperLeg"]))            # of the pose -> y up, front +z
    world = axes if world is None else world
    feet = [axes @ pose.rotations[chains[bone][-1]] @ tip for bone, tip in tips.items()]
    if len(feet) == 2 and all(float(tip[2]) < -0.5 * float(tip.norm()) for tip in feet):
        return from_pose(exchanged(chains), pose, moving, exchanged(tips), world=world, sure=sure)
    start = {bone: axes @ point for bone, point in at.items()}
    alignment = t_pose_alignment(start, feet_follow_legs=_straddles(start))
    turns = {bone: pose.rotations[chain[-1]] for bone, chain in chains.items()}
    return Stance(
        chains,
        {bone: alignment[bone] @ axes @ turn for bone, turn in turns.items()},
        {
            bone: turns[above].T @ (at[bone] - at[above])
            for bone in chains
            if (above := nearest_parent(bone, set(chains))) is not None
        },
        world if sure else _upright(world, starts(chains, moving)),
    )


def exchanged(by_bone: dict) -> dict:
    """The same with left and right exchanged."""
    other = {"left": "right", "right": "left"}
    return {re.sub("^(left|right)", lambda side: other[side[0]], bone): value for bone, value in by_bone.items()}


def _upright(axes: Tensor, at: dict[str, Tensor]) -> Tensor:
    """From the file's axes to y up, where a rest pose says `axes` and bones [T, 3] move."""
    moving = upwards(at)
    if axes[1].abs().max() < 0.9999 and _angle(moving, nearest_axis(moving)) <= _LEANS:     # leans at rest alone
        axes = arc(nearest_axis(moving), axes.new_tensor([0.0, 1.0, 0.0]))
    stands = axes @ moving
    if stands[1] >= 0.5 or stands.abs().max() < 0.7:
        return axes
    direction = nearest_axis(stands)
    leg = 2 * (at["leftLowerLeg"] - at["leftUpperLeg"]).norm(dim=1).mean()
    height = at["hips"] @ (axes.T @ direction) / leg
    if not (0.5 < height.median() < 1.7 and height.max() - height.min() < 1.2):
        return axes                                                                 # lies, flies or stands on its hands
    return arc(direction, axes.new_tensor([0.0, 1.0, 0.0])) @ axes


def _axes(up: Tensor, left: Tensor) -> Tensor:
    """The rotation [3, 3] to left = +x, up = +y, front = +z."""
    up = torch.nn.functional.normalize(up, dim=0)
    left = torch.nn.functional.normalize(left - up * (left @ up), dim=0)
    return torch.stack([left, up, torch.linalg.cross(left, up)])


def _snapped(axes: Tensor) -> Tensor:
    """The signed permutation near a rotation [3, 3], else the rotation whose up alone is an axis of the file; the
    rotation itself where neither is near.
    """
    near = torch.zeros_like(axes)
    places = axes.abs().argmax(1)
    near[[0, 1, 2], places] = axes[[0, 1, 2], places].sign()
    off = math.degrees(math.acos(float(((near @ axes.T).trace() - 1) / 2 * 0.9999999)))
    if len(set(places.tolist())) == 3 and torch.linalg.det(near) > 0 and off <= _SNAPS:
        return near
    up = nearest_axis(axes[1])
    return _axes(up, axes[0]) if _angle(up, axes[1]) <= _SNAPS else axes


def _straddles(start: dict[str, Tensor]) -> bool:
    """Whether the rest pose spreads the legs by more than 12 degrees each, as MotionBuilder's CMU skeletons do."""
    leg = start["leftLowerLeg"] - start["leftUpperLeg"]
    return bool(leg[0].abs() > math.tan(math.radians(12)) * leg[1].abs())


def _angle(a: Tensor, b: Tensor) -> float:
    """Degrees between two directions; a right angle where one of them has no length."""
    cosine = float(a @ b / (a.norm() * b.norm()).clamp(min=1e-12))
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))
