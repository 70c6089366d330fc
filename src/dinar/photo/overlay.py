"""A picture of what was seen, for documentation and for the eye."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from dinar import images
from dinar.photo.landmarks import HAND, Landmarks, hand_names
from dinar.photo.photo import Photo

LEFT, RIGHT, MIDDLE = (255, 140, 0), (0, 150, 255), (255, 255, 255)  # the person's left is orange
OUTLINE, BEYOND, FACE = (255, 240, 0), 0.45, (120, 255, 120)

_LIMBS = (
    ("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "index"), ("wrist", "pinky"), ("wrist", "thumb"),
    ("shoulder", "hip"), ("hip", "knee"), ("knee", "ankle"), ("ankle", "heel"), ("ankle", "foot_index"),
    ("heel", "foot_index"), ("ankle", "big_toe"),
)  # fmt: skip
_ACROSS = (("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"), ("left_ear", "nose"), ("nose", "right_ear"))


def draw(photo: Photo) -> Tensor:
    """The photo with the person's outline and landmarks on a darkened background, float32 [3, S, S]."""
    mask = photo.mask
    canvas = images.to_bytes(photo.image * (1 - BEYOND * (1 - mask))).copy()
    solid = (mask[0].numpy() > 0.5).astype(np.uint8)
    contours, _ = cv2.findContours(solid, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    thick = max(1, canvas.shape[0] // 400)
    cv2.drawContours(canvas, contours, -1, OUTLINE, thick)
    for (a, b), colour, width in _lines(photo.landmarks, thick):
        _line(canvas, photo.landmarks, a, b, colour, width)
    for name, point, sure in zip(
        photo.landmarks.names, photo.landmarks.xy.tolist(), photo.landmarks.confidence.tolist(), strict=True
    ):
        if sure >= 0.5:
            colour = FACE if name.startswith("face_") else _colour(name)
            radius = thick if name.startswith("face_") or "_hand_" in name else thick + 1
            cv2.circle(canvas, _pixel(point), radius, colour, -1, cv2.LINE_AA)
    return torch.from_numpy(canvas).permute(2, 0, 1).float() / 255


def _lines(landmarks: Landmarks, thick: int) -> list[tuple[tuple[str, str], tuple[int, int, int], int]]:
    lines = [((a, b), MIDDLE, thick) for a, b in _ACROSS]
    for side in ("left", "right"):
        lines += [((f"{side}_{a}", f"{side}_{b}"), _colour(side), thick) for a, b in _LIMBS]
        names = hand_names(side)
        for i in range(1, len(HAND)):
            start = names[0] if (i - 1) % 4 == 0 else names[i - 1]
            lines.append(((start, names[i]), _colour(side), max(1, thick // 2)))
    return [line for line in lines if all(landmarks.seen(name) for name in line[0])]


def _line(canvas: np.ndarray, landmarks: Landmarks, a: str, b: str, colour: tuple[int, int, int], width: int) -> None:
    start, end = landmarks.select([a, b]).xy.tolist()
    cv2.line(canvas, _pixel(start), _pixel(end), colour, width, cv2.LINE_AA)


def _colour(name: str) -> tuple[int, int, int]:
    return LEFT if name.startswith("left") or name.endswith("left") else RIGHT if "right" in name else MIDDLE


def _pixel(point: list[float]) -> tuple[int, int]:
    """OpenCV draws at pixel centres, which are integers there."""
    return round(point[0] - 0.5), round(point[1] - 0.5)
