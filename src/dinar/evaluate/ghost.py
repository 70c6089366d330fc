"""Does the front shine through on the back? Its fine detail, mirrored, compared with the back's."""

from __future__ import annotations

import math
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

FINE = 0.0133      # of the person's height in the picture: detail of about this size counts
ALONG = 1 / 12     # of the trunk's width: detail that goes on along a row for so long goes round the body
LEAST = 200        # pixels of a trunk that have to be left
NUDGE = 2          # pixels


def ghost(
    front: Tensor,                 # [3, H, W] the person from in front
    back: Tensor,                  # [3, H, W] from behind, in the same pose, as large in the picture
    masks: tuple[Tensor, Tensor],  # [1, H, W] where the person is in both
    trunks: tuple[Tensor, Tensor],   # bool [H, W] where their trunk is
) -> float:
    """Correlation of the trunk's fine luminance in front with that behind, mirrored: -1 to 1, 0 on most true backs.

    What goes on along rows is taken out first: hems, belts and stripes go round the body, and are true behind.

    The back is laid over the front by height and by the middles of both trunks, and from there moved by up to NUDGE
    pixels to where it fits best: what is mirrored lies deeper or less deep than what it is a mirror image of. NaN where
    no trunk is seen from both sides, or one side has no detail at all.
    """
    masks = (masks[0], masks[1].flip(-1))
    trunks = (trunks[0], trunks[1].flip(-1))
    rows = (masks[0][0] > 0.5).any(1).nonzero().flatten()
    if not len(rows) or not trunks[0].any() or not trunks[1].any():
        return math.nan
    side = max(3, round(FINE * int(rows[-1] + 1 - rows[0])) // 2 * 2 + 1)
    down = round(_middle(masks[0][0] > 0.5, 1) - _middle(masks[1][0] > 0.5, 1))
    right = round(_middle(trunks[0], 0) - _middle(trunks[1], 0))
    reach = side + 4            # as far as the high pass looks, so that no outline takes part
    around = tuple(_span(trunks[0].any(axis), reach + NUDGE) for axis in (1, 0))
    along = round(ALONG * int((trunks[0] | trunks[1]).any(0).sum())) // 2 * 2 + 1
    here = (masks[0][0] > 0.9) & trunks[0], _without_rows(_fine(front, side), trunks[0], along)
    there = (masks[1][0] > 0.9) & trunks[1], _without_rows(_fine(back.flip(-1), side), trunks[1], along)
    mine, fine = (image[around] for image in here)
    theirs, behind = (torch.roll(image, (down, right), (-2, -1))[around] for image in there)
    found = []
    for shift in product(range(-NUDGE, NUDGE + 1), repeat=2):
        trunk, other = (torch.roll(image, shift, (-2, -1)) for image in (theirs, behind))
        inside = functional.avg_pool2d((mine & trunk)[None, None].float(), reach, 1, reach // 2)[0, 0] > 0.999
        a, b = fine[inside].double(), other[inside].double()
        energy = float(a.square().sum() * b.square().sum()) ** 0.5
        if int(inside.sum()) >= LEAST and energy > 1e-9:
            found.append(float((a * b).sum()) / energy)
    return max(found, default=math.nan)


def _span(line: Tensor, margin: int) -> slice:
    """From the first to the last that is true of bool [N], and so much more on both sides."""
    true = line.nonzero().flatten()
    return slice(max(int(true[0]) - margin, 0), int(true[-1]) + 1 + margin)


def _middle(region: Tensor, axis: int) -> float:
    """Row (axis 1) or column (0) between the outermost pixels of a region bool [H, W]."""
    line = region.any(axis).nonzero().flatten()
    return float(line[0] + line[-1]) / 2


def _fine(image: Tensor, side: int) -> Tensor:
    """Luminance of [3, H, W] without what changes slowly: [H, W]."""
    grey = image.mean(0)[None, None]
    return (grey - functional.avg_pool2d(grey, side, 1, side // 2, count_include_pad=False))[0, 0]


def _without_rows(fine: Tensor, trunk: Tensor, along: int) -> Tensor:
    """Detail [H, W] less its mean over so many pixels of its row, those of a trunk bool [H, W] alone."""
    inside = trunk[None, None].to(fine)
    window = (1, along), 1, (0, along // 2)
    mean = functional.avg_pool2d(fine * inside, *window) / functional.avg_pool2d(inside, *window).clamp(min=1e-3)
    return fine - mean[0, 0]
