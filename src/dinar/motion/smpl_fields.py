"""What programs of the SMPL family call the fields of a motion, and in which shapes they write them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import roma
import torch

from dinar.errors import InputError
from dinar.motion.recording import frame_rate

USUAL = 30.0            # frames a second, where nobody says
_POSES = ("poses", "pose_world", "pose", "fullpose", "pose_aa", "smpl_poses", "pred_rotmat")
_ROOT = ("root_orient", "global_orient", "root_pose", "root_rot", "smpl_global_orient")
_BODY = ("pose_body", "body_pose", "smpl_body_pose")
_JAW, _EYES = ("pose_jaw", "jaw_pose"), ("pose_eye", "leye_pose+reye_pose")
_HANDS = ("pose_hand", "left_hand_pose+right_hand_pose", "lhand_pose+rhand_pose")
_PLACES = ("trans_world", "trans", "transl", "translation", "root_trans", "root_trans_offset", "pred_trans")
_RATES = ("mocap_frame_rate", "mocap_framerate", "fps", "frame_rate", "framerate", "frameRate", "mocap_fps")
_BODIES = ("betas", "shape", "v_template", "shapeParameters")
WANTED = frozenset(
    part for names in (_POSES, _ROOT, _BODY, _JAW, _EYES, _HANDS, _PLACES, _RATES) for name in names
    for part in name.split("+")
)  # fmt: skip
"""All fields that are read; nothing else of a file is touched."""

_KNOWN = "poses and trans (AMASS), or global_orient, body_pose and transl (GVHMR, WHAM, TRAM, LHM, 4D-Humans)"
_FOREIGN = {
    322: "322 numbers a frame, as Motion-X has them: save its root_orient, pose_body, pose_hand and trans apart",
    263: "263 numbers a frame, HumanML3D's features, which are no rotations of joints",
    272: "272 numbers a frame, features of a network, which are no rotations of joints",
}
_FASTEST = 15.0         # metres a second: who goes faster was measured in something smaller
_HIGHEST = 10.0         # metres over the origin, the same
_STANDING = (0.2, 2.5)  # metres that a person's hips are over the ground


@dataclass(frozen=True)
class SmplFields:
    """A motion of the family.

    poses   float32 [T, J, 3]  rotation vectors: 24 joints (SMPL), 52 (SMPL-H) or 55 (SMPL-X)
    places  float32 [T, 3]     of the body, in the file's measure
    fps     frames a second
    camera  whether the file is of the kind that is often in a camera's axes, y down
    notes   what it lacked, and was read all the same
    """

    poses: np.ndarray
    places: np.ndarray
    fps: float
    camera: bool
    notes: tuple[str, ...]


def has_poses(names: Collection[str]) -> bool:
    """Whether a file with fields of these names means a body of the family."""
    known = {*_POSES, *_ROOT, *_BODY, "trans", "transl", *_BODIES}
    return bool(set(names) & known)


def read_fields(fields: Mapping[str, np.ndarray], names: Collection[str], source: str, fps: float | None) -> SmplFields:
    """The motion in the fields of a file.

    names  of all of its fields, for messages
    fps    frames a second, where the file does not say; None: 30

    Raises InputError where it holds none, or numbers that fit no model.
    """
    notes: list[str] = []
    whole, root, body = (_first(fields, group) for group in (_POSES, _ROOT, _BODY))
    if whole is not None:
        poses = _rotations(whole, source)
        if poses.shape[1] in (21, 23) and root is not None:
            poses = np.concatenate([_rotations(root, source, joints=1), poses], axis=1)
    elif root is not None and body is not None:
        poses = _joined(fields, root, body, source, notes)
    else:
        listed = ", ".join(sorted(names)[:12])
        raise InputError(f"{source} holds no movement: dinar reads {_KNOWN}; the file has {listed}")
    if poses.shape[1] == 22:                            # a body without hands: SMPL's has two more joints
        poses = np.pad(poses, ((0, 0), (0, 2), (0, 0)))
    return SmplFields(
        poses,
        _places(_first(fields, _PLACES), len(poses), source, notes),
        _rate(_first(fields, _RATES), source, fps, notes),
        camera=not {"poses", "root_orient"} & set(fields),
        notes=tuple(notes),
    )


def in_metres(places: np.ndarray, up: int, fps: float, source: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Places [T, 3] in metres, and a note where they were in millimetres or centimetres, by how fast and high one is.

    up  the axis that is up

    Raises InputError where no measure makes sense.
    """
    speed = np.linalg.norm(np.diff(places, axis=0), axis=1) * fps
    fast = float(np.quantile(speed, 0.95)) if len(speed) else 0.0
    high = float(np.median(np.abs(places[:, up])))
    if fast <= _FASTEST and high <= _HIGHEST:
        return places, ()
    for scale, name in ((1e-3, "millimetres"), (1e-2, "centimetres")):
        if fast * scale <= _FASTEST and _STANDING[0] <= high * scale <= _STANDING[1]:
            return places * np.float32(scale), (f"{source}: the places are in {name}",)
    if fast <= _FASTEST:
        return places, ()
    raise InputError(f"{source} moves its body at {fast:.0f} metres a second; the places have to be in metres")


