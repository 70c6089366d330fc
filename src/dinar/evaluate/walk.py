"""Does the picture flicker? LPIPS between neighbouring frames of a walk."""

from __future__ import annotations

from itertools import pairwise
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

SECONDS, FPS, SIDE = 3.0, 30.0, 384
AZIMUTH = 25.0   # degrees: arms and legs pass before the trunk


def frames(drawer: Drawer, model: BodyModel, shape: Tensor) -> Iterator[Tensor]:
    """A person of `shape` [S] walking on the spot, [3, H, W] over mid-grey."""
    motion = Motion.load("walk").looped(SECONDS).resampled(FPS).in_place()
    with torch.no_grad():
        bodies = retarget.apply(motion, model, shape)
        few = range(0, len(bodies), max(1, len(bodies) // 8))
        points = torch.cat([model(bodies[i : i + 1]).vertices[0] for i in few])
    camera = framing(points, AZIMUTH, 4.0, (SIDE, SIDE))
    for i in range(len(bodies)):
        yield drawer(bodies[i : i + 1], camera).over(BACKGROUND)[0]


def flicker(lpips: LPIPS, pictures: Iterator[Tensor]) -> float:
    """The mean distance between neighbours; the motion itself is part of it, so compare rows, not with 0."""
    with torch.no_grad():
        features = (lpips.features(picture[None]) for picture in pictures)
        distances = [float(lpips.compare(a, b)) for a, b in pairwise(features)]
    return sum(distances) / len(distances)
