"""Landmarks from OpenPose's JSON (BODY_25, hands, face)."""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch

from dinar.errors import InputError
from dinar.photo.landmarks import FACE, Landmarks, hand_names

BODY_25 = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "mid_hip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
    "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
)  # fmt: skip
"""OpenPose's BODY_25 points in its order."""

_PARTS = (
    ("pose_keypoints_2d", BODY_25, 0),
    ("hand_left_keypoints_2d", hand_names("left"), 0),
    ("hand_right_keypoints_2d", hand_names("right"), 0),
    ("face_keypoints_2d", FACE, 17),  # 70 points: iBUG's 68 and the pupils
)
_COUNTS = {
    "pose_keypoints_2d": 25,
    "hand_left_keypoints_2d": 21,
    "hand_right_keypoints_2d": 21,
    "face_keypoints_2d": 70,
}


def read(path: Path) -> list[Landmarks]:
    """Everybody in an OpenPose file, from left to right, in pixels of the upright picture; `world` is unknown.

    Raises InputError where the file is no OpenPose JSON, holds nobody, or another body layout than BODY_25.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        people = [_person(path, entry) for entry in content["people"]]
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not a JSON file of OpenPose keypoints") from error
    people = [person for person in people if bool((person.confidence > 0).any())]
    if not people:
        raise InputError(f"{path} holds no person")
    return sorted(people, key=lambda p: float(p.xy[p.confidence > 0, 0].mean()))


def _person(path: Path, entry: dict) -> Landmarks:
    names: list[str] = []
    rows: list[torch.Tensor] = []
    for key, part, first in _PARTS:
        numbers = entry.get(key) or []
        if not numbers and key != "pose_keypoints_2d":
            continue
        if key == "pose_keypoints_2d" and len(numbers) in (18 * 3, 17 * 3):
            raise InputError(
                f"{path} holds COCO keypoints ({len(numbers) // 3} a body); run OpenPose with its BODY_25 model"
            )
        if len(numbers) != 3 * _COUNTS[key]:
            raise InputError(f"{path} has {len(numbers)} numbers in {key}, not {3 * _COUNTS[key]} (x, y, confidence)")
        table = torch.tensor(numbers, dtype=torch.float32).reshape(-1, 3)[first : first + len(part)]
        if not bool(torch.isfinite(table).all()):
            raise InputError(f"{path} has numbers in {key} that are not finite")
        names += part
        rows.append(table)
    table = torch.cat(rows)
    return Landmarks(tuple(names), table[:, :2], table[:, 2].clamp(0, 1), torch.full((len(names), 3), math.nan))
