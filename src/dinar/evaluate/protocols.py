"""Who is judged, from which picture an avatar is made, and in which pictures it is looked at (section 4.3)."""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from dinar import images, pipeline
from dinar.avatar import open_body
from dinar.data.dataset import MultiView
from dinar.data.importers import SNAPSHOT_PAGE, THUMAN2_PAGE
from dinar.errors import InputError
from dinar.evaluate.metrics import SMALLEST
from dinar.fit.fit import fit
from dinar.store import Store
from dinar.synth.view import View

if TYPE_CHECKING:
    from dinar.body.model import Body, BodyModel
    from dinar.camera import Camera
    from dinar.progress import Progress

SHIPPED = Path(__file__).parent / "data"   # small sets for those who have no data yet (tools/build_sets.py)
MADE_PEOPLE, MADE_SEED = 48, 1000   # of the made-up people that nothing is trained on
VALID_PAGE = "https://github.com/c-frame/valid-avatars-glb"
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
PHOTO_SIDE = 512   # pixels: the paper's (section 4.1)
BACK = 120.0   # degrees off the chest's direction: farther is a back view


@dataclass(frozen=True)
class Target:
    """A picture in which an avatar is judged.

    name     of the picture, unique for the person
    view     the truth, with the body and the camera that the avatar is drawn with
    azimuth  degrees from the chest's direction to the camera's, 0 to 180
    same     it is the picture that the avatar was made of
    moved    the person has another pose than in that picture
    """

    name: str
    view: View
    azimuth: float
    same: bool
    moved: bool


@dataclass(frozen=True)
class Case:
    """A person: the view that an avatar is made of, and those that it is judged in."""

    person: str
    source: View
    targets: tuple[Target, ...]


@dataclass(frozen=True)
class Group:
    """Targets that a table takes together."""

    name: str
    says: str


SAME = Group("same view", "the picture that the avatar was made of")
NOVEL = Group("new view and pose", "other cameras and other poses")
BEHIND = Group("back", f"cameras at least {BACK:g} degrees off the chest's direction, in any pose")
GROUPS = (SAME, NOVEL, BEHIND)


def groups_of(*, same: bool, moved: bool, azimuth: float) -> tuple[Group, ...]:
    """The tables that a target belongs to; "back" and "new view and pose" share some."""
    belongs = {SAME: same, NOVEL: moved, BEHIND: not same and azimuth >= BACK}
    return tuple(group for group in GROUPS if belongs[group])


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
        """What decides the numbers besides the program: data, choice of views; results of other facts do not mix."""

    @property
    @abstractmethod
    def says(self) -> tuple[str, ...]:
        """What is done, a sentence each, for the report."""

    @abstractmethod
    def case(self, person: str) -> Case:
        """Raises InputError where the person's data are missing or damaged."""


_WHERE = {
    "synthetic": "without it eight people that ship are taken, and dinar synth makes more",
    "valid": f"without it twelve people that ship are taken, and more are to be had at {VALID_PAGE}",
    "photos": "it is the folder of your photos",
    "people-snapshot": f"ask for People-Snapshot at {SNAPSHOT_PAGE}",
    "thuman2": f"ask for THuman2.0 at {THUMAN2_PAGE}",
}


def opened(
    name: str,
    data: Path | None,             # None: the people that ship, for "synthetic" and "valid"
    made: Path,
    *,
    people: int,
    views: int,
    fitted: bool = False,
    progress: Progress | None = None,
) -> Cases:
    """A protocol on its data; of assets made-up people are made first, in the folder `made`.

    Raises InputError where the data are missing or of another kind.
    """
    if data is None:
        if not (SHIPPED / name).is_dir():
            raise InputError(f"{name} needs --data; {_WHERE[name]}")
        return Sets(name, SHIPPED / name, people, views, fitted)
    if not data.exists():
        raise InputError(f"{data}, given as --data, does not exist; {_WHERE[name]}")
    if name == "photos":
        return Photos(data, people)
    if name in ("people-snapshot", "thuman2"):
        from dinar.evaluate.published import PeopleSnapshot, THuman2

        return (PeopleSnapshot if name == "people-snapshot" else THuman2)(data, people)
    if name == "valid" and not any(data.glob("*.tar")):
        from dinar.evaluate.rigged import Rigged

        if fitted:
            raise InputError("--fitted takes shards; dinar synth --rigged makes such of rigged people")
        return Rigged(data, people, views)
    if name == "synthetic" and not any(data.glob("*.tar")):
        from dinar.synth.shards import Plan, write_shards

        plan = Plan(min(people, MADE_PEOPLE), views=8, seed=MADE_SEED)
        write_shards(data, made, plan, workers=os.cpu_count() or 1, progress=progress)
        data = made
    return Sets(name, data, people, views, fitted)


