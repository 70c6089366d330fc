"""Levels of detail: the same person in files beside one another, each with half the triangles of the one before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from dinar.errors import InputError
from dinar.export import gltf
from dinar.export.figure import TEXTURE_SIZES, Figure
from dinar.export.profiles import Profile
from dinar.export.simplify import LEAST, simplified
from dinar.files import check_file
from dinar.motion.motion import Motion

MOST = 5


def check(path: Path, levels: int) -> None:
    """Raises InputError for another number than 1 to `MOST`, for a file that is no .glb, or a place that is taken."""
    if not 1 <= levels <= MOST:
        raise InputError(f"{levels} levels of detail are not possible; give 1 to {MOST}")
    if levels > 1 and path.suffix.lower() != ".glb":
        raise InputError(f"{path} has no levels of detail; export a .glb")
    for place in paths(path, levels)[1:]:
        check_file(place)


def paths(path: Path, levels: int) -> tuple[Path, ...]:
    """Where the levels lie: me.glb, me.lod1.glb, me.lod2.glb."""
    return (path, *(path.with_name(f"{path.stem}.lod{k}{path.suffix}") for k in range(1, levels)))


def write(
    path: Path,
    figure: Figure,                                 # the first level
    levels: int,
    *,
    motions: Mapping[str, Motion] | None = None,    # of every level
    profile: Profile,
) -> tuple[Path, ...]:
    """Writes a .glb a level, whose bones, skin weights, morph targets and animations have the same names.

    A level has at most half the triangles of the one before, and a texture of half as many texels a side.

    Raises InputError as `check` and `gltf.write` do, and where the last level would have too few triangles.
    """
    check(path, levels)
    count = len(figure.mesh.faces)
    if count >> (levels - 1) < LEAST:
        raise InputError(f"{levels} levels of {count} triangles would end below {LEAST}; give fewer levels")
    size = profile.texture_size or figure.colours.shape[-1]
    files = paths(path, levels)
    whole = replace(figure, triangles=None)
    for k, file in enumerate(files):
        one = figure if k == 0 else simplified(whole, count >> k)
        texels = profile.texture_size if k == 0 else max(size >> k, TEXTURE_SIZES[0])
        gltf.write(file, one, motions=motions, profile=replace(profile, texture_size=texels))
    return files
