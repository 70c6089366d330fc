"""HSRD-100, scans of ten people in ten poses each, in the folders it is published in.

    data/<person>/<pose>/scans/<pose>-Scan-LOD1.zip      also LOD0, LOD2, and <pose>-Scan.zip, the finest

An archive holds one Wavefront mesh, y up, its material and one PNG with its colours; an unpacked one may lie in its
place. Nothing else of a person is read.
"""

from __future__ import annotations

import re
import tempfile
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import torch
from torch import Tensor

from dinar import images
from dinar.body.uv import UVLayout
from dinar.camera import Camera, framing
from dinar.data.importers import read_obj
from dinar.errors import InputError
from dinar.images import from_bytes
from dinar.texture.drawing import Rendering, draw

HSRD_PAGE = "https://huggingface.co/datasets/digitalrealitylab/HSRD-100"
LEVELS = ("lod1", "lod0", "lod2", "")     # of detail, the one that is wanted first; "": the finest
MOST_TEXELS = 4096                        # a side; finer textures are made smaller
_SCAN = re.compile(r"-scan(?:-(lod\d))?$", re.IGNORECASE)


@dataclass(frozen=True)
class PosedScan:
    """Somebody in one pose.

    name  of the pose
    file  the archive, or an unpacked .obj
    """

    name: str
    file: Path

    def view(self, azimuth: float, side: int) -> tuple[Rendering, Camera]:
        """From `azimuth` degrees off +z towards +x, in side x side pixels. Raises InputError where it is damaged."""
        vertices, faces, uv, uv_faces, texture = _mesh(self.file)
        nobody = torch.zeros(0)
        layout = UVLayout("scan", uv, uv_faces, nobody.long(), nobody)
        camera = framing(vertices, azimuth, 0.0, (side, side))
        return draw(texture[None], vertices[None], faces, layout, camera), camera


def posed_scans(data: Path) -> dict[str, list[PosedScan]]:
    """The poses of everybody in HSRD-100, people and poses by name; a pose of the head alone is left out.

    Raises InputError where there are none; it names the page where they are to be had.
    """
    top = data / "data" if (data / "data").is_dir() else data
    found = {person.name: _poses(person) for person in sorted(top.iterdir()) if person.is_dir()}
    found = {person: poses for person, poses in found.items() if poses}
    if not found:
        raise InputError(
            f"{data} holds no HSRD-100 (data/<person>/<pose>/scans/<pose>-Scan-LOD1.zip); it is to be had at "
            f"{HSRD_PAGE}"
        )
    return found


def _poses(person: Path) -> list[PosedScan]:
    found = []
    for folder in sorted(path for path in person.iterdir() if path.is_dir() and "head" not in path.name.lower()):
        levels: dict[str, Path] = {}
        for path in sorted(folder.rglob("*")):
            if path.suffix.lower() in (".zip", ".obj") and (match := _SCAN.search(path.stem)):
                levels.setdefault((match[1] or "").lower(), path)
        best = next((levels[level] for level in LEVELS if level in levels), None)
        if best is not None:
            found.append(PosedScan(folder.name, best))
    return found


@lru_cache(maxsize=2)
def _mesh(file: Path) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Vertices [V, 3], faces [F, 3], uv [T, 2], uv_faces [F, 3] and colours [3, R, R] of a scan."""
    if file.suffix.lower() == ".obj":
        return *read_obj(file), _colours(file)
    with tempfile.TemporaryDirectory(prefix="dinar-") as folder:
        try:
            with zipfile.ZipFile(file) as archive:
                for member in archive.infolist():
                    name = Path(member.filename).name            # whatever folders it names
                    if Path(name).suffix.lower() in (".obj", ".mtl", ".png"):
                        (Path(folder) / name).write_bytes(archive.read(member))
        except (OSError, zipfile.BadZipFile, RuntimeError) as error:
            raise InputError(f"{file} is damaged; HSRD-100 is to be had at {HSRD_PAGE}") from error
        meshes = sorted(path for path in Path(folder).iterdir() if path.suffix.lower() == ".obj")
        if len(meshes) != 1:
            raise InputError(f"{file} holds {len(meshes)} meshes; a scan is one")
        return *read_obj(meshes[0]), _colours(meshes[0])


def _colours(mesh: Path) -> Tensor:
    """The one texture beside a mesh: its material's, or the only PNG."""
    named = [
        mesh.parent / line.split()[-1].replace("\\", "/").rsplit("/", 1)[-1]
        for material in sorted(mesh.parent.glob("*.mtl"))
        for line in material.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.strip().lower().startswith("map_kd")
    ]
    found = {path for path in named if path.is_file()} or set(mesh.parent.glob("*.png"))
    if len(found) != 1:
        raise InputError(f"{mesh.name} has {len(found)} textures beside it; scans of one are read")
    pixels = images.read(found.pop()).pixels
    scale = MOST_TEXELS / max(pixels.shape[:2])
    if scale < 1:
        pixels = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return from_bytes(pixels)
