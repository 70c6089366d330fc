"""A picture of a person of which everything is known: what `studio` makes and training data hold."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from dinar.body.model import Body
from dinar.camera import Camera


@dataclass(frozen=True)
class View:
    """A picture of a person whose body and camera are known.

    image   float32 [3, H, W]  sRGB in [0, 1]
    mask    float32 [1, H, W]  the person, clothes and hair included
    camera  Camera
    body    Body               a batch of one
    parts   uint8   [H, W]     what each pixel shows: a `dinar.parts.BodyPart`; None where nobody knows
    """

    image: Tensor
    mask: Tensor
    camera: Camera
    body: Body
    parts: Tensor | None = None
