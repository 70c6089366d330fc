"""What a face says of a person's sex: a guess, to begin a fit with."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from dinar.photo.landmarks import Landmarks
from dinar.photo.onnx import opened
from dinar.store import Store

SIDE = 32                         # pixels of the faces that the network looks at
SIZES = 0.85, 1.0, 1.15, 1.3      # of the face, that it is asked at
SHIFTS = -0.08, 0.0, 0.08         # and places, in sizes of the face
SURE = 0.1                        # it is wrong with one face in ten or so
MEANS = 122.782, 117.001, 104.298
PADDING = 0.2                # of a face's size, around it

CORNERS = ("face_45", "face_42", "face_36", "face_39", "face_33")
PLACES = np.array([
    [0.8595674595992, 0.2134981538014], [0.6460604764104, 0.2289674387677], [0.1205750620789, 0.2137274526848],
    [0.3340850613712, 0.2290642403242], [0.4901123135679, 0.6277975316475],
])  # fmt: skip
"""Where dlib puts the corners of the eyes and the nose's foot in the faces that the network was trained on."""


class SexReader:
    """A small network, by OpenCV, asked of a face at several sizes and places: its answers to one alone vary much."""

    def __init__(self, network: Path) -> None:
        self._network = opened(network)

    def __call__(self, pixels: np.ndarray, landmarks: Landmarks) -> float | None:
        """The probability that the face of `landmarks` in a picture uint8 [H, W, 3], in its pixels, is a woman's.

        It stays within `SURE` of 0 and 1, as often as the network errs; None where no face is seen.
        """
        if not all(landmarks.seen(name) for name in CORNERS):
            return None
        points = landmarks.select(CORNERS).xy.numpy().astype(np.float64)
        middle, size = points.mean(axis=0), np.ptp(points, axis=0).max()
        chips = [
            face_chip(pixels, middle + scale * (points - middle) + size * np.array([x, y]), SIDE)
            for scale in SIZES
            for x in SHIFTS
            for y in SHIFTS
        ]
        self._network.setInput(((np.stack(chips) - np.float32(MEANS)) / 256).transpose(0, 3, 1, 2).astype(np.float32))
        return float(np.clip(self._network.forward()[:, 0].mean(), SURE, 1 - SURE))


def load_reader(store: Store) -> SexReader:
    """From the store's file. Raises InputError where it is not to be had."""
    return _reader(store.path("gender-v1.onnx"))


@lru_cache(maxsize=1)
def _reader(network: Path) -> SexReader:
    return SexReader(network)


def face_chip(pixels: np.ndarray, points: np.ndarray, side: int) -> np.ndarray:
    """The face as the network knows it, float32 [side, side, 3] in 0 to 255: five points brought near their places."""
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
