"""A rigged, animated person as .fbx or .blend: the GLB, turned by Blender, which runs beside this program."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from dinar.errors import InputError
from dinar.export import gltf
from dinar.export.figure import Figure
from dinar.export.profiles import PLAIN, Profile
from dinar.files import atomic_file
from dinar.motion.motion import Motion

VARIABLE = "DINAR_BLENDER"
"""Names Blender's program, or a Python that has `bpy`."""

KINDS = (".fbx", ".blend")

_SCRIPT = Path(__file__).with_name("in_blender.py")


def write(
    path: Path,
    figure: Figure,
    *,
    motions: Mapping[str, Motion] | None = None,   # by the names that the animations get
    profile: Profile = PLAIN,                      # how it is written
) -> None:
    """Writes a .fbx or .blend, whole or not at all: what `gltf.write` writes, its texture inside.

    FBX has no unlit material, so lamps shade it. All motions get the frame rate of the finest. In a .blend each is an
    action, of which the first is the rig's; bones keep the axes of the profile, so that with axes "bones" they have
    the rolls of Mixamo's.

    Raises InputError where there is no Blender, `path` cannot be written or is neither, or numbers are out of range.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise InputError(f"{path} is neither .fbx nor .blend")
    called = command(kind)
    if kind == ".fbx":
        profile = replace(profile, lit=True)
    with tempfile.TemporaryDirectory() as folder, atomic_file(path) as temporary:
        source = Path(folder) / f"{path.stem}.glb"
        gltf.write(source, figure, motions=motions, profile=profile)
        told = {"encoding": "utf-8", "errors": "replace"}
        run = subprocess.run([*called, source, temporary], capture_output=True, cwd=folder, **told)
        if "No module named 'bpy'" in run.stderr:
            raise InputError(f"the Python at {called[0]} has no bpy; {VARIABLE} should name one that has, or Blender")
        if run.returncode or not temporary.is_file():
            said = run.stderr.strip().splitlines() or [f"exit code {run.returncode}"]
            raise InputError(f"Blender could not write {path}: {said[-1]}")


def command(kind: str = ".fbx", script: Path | str = _SCRIPT) -> list[str]:
    """The command that runs a script in Blender, its arguments still to come; `kind` is told to whoever has none.

    Blender is what the variable DINAR_BLENDER names, else this Python where it has `bpy`, else `blender` on the path.

    Raises InputError where there is none.
    """
    named = os.environ.get(VARIABLE)
    program = named or (sys.executable if importlib.util.find_spec("bpy") else shutil.which("blender"))
    if program is None:
        raise InputError(
            f"a {kind} is written by Blender, which is not here; let {VARIABLE} name it, or a Python that has bpy"
        )
    if shutil.which(program) is None:
        raise InputError(f"{VARIABLE} names {program}, which is no program")
    if Path(program).name.lower().startswith("blender"):
        return [program, "-b", "--factory-startup", "--python-exit-code", "1", "--python", str(script), "--"]
    return [program, str(script)]
