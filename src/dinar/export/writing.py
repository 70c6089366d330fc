"""A person in a file of any kind that other programs read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dinar.errors import InputError
from dinar.export import blender, gltf, plain, vrm, webpage
from dinar.export.figure import Figure
from dinar.export.glb import check_packing
from dinar.export.licence import Licence
from dinar.export.profiles import PAGES, PLAIN, Profile
from dinar.export.vrm import Version
from dinar.motion.motion import Motion

ANIMATED = (".glb", *PAGES, *blender.KINDS, ".usdz")
KINDS = (".glb", ".html", ".vrm", *blender.KINDS, ".usdz", ".obj", ".ply")


def check(
    path: Path,
    *,
    motions: Mapping[str, Motion] | None = None,
    licence: Licence | None = None,
    profile: Profile = PLAIN,
) -> None:
    """Raises the InputError that `write` would raise, before the work: an unknown kind of file, one that has no place
    for motions or a licence or that needs one, or one that is written by a program that is not here.
    """
    kind = path.suffix.lower()
    if kind not in (*KINDS, *PAGES):
        raise InputError(f"{path} is no kind of file that people are exported to: {', '.join(KINDS)}")
    if motions and kind not in ANIMATED:
        raise InputError(f"{path} has no place for motions; export a .glb, .html, .fbx, .blend or .usdz")
    if licence is not None and kind != ".vrm":
        raise InputError(f"{path} has no place for a licence; export a .vrm")
    match kind:
        case ".vrm" if licence is None:
            raise InputError("a VRM file says who made it and what others may do with it; give --author")
        case ".vrm":
            vrm.check(profile)
        case ".fbx" | ".blend":
            blender.command(kind)
        case ".usdz":
            from dinar.export import usd  # noqa: F401
    if kind not in (".glb", *PAGES) and (profile.packed or profile.picture == "webp"):
        raise InputError(f"{path} can neither be packed nor hold WebP pictures; export a .glb")
    if kind != ".glb" and profile.targets is not None:
        raise InputError(f"{path} needs all morph targets; export a .glb")
    if profile.packed:
        check_packing()


def write(
    path: Path,                                     # one of KINDS
    figure: Figure,
    *,
    motions: Mapping[str, Motion] | None = None,    # animations, by their names, where the kind has some
    profile: Profile = PLAIN,                       # how it is written
    licence: Licence | None = None,                 # of a .vrm, which has to have one
    version: Version = 1,                           # of a .vrm
) -> tuple[Path, ...]:
    """Writes a figure; the files, `path` first.

    Raises InputError where `path` cannot be written, and as `check` does.
    """
    path = Path(path)
    check(path, motions=motions, licence=licence, profile=profile)
    match path.suffix.lower():
        case ".glb":
            gltf.write(path, figure, motions=motions, profile=profile)
        case ".html" | ".htm":
            webpage.write(path, figure, motions=motions, profile=profile)
        case ".vrm":
            vrm.write(path, figure, licence, profile=profile, version=version)
        case ".fbx" | ".blend":
            blender.write(path, figure, motions=motions, profile=profile)
        case ".usdz":
            from dinar.export import usd

            usd.write(path, figure, motions=motions, profile=profile)
        case ".obj":
            return plain.write_obj(path, figure, texture_size=profile.texture_size, kind=profile.picture)
        case ".ply":
            plain.write_ply(path, figure)
    return (path,)
