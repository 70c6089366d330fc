"""Scripts that Blender runs, or a Python with `bpy`: what it finds in a file that was written for it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from dinar.errors import InputError
from dinar.export import blender

HERE = Path(__file__).parents[2] / ".venv-bpy" / "bin" / "python"

_START = """
import sys
import bpy
import numpy as np

np.bool = bool          # Blender 3.4 asks for it

ARGUMENTS = sys.argv[sys.argv.index("--") + 1:] if "--" in sys.argv else sys.argv[1:]

def vertices_of(mesh):
    evaluated = mesh.evaluated_get(bpy.context.evaluated_depsgraph_get())
    vertices = np.empty(3 * len(evaluated.data.vertices))
    evaluated.data.vertices.foreach_get("co", vertices)
    place = np.array(evaluated.matrix_world)
    vertices = vertices.reshape(-1, 3) @ place[:3, :3].T + place[:3, 3]
    return vertices[:, [0, 2, 1]] * [1, 1, -1]                            # z up -> y up

def act(thing, action):
    thing.animation_data.action = action
    if hasattr(action, "slots"):
        thing.animation_data.action_slot = action.slots[0]
"""


def found(script: str, folder: Path, *arguments: object) -> np.lib.npyio.NpzFile:
    """What a script has saved at `ARGUMENTS[0]`; it knows `bpy`, `np`, `vertices_of(mesh)` and `act(thing, action)`.

    Skips the test where there is no Blender.
    """
    program, out = folder / "script.py", folder / "found.npz"
    program.write_text(_START + script, encoding="utf-8")
    command = [*command_or_skip(program), out, *arguments]
    run = subprocess.run([str(one) for one in command], capture_output=True, text=True, timeout=300, cwd=folder)
    if "No module named 'bpy'" in run.stderr:
        pytest.skip(f"the Python at {command[0]} has no bpy")
    assert run.returncode == 0 and out.is_file(), run.stderr + run.stdout
    return np.load(out)


def command_or_skip(script: Path) -> list[str]:
    """The command that runs a script in Blender; skips the test where there is none."""
    if HERE.is_file():
        os.environ.setdefault(blender.VARIABLE, str(HERE))
    try:
        return blender.command(script=script)
    except InputError as error:
        pytest.skip(str(error))
