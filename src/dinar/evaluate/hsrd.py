"""HSRD-100: one pose of a real person in, their nine others out."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from dinar import images
from dinar.avatar import open_body
from dinar.data.hsrd import PosedScan, posed_scans
from dinar.errors import InputError
from dinar.evaluate.cases import PHOTO_SIDE, turn_of
from dinar.evaluate.photos import looked_at
from dinar.evaluate.published import Pictured, Shown

AROUND = (0.0, 180.0, 60.0, 120.0, -90.0, 150.0, -45.0, 90.0, -150.0)   # degrees off the front, of the other poses
TRIED = (0.0, 90.0, 180.0, 270.0)                                       # until the person is found


@dataclass(frozen=True)
class Hsrd(Pictured):
    """Real people in ten poses each, every other pose from another side.

    data  the data set's folder
    most  people at most, the first by name
    """

    data: Path
    most: int = 1_000_000
    name = "hsrd"
    moving = True

    @property
    def people(self) -> tuple[str, ...]:
        return tuple(posed_scans(self.data))[: self.most]

    @property
    def facts(self) -> dict[str, str]:
        return {}

    def digest(self, person: str) -> str:
        poses = posed_scans(self.data)
        if person not in poses:
            raise InputError(f"{self.data} has nobody called {person}")
        known = " ".join(f"{pose.file.name} {pose.file.stat().st_size}" for pose in poses[person])   # of gigabytes
        return hashlib.sha256(known.encode()).hexdigest()[:16]

    @property
    def says(self) -> tuple[str, ...]:
        return (
            "Input: the first pose of each person by its name, scanned, drawn from the front, unlit, 1024 x 1024 "
            "pixels; the others: the other poses, each from another side. Where a scan faces is found by fitting a "
            "body to a first picture of it.",
            "One shape and a pose and a camera for each picture are found in all pictures with their true masks; the "
            f"other pictures serve for nothing else. Pictures are judged in {PHOTO_SIDE} x {PHOTO_SIDE} pixels.",
        )

    def pictures(self, person: str) -> list[Shown]:
        poses = posed_scans(self.data)[person]
        angles = [0.0, *(AROUND[k % len(AROUND)] for k in range(len(poses) - 1))]
        return [_shown(pose, facing(pose) + angle) for pose, angle in zip(poses, angles, strict=True)]


def facing(scan: PosedScan) -> float:
    """Where the person of a scan faces, degrees from +z towards +x; by a body fitted to a picture of it.

    Raises InputError where nobody is found from any side.
    """
    for azimuth in TRIED:
        shown = _shown(scan, azimuth)
        with tempfile.TemporaryDirectory(prefix="dinar-") as folder:
            path = Path(folder) / "scan.png"
            images.save(path, shown.image)
            try:
                view, _ = looked_at(path)
            except InputError:
                continue
        return azimuth + turn_of(view, open_body())
    raise InputError(f"{scan.file} shows nobody")


def _shown(scan: PosedScan, azimuth: float) -> Shown:
    drawn, _ = scan.view(azimuth, 2 * PHOTO_SIDE)
    if float(drawn.mask.sum()) == 0:
        raise InputError(f"{scan.file} shows nobody")
    return Shown(scan.name, drawn.over(0.5)[0], drawn.mask[0])
