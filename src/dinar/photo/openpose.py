"""Landmarks that other programs found: OpenPose, ControlNet and DWPose, MMPose and RTMW, AlphaPose, COCO results."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dinar.errors import InputError
from dinar.files import refuse_stand_in
from dinar.photo.landmarks import FACE, Landmarks, hand_names

BODY_25 = (
    "nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist",
    "mid_hip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle",
    "right_eye", "left_eye", "right_ear", "left_ear",
    "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
)  # fmt: skip
"""OpenPose's BODY_25 points in its order."""

COCO_18 = tuple(name for name in BODY_25[:19] if name != "mid_hip")
COCO_17 = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow",
    "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee",
    "left_ankle", "right_ankle",
)  # fmt: skip
_HALPE_26 = (
    *COCO_17, None, "neck", "mid_hip",
    "left_big_toe", "right_big_toe", "left_small_toe", "right_small_toe", "left_heel", "right_heel",
)  # fmt: skip
_PARTS_OF_68 = (*[None] * 17, *FACE)
_HANDS = (*hand_names("left"), *hand_names("right"))
LAYOUTS: dict[int, tuple[str | None, ...]] = {
    25: BODY_25,
    18: COCO_18,
    17: COCO_17,
    26: _HALPE_26,
    133: (*COCO_17, *BODY_25[19:], *_PARTS_OF_68, *_HANDS),      # COCO-WholeBody
    136: (*_HALPE_26, *_PARTS_OF_68, *_HANDS),                   # Halpe
}
"""Number of points -> their names in order, None for points that nobody asks for."""

_KNOWN = "OpenPose's BODY_25, COCO's 17 or 18, Halpe's 26 or 136 and COCO-WholeBody's 133"
_PARTS = {
    "pose": LAYOUTS,
    "hand_left": {21: hand_names("left")},
    "hand_right": {21: hand_names("right")},
    "face": {68: _PARTS_OF_68, 70: (*_PARTS_OF_68, None, None)},  # iBUG's 68, and the pupils
}
NORMALISED = 1.5          # greatest coordinate of points that are given in parts of the picture
BEYOND = 1.1              # of the picture's side: where many points lie farther they belong to another picture
MANY = 0.4
ROUNDED = 0.01            # of proportions that differ by rounding
FAINT = 0.1               # confidences of a person that all stay below it count beside one another only
FARTHEST = 1e9         # pixels from the corner, beyond which a number is no place


@dataclass(frozen=True)
class _Found:
    """A person of a file, and the canvas (H, W) that the file says its points lie on."""

    landmarks: Landmarks
    canvas: tuple[float, float] | None


def read(path: Path, size: tuple[int, int], photo: Path) -> tuple[list[Landmarks], tuple[str, ...]]:
    """Everybody in a file, from left to right, in pixels of the upright photo (H, W); and how the file was read.

    `world` is unknown. Of a file of several frames the first is taken; points in parts of the picture, or on a canvas
    of the photo's proportions, are scaled to it.

    Raises InputError where the file holds no keypoints that are known here, nobody, or points of another picture.
    """
    path = Path(path)
    try:
        refuse_stand_in(path)
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        people = [found for found in _people(path, content) if (found.landmarks.confidence > 0).any()]
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        raise InputError(f"{path} is not a JSON file of keypoints ({_KNOWN} are read)") from error
    if not people:
        raise InputError(f"{path} holds no person")
    scaled = [_scaled(path, found, size, photo) for found in people]
    notes = dict.fromkeys(note for _, note in scaled if note)
    landmarks = [points for points, _ in scaled]
    return sorted(landmarks, key=lambda p: float(p.xy[p.confidence > 0, 0].mean())), tuple(notes)


def _people(path: Path, content: Any) -> Iterator[_Found]:
    """People of the first frame. Raises KeyError, TypeError or ValueError for what is not known."""
    if isinstance(content, dict) and isinstance(content.get("people"), list):
        canvas = content.get("canvas_height"), content.get("canvas_width")
        known = all(canvas) and tuple(_number(side) for side in canvas)
        for entry in content["people"]:
            yield _Found(_person(path, entry), known or None)
    elif isinstance(content, dict):
        yield from _instances(path, content)
    elif content and all(isinstance(entry, dict) and "keypoints" in entry for entry in content):
        first = content[0].get("image_id")
        for entry in content:
            if entry.get("image_id") == first:
                yield _Found(_instance(path, entry), None)
    else:                                           # a list of frames
        yield from _people(path, content[0])


