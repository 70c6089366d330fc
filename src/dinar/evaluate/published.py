"""The paper's benchmarks: a front and a back picture of somebody, the body found in both (tables 1 and 3)."""

from __future__ import annotations

import tempfile
from abc import abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from torch import Tensor

from dinar import images, pipeline
from dinar.avatar import open_body
from dinar.data.importers import Scan, Snapshot, scans, snapshots
from dinar.errors import InputError
from dinar.evaluate.cases import PHOTO_SIDE, Case, Cases, Target, azimuth_of
from dinar.fit.fit import fit
from dinar.store import Store
from dinar.synth.view import View


@dataclass(frozen=True)
class Shown:
    """A picture of somebody, and what it is called.

    name   of the target
    image  float32 [3, H, W]
    mask   float32 [1, H, W] the person in it; None where the program is to find them
    """

    name: str
    image: Tensor
    mask: Tensor | None


class Pictured(Cases):
    """People in several pictures, the first of which is the input; one body is found in all of them.

    The pictures may show one pose or several (`moving`), and faces that were made unrecognisable (`faceless`).
    """

    moving = False
    faceless = False

    @abstractmethod
    def pictures(self, person: str) -> list[Shown]:
        """The input, then the others."""

    def case(self, person: str) -> Case:
        model, store = open_body(), Store()
        shown = self.pictures(person)
        with tempfile.TemporaryDirectory(prefix="dinar-") as folder:
            photos = []
            for one in shown:
                path, mask = (Path(folder) / f"{one.name}{kind}.png" for kind in ("", "-mask"))
                images.save(path, one.image)
                if one.mask is not None:
                    images.save(mask, one.mask)
                photos.append(pipeline.look_at(pipeline.Source(path, mask=None if one.mask is None else mask), store))
        views = [
            View(photo.image, photo.mask, found.camera, found.body)
            for photo, found in zip(photos, fit(photos, model), strict=True)
        ]
        targets = []
        for k, (one, view) in enumerate(zip(shown, views, strict=True)):
            side = (PHOTO_SIDE, PHOTO_SIDE)
            small = replace(
                view, image=images.resize(view.image, side), mask=images.resize(view.mask, side),
                camera=view.camera.resized(side),
            )  # fmt: skip
            azimuth = self.azimuth(one.name, small)
            moved = self.moving and k > 0
            targets.append(Target(one.name, small, azimuth, same=k == 0, moved=moved, faceless=self.faceless))
        return Case(person, views[0], tuple(targets))

    def azimuth(self, name: str, view: View) -> float:
        """Of a picture's camera, degrees off the chest."""
        return azimuth_of(view, open_body())


@dataclass(frozen=True)
class FrontAndBack(Pictured):
    """People of whom there is a picture from the front, the input, and one from behind.

    data  the data set's folder
    most  people at most, the first by name
    """

    data: Path
    most: int = 1_000_000

    @property
    def facts(self) -> dict[str, str]:
        return {"data": f"{self.name} as published"}

    def digest(self, person: str) -> str:
        if person not in self.people:
            raise InputError(f"{self.data} has nobody called {person}")
        return person                     # as published: nobody else has that name

    def azimuth(self, name: str, view: View) -> float:
        return 180.0 if name == "back" else super().azimuth(name, view)


_FITTED = (
    "One shape and two poses and cameras are found in both pictures with their given masks; the back picture serves "
    f"for nothing else. Pictures are cropped about the person and judged in {PHOTO_SIDE} x {PHOTO_SIDE} pixels."
)


@dataclass(frozen=True)
class PeopleSnapshot(FrontAndBack):
    """SnapshotPeople (table 1): the frames that face the camera most and least."""

    name = "people-snapshot"

    @property
    def people(self) -> tuple[str, ...]:
        return tuple(subject.name for subject in snapshots(self.data)[: self.most])

    @property
    def says(self) -> tuple[str, ...]:
        return "Input: the frame of each video that faces the camera most; the other: the one that does least.", _FITTED

    def pictures(self, person: str) -> list[Shown]:
        subject: Snapshot = next(s for s in snapshots(self.data) if s.name == person)
        frontality = subject.frontality
        frames = {"front": int(np.argmax(frontality)), "back": int(np.argmin(frontality))}
        return [Shown(name, *subject.frame(number)) for name, number in frames.items()]


@dataclass(frozen=True)
class THuman2(FrontAndBack):
    """THuman2.0 (table 3): scans rendered from the front and from behind."""

    name = "thuman2"

    @property
    def people(self) -> tuple[str, ...]:
        return tuple(scan.name for scan in scans(self.data)[: self.most])

    @property
    def says(self) -> tuple[str, ...]:
        return "Input: each scan drawn from the front, unlit, 1024 x 1024 pixels; the other: from behind.", _FITTED

    def pictures(self, person: str) -> list[Shown]:
        scan: Scan = next(s for s in scans(self.data) if s.name == person)
        drawn = {"front": scan.view(0.0, 2 * PHOTO_SIDE)[0], "back": scan.view(180.0, 2 * PHOTO_SIDE)[0]}
        if not all(float(picture.mask.sum()) > 0 for picture in drawn.values()):
            raise InputError(f"{scan.folder} shows nobody")
        return [Shown(name, picture.over(0.5)[0], picture.mask[0]) for name, picture in drawn.items()]
