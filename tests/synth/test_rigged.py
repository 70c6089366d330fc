from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from synth.glb_files import Writer

from dinar.body.model import Body, BodyModel
from dinar.data.dataset import MultiView
from dinar.errors import InputError
from dinar.motion.person import humanoid_chains
from dinar.synth import registration, rigged
from dinar.synth.glb import read_rig
from dinar.synth.poses import random_body
from dinar.synth.rigged import load_person, rigged_files
from dinar.synth.shards import Plan, write_shards

ASSETS = Path(__file__).parents[3] / "shared/assets"
VALID = ASSETS / "valid"
needs_valid = pytest.mark.skipif(not VALID.is_dir(), reason="needs ../shared/assets/valid")

MIXAMO = {
    "hips": "Hips", "spine": "Spine", "chest": "Spine1", "upperChest": "Spine2", "neck": "Neck", "head": "Head",
    "leftUpperArm": "LeftArm", "leftLowerArm": "LeftForeArm", "leftHand": "LeftHand", "leftShoulder": "LeftShoulder",
    "leftUpperLeg": "LeftUpLeg", "leftLowerLeg": "LeftLeg", "leftFoot": "LeftFoot", "leftToes": "LeftToeBase",
}  # fmt: skip
MIXAMO |= {bone.replace("left", "right"): name.replace("Left", "Right") for bone, name in MIXAMO.items()}


@pytest.fixture(scope="module")
def model() -> BodyModel:
    return BodyModel.open()


@pytest.fixture(scope="module")
def truth(model) -> Body:
    """Somebody in a T-pose of sorts."""
    rng = np.random.default_rng(3)
    shape = np.zeros((1, 100), np.float32)
    shape[0, :12] = rng.normal(0, 0.8, 12)
    pose = registration._t_pose(model)
    bend = torch.from_numpy(rng.normal(0, 0.03, pose.shape).astype(np.float32))
    pose = pose + bend * (registration._stiffness(model) == 1)[:, None]
    place = torch.tensor([[0.1, 0.9, 0.0]])
    return replace(model.neutral(), shape=torch.from_numpy(shape), pose=pose[None], translation=place)


def written(
    path: Path, model: BodyModel, truth: Body, *, scale: float = 1.0, turn: float = 0.0, named: bool = True
) -> Path:
    """A body as a Mixamo-like file: without fingers' bones, each vertex on the bones of its joints."""
    mesh = model(truth)
    writer = Writer()
    root = writer.node("Armature", scale=[scale] * 3, rotation=Rotation.from_euler("y", turn).as_quat().tolist())
    joints = mesh.joints[0].numpy()
    nodes, bones, places = {}, [], []
    parent_of = {bone: None for bone in MIXAMO}
    for bone in MIXAMO:
        joint = model.parents[model.humanoid[bone]]
        while joint >= 0:
            above = [b for b in MIXAMO if model.humanoid[b] == joint]
            if above:
                parent_of[bone] = above[0]
                break
            joint = model.parents[joint]
    for bone in sorted(MIXAMO, key=lambda bone: model.humanoid[bone]):
        above = parent_of[bone]
        place = joints[model.humanoid[bone]]
        start = joints[model.humanoid[above]] if above else np.zeros(3)
        name = f"mixamorig:{MIXAMO[bone]}" if named else f"bone{len(nodes)}"
        nodes[bone] = writer.node(name, nodes[above] if above else root, translation=(place - start).tolist())
        bones.append(nodes[bone])
        places.append(place)
    order = {node: k for k, node in enumerate(bones)}
    column = []
    for joint in range(len(model.parents)):
        while not any(model.humanoid[bone] == joint for bone in MIXAMO):
            joint = model.parents[joint]
        column.append(order[nodes[next(bone for bone in MIXAMO if model.humanoid[bone] == joint)]])
    weight = np.zeros((len(model.template), len(bones)), np.float32)
    np.add.at(weight.T, column, model.skin_weights.numpy().T)
    top = np.argsort(-weight, axis=1)[:, :4]
    binding = np.tile(np.eye(4), (len(bones), 1, 1))
    binding[:, :3, 3] = -np.array(places)
    vertices, faces = mesh.vertices[0].numpy(), model.faces.numpy()
    surface = {"pbrMetallicRoughness": {"baseColorFactor": [0.5, 0.3, 0.2, 1]}}
    top_weight = np.take_along_axis(weight, top, axis=1)
    writer.mesh("body", vertices, faces, top, top_weight, np.zeros((len(vertices), 2)), bones, binding, surface)
    path.write_bytes(writer.content())
    return path


