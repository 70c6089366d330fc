"""People of multi-view sets, whose bodies and cameras are known (`data.dataset`)."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from dinar import images
from dinar.avatar import open_body
from dinar.data.dataset import MultiView
from dinar.errors import InputError
from dinar.evaluate.cases import BACK, PERSON, Case, Cases, Target, azimuth_of, spread
from dinar.evaluate.metrics import SMALLEST
from dinar.evaluate.photos import looked_at
from dinar.synth.view import View

if TYPE_CHECKING:
    from dinar.body.model import Body, BodyModel

STRAIGHT = 172.0   # degrees off the chest from which on two views of one pose are opposite


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
        return {"views": str(self.views), "fitted": "yes" if self.fitted else "no"}

    def digest(self, person: str) -> str:
        sets = _opened(self.data)
        if not person.isdecimal() or int(person) >= len(sets):
            raise InputError(f"{self.data} has nobody called {person}")
        return sets.digest(int(person))

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
        studies = {k: study for k in range(len(found)) if (study := sets.purpose_of(number, k)) is not None}
        plain = [k for k in range(len(found)) if k not in studies]
        for k in plain:
            if min(found[k].camera.size) < SMALLEST:
                height = found[k].camera.size[0]
                raise InputError(f"{self.data} has pictures of {height} pixels; {SMALLEST} are the least")
        azimuths = [azimuth_of(view, model) for view in found]
        source = min(plain, key=lambda k: azimuths[k])
        moved = sorted((k for k in plain if poses[k] != poses[source]), key=lambda k: azimuths[k])
        chosen = [source, *spread(moved, self.views)]
        behind = max((k for k in plain if poses[k] == poses[source]), key=lambda k: azimuths[k])
        if azimuths[behind] >= BACK and behind not in chosen:
            chosen.append(behind)
        chosen += studies
        given, views = found[source], dict(enumerate(found))
        if self.fitted:
            given, views[source] = _photographed(found[source])
            views |= {k: _reshaped(found[k], given.body, model) for k in chosen if k != source}
        names = {k: studies[k].name if k in studies else f"view{k:03d}" for k in chosen}
        targets = (
            Target(
                names[k], views[k], azimuths[k], same=k == source, moved=poses[k] != poses[source],
                kind=studies[k].kind if k in studies else PERSON, parts=sets.parts_of(number, k),
            )
            for k in chosen
        )  # fmt: skip
        whole = {k: name for k, name in names.items() if k not in studies or studies[k].kind == PERSON}
        return Case(person, given, tuple(targets), self._opposite(whole, poses, azimuths, source))

    @staticmethod
    def _opposite(
        names: dict[int, str], poses: list[int], azimuths: list[float], source: int
    ) -> tuple[str, str] | None:
        """A study from in front and one from behind, or the input and the view straight behind it."""
        known = {name: k for k, name in names.items()}
        if "front" in known and "back" in known:
            return "front", "back"
        straight = [k for k in names if poses[k] == poses[source] and azimuths[k] >= STRAIGHT]
        if azimuths[source] > 180 - STRAIGHT or not straight:
            return None
        return names[source], names[max(straight, key=lambda k: azimuths[k])]


def _photographed(view: View) -> tuple[View, View]:
    """A view of which the program knows the picture only: its crop, and the whole with the true mask."""
    with tempfile.TemporaryDirectory(prefix="dinar-") as folder:
        path = Path(folder) / "input.png"
        images.save(path, view.image)
        crop, camera = looked_at(path)
    return crop, replace(view, camera=camera, body=crop.body)


def _reshaped(view: View, found: Body, model: BodyModel) -> View:
    """A view with the body in its pose and place, but in the shape that was found."""
    body = replace(view.body, shape=found.shape)
    hips = model.humanoid["hips"]
    with torch.no_grad():
        few = model.only_landmarks()
        away = few(view.body).joints[:, hips] - few(body).joints[:, hips]
    return replace(view, body=replace(body, translation=body.translation + away))


@lru_cache(maxsize=2)
def _opened(data: Path) -> MultiView:
    return MultiView(data)