def _instances(path: Path, content: dict) -> Iterator[_Found]:
    """MMPose's and COCO's: {instance_info: [...]}, {instances: [...]}, {annotations: [...]}, {keypoints: ...}."""
    if "keypoints" in content:
        yield _Found(_instance(path, content), None)
        return
    (listed, *_) = (content[key] for key in ("instance_info", "instances", "annotations") if key in content)
    if listed and isinstance(listed[0], dict) and "instances" in listed[0]:      # frames of a video
        listed = listed[0]["instances"]
    yield from _people(path, listed or {"people": []})


def _instance(path: Path, entry: dict) -> Landmarks:
    """A person as a list of numbers, or of points with their scores beside them."""
    numbers = _flat(entry["keypoints"])
    scores = _flat(entry.get("keypoint_scores") or entry.get("scores") or [])
    if scores and len(numbers) == 2 * len(scores):
        numbers = [n for k, score in enumerate(scores) for n in (*numbers[2 * k : 2 * k + 2], score)]
    return _table(path, {"pose": numbers}, "keypoints")


def _person(path: Path, entry: dict) -> Landmarks:
    """A person of OpenPose's form, of version 1.1 too, whose names have no `_2d`."""
    parts = {part: entry.get(f"{part}_keypoints_2d") or entry.get(f"{part}_keypoints") or [] for part in _PARTS}
    return _table(path, {part: _flat(numbers) for part, numbers in parts.items()}, "pose_keypoints_2d")


def _table(path: Path, parts: dict[str, list[float]], key: str) -> Landmarks:
    """Landmarks of the parts that have numbers: x, y and confidence of each point."""
    rows: dict[str, list[float]] = {}
    for part, numbers in parts.items():
        if not numbers and part != "pose":
            continue
        count = len(numbers) // 3
        if len(numbers) % 3 or count not in _PARTS[part]:
            name = key if part == "pose" else f"{part}_keypoints_2d"
            known = f"x, y and confidence of {', '.join(map(str, _PARTS[part]))} points are read"
            raise InputError(f"{path} has {len(numbers)} numbers in {name}; {known}")
        if not all(abs(number) <= FARTHEST for number in numbers):
            raise InputError(f"{path} has numbers in its keypoints that are not finite, or no places in a picture")
        for k, name in enumerate(_PARTS[part][count]):
            if name and (name not in rows or numbers[3 * k + 2] > rows[name][2]):
                rows[name] = numbers[3 * k : 3 * k + 3]
    for middle, sides in {"neck": "shoulder", "mid_hip": "hip"}.items():
        ends = [rows[f"{side}_{sides}"] for side in ("left", "right")]
        if middle not in rows:
            rows[middle] = [*[(a + b) / 2 for a, b in zip(*ends, strict=True)][:2], min(end[2] for end in ends)]
    table = np.array([*rows.values()], np.float64)
    confidence, unknown = table[:, 2].clip(0, 1), np.full((len(rows), 3), math.nan, np.float32)
    if 0 < confidence.max() < FAINT:                        # heights of heat maps
        confidence = confidence / confidence.max()
    return Landmarks(tuple(rows), table[:, :2].astype(np.float32), confidence.astype(np.float32), unknown)


def _scaled(path: Path, found: _Found, size: tuple[int, int], photo: Path) -> tuple[Landmarks, str | None]:
    """A person in pixels of a photo (H, W), and a word where that took something."""
    points, canvas = found.landmarks, found.canvas
    sides = np.array([size[1], size[0]], np.float32)
    seen = points.xy[points.confidence > 0]
    if np.abs(seen).max() <= NORMALISED:
        return replace(points, xy=points.xy * sides), f"{path} has points from 0 to 1; they were scaled to {photo}"
    if canvas is not None and canvas != size:
        scale = size[1] / canvas[1]
        shown = f"{canvas[1]:g} x {canvas[0]:g}"
        if not abs(canvas[0] * scale / size[0] - 1) < ROUNDED:
            raise InputError(
                f"{path} was made of a picture of {shown} pixels, but {photo} has {size[1]} x {size[0]}; "
                "keypoints have to be of the same picture"
            )
        note = f"{path} was made of a picture of {shown} pixels; its points were scaled to {size[1]} x {size[0]}"
        return replace(points, xy=points.xy * np.float32(scale)), note
    if (seen > sides * np.float32(BEYOND)).any(axis=1).mean() > MANY or (seen > sides * 2).any():
        right, low = seen.max(axis=0).tolist()
        raise InputError(
            f"{path} has points as far as {right:.0f} x {low:.0f}, but {photo} has {size[1]} x {size[0]} pixels; "
            "keypoints have to be of the same picture, in its size"
        )
    return points, None


def _flat(value: Any) -> list[float]:
    """Numbers, also as text, of a list that may hold lists."""
    if isinstance(value, list):
        return [number for entry in value for number in _flat(entry)]
    return [_number(value)]


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"{value!r} is no number")
    return float(value)
