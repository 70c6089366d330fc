"""A photo as a fit looks at it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate as resize

from dinar.body.model import BodyModel
from dinar.errors import InputError
from dinar.fit.objective import Targets, targets
from dinar.photo.photo import Photo

SILHOUETTE_SIDE = 256   # pixels: a finer mask costs more than it tells

_GUESSED, _MEASURED = 0.25, 0.03   # spread of the logarithm of a focal length


@dataclass(frozen=True)
class Sight:
    """What one photo asks for; float64 but for the mask.

    target   landmarks
    mask     float32 [1, h, w]
    gap      float32 [h, w]  pixels from its outline
    scale    pixels of `mask` for one of the photo
    focal    first guess, pixels
    middle   [2] principal point, pixels
    loose    spread of the logarithm of the focal length
    """

    target: Targets
    mask: Tensor
    gap: Tensor
    scale: float
    focal: float
    middle: Tensor
    loose: float

    @classmethod
    def of(cls, photo: Photo, model: BodyModel) -> Self:
        """Raises InputError where a photo's mask is empty or its landmarks are too few."""
        rows = photo.mask[0] > 0.5
        y, x = rows.nonzero(as_tuple=True)
        if len(y) == 0:
            raise InputError("the person's mask is empty")
        target = targets(photo.landmarks, model.landmark_names, float(max(y.max() - y.min(), x.max() - x.min()) + 1))
        if (target.weight > 0).sum() < 6:
            raise InputError("too few landmarks of the person were found to fit a body")
        mask = _small(photo.mask)
        return cls(
            target=target.double(),
            mask=mask,
            gap=_gap(mask),
            scale=mask.shape[2] / photo.mask.shape[2],
            focal=_focal(photo),
            middle=_middle(photo).double(),
            loose=_GUESSED if photo.focal is None else _MEASURED,
        )


def _focal(photo: Photo) -> float:
    """Focal length in pixels of the crop: EXIF's, else a phone's (50 degrees along the picture's long side)."""
    if photo.focal is not None:
        return photo.focal
    return max(photo.source_size) * photo.window[2] / 2 / math.tan(math.radians(25))


def _middle(photo: Photo) -> Tensor:
    """The principal point [2] in pixels of the crop: the middle of the whole picture."""
    x, y, scale = photo.window
    height, width = photo.source_size
    return torch.tensor([(width / 2 - x) * scale, (height / 2 - y) * scale])


def _small(mask: Tensor) -> Tensor:
    """A mask at the size that silhouettes are compared at."""
    h, w = mask.shape[1:]
    scale = min(1.0, SILHOUETTE_SIDE / max(h, w))
    return resize(mask[None], (round(h * scale), round(w * scale)), mode="bilinear", antialias=True)[0]


def _gap(mask: Tensor) -> Tensor:
    """Pixels [h, w] from the mask's outline."""
    inside = (mask[0].numpy() > 0.5).astype(np.uint8)
    return torch.from_numpy(np.maximum(*(cv2.distanceTransform(m, cv2.DIST_L2, 5) for m in (inside, 1 - inside))))
