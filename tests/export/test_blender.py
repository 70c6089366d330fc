"""FBX and .blend files written by Blender and read back by it, where it is installed (docs/export.md)."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from export.blender_reader import command_or_skip, found
from export.glb_reader import Scene

from dinar.avatar import Avatar
from dinar.errors import InputError
from dinar.export import blender, gltf
from dinar.export.figure import Figure
from dinar.export.profiles import Profile
from dinar.motion.motion import Motion

KEYS = (0, 7, 14)

_FBX = """
out, path, *frames = ARGUMENTS
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.import_scene.fbx(filepath=path)
(mesh,) = (thing for thing in bpy.data.objects if thing.type == "MESH")
(rig,) = (thing for thing in bpy.data.objects if thing.type == "ARMATURE")
act(rig, next(one for one in bpy.data.actions if one.name.endswith("|walk") and one.name.startswith(rig.name)))
first, last = rig.animation_data.action.frame_range
found = []
for frame in frames:
    bpy.context.scene.frame_set(int(first) + int(frame))
    found.append(vertices_of(mesh))
np.savez(
    out, vertices=np.stack(found), keys=[key.name for key in mesh.data.shape_keys.key_blocks],
    bones=[bone.name for bone in rig.data.bones], frames=last - first + 1, fps=bpy.context.scene.render.fps,
    pictures=[tuple(image.size) for image in bpy.data.images if image.size[0]],
    clips=sorted(action.name for action in bpy.data.actions),
)
"""

_BLEND = """
out, path, *frames = ARGUMENTS
bpy.ops.wm.open_mainfile(filepath=path)
meshes = {thing.name: thing for thing in bpy.data.objects if thing.type == "MESH"}
(rig,) = (thing for thing in bpy.data.objects if thing.type == "ARMATURE")
scene, shown = bpy.context.scene, rig.animation_data.action.name
found = []
for frame in frames:
    scene.frame_set(int(frame))
    found.append(vertices_of(meshes["Body"]))
arm = rig.data.bones["LeftForeArm"]
np.savez(
    out, vertices=np.stack(found), meshes=sorted(meshes), objects=len(bpy.data.objects), rig=rig.name, shown=shown,
    clips=[action.name for action in bpy.data.actions],
    axes=np.array(arm.matrix_local)[:3, :3], hand=rig.data.bones["LeftHand"].head_local, elbow=arm.head_local,
    packed=[image.packed_file is not None for image in bpy.data.images if image.size[0]],
    pictures=[tuple(image.size) for image in bpy.data.images if image.size[0]],
    kept=[action.use_fake_user for action in bpy.data.actions], fps=scene.render.fps, last=scene.frame_end,
)
"""


@pytest.fixture(scope="module")
def figure(avatar: Avatar) -> Figure:
    return Figure(avatar.model, avatar.layout, avatar.shape, avatar.painted)


@pytest.fixture
def installed(tmp_path: Path) -> None:
    """Blender, or a Python with bpy."""
    command_or_skip(tmp_path)


def written(path: Path, figure: Figure, **told: object) -> Path:
    try:
        blender.write(path, figure, **told)
    except InputError as error:
        if "has no bpy" in str(error):
            pytest.skip(str(error))
        raise
    return path


@pytest.mark.usefixtures("installed")
def test_blender_reads_the_person_back(figure: Figure, tmp_path: Path) -> None:
    """Within 0.1 mm of the GLB in three poses, with its joints, facial actions, clips, frame rate and texture."""
    clips = {"walk": Motion.load("walk").clipped(0, 0.5), "slow": Motion.load("wave").clipped(0, 0.4).resampled(10)}
    path = written(tmp_path / "person.fbx", figure, motions=clips, profile=Profile(texture_size=64))
    glb = tmp_path / "person.glb"
    gltf.write(glb, figure, motions=clips)
    read, scene = found(_FBX, tmp_path, path, *KEYS), Scene.read(glb)
    assert read["fps"] == 30 and read["frames"] == len(clips["walk"])
    assert {str(name).split("|")[-1].split(".")[0] for name in read["clips"]} == set(clips)
    assert set(read["keys"]) == {"Basis", *scene.tree["meshes"][0]["extras"]["targetNames"]}
    assert {"Hips", "LeftForeArm", "RightToeBase", "LeftHandPinky3"} <= set(read["bones"])
    assert len(read["bones"]) == len(figure.model.joint_names)
    assert read["pictures"].tolist() == [[64, 64]]
    for k, ours in zip(KEYS, read["vertices"], strict=True):
        assert np.abs(ours - scene.posed(scene.frame("walk", k))).max() < 1e-4


@pytest.mark.usefixtures("installed")
def test_a_blend_opens_as_it_was_meant(figure: Figure, tmp_path: Path) -> None:
    """One rig with parts, pictures inside, clips that stay and play, bones along the limbs."""
    clips = {"walk": Motion.load("walk").clipped(0, 0.5), "wave": Motion.load("wave").clipped(0, 0.4)}
    told = Profile(texture_size=64, axes="bones", root="Armature", parts=True, influences=8)
    path = written(tmp_path / "person.blend", figure, motions=clips, profile=told)
    assert [one.name for one in tmp_path.iterdir()] == ["person.blend"]
    glb = tmp_path / "person.glb"
    gltf.write(glb, figure, motions=clips, profile=told)
    read, scene = found(_BLEND, tmp_path, path, *KEYS), Scene.read(glb)
    assert read["rig"] == "Armature" and {"Body", "Eyes", "Tongue"} <= set(read["meshes"])
    assert read["objects"] == len(read["meshes"]) + 1 and read["shown"] == "walk"
    assert set(clips) <= set(read["clips"])
    assert read["kept"].all() and read["packed"].all() and read["pictures"].tolist() == [[64, 64]]
    assert read["fps"] == 30 and read["last"] == len(clips["walk"]) - 1
    along = read["hand"] - read["elbow"]
    assert read["axes"][:, 1] @ along / np.linalg.norm(along) > 0.999
    for k, ours in zip(KEYS, read["vertices"], strict=True):
        assert np.abs(ours - scene.posed(scene.frame("walk", k))).max() < 1e-4


def test_without_blender_there_is_none(
    figure: Figure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(blender.VARIABLE, str(tmp_path / "blender"))
    with pytest.raises(InputError, match="which is no program"):
        blender.write(tmp_path / "person.fbx", figure)
    monkeypatch.delenv(blender.VARIABLE)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="let DINAR_BLENDER name it"):
        blender.write(tmp_path / "person.fbx", figure)
    with pytest.raises(InputError, match=r"neither \.fbx nor \.blend"):
        blender.write(tmp_path / "person.glb", figure)
    assert list(tmp_path.iterdir()) == []


def test_a_python_without_bpy_is_told(figure: Figure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -I "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setenv(blender.VARIABLE, str(bare))
    with pytest.raises(InputError, match="has no bpy"):
        blender.write(tmp_path / "person.fbx", figure)
    assert list(tmp_path.iterdir()) == [bare]


def test_a_blender_that_fails_is_told(figure: Figure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "blender-5"
    broken.write_text('#!/bin/sh\necho "$1" >&2\necho "no memory" >&2\nexit 3\n')
    broken.chmod(0o755)
    monkeypatch.setenv(blender.VARIABLE, str(broken))
    with pytest.raises(InputError, match=r"could not write .*: no memory"):
        blender.write(tmp_path / "person.fbx", figure)
    assert blender.command()[1] == "-b" and list(tmp_path.iterdir()) == [broken]
