"""BVH files: the skeleton and its motion as written, and their conversion to VRM humanoid bones."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import roma
import torch
from torch import Tensor

from dinar.errors import InputError
from dinar.motion.humanoid import PARENT, nearest_parent, t_pose_alignment


@dataclass(frozen=True)
class BVH:
    """A BVH file as written: its own names, axes and units.

    names      J joint names, parents before children
    parents    J parent indices, -1 for the root
    offsets    float32 [J, 3]     from the parent at rest
    ends       joint index -> float32 [3], offset of its end site
    rotations  float32 [T, J, 3]  local rotation vectors
    positions  float32 [T, J, 3]  local positions: the offset, or the position channels that replace it
    fps        frames a second
    source     the file, for messages
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    offsets: Tensor
    ends: dict[int, Tensor]
    rotations: Tensor
    positions: Tensor
    fps: float
    source: str

    def rest_positions(self) -> Tensor:
        """Where the joints are in the zero pose [J, 3], the root at the origin."""
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

    def to_humanoid(self) -> tuple[tuple[str, ...], Tensor, Tensor]:
        """VRM bone names (K), T-pose-relative local rotation vectors [T, K, 3] and hips [T, 3]: the fields of a Motion.

        The file's axes are told from its skeleton, its units from the height of its hips over its feet, the ground from
        where the feet are lowest. The motion starts above the origin. A calibration pose in the first frame, far from
        the second one, is dropped. Raises InputError where the joints are no person's.
        """
        chains = humanoid_chains(self.names, self.parents, self.source)
        rest = self.rest_positions()
        axes = _axes(rest, chains, self.source)                                     # file -> Y up, front +Z
        rotations, positions = self.global_pose()
        first = int(_starts_with_calibration(rotations[:, [chain[-1] for chain in chains.values()]]))
        rotations, positions = axes @ rotations[first:] @ axes.T, positions[first:] @ axes.T

        start = {bone: axes @ rest[chain[0]] for bone, chain in chains.items()}
        alignment = t_pose_alignment(start, feet_follow_legs=_straddles(start))
        posed = {bone: rotations[:, chain[-1]] @ alignment[bone].T for bone, chain in chains.items()}
        names = tuple(bone for bone in PARENT if bone in chains)
        local = []
        for bone in names:
            parent = nearest_parent(bone, set(names))
            local.append(posed[bone] if parent is None else posed[parent].transpose(-1, -2) @ posed[bone])

        hip_height, ground = self._heights(chains, alignment, axes, rotations, positions)
        hips = positions[:, chains["hips"][0]].clone()
        hips[:, 1] -= ground
        hips[:, [0, 2]] -= hips[0, [0, 2]].clone()
        return names, roma.rotmat_to_rotvec(torch.stack(local, dim=1)), hips / hip_height

    def _heights(self, chains, alignment, axes, rotations, positions) -> tuple[float, float]:
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


def read_bvh(path: str | Path) -> BVH:
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
    frames = _read_frames(path, lines, reader.line, count, sum(len(c) for c in channels))

    rotations = torch.zeros(count, len(names), 3)
    offset = torch.tensor(offsets)
    positions = offset.expand(count, -1, -1).clone()
    column = 0
    for j, kinds in enumerate(channels):
        turn = torch.eye(3).expand(count, 3, 3)
        for kind in kinds:
            values, axis = frames[:, column], "XYZ".index(kind[0])
            column += 1
            if kind.endswith("position"):
                positions[:, j, axis] = values.float()
            else:
                vector = torch.zeros(count, 3, dtype=torch.float64)
                vector[:, axis] = torch.deg2rad(values)
                turn = turn.double() @ roma.rotvec_to_rotmat(vector)
        rotations[:, j] = roma.rotmat_to_rotvec(turn.double()).float()
        if parents[j] >= 0 and positions[:, j].abs().max() < 1e-3 * offset.abs().max():
            # MakeHuman's files write zeros for a joint that stays at its offset
            positions[:, j] = offset[j]
    ends = {j: torch.tensor(end) for j, end in ends.items()}
    return BVH(tuple(names), tuple(parents), offset, ends, rotations, positions, 1 / frame_time, str(path))


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


def _read_frames(path: Path, lines: list[str], first: int, count: int, width: int) -> Tensor:
    """The numbers [count, width] after the header, whatever the line breaks."""
    try:
        values = np.array(" ".join(lines[first:]).split(), dtype=np.float64)
    except ValueError:
        values = None
    if values is not None and values.size == count * width and np.isfinite(values).all():
        return torch.from_numpy(values.reshape(count, width))
    written = [(number, line.split()) for number, line in enumerate(lines[first:], start=first + 1) if line.strip()]
    for number, words in written:
        for word in words:
            if not _is_number(word):
                raise InputError(f"{path}, line {number}: expected a number, found {word}")
    for frame, (number, words) in enumerate(written, start=1):
        if len(words) != width:
            raise InputError(f"{path}, line {number}: frame {frame} has {len(words)} numbers, the joints need {width}")
    raise InputError(f"{path}, line {len(lines)}: the file announces {count} frames but holds {len(written)}")


