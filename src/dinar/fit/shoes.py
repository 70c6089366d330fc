"""Whether a person wears shoes, and the feet that have them on: toes joined, with a sole (`body/data/shoes.npz`)."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from dinar.body.model import DATA, BodyModel
from dinar.parts import BodyPart
from dinar.texture.part_colours import STEPS, Places

SHOD = 0.6     # of the pixels of feet that are shoes or skin: as many are shoes
SEEN = 30      # such pixels, at least


def shod(places: Places, counts: np.ndarray) -> bool:
    """Whether photos show shoes on the feet rather than skin (`look.shown_at`); False where they do not show feet."""
    starts = (places.first[f"{side} leg"] + 2 * STEPS for side in ("left", "right"))
    feet = sum(counts[start : start + STEPS].sum(0) for start in starts)
    shoes, skin = feet[BodyPart.SHOES], feet[BodyPart.SKIN]
    return bool(shoes >= SEEN and shoes >= SHOD * (shoes + skin))


def made_for(model: BodyModel) -> bool:
    """Whether the shoes are made for a body: they are for the open one."""
    return model.name == "open"


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