@dataclass(frozen=True)
class Sets(Cases):
    """Multi-view sets (`data.dataset`): true bodies and cameras, input the front-most view.

    name    of the protocol: "synthetic" (made-up people) or "valid" (rigged people)
    data    folder of shards
    most    people at most, the first ones
    views   targets in other poses a person at most, spread evenly over the azimuths
    fitted  mask, body and camera of the input are found by the program, not given
    """

    name: str
    data: Path
    most: int = 1_000_000
    views: int = 4
    fitted: bool = False

    @property
    def people(self) -> tuple[str, ...]:
        return tuple(f"{number:04d}" for number in range(min(len(_opened(self.data)), self.most)))

    @property
    def facts(self) -> dict[str, str]:
        facts = {"views": str(self.views), "fitted": "yes" if self.fitted else "no"}
        return {"data": digest_of(sorted(self.data.glob("*.tar"))), **facts}

    @property
    def says(self) -> tuple[str, ...]:
        known = (
            "mask, shape, pose and camera are found by the program; other pictures are drawn with the found shape in "
            "the true pose, the hips in their true place, before the true camera."
            if self.fitted
            else "mask, body and camera are the true ones, so that fitting errors do not enter."
        )
        return (
            f"Input: the view whose camera stands nearest to the chest's direction; {known}",
            f"Targets: the input view, views in other poses spread over the azimuths ({self.views} at most), and the "
            "view from farthest behind in the input's pose.",
        )

    def case(self, person: str) -> Case:
        sets, number, model = _opened(self.data), int(person), open_body()
        found = [sets.view(number, k) for k in range(sets.views(number))]
        poses = [sets.pose_of(number, k) for k in range(len(found))]
        for view in found:
            if min(view.camera.size) < SMALLEST:
                raise InputError(f"{self.data} has pictures of {view.camera.size[0]} pixels; {SMALLEST} are the least")
        azimuths = [azimuth_of(view, model) for view in found]
        source = min(range(len(found)), key=lambda k: azimuths[k])
        moved = sorted((k for k in range(len(found)) if poses[k] != poses[source]), key=lambda k: azimuths[k])
        chosen = [source, *_spread(moved, self.views)]
        behind = max((k for k in range(len(found)) if poses[k] == poses[source]), key=lambda k: azimuths[k])
        if azimuths[behind] >= BACK and behind not in chosen:
            chosen.append(behind)
        given, views = found[source], dict(enumerate(found))
        if self.fitted:
            given, views[source] = _photographed(found[source])
            views |= {k: _reshaped(found[k], given.body, model) for k in chosen if k != source}
        targets = (
            Target(f"view{k:03d}", views[k], azimuths[k], same=k == source, moved=poses[k] != poses[source])
            for k in chosen
        )
        return Case(person, given, tuple(targets))


@dataclass(frozen=True)
class Photos(Cases):
    """A folder of photos, each of another person: the same view alone can be judged.

    data  the folder
    most  photos at most, the first by name
    """

    data: Path
    most: int = 1_000_000
    name = "photos"

    @property
    def people(self) -> tuple[str, ...]:
        if not self.data.is_dir():
            raise InputError(f"{self.data} is no folder")
        found = [path.name for path in sorted(self.data.iterdir()) if path.suffix.lower() in PICTURES]
        if not found:
            raise InputError(f"{self.data} holds no pictures ({', '.join(PICTURES)})")
        return tuple(found[: self.most])

    @property
    def facts(self) -> dict[str, str]:
        return {"data": digest_of([self.data / name for name in self.people])}

    @property
    def says(self) -> tuple[str, ...]:
        return (
            "Input and target: the crop of the photo about the largest person; mask, body and camera are found by the "
            f"program. The avatar is made of the crop as it is and judged in {PHOTO_SIDE} x {PHOTO_SIDE} pixels.",
        )

    def case(self, person: str) -> Case:
        crop, _ = _looked_at(self.data / person)
        side = (PHOTO_SIDE, PHOTO_SIDE)
        image, mask = (images.resize(part, side) for part in (crop.image, crop.mask))
        view = View(image, mask, crop.camera.resized(side), crop.body)
        return Case(person, crop, (Target("photo", view, azimuth_of(view, open_body()), same=True, moved=False),))


def _looked_at(path: Path) -> tuple[View, Camera]:
    """A photo's crop as the program understands it, and the camera of the whole photo."""
    photo = pipeline.look_at(path, Store())
    (found,) = fit([photo], open_body())
    x, y, scale = photo.window
    whole = found.camera.resized(tuple(round(side / scale) for side in found.camera.size))
    return View(photo.image, photo.mask, found.camera, found.body), whole.cropped(-x, -y, photo.source_size)


def _photographed(view: View) -> tuple[View, View]:
    """A view of which the program knows the picture only: its crop, and the whole with the true mask."""
    with tempfile.TemporaryDirectory(prefix="dinar-") as folder:
        path = Path(folder) / "input.png"
        images.save(path, view.image)
        crop, camera = _looked_at(path)
    return crop, replace(view, camera=camera, body=crop.body)


def _reshaped(view: View, found: Body, model: BodyModel) -> View:
    """A view with the body in its pose and place, but in the shape that was found."""
    body = replace(view.body, shape=found.shape)
    hips = model.humanoid["hips"]
    with torch.no_grad():
        few = model.only_landmarks()
        away = few(view.body).joints[:, hips] - few(body).joints[:, hips]
    return replace(view, body=replace(body, translation=body.translation + away))


def digest_of(paths: Sequence[Path]) -> str:
    """Of the contents of files, in their order."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


@lru_cache(maxsize=2)
def _opened(data: Path) -> MultiView:
    return MultiView(data)


def _spread(items: list[int], count: int) -> list[int]:
    """`count` of the items at even steps, first and last among them."""
    if len(items) <= count:
        return items
    if count == 1:
        return items[:1]
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]


def azimuth_of(view: View, model: BodyModel) -> float:
    """Degrees between the direction of the chest and that from it to the camera, in the plane across the spine."""
    with torch.no_grad():
        few = model.only_landmarks()
        joints = few(view.body).joints[0]
    bones = (joints[model.humanoid[bone]] for bone in ("leftUpperArm", "rightUpperArm", "hips"))
    left, right, hips = bones
    chest = (left + right) / 2
    up = functional.normalize(chest - hips, dim=0)
    ahead = torch.linalg.cross(left - right, up)
    there = view.camera.position - chest
    return _angle(ahead, there - (there @ up) * up)


def _angle(a: Tensor, b: Tensor) -> float:
    return math.degrees(math.atan2(float(torch.linalg.cross(a, b).norm()), float(a @ b)))