def _first(fields: Mapping[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray | None:
    return next((fields[name] for name in names if name in fields), None)


def _pieces(fields: Mapping[str, np.ndarray], names: tuple[str, ...]) -> list[np.ndarray]:
    """The first spelling of which all parts are there."""
    for name in names:
        if all(part in fields for part in name.split("+")):
            return [fields[part] for part in name.split("+")]
    return []


def _joined(
    fields: Mapping[str, np.ndarray], root: np.ndarray, body: np.ndarray, source: str, notes: list[str]
) -> np.ndarray:
    parts = [_rotations(root, source, joints=1), _rotations(body, source)]
    count = len(parts[1])
    extra: dict[int, np.ndarray] = {}                   # joints wanted -> rotations
    for joints, names in ((1, _JAW), (2, _EYES), (30, _HANDS)):
        pieces = _pieces(fields, names)
        if not pieces:
            continue
        if sum(np.asarray(piece).size for piece in pieces) not in (count * joints * 3, count * joints * 9):
            notes.append(f"{source}: its {names[0].removeprefix('pose_')} poses are no rotations of joints; left out")
            continue
        extra[joints] = np.concatenate([_rotations(piece, source) for piece in pieces], axis=1)
    if parts[1].shape[1] == 21 and extra:
        face = [extra.get(k, np.zeros((count, k, 3), np.float32)) for k in (1, 2)] if {1, 2} & set(extra) else []
        parts += [*face, extra.get(30, np.zeros((count, 30, 3), np.float32))]
    if len({len(part) for part in parts}) != 1:
        raise InputError(f"{source} is damaged: its poses have different lengths")
    return np.concatenate(parts, axis=1)


def _rotations(array: np.ndarray, source: str, joints: int | None = None) -> np.ndarray:
    """Rotation vectors float32 [T, J, 3] out of vectors or matrices in any of the usual shapes."""
    array = np.asarray(array)
    if array.dtype.kind not in "fiu" or array.ndim < 2 or not array.size:
        raise InputError(f"{source} is damaged: its poses hold no frames of numbers")
    if array.ndim >= 3 and array.shape[-2:] == (3, 3):
        matrices = torch.from_numpy(array.astype(np.float64).reshape(len(array), -1, 3, 3))
        if not bool((torch.linalg.det(matrices) - 1).abs().max() < 0.1):
            raise InputError(f"{source} has poses that are no rotations")
        return roma.rotmat_to_rotvec(matrices).numpy().astype(np.float32)
    flat = array.reshape(len(array), -1).astype(np.float32)
    if flat.shape[1] in _FOREIGN:
        raise InputError(f"{source} has {_FOREIGN[flat.shape[1]]}")
    if flat.shape[1] % 3 or (joints is not None and flat.shape[1] != 3 * joints):
        raise InputError(f"{source} has poses of {flat.shape[1]} numbers, which is no number of joints")
    return flat.reshape(len(flat), -1, 3)


def _places(array: np.ndarray | None, count: int, source: str, notes: list[str]) -> np.ndarray:
    """[T, 3], on the spot where the file has none; a frame more or less than the poses is evened out."""
    if array is None:
        notes.append(f"{source}: it does not say where the person is (no trans); the person stays on the spot")
        return np.zeros((count, 3), np.float32)
    array = np.asarray(array)
    if array.dtype.kind not in "fiu" or array.size % 3 or not array.size:
        raise InputError(f"{source} is damaged: its places are no places")
    places = array.astype(np.float32).reshape(-1, 3)
    if len(places) == count:
        return places
    if abs(len(places) - count) > 2 or count < 4:
        raise InputError(f"{source} has {count} poses and {len(places)} places, which do not fit")
    notes.append(f"{source}: it has {count} poses and {len(places)} places; the last one is held or left out")
    return np.concatenate([places, np.repeat(places[-1:], 2, axis=0)])[:count]


def _rate(array: np.ndarray | None, source: str, fps: float | None, notes: list[str]) -> float:
    if array is None:
        if fps is None:
            notes.append(f"{source}: it does not say its frame rate; read at {USUAL:g} frames a second (see --fps)")
        return fps or USUAL
    array = np.asarray(array)
    try:
        text = array.item()
        rate = float(text.decode() if isinstance(text, bytes) else text)
    except (TypeError, ValueError, UnicodeDecodeError):              # ValueError: none, or several
        rate = float("nan")
    if not (np.isfinite(rate) and rate > 0):
        raise InputError(f"{source} says a frame rate that is none: {str(array)[:40]}")
    return frame_rate(1 / rate)
