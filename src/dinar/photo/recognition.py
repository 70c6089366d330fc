"""Faces known again: SFace (Zhong et al. 2021), from five points of a face."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from dinar.errors import InputError
from dinar.photo.onnx import opened
from dinar.store import Store

SFACE = "face_recognition_sface_2021dec_int8bq.onnx"
FACE_SIDE = 112

# Where SFace wants right and left eye, nose and the mouth's corners in 112 x 112 pixels (as ArcFace does).
TEMPLATE = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))


@dataclass(frozen=True)
class Network:
    """An ONNX network of one input and one output, run by OpenCV.

    input  its name, where the file's author is known; empty: whatever it is called
    """

    path: Path
    input: str = ""

    def __call__(self, inputs: Tensor) -> Tensor:   # [1, C, H, W] -> float32 [D]
        """Raises InputError where the network does not take it."""
        try:
            self._net.setInput(np.ascontiguousarray(inputs.numpy(), np.float32), self.input)
            return torch.from_numpy(self._net.forward().copy()).float().flatten()
        except cv2.error as error:
            raise InputError(f"{self.path} does not run on an input of {list(inputs.shape)}") from error

    @functools.cached_property
    def _net(self) -> cv2.dnn.Net:
        try:
            if self.input or (sys.platform == "win32" and not str(self.path).isascii()):
                return opened(self.path)
            # OpenCV 5's own engine takes weights for inputs in files of older exporters, and from bytes uses no other
            engine = (cv2.dnn.ENGINE_CLASSIC,) if hasattr(cv2.dnn, "ENGINE_CLASSIC") else ()
            return cv2.dnn.readNetFromONNX(str(self.path), *engine)
        except cv2.error as error:
            raise InputError(f"{self.path} is no ONNX network that OpenCV reads") from error


def load_face(store: Store) -> Network:
    """SFace. Raises InputError where it is neither at hand nor to be had."""
    return Network(store.path(SFACE), "data")


def aligned_face(image: Tensor, points: Tensor) -> Tensor:
    """The face of [3, H, W] in [0, 1], its `points` [5, 2] where SFace wants them: [3, 112, 112]."""
    x, y = points.double().T
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    rows = torch.cat([torch.stack([x, -y, one, zero], 1), torch.stack([y, x, zero, one], 1)])   # of a similarity
    goal = torch.tensor(TEMPLATE, dtype=torch.float64).T.flatten()
    a, b, dx, dy = torch.linalg.lstsq(rows, goal[:, None]).solution[:, 0].tolist()
    matrix = np.array([[a, -b, dx], [b, a, dy]])
    picture = image.permute(1, 2, 0).contiguous().numpy()
    face = cv2.warpAffine(picture, matrix, (FACE_SIDE, FACE_SIDE), flags=cv2.INTER_LINEAR, borderValue=(0.5,) * 3)
    return torch.from_numpy(face).permute(2, 0, 1)


def face_features(network: Network, image: Tensor, points: Tensor) -> Tensor:
    """What SFace sees in the face of a picture [3, H, W] whose `points` are at [5, 2]: [D]."""
    return network(aligned_face(image, points)[None] * 255)


def cosine_distance(a: Tensor, b: Tensor) -> float:
    """1 - cosine of two vectors [D]."""
    return float(1 - torch.nn.functional.cosine_similarity(a.double(), b.double(), dim=0))
