"""What a browser's camera sees, in the size that the time allows."""

from __future__ import annotations

import math
from collections import deque

import numpy as np
import roma
import torch

from dinar.avatar import Avatar, composed
from dinar.body.model import Body
from dinar.camera import Camera, intrinsics

HEIGHTS = (320, 384, 448, 512, 640)   # pixels of a picture while something moves
SHARP = 1024                          # pixels at most when all is still
SLOW, FAST = 0.085, 0.045             # seconds a picture: smaller ones beyond the first, larger ones below the other
SAMPLES = 3                           # pictures that decide


class Pace:
    """How large pictures may be while something moves, so that 10 of them a second are reached."""

    def __init__(self) -> None:
        self._step = HEIGHTS.index(512)
        self._seconds: deque[float] = deque(maxlen=SAMPLES)

    @property
    def height(self) -> int:
        return HEIGHTS[self._step]

    def took(self, seconds: float) -> None:
        """A moving picture took so long. The middle of a few decides, for the first of a size always takes longer."""
        self._seconds.append(seconds)
        if len(self._seconds) < SAMPLES:
            return
        middle = sorted(self._seconds)[SAMPLES // 2]
        step = self._step + (middle < FAST) - (middle > SLOW)
        if 0 <= step < len(HEIGHTS) and step != self._step:
            self._step = step
            self._seconds.clear()


def camera_of(
    wxyz: np.ndarray,              # [4] camera -> world, OpenCV's axes
    position: np.ndarray,          # [3] metres
    fov: float,                    # vertical, radians
    size: tuple[int, int],         # (H, W) pixels
) -> Camera:
    """A browser's camera as one of dinar's."""
    w, x, y, z = (float(part) for part in wxyz)
    R = roma.unitquat_to_rotmat(torch.tensor([x, y, z, w])).T
    eye = torch.tensor([float(part) for part in position])
    return Camera(intrinsics(size[0] / 2 / math.tan(fov / 2), size), R, -R @ eye, size)


def size_of(height: int, canvas: tuple[int, int]) -> tuple[int, int]:
    """(H, W) with the canvas' proportions, at most as tall as asked for and no larger than the canvas."""
    tall, wide = canvas
    height = max(16, min(height, tall))
    return height, max(16, round(height * wide / tall))


def picture(
    avatar: Avatar, body: Body, camera: Camera, background: torch.Tensor | None, *, hung: bool = False
) -> np.ndarray:
    """A person on a colour [3], uint8 [H, W, 3]; on None with transparency, [H, W, 4]; `hung` as of `Avatar.render`."""
    drawn = composed(avatar.render(camera, body, hung=hung), background).cpu()
    return (drawn.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
