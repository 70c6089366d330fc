"""Stripes, checks and dots for clothes in lessons, so that networks learn to leave what is woven as it is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

PERIODS = 0.015, 0.14   # metres from one stripe to the next, at least and at most
FILLED = 0.2, 0.7       # of a period that has the other colour
SOFT = 0.0015           # metres over which one colour turns into the other
WAVES = 0.004           # metres that stripes stray at most, over about a hand's breadth
LEFT = 0.3, 1.0         # of what is below, folds and shade too, that is left in the other colour
ADDED = 0.7             # of each of red, green and blue that is added to it at most


def pattern(places: Tensor, rng: np.random.Generator) -> Tensor:
    """A pattern about a body: how much of the other colour is at each place, float32 [H, W] in [0, 1].

    places  [H, W, 3]  of a texture's texels on a body at rest, metres, y up
    """
    angle = float(rng.choice([0.0, 0.5 * math.pi, rng.uniform(0, math.pi)]))     # most are upright or level
    x, y = places[..., 0].abs() + places[..., 2].abs(), places[..., 1]           # the same in front and behind
    along, across = math.cos(angle) * y + math.sin(angle) * x, math.cos(angle) * x - math.sin(angle) * y
    along = along + float(rng.uniform(0, WAVES)) * torch.sin(2 * math.pi * across / float(rng.uniform(0.08, 0.2)))
    kind = rng.choice(["stripes", "checks", "dots"], p=[0.6, 0.2, 0.2])
    one = _bars(along, rng)
    if kind == "stripes":
        return one
    other = _bars(across, rng)
    return (one + other) / 2 if kind == "checks" else one * other


def _bars(along: Tensor, rng: np.random.Generator) -> Tensor:
    period = math.exp(rng.uniform(*map(math.log, PERIODS)))
    half = float(rng.uniform(*FILLED)) * period / 2
    off = torch.remainder(along + float(rng.uniform(0, period)), period) - period / 2     # metres from a bar's middle
    return ((half - off.abs()) / SOFT + 0.5).clamp(0, 1)


def worn(colours: Sequence[Tensor], cover: Tensor, rng: np.random.Generator) -> list[Tensor]:
    """Colours [..., 3, H, W] of one person, each with the same other colour where `cover` [H, W] says so."""
    left, added = float(rng.uniform(*LEFT)), rng.uniform(0, ADDED, 3) * bool(rng.integers(2))
    shift = torch.from_numpy(added.astype(np.float32))[:, None, None]
    return [torch.lerp(some, (some * left + shift.to(some)).clamp(0, 1), cover.to(some)) for some in colours]
