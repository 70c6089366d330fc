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
from dinar.evaluate.protocols import PHOTO_SIDE, Case, Cases, Target, azimuth_of
from dinar.fit.fit import fit
from dinar.store import Store
from dinar.synth.view import View

Masked = tuple[Tensor, Tensor]   # a picture [3, H, W] and the person in it [1, H, W]


@dataclass(frozen=True)
class FrontAndBack(Cases):
    """People of whom there is a picture from the front, the input, and one from behind.

    data  the data set's folder
    most  people at most, the first by name
    """

    data: Path
    most: int = 1_000_000

    @property
    def facts(self) -> dict[str, str]:
        return {"data": f"{self.name} as published"}

    @abstractmethod
    def pictures(self, person: str) -> tuple[Masked, Masked]:
        """From the front and from behind."""

    def case(self, person: str) -> Case:
        model, store = open_body(), Store()
        with tempfile.TemporaryDirectory(prefix="dinar-") as folder:
            photos = []
            for name, (image, mask) in zip(("front", "back"), self.pictures(person), strict=True):
                paths = [Path(folder) / f"{name}{kind}.png" for kind in ("", "-mask")]
                images.save(paths[0], image)
                images.save(paths[1], mask)
                photos.append(pipeline.look_at(pipeline.Source(paths[0], mask=paths[1]), store))
        views = [
            View(photo.image, photo.mask, found.camera, found.body)
            for photo, found in zip(photos, fit(photos, model), strict=True)
        ]
        side = (PHOTO_SIDE, PHOTO_SIDE)
        seen = [
            replace(
                view, image=images.resize(view.image, side), mask=images.resize(view.mask, side),
                camera=view.camera.resized(side),
            )
            for view in views
        ]  # fmt: skip
        front = Target("front", seen[0], azimuth_of(seen[0], model), same=True, moved=False)
        return Case(person, views[0], (front, Target("back", seen[1], 180.0, same=False, moved=False)))


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

    def pictures(self, person: str) -> tuple[Masked, Masked]:
        subject: Snapshot = next(s for s in snapshots(self.data) if s.name == person)
        frontality = subject.frontality
        return subject.frame(int(np.argmax(frontality))), subject.frame(int(np.argmin(frontality)))


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

    def pictures(self, person: str) -> tuple[Masked, Masked]:
        scan: Scan = next(s for s in scans(self.data) if s.name == person)
        found = [scan.view(azimuth, 2 * PHOTO_SIDE)[0] for azimuth in (0.0, 180.0)]
        if not all(float(drawn.mask.sum()) > 0 for drawn in found):
            raise InputError(f"{scan.folder} shows nobody")
        front, back = ((drawn.over(0.5)[0], drawn.mask[0]) for drawn in found)
        return front, back
