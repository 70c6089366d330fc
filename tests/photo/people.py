"""Made-up persons for tests: OpenPose keypoints of a standing figure, and its picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from dinar.photo.openpose import BODY_25

FIGURE = {
    "nose": (0, -80), "neck": (0, -60), "mid_hip": (0, 0), "left_shoulder": (18, -60), "left_elbow": (28, -30),
    "left_wrist": (30, -5), "left_hip": (10, 0), "left_knee": (11, 45), "left_ankle": (12, 88), "left_eye": (3, -83),
    "left_ear": (7, -82), "left_big_toe": (16, 96), "left_small_toe": (19, 95), "left_heel": (11, 93),
}  # fmt: skip
"""Pixels about the hips' middle of somebody who looks at the camera."""


def body(x: float, y: float, scale: float = 1.0, confidence: float = 0.9) -> list[float]:
    """75 numbers of BODY_25."""
    numbers: list[float] = []
    for name in BODY_25:
        dx, dy = FIGURE.get(name) or FIGURE[name.replace("right", "left")]
        numbers += [x + scale * (-dx if name.startswith("right") else dx), y + scale * dy, confidence]
    return numbers


def write_keypoints(path: Path, *people: dict[str, list[float]] | list[float]) -> Path:
    entries = [person if isinstance(person, dict) else {"pose_keypoints_2d": person} for person in people]
    path.write_text(json.dumps({"version": 1.3, "people": entries}))
    return path


def write_picture(path: Path, size: tuple[int, int], boxes: list[tuple[int, int, int, int]]) -> tuple[Path, Path]:
    """A grey picture (H, W) with red boxes (left, top, right, bottom), and the mask of the boxes beside it."""
    pixels = np.full((*size, 3), 90, np.uint8)
    mask = np.zeros(size, np.uint8)
    for left, top, right, bottom in boxes:
        pixels[top:bottom, left:right] = (200, 30, 30)
        mask[top:bottom, left:right] = 255
    Image.fromarray(pixels).save(path)
    mask_path = path.with_name(f"{path.stem}_mask.png")
    Image.fromarray(mask).save(mask_path)
    return path, mask_path
