"""Animations of rigged people in glTF files (.glb, .gltf, .vrm, .vrma): a bounded reader of skeleton and movement."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import roma
import torch

from dinar.errors import InputError
from dinar.gltf import BROKEN, GltfFile
from dinar.motion.humanoid import PARENT, nearest_parent
from dinar.motion.recording import MAX_FRAMES, Recording, frame_rate
from dinar.motion.stance import Skeleton

MOST_NODES = 1 << 14
MOST_NUMBERS = 1 << 26      # of nodes times frames

_SLOWEST, _USUAL, _FASTEST = 12.0, 30.0, 240.0      # frames a second: fewer keys than the slowest are sampled as usual
_GARBLED = 0.1             # share of all bones' length by which a skin's pose may differ from the nodes'
_OLD_THUMBS = {"Proximal": "Metacarpal", "Intermediate": "Proximal", "Distal": "Distal"}      # VRM 0 -> VRM 1


@dataclass(frozen=True)
class Clip:
    """One of a file's animations: its name ("" where it has none) and how long it lasts."""

    name: str
    seconds: float


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turns what a damaged file makes readers raise into one InputError."""
    try:
        yield
    except InputError:
        raise
    except BROKEN as error:
        raise InputError(f"{path} is damaged, or no glTF 2 file that dinar can read") from error


def clips_of(path: Path) -> list[Clip]:
    """The animations of a file, in their order. Raises InputError where it is damaged."""
    with _readable(path):
        return _File(path).clips()


def read_gltf(path: Path, clip: str | None = None) -> Recording:
    """One animation of a file: the one of that name or number (from 1), or the first.

    Translation and rotation of every node, LINEAR, STEP or CUBICSPLINE, are sampled at the rate of the densest keys (30
    frames a second where they are fewer than 12); animated scale and morph targets are left out. Bones are those of the
    file's VRM humanoid where it has one. The skeleton rests as its nodes stand without the animation; where that is no
    standing person, the pose in which its skin was bound may be (`Recording.skin`).

    Raises InputError where the file is damaged, has no animation (of that name), or is too large.
    """
    with _readable(path):
        return _File(path).recording(clip)


@dataclass(frozen=True)
class _Channel:
    """Keys of one node's translation or rotation.

    times   float64 [K]           seconds, ascending
    values  float64 [K, 3 or 4]
    slopes  float64 [K, 2, ...]   in and out, a second; None unless CUBICSPLINE
    step    whether a value holds until the next key
    """

    times: np.ndarray
    values: np.ndarray
    slopes: np.ndarray | None
    step: bool

    def at(self, time: np.ndarray) -> np.ndarray:
        """Values at times [T]; held before the first key and after the last one."""
        high = np.searchsorted(self.times, time, side="right").clip(1, max(1, len(self.times) - 1))
        low = high - 1
        high = high.clip(max=len(self.times) - 1)
        gap = self.times[high] - self.times[low]
        w = ((time - self.times[low]) / np.where(gap > 0, gap, 1)).clip(0, 1)[:, None]
        a, b = self.values[low], self.values[high]
        if self.step:
            return np.where(w < 1, a, b)
        if self.slopes is not None:
            out, into = self.slopes[low, 1] * gap[:, None], self.slopes[high, 0] * gap[:, None]
            w2, w3 = w * w, w * w * w
            mixed = (2 * w3 - 3 * w2 + 1) * a + (w3 - 2 * w2 + w) * out + (3 * w2 - 2 * w3) * b + (w3 - w2) * into
        elif a.shape[1] == 4:
            mixed = _slerp(a, b, w)
        else:
            return a + (b - a) * w
        return _unit(mixed) if a.shape[1] == 4 else mixed


class _File(GltfFile):
    def recording(self, clip: str | None) -> Recording:
        nodes = self.tree.get("nodes", [])
        if len(nodes) > MOST_NODES:
            raise InputError(f"{self.path} has {len(nodes)} nodes; dinar reads up to {MOST_NODES}")
        animation = self._animation(clip)
        moves: dict[tuple[int, str], _Channel] = {}
        for channel in animation["channels"]:
            target = channel["target"]
            if target.get("path") in ("translation", "rotation") and "node" in target:
                moves[int(target["node"]), target["path"]] = self._channel(animation["samplers"][channel["sampler"]])
        if not any(path == "rotation" for _, path in moves):
            raise InputError(f"{self.path} has an animation that turns no joint")
        skins = [[int(number) for number in skin["joints"]] for skin in self.tree.get("skins", [])]
        order, parents = _skeleton(nodes, {number for number, _ in moves}, {n for joints in skins for n in joints})
        place = {number: k for k, number in enumerate(order)}
        time, fps = _times(moves)
        if len(time) > MAX_FRAMES or len(time) * len(order) > MOST_NUMBERS:
            raise InputError(f"{self.path} has an animation of {len(time)} frames, which is too long for dinar")
        rest = _Pose(nodes, order, parents, {}, np.zeros(1))
        moved = _Pose(nodes, order, parents, moves, time)

        turn = _product(moved.rotations, _inverse(rest.rotations))              # since rest, of the whole
        above = [max(p, 0) for p in parents]
        root = np.array(parents) < 0
        turn_above = np.where(root[:, None], [0.0, 0, 0, 1], turn[:, above])
        place_above = np.where(root[:, None], 0.0, moved.positions[:, above])
        local = _product(_inverse(turn_above), turn)
        positions = _turned(_inverse(turn_above), moved.positions - place_above)
        offsets = np.where(root[:, None], 0.0, rest.positions[0] - rest.positions[0, above])
        turning = [place[number] for number, path in moves if path == "rotation" and number in place]
        return Recording(
            names=tuple(str(nodes[number].get("name", number)) for number in order),
            parents=tuple(parents),
            offsets=torch.from_numpy(offsets).float(),
            ends={},
            rotations=roma.unitquat_to_rotvec(torch.from_numpy(_unit(local))).float(),
            positions=torch.from_numpy(positions).float(),
            fps=fps,
            source=str(self.path),
            bones=self._humanoid(place, parents),
            skin=self._skin(rest, place, parents),
            mirrored=bool(np.median(rest.signs[turning].prod(-1)) < 0),
        )

    def _skin(self, rest: _Pose, place: dict[int, int], parents: list[int]) -> Skeleton | None:
        """The pose in which the largest skin was bound, in the measure of the nodes; None where there is no skin.

        Joints of other skins, or of none, lie as they do at rest on the next one of it.
        """
        skins = [skin for skin in self.tree.get("skins", []) if "inverseBindMatrices" in skin]
        skin = max(skins, key=lambda skin: sum(int(n) in place for n in skin["joints"]), default=None)
        if skin is None:
            return None
        matrices = self.numbers(skin["inverseBindMatrices"], 16).astype(np.float64).reshape(-1, 4, 4).swapaxes(1, 2)
        count = len(parents)
        turns, points = np.zeros((count, 3, 3)), np.zeros((count, 3))
        known = np.zeros(count, bool)
        original = roma.unitquat_to_rotmat(torch.from_numpy(rest.rotations[0])).numpy()
        for number, matrix in zip(skin["joints"], matrices, strict=False):
            k = place.get(int(number))
            if k is None or not np.isfinite(matrix).all():
                continue
            linear = matrix[:3, :3]
            if not linear.any():                # a mesh of one point, quantised: nothing but the place is left
                linear = np.eye(3)
            if np.linalg.det(linear) <= 0:
                continue
            u, _, v = np.linalg.svd(np.linalg.inv(linear))
            points[k], known[k] = -np.linalg.inv(linear) @ matrix[:3, 3], True
            turns[k] = u @ v @ original[k].T
        at = rest.positions[0]
        bones = [k for k, p in enumerate(parents) if p >= 0 and known[k] and known[p]]
        over = [parents[k] for k in bones]
        long = np.linalg.norm(points[bones] - points[over], axis=-1)
        measure = np.linalg.norm(at[bones] - at[over], axis=-1)
        if not (long > 0).any():
            return None
        points *= measure.sum() / long.sum()
        if np.abs(long * measure.sum() / long.sum() - measure).sum() > _GARBLED * measure.sum():
            return None
        for k in range(count - 1, -1, -1):
            if known[k] and parents[k] >= 0 and not known[p := parents[k]]:
                turns[p], points[p], known[p] = turns[k], points[k] - turns[k] @ (at[k] - at[p]), True
        for k, p in enumerate(parents):
            if not known[k]:
                turns[k] = turns[p] if p >= 0 else np.eye(3)
                points[k] = points[p] + turns[p] @ (at[k] - at[p]) if p >= 0 else at[k]
        return Skeleton(torch.from_numpy(turns).float(), torch.from_numpy(points).float())

    def clips(self) -> list[Clip]:
        """The animations, in their order."""
        found = []
        for animation in self.tree.get("animations", []):
            times = [self.tree["accessors"][sampler["input"]] for sampler in animation["samplers"]]
            seconds = max((t.get("max", [0.0])[0] for t in times), default=0.0)
            seconds -= min((t.get("min", [0.0])[0] for t in times), default=0.0)
            found.append(Clip(str(animation.get("name", "")), float(seconds)))
        return found

    def _animation(self, clip: str | None) -> dict:
        """The animation of a name, or of a number that counts from 1; the first where none is asked for."""
        animations = self.tree.get("animations", [])
        if not animations:
            raise InputError(f"{self.path} has no animation")
        if clip is None:
            return animations[0]
        found = [animation for animation in animations if animation.get("name") == clip]
        if not found and clip.isdecimal() and 1 <= int(clip) <= len(animations):
            found = [animations[int(clip) - 1]]
        if not found:
            names = ", ".join(str(animation.get("name", "one without a name")) for animation in animations[:12])
            raise InputError(f"{self.path} has no animation {clip}; it has {names}")
        return found[0]

    def _channel(self, sampler: dict) -> _Channel:
        width = 3 if self.tree["accessors"][sampler["output"]]["type"] == "VEC3" else 4
        with np.errstate(invalid="ignore"):      # what is no number is refused below
            times = self.numbers(sampler["input"], 1)[:, 0].astype(np.float64)
            values = self.numbers(sampler["output"], width).astype(np.float64)
        kind = sampler.get("interpolation", "LINEAR")
        slopes = None
        if kind == "CUBICSPLINE":
            values = values.reshape(-1, 3, width)
            values, slopes = values[:, 1], values[:, [0, 2]]
        if not (len(times) == len(values) > 0 and np.isfinite(times).all() and (np.diff(times) >= 0).all()):
            raise ValueError("keys that are not in order")
        if not np.isfinite(values).all() or not (slopes is None or np.isfinite(slopes).all()):
            raise ValueError("not a number")
        return _Channel(times, _unit(values) if width == 4 else values, slopes, kind == "STEP")

    def _humanoid(self, place: dict[int, int], parents: list[int]) -> dict[str, tuple[int, ...]] | None:
        """Bone -> its joint, as VRM 1.0, VRM 0 or a VRM animation says; None where nothing does."""
        extensions = self.tree.get("extensions", {})
        if "VRM" in extensions:
            found = {_new_name(entry["bone"]): entry["node"] for entry in extensions["VRM"]["humanoid"]["humanBones"]}
        else:
            extension = extensions.get("VRMC_vrm") or extensions.get("VRMC_vrm_animation")
            if extension is None:
                return None
            found = {bone: entry["node"] for bone, entry in extension["humanoid"]["humanBones"].items()}
        bones = {bone: place[found[bone]] for bone in PARENT if found.get(bone) in place}
        sides = [f"{side}{part}" for side in ("left", "right") for part in ("UpperArm", "UpperLeg", "LowerLeg", "Foot")]
        missing = [bone for bone in ("hips", *sides) if bone not in bones]
        if missing:
            raise InputError(f"{self.path} has a VRM humanoid without {', '.join(missing)}")
        for bone, joint in bones.items():
            over = nearest_parent(bone, set(bones))
            above = parents[joint]
            while over is not None and above != bones[over]:
                if above < 0:
                    raise InputError(f"{self.path} has a VRM humanoid whose {bone} does not hang on its {over}")
                above = parents[above]
        return {bone: (joint,) for bone, joint in bones.items()}


class _Pose:
    """Global rotations float64 [T, N, 4], quaternions x y z w, and positions [T, N, 3] of all nodes in an order."""

    def __init__(self, nodes: list[dict], order: list[int], parents: list[int], moves: dict, time: np.ndarray) -> None:
        count = len(time)
        self.rotations = np.empty((count, len(order), 4))
        self.positions = np.empty((count, len(order), 3))
        self.signs = np.empty((len(order), 3))              # of the scale, as it comes to pass in the joint's own axes
        scales = np.empty((len(order), 3))
        for k, number in enumerate(order):
            place, turn, scale = _parts(nodes[number])
            if (number, "translation") in moves:
                place = moves[number, "translation"].at(time)
            if (number, "rotation") in moves:
                turn = moves[number, "rotation"].at(time)
            above = parents[k]
            own = np.where(scale < 0, -1.0, 1.0)
            if above < 0:
                self.rotations[:, k], self.positions[:, k], scales[k], self.signs[k] = turn, place, scale, own
            else:
                over, signs = self.rotations[:, above], self.signs[above]
                mirrored = np.append(signs * signs.prod(), 1.0)             # a mirror turns turns around
                self.rotations[:, k] = _product(over, np.broadcast_to(turn, (count, 4)) * mirrored)
                self.positions[:, k] = self.positions[:, above] + _turned(over, scales[above] * place)
                scales[k], self.signs[k] = scales[above] * scale, signs * own


def _skeleton(nodes: list[dict], moved: set[int], joints: set[int]) -> tuple[list[int], list[int]]:
    """Node numbers of the trees that are moved, parents before children, and each one's parent's place (-1: none).

    Meshes, cameras and lights that neither move nor are joints are left out: some are named like bones.
    """
    parent = [-1] * len(nodes)
    for number, node in enumerate(nodes):
        for child in node.get("children", ()):
            if parent[child] >= 0:
                raise ValueError("a node with two parents")
            parent[child] = number
    order = [number for number in range(len(nodes)) if parent[number] < 0]
    for number in order:
        order.extend(nodes[number].get("children", ()))
    if len(order) != len(nodes):
        raise ValueError("nodes in a ring")
    needed = set()
    for number in moved | joints:
        while number >= 0 and number not in needed:
            needed.add(number)
            number = parent[number]
    root: dict[int, int] = {}
    kept: dict[int, int] = {}
    living = set()
    for number in order:
        above = parent[number]
        root[number] = root[above] if above >= 0 else number
        if number in moved:
            living.add(root[number])
    for number in order:
        thing = any(key in nodes[number] for key in ("mesh", "camera"))
        if root[number] in living and (parent[number] < 0 or parent[number] in kept) and (
            number in needed or not thing
        ):
            kept[number] = len(kept)
    return list(kept), [kept[parent[number]] if parent[number] >= 0 else -1 for number in kept]


def _parts(node: dict) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Translation [3], rotation [4] and scale [3] of a node at rest."""
    if "matrix" in node:
        matrix = np.array(node["matrix"], np.float64).reshape(4, 4).T
        scale = np.linalg.norm(matrix[:3, :3], axis=0)
        if np.linalg.det(matrix[:3, :3]) < 0:
            scale[0] *= -1
        turn = matrix[:3, :3] / scale
        if np.linalg.det(turn) < 0.5:
            raise ValueError("a sheared node")
        return matrix[:3, 3], roma.rotmat_to_unitquat(torch.from_numpy(turn)).numpy(), scale
    place, turn, scale = (
        np.array(node.get(key, default), np.float64)
        for key, default in (("translation", (0, 0, 0)), ("rotation", (0, 0, 0, 1)), ("scale", (1, 1, 1)))
    )
    if not (place.shape == scale.shape == (3,) and turn.shape == (4,) and np.isfinite([*place, *turn, *scale]).all()):
        raise ValueError("a node with garbled numbers")
    return place, _unit(turn), scale


