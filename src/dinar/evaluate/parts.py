"""Does each part keep to its own colours? No shirt on the trousers, no sleeve on the skin (needs labelled pictures)."""

from __future__ import annotations

import math

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter
from torch import Tensor

from dinar.images import to_bytes
from dinar.parts import BodyPart

CELLS = 16         # of the histogram, along each axis of Lab
BLUR = 1.0         # cells: a shade off is no other part
FLOOR = 1e-4       # share of a part's pixels that any colour may have
LIKELIER = 4.0     # how much more a colour has to be another part's than its own
LEAST = 50         # pixels of a part that tell its colours


def strayed(image: Tensor, mask: Tensor, truth: Tensor, true_mask: Tensor, labels: Tensor) -> float:
    """Share of a drawn person's pixels whose colour belongs to another part than their label, 0 to 1.

    image, truth      float32 [3, H, W]
    mask, true_mask   float32 [1, H, W]
    labels            uint8 [H, W]  part that the true picture shows (`parts.BodyPart`), 0 or UNKNOWN where none is told

    What colours a part has is told by the true picture; where that itself has another part's (labels that are wrong,
    shadows), nothing is counted, so that the truth gets 0. NaN where it shows fewer than two parts.
    """
    sure = (true_mask[0] > 0.9) & (labels != BodyPart.BACKGROUND) & (labels != BodyPart.UNKNOWN)
    there = (sure & (mask[0] > 0.9)).numpy()
    sure, names = sure.numpy(), labels.numpy()
    found = [part for part in np.unique(names[sure]) if int((names == part)[sure].sum()) >= LEAST]
    if len(found) < 2:
        return math.nan
    there &= np.isin(names, found)
    own = np.searchsorted(found, names[there])
    true_cells, cells = (_cells(picture) for picture in (truth, image))
    drawn, true = np.empty((len(found), len(own))), np.empty((len(found), len(own)))
    for k, part in enumerate(found):
        counts = np.zeros((CELLS,) * 3)
        np.add.at(counts, tuple(true_cells[sure & (names == part)].T), 1.0)
        smooth = gaussian_filter(counts, BLUR, mode="constant")
        likely = smooth / smooth.sum() + FLOOR
        drawn[k], true[k] = likely[tuple(cells[there].T)], likely[tuple(true_cells[there].T)]
    plain = ~_astray(true, own)
    return float(_astray(drawn, own)[plain].mean()) if plain.any() else math.nan


def _astray(likely: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Whether each of N colours is another part's; `likely` [parts, N] they are in each, `own` [N] their part."""
    return likely.max(0) > LIKELIER * np.take_along_axis(likely, own[None], 0)[0]


def _cells(picture: Tensor) -> np.ndarray:
    """The cell of each pixel's colour: [H, W, 3]."""
    return cv2.cvtColor(to_bytes(picture), cv2.COLOR_RGB2LAB).astype(int) * CELLS // 256
