"""The T-pose of a skeleton whose rest pose is none, told from how it moves: functional calibration.

A bone's own axes are laid along those of the T-pose by two directions that are fixed in them: the way to the next
joint, and the hinge of the knee or the elbow. Across the trunk the line between hips or shoulders counts, up is where
the world's up is while the person stands, and feet are flat while they stand.
"""

from __future__ import annotations

import math

import roma
import torch
from torch import Tensor

from dinar.motion.humanoid import PARENT, arc, laid, nearest_parent, next_along
from dinar.motion.person import Chains
from dinar.motion.stance import Stance, exchanged, lowest_part, middle, nearest_axis, upwards

_FEWEST = 5             # frames in which somebody has to stand
_MOST = 1000            # frames that are looked at
_UPRIGHT = 35.0         # degrees between the trunk and the line of a leg, and between the trunk and up
_BENT = math.radians(8)     # mean bend from which on a knee or an elbow tells its hinge
_ELBOW = math.radians(30)   # the elbow's hinge is so far off the vertical in the T-pose, palms down: 30 in CMU's and 35
#                             degrees in MakeHuman's skeletons


def from_movement(chains: Chains, rotations: Tensor, positions: Tensor) -> Stance | None:
    """The stance of a skeleton by its movement (global, [T, J, 3, 3] and [T, J, 3]); None where it never stands."""
    every = max(1, len(rotations) // _MOST)
    movement = _Movement(chains, rotations[::every].double(), positions[::every].double())
    if movement.standing is None:
        return None
    if movement.knees_bend_forward():
        movement = _Movement(exchanged(chains), movement.rotations, movement.positions)
    frames = movement.frames()
    return Stance(
        movement.chains,
        {bone: frame.float() for bone, frame in frames.items()},
        {
            bone: movement.within(above, movement.at[bone] - movement.at[above]).mean(0).float()
            for bone in movement.chains
            if (above := nearest_parent(bone, set(movement.chains))) is not None
        },
        movement.upright.float(),
    )


class _Movement:
    """Bones that move: places `at` [T, 3] where they start, `turn` [T, 3, 3] of their own axes."""

    def __init__(self, chains: Chains, rotations: Tensor, positions: Tensor) -> None:
        self.chains, self.rotations, self.positions = chains, rotations, positions
        self.at = {bone: positions[:, chain[0]] for bone, chain in chains.items()}
        self.turn = {bone: rotations[:, chain[-1]] for bone, chain in chains.items()}
        trunk = _unit(middle(self.at, "UpperArm") - middle(self.at, "UpperLeg"))
        foot = lowest_part(chains)
        legs = [_unit(self.at[f"{s}UpperLeg"] - self.at[f"{s}{foot}"]) for s in ("left", "right")]
        self.up = nearest_axis(upwards(self.at))
        self.upright = arc(self.up, self.up.new_tensor([0.0, 1.0, 0.0]))
        least = math.cos(math.radians(_UPRIGHT))
        stands = (trunk @ self.up > least) & (trunk * _unit(legs[0] + legs[1])).sum(1).gt(least)
        self.standing = stands if int(stands.sum()) >= _FEWEST else None

    def within(self, bone: str, vectors: Tensor) -> Tensor:
        """Vectors [T, 3] (or one [3]) in a bone's own axes."""
        return (self.turn[bone].transpose(-1, -2) @ vectors.expand(len(self.turn[bone]), 3)[..., None])[..., 0]

    def hinge(self, upper: str, lower: str, end: str) -> Tensor | None:
        """The normal [T, 3] of the plane in which a limb is bent, longer the more it is; None where it hardly is."""
        if end not in self.at:
            return None
        first, second = _unit(self.at[lower] - self.at[upper]), _unit(self.at[end] - self.at[lower])
        normal = torch.linalg.cross(first, second)
        return normal if normal.norm(dim=1).clamp(max=1).asin().mean() > _BENT else None

    def knees_bend_forward(self) -> bool:
        """Whether both do, which means that the sides are exchanged."""
        across = self.at["leftUpperLeg"] - self.at["rightUpperLeg"]
        hinges = [self.hinge(f"{s}UpperLeg", f"{s}LowerLeg", f"{s}Foot") for s in ("left", "right")]
        return all(hinge is not None and float((hinge * across).sum(1).mean()) < 0 for hinge in hinges)

    def frames(self) -> dict[str, Tensor]:
        """Bone -> rotation [3, 3] from its own axes to the T-pose's."""
        x, y, z = torch.eye(3).double()
        hips_line = self.at["leftUpperLeg"] - self.at["rightUpperLeg"]
        shoulders = self.at["leftUpperArm"] - self.at["rightUpperArm"]
        frames = {"hips": laid(self.within("hips", hips_line).mean(0), self._mean("hips", self.up), x, y)}
        trunk = [bone for bone in ("spine", "chest", "upperChest") if bone in self.chains]
        for k, bone in enumerate(trunk):
            above = self.at.get("neck", middle(self.at, "UpperArm"))
            share = (k + 1) / len(trunk)
            across = (1 - share) * _unit(hips_line) + share * _unit(shoulders)
            frames[bone] = laid(self._way(bone, above), self._mean(bone, across), y, x)
        if "neck" in self.chains:
            way = self._way("neck", self.at["head"])
            frames["neck"] = laid(way, self._mean("neck", shoulders), y, x)
        if "head" in self.chains:
            frames["head"] = laid(self._mean("head", self.up), self._mean("head", shoulders), y, x)
        for side, sign in (("left", 1.0), ("right", -1.0)):
            axis = roma.rotvec_to_rotmat(-_ELBOW * x) @ (-sign * y)
            self._limb(frames, [f"{side}{part}" for part in ("UpperLeg", "LowerLeg", "Foot")], -y, x)
            self._limb(frames, [f"{side}{part}" for part in ("UpperArm", "LowerArm", "Hand")], sign * x, axis)
            self._foot(frames, side, y, z)
        for bone in PARENT:                                             # hands, fingers, toes: as they mostly are
            if bone in self.chains and bone not in frames:
                frames[bone] = self._inherited(frames, bone)
                below = next_along(bone)
                if below in self.chains:
                    along = x if bone.startswith("left") else -x
                    frames[bone] = arc(frames[bone] @ self._way(bone, self.at[below]), along) @ frames[bone]
        return frames

    def _limb(self, frames: dict[str, Tensor], bones: list[str], along: Tensor, hinge: Tensor) -> None:
        upper, lower, end = bones
        above = nearest_parent(upper, set(self.chains))
        if above not in frames:                                         # a collar
            frames[above] = self._inherited(frames, above)
        normal = self.hinge(*bones)
        for bone, below in ((upper, lower), (lower, end)):
            if below not in self.at:
                frames[bone] = self._inherited(frames, bone)
                continue
            way = self._way(bone, self.at[below])
            if normal is None:
                start = self._inherited(frames, bone)
                frames[bone] = arc(start @ way, along) @ start
            else:
                frames[bone] = laid(way, self.within(bone, normal).mean(0), along, hinge)

    def _foot(self, frames: dict[str, Tensor], side: str, y: Tensor, z: Tensor) -> None:
        """Flat while it stands: in the slowest third of the frames in which the person does."""
        foot, toes = f"{side}Foot", f"{side}Toes"
        if foot not in self.chains:
            return
        speed = (self.at[foot][1:] - self.at[foot][:-1]).norm(dim=1)
        speed = torch.cat([speed, speed[-1:]]) if len(speed) else torch.zeros(1).to(self.up)
        still = self.standing & (speed <= speed[self.standing].quantile(0.35))
        ahead = self.at[toes] - self.at[foot] if toes in self.chains else self._across() @ y.new_tensor([0.0, 0, 1])
        up = self.within(foot, self.up)[still].mean(0)
        frames[foot] = laid(up, self.within(foot, ahead)[still].mean(0), y, z)

    def _across(self) -> Tensor:
        """Rotations [T, 3, 3] whose third column is where the hips face."""
        left = _unit(self.at["leftUpperLeg"] - self.at["rightUpperLeg"])
        up = self.up.expand_as(left)
        return torch.stack([left, up, _unit(torch.linalg.cross(left, up))], dim=-1)

    def _way(self, bone: str, to: Tensor) -> Tensor:
        return self.within(bone, to - self.at[bone]).mean(0)

    def _mean(self, bone: str, vectors: Tensor) -> Tensor:
        """The mean over the frames that stand, in the bone's own axes."""
        return self.within(bone, vectors)[self.standing].mean(0)

    def _inherited(self, frames: dict[str, Tensor], bone: str) -> Tensor:
        """As a bone mostly lies on the one above it."""
        above = nearest_parent(bone, set(self.chains))
        relative = self.turn[above].transpose(-1, -2) @ self.turn[bone]
        return frames[above] @ roma.special_procrustes(relative[self.standing].median(0).values)


def _unit(vectors: Tensor) -> Tensor:
    return torch.nn.functional.normalize(vectors, dim=-1)
