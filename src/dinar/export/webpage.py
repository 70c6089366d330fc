"""A person as one web page: a file that a browser opens from the disk, with three.js and the GLB inside."""

from __future__ import annotations

import base64
import html
import json
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from dinar.errors import InputError
from dinar.export import gltf
from dinar.export.expressions import EXPRESSIONS
from dinar.export.figure import Figure
from dinar.export.profiles import PAGE, PAGES, Profile
from dinar.files import atomic_file
from dinar.motion.motion import Motion
from dinar.speech.actions import VISEMES

CLIPS = ("walk", "wave", "dance", "turn")
"""What a page's person can do where nobody says what."""

_PART = "page"
_PLACE = "/*EXPRESSIONS*/ {}"


def write(
    path: Path,
    figure: Figure,
    *,
    motions: Mapping[str, Motion] | None = None,    # by the names that the page shows
    profile: Profile = PAGE,                        # of the GLB inside
    clip: str | None = None,                        # plays when the page is opened
) -> None:
    """Writes a .html, whole or not at all, which shows the person without any other file and without a network.

    The GLB inside is what `gltf.write` writes; the page gives it away by a button.

    Raises InputError where `path` cannot be written or is no .html, or there is no such clip.
    """
    path = Path(path)
    if path.suffix.lower() not in PAGES:
        raise InputError(f"{path} is no .html")
    if clip is not None and clip not in (motions or {}):
        raise InputError(f"the page has no clip {clip}")
    with tempfile.TemporaryDirectory() as folder:
        glb = Path(folder) / f"{path.stem or 'person'}.glb"
        gltf.write(glb, figure, motions=motions, profile=profile)
        content = base64.b64encode(glb.read_bytes()).decode("ascii")
    page = _file("page.html").format(
        generator=f"dinar {version('dinar')}",
        title=html.escape(path.stem),
        clip="" if clip is None else f' clip="{html.escape(clip)}"',
        glb=content,
        script=element(),
    )
    with atomic_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")


def element() -> str:
    """The script that defines `<dinar-avatar src="me.glb">`, with all that it needs."""
    presets = dict(EXPRESSIONS) | {f"says {name.removeprefix('viseme_')}": row for name, row in VISEMES.items()}
    own = _file("avatar.js").replace(_PLACE, json.dumps(presets, separators=(",", ":")))
    return _file("three.min.js") + own


def write_element(path: Path | str) -> None:
    """Writes that script as a file for other pages, whole or not at all; InputError where it cannot be written."""
    with atomic_file(Path(path)) as temporary:
        temporary.write_text(element(), encoding="utf-8", newline="\n")


def _file(name: str) -> str:
    return (files("dinar.export") / _PART / name).read_text(encoding="utf-8")
