"""A garment with its look, on a body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dinar.body.model import BodyModel
from dinar.synth.garments.cloth import Look, folds, pictured
from dinar.synth.garments.sewing import Garment, sewn
from dinar.synth.kernels.colours import to_bytes
from dinar.synth.piece import Piece


@dataclass(frozen=True, eq=False)
class Worn:
    """A garment, its look, and how deep its folds are."""

    garment: Garment
    look: Look
    folds: float

    def piece(
        self, model: BodyModel, body: np.ndarray, shape: np.ndarray, rng: np.random.Generator, size: int
    ) -> Piece:
        """It on a resting body [V, 3], its whole surface being `shape`, with a picture of `size` texels a side."""
        light = pictured(self.garment, model, self.look, size)
        picture = np.empty(light.shape, np.uint8)
        to_bytes(light.ravel(), picture.ravel())
        return sewn(self.garment, model, body, shape, picture, folds(rng, size, self.folds))


def srgb(light: np.ndarray) -> np.ndarray:
    """A colour of linear light [3] as sRGB, float64 from 0 to 255."""
    out = np.empty(3, np.uint8)
    to_bytes(np.float32(light), out)
    return out.astype(np.float64)
