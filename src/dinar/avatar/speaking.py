"""A person who speaks, as films show them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from dinar.avatar.avatar import Avatar
from dinar.avatar.drawing import composed
from dinar.body.model import Body
from dinar.camera import Camera, framing
from dinar.export import video
from dinar.parallel import in_order
from dinar.progress import Progress
from dinar.speech.acting import Performance
from dinar.speech.sound import Sound

Shot = Literal["face", "bust", "body"]

_BELOW = {"face": 0.12, "bust": 0.22}       # metres from the head's joint down to the picture's lower edge
_SIDES = 0.10, 0.17                         # metres of the face and of the bust to each side of the head's joint
_SAMPLES = 2                                # a pixel along each axis


def film(
    person: Avatar,                        # as `Avatar.wearing` makes them, with parts
    performance: Performance,
    path: Path | str,                      # what `export.video.write` writes
    *,
    sound: Sound | None = None,
    shot: Shot = "bust",                   # what is in the picture
    size: tuple[int, int] = (768, 768),    # (H, W) pixels
    azimuth: float = 0.0,                  # degrees, 0 = from the front
    background: Tensor | None = None,      # [3] in [0, 1]; None: transparent where the format can, else white
    progress: Progress | None = None,
) -> None:
    """A video of the person speaking. Raises InputError where `path` cannot be written."""
    drawn = frames(person, performance, shot=shot, size=size, azimuth=azimuth, background=background)
    counted = (progress or Progress()).track(drawn, len(performance), "draw")
    sound = sound if Path(path).suffix.lower() in video.CRF else None
    video.write(path, counted, performance.motion.fps, sound=sound)


def frames(
    person: Avatar, performance: Performance, *, shot: Shot, size: tuple[int, int], azimuth: float,
    background: Tensor | None,
) -> Iterator[Tensor]:  # fmt: skip
    """Every frame, as bytes; the camera stands still."""
    bodies = speaking(person, performance)
    camera = camera_of(person, bodies, shot, size, azimuth)

    def frame(i: int) -> Tensor:
        with torch.no_grad():
            vertices = person.model(bodies[i : i + 1]).vertices
        return video.to_bytes(composed(person.draw_posed(vertices, camera, supersample=_SAMPLES), background))

    yield from in_order(frame, range(len(performance)))


def speaking(person: Avatar, performance: Performance) -> Body:
    """The body of every frame."""
    from dinar.motion import retarget

    with torch.no_grad():
        bodies = retarget.apply(performance.motion, person.model, person.shape)
    return replace(bodies, expression=performance.strengths.to(bodies.expression))


def camera_of(person: Avatar, bodies: Body, shot: Shot, size: tuple[int, int], azimuth: float) -> Camera:
    """A camera that sees the face, head and shoulders, or the whole body, as it stands in the first frame."""
    with torch.no_grad():
        mesh = person.model(bodies[:1])
    points = mesh.vertices[0].cpu()
    if shot != "body":
        head = mesh.joints[0, person.model.humanoid["head"]].cpu()
        side = _SIDES[0 if shot == "face" else 1]
        near = points[(points[:, 1] > head[1]) & ((points - head).norm(dim=1) < 0.4)]
        edge = head + torch.tensor([[-side, -_BELOW[shot], 0.0], [side, -_BELOW[shot], 0.0]])
        points = torch.cat([near, edge])
    return framing(points, azimuth, 0.0, size)
