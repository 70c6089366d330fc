"""Does the picture flicker? LPIPS between neighbouring frames of a walk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dinar.camera import framing
from dinar.evaluate.metrics import BACKGROUND
from dinar.motion import retarget
from dinar.motion.motion import Motion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dinar.body.model import BodyModel
    from dinar.evaluate.rows import Drawer
    from dinar.perceptual.lpips import LPIPS

SECONDS, FPS, SIDE = 3.0, 30.0, 256
STEP = 8         # frames from one pair to the next
AZIMUTH = 25.0   # degrees: arms and legs pass before the trunk


def pairs(drawer: Drawer, model: BodyModel, shape: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Neighbouring frames of a person of `shape` [S] walking on the spot, [3, H, W] over mid-grey."""
    motion = Motion.load("walk").looped(SECONDS).resampled(FPS).in_place()
    with torch.no_grad():
        bodies = retarget.apply(motion, model, shape)
        few = range(0, len(bodies), max(1, len(bodies) // 8))
        points = torch.cat([model(bodies[i : i + 1]).vertices[0] for i in few])
    camera = framing(points, AZIMUTH, 4.0, (SIDE, SIDE))
    for i in range(0, len(bodies) - 1, STEP):
        first, second = (drawer(bodies[k : k + 1], camera).over(BACKGROUND)[0] for k in (i, i + 1))
        yield first, second


def flicker(lpips: LPIPS, pictures: Iterator[tuple[Tensor, Tensor]]) -> float:
    """The mean distance between neighbours; the motion itself is part of it, so compare rows, not with 0."""
    with torch.no_grad():
        distances = [float(lpips(*(picture[None] for picture in pair))) for pair in pictures]
    return sum(distances) / len(distances)
