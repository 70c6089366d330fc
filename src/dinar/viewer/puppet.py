"""An avatar that is being moved: a clip's frame, joints that were turned by hand, a face."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace

import roma
import torch
from torch import Tensor
from torch.nn.functional import normalize

from dinar.avatar import Avatar
from dinar.body.model import Body
from dinar.fit.level import levelled
from dinar.motion import retarget
from dinar.motion.motion import Motion
from dinar.networks.pretrained import moved

STANDING = "stand"
PHOTO = "as in the photo"

REACH = {
    "head": ("neck",),
    "chest": ("spine",),
    **{f"{side}LowerArm": (f"{side}UpperArm",) for side in ("left", "right")},
    **{f"{side}Hand": (f"{side}UpperArm", f"{side}LowerArm") for side in ("left", "right")},
    **{f"{side}LowerLeg": (f"{side}UpperLeg",) for side in ("left", "right")},
    **{f"{side}Foot": (f"{side}UpperLeg", f"{side}LowerLeg") for side in ("left", "right")},
}
"""A bone that can be dragged -> the bones that turn for it; dragged hips move the person."""

HELD = {"head": (0.0, 0.17, 0.0)}
"""Where a bone is taken hold of, metres from its joint at rest: the head at its crown, so that the face stays free."""


class Puppet:
    """How a person stands now. Threads may share it; every change counts `version` up."""

    def __init__(self, avatar: Avatar) -> None:
        self.avatar = avatar
        self.version = 0
        self.motions = {STANDING: None} | ({PHOTO: None} if avatar.shots else {})
        self.motions |= {name: Motion.load(name) for name in Motion.shipped()}
        self._light = avatar.model.only_landmarks()
        self._lock = threading.RLock()
        self._faces = torch.zeros(len(avatar.model.expression_names))
        self._playing = False
        self.choose(STANDING)

    # Clips

    def choose(self, name: str) -> None:
        """One of `motions`, from its start; joints turned by hand are let go."""
        motion = self.motions[name]
        with torch.no_grad():
            if motion is None:
                frames = self._still(name)
            else:
                frames = retarget.apply(motion.in_place(), self.avatar.model, self.avatar.shape).to("cpu")
        with self._lock:
            self.name, self._frames, self._fps = name, frames, motion.fps if motion else 1.0
            self._turned: dict[int, Tensor] = {}
            self._moved = torch.zeros(3)
            self._playing, self._speed, self._from, self._since = motion is not None, 1.0, 0.0, time.monotonic()
            self.version += 1

    def _still(self, name: str) -> Body:
        """The person at rest or as in the first photo, upright on the ground, batch 1."""
        body, model = self.avatar.standing().to("cpu"), moved(self.avatar.model, "cpu")
        if name == PHOTO:
            shot = self.avatar.shots[0]
            body = replace(body, pose=shot.pose[None], expression=shot.expression[None])
            body, _ = levelled(model, replace(body, translation=shot.translation[None]), shot.camera)
        mesh = model(body)
        place = mesh.joints[0, model.humanoid["hips"]].clone()
        place[1] = mesh.vertices[0, :, 1].min()
        return replace(body, translation=body.translation - place)

    @property
    def seconds(self) -> float:
        """How long the clip lasts."""
        return len(self._frames) / self._fps

    @property
    def playing(self) -> bool:
        return self._playing

    def play(self, on: bool) -> None:
        with self._lock:
            self._from, self._since = self.time(), time.monotonic()
            self._playing = on and len(self._frames) > 1
            self.version += 1

    def seek(self, seconds: float) -> None:
        with self._lock:
            self._from, self._since = seconds, time.monotonic()
            self.version += 1

    def speed(self, factor: float) -> None:
        with self._lock:
            self._from, self._since, self._speed = self.time(), time.monotonic(), factor

    def time(self) -> float:
        """Where the clip is, seconds from its start."""
        with self._lock:
            passed = (time.monotonic() - self._since) * self._speed if self._playing else 0.0
            return (self._from + passed) % self.seconds

    # Pose and face

    def body(self, seconds: float | None = None) -> Body:
        """The person now, or at that time of the clip; batch 1, on the CPU."""
        with self._lock:
            at = self.time() if seconds is None else seconds
            frame = int(at * self._fps) % len(self._frames)
            body = self._frames[frame : frame + 1]
            pose = body.pose.clone()
            for joint, rotation in self._turned.items():
                pose[0, joint] = rotation
            return replace(
                body,
                pose=pose,
                expression=(body.expression + self._faces).clamp(*self.avatar.model.expression_range),
                translation=body.translation + self._moved,
            )

    def bodies(self, seconds: Sequence[float]) -> Body:
        """The person at some times of the clip, a batch."""
        found = [self.body(at) for at in seconds]
        names = ("shape", "pose", "expression", "translation")
        return Body(*(torch.cat([getattr(body, name) for body in found]) for name in names))

    @property
    def hangs(self) -> bool:
        """Whether a skirt hangs as the pose makes it: not at rest and in the photo, which it was fitted in."""
        return self.motions[self.name] is not None or bool(self._turned)

    def joints(self) -> tuple[Tensor, Tensor]:
        """Positions [J, 3], metres, and global rotations [J, 3, 3] of the joints now, on the CPU."""
        with torch.no_grad():
            mesh = self._light(self.body().to(self.avatar.shape.device))
        return mesh.joints[0].cpu(), mesh.transforms[0, :, :3, :3].cpu()

    def handles(self) -> dict[str, Tensor]:
        """Where each bone of `REACH` and the hips can be taken hold of now, [3] each, metres."""
        points, rotations = self.joints()
        return {bone: self._held(bone, points, rotations) for bone in ("hips", *REACH)}

    def _held(self, bone: str, points: Tensor, rotations: Tensor) -> Tensor:
        joint = self.avatar.model.humanoid[bone]
        return points[joint] + rotations[joint] @ torch.tensor(HELD.get(bone, (0.0, 0.0, 0.0)))

    def express(self, name: str, strength: float) -> None:
        with self._lock:
            self._faces[self.avatar.model.expression_names.index(name)] = strength
            self.version += 1

    def turn(self, bone: str, rotation: Tensor) -> None:
        """Gives a bone the global rotation [3, 3]."""
        with self._lock:
            _, rotations = self.joints()
            self._set(self.avatar.model.humanoid[bone], rotation, rotations)
            self.version += 1

    def reach(self, bone: str, target: Tensor) -> None:
        """Brings a bone of `REACH` as near to the point [3] as its limb allows; the hips take the person along."""
        humanoid = self.avatar.model.humanoid
        with self._lock:
            points, rotations = self.joints()
            if bone == "hips":
                self._moved = self._moved + target - points[humanoid["hips"]]
            else:
                links = [humanoid[link] for link in REACH[bone]]
                limb = torch.cat([points[links], self._held(bone, points, rotations)[None]])
                turns = _bent(limb, target, rotations[humanoid["hips"]], "Foot" in bone)
                turned = rotations.clone()
                for link, turn in zip(links, turns, strict=True):
                    below = self.avatar.model.below([link])
                    turned[below] = turn @ rotations[below]
                for link in links:
                    self._set(link, turned[link], turned)
            self.version += 1

    def release(self) -> None:
        """Joints turned by hand follow the clip again."""
        with self._lock:
            self._turned, self._moved = {}, torch.zeros(3)
            self.version += 1

    def _set(self, joint: int, rotation: Tensor, rotations: Tensor) -> None:
        above = self.avatar.model.parents[joint]
        local = rotation if above < 0 else rotations[above].T @ rotation
        self._turned[joint] = roma.rotmat_to_rotvec(local)


def _bent(points: Tensor, target: Tensor, hips: Tensor, leg: bool) -> list[Tensor]:
    """Global turns [3, 3] of one or two links, so that the end of `points` [2 or 3, 3] comes to the target [3].

    A limb of two bends in the plane it is bent in; a straight one like a knee or an elbow of somebody whose hips are
    turned by `hips` [3, 3].
    """
    if len(points) == 2:
        return [_arc(points[1] - points[0], target - points[0])]
    root, middle, end = points
    upper, lower = middle - root, end - middle
    longest, shortest = float(upper.norm() + lower.norm()), abs(float(upper.norm() - lower.norm()))
    reach = min(max(float((target - root).norm()), shortest + 1e-3), longest - 1e-3)
    axis = torch.linalg.cross(upper, lower)
    if axis.norm() < 1e-3 * upper.norm() * lower.norm():
        axis = hips[:, 0] if leg else torch.linalg.cross(upper, hips[:, 2])
    axis = normalize(axis, dim=0)
    cosine = (upper.norm() ** 2 + lower.norm() ** 2 - reach**2) / (2 * upper.norm() * lower.norm())
    wanted = torch.pi - torch.arccos(cosine.clamp(-1, 1))
    angle = torch.arctan2(torch.linalg.cross(upper, lower) @ axis, upper @ lower)
    bend = roma.rotvec_to_rotmat(axis * (wanted - angle))
    turn = _arc(upper + bend @ lower, target - root)
    return [turn, turn @ bend]


def _arc(a: Tensor, b: Tensor) -> Tensor:
    """The shortest turn [3, 3] from direction a to direction b."""
    a, b = normalize(a, dim=0), normalize(b, dim=0)
    axis = torch.linalg.cross(a, b)
    sine = axis.norm()
    if sine < 1e-7:
        return torch.eye(3)
    return roma.rotvec_to_rotmat(axis / sine * torch.arctan2(sine, a @ b))
