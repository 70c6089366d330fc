"""ONNX files read by OpenCV."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np


def opened(path: Path) -> cv2.dnn.Net:
    """A network, from its file's bytes: names OpenCV opens in Windows' code page, which has few of the world's letters.

    Raises cv2.error where it is no network that OpenCV reads.
    """
    return cv2.dnn.readNetFromONNX(np.frombuffer(path.read_bytes(), np.uint8))
