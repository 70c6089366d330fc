"""Photos that make trouble, and what dinar makes of them: the pictures of `docs/troubleshooting.md`.

All of them come from `examples/person.jpg` and from a rigged person that ships for evaluation. `tools/build_docs.py
troubleshooting` makes them.
"""

from __future__ import annotations

import math
import tempfile
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from dinar import images, pipeline
from dinar.avatar import Avatar
from dinar.body.model import Body
from dinar.camera import framing
from dinar.evaluate.protocols import SHIPPED
from dinar.evaluate.sets import Sets
from dinar.store import Store
from dinar.viewer.puppet import Puppet

EXAMPLE = Path(__file__).parents[1] / "examples" / "person.jpg"
WALL = 0.8                    # grey behind people who were drawn
HEIGHT = 400                  # pixels of a panel
IN_A_COAT = "0003"            # of the rigged people that ship


def neighbour() -> list[Tensor]:
    """Somebody stands before the person, so close that the two are one to the mask."""
    whole, mask = _example(), _mask()
    shift = round(whole.shape[2] * 0.12)
    front, before = whole.flip(2).roll(shift, 2), mask.flip(2).roll(shift, 2)
    return _tried(before * front + (1 - before) * whole)


def cut_off() -> list[Tensor]:
    """The picture ends above the knees' lower half: shins and feet are guessed."""
    whole = _example()
    return _tried(whole[:, : round(whole.shape[1] * 0.72)])


def crossed_arms() -> list[Tensor]:
    puppet = _puppet()
    chest = puppet.handles()["chest"]
    for side, bone in ((1.0, "rightHand"), (-1.0, "leftHand")):
        puppet.reach(bone, chest + torch.tensor([0.13 * side, -0.12, 0.24]))
    return _made(_drawn(puppet.body()), "front", "left")


def behind() -> list[Tensor]:
    return _made(_drawn(_puppet().body(), azimuth=180.0), "front", "back")


def sitting() -> list[Tensor]:
    puppet, model = _puppet(), _person().model
    body = puppet.body()
    pose = body.pose.clone()
    for side in ("left", "right"):
        pose[0, model.humanoid[f"{side}UpperLeg"], 0] = -math.pi / 2
        pose[0, model.humanoid[f"{side}LowerLeg"], 0] = math.pi / 2
    return _made(_drawn(Body(body.shape, pose, body.expression, body.translation)), "front", "back")


def tiny() -> list[Tensor]:
    """Eighty pixels from head to foot."""
    whole = _example()
    h, w = whole.shape[1:]
    small = images.resize(whole, (90, round(w * 90 / h)))
    edge = small[:, :, :1].expand(-1, -1, 120)
    wide = torch.cat([edge, small, small[:, :, -1:].expand(-1, -1, 120)], dim=2)
    ground, sky = wide[:, -1:].expand(-1, 40, -1), wide[:, :1].expand(-1, 80, -1)
    return _made(torch.cat([sky, wide, ground], dim=1), "front")


def coat() -> list[Tensor]:
    """An open coat."""
    return _made(Sets("valid", SHIPPED / "valid").case(IN_A_COAT).source.image, "front", "left", "back")


def _tried(photo: Tensor) -> list[Tensor]:
    """The photo, and the body that was found in it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.png"
        images.save(path, photo)
        found, _ = pipeline.overlay_of(path)
    return [_panel(photo), _panel(found)]


def _made(photo: Tensor, *views: str) -> list[Tensor]:
    """The photo, and the avatar that is made of it from some sides."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.png"
        images.save(path, photo)
        avatar = pipeline.create([path], refine="none")
    drawn = [avatar.view(name, (HEIGHT, HEIGHT * 2 // 3)).over(WALL)[0] for name in views]
    return [_panel(photo), *drawn]


def _panel(picture: Tensor) -> Tensor:
    h, w = picture.shape[1:]
    return images.resize(picture, (HEIGHT, round(w * HEIGHT / h)))


def _drawn(body: Body, azimuth: float = 0.0) -> Tensor:
    """The example's person in a pose, photographed before a wall."""
    avatar = _person()
    with torch.no_grad():
        camera = framing(avatar.model(body).vertices[0], azimuth, 3.0, (768, 576), margin=0.12)
    return avatar.render(camera, body).over(WALL)[0]


def _puppet() -> Puppet:
    puppet = Puppet(_person())
    puppet.choose("stand")
    return puppet


@cache
def _example() -> Tensor:
    return images.load(EXAMPLE)


@cache
def _mask() -> Tensor:
    """The person's mask in the whole photo [1, H, W]."""
    photo = pipeline.look_at(EXAMPLE, Store())
    (x, y, scale), (h, w) = photo.window, photo.source_size
    side = round(photo.mask.shape[-1] / scale)
    mask = images.resize(photo.mask, (side, side))
    left, top = round(-x), round(-y)
    whole = torch.zeros(1, h + 2 * side, w + 2 * side)
    whole[:, side - top : 2 * side - top, side - left : 2 * side - left] = mask
    return whole[:, side : side + h, side : side + w]


@cache
def _person() -> Avatar:
    return pipeline.create([EXAMPLE], refine="none")


PAINTERS = (neighbour, cut_off, crossed_arms, behind, sitting, tiny, coat)