@pytest.fixture(scope="module")
def loaded(model, truth, tmp_path_factory):
    return load_person(written(tmp_path_factory.mktemp("rig") / "one.glb", model, truth), texture=16)


def test_a_body_is_found_in_its_own_mesh(loaded, model, truth):
    person, distances = loaded
    assert distances.mean < 0.002 and max(distances.to_body[1], distances.to_mesh[1]) < 0.006
    assert distances.face is None
    joints = model(person.fitted).joints[0] - model(truth).joints[0]
    assert joints.norm(dim=1)[list(model.humanoid.values())].mean() < 0.012


def test_pose_drives_mesh_and_body_alike(loaded, model):
    person, _ = loaded
    assert np.abs(person.posed(person.fitted) - person.rest).max() < 1e-5
    body = random_body(person, np.random.default_rng(1), lively=1.0)
    body = replace(body, expression=torch.zeros_like(body.expression), translation=torch.tensor([[0.0, 0.0, 0.5]]))
    fingers = [j for j, name in enumerate(model.joint_names) if name.startswith("finger")]
    held = (model.skin_weights[:, fingers].sum(1) == 0).numpy()  # the file has no bones for the others
    gap = np.linalg.norm(person.posed(body) - model(body).vertices[0].numpy(), axis=1)[held]
    assert gap.mean() < 0.003 and gap.max() < 0.03


def test_a_rig_that_looks_back_is_turned(loaded, model, truth, tmp_path):
    rig = read_rig(written(tmp_path / "back.glb", model, truth, turn=np.pi))
    turned = rigged._facing_forward(rig, humanoid_chains(rig.names, rig.parents, rig.source))
    assert np.allclose(turned.parts[0].vertices, loaded[0].rest, atol=1e-5)
    assert turned.positions[rig.names.index("mixamorig:LeftArm"), 0] > 0.1


def test_files_that_are_no_people(model, truth, tmp_path):
    with pytest.raises(InputError, match="leftUpperLeg"):
        load_person(written(tmp_path / "a.glb", model, truth, named=False))
    with pytest.raises(InputError, match="true size"):
        load_person(written(tmp_path / "b.glb", model, truth, scale=100))


def test_folders(tmp_path):
    with pytest.raises(InputError, match="no rigged people"):
        rigged_files(tmp_path)
    for name in ("b.glb", "a.glb", "c.txt"):
        (tmp_path / name).write_bytes(b"")
    assert [path.name for path in rigged_files(tmp_path)] == ["a.glb", "b.glb"]


@needs_valid
def test_a_valid_avatar():
    person, distances = load_person(VALID / "dev/Black_M_2_Casual.glb", texture=64)
    assert distances.to_mesh[0] < 0.006 and distances.to_body[0] < 0.01 and distances.face[0] < 0.005
    assert set(np.unique(person.kind)) == {0, 1, 3} and person.opaque == len(person.faces)
    assert person.wears == ("Black_M_2_Casual",)


@needs_valid
def test_a_set_of_rigged_people(tmp_path):
    folder = tmp_path / "people"
    folder.mkdir()
    (folder / "her.glb").symlink_to(VALID / "dev/White_F_2_Util.glb")
    with pytest.raises(InputError, match="holds 1 people, not 2"):
        write_shards(ASSETS, tmp_path / "set", Plan(2, 2, size=64), rigged=folder)
    assert not (tmp_path / "set").exists()
    write_shards(ASSETS, tmp_path / "set", Plan(1, 3, seed=5, size=64), rigged=folder, workers=1)
    assert json.loads((tmp_path / "set/set.json").read_text())["rigged"] == ["her.glb"]
    data = MultiView(tmp_path / "set")
    model = BodyModel.open()
    for k in range(3):
        view = data.view(0, k)
        x, y, _ = view.camera.project(model(view.body).vertices[0]).unbind(-1)
        inside = view.mask[0][y.long().clamp(0, 63), x.long().clamp(0, 63)] > 0.2
        assert inside.float().mean() > 0.95 and 0.02 < view.mask.mean() < 0.6
    assert not data.view(0, 0).body.expression.any()
    with pytest.raises(InputError, match="holds another set"):
        write_shards(ASSETS, tmp_path / "set", Plan(1, 3, seed=5, size=64))
