"""What of the detailer's changes counts: where it may change a painted texture, and how far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from dinar.body.layers import BOXES, SCALE, bare
from dinar.body.model import BodyModel
from dinar.body.uv import PARTS, UVLayout, load_layout, part_weights, texel_map
from dinar.inpainting.colours import luminance, relit, steady
from dinar.texture.filling import face_of

BARE = "head", "left hand", "right hand"   # parts that may be given other hues
FEET = "left foot", "right foot"           # and those whose heels and soles lie in shade
DARKEST = 0.65       # parts of the plain filling's luminance that are left to the others at least
LIGHTER = 0.12       # grey that is added to it at most
FEATHER = 1 / 40     # of the texture's side: how far from what is seen changes begin to count whole


@dataclass(frozen=True)
class Freedom:
    """Where a painted texture may be changed. Each is float32 [1, R, R] in [0, 1].

    amount  how much of a change counts: none of it on the face, whose other half says more than other people's faces
    hues    how far colours may take other hues; elsewhere, on clothes and limbs, they are shaded alone: other people
            wear other hues
    held    how far clothes are as light as the plain filling but for folds (`colours.steady`): feet are not
    """

    amount: Tensor
    hues: Tensor
    held: Tensor

    @classmethod
    def of(cls, model: BodyModel, layout: UVLayout, size: int) -> Self:
        """On a body, and on the layers that it wears; size texels a side."""
        parts = part_weights(model)
        free, feet = (parts[:, [PARTS.index(part) for part in some]].sum(1) for some in (BARE, FEET))
        told = torch.stack([face_of(model), free, feet], dim=1)
        face, hues, feet = texel_map(layout, size).interpolate(told, model.faces)[0].split(1)
        return cls(1 - face, hues, 1 - feet)

    @classmethod
    def everywhere(cls, model: BodyModel, size: int) -> Self:
        """On the whole atlas `clothed`, size texels a side, whatever is worn."""
        amount, hues, held = torch.ones(1, size, size), torch.zeros(1, size, size), torch.ones(1, size, size)
        left, top, right, bottom = (round(size * at) for at in BOXES["hair"])
        hues[:, top:bottom, left:right] = 1
        side = round(size * SCALE)
        body = cls.of(bare(model), load_layout("front"), side)
        amount[:, :side, :side], hues[:, :side, :side], held[:, :side, :side] = body.amount, body.hues, body.held
        return cls(amount, hues, held)

    def changed(self, plain: Tensor, painted: Tensor, change: Tensor, edge: Tensor) -> Tensor:
        """Painted colours [B, 3, R, R] with as much of a change, as large, as counts.

        plain  what they are painted over, as large: clothes are as light as that but for folds
        edge   [B, 1, R, R]  1 where colours are known, falling to 0 beside that
        """
        amount, hues, held = (some.to(change) for some in (self.amount, self.hues, self.held))
        counts = amount * (1 - edge)
        free = (painted + change * counts).clamp(0, 1)
        light = steady(luminance(free), luminance(plain), counts * (1 - hues) * held)
        before = torch.lerp(painted, plain, held.expand_as(plain))
        found = torch.lerp(relit(light, before, darkest=DARKEST, lighter=LIGHTER), free, hues)
        return torch.where(counts > 0, found, painted)
