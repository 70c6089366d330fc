"""MODNet: how much of each pixel a person covers, to single strands of hair (Ke et al. 2022)."""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from dinar.photo.onnx import opened
from dinar.store import Store

STRIDE = 32        # its sides are multiples of this


class Modnet:
    """The network, by OpenCV."""

    def __init__(self, path: Path) -> None:
        self._network = opened(path)

    def __call__(self, pixels: np.ndarray, area: int) -> np.ndarray:
        """Alpha float32 [H, W] in [0, 1] of a picture uint8 [H, W, 3], looked at as about `area` pixels.

        It takes whoever is in the picture for the person: the better the less there is of others.
        """
        height, width = pixels.shape[:2]
        scale = math.sqrt(area / (height * width))
        size = tuple(max(STRIDE, round(side * scale / STRIDE) * STRIDE) for side in (width, height))
        kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        image = cv2.resize(pixels, size, interpolation=kind).astype(np.float32) / 127.5 - 1
        self._network.setInput(np.ascontiguousarray(image.transpose(2, 0, 1)[None]))
        alpha = self._network.forward()[0, 0]
        return cv2.resize(alpha, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)


def load_modnet(store: Store) -> Modnet:
    """From the store's file. Raises InputError where it is not to be had."""
    return _modnet(store.path("modnet.onnx"))


@lru_cache(maxsize=1)
def _modnet(path: Path) -> Modnet:
    return Modnet(path)
