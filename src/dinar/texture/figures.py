"""What of cloth's fine detail is its own, and goes on where no photo shows it, and what is a figure's and does not.

A weave, a pattern or folds are much alike all over a limb. What is stronger than the fabric's rows explain, or than the
same limb's detail elsewhere, is a print, a badge, a zip, a pocket's edge, and stays where it was seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from dinar.texture.fabric import Fabric
    from dinar.texture.rounds import Round

FAINT, STRONG = 0.012, 0.1    # of the fabric's own detail, RGB: taken for at least and at most
FIGURE = 1.5, 2.5      # multiples of that: detail is the fabric's up to the first, a figure's from the second on
DOUBTED = 2.5          # multiples that detail counts where garments are closed: buttons, zips and collars stand there
COLLARS = 1.5, 2.0     # multiples of the detail below: none at the neck is a collar's up to the first, all is from the
#                        second on
SOUND = 0.5            # how far fine detail has to be known to be as strong as it is
GRAIN = 1.5            # texels that a cell is wide: what is finer is weave, however strong
FINE = 16.0            # texels: finer differences are detail, coarser ones light
RIM = 7                # texels about a figure that it is mixed with
SPOT, AROUND = (3.0, 4.0), 40.0      # multiples of the detail within so many texels: a small figure's, as above
NEAR = 4.0             # texels within which detail is as strong as it is,
MOST = 0.4, 1.2        # and quantile of a limb's, times which it is the fabric's: what is stronger, as pockets'
#                        edges are, is made weaker than that


def own_detail(fabric: Fabric, rgb: Tensor, trust: Tensor, rounds: Sequence[Round] = ()) -> tuple[Tensor, Tensor]:
    """Fine detail of colours [3, R, R] that is the fabric's own and no figure's, and how far it is known [1, R, R].

    Both are as far as `trust` [1, R, R] goes. Along `rounds` it is nowhere much stronger than on most of each.
    """
    differ = rgb - fabric.base
    seen = (trust > 0).to(rgb)
    soft = _blurred(torch.cat([differ * seen, seen]), GRAIN)            # as the cells of a row, whose detail it is
    soft = (soft[:3] / soft[3:].clamp(min=1e-4)).abs().amax(0, keepdim=True)
    strong = soft / fabric.detail.clamp(FAINT, STRONG) * (1 + (DOUBTED - 1) * _doubt(fabric, soft, trust))
    known = ((FIGURE[1] - strong) / (FIGURE[1] - FIGURE[0])).clamp(0, 1) * (fabric.sure > 0)
    known = _blurred(_shrunk(known), 1.0) * trust
    slow = _blurred(torch.cat([differ * known, known]), FINE)
    fine = differ - slow[:3] / slow[3:].clamp(min=1e-4)
    known = known * _blurred(_shrunk(_common(fine, known)), 1.0)
    return fine * known * _levelled(fine, known, rounds), known


def _doubt(fabric: Fabric, detail: Tensor, trust: Tensor) -> Tensor:
    """How far detail [1, R, R] is likely to be a figure's for where it stands: [1, R, R] in [0, 1]."""
    middle, *parts = fabric.fronts.split(1)
    seen = [part * trust for part in parts]
    neck, below = (float((detail.square() * of).sum() / of.sum().clamp(min=1)) for of in seen)
    ratio = (neck / max(below, 1e-9)) ** 0.5
    collar = min(max((ratio - COLLARS[0]) / (COLLARS[1] - COLLARS[0]), 0.0), 1.0)
    return torch.maximum(middle, parts[0] * collar)


def _common(fine: Tensor, known: Tensor) -> Tensor:
    """1 where detail [3, R, R] is no stronger than what is known of it [1, R, R] round about, 0 at small figures."""
    spot = _blurred(torch.cat([fine * known, known]), GRAIN)
    spot = (spot[:3] / spot[3:].clamp(min=1e-2)).abs().amax(0, keepdim=True)
    size = _blurred(torch.cat([spot * known, known]), AROUND)
    strong = spot / (size[:1] / size[1:].clamp(min=1e-4)).clamp(min=FAINT / 2)
    return ((SPOT[1] - strong) / (SPOT[1] - SPOT[0])).clamp(0, 1)


def _levelled(fine: Tensor, known: Tensor, rounds: Sequence[Round]) -> Tensor:
    """What detail [3, R, R] counts, [1, R, R] in [0, 1], that is known as far as [1, R, R] says.

    A weave or a pattern is as strong everywhere on a limb; pockets, hems and edges of prints stand out among folds.
    """
    size = _blurred(torch.cat([fine.square().mean(0, keepdim=True) * known, known]), NEAR)
    size = (size[:1] / size[1:].clamp(min=1e-4)).sqrt()
    strong, share = size.flatten(), torch.ones_like(size.flatten())
    for about in rounds:
        here = torch.from_numpy(about.texels[about.share > 0.5]).to(strong.device)
        sound = strong[here[known.flatten()[here] > 0.5 * SOUND]]
        if len(sound):
            most = MOST[1] * torch.quantile(sound, MOST[0])
            share[here] = (most / strong[here].clamp(min=1e-6)).clamp(max=1).square()
    return share.view_as(size)


def _shrunk(share: Tensor) -> Tensor:
    """The least of a share [1, R, R] within half of RIM."""
    return -functional.max_pool2d(-share[None], RIM, 1, RIM // 2)[0]


def _blurred(image: Tensor, reach: float) -> Tensor:
    """An image [C, H, W] blurred by a Gaussian of so many texels; by wide ones at a quarter of its size."""
    lines = image.permute(1, 2, 0).contiguous().cpu().numpy()
    height, width = lines.shape[:2]
    part = 4 if reach > 8 else 1
    small = cv2.resize(lines, (width // part, height // part), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(small, (0, 0), reach / part, borderType=cv2.BORDER_REPLICATE)
    soft = cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR).reshape(lines.shape)
    return torch.from_numpy(soft).permute(2, 0, 1).to(image)
