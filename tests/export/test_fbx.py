"""FBX files written by Blender and read back by it, where it is installed (docs/export.md)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from export.glb_reader import Scene

from dinar.avatar import Avatar
from dinar.errors import InputError
from dinar.export import fbx, gltf
from dinar.export.figure import Figure
from dinar.export.profiles import Profile
from dinar.motion.motion import Motion

HERE = Path(__file__).parents[2] / ".venv-bpy" / "bin" / "python"
KEYS = (0, 7, 14)

_READ = """
import sys
import bpy
import numpy as np

path, out, *frames = sys.argv[1:]
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.import_scene.fbx(filepath=path)
(mesh,) = (thing for thing in bpy.data.objects if thing.type == "MESH")
(rig,) = (thing for thing in bpy.data.objects if thing.type == "ARMATURE")
action = next(one for one in bpy.data.actions if one.name.endswith("|walk") and one.name.startswith(rig.name))
rig.animation_data.action = action
if hasattr(action, "slots"):
    rig.animation_data.action_slot = action.slots[0]
first, last = action.frame_range
found = []
for frame in frames:
    bpy.context.scene.frame_set(int(first) + int(frame))
    evaluated = mesh.evaluated_get(bpy.context.evaluated_depsgraph_get())
    vertices = np.empty(3 * len(evaluated.data.vertices))
    evaluated.data.vertices.foreach_get("co", vertices)
    place = np.array(evaluated.matrix_world)
    found.append(vertices.reshape(-1, 3) @ place[:3, :3].T + place[:3, 3])
np.savez(
    out, vertices=np.stack(found), keys=[key.name for key in mesh.data.shape_keys.key_blocks],
    bones=[bone.name for bone in rig.data.bones], frames=last - first + 1, fps=bpy.context.scene.render.fps,
    pictures=[tuple(image.size) for image in bpy.data.images if image.size[0]],
    clips=sorted(action.name for action in bpy.data.actions),
)
"""


@pytest.fixture(scope="module")
def figure(avatar: Avatar) -> Figure:
    return Figure(avatar.model, avatar.layout, avatar.shape, avatar.painted)


@pytest.fixture
def blender(monkeypatch: pytest.MonkeyPatch) -> str:
    """A Python with bpy."""
    program = os.environ.get(fbx.VARIABLE, str(HERE))
    if not Path(program).is_file() or Path(program).name.lower().startswith("blender"):
        pytest.skip(f"needs a Python with `bpy`, {fbx.VARIABLE} at it")
    monkeypatch.setenv(fbx.VARIABLE, program)
    return program


def test_blender_reads_the_person_back(blender: str, figure: Figure, tmp_path: Path) -> None:
    """Within 0.1 mm of the GLB in three poses, with its joints, facial actions, clips, frame rate and texture."""
    clips = {"walk": Motion.load("walk").clipped(0, 0.5), "slow": Motion.load("wave").clipped(0, 0.4).resampled(10)}
    path, out = tmp_path / "person.fbx", tmp_path / "read.npz"
    try:
        fbx.write(path, figure, motions=clips, profile=Profile(texture_size=64))
    except InputError as error:
        if "has no bpy" in str(error):
            pytest.skip(str(error))
        raise
    glb = tmp_path / "person.glb"
    gltf.write(glb, figure, motions=clips)
    run = subprocess.run(
        [blender, "-c", _READ, path, out, *map(str, KEYS)], capture_output=True, text=True, timeout=300, cwd=tmp_path
    )
    assert run.returncode == 0, run.stderr
    found, scene = np.load(out), Scene.read(glb)
    assert found["fps"] == 30 and found["frames"] == len(clips["walk"])
    assert {str(name).split("|")[-1] for name in found["clips"]} == set(clips)
    assert set(found["keys"]) == {"Basis", *figure.model.expression_names}
    assert {"Hips", "LeftForeArm", "RightToeBase", "LeftHandPinky3"} <= set(found["bones"])
    assert len(found["bones"]) == len(figure.model.joint_names)
    assert found["pictures"].tolist() == [[64, 64]]
    for k, vertices in zip(KEYS, found["vertices"], strict=True):
        ours = vertices[:, [0, 2, 1]] * [1, 1, -1]                        # z up -> y up
        assert np.abs(ours - scene.posed(scene.frame("walk", k))).max() < 1e-4


def test_without_blender_there_is_none(
    figure: Figure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(fbx.VARIABLE, str(tmp_path / "blender"))
    with pytest.raises(InputError, match="which is no program"):
        fbx.write(tmp_path / "person.fbx", figure)
    monkeypatch.delenv(fbx.VARIABLE)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="let DINAR_BLENDER name it"):
        fbx.write(tmp_path / "person.fbx", figure)
    with pytest.raises(InputError, match=r"no \.fbx"):
        fbx.write(tmp_path / "person.glb", figure)
    assert list(tmp_path.iterdir()) == []


def test_a_python_without_bpy_is_told(figure: Figure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -I "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setenv(fbx.VARIABLE, str(bare))
    with pytest.raises(InputError, match="has no bpy"):
        fbx.write(tmp_path / "person.fbx", figure)
    assert list(tmp_path.iterdir()) == [bare]


def test_a_blender_that_fails_is_told(figure: Figure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "blender-5"
    broken.write_text('#!/bin/sh\necho "$1" >&2\necho "no memory" >&2\nexit 3\n')
    broken.chmod(0o755)
    monkeypatch.setenv(fbx.VARIABLE, str(broken))
    with pytest.raises(InputError, match=r"could not write .*: no memory"):
        fbx.write(tmp_path / "person.fbx", figure)
    assert fbx.blender()[1] == "-b" and list(tmp_path.iterdir()) == [broken]
