"""A skeleton in motion as a file has it, and its conversion to VRM humanoid bones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import roma
import torch
from torch import Tensor

from dinar.errors import InputError
from dinar.motion import shape
from dinar.motion.functional import from_movement
from dinar.motion.humanoid import PARENT, nearest_parent
from dinar.motion.person import Chains, nobody, people
from dinar.motion.stance import Skeleton, Stance, exchanged, from_pose, unlikeness

MAX_FRAMES = 1_000_000

_ALIKE = 15.0           # degrees by which the two sides of a rest pose may differ
_CALIBRATED = 6.0       # the same for a first frame that is taken for a rest pose
_BETTER = 2.0           # a skin's pose is taken where it is by so many degrees more alike than the nodes'


@dataclass(frozen=True)
class Humanoid:
    """A person's movement.

    names      K VRM 1.0 humanoid bone names
    rotations  float32 [T, K, 3]  local rotation vectors, relative to the T-pose
    hips       float32 [T, 3]     position of the hips over the ground, in heights of the hips in the T-pose
    notes      what the file lacked, and was read all the same
    """

    names: tuple[str, ...]
    rotations: Tensor
    hips: Tensor
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Recording:
    """A file's skeleton and how it moves, in the file's own names, axes and units; at rest no joint is turned.

    names      J joint names, parents before children
    parents    J parent indices, -1 for the root
    offsets    float32 [J, 3]     from the parent at rest
    ends       joint index -> float32 [3], offset of its end site
    rotations  float32 [T, J, 3]  local rotation vectors
    positions  float32 [T, J, 3]  local positions: the offset, or the position channels that replace it
    fps        frames a second
    source     the file, for messages
    bones      humanoid bone -> its joints, first to last, where the file itself says so; None: names and shape tell
    skin       the pose in which a skin was bound to the skeleton, turns since rest; None: there is none
    mirrored   whether the joints are mirrored, so that what is called left is on the right
    upright    whether the rest pose's up is the movement's for certain
    notes      what the file lacked or had too much of, and was read all the same: a sentence each
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Tensor
    ends: dict[int, Tensor]
    rotations: Tensor
    positions: Tensor
    fps: float
    source: str
    bones: Chains | None = None
    skin: Skeleton | None = None
    mirrored: bool = False
    upright: bool = False
    notes: tuple[str, ...] = ()

    def at_rest(self) -> Skeleton:
        """The rest pose, the root at the origin."""
        return Skeleton(torch.eye(3).expand(len(self.names), 3, 3), self.rest_positions())

    def rest_positions(self) -> Tensor:
        """Where the joints are in the rest pose [J, 3], the root at the origin."""
        points = torch.zeros(len(self.names), 3)
        for j, parent in enumerate(self.parents):
            if parent >= 0:
                points[j] = points[parent] + self.offsets[j]
        return points

    def global_pose(self) -> tuple[Tensor, Tensor]:
        """Global rotations [T, J, 3, 3] and positions [T, J, 3] of every joint."""
        local = roma.rotvec_to_rotmat(self.rotations)
        rotations, positions = torch.empty_like(local), torch.empty_like(self.positions)
        for j, parent in enumerate(self.parents):
            if parent < 0:
                rotations[:, j], positions[:, j] = local[:, j], self.positions[:, j]
            else:
                rotations[:, j] = rotations[:, parent] @ local[:, j]
                step = (rotations[:, parent] @ self.positions[:, j, :, None]).squeeze(-1)
                positions[:, j] = positions[:, parent] + step
        return rotations, positions

    def to_humanoid(self, *, calibrated: bool = False, person: int | None = None) -> Humanoid:
        """What a Motion holds.

        The file's axes are told from its skeleton and how it moves, its units from the height of its hips over its
        feet, the ground from where the feet are lowest. The motion starts above the origin.

        calibrated  the first frame may be a calibration pose: if it is far from the second one, it is dropped
        person      which of several, in the order of the file; None: the first that moves

        Raises InputError where the joints are no person's, or nobody stands at rest or in the movement.
        """
        moving = Skeleton(*self.global_pose())
        if not (moving.positions.isfinite().all() and moving.rotations.isfinite().all()):
            raise InputError(f"{self.source} is damaged: it holds numbers that are not finite")
        chains = self._chains(moving, person)
        stance, told = self._stance(chains, moving)
        chains = stance.chains
        turns = moving.rotations[:, [chain[-1] for chain in chains.values()]]
        first = int(calibrated and _starts_with_calibration(turns))
        turns, positions = turns[first:], moving.positions[first:] @ stance.upright.T
        posed = {
            bone: stance.upright @ turns[:, k] @ stance.frames[bone].T for k, bone in enumerate(chains)
        }
        names = tuple(bone for bone in PARENT if bone in chains)
        local = []
        for bone in names:
            parent = nearest_parent(bone, set(names))
            local.append(posed[bone] if parent is None else posed[parent].transpose(-1, -2) @ posed[bone])

        soles = self.soles(chains)
        hip_height = stance.hip_height({bone: points for bone, (_, points) in soles.items()})
        if hip_height <= 0:
            raise InputError(f"{self.source} has feet above its hips; dinar cannot tell its size")
        ground = self._ground(soles, moving, stance.upright)[first:].quantile(0.05)
        hips = positions[:, chains["hips"][0]].clone()
        hips[:, 1] -= ground
        hips[:, [0, 2]] -= hips[0, [0, 2]].clone()
        notes = self.notes + ((f"{self.source}: {_TOLD}",) if told else ())
        return Humanoid(names, roma.rotmat_to_rotvec(torch.stack(local, dim=1)), hips / hip_height, notes)

    def _chains(self, moving: Skeleton, person: int | None) -> Chains:
        """The bones of one of the file's people: the one asked for, or the first that moves."""
        if self.bones is not None:
            chains = self.bones
        else:
            found = people(self.names, self.parents, self._poses(moving))
            if not found:
                raise nobody(self.names, self.parents, self.source)
            if person is not None and person >= len(found):
                raise InputError(f"{self.source} has no person {person + 1}; it has {len(found)}")
            moves = [bool(self.rotations[:, [j for chain in c.values() for j in chain]].any()) for c in found]
            chains = found[person if person is not None else moves.index(True) if True in moves else 0]
        return exchanged(chains) if self.mirrored else chains

    def count_people(self) -> int:
        """How many people it holds."""
        return len(people(self.names, self.parents, self._poses(Skeleton(*self.global_pose()))))

    def _poses(self, moving: Skeleton) -> list[shape.Skeleton]:
        """Poses in which a person may be known by shape: at rest, in the skin, and in the movement."""
        bends = _bends(self.parents, moving.positions)
        posed = [self.at_rest(), *([self.skin] if self.skin else [])]
        for t in (0, len(moving.positions) // 2):
            posed.append(Skeleton(moving.rotations[t], moving.positions[t]))
        return [
            shape.Skeleton(
                self.parents,
                pose.positions.double().numpy(),
                {j: (pose.positions[j] + pose.rotations[j] @ end).double().numpy() for j, end in self.ends.items()},
                bends,
                [""] * len(self.parents),
            )
            for pose in posed
        ]

    def _stance(self, chains: Chains, moving: Skeleton) -> tuple[Stance, bool]:
        """The stance of a skeleton, and whether it was told from the movement.

        A rest pose is taken where it stands, its sides alike; else a first frame that does, a calibration; else the
        movement tells.
        """
        tips = {bone: points[-1] for bone, (_, points) in self.soles(chains).items()}
        poses = [self.at_rest(), *([self.skin] if self.skin else [])]
        scores = [unlikeness(chains, pose) + (_BETTER if k else 0.0) for k, pose in enumerate(poses)]
        best = scores.index(min(scores))
        if scores[best] <= _ALIKE:
            world = torch.eye(3) if best else None                      # a skin may have been bound in other axes
            return from_pose(chains, poses[best], moving, tips, world=world, sure=self.upright), False
        first = Skeleton(moving.rotations[0], moving.positions[0])
        if unlikeness(chains, first) <= _CALIBRATED:
            return from_pose(chains, first, moving, tips), False
        stance = from_movement(chains, moving.rotations, moving.positions)
        if stance is None:
            raise InputError(
                f"{self.source} has a rest pose that does not stand upright, and nobody stands in its movement"
            )
        return stance, True

    def soles(self, chains: Chains) -> dict[str, tuple[list[int], Tensor]]:
        """Foot (or shin, where there is none) -> the joints from it on, and points [N, 3] in its own axes.

        The points are those joints and their end sites at rest, the one farthest from the foot last.
        """
        rest = self.rest_positions()
        soles = {}
        for side in ("left", "right"):
            bone = f"{side}Foot" if f"{side}Foot" in chains else f"{side}LowerLeg"
            foot = chains[bone][0]
            joints = [foot]
            for j in range(foot + 1, len(self.names)):
                if self.parents[j] in joints:
                    joints.append(j)
            points = [rest[j] for j in joints] + [rest[j] + end for j, end in self.ends.items() if j in joints]
            inside = torch.stack(points) - rest[foot]
            soles[bone] = joints, inside[inside.norm(dim=1).argsort(stable=True)]
        return soles

    def _ground(self, soles: dict[str, tuple[list[int], Tensor]], moving: Skeleton, upright: Tensor) -> Tensor:
        """Height [T] of the lowest point of the feet."""
        up = upright[1]
        heights = []
        for joints, _ in soles.values():
            heights += [moving.positions[:, j] @ up for j in joints]
            ends = [(j, self.ends[j]) for j in joints if j in self.ends]
            heights += [(moving.positions[:, j] + moving.rotations[:, j] @ end) @ up for j, end in ends]
        return torch.stack(heights).amin(0)


_TOLD = "the rest pose is no standing person; the T-pose is told from how the joints move, to some ten degrees"


def _bends(parents: tuple[int, ...], positions: Tensor) -> np.ndarray | None:
    """Degrees [J] by which the way through each joint, to its longest child, bends over a movement [T, J, 3]."""
    if len(positions) < 3:
        return None
    points = positions[:: max(1, len(positions) // 200)].double()
    steps = torch.zeros_like(points)
    longest: dict[int, int] = {}
    length = torch.zeros(len(parents)).double()
    for j, parent in enumerate(parents):
        if parent < 0:
            continue
        steps[:, j] = points[:, j] - points[:, parent]
        length[j] = steps[0, j].norm()
        if length[j] < 1e-6 * points[0].abs().max():
            steps[:, j] = steps[:, parent]                         # a joint in the place of its parent
        if parent not in longest or length[j] > length[longest[parent]]:
            longest[parent] = j
    bends = np.zeros(len(parents))
    ways = torch.nn.functional.normalize(steps, dim=-1)
    for j, below in longest.items():
        angles = torch.rad2deg((ways[:, j] * ways[:, below]).sum(-1).clamp(-1, 1).acos())
        bends[j] = float(angles.max() - angles.min())
    return bends


def frame_rate(seconds: float) -> float:
    """Frames a second of a frame's duration, which files write with few digits: 120 for 0.0083333."""
    fps = 1 / seconds
    return float(round(fps)) if abs(fps - round(fps)) < 2e-4 * fps else fps


def _starts_with_calibration(rotations: Tensor) -> bool:
    """Whether the first frame of [T, K, 3, 3] jumps more than 20 degrees, and five times as far as the second one."""
    if len(rotations) < 3:
        return False
    first, second = roma.rotmat_geodesic_distance(rotations[:2], rotations[1:3]).amax(1).tolist()
    return first > math.radians(20) and first > 5 * second