_FINGERS = {
    "Thumb": ("thumb", "finger1"),
    "Index": ("index", "finger2"),
    "Middle": ("middle", "mid", "finger3"),
    "Ring": ("ring", "finger4"),
    "Little": ("pinky", "little", "finger5"),
}
_PHALANGES = {"Thumb": ("Metacarpal", "Proximal", "Distal")}
_LIMBS: dict[str, tuple[tuple[str, ...], ...]] = {
    # bone -> chains of joint names (without side) that make it up, the first found wins: MakeHuman's split limbs, then
    # CMU and Mixamo, Poser and Daz, SMPL and others
    "UpperArm": (("upperarm01", "upperarm02"), ("upperarm",), ("uparm",), ("arm",), ("shldr",), ("shoulder",)),
    "Shoulder": (("clavicle", "shoulder01"), ("clavicle",), ("collar",), ("shoulder",)),
    "LowerArm": (("lowerarm01", "lowerarm02"), ("lowerarm",), ("loarm",), ("forearm",), ("elbow",)),
    "Hand": (("wrist",), ("hand",)),
    "UpperLeg": (("upperleg01", "upperleg02"), ("upperleg",), ("upleg",), ("thigh",), ("hip",)),
    "LowerLeg": (("lowerleg01", "lowerleg02"), ("lowerleg",), ("loleg",), ("leg",), ("shin",), ("calf",), ("knee",)),
    "Foot": (("ankle",), ("foot",)),
    "Toes": (("toebase",), ("toe",), ("toes",), ("toe0",), ("ball",), ("toe11",), ("foot",)),
    "Eye": (("eye",),),
}


def humanoid_chains(names: tuple[str, ...], parents: tuple[int, ...], source: str) -> dict[str, tuple[int, ...]]:
    """VRM bone -> the joints that make it up, first to last.

    Limbs, neck and head are known by name, in the customs of CMU, MakeHuman, Mixamo, Poser/Daz and SMPL; hips and
    spine by where they stand between those. Raises InputError where legs or arms are missing.
    """
    sided: dict[tuple[str, str], int] = {}
    for j, name in enumerate(names):
        if not name.startswith("__"):                       # MakeHuman's connecting joints, doubles of the real ones
            sided.setdefault(_side(name), j)
    chains: dict[str, tuple[int, ...]] = {}
    for side in ("left", "right"):
        used: set[int] = set()
        for part, customs in _LIMBS.items():
            for custom in customs:
                chain = tuple(sided[side, core] for core in custom if (side, core) in sided)
                if len(chain) == len(custom) and not used & set(chain):
                    chains[side + part] = chain
                    used |= set(chain)
                    break
        fingers = {}
        for finger, cores in _FINGERS.items():
            phalanges = _PHALANGES.get(finger, ("Proximal", "Intermediate", "Distal"))
            for number, phalanx in enumerate(phalanges, start=1):
                joint = next((sided[side, f"{c}{number}"] for c in cores if (side, f"{c}{number}") in sided), None)
                if joint is not None:
                    fingers[f"{side}{finger}{phalanx}"] = (joint,)
        if all(f"{side}{finger}Proximal" in fingers for finger in ("Index", "Middle", "Ring", "Little")):
            chains |= fingers
    needed = ("UpperLeg", "LowerLeg", "UpperArm", "LowerArm")
    missing = [side + part for part in needed for side in ("left", "right") if side + part not in chains]
    if missing:
        known = ", ".join(names[:12])
        raise InputError(f"{source} has no joint that dinar knows as {missing[0]}; its joints are {known} ...")

    def ancestors(j: int) -> list[int]:
        path = []
        while j >= 0:
            path.append(j)
            j = parents[j]
        return path

    def meeting(joints: list[int]) -> int:
        paths = [ancestors(j) for j in joints]
        return next(j for j in paths[0] if all(j in path for path in paths[1:]))

    hips = meeting([chains["leftUpperLeg"][0], chains["rightUpperLeg"][0], chains["leftUpperArm"][0]])
    top = meeting([chains["leftUpperArm"][0], chains["rightUpperArm"][0]])
    chains["hips"] = (hips,)
    trunk = [j for j in reversed(ancestors(top)) if j not in ancestors(hips)]
    for bone, joint in zip(("spine", "chest", "upperChest"), _spread(trunk, 3), strict=False):
        chains[bone] = (joint,)
    if ("", "head") in sided:
        head = sided["", "head"]
        neck = [j for j in reversed(ancestors(head)[1:]) if j not in ancestors(top)]
        if neck:
            chains["neck"] = (neck[len(neck) // 2],)
        chains["head"] = (head,)
    return chains


def _spread(items: list[int], count: int) -> list[int]:
    """At most `count` of the items, evenly over their length, the last always among them."""
    n = min(count, len(items))
    return [items[math.ceil((k + 1) * len(items) / n) - 1] for k in range(n)]


def _side(name: str) -> tuple[str, str]:
    """(side, core) of a joint's name: LeftUpLeg, lThigh, UpLeg_L, upperleg01.L, mixamorig:LeftArm, L_Wrist, ..."""
    name = re.sub(r"^(.*:|mixamorig\d*_?|Bip\d+[ _])", "", name)
    for pattern in (
        r"(?P<s>[Ll]eft|[Rr]ight)[ _.-]?(?P<core>.+)",
        r"(?P<s>[lrLR])[ _.-](?P<core>.+)",
        r"(?P<s>[lrLR])(?P<core>[A-Z].+)",
        r"(?P<core>.+)[ _.-](?P<s>[lrLR]|[Ll]eft|[Rr]ight)",
    ):
        match = re.fullmatch(pattern, name)
        if match:
            side = "left" if match["s"].lower().startswith("l") else "right"
            core = re.sub(r"[^a-z0-9]", "", match["core"].lower())
            return side, re.sub(r"^hand(?=(thumb|index|middle|ring|pinky)\d)", "", core)
    return "", re.sub(r"[^a-z0-9]", "", name.lower())


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
