"""Pictures as light and back."""

from __future__ import annotations

import cv2
import numpy as np

from dinar.synth.kernels.colours import LINEAR, to_bytes

_GREY = np.full((1, 3), 1 / 3, np.float32)


def linear(picture: np.ndarray) -> np.ndarray:
    """sRGB bytes [h, w, 3 or 4] as linear light float32 [h, w, 3]."""
    return cv2.LUT(np.ascontiguousarray(picture[..., :3]), LINEAR)


def bytes_of(light: np.ndarray) -> np.ndarray:
    """Linear light in [0, 1] as sRGB bytes."""
    out = np.empty(light.shape, np.uint8)
    to_bytes(np.ascontiguousarray(light, np.float32).ravel(), out.ravel())
    return out


def grey_of(light: np.ndarray) -> np.ndarray:
    """The mean of its three colours, float32 [h, w]."""
    return cv2.transform(light, _GREY)
