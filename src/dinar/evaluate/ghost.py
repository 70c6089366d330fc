"""Does the front shine through on the back? Its fine detail, mirrored, compared with the back's."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

FINE = 0.0133      # of the person's height in the picture: detail of about this size counts
LEAST = 200        # pixels of a trunk that have to be left


def ghost(
    front: Tensor,                 # [3, H, W] the person from in front
    back: Tensor,                  # [3, H, W] from behind, in the same pose, as large in the picture
    masks: tuple[Tensor, Tensor],  # [1, H, W] where the person is in both
    trunks: tuple[Tensor, Tensor],   # bool [H, W] where their trunk is
) -> float:
    """Correlation of the trunk's fine luminance in front with that behind, mirrored: -1 to 1, 0 on most true backs.

    The back is laid over the front by the middles of both trunks. NaN where no trunk is seen from both sides, or one
    side has no detail at all.
    """
    masks = (masks[0], masks[1].flip(-1))
    trunks = (trunks[0], trunks[1].flip(-1))
    rows = (masks[0][0] > 0.5).any(1).nonzero().flatten()
    if not len(rows) or not trunks[0].any() or not trunks[1].any():
        return math.nan
    side = max(3, round(FINE * int(rows[-1] + 1 - rows[0])) // 2 * 2 + 1)
    shift = [round(float(a - b)) for a, b in zip(_middle(trunks[0]), _middle(trunks[1]), strict=True)]

    def laid(image: Tensor) -> Tensor:
        return torch.roll(image, shift, (-2, -1))

    inside = (masks[0] > 0.9) & (laid(masks[1]) > 0.9) & trunks[0] & laid(trunks[1])
    reach = side + 4            # as far as the high pass looks, so that no outline takes part
    inside = functional.avg_pool2d(inside[None].float(), reach, 1, reach // 2)[0, 0] > 0.999
    if int(inside.sum()) < LEAST:
        return math.nan
    a, b = (_fine(image, side)[inside].double() for image in (front, laid(back.flip(-1))))
    energy = float(a.square().sum() * b.square().sum()) ** 0.5
    return float((a * b).sum()) / energy if energy > 1e-9 else math.nan


def _middle(region: Tensor) -> tuple[float, float]:
    """Row and column between the outermost pixels of a region [H, W]."""
    found = [region.any(axis).nonzero().flatten() for axis in (1, 0)]
    return tuple(float(line[0] + line[-1]) / 2 for line in found)


def _fine(image: Tensor, side: int) -> Tensor:
    """Luminance of [3, H, W] without what changes slowly: [H, W]."""
    grey = image.mean(0)[None, None]
    return (grey - functional.avg_pool2d(grey, side, 1, side // 2, count_include_pad=False))[0, 0]
