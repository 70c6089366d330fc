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
from dinar.evaluate.cases import MOTION, PHOTO_SIDE, Case, Cases, Target, azimuth_of, digest_of
from dinar.evaluate.studies import Sitting, studies
from dinar.synth.places import daylight, studio
from dinar.synth.poses import random_body
from dinar.synth.rigged import load_person
from dinar.synth.studio import arrange, frame_camera, illuminate, take

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dinar.synth.studio import LitScene
    from dinar.synth.view import View

VALID_PAGE = "https://github.com/c-frame/valid-avatars-glb"
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
        return {"views": str(self.views)}

    def digest(self, person: str) -> str:
        if person not in self._files:
            raise InputError(f"{self.data} has nobody called {person}")
        return digest_of([self._files[person]])

    @property
    def says(self) -> tuple[str, ...]:
        return (
            "Input: a rigged person in A-pose from the front, by daylight in a studio; mask, body and camera are the "
            "true ones (the body registered to the mesh), so that fitting errors do not enter.",
            f"Targets: the input view, the same from behind and from the left, {self.views} views of new poses; the "
            "head, the left hand and the feet by themselves in A-pose; eight frames each of a walk and of a turn.",
        )

    def case(self, person: str) -> Case:
        model = open_body()
        figure, _ = load_person(self._files[person])
        rng = np.random.default_rng(zlib.crc32(person.encode()))      # the same poses whoever else is there
        neutral = replace(model.neutral(), shape=figure.shape)
        lit = illuminate(arrange(figure, neutral), daylight())
        front, back = _taken(lit, (0.0, 180.0))
        targets = [self._target("front", front, same=True), self._target("back", back, same=False)]
        for first in range(0, self.views, 2):
            body = random_body(figure, rng, lively=0.5)
            body = replace(body, expression=torch.zeros_like(body.expression))      # their faces do not move
            azimuths = [AROUND[k % len(AROUND)] for k in range(first, min(first + 2, self.views))]
            posed = illuminate(arrange(figure, body), daylight())
            for k, view in enumerate(_taken(posed, azimuths), start=first):
                targets.append(replace(self._target(f"pose{k:02d}", view, same=False), moved=True))
        sitting = Sitting(figure, daylight(), studio(), None, lit.meter)
        for study in studies(sitting, sides={"left": 90.0}):
            target = self._target(study.name, study.view, same=False)
            targets.append(replace(target, kind=study.kind, moved=study.kind == MOTION))
        return Case(person, front, tuple(targets), ("front", "back"))

    def _target(self, name: str, view: View, *, same: bool) -> Target:
        return Target(name, view, azimuth_of(view, open_body()), same=same, moved=False)


def _taken(lit: LitScene, azimuths: Sequence[float]) -> list[View]:
    """Pictures of one pose in one light, from around."""
    cameras = (frame_camera(lit.scene, (PHOTO_SIDE, PHOTO_SIDE), azimuth=azimuth) for azimuth in azimuths)
    return [take(lit, camera, studio(), meter=lit.meter) for camera in cameras]
