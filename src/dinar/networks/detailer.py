"""The detailer: what a painted unseen side has of folds, seams and hair that neither filling nor diffusion says."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from dinar.networks.convolutional import ResidualBlock, resampled

_EPSILON = 1e-5     # of the normalisation


class Detailer(nn.Module):
    """A U-Net over the whole atlas `clothed`, from what is filled and painted to what is to be added to it.

    The paper has none: there the decoder of the VQGAN draws all of the unseen side, as fine as its codes are. Here it
    is told the filling, which is as fine as the photo, and what diffusion made of it, and learns from true pictures
    what is usual at each place of a body beside that (`train.detailing`). Blocks of fold x fold texels enter and leave
    as one. Maps that it learns, a value a block, tell where on the body it is.
    """

    def __init__(
        self,
        size: int = 640,                              # texels a side of the atlas
        fold: int = 4,                                # texels a side that enter and leave as one
        places: int = 16,                             # learnt maps
        width: int = 32,                              # features at full side
        multipliers: Sequence[int] = (1, 2, 4, 6),    # of the width, level by level
        groups: int = 8,                              # of the normalisation
    ) -> None:
        super().__init__()
        self.size, self.fold = size, fold
        widths = [width * multiplier for multiplier in multipliers]
        block = {"groups": groups, "epsilon": _EPSILON}
        self.places = nn.Parameter(0.1 * torch.randn(places, size // fold, size // fold))
        self.conv_in = nn.Conv2d(7 * fold**2 + places, width, 3, padding=1)
        self.down = nn.ModuleList([ResidualBlock(a, b, **block) for a, b in pairwise([width, *widths])])
        self.middle = ResidualBlock(widths[-1], widths[-1], **block)
        self.up = nn.ModuleList([ResidualBlock(a + b, b, **block) for b, a in pairwise(widths)])
        self.norm_out = nn.GroupNorm(groups, width, _EPSILON)
        self.conv_out = nn.Conv2d(width, 3 * fold**2, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)          # at first nothing is added
        nn.init.zeros_(self.conv_out.bias)

    def forward(self, plain: Tensor, painted: Tensor, known: Tensor) -> Tensor:
        """What is to be added to `painted`: float32 [B, 3, R, R].

        plain    [B, 3, R, R]  colours, filled without networks, [0, 1]
        painted  [B, 3, R, R]  with what diffusion makes of them, [0, 1]
        known    [B, 1, R, R]  1 where a photo shows them

        Raises ValueError where R is not the atlas' side.
        """
        if plain.shape[-1] != self.size:
            raise ValueError(f"a texture of {plain.shape[-1]} texels is none of {self.size}")
        x = functional.pixel_unshuffle(torch.cat([plain, painted, known], dim=1) * 2 - 1, self.fold)
        x = self.conv_in(torch.cat([x, self.places.expand(len(x), -1, -1, -1)], dim=1))
        kept = []
        for i, block in enumerate(self.down):
            x = block(x if i == 0 else resampled(x, "half"))
            kept.append(x)
        x = self.middle(kept.pop())
        for block in reversed(self.up):
            x = block(torch.cat([resampled(x, "double"), kept.pop()], dim=1))
        return functional.pixel_shuffle(self.conv_out(functional.silu(self.norm_out(x))).float(), self.fold)
