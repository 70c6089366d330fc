"""BVH files, read."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import roma
import torch

from dinar.errors import InputError
from dinar.files import refuse_stand_in
from dinar.motion.recording import MAX_FRAMES, Recording, frame_rate


def read_bvh(path: str | Path) -> Recording:
    """Read a BVH file as it is written, and what the programs of the field make of it; `Recording.notes` say what.

    UTF-8, UTF-16 and Shift-JIS; several roots; rows more or fewer than announced, a last one that is cut; numbers with
    decimal commas, or with no blank before a minus; frame times in milliseconds, or none.

    Raises InputError that names the line where the file is no BVH or its numbers do not fit.
    """
    path = Path(path)
    try:
        refuse_stand_in(path)
        text = _decoded(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error
    lines = ["" if re.match(r"\s*(#|//|;)", line) else line for line in text.splitlines()]
    reader = _Reader(path, lines)
    names, parents, offsets, channels, ends = _read_hierarchy(reader)
    notes: list[str] = []
    count, fps = _read_header(reader, notes)
    if count > MAX_FRAMES:
        raise InputError(f"{path} announces {count} frames; dinar reads up to {MAX_FRAMES}")
    frames = _read_frames(path, lines, reader.line, count, sum(len(c) for c in channels), notes)

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
        fps,
        str(path),
        notes=tuple(f"{path}: {note}" for note in notes),
    )


def _decoded(content: bytes) -> str:
    """Text in one of the encodings in which BVH files are about: MMD's names are Shift-JIS."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", errors="replace")
    if content[1:2] == b"\0" and content[3:4] == b"\0":
        return content.decode("utf-16-le", errors="replace")
    for encoding in ("utf-8-sig", "cp932"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")


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
        if re.fullmatch(r"[-+]?\d+,\d+", word):
            word = word.replace(",", ".")
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
            if kind != "ROOT":
                raise reader.fail(f"expected MOTION, found {kind}")


def _read_header(reader: _Reader, notes: list[str]) -> tuple[int, float]:
    """Frames as announced, and frames a second."""
    count = frame_time = None
    while count is None or frame_time is None:
        before = reader.line
        words = f"{reader.next()} {reader.rest_of_line()}".strip()
        match = re.fullmatch(r"(frames|frame\s*time)\s*:\s*(\S+)", words, re.IGNORECASE)
        if match is None and count is not None and _is_number(words.split()[0]):
            notes.append(f"no frame time; read at {_USUAL:g} frames a second")
            reader.line = before
            return count, _USUAL
        if match is None:
            raise reader.fail(f"expected Frames or Frame Time, found {_short(words)}")
        number = match[2].replace(",", ".")
        if not (_is_number(number) and float(number) > 0):
            raise reader.fail(f"{match[1]} must be a positive number, found {match[2]}")
        if match[1].lower() == "frames":
            count = int(float(number))
        else:
            frame_time = float(number)
    if frame_time <= _SLOWEST:
        return count, frame_rate(frame_time)
    fps = frame_time if frame_time in _RATES else frame_rate(frame_time / 1000)
    meant = "frames a second" if frame_time in _RATES else "milliseconds"
    notes.append(f"a frame time of {frame_time:g} s makes no sense; taken for {meant}, {fps:.4g} frames a second")
    return count, fps


_USUAL = 30.0
_SLOWEST = 2.0                                              # seconds a frame: more are no seconds
_RATES = (24.0, 25.0, 30.0, 50.0, 60.0, 90.0, 100.0, 120.0, 240.0)


def _short(words: str) -> str:
    return words if len(words) < 60 else f"{words[:57]}..."


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def _read_frames(path: Path, lines: list[str], first: int, count: int, width: int, notes: list[str]) -> np.ndarray:
    """The numbers [frames, width] after the header, whatever the line breaks; frames as many as there are."""
    if not width:
        raise InputError(f"{path} has no channels, so that nothing moves")
    values = _values(lines[first:])
    if values is None:
        lines = [_mended(line) for line in lines]
        values = _values(lines[first:])
        if values is not None:
            notes.append("numbers with decimal commas, or that touch each other, were taken apart")
    if values is None:
        for number, words in _rows(lines, first):
            for word in words:
                if not _is_number(word):
                    raise InputError(f"{path}, line {number}: expected a number, found {_short(word)}")
        raise InputError(f"{path}, line {len(lines)}: a number is too large")
    if not values.size:
        raise InputError(f"{path}, line {len(lines)}: the file ends before its frames")
    spare = values.size % width
    if spare:
        written = _rows(lines, first)
        strange = next((k for k, (_, words) in enumerate(written) if len(words) != width), None)
        if strange != len(written) - 1:             # else the last row is cut: whoever wrote it was stopped
            number, words = written[strange]
            raise InputError(
                f"{path}, line {number}: frame {strange + 1} has {len(words)} numbers, the joints need {width}"
            )
        notes.append(f"the last row is cut after {spare} of {width} numbers and left out")
        values = values[: values.size - spare]
        if not values.size:
            raise InputError(f"{path}, line {written[-1][0]}: the first frame has only {spare} of {width} numbers")
    found = values.size // width
    if found > MAX_FRAMES:
        raise InputError(f"{path} holds {found} frames; dinar reads up to {MAX_FRAMES}")
    if found != count:
        notes.append(f"the file announces {count} frames and holds {found}, which are read")
    return values.reshape(found, width)


def _rows(lines: list[str], first: int) -> list[tuple[int, list[str]]]:
    """Numbers of the lines after the header, from 1, and the words on them; empty lines are passed over."""
    return [(number, line.split()) for number, line in enumerate(lines[first:], start=first + 1) if line.strip()]


def _values(lines: list[str]) -> np.ndarray | None:
    """All numbers of some lines, None where something else stands there."""
    try:
        values = np.array(" ".join(lines).split(), dtype=np.float64)
    except ValueError:
        return None
    return values if np.isfinite(values).all() else None


def _mended(line: str) -> str:
    """A row with decimal points, and blanks before signs: `91,5-143.8` is two numbers."""
    if "," in line:
        line = line.replace(",", " " if "." in line or ", " in line else ".")
    return re.sub(r"(?<=[\d.])-", " -", line)
