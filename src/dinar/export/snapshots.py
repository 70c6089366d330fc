"""An avatar as its own renderer shows it: all around at rest, and as in its photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dinar.body.model import Body, BodyModel
from dinar.camera import Camera, framing
from dinar.parallel import in_order
from dinar.progress import Progress
from dinar.texture.drawing import Rendering
from dinar.texture.neural_texture import window

SIZE = (1024, 768)                                                # pixels: as large as the neural renderer draws people
DIRECTIONS = tuple((30.0 * k, 0.0) for k in range(12)) + tuple((45.0 + 90.0 * k, 35.0) for k in range(4))
"""Azimuth and elevation of the cameras, degrees: twelve around the person, four that see shoulders and crown."""

_ROOM = 0.1     # of the body's larger side, around it in a photo's pose

Draw = Callable[[Camera, Body], Rendering]
"""Who draws the person, one body at a time."""


@dataclass(frozen=True)
class Snapshot:
    """A person drawn in one pose.

    rgb     float32 [3, H, W]  colours in [0, 1], not multiplied by the mask
    mask    float32 [1, H, W]  share of the pixel that the person covers, [0, 1]
    body    Body               batch 1
    camera  Camera             of size (H, W)
    """

    rgb: Tensor
    mask: Tensor
    body: Body
    camera: Camera


def around(
    model: BodyModel,
    shape: Tensor,                                      # [S]
    draw: Draw,
    photos: Sequence[tuple[Body, Camera]] = (),         # how the person stood in photos
    *,
    size: tuple[int, int] | None = None,                # (H, W) pixels of those at rest; default `SIZE`
    progress: Progress | None = None,
) -> list[Snapshot]:
    """The person at rest from `DIRECTIONS`, and in the photos' poses from their cameras; all on the CPU."""
    size = size or SIZE
    rest = replace(model.neutral(), shape=shape[None])
    with torch.no_grad():
        points = model(rest).vertices[0]
        wanted = [(rest, framing(points, azimuth, elevation, size)) for azimuth, elevation in DIRECTIONS]
        wanted += [(body, _close(camera, model(body).vertices, max(size))) for body, camera in photos]

    def taken(view: tuple[Body, Camera]) -> Snapshot:
        body, camera = view
        with torch.no_grad():
            drawn = draw(camera, body)
        return Snapshot(drawn.rgb[0].cpu(), drawn.mask[0].cpu(), body.to("cpu"), camera.to("cpu"))

    return list((progress or Progress()).track(in_order(taken, wanted), len(wanted), "look around"))


def _close(camera: Camera, vertices: Tensor, side: int) -> Camera:
    """The part of a photo about bodies [1, V, 3], its longer side of that many pixels."""
    x, y, width, height = window(vertices, camera)
    room = round(_ROOM * max(width, height))
    scale = side / (max(width, height) + 2 * room)
    there = camera.cropped(x - room, y - room, (height + 2 * room, width + 2 * room))
    return there.resized(tuple(max(1, round(length * scale)) for length in there.size))
