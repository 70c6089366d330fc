"""Rigged people photographed as the paper uses SnapshotPeople: A-pose, front in, front and back out."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from dinar.avatar import open_body
from dinar.errors import InputError
from dinar.evaluate.protocols import PHOTO_SIDE, VALID_PAGE, Case, Cases, Target, azimuth_of, digest_of
from dinar.synth.poses import random_body
from dinar.synth.rigged import load_person
from dinar.synth.studio import arrange, daylight, frame_camera, illuminate, studio, take

if TYPE_CHECKING:
    from dinar.body.model import Body
    from dinar.synth.people import Person
    from dinar.synth.view import View

AROUND = (15.0, 150.0, -70.0, -165.0, 60.0, 110.0)   # azimuths of new poses, degrees; two poses a round


@dataclass(frozen=True)
class Rigged(Cases):
    """Rigged people (.glb) in their own meshes; the body's shape comes from the registration (`synth.rigged`).

    data   folder of .glb files, in folders of their own or not
    most   people at most, the first by name
    views  targets in new poses
    """

    data: Path
    most: int = 1_000_000
    views: int = 4
    name = "valid"

    @property
    def people(self) -> tuple[str, ...]:
        return tuple(self._files)[: self.most]

    @property
    def _files(self) -> dict[str, Path]:
        """By name; as they are published the files lie in folders of their own."""
        found = sorted(self.data.rglob("*.glb"), key=lambda path: path.stem)
        if not found:
            raise InputError(f"{self.data} holds no rigged people (*.glb); they are to be had at {VALID_PAGE}")
        return {path.stem: path for path in found}

    @property
    def facts(self) -> dict[str, str]:
        return {"data": digest_of(list(self._files.values())), "views": str(self.views)}

    @property
    def says(self) -> tuple[str, ...]:
        return (
            "Input: a rigged person in A-pose from the front, by daylight in a studio; mask, body and camera are the "
            "true ones (the body registered to the mesh), so that fitting errors do not enter.",
            f"Targets: the input view, the same from behind, and {self.views} views of new poses.",
        )

    def case(self, person: str) -> Case:
        model = open_body()
        figure, _ = load_person(self._files[person])
        rng = np.random.default_rng(zlib.crc32(person.encode()))      # the same poses whoever else is there
        neutral = model.neutral()
        front, back = _taken(figure, replace(neutral, shape=figure.shape), (0.0, 180.0))
        targets = [self._target("front", front, same=True), self._target("back", back, same=False)]
        for first in range(0, self.views, 2):
            body = random_body(figure, rng, lively=0.5)
            body = replace(body, expression=torch.zeros_like(body.expression))      # their faces do not move
            azimuths = [AROUND[k % len(AROUND)] for k in range(first, min(first + 2, self.views))]
            for k, view in enumerate(_taken(figure, body, azimuths), start=first):
                targets.append(replace(self._target(f"pose{k:02d}", view, same=False), moved=True))
        return Case(person, front, tuple(targets))

    def _target(self, name: str, view: View, *, same: bool) -> Target:
        return Target(name, view, azimuth_of(view, open_body()), same=same, moved=False)


def _taken(figure: Person, body: Body, azimuths: tuple[float, ...] | list[float]) -> list[View]:
    """Pictures of one pose in one light."""
    lit = illuminate(arrange(figure, body), daylight())
    cameras = (frame_camera(lit.scene, (PHOTO_SIDE, PHOTO_SIDE), azimuth=azimuth) for azimuth in azimuths)
    return [take(lit, camera, studio(), meter=lit.meter) for camera in cameras]
