"""Does the drawing have the person's outline? The overlap of its mask with the true one."""

from __future__ import annotations

import math

import torch
from torch import Tensor

FAINTEST = 8.0   # pixels of a person below which there is nothing to compare


def overlap(mask: Tensor, truth: Tensor, region: Tensor | None = None) -> float:
    """Soft intersection over union of two masks [1, H, W] in [0, 1], in a region [H, W]; NaN where both are empty."""
    both, either = torch.minimum(mask, truth).double(), torch.maximum(mask, truth).double()
    if region is not None:
        both, either = both * region, either * region
    union = float(either.sum())
    return float(both.sum()) / union if union > FAINTEST else math.nan
