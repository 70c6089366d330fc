"""A skeleton in motion as a file has it, and its conversion to VRM humanoid bones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import roma
import torch
from torch import Tensor

from dinar.errors import InputError
from dinar.motion.humanoid import PARENT, nearest_parent, t_pose_alignment
from dinar.motion.joint_names import humanoid_chains

MAX_FRAMES = 1_000_000


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
    bones      humanoid bone -> its joints, first to last, where the file itself says so; None: told from the names
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Tensor
    ends: dict[int, Tensor]
    rotations: Tensor
    positions: Tensor
    fps: float
    source: str
    bones: dict[str, tuple[int, ...]] | None = None

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

    def to_humanoid(self, *, calibrated: bool = False) -> tuple[tuple[str, ...], Tensor, Tensor]:
        """VRM bone names (K), T-pose-relative local rotation vectors [T, K, 3] and hips [T, 3]: the fields of a Motion.

        The file's axes are told from its skeleton, its units from the height of its hips over its feet, the ground from
        where the feet are lowest. The motion starts above the origin.

        calibrated  the first frame may be a calibration pose: if it is far from the second one, it is dropped

        Raises InputError where the joints are no person's, or the rest pose does not stand.
        """
        chains = self.bones or humanoid_chains(self.names, self.parents, self.source)
        rest = self.rest_positions()
        axes = _axes(rest, chains, self.source)                                     # file -> Y up, front +Z
        rotations, positions = self.global_pose()
        first = int(calibrated and _starts_with_calibration(rotations[:, [chain[-1] for chain in chains.values()]]))
        rotations, positions = axes @ rotations[first:] @ axes.T, positions[first:] @ axes.T

        start = {bone: axes @ rest[chain[0]] for bone, chain in chains.items()}
        alignment = t_pose_alignment(start, feet_follow_legs=_straddles(start))
        posed = {bone: rotations[:, chain[-1]] @ alignment[bone].T for bone, chain in chains.items()}
        names = tuple(bone for bone in PARENT if bone in chains)
        local = []
        for bone in names:
            parent = nearest_parent(bone, set(names))
            local.append(posed[bone] if parent is None else posed[parent].transpose(-1, -2) @ posed[bone])

        hip_height, ground = self.heights(chains, alignment, axes, rotations, positions)
        hips = positions[:, chains["hips"][0]].clone()
        hips[:, 1] -= ground
        hips[:, [0, 2]] -= hips[0, [0, 2]].clone()
        return names, roma.rotmat_to_rotvec(torch.stack(local, dim=1)), hips / hip_height

    def heights(self, chains, alignment, axes, rotations, positions) -> tuple[float, float]:
        """Height of the hips over the lowest point of the feet in the T-pose, and height of the ground; file units."""
        lowest_rest, lowest = [], []
        hips = chains["hips"][0]
        for side in ("left", "right"):
            foot = chains.get(f"{side}Foot") or chains[f"{side}LowerLeg"]
            bone = f"{side}Foot" if f"{side}Foot" in chains else f"{side}LowerLeg"
            points = {foot[0]: torch.zeros(3)}
            for j in range(foot[0] + 1, len(self.names)):
                if self.parents[j] in points:
                    points[j] = points[self.parents[j]] + axes @ self.offsets[j]
            below = [p for j, p in points.items()] + [points[j] + axes @ e for j, e in self.ends.items() if j in points]
            height, joint = torch.zeros(3), foot[0]
            while joint != hips:
                parent = self.parents[joint]
                owner = next((b for b, chain in chains.items() if parent in chain), "hips")
                turn = alignment[owner] if owner.startswith(side) else torch.eye(3)
                height, joint = height + turn @ (axes @ self.offsets[joint]), parent
            lowest_rest.append(height[1] + min((alignment[bone] @ p)[1] for p in below))
            lowest += [positions[:, j, 1] for j in points]
            for j, end in self.ends.items():
                if j in points:
                    lowest.append(positions[:, j, 1] + (rotations[:, j] @ (axes @ end))[:, 1])
        hip_height = -float(min(lowest_rest))
        if hip_height <= 0:
            raise InputError(f"{self.source} has feet above its hips; dinar cannot tell its size")
        return hip_height, float(torch.stack(lowest).amin(0).quantile(0.05))


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


def _axes(rest: Tensor, chains: dict[str, tuple[int, ...]], source: str) -> Tensor:
    """The signed permutation [3, 3] from the file's axes to left = +X, up = +Y, front = +Z."""

    def middle(part: str) -> Tensor:
        return (rest[chains[f"left{part}"][0]] + rest[chains[f"right{part}"][0]]) / 2

    up = _snap(middle("UpperArm") - middle("LowerLeg"))
    left = _snap(rest[chains["leftUpperLeg"][0]] - rest[chains["rightUpperLeg"][0]])
    if bool(up @ left != 0):
        raise InputError(f"{source} has a rest pose that does not stand upright")
    return torch.stack([left, up, torch.linalg.cross(left, up)])


def _snap(direction: Tensor) -> Tensor:
    axis = torch.zeros(3)
    axis[direction.abs().argmax()] = direction[direction.abs().argmax()].sign()
    return axis


def _straddles(start: dict[str, Tensor]) -> bool:
    """Whether the rest pose spreads the legs by more than 12 degrees each, as MotionBuilder's CMU skeletons do."""
    leg = start["leftLowerLeg"] - start["leftUpperLeg"]
    return bool(leg[0].abs() > math.tan(math.radians(12)) * leg[1].abs())
