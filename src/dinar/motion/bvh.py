"""BVH files: read as written, and written with the names that Mixamo's skeletons have."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import roma
import torch
from torch import Tensor

from dinar.errors import InputError
from dinar.motion.humanoid import PARENT, SOLE, T_POSE, nearest_parent
from dinar.motion.joint_names import mixamo_name
from dinar.motion.recording import MAX_FRAMES, Recording, frame_rate


def read_bvh(path: str | Path) -> Recording:
    """Read a BVH file. Raises InputError that names the line where the file is no BVH or ends too early."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error
    lines = text.splitlines()
    reader = _Reader(path, lines)
    names, parents, offsets, channels, ends = _read_hierarchy(reader)
    count, frame_time = _read_header(reader)
    if count > MAX_FRAMES:
        raise InputError(f"{path} announces {count} frames; dinar reads up to {MAX_FRAMES}")
    frames = _read_frames(path, lines, reader.line, count, sum(len(c) for c in channels))

    rotations, positions = _local_poses(frames, np.array(offsets), channels)
    for j, parent in enumerate(parents):
        if parent >= 0 and channels[j] and np.abs(positions[:, j]).max() < 1e-3 * np.abs(offsets).max():
            positions[:, j] = offsets[j]        # MakeHuman's files write zeros for a joint that stays at its offset
    return Recording(
        tuple(names),
        tuple(parents),
        torch.tensor(offsets),
        {j: torch.tensor(end) for j, end in ends.items()},
        roma.unitquat_to_rotvec(torch.from_numpy(rotations)).float(),
        torch.from_numpy(positions).float(),
        frame_rate(frame_time),
        str(path),
    )


def _local_poses(frames: np.ndarray, offsets: np.ndarray, channels: list[list[str]]) -> tuple[np.ndarray, np.ndarray]:
    """Local rotations [T, J, 4], unit quaternions x y z w, and positions [T, J, 3] out of the columns [T, C]."""
    positions = np.tile(offsets, (len(frames), 1, 1))
    turns: list[list[tuple[int, int]]] = [[] for _ in channels]         # a joint's (axis, column), in the file's order
    column = 0
    for j, kinds in enumerate(channels):
        for kind in kinds:
            axis = "XYZ".index(kind[0])
            if kind.endswith("position"):
                positions[:, j, axis] = frames[:, column]
            else:
                turns[j].append((axis, column))
            column += 1
    rotations = np.zeros((len(frames), len(channels), 4))
    rotations[..., 3] = 1
    for place in range(max(map(len, turns), default=0)):
        joints = [j for j, turn in enumerate(turns) if len(turn) > place]
        axes, columns = np.array([turns[j][place] for j in joints]).T
        half = np.radians(frames[:, columns]) / 2
        rotations[:, joints] = _turned(rotations[:, joints], axes, np.cos(half), np.sin(half))
    return rotations, positions


def _turned(q: np.ndarray, axes: np.ndarray, cosine: np.ndarray, sine: np.ndarray) -> np.ndarray:
    """Quaternions [T, J, 4] times turns about the coordinate axes [J], by cosine and sine of half their angles [T, J].

    A turn mixes the part along its axis with w, and the two other parts with each other.
    """
    joints = np.arange(q.shape[1])
    u, v = (axes + 1) % 3, (axes + 2) % 3
    along, first, second, w = q[:, joints, axes], q[:, joints, u], q[:, joints, v], q[..., 3]
    out = np.empty_like(q)
    out[..., 3] = w * cosine - along * sine
    out[:, joints, axes] = along * cosine + w * sine
    out[:, joints, u] = first * cosine + second * sine
    out[:, joints, v] = second * cosine - first * sine
    return out


class _Reader:
    """Words of a file one after the other, with the line that each stands on."""

    def __init__(self, path: Path, lines: list[str]) -> None:
        self.path, self.lines = path, lines
        self.line, self.words = 0, iter(())

    def next(self) -> str:
        while True:
            for word in self.words:
                return word
            if self.line >= len(self.lines):
                raise InputError(f"{self.path} ends too early, at line {self.line}")
            self.words = iter(re.findall(r"[{}]|[^\s{}]+", self.lines[self.line].lstrip("\ufeff")))
            self.line += 1

    def rest_of_line(self) -> str:
        return " ".join(self.words)

    def fail(self, what: str) -> InputError:
        return InputError(f"{self.path}, line {self.line}: {what}")

    def expect(self, word: str) -> None:
        found = self.next()
        if found.upper() != word:
            raise self.fail(f"expected {word}, found {found}")

    def number(self) -> float:
        word = self.next()
        if not _is_number(word):
            raise self.fail(f"expected a number, found {word}")
        return float(word)

    def name(self) -> str:
        """Words up to the opening brace."""
        words = []
        while (word := self.next()) != "{":
            if word == "}":
                raise self.fail("expected {, found }")
            words.append(word)
        return " ".join(words)


_CHANNELS = {f"{axis}{kind}".lower(): f"{axis}{kind}" for axis in "XYZ" for kind in ("position", "rotation")}


