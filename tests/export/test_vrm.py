"""VRM 1.0 files read back: what the specification demands of bones, rest pose, expressions and licence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import roma
import torch
from export.glb_reader import Scene
from export.khronos import problems

from dinar.avatar import Avatar
from dinar.errors import InputError
from dinar.export import gltf, vrm
from dinar.export.figure import Figure, standing
from dinar.export.licence import Licence
from dinar.motion import retarget
from dinar.motion.humanoid import PARENT, nearest_parent
from dinar.motion.motion import Motion

ACTORS = Licence(
    "Somebody", ("Ann", "Bob"), avatar="everyone", url="https://example.org/terms", redistribution=True
)


@pytest.fixture(scope="module")
def figure(avatar: Avatar) -> Figure:
    return Figure(avatar.model, avatar.layout, avatar.shape, avatar.painted)


@pytest.fixture(scope="module")
def path(figure: Figure, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vrm") / "person.vrm"
    vrm.write(path, figure, ACTORS)
    return path


@pytest.fixture(scope="module")
def scene(path: Path) -> Scene:
    return Scene.read(path)


def extension(scene: Scene) -> dict:
    return scene.tree["extensions"]["VRMC_vrm"]


def test_the_validator_finds_nothing(path: Path) -> None:
    assert problems(path) == []


def test_it_stands_in_a_t_pose(scene: Scene) -> None:
    """The mesh itself: its nodes turn nothing, arms lie along x within 2 mm, legs along y."""
    assert not any("rotation" in node or "scale" in node for node in scene.tree["nodes"])
    place = {}
    for node in scene.tree["nodes"][gltf.FIRST_JOINT_NODE :]:
        start = place.get(id(node), np.zeros(3)) + node["translation"]
        place[node["name"]] = start
        for child in node.get("children", ()):
            place[id(scene.tree["nodes"][child])] = start
    for side, sign in (("Left", 1), ("Right", -1)):
        arm = place[f"{side}Hand"] - place[f"{side}Arm"]
        assert sign * arm[0] > 0.4 and np.abs(arm[1:]).max() < 2e-3
        leg = place[f"{side}Foot"] - place[f"{side}UpLeg"]
        assert leg[1] < -0.6 and np.abs(leg[[0, 2]]).max() < 2e-3
    vertices = scene.posed()
    assert np.allclose(vertices, scene.attribute("POSITION"), atol=1e-6) and abs(vertices[:, 1].min()) < 1e-5
    assert np.ptp(vertices[:, 0]) > 0.85 * np.ptp(vertices[:, 1])


def test_from_there_it_moves_like_the_body(scene: Scene, figure: Figure) -> None:
    """Linear skinning twice is less than 1 mm off on average; what follows one joint is exact."""
    model = figure.model
    motion = Motion.load("walk").clipped(0.5, 0.6)
    bodies = retarget.apply(motion, model, figure.shape)[:1]
    true = model(bodies)
    straight = model(standing(figure, t_pose=True)).transforms[0, :, :3, :3]
    turns = true.transforms[0, :, :3, :3] @ straight.transpose(1, 2)
    said = {}
    for joint, parent in enumerate(model.parents):
        local = turns[joint] if parent < 0 else turns[parent].T @ turns[joint]
        said[gltf.FIRST_JOINT_NODE + joint] = {"rotation": _quaternion(local)}
    said[gltf.FIRST_JOINT_NODE]["translation"] = true.joints[0, 0].numpy()
    vertex = np.empty(len(scene.attribute("POSITION")), np.int64)
    vertex[scene.faces] = model.faces.numpy()
    off = np.linalg.norm(scene.posed(said) - true.vertices[0].numpy()[vertex], axis=1)
    assert off.mean() < 1e-3
    stiff = model.skin_weights.max(1).values.numpy()[vertex] > 0.999
    assert stiff.sum() > 3000 and off[stiff].max() < 1e-5


def _quaternion(matrix: torch.Tensor) -> np.ndarray:
    return roma.rotmat_to_unitquat(matrix.double()).numpy()


def test_every_bone_has_its_node_below_its_parents(scene: Scene) -> None:
    bones = {bone: entry["node"] for bone, entry in extension(scene)["humanoid"]["humanBones"].items()}
    required = {"hips", "spine", "head"} | {
        side + part
        for side in ("left", "right")
        for part in ("UpperArm", "LowerArm", "Hand", "UpperLeg", "LowerLeg", "Foot")
    }
    assert required <= set(bones) <= set(PARENT) | {"jaw"} and len(set(bones.values())) == len(bones)
    above = {child: k for k, node in enumerate(scene.tree["nodes"]) for child in node.get("children", ())}
    for bone, node in bones.items():
        parent = nearest_parent(bone, set(bones))
        path = []
        while node in above:
            node = above[node]
            path.append(node)
        assert parent is None or bones[parent] in path


def test_expressions(scene: Scene, figure: Figure) -> None:
    found = extension(scene)["expressions"]
    emotions = {"happy", "angry", "sad", "relaxed", "surprised"}
    rest = {"neutral", "aa", "ih", "ou", "ee", "oh", "blink", "blinkLeft", "blinkRight"}
    assert set(found["preset"]) == emotions | rest | {"lookUp", "lookDown", "lookLeft", "lookRight"}
    assert tuple(found["custom"]) == figure.model.expression_names
    names = scene.tree["meshes"][0]["extras"]["targetNames"]
    for expression in (*found["preset"].values(), *found["custom"].values()):
        for bind in expression["morphTargetBinds"]:
            assert scene.tree["nodes"][bind["node"]]["mesh"] == 0 and 0 < bind["weight"] <= 1
            assert bind["index"] < len(names)
    strengths = {names[b["index"]]: b["weight"] for b in found["preset"]["lookLeft"]["morphTargetBinds"]}
    assert strengths == {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0}


def test_facial_actions_turn_with_the_head(scene: Scene, figure: Figure) -> None:
    model = figure.model
    expression = torch.zeros(1, 52)
    expression[0, model.expression_names.index("jawOpen")] = 1.0
    true = model(replace(standing(figure, t_pose=True), expression=expression)).vertices[0].numpy()
    vertex = np.empty(len(scene.attribute("POSITION")), np.int64)
    vertex[scene.faces] = model.faces.numpy()
    assert np.abs(scene.posed(None, {"jawOpen": 1.0}) - true[vertex]).max() < 1e-5


def test_gaze_starts_between_the_eyes(scene: Scene) -> None:
    gaze = extension(scene)["lookAt"]
    x, y, z = gaze["offsetFromHeadBone"]
    assert gaze["type"] == "expression" and abs(x) < 0.005 and 0.02 < y < 0.08 and 0.05 < z < 0.12
    assert all(gaze[f"rangeMap{way}"]["outputScale"] == 1 for way in ("VerticalUp", "HorizontalInner"))


def test_licence(scene: Scene) -> None:
    meta = extension(scene)["meta"]
    assert meta["name"] == "Somebody" and meta["authors"] == ["Ann", "Bob"]
    assert meta["licenseUrl"] == "https://vrm.dev/licenses/1.0/" and meta["otherLicenseUrl"].endswith("/terms")
    assert meta["avatarPermission"] == "everyone" and meta["allowRedistribution"] is True
    assert meta["commercialUsage"] == "personalNonProfit" and meta["modification"] == "prohibited"
    assert meta["allowAntisocialOrHateUsage"] is False and "copyrightInformation" not in meta
    assert extension(scene)["specVersion"] == "1.0" and "VRMC_vrm" in scene.tree["extensionsUsed"]


@pytest.mark.parametrize("authors", [(), ("Ann", " ")])
def test_without_an_author_there_is_none(authors: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="--author"):
        Licence("Somebody", authors)


def test_another_kind_of_file_is_refused(figure: Figure, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \.vrm"):
        vrm.write(tmp_path / "person.glb", figure, ACTORS)
    assert list(tmp_path.iterdir()) == []