def _times(moves: dict[tuple[int, str], _Channel]) -> tuple[np.ndarray, float]:
    """When to sample [T], seconds, and frames a second."""
    start = min(channel.times[0] for channel in moves.values())
    end = max(channel.times[-1] for channel in moves.values())
    gaps = np.array([np.median(np.diff(c.times)) for c in moves.values() if len(c.times) > 1])
    densest = gaps[gaps > 0].min(initial=np.inf)
    fps = min(frame_rate(densest), _FASTEST) if densest <= 1 / _SLOWEST else _USUAL
    count = int((end - start) * fps + 1.5)
    return start + np.arange(min(count, MAX_FRAMES + 1)) / fps, fps


def _new_name(bone: str) -> str:
    """VRM 1.0's name of a bone that VRM 0 names."""
    side, thumb, part = bone.partition("Thumb")
    return f"{side}Thumb{_OLD_THUMBS.get(part, part)}" if thumb else bone


def _unit(q: np.ndarray) -> np.ndarray:
    return q / np.maximum(np.linalg.norm(q, axis=-1, keepdims=True), 1e-12)


def _inverse(q: np.ndarray) -> np.ndarray:
    return q * [-1.0, -1, -1, 1]


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Quaternions [..., 4], x y z w: first b, then a."""
    u, v, s, t = a[..., :3], b[..., :3], a[..., 3:], b[..., 3:]
    return np.concatenate([s * v + t * u + np.cross(u, v), s * t - (u * v).sum(-1, keepdims=True)], axis=-1)


def _turned(q: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Vectors [..., 3] turned by quaternions [..., 4]."""
    half = 2 * np.cross(q[..., :3], v)
    return v + q[..., 3:] * half + np.cross(q[..., :3], half)


def _slerp(a: np.ndarray, b: np.ndarray, w: np.ndarray) -> np.ndarray:
    """On the short way from unit quaternions a to b [T, 4], by shares w [T, 1]."""
    cosine = (a * b).sum(-1, keepdims=True)
    b, cosine = np.where(cosine < 0, -b, b), np.abs(cosine).clip(max=1)
    angle = np.arccos(cosine)
    sine = np.sin(angle)
    straight = sine < 1e-6
    sine = np.where(straight, 1, sine)
    left = np.where(straight, 1 - w, np.sin((1 - w) * angle) / sine)
    right = np.where(straight, w, np.sin(w * angle) / sine)
    return left * a + right * b
