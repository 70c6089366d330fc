"""What a protocol consists of: people, the picture that an avatar is made of, those that it is judged in."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from dinar.synth.view import View

if TYPE_CHECKING:
    from dinar.body.model import BodyModel

T = TypeVar("T")

PHOTO_SIDE = 512               # pixels: the paper's (section 4.1)
BACK, SIDE = 120.0, 60.0       # degrees off the chest's direction: from these on a view is from behind, from the side
PERSON, HEAD, HAND, FEET, MOTION = "person", "head", "hand", "feet", "motion"   # what a picture shows
HEAD_ANGLES = (0.0, 45.0, 90.0, 180.0)


@dataclass(frozen=True)
class Target:
    """A picture in which an avatar is judged.

    name      of the picture, unique for the person
    view      the truth, with the body and the camera that the avatar is drawn with
    azimuth   degrees from the chest's direction to the camera's, 0 to 180
    same      it is the picture that the avatar was made of
    moved     the person has another pose than in that picture
    kind      what it shows: the whole person, a part of them alone, or a frame of a motion
    cut_out   its mask is the truth and not the program's own finding, so that outlines can be judged
    faceless  the true picture's face was made unrecognisable: nothing of the head counts, for masks may lack it too
    parts     uint8 [H, W] which part of the person each pixel shows, 0 where that is not told; None: nowhere
    """

    name: str
    view: View
    azimuth: float
    same: bool
    moved: bool
    kind: str = PERSON
    cut_out: bool = True
    faceless: bool = False
    parts: Tensor | None = None


@dataclass(frozen=True)
class Case:
    """A person: the view that an avatar is made of, and those that it is judged in.

    opposite  names of two targets, from in front and from behind in one pose, that tell how much of a true front
              stands on a true back; None where there are no such
    """

    person: str
    source: View
    targets: tuple[Target, ...]
    opposite: tuple[str, str] | None = None


@dataclass(frozen=True)
class Group:
    """Targets that a table takes together."""

    name: str
    says: str


SAME = Group("same view", "the picture that the avatar was made of")
NOVEL = Group("new view and pose", "other poses, and other cameras that are neither aside nor behind")
ASIDE = Group("side", f"cameras {SIDE:g} to {BACK:g} degrees off the chest's direction, in any pose")
BEHIND = Group("back", f"cameras at least {BACK:g} degrees off the chest's direction, in any pose")
HEADS = tuple(
    Group(f"head from {angle:g}°", f"the head alone, 256 pixels, camera {angle:g} degrees off the chest's direction")
    for angle in HEAD_ANGLES
)
HANDS = Group("hand", "the left hand alone, 128 pixels, from in front and from behind")
SHOES = Group("feet", "both feet alone, 128 pixels, from in front and from behind")
MOVING = Group("motion", "eight frames each of a walk and of a turn")
GROUPS = (SAME, NOVEL, ASIDE, BEHIND, *HEADS, HANDS, SHOES, MOVING)


def groups_of(*, same: bool, moved: bool, azimuth: float, kind: str = PERSON) -> tuple[Group, ...]:
    """The tables that a target belongs to; "back" or "side" and "new view and pose" share some."""
    if kind == HEAD:
        return (HEADS[min(range(len(HEADS)), key=lambda i: abs(azimuth - HEAD_ANGLES[i]))],)
    if kind != PERSON:
        return ({HAND: HANDS, FEET: SHOES, MOTION: MOVING}[kind],)
    behind, aside = azimuth >= BACK, SIDE <= azimuth < BACK
    novel = moved or not (same or behind or aside)
    belongs = {SAME: same, NOVEL: novel, ASIDE: not same and aside, BEHIND: not same and behind}
    return tuple(group for group in belongs if belongs[group])


class Cases(ABC):
    """The people of a protocol, loaded one by one; objects travel to other processes."""

    name: str

    @property
    @abstractmethod
    def people(self) -> tuple[str, ...]:
        """Their names, fit for file names."""

    @property
    @abstractmethod
    def facts(self) -> dict[str, str]:
        """The choices that decide the numbers besides the program; results of other facts do not mix."""

    @abstractmethod
    def digest(self, person: str) -> str:
        """Of all data of a person: results of other data are measured anew. Raises InputError for nobody's name."""

    @property
    @abstractmethod
    def says(self) -> tuple[str, ...]:
        """What is done, a sentence each, for the report."""

    @abstractmethod
    def case(self, person: str) -> Case:
        """Raises InputError where the person's data are missing or damaged."""


def digest_of(paths: Iterable[Path]) -> str:
    """Of the contents of files, in their order."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def spread(items: Sequence[T], count: int) -> list[T]:
    """`count` of the items at even steps, first and last among them."""
    if len(items) <= count:
        return list(items)
    if count == 1:
        return [items[0]]
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def azimuth_of(view: View, model: BodyModel) -> float:
    """Degrees between the direction of the chest and that from it to the camera, in the plane across the spine."""
    ahead, there, _ = _directions(view, model)
    return math.degrees(math.atan2(float(torch.linalg.cross(ahead, there).norm()), float(ahead @ there)))


def turn_of(view: View, model: BodyModel) -> float:
    """Degrees about the spine from the direction to the camera to that of the chest, counterclockwise from above."""
    ahead, there, up = _directions(view, model)
    return float(torch.rad2deg(torch.atan2(torch.linalg.cross(there, ahead) @ up, there @ ahead)))


def _directions(view: View, model: BodyModel) -> tuple[Tensor, Tensor, Tensor]:
    """Where the chest faces, where the camera is from there, both across the spine, and the spine's own: [3] each."""
    with torch.no_grad():
        joints = model.only_landmarks()(view.body).joints[0]
    left, right, hips = (joints[model.humanoid[bone]] for bone in ("leftUpperArm", "rightUpperArm", "hips"))
    chest = (left + right) / 2
    up = functional.normalize(chest - hips, dim=0)
    there = view.camera.position - chest
    return torch.linalg.cross(left - right, up), there - (there @ up) * up, up
