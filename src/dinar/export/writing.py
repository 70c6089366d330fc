"""A person in a file of any kind that other programs read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dinar.errors import InputError
from dinar.export import fbx, gltf, plain, vrm
from dinar.export.figure import Figure, PictureKind
from dinar.export.vrm import Licence
from dinar.motion.motion import Motion

ANIMATED = (".glb", ".fbx", ".usdz")
KINDS = (".glb", ".vrm", ".fbx", ".usdz", ".obj", ".ply")


def check(path: Path, *, motions: Mapping[str, Motion] | None = None, licence: Licence | None = None) -> None:
    """Raises the InputError that `write` would raise, before the work: an unknown kind of file, one that has no place
    for motions or a licence or that needs one, or one that is written by a program that is not here.
    """
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise InputError(f"{path} is no kind of file that people are exported to: {', '.join(KINDS)}")
    if motions and kind not in ANIMATED:
        raise InputError(f"{path} has no place for motions; export a .glb, .fbx or .usdz")
    if licence is not None and kind != ".vrm":
        raise InputError(f"{path} has no place for a licence; export a .vrm")
    match kind:
        case ".vrm" if licence is None:
            raise InputError("a VRM file says who made it and what others may do with it; give --author")
        case ".fbx":
            fbx.blender()
        case ".usdz":
            from dinar.export import usd  # noqa: F401


def write(
    path: Path,                                     # .glb, .vrm, .fbx, .usdz, .obj or .ply
    figure: Figure,
    *,
    motions: Mapping[str, Motion] | None = None,    # animations of a .glb, .fbx or .usdz, by their names
    texture_size: int | None = None,                # texels a side; default: the colours' own
    picture: PictureKind = "png",                   # what the texture is stored as
    influences: int = 4,                            # joints that a vertex follows: 4 or 8
    lit: bool = False,                              # let lamps shade the person
    licence: Licence | None = None,                 # of a .vrm, which has to have one
) -> tuple[Path, ...]:
    """Writes a figure; the files, `path` first.

    Raises InputError where `path` cannot be written, and as `check` does.
    """
    path = Path(path)
    check(path, motions=motions, licence=licence)
    rigged = {"texture_size": texture_size, "influences": influences, "picture": picture}
    match path.suffix.lower():
        case ".glb":
            gltf.write(path, figure, motions=motions, lit=lit, **rigged)
        case ".vrm":
            vrm.write(path, figure, licence, lit=lit, **rigged)
        case ".fbx":
            fbx.write(path, figure, motions=motions, **rigged)
        case ".usdz":
            from dinar.export import usd

            usd.write(path, figure, motions=motions, lit=lit, **rigged)
        case ".obj":
            return plain.write_obj(path, figure, texture_size=texture_size, kind=picture)
        case ".ply":
            plain.write_ply(path, figure)
    return (path,)
