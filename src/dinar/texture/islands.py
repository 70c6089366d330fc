"""Where a texture shows the body, and what lies between: networks that see whole textures must not mix the two."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor
from torch.nn import functional

from dinar.body.uv import PARTS, part_labels, texel_map
from dinar.errors import InputError
from dinar.raster.nearest import nearest

if TYPE_CHECKING:
    from dinar.body.model import BodyModel
    from dinar.body.uv import UVLayout


@dataclass(frozen=True)
class Islands:
    """The islands of a layout in a texture of S x S texels.

    covered  float32 [1, 1, S, S]  1 where the texel's centre lies on an island, else 0
    nearest  int64   [S, S]        the nearest texel that is covered, as a flat index
    """

    covered: Tensor
    nearest: Tensor

    @classmethod
    def of(cls, layout: UVLayout, size: int) -> Self:
        """The islands at `size` texels a side, on the layout's device."""
        covered = texel_map(layout, size).covered
        inside = covered[0, 0].cpu().numpy() > 0
        return cls(covered, torch.from_numpy(nearest(inside)).to(covered.device))

    @property
    def size(self) -> int:
        """Texels a side."""
        return len(self.nearest)

    def extended(self, texture: Tensor) -> Tensor:
        """A texture [B, C, S, S] whose texels off the islands repeat the nearest one on them.

        What samples it at an island's border then reads that island alone, whatever a network left beside it.
        """
        return texture.flatten(2)[:, :, self.nearest.flatten()].view_as(texture)

    def latent_weight(self, shrinkage: int) -> Tensor:
        """1 for each latent of `shrinkage` texels a side that holds a covered texel: [1, 1, s, s]."""
        return functional.max_pool2d(self.covered, shrinkage)

    def to(self, device: torch.device | str) -> Self:
        return replace(self, covered=self.covered.to(device), nearest=self.nearest.to(device))


def part_texels(layout: UVLayout, model: BodyModel, parts: Collection[str], size: int) -> Tensor:
    """1 on the texels of some of the body's parts (`body.uv.PARTS`): float32 [1, 1, size, size].

    Raises InputError for a name that is no part's.
    """
    if unknown := sorted(set(parts) - set(PARTS)):
        raise InputError(f"the body has no part called {unknown[0]}; there are {', '.join(PARTS)}")
    face = texel_map(layout, size).face.long()
    chosen = torch.tensor([part in parts for part in PARTS], device=face.device)
    return (chosen[part_labels(model)[face.clamp(min=0)]] & (face >= 0)).float()[None, None]
