"""Faces that no photo shows: people's mean one, in the tone of the skin that is seen of a person."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dinar.body.layers import SCALE
from dinar.body.model import DATA
from dinar.body.uv import PARTS, part_weights
from dinar.raster.nearest import nearest

if TYPE_CHECKING:
    from dinar.body.model import BodyModel
    from dinar.body.uv import TexelMap, UVLayout

STEPS = 40.0           # of the file, for one of the logarithm of a face's colour over its skin's tone
ELLIPSE = (0.0, -0.5), (0.95, 1.5), 0.4    # of a face: middle, half axes and edge, in distances between the eyes
FRONT = -1.0, -0.5     # and how far before the eyes (z) its sides end
UNSEEN = 0.05, 0.25    # seen shares of that ellipse: up to the first a face is not seen, from the second on it is
ALIKE = 0.25, 0.7      # differences of the logarithms of red over green, and of green, up to which hands wear no gloves
ENOUGH = 30.0          # texels of skin that tell its tone
APART = 8.0            # texels over which what is made up passes into what is seen


@dataclass(frozen=True, eq=False)
class MeanFace:
    """A face on a body's texture, R texels a side.

    ratio  float32 [3, R, R]  a face's colours over its skin's tone
    oval   float32 [1, R, R]  how far each texel belongs to the face's front, in [0, 1]
    skin   float32 [2, R, R]  and to skin of the head, of hands
    image  int64   [R * R]    the nearest texel on an island, of each
    """

    ratio: Tensor
    oval: Tensor
    skin: Tensor
    image: Tensor

    @classmethod
    def of(cls, model: BodyModel, layout: UVLayout, texels: TexelMap, face: Tensor) -> Self | None:
        """None where there is none for the layout.

        face  float32 [V]  1 on the face and at the ears (`filling.face_of`)
        """
        if layout.name not in ("front", "clothed"):
            return None
        size = texels.face.shape[-1]
        side = round(size * SCALE) if layout.name == "clothed" else size
        ratio = functional.interpolate(_ratio()[None], (side, side), mode="bilinear", align_corners=False)[0]
        ratio = functional.pad(ratio, (0, size - side) * 2, value=1.0).to(model.template.device)
        body = (model.layer == 0).float()
        hands = part_weights(model)[:, [PARTS.index(f"{side} hand") for side in ("left", "right")]].sum(1)
        skin = texels.interpolate(torch.stack([face * body, hands * body], dim=1), model.faces)[0]
        covered = texels.covered[0]
        image = torch.from_numpy(nearest(covered[0].cpu().numpy() > 0)).flatten().to(ratio.device)
        return cls(ratio, oval_of(model, texels), skin * covered, image)

    def worn(self, filled: Tensor, rgb: Tensor, seen: Tensor, trust: Tensor) -> Tensor:
        """Colours [B, 3, R, R] with a face where photos show less than a quarter of one.

        filled  [B, 3, R, R]  without holes
        rgb     [B, 3, R, R]  as photos show it
        seen    [B, 1, R, R]  1 where they do; that stays
        trust   [B, 1, R, R]  how far a texel may be a source, [0, 1]
        """
        out = []
        for now, colours, shown, sound in zip(filled, rgb, seen, trust, strict=True):
            share = float((self.oval * shown).sum() / self.oval.sum())
            amount = min(max((UNSEEN[1] - share) / (UNSEEN[1] - UNSEEN[0]), 0.0), 1.0)
            tone = self._tone(colours, sound * shown) if amount > 0 else None
            if tone is None:
                out.append(now)
                continue
            near = functional.avg_pool2d(shown[None], 2 * round(APART) + 1, 1, round(APART))[0]
            made = tone[:, None, None] * torch.lerp(torch.ones_like(self.ratio), self.ratio, self.oval)
            free = amount * self.skin[:1].clamp(0, 1) * (1 - 2 * near).clamp(0, 1) * (shown == 0)
            out.append(torch.lerp(now, made.clamp(0, 1), free).flatten(1)[:, self.image].view_as(now))
        return torch.stack(out)

    def _tone(self, rgb: Tensor, trust: Tensor) -> Tensor | None:
        """The mean colour [3] of the skin that is seen; None where too little is."""
        weights = trust * (self.skin > 0.5)
        count = weights.flatten(1).sum(1)
        sums = torch.einsum("khw,chw->kc", weights, rgb)
        head, hands = (sums / count.clamp(min=1e-6)[:, None]).clamp(min=0.02).log()
        apart = (head - hands).abs(), (head[0] - head[1] - hands[0] + hands[1]).abs()
        if float(count[0]) < ENOUGH or apart[1] > ALIKE[0] or apart[0][1] > ALIKE[1]:
            sums, count = sums[:1], count[:1]
        return sums.sum(0) / count.sum() if float(count.sum()) >= ENOUGH else None


def from_eyes(model: BodyModel) -> Tensor:
    """Where vertices at rest lie from between the eyes, in distances between them: [V, 3]."""
    vertices, joints = (part[0].detach() for part in model.rest(model.neutral().shape))
    left, right = joints[model.humanoid["leftEye"]], joints[model.humanoid["rightEye"]]
    return (vertices - (left + right) / 2) / (left - right).norm()


def oval_of(model: BodyModel, texels: TexelMap) -> Tensor:
    """How far each texel belongs to the front of the body's own face: float32 [1, R, R] in [0, 1]."""
    told = torch.cat([from_eyes(model), (model.layer == 0).float()[:, None]], dim=1)
    x, y, z, body = texels.interpolate(told, model.faces)[0] * texels.covered[0]
    middle, half, edge = ELLIPSE
    away = (((x - middle[0]) / half[0]).square() + ((y - middle[1]) / half[1]).square()).sqrt()
    front = ((z - FRONT[0]) / (FRONT[1] - FRONT[0])).clamp(0, 1) * (body > 0.5)
    return (((1 + edge / 2 - away) / edge).clamp(0, 1) * front)[None]


@lru_cache(maxsize=1)
def _ratio() -> Tensor:
    """Colours of the mean face over its skin's tone, in the layout `front`: float32 [3, S, S]."""
    with np.load(DATA / "face.npz", allow_pickle=False) as data:
        return torch.from_numpy(data["ratio"].astype(np.float32) / STEPS).exp()
