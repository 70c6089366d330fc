"""Motion: the poses of a person over time, independent of any body."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Self

import numpy as np
import roma
import torch
from torch import Tensor

from dinar.errors import InputError
from dinar.files import atomic_file, refuse_stand_in
from dinar.motion.amass import from_fields, is_smpl, read_smpl, write_amass, write_smpl
from dinar.motion.arrays import array_names, read_arrays
from dinar.motion.bvh import read_bvh
from dinar.motion.bvh_writer import write_bvh
from dinar.motion.gltf import clips_of, read_gltf
from dinar.motion.humanoid import PARENT
from dinar.motion.recording import MAX_FRAMES, Recording
from dinar.motion.smpl_fields import WANTED

FORMAT = 1
GLTF = (".glb", ".gltf", ".vrm", ".vrma")


@dataclass(frozen=True)
class Motion:
    """Poses over time, relative to a T-pose whose bone frames all lie along the world's axes.

    names      K VRM 1.0 humanoid bone names; a bone that is not named keeps its body's rest pose
    rotations  float32 [T, K, 3]  local rotation vectors, relative to the nearest named ancestor
    hips       float32 [T, 3]     position of the hips, metres, of a person whose hips are 1 m above the ground at rest
    fps        frames a second
    notes      what the file lacked or had too much of, and was read all the same: a sentence each
    """

    names: tuple[str, ...]
    rotations: Tensor
    hips: Tensor
    fps: float
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.hips)

    @property
    def seconds(self) -> float:
        return len(self) / self.fps

    @classmethod
    def shipped(cls) -> tuple[str, ...]:
        """Names of the clips that come with the package."""
        return tuple(sorted(p.name.removesuffix(".npz") for p in _clips().iterdir() if p.name.endswith(".npz")))

    @classmethod
    def load(cls, name_or_path: str | Path, *, fps: float | None = None) -> Self:
        """A shipped clip by its name, or a file: .bvh; .npz (dinar's own, AMASS's or its kin's); .smpl; .glb, .gltf,
        .vrm or .vrma with an animation; .json. Of several clips or people the first, or the one named or counted:
        `person.glb#wave`, `person.glb#2`, `two.bvh#2`.

        fps  frames a second of a file that does not say; None: 30

        Raises InputError for an unknown clip, another kind of file, a damaged one, or joints that are no person's.
        """
        if str(name_or_path) in cls.shipped():
            with resources.as_file(_clips() / f"{name_or_path}.npz") as shipped:
                return cls._from_arrays(read_arrays(shipped, _FIELDS), shipped)
        path, part = _parted(name_or_path)
        _check_kind(path, name_or_path)
        suffix = path.suffix.lower()
        if suffix == ".bvh":
            return cls._from_recording(read_bvh(path), calibrated=True, person=_number(path, part))
        if suffix in GLTF:
            return cls._from_recording(read_gltf(path, part))
        if part is not None:
            raise InputError(f"{path} holds one motion; only glTF and BVH files have several, of which `#` names one")
        if suffix == ".json":
            fields = _read_json(path)
            if "names" not in fields and is_smpl(fields):
                return cls._from_recording(from_fields(_arrays(fields, path), set(fields), str(path), fps))
            return cls._from_arrays(fields, path)
        names = array_names(path)
        if suffix == ".smpl" or ("names" not in names and is_smpl(names)):
            return cls._from_recording(read_smpl(path, fps))
        if not set(_FIELDS) & names:
            listed = ", ".join(sorted(names)[:12])
            raise InputError(f"{path} holds no motion that dinar knows (docs/motion.md says which); it has {listed}")
        return cls._from_arrays(read_arrays(path, _FIELDS), path)

    def save(self, path: str | Path) -> None:
        """Write the motion, whole or not at all: as .npz or .json (dinar's own, exact), .bvh (Mixamo's names),
        .amass.npz (AMASS's SMPL-X layout) or .smpl. Raises InputError for another suffix.

        The last three have no room for a body's own rest pose: bones that are not named stand as in the T-pose there.
        """
        path = Path(path)
        check_name(path)
        rotations, hips = self.rotations.cpu(), self.hips.cpu()
        fields = (self.names, rotations, hips, float(self.fps))
        with atomic_file(path) as temporary:
            if path.name.lower().endswith(".amass.npz"):
                write_amass(temporary, *fields)
            elif path.suffix.lower() == ".bvh":
                write_bvh(temporary, *fields)
            elif path.suffix.lower() == ".smpl":
                write_smpl(temporary, *fields)
            elif path.suffix.lower() == ".npz":
                own = (FORMAT, np.array(self.names), rotations.numpy(), hips.numpy(), self.fps)
                np.savez_compressed(temporary, **dict(zip(_FIELDS, own, strict=True)))
            else:
                own = (FORMAT, self.names, rotations.tolist(), hips.tolist(), self.fps)
                temporary.write_text(json.dumps(dict(zip(_FIELDS, own, strict=True))), encoding="utf-8")

    def resampled(self, fps: float) -> Self:
        """The same motion at another frame rate: slerp between frames, the last one held for its own duration."""
        if not fps > 0:
            raise InputError(f"a frame rate of {fps} is not possible; give a positive number")
        count = max(1, round(self.seconds * fps))
        time = torch.arange(count, dtype=torch.float64) * (self.fps / fps)
        return replace(self._at(time), fps=float(fps))

    def clipped(self, start: float, end: float | None = None) -> Self:
        """The frames from `start` up to `end`, seconds (None: the motion's end). Raises InputError if none is left."""
        first = max(0, round(start * self.fps))
        last = len(self) if end is None else min(len(self), round(end * self.fps))
        if first >= last:
            raise InputError(f"no frame lies between {start} s and {end} s: the motion lasts {self.seconds:.2f} s")
        return replace(self, rotations=self.rotations[first:last], hips=self.hips[first:last])

    def looped(self, seconds: float) -> Self:
        """The motion repeated (or cut) to last `seconds`.

        Each round starts where the last one ended, in place and heading. A motion whose end does not lead into its
        start is cross-faded over a quarter of a second.
        """
        count = max(1, round(seconds * self.fps))
        if count <= len(self):
            return replace(self, rotations=self.rotations[:count], hips=self.hips[:count])
        cycle, turn, travel = self._cycle()
        rounds = -(-count // len(cycle))
        rotations, hips = [], []
        heading, origin = torch.eye(3), torch.zeros(3)
        root = cycle.names.index("hips") if "hips" in cycle.names else None
        for _ in range(rounds):
            r = cycle.rotations.clone()
            if root is not None:
                r[:, root] = roma.rotmat_to_rotvec(heading @ roma.rotvec_to_rotmat(r[:, root]))
            rotations.append(r)
            hips.append(cycle.hips @ heading.T + origin)
            origin = origin + heading @ travel
            heading = heading @ turn
        return replace(self, rotations=torch.cat(rotations)[:count], hips=torch.cat(hips)[:count])

    def in_place(self) -> Self:
        """The motion without its travel over the ground: steady drift is removed, sway about the origin stays."""
        ground = torch.tensor([1.0, 0.0, 1.0])
        drift = (self.hips[-1] - self.hips[0]) / max(1, len(self) - 1) * ground
        hips = self.hips - drift * torch.arange(len(self))[:, None]
        return replace(self, hips=hips - hips.mean(0) * ground)

    def _at(self, time: Tensor) -> Self:
        """Frames at fractional indices `time` [N], held at both ends."""
        time = time.clamp(0, len(self) - 1)
        low = time.floor().long().clamp(max=max(0, len(self) - 2))
        high = (low + 1).clamp(max=len(self) - 1)
        w = (time - low).float()
        return replace(
            self,
            rotations=_blend(self.rotations[low], self.rotations[high], w[:, None]),
            hips=torch.lerp(self.hips[low], self.hips[high], w[:, None]),
        )

    def _cycle(self) -> tuple[Self, Tensor, Tensor]:
        """One round that leads into itself, with the turn [3, 3] and the travel [3] from a round to the next."""
        if len(self) < 3:
            return self, torch.eye(3), torch.zeros(3)
        step = ((self.hips[1] - self.hips[0]) + (self.hips[-1] - self.hips[-2])) / 2
        ground = torch.tensor([1.0, 0.0, 1.0])
        matrices = roma.rotvec_to_rotmat(self.rotations)
        pace = (roma.rotmat_geodesic_distance(matrices[1:], matrices[:-1])).amax(0)
        seam = roma.rotmat_geodesic_distance(matrices[0], matrices[-1])
        if bool((seam <= 1.5 * pace + 0.02).all()):
            return self, torch.eye(3), (self.hips[-1] - self.hips[0] + step) * ground
        fade = min(len(self) // 3, max(1, round(self.fps / 4)))
        start = len(self) - fade
        root = self.names.index("hips") if "hips" in self.names else None
        turn = torch.eye(3) if root is None else _yaw(matrices[start, root] @ matrices[0, root].T)
        travel = (self.hips[start] - turn @ self.hips[0]) * ground
        tail_r, tail_h = self.rotations[start:].clone(), (self.hips[start:] - travel) @ turn
        if root is not None:
            tail_r[:, root] = roma.rotmat_to_rotvec(turn.T @ matrices[start:, root])
        w = torch.arange(fade)[:, None] / fade
        head_r, head_h = _blend(tail_r, self.rotations[:fade], w), torch.lerp(tail_h, self.hips[:fade], w)
        cycle = replace(
            self,
            rotations=torch.cat([head_r, self.rotations[fade:start]]),
            hips=torch.cat([head_h, self.hips[fade:start]]),
        )
        return cycle, turn, travel

    @classmethod
    def _from_recording(cls, recording: Recording, *, calibrated: bool = False, person: int | None = None) -> Self:
        """The fields of a file's skeleton, checked."""
        if not len(recording.rotations):
            raise InputError(f"{recording.source} has no frames")
        found = recording.to_humanoid(calibrated=calibrated, person=person)
        if not (found.rotations.isfinite().all() and found.hips.isfinite().all()):
            raise InputError(f"{recording.source} is damaged: it holds numbers that are not finite")
        return cls(found.names, found.rotations, found.hips, recording.fps, found.notes)

    @classmethod
    def _from_arrays(cls, fields: dict, path: Path) -> Self:
        """Checked fields of a file. Raises InputError that names what is wrong."""
        try:
            version = int(fields["format"])
            names = tuple(str(name) for name in np.asarray(fields["names"]).tolist())
            rotations = torch.tensor(np.asarray(fields["rotations"], dtype=np.float32))
            hips = torch.tensor(np.asarray(fields["hips"], dtype=np.float32))
            fps = float(fields["fps"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise InputError(f"{path} is no motion of dinar's: it lacks or garbles {error}") from error
        if version != FORMAT:
            raise InputError(f"{path} has motion format {version}; this version of dinar reads {FORMAT}")
        unknown = [name for name in names if name not in PARENT]
        if unknown:
            raise InputError(f"{path} moves bones that no humanoid has: {', '.join(unknown[:5])}")
        t, k = len(hips), len(names)
        if not 0 < t <= MAX_FRAMES or rotations.shape != (t, k, 3) or hips.shape != (t, 3) or len(set(names)) != k:
            raise InputError(f"{path} is damaged: its arrays do not fit each other")
        if not (fps > 0 and np.isfinite(fps) and rotations.isfinite().all() and hips.isfinite().all()):
            raise InputError(f"{path} is damaged: it holds numbers that are not finite")
        return cls(names, rotations, hips, fps)


_FIELDS = ("format", "names", "rotations", "hips", "fps")


@dataclass(frozen=True)
class Part:
    """One of the motions of a file.

    name     what stands behind `#` to have it: a name or a number
    seconds  how long it lasts
    """

    name: str
    seconds: float


def parts_of(name_or_path: str | Path) -> list[Part]:
    """The motions of a file: the animations of a glTF file, the people of a BVH file, else the one it holds.

    Raises InputError as `Motion.load` does.
    """
    path, part = _parted(name_or_path)
    if part is not None or str(name_or_path) in Motion.shipped() or path.suffix.lower() not in (".bvh", *GLTF):
        return [Part(name_of(name_or_path), Motion.load(name_or_path).seconds)]
    _check_kind(path, name_or_path)
    if path.suffix.lower() == ".bvh":
        recording = read_bvh(path)
        seconds = len(recording.rotations) / recording.fps
        return [Part(str(k + 1), seconds) for k in range(max(1, recording.count_people()))]
    clips = clips_of(path)
    if not clips:
        raise InputError(f"{path} has no animation")
    names = [clip.name for clip in clips]
    once = [bool(name) and names.count(name) == 1 for name in names]
    return [
        Part(clip.name if unique else str(k), clip.seconds)
        for k, (clip, unique) in enumerate(zip(clips, once, strict=True), start=1)
    ]


def name_of(name_or_path: str | Path) -> str:
    """What a motion that `Motion.load` reads is called: a clip of a file by its own name, else the file's stem."""
    path, part = _parted(name_or_path)
    return part or path.stem


def _parted(name_or_path: str | Path) -> tuple[Path, str | None]:
    """A file, and which of its motions is meant (`person.glb#wave`); names of files may have `#` in them, too."""
    text = str(name_or_path)
    path = Path(text)
    if "#" not in text or path.exists():
        return path, None
    for place in (k for k in range(len(text) - 1, 0, -1) if text[k] == "#"):
        if Path(text[:place]).is_file():
            return Path(text[:place]), text[place + 1 :]
    file, _, part = path.name.partition("#")
    return path.with_name(file) if file else path, part


def _number(path: Path, part: str | None) -> int | None:
    """The person that is meant, from 0."""
    if part is None:
        return None
    if not (part.isdecimal() and int(part) > 0):
        raise InputError(f"{path} has people without names: #1 is the first, #2 the second")
    return int(part) - 1


_KINDS = (".bvh", ".npz", ".smpl", *GLTF, ".json")
_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".joblib")
_FOREIGN = {
    ".fbx": "FBX is not read; Blender turns it into glTF (.glb) or BVH",
    ".vmd": "MMD's VMD is not read; Blender with mmd_tools turns it into BVH",
    ".npy": "a bare array says not what its numbers are; save poses, trans and fps as .npz",
    ".c3d": "C3D holds markers and no joints; the program that took it writes BVH",
    ".trc": "TRC holds markers and no joints; the program that took it writes BVH",
    ".dae": "Collada is not read; Blender turns it into glTF (.glb) or BVH",
    ".blend": "Blender writes glTF (.glb) or BVH",
}


def _check_kind(path: Path, wanted: str | Path) -> None:
    """Raises InputError where a file is missing, or not of a kind that is read."""
    if not path.is_file():
        known = ", ".join(Motion.shipped())
        raise InputError(f"{wanted} is neither a motion file nor one of dinar's clips ({known})")
    suffix = path.suffix.lower()
    kinds = f"dinar reads {', '.join(_KINDS)}"
    if suffix in _PICKLES:
        raise InputError(
            f"{path} is a pickle, which could run programs and is never opened; save its poses (or global_orient and "
            f"body_pose), trans and fps as .npz with the program that wrote it. {kinds}"
        )
    if suffix not in _KINDS:
        raise InputError(f"{path} is no motion: {_FOREIGN.get(suffix, 'that kind is not read')}; {kinds}")
    try:
        refuse_stand_in(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error


def check_name(path: Path) -> None:
    """Raises InputError for a file that `Motion.save` would not write, by its suffix."""
    if path.suffix.lower() not in (".npz", ".json", ".bvh", ".smpl"):
        raise InputError(f"{path}: a motion is saved as .npz, .json, .bvh, .smpl or .amass.npz")


def _clips():
    return resources.files("dinar.motion") / "clips"


def _read_json(path: Path) -> dict:
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged or no motion of dinar's") from error
    if not isinstance(fields, dict):
        raise InputError(f"{path} is no motion of dinar's")
    return fields


def _arrays(fields: dict, path: Path) -> dict[str, np.ndarray]:
    """Those lists of a JSON file that are read, as arrays."""
    try:
        return {name: np.asarray(fields[name]) for name in WANTED & set(fields)}
    except ValueError as error:
        raise InputError(f"{path} is damaged: its lists have different lengths") from error


def _blend(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    """Rotation vectors [..., 3] on the short way from a to b; weight [...] in [0, 1] broadcasts."""
    q, r = roma.rotvec_to_unitquat(a), roma.rotvec_to_unitquat(b)
    step = roma.unitquat_to_rotvec(roma.quat_product(roma.quat_conjugation(q), r))
    return roma.unitquat_to_rotvec(roma.quat_product(q, roma.rotvec_to_unitquat(step * weight[..., None])))


def _yaw(rotation: Tensor) -> Tensor:
    """The part of a rotation [3, 3] about the world's Y."""
    angle = torch.atan2(rotation[0, 2] - rotation[2, 0], rotation[0, 0] + rotation[2, 2])
    return roma.rotvec_to_rotmat(torch.stack([torch.zeros_like(angle), angle, torch.zeros_like(angle)]))