def _read_hierarchy(reader: _Reader):
    names, parents, offsets, channels, ends = [], [], [], [], {}
    reader.expect("HIERARCHY")
    reader.expect("ROOT")
    open_joints: list[int] = []
    kind = "ROOT"
    while True:
        if kind in ("ROOT", "JOINT"):
            names.append(reader.name())
            parents.append(open_joints[-1] if open_joints else -1)
            reader.expect("OFFSET")
            offsets.append([reader.number() for _ in range(3)])
            channels.append([])
            open_joints.append(len(names) - 1)
        elif kind == "CHANNELS":
            if not open_joints:
                raise reader.fail("CHANNELS outside a joint")
            count = reader.number()
            for _ in range(int(count)):
                word = reader.next()
                if word.lower() not in _CHANNELS:
                    raise reader.fail(f"unknown channel {word}")
                channels[open_joints[-1]].append(_CHANNELS[word.lower()])
        elif kind == "END":
            reader.name()
            reader.expect("OFFSET")
            ends[open_joints[-1]] = [reader.number() for _ in range(3)]
            reader.expect("}")
        elif kind == "}":
            if open_joints:
                open_joints.pop()
        else:
            raise reader.fail(f"expected JOINT, End Site, CHANNELS or a brace, found {kind}")
        kind = reader.next().upper()
        if not open_joints:
            if kind == "MOTION":
                return names, parents, offsets, channels, ends
            raise reader.fail(f"expected MOTION, found {kind}")


def _read_header(reader: _Reader) -> tuple[int, float]:
    count = frame_time = None
    while frame_time is None:
        words = f"{reader.next()} {reader.rest_of_line()}".strip()
        match = re.fullmatch(r"(frames|frame\s*time)\s*:\s*(\S+)", words, re.IGNORECASE)
        if match is None:
            raise reader.fail(f"expected Frames or Frame Time, found {words}")
        if not (_is_number(match[2]) and float(match[2]) > 0):
            raise reader.fail(f"{match[1]} must be a positive number, found {match[2]}")
        value = float(match[2])
        if match[1].lower() == "frames":
            count = int(value)
        else:
            frame_time = value
    if count is None:
        raise reader.fail("Frame Time stands before Frames")
    return count, frame_time


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def _read_frames(path: Path, lines: list[str], first: int, count: int, width: int) -> np.ndarray:
    """The numbers [count, width] after the header, whatever the line breaks."""
    try:
        values = np.array(" ".join(lines[first:]).split(), dtype=np.float64)
    except ValueError:
        values = None
    if values is not None and values.size == count * width and np.isfinite(values).all():
        return values.reshape(count, width)
    written = [(number, line.split()) for number, line in enumerate(lines[first:], start=first + 1) if line.strip()]
    for number, words in written:
        for word in words:
            if not _is_number(word):
                raise InputError(f"{path}, line {number}: expected a number, found {word}")
    for frame, (number, words) in enumerate(written, start=1):
        if len(words) != width:
            raise InputError(f"{path}, line {number}: frame {frame} has {len(words)} numbers, the joints need {width}")
    raise InputError(f"{path}, line {len(lines)}: the file announces {count} frames but holds {len(written)}")


_HIPS = 95.0        # height of the hips in a written file, the custom of centimetres
_TIPS = {"head": (0.0, 0.20, 0.0), "Hand": (0.18, 0.0, 0.0), "Distal": (0.02, 0.0, 0.0), "Toes": (0.0, -SOLE, 0.06)}


def write_bvh(path: Path, names: tuple[str, ...], rotations: Tensor, hips: Tensor, fps: float) -> None:
    """Write the fields of a Motion as BVH, with Mixamo's joint names, in centimetres for hips 95 cm above the ground.

    The skeleton rests in the T-pose that motions start from. Bones that are not named stay at rest there; eyes, and
    fingers of a hand that names none, are left out.
    """
    own = dict(zip(names, roma.rotvec_to_rotmat(rotations.double().cpu()).unbind(1), strict=True))
    bones = [bone for bone in PARENT if bone in own or not _optional(bone, own)]
    columns = [hips.cpu().double().numpy() * _HIPS]
    lines = ["HIERARCHY"]

    def joint(bone: str, above: str | None, depth: int) -> None:
        pad = "\t" * depth
        kind, channels = ("ROOT", "6 Xposition Yposition Zposition ") if above is None else ("JOINT", "3 ")
        lines.extend([f"{pad}{kind} {mixamo_name(bone)}", f"{pad}{{", f"{pad}\tOFFSET {_triple(T_POSE[bone])}"])
        lines.append(f"{pad}\tCHANNELS {channels}Zrotation Xrotation Yrotation")
        turn = own.get(bone)
        angles = torch.zeros(len(hips), 3).double() if turn is None else roma.rotmat_to_euler("ZXY", turn, degrees=True)
        columns.append(np.unwrap(angles.numpy(), period=360, axis=0))       # who interpolates angles goes the short way
        below = [b for b in bones if nearest_parent(b, set(bones)) == bone]
        for child in below:
            joint(child, bone, depth + 1)
        if not below:
            x, y, z = next((tip for part, tip in _TIPS.items() if bone.endswith(part)), (0.0, 0.0, 0.02))
            end = (-x if bone.startswith("right") else x, y, z)
            lines.extend([f"{pad}\tEnd Site", f"{pad}\t{{", f"{pad}\t\tOFFSET {_triple(end)}", f"{pad}\t}}"])
        lines.append(f"{pad}}}")

    joint("hips", None, 0)
    lines += ["MOTION", f"Frames: {len(hips)}", f"Frame Time: {1 / fps:.12g}"]
    lines += [" ".join(f"{value:.6f}" for value in row) for row in np.concatenate(columns, axis=1)]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def _optional(bone: str, own: dict[str, Tensor]) -> bool:
    """Whether a skeleton may go without a bone that the motion does not name."""
    if bone.endswith("Eye"):
        return True
    if not bone.endswith(("Metacarpal", "Proximal", "Intermediate", "Distal")):
        return False
    side = "left" if bone.startswith("left") else "right"
    return not any(name.startswith(side) and name.endswith(("Proximal", "Intermediate", "Distal")) for name in own)


def _triple(point: tuple[float, float, float]) -> str:
    return " ".join(f"{value * _HIPS:.6f}" for value in point)
