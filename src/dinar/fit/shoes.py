"""Whether a person wears shoes, and the feet that have them on: toes joined, with a sole (`body/data/shoes.npz`)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from dinar.body.layers import bare
from dinar.body.model import DATA, BodyModel
from dinar.fit.skirt import Look
from dinar.parts import BodyPart
from dinar.raster.rasterize import rasterize
from dinar.texture.part_colours import STEPS, Places

SHOD = 0.6     # of the pixels of feet that are shoes or skin: as many are shoes
SEEN = 30      # such pixels, at least


def shod(model: BodyModel, looks: Sequence[Look]) -> bool:
    """Whether photos show shoes on the feet rather than skin; False where they do not show feet."""
    model, places = bare(model), Places.on(bare(model))
    starts = (places.first[f"{side} leg"] + 2 * STEPS for side in ("left", "right"))
    feet = [start + k for start in starts for k in range(STEPS)]
    shoes = skin = 0
    for look in looks:
        with torch.no_grad():
            points = look.camera.project(model(look.body).vertices)
        face = rasterize(points, model.faces, look.camera.size).face[0].long()
        place = torch.where(face >= 0, places.of[face.clamp(min=0)], -1)
        shown = look.parts[torch.isin(place, torch.tensor(feet))]
        shoes += int((shown == BodyPart.SHOES).sum())
        skin += int((shown == BodyPart.SKIN).sum())
    return shoes >= SEEN and shoes >= SHOD * (shoes + skin)


def put_on(model: BodyModel) -> Tensor:
    """Movements [V, 3] of the open body's resting vertices, metres, that make shoes of its feet."""
    index, offset = _loaded()
    moved = torch.zeros_like(model.template)
    moved[index] = offset.to(moved)
    return moved


@lru_cache(maxsize=1)
def _loaded() -> tuple[Tensor, Tensor]:
    with np.load(DATA / "shoes.npz", allow_pickle=False) as data:
        return torch.from_numpy(data["index"].astype(np.int64)), torch.from_numpy(data["offset"].astype(np.float32))
