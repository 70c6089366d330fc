"""What a face says of a person's sex and age: guesses, to begin a fit with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from dinar.photo.landmarks import Landmarks
from dinar.store import Store

CHILD, GROWN = 12.0, 18.0    # years at which age classes end
SIDES = 32, 64               # pixels of the faces that the two networks look at
MEANS = 122.782, 117.001, 104.298
PADDING = 0.2                # of a face's size, around it

CORNERS = ("face_45", "face_42", "face_36", "face_39", "face_33")
PLACES = np.array([
    [0.8595674595992, 0.2134981538014], [0.6460604764104, 0.2289674387677], [0.1205750620789, 0.2137274526848],
    [0.3340850613712, 0.2290642403242], [0.4901123135679, 0.6277975316475],
])  # fmt: skip
"""Where dlib puts the corners of the eyes and the nose's foot in the faces that these networks were trained on."""

AgeClass = Literal["child", "youth", "adult"]


@dataclass(frozen=True)
class Guess:
    """female: probability; years: the mean of what the network thinks possible, None where no face was asked."""

    female: float
    years: float | None

    @property
    def age(self) -> AgeClass | None:
        if self.years is None:
            return None
        return "child" if self.years < CHILD else "youth" if self.years < GROWN else "adult"


class FaceReader:
    """The two networks, by OpenCV."""

    def __init__(self, gender: Path, age: Path) -> None:
        self._gender, self._age = (cv2.dnn.readNetFromONNX(str(path)) for path in (gender, age))

    def __call__(self, pixels: np.ndarray, landmarks: Landmarks) -> Guess | None:
        """For the face of `landmarks` in a picture uint8 [H, W, 3], in its pixels; None where no face is seen."""
        if not all(landmarks.seen(name) for name in CORNERS):
            return None
        points = landmarks.select(CORNERS).xy.numpy().astype(np.float64)
        sex, age = (self._asked(network, face_chip(pixels, points, side))
                    for network, side in zip((self._gender, self._age), SIDES, strict=True))  # fmt: skip
        years = np.maximum(np.arange(len(age)), 0.25)
        return Guess(float(sex[0]), float(age @ years))

    @staticmethod
    def _asked(network: cv2.dnn.Net, chip: np.ndarray) -> np.ndarray:
        network.setInput(((chip - np.float32(MEANS)) / 256).transpose(2, 0, 1)[None].astype(np.float32))
        return network.forward()[0].astype(np.float64)


def load_reader(store: Store) -> FaceReader:
    """From the store's files. Raises InputError where they are not to be had."""
    return _reader(*store.paths(("gender-v1.onnx", "age-v1.onnx")).values())


@lru_cache(maxsize=1)
def _reader(gender: Path, age: Path) -> FaceReader:
    return FaceReader(gender, age)


def face_chip(pixels: np.ndarray, points: np.ndarray, side: int) -> np.ndarray:
    """The face as the networks know it, float32 [side, side, 3] in 0 to 255: five points brought near their places."""
    places = (PADDING + PLACES) / (2 * PADDING + 1) * side
    source, target = points - points.mean(axis=0), places - places.mean(axis=0)
    a = (source * target).sum() / (source**2).sum()
    b = (source[:, 0] * target[:, 1] - source[:, 1] * target[:, 0]).sum() / (source**2).sum()
    linear = np.array([[a, -b], [b, a]])
    scale = float(np.hypot(a, b))
    if scale < 1:                                # without aliasing
        sigma = 0.5 * (1 / scale - 1)
        low = np.floor(points.min(axis=0) - 2 / scale * side).astype(int).clip(0)
        high = np.ceil(points.max(axis=0) + 2 / scale * side).astype(int)
        pixels = cv2.GaussianBlur(pixels[low[1] : high[1], low[0] : high[0]], (0, 0), max(sigma, 0.1))
        points = points - low
    matrix = np.column_stack([linear, places.mean(axis=0) - linear @ points.mean(axis=0)])
    kind = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_CONSTANT}
    return cv2.warpAffine(pixels, matrix, (side, side), **kind).astype(np.float32)
