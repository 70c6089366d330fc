"""Is it the same person? What a network for re-identification says (the paper's column, section 4.3)."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dinar.errors import InputError
from dinar.evaluate.cases import digest_of
from dinar.photo.recognition import Network

SIZE = (256, 128)   # (H, W) that networks for re-identification usually take
_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# What the files of the Open Model Zoo are called, by `Reidentification.digest`
_KNOWN = {
    "7e2aca288f4dc2cc": "person-reidentification-retail-0267",
    "8b065573a633599d": "person-reidentification-retail-0277",
}
_OPEN_MODEL_ZOO = "person-reidentification-retail-"    # these take BGR in 0 to 255


@dataclass(frozen=True)
class Reidentification:
    """A network of the user's: [1, 3, 256, 128] to features. ONNX is run by OpenCV, OpenVINO's .xml by OpenVINO.

    The Open Model Zoo's person-reidentification-retail-* take BGR in 0 to 255, all others RGB normalised as ImageNet's.
    """

    path: Path

    @functools.cached_property
    def name(self) -> str:
        """What the network is called, for the table: the Open Model Zoo's by their content, others by their file."""
        return _KNOWN.get(self.digest, self.path.stem)

    @functools.cached_property
    def digest(self) -> str:
        """Of the network's file, and of the weights beside it where it has them there."""
        beside = self.path.with_suffix(".bin")
        paths = [self.path, *([beside] if self.path.suffix.lower() == ".xml" and beside.is_file() else [])]
        return digest_of(paths)

    def features(self, picture: Tensor, mask: Tensor) -> Tensor:
        """Features [D] of the person in a picture [3, H, W], cut to their mask [1, H, W]."""
        rows, columns = ((mask[0] > 0.5).any(axis).nonzero().flatten() for axis in (1, 0))
        if len(rows):
            picture = picture[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        scaled = functional.interpolate(picture[None], SIZE, mode="bilinear", antialias=True).clamp(0, 1)
        if self.name.startswith(_OPEN_MODEL_ZOO):
            return self._network(scaled.flip(1) * 255)
        mean, deviation = (torch.tensor(values)[:, None, None] for values in _IMAGENET)
        return self._network((scaled - mean) / deviation)

    @functools.cached_property
    def _network(self) -> Network | _OpenVino:
        return _OpenVino(self.path) if self.path.suffix.lower() == ".xml" else Network(self.path)


@dataclass(frozen=True)
class _OpenVino:
    """A network in OpenVINO's own format, of one input and one output, run by OpenVINO on one thread."""

    path: Path

    def __call__(self, inputs: Tensor) -> Tensor:   # [1, C, H, W] -> float32 [D]
        return torch.from_numpy(np.array(next(iter(self._compiled(inputs.numpy()).values())), np.float32)).flatten()

    @functools.cached_property
    def _compiled(self):
        try:
            import openvino
        except ImportError as error:
            raise InputError(f"{self.path} is OpenVINO's format; install openvino, or give an ONNX file") from error
        try:
            options = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
            return openvino.compile_model(self.path, "CPU", options)
        except RuntimeError as error:
            raise InputError(f"{self.path} is no network that OpenVINO reads, or its .bin is not beside it") from error
