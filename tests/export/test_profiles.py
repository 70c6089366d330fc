"""What programs want, found in the files: joints' frames, speech, parts, packed numbers; the two kinds of VRM."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from export.glb_reader import Scene
from export.khronos import problems

from dinar.avatar import Avatar
from dinar.body.model import DATA
from dinar.errors import InputError
from dinar.export import gltf, vrm, vrm0
from dinar.export.figure import Figure, standing
from dinar.export.licence import Licence
from dinar.export.mouth import pieces, with_mouth
from dinar.export.profiles import PLAIN, PROFILES, Profile, profile
from dinar.export.skinned import rig, skinned
from dinar.gltf import GltfFile
from dinar.motion import retarget
from dinar.motion.motion import Motion
from dinar.speech import actions as speech

CHECK = Path(__file__).parents[3] / "shared" / "cases" / "check_export.py"
LICENCE = Licence("Somebody", ("Ann",))


@pytest.fixture(scope="module")
def figure(avatar: Avatar) -> Figure:
    plain = Figure(avatar.model, avatar.layout, avatar.shape, avatar.painted)
    return with_mouth(plain, torch.ones_like(avatar.texture.filled))


@pytest.fixture(scope="module")
def walk() -> Motion:
    return Motion.load("walk").clipped(0.2, 0.6)


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_is_sound(figure: Figure, walk: Motion, tmp_path: Path, name: str) -> None:
    chosen = replace(PROFILES[name], texture_size=64, triangles=None)
    if chosen.packed:
        pytest.importorskip("meshopt")
    path = tmp_path / "person.glb"
    gltf.write(path, figure, motions={"walk": walk}, profile=chosen)
    assert problems(path) == []


@pytest.mark.parametrize("name", ["talkinghead", "unity", "vrchat"])
def test_what_engines_ask_for_is_there(figure: Figure, walk: Motion, tmp_path: Path, name: str) -> None:
    if not CHECK.is_file():
        pytest.skip("needs ../shared/cases/check_export.py")
    path = tmp_path / "person.glb"
    gltf.write(path, figure, motions={"walk": walk}, profile=replace(PROFILES[name], texture_size=64, triangles=None))
    run = subprocess.run([sys.executable, CHECK, path], capture_output=True, text=True, check=True)
    assert "  ok  " in run.stdout and [line for line in run.stdout.splitlines() if "  NO  " in line] == []


@pytest.mark.skipif(shutil.which("assimp") is None, reason="needs assimp: apt-get install assimp-utils")
@pytest.mark.parametrize("name", ["unity", "unreal", "godot", "vrchat"])
def test_assimp_reads_the_whole_of_it(figure: Figure, walk: Motion, tmp_path: Path, name: str) -> None:
    """Another reader of GLB than the engines' own, which many programs have inside."""
    path = tmp_path / "person.glb"
    gltf.write(path, figure, motions={"walk": walk}, profile=replace(PROFILES[name], texture_size=64, triangles=None))
    run = subprocess.run(["assimp", "info", path], capture_output=True, text=True, check=True)
    facts = dict(re.findall(r"^([A-Z][A-Za-z ]+?):? +(\(.*\)|\d+)$", run.stdout, re.MULTILINE))
    tree = Scene.read(path).tree
    pieces = [piece for mesh in tree["meshes"] for piece in mesh["primitives"]]
    assert int(facts["Meshes"]) == len(pieces) and int(facts["Animations"]) == 1
    assert int(facts["Nodes"]) >= len(tree["nodes"])
    places = [tree["accessors"][piece["attributes"]["POSITION"]] for piece in pieces]
    for end, bound in (("Minimum", min), ("Maximum", max)):
        there = np.array(facts[f"{end} point"].strip("()").split(), float)
        assert np.abs(there - [bound(of[bound.__name__][k] for of in places) for k in range(3)]).max() < 1e-4


@pytest.mark.parametrize("axes", ["world", "bones"])
@pytest.mark.parametrize("rest", ["a", "t"])
def test_the_clip_is_the_same_in_any_frames(figure: Figure, walk: Motion, tmp_path: Path, axes, rest) -> None:
    """At rest in the body's own pose 0.1 mm on average, where four joints a vertex are; out of a T-pose 1 mm."""
    path = tmp_path / "person.glb"
    gltf.write(path, figure, motions={"walk": walk}, profile=Profile(axes=axes, rest=rest, root="Armature"))
    scene = Scene.read(path)
    vertex = skinned(figure, Profile(rest=rest)).body_vertex
    bodies = retarget.apply(walk, figure.model, figure.shape)
    for k in (0, len(walk) - 1):
        true = figure.model(bodies[k : k + 1]).vertices[0].numpy()[vertex]
        off = np.linalg.norm(scene.posed(scene.frame("walk", k)) - true, axis=1)
        assert off.mean() < {"a": 1e-4, "t": 1e-3}[rest]
    assert np.abs(scene.posed() - scene.attribute("POSITION")).max() < 2e-6


