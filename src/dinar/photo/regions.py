"""Rotated squares of a picture, as networks look at them; pixel centres at half-integers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np


@dataclass(frozen=True)
class Region:
    """A square of a picture: centre (x, y) and side in pixels, turned by `angle` radians (clockwise as seen)."""

    x: float
    y: float
    side: float
    angle: float = 0.0

    @classmethod
    def around(cls, centre: np.ndarray, top: np.ndarray, scale: float) -> Self:
        """The square that stands on `centre` with `top` upwards, half a side = scale times their distance."""
        dx, dy = (top - centre).tolist()
        return cls(float(centre[0]), float(centre[1]), 2 * scale * math.hypot(dx, dy), math.atan2(dx, -dy))

    def shifted(self, right: float, down: float, scale: float) -> Self:
        """Moved along its own axes by fractions of its side, then scaled."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        x = self.x + self.side * (c * right - s * down)
        y = self.y + self.side * (s * right + c * down)
        return type(self)(x, y, self.side * scale, self.angle)

    @property
    def rotation(self) -> np.ndarray:
        """[2, 2]: directions in the region -> directions in the picture."""
        c, s = math.cos(self.angle), math.sin(self.angle)
        return np.array([[c, -s], [s, c]])

    def matrix(self, size: int) -> np.ndarray:
        """[2, 3]: pixels of the region drawn at `size` x `size` -> pixels of the picture."""
        linear = self.rotation * (self.side / size)
        return np.column_stack([linear, np.array([self.x, self.y]) - linear @ np.array([size / 2, size / 2])])

    def to_picture(self, points: np.ndarray, size: int) -> np.ndarray:
        """Points [N, 2] of the region drawn at `size` -> picture."""
        matrix = self.matrix(size)
        return points @ matrix[:, :2].T + matrix[:, 2]

    def from_picture(self, points: np.ndarray, size: int) -> np.ndarray:
        """Points [N, 2] of the picture -> region drawn at `size`."""
        matrix = self.matrix(size)
        return (points - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T

    def seen_in(self, x: float, y: float, scale: float) -> Self:
        """The same region in a window of the picture: pixel p becomes (p - (x, y)) * scale."""
        return type(self)((self.x - x) * scale, (self.y - y) * scale, self.side * scale, self.angle)

    def draw(self, pixels: np.ndarray, size: int, *, border: tuple[int, int, int] = (0, 0, 0)) -> np.ndarray:
        """float32 [size, size, 3] in [0, 1] out of uint8 [H, W, 3]; antialiased; `border` outside the picture."""
        matrix = self.matrix(size)
        corners = self.to_picture(np.array([[0, 0], [size, 0], [0, size], [size, size]]), size)
        h, w = pixels.shape[:2]
        low = np.floor(corners.min(axis=0) - 2).astype(int).clip(0, (w - 1, h - 1))
        high = np.ceil(corners.max(axis=0) + 2).astype(int).clip(low + 1, (w, h))
        pixels = pixels[low[1] : high[1], low[0] : high[0]]
        matrix[:, 2] -= low
        shrink = self.side / size
        if shrink > 1:
            h, w = pixels.shape[:2]
            small = max(1, round(w / shrink)), max(1, round(h / shrink))
            pixels = cv2.resize(pixels, small, interpolation=cv2.INTER_AREA)
            matrix = matrix * np.array([[small[0] / w], [small[1] / h]])
        out = cv2.warpAffine(
            pixels, _indexed(matrix), (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderValue=border
        )
        return out.astype(np.float32) / 255

    def paste(self, mask: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """A square float mask of the region laid into a picture of `shape` (H, W); 0 elsewhere."""
        matrix = _indexed(self.matrix(mask.shape[0]))
        return cv2.warpAffine(mask, matrix, (shape[1], shape[0]), flags=cv2.INTER_CUBIC).clip(0, 1)


def _indexed(matrix: np.ndarray) -> np.ndarray:
    """The same map for OpenCV, whose pixel centres are integers."""
    out = matrix.copy()
    out[:, 2] += matrix[:, :2] @ np.array([0.5, 0.5]) - 0.5
    return out
