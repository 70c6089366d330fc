"""More true pictures of a person who can be photographed at will: sides, heads, hands, feet, and motion."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from dinar.camera import Camera, framing
from dinar.evaluate.cases import FEET, HAND, HEAD, HEAD_ANGLES, MOTION, PERSON, PHOTO_SIDE
from dinar.evaluate.regions import cube_about
from dinar.motion import retarget
from dinar.motion.motion import Motion
from dinar.synth.studio import arrange, frame_camera, illuminate, take

if TYPE_CHECKING:
    from dinar.body.model import Body
    from dinar.synth.lens import Lens
    from dinar.synth.people import Person
    from dinar.synth.places import Background, Light
    from dinar.synth.studio import LitScene
    from dinar.synth.view import View

HEAD_SIDE, LIMB_SIDE, MOTION_SIDE = 256, 128, 256      # pixels
FRAMES = 8                                             # of each motion
NARROW = 8.0                                           # degrees: parts are seen from as far away as people are
# part: bones, how much larger than it the picture is, azimuths, pixels
PARTS = {
    HEAD: (("head",), 1.5, HEAD_ANGLES, HEAD_SIDE),
    HAND: (("leftHand",), 1.25, (0.0, 180.0), LIMB_SIDE),
    FEET: (("leftFoot", "rightFoot"), 1.15, (0.0, 180.0), LIMB_SIDE),
}
CLIPS = {"walk": 25.0, "turn": 0.0}                    # motion: azimuth of its camera


@dataclass(frozen=True)
class Sitting:
    """A person on one day: in one light, before one background, with one camera.

    meter  the light that exposure goes by (see `studio.take`)
    """

    person: Person
    light: Light
    background: Background
    lens: Lens | None
    meter: float


@dataclass(frozen=True)
class Study:
    """A true picture for a purpose.

    name  of the picture
    kind  what it shows (`cases.PERSON`, `HEAD`, ...)
    """

    name: str
    kind: str
    view: View


def studies(sitting: Sitting, *, sides: dict[str, float]) -> Iterator[Study]:
    """All studies of a person: the whole of them in A-pose from `sides` (name: azimuth), parts, frames of motions."""
    person = sitting.person
    neutral = replace(person.model.neutral(), shape=person.shape)
    lit = illuminate(arrange(person, neutral), sitting.light)
    for name, azimuth in sides.items():
        camera = frame_camera(lit.scene, (PHOTO_SIDE, PHOTO_SIDE), azimuth=azimuth)
        yield Study(name, PERSON, _taken(sitting, lit, camera))
    with torch.no_grad():
        vertices = person.model(neutral).vertices[0]
    for kind, (bones, larger, azimuths, side) in PARTS.items():
        points = cube_about(person.model, vertices, bones, larger)
        for azimuth in azimuths:
            camera = framing(points, azimuth, 0.0, (side, side), fov=NARROW, margin=0.0)
            yield Study(f"{kind}{azimuth:03.0f}", kind, _taken(sitting, lit, camera))
    for clip, azimuth in CLIPS.items():
        bodies = moments(person, clip)
        with torch.no_grad():
            points = torch.cat([person.model(body).vertices[0] for body in bodies])
        camera = framing(points, azimuth, 4.0, (MOTION_SIDE, MOTION_SIDE))
        for k, body in enumerate(bodies):
            view = _taken(sitting, illuminate(arrange(person, body), sitting.light), camera)
            yield Study(f"{clip}{k:02d}", MOTION, view)


def moments(person: Person, clip: str) -> list[Body]:
    """Eight bodies at even steps of a motion, on the spot."""
    motion = Motion.load(clip).in_place()
    with torch.no_grad():
        bodies = retarget.apply(motion, person.model, person.shape[0])
    return [bodies[i : i + 1] for i in (round(k * len(bodies) / FRAMES) for k in range(FRAMES))]


def _taken(sitting: Sitting, lit: LitScene, camera: Camera) -> View:
    return take(lit, camera, sitting.background, lens=sitting.lens, meter=sitting.meter)