def test_frames_lie_as_mixamos(figure: Figure) -> None:
    """In a T-pose left arms have x to the back and y outwards, legs x to the right and y down; feet point forward."""
    found = rig(figure, Profile(axes="bones", rest="t"))
    frame = {name: found.frames[k] for k, name in enumerate(found.names)}
    assert np.allclose(np.linalg.det(found.frames), 1, atol=1e-5)
    assert np.allclose(frame["LeftArm"], np.array([[0, 1, 0], [0, 0, -1], [-1, 0, 0]]), atol=0.02)
    assert np.allclose(frame["RightForeArm"], np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0]]), atol=0.02)
    assert np.allclose(frame["LeftUpLeg"], np.diag([-1, -1, 1]), atol=0.02)
    assert np.allclose(frame["Hips"], np.eye(3), atol=1e-6)
    assert frame["LeftFoot"][2, 1] > 0.7 and frame["LeftToeBase"][2, 1] > 0.99
    place = dict(zip(found.names, found.places, strict=True))
    for bone, tip in (("LeftLeg", "LeftFoot"), ("LeftHand", "LeftHandMiddle1"), ("LeftHandIndex1", "LeftHandIndex2")):
        way = place[tip] - place[bone]
        assert frame[bone][:, 1] @ way / np.linalg.norm(way) > 0.999


def test_visemes_are_made_of_the_actions(figure: Figure) -> None:
    mesh = skinned(figure)
    assert len(speech.VISEMES) == 15 and len(mesh.actions) == 72
    for made in ("viseme_O", "eyesClosed"):
        strengths = (speech.VISEMES | speech.EXTRAS)[made]
        expected = sum(strength * mesh.morphs[mesh.actions.index(name)] for name, strength in strengths.items())
        assert np.abs(mesh.morphs[mesh.actions.index(made)] - expected).max() < 1e-6
    assert np.abs(mesh.morphs[mesh.actions.index("viseme_aa")]).max() > 0.01
    assert not mesh.morphs[mesh.actions.index("viseme_sil")].any()


def test_normals_follow_the_face(figure: Figure) -> None:
    mesh = skinned(figure)
    jaw = mesh.actions.index("mouthOpen")
    length = np.linalg.norm(mesh.normals + mesh.bends[jaw], axis=1)
    assert np.abs(length - 1).max() < 0.01 and np.abs(mesh.bends[jaw]).max() > 0.1
    far = mesh.vertices[:, 1] < 1.0
    assert not mesh.bends[:, far].any()
    assert skinned(figure, Profile(shading=False)).bends is None


def test_eyes_and_tongue_are_nodes_of_their_own(figure: Figure, tmp_path: Path) -> None:
    gltf.write(tmp_path / "person.glb", figure, profile=Profile(parts=True))
    tree = Scene.read(tmp_path / "person.glb").tree
    assert [mesh["name"] for mesh in tree["meshes"]] == ["Body", "Eyes", "Tongue", "Teeth"]
    count = sum(tree["accessors"][mesh["primitives"][0]["indices"]]["count"] for mesh in tree["meshes"]) // 3
    assert count == len(figure.model.faces) + 192
    masks = pieces(figure.model)
    assert masks["Eyes"].sum() == 144 and masks["Tongue"].sum() == 226


def test_teeth_stand_behind_the_lips_and_go_with_the_jaw(figure: Figure) -> None:
    teeth = skinned(figure.parts[0], PLAIN, standing(figure))
    body = skinned(figure)
    lips = body.vertices[np.isin(body.body_vertex, figure.model.landmark_index.numpy() - 104)]
    assert teeth.vertices[:, 2].max() < lips[:, 2].max()
    jaw = teeth.morphs[teeth.actions.index("jawOpen")]
    with np.load(DATA / "mouth.npz", allow_pickle=False) as data:
        upper = data["upper"][teeth.body_vertex]
    assert jaw[~upper, 1].min() < -0.01 and np.abs(jaw[upper]).max() < 1e-3


def test_what_no_photo_showed_of_the_eyes_is_white(avatar: Avatar) -> None:
    plain = Figure(avatar.model, avatar.layout, avatar.shape, avatar.painted)
    unseen = with_mouth(plain, torch.zeros_like(avatar.texture.filled)).colours
    seen = with_mouth(plain, torch.ones_like(avatar.texture.filled)).colours
    changed = (unseen - seen).abs().amax(0) > 0.05
    assert 0 < changed.float().mean() < 0.1 and (unseen[:, changed].amin(0) > 0.3).float().mean() > 0.9


def test_packed_numbers_are_the_same_ones(figure: Figure, walk: Motion, tmp_path: Path) -> None:
    """Positions within 0.05 mm of the plain file's, at half its size or less."""
    pytest.importorskip("meshopt")
    path, plain = tmp_path / "packed.glb", tmp_path / "plain.glb"
    gltf.write(path, figure, motions={"walk": walk}, profile=Profile(packed=True))
    gltf.write(plain, figure, motions={"walk": walk})
    assert path.stat().st_size < plain.stat().st_size / 2
    file, scene = GltfFile(path), Scene.read(plain)
    primitive = file.tree["meshes"][0]["primitives"][0]
    low, high = (scene.attribute("POSITION").min(0), scene.attribute("POSITION").max(0))
    stored = file.tree["accessors"][primitive["attributes"]["POSITION"]]
    step = (high - low).max() / 2
    found = np.array([stored["min"], stored["max"]]) / 32767 * step + (low + high) / 2
    assert np.abs(found - [low, high]).max() < 5e-5
    assert len(Motion.load(path)) == len(walk)


def test_old_vrm_looks_backwards_and_has_its_own_words(figure: Figure, tmp_path: Path) -> None:
    path = tmp_path / "person.vrm"
    vrm.write(path, figure, LICENCE, version=0)
    assert [found for found in problems(path) if "INVALID_EXTENSION_NAME_FORMAT" not in found] == []   # it is "VRM"
    scene = Scene.read(path)
    said = scene.tree["extensions"]["VRM"]
    assert not any("rotation" in node for node in scene.tree["nodes"])
    straight = figure.model(standing(figure, t_pose=True)).vertices[0].numpy()
    vertex = skinned(figure, Profile(rest="t")).body_vertex
    assert np.abs(scene.posed() - straight[vertex] * [-1, 1, -1]).max() < 1e-5
    groups = {group["presetName"]: group for group in said["blendShapeMaster"]["blendShapeGroups"]}
    assert set(vrm0.PRESETS.values()) <= set(groups) and groups["a"]["binds"][0]["weight"] == pytest.approx(60)
    bones = {entry["bone"] for entry in said["humanoid"]["humanBones"]}
    assert {"leftThumbProximal", "leftThumbIntermediate", "leftThumbDistal"} <= bones
    assert not any("Metacarpal" in bone for bone in bones)
    assert said["meta"]["allowedUserName"] == "OnlyAuthor" and said["meta"]["commercialUssageName"] == "Disallow"
    assert scene.tree["textures"][said["meta"]["texture"]]["source"] == len(scene.tree["images"]) - 1


def test_vrm_has_a_thumbnail_and_hides_the_head_from_its_own_eyes(figure: Figure, tmp_path: Path) -> None:
    vrm.write(tmp_path / "person.vrm", figure, LICENCE, profile=Profile(parts=True))
    tree = Scene.read(tmp_path / "person.vrm").tree
    said = tree["extensions"]["VRMC_vrm"]
    assert tree["images"][said["meta"]["thumbnailImage"]]["mimeType"] == "image/png"
    assert [entry["type"] for entry in said["firstPerson"]["meshAnnotations"]] == ["auto"] + ["thirdPersonOnly"] * 3
    binds = said["expressions"]["preset"]["aa"]["morphTargetBinds"]
    assert len(binds) == 4 and said["expressions"]["preset"]["neutral"]["morphTargetBinds"] == []


def test_fields_are_set_one_by_one() -> None:
    assert profile("web").having(picture="png").picture == "png" and profile("web").having(picture=None).packed
    assert profile(None) == PLAIN and {f.name for f in fields(Profile)} >= {"axes", "rest", "root", "packed"}
    with pytest.raises(InputError, match="no program"):
        profile("winamp")
    with pytest.raises(InputError, match="4 or 8"):
        PLAIN.having(influences=5)
    with pytest.raises(InputError, match="picture"):
        Profile(picture="gif")
    with pytest.raises(InputError, match="packed"):
        vrm.check(Profile(packed=True))
