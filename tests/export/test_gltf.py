"""GLB files read back, and judged by Khronos' validator where it is installed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from export.glb_reader import Scene
from export.khronos import problems

from dinar.avatar import Avatar
from dinar.body.layers import wearing
from dinar.body.uv import load_layout
from dinar.errors import InputError
from dinar.export import gltf
from dinar.export.figure import Figure, standing
from dinar.export.glb import Document
from dinar.export.profiles import Profile
from dinar.export.skinned import joint_names
from dinar.motion import retarget
from dinar.motion.motion import Motion
from dinar.synth.glb import read_rig


@pytest.fixture(scope="module")
def figure(avatar: Avatar) -> Figure:
    return Figure(avatar.model, avatar.layout, avatar.shape, avatar.painted)


@pytest.fixture(scope="module")
def clips() -> dict[str, Motion]:
    return {"walk": Motion.load("walk").clipped(0, 0.5), "dance": Motion.load("dance").clipped(1, 1.5)}


@pytest.fixture(scope="module", params=[4, 8])
def written(request, figure: Figure, clips: dict[str, Motion], tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("glb") / "person.glb"
    gltf.write(path, figure, motions=clips, profile=Profile(influences=request.param, lit=request.param == 8))
    return path, request.param


def body_vertices(scene: Scene, figure: Figure) -> np.ndarray:
    """For each vertex of the file the body's, told from the triangles alone."""
    vertex = np.empty(len(scene.attribute("POSITION")), np.int64)
    vertex[scene.faces] = figure.model.faces.numpy()
    return vertex


def test_the_validator_finds_nothing(written) -> None:
    assert problems(written[0]) == []


def test_at_rest_it_is_the_body_on_the_ground(written, figure: Figure) -> None:
    scene = Scene.read(written[0])
    true = figure.model(standing(figure))
    vertices = scene.posed()
    assert np.abs(vertices - true.vertices[0].numpy()[body_vertices(scene, figure)]).max() < 1e-6
    assert abs(vertices[:, 1].min()) < 1e-6
    normals = scene.attribute("NORMAL")
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6)
    a, b, c = (scene.attribute("POSITION")[scene.faces[:, k]] for k in range(3))
    along = (np.cross(b - a, c - a) * normals[scene.faces].sum(1)).sum(1)
    assert (along > 0).mean() > 0.99


def test_animated_it_is_the_body_in_motion(written, figure: Figure, clips: dict[str, Motion]) -> None:
    """Eight joints a vertex: 0.2 mm. Four, of up to nine: 0.1 mm on average, 20 mm at the worst vertex of an armpit."""
    path, influences = written
    scene = Scene.read(path)
    vertex = body_vertices(scene, figure)
    mean, most = {4: (1e-4, 2e-2), 8: (1e-6, 2e-4)}[influences]
    for name, motion in clips.items():
        bodies = retarget.apply(motion, figure.model, figure.shape)
        for k in (0, len(motion) // 2, len(motion) - 1):
            true = figure.model(bodies[k : k + 1]).vertices[0].numpy()[vertex]
            off = np.linalg.norm(scene.posed(scene.frame(name, k)) - true, axis=1)
            assert off.mean() < mean and off.max() < most


def test_times_are_the_motions(written, clips: dict[str, Motion]) -> None:
    scene = Scene.read(written[0])
    for animation, (name, motion) in zip(scene.tree["animations"], clips.items(), strict=True):
        assert animation["name"] == name
        time = max((scene.numbers(s["input"])[:, 0] for s in animation["samplers"]), key=len)
        assert np.allclose(time, np.arange(len(motion)) / motion.fps)
        for sampler in animation["samplers"]:
            values = scene.numbers(sampler["output"])
            assert len(values) in (1, len(motion))
            if values.shape[1] == 4:
                assert (values[1:] * values[:-1]).sum(1).min(initial=1) > 0


def test_facial_actions_are_arkits(written, figure: Figure) -> None:
    scene, model = Scene.read(written[0]), figure.model
    names = scene.tree["meshes"][0]["extras"]["targetNames"]
    assert tuple(names[:52]) == model.expression_names
    assert len(scene.primitive["targets"]) == len(names) == 52 + 15 + 5
    vertex = body_vertices(scene, figure)
    for name in ("jawOpen", "mouthSmileLeft", "tongueOut"):
        expression = torch.zeros(1, 52)
        expression[0, model.expression_names.index(name)] = 0.7
        body = replace(standing(figure), expression=expression)
        assert np.abs(scene.posed(None, {name: 0.7}) - model(body).vertices[0].numpy()[vertex]).max() < 1e-6


def test_the_texture_lies_where_the_layout_has_it(written, figure: Figure) -> None:
    scene = Scene.read(written[0])
    assert np.array_equal(scene.attribute("TEXCOORD_0")[scene.faces], figure.layout.uv[figure.layout.faces].numpy())
    assert scene.picture.shape == (64, 64, 3)
    texel = (scene.attribute("TEXCOORD_0") * 64).astype(int)
    colour = scene.picture[texel[:, 1], texel[:, 0]]
    assert colour.max(1).min() > 20                                       # nothing between the islands is seen


def test_joints_have_mixamos_names(written, figure: Figure) -> None:
    scene = Scene.read(written[0])
    names = [node["name"] for node in scene.tree["nodes"]]
    assert len(set(names)) == len(names) and not any(set(name) & set(".:/[]") for name in names)
    assert {"Hips", "Spine", "Head", "LeftArm", "RightForeArm", "LeftUpLeg", "RightToeBase", "LeftHandPinky3"} <= set(
        names
    )
    for bone, joint in figure.model.humanoid.items():
        assert scene.tree["nodes"][gltf.FIRST_JOINT_NODE + joint]["extras"] == {"humanoid": bone}


def test_our_reader_of_rigged_people_reads_it(written, figure: Figure) -> None:
    rig = read_rig(written[0])
    true = figure.model(standing(figure))
    places = rig.positions[[rig.names.index(name) for name in joint_names(figure.model)]]
    assert np.abs(places - true.joints[0].numpy()).max() < 1e-6
    (part,) = rig.parts
    assert len(part.faces) == len(figure.model.faces) and not part.two_sided and not part.cut
    corners = true.vertices[0][figure.model.faces].numpy()
    assert np.abs(part.vertices[part.faces] - corners).max() < 2e-5
    assert part.joint.shape[1] == written[1] and np.allclose(part.weight.sum(1), 1, atol=1e-6)
    weights = np.zeros((len(part.vertices), len(rig.names)))
    np.add.at(weights, (np.arange(len(part.vertices))[:, None], part.joint), part.weight)
    columns = [rig.names.index(name) for name in joint_names(figure.model)]
    difference = weights[part.faces][..., columns] - figure.model.skin_weights[figure.model.faces].numpy()
    assert np.abs(difference).sum(-1).mean() < {4: 2e-2, 8: 1e-4}[written[1]]


def test_its_clips_are_motions_again(written, figure: Figure, clips: dict[str, Motion]) -> None:
    """On the same body, from the same place on the ground: what they lose is how a limb's twist is spread along it."""
    for name, motion in clips.items():
        again = Motion.load(f"{written[0]}#{name}")
        assert len(again) == len(motion) and again.fps == pytest.approx(motion.fps)
        before, after = (
            figure.model(retarget.apply(one, figure.model, figure.shape)[:: len(motion) - 1]) for one in (motion, again)
        )
        start = (after.joints - before.joints)[:1, :1] * torch.tensor([1.0, 0.0, 1.0])
        off = (after.vertices - before.vertices - start).norm(dim=-1)
        assert off.mean() < 2e-3 and off.max() < 1e-2


def test_a_jpeg_is_smaller(figure: Figure, tmp_path: Path) -> None:
    colours = torch.rand(3, 256, 256, generator=torch.Generator().manual_seed(0))
    noisy = replace(figure, colours=colours)
    sizes = {}
    for kind in ("png", "jpeg"):
        path = tmp_path / f"{kind}.glb"
        gltf.write(path, noisy, profile=Profile(picture=kind))
        scene = Scene.read(path)
        assert scene.tree["images"][0]["mimeType"] == f"image/{kind}" and scene.picture.shape == (256, 256, 3)
        assert problems(path) == []
        sizes[kind] = path.stat().st_size
    assert sizes["jpeg"] < sizes["png"]


def test_material(written) -> None:
    tree = Scene.read(written[0]).tree
    (material,) = tree["materials"]
    assert material["doubleSided"] is False and material["pbrMetallicRoughness"]["roughnessFactor"] == 1
    assert ("KHR_materials_unlit" in material.get("extensions", {})) == (written[1] == 4)
    assert tree.get("extensionsUsed", []) == (["KHR_materials_unlit"] if written[1] == 4 else [])


def test_the_same_bytes_again(figure: Figure, clips: dict[str, Motion], tmp_path: Path) -> None:
    paths = [tmp_path / "a" / "person.glb", tmp_path / "b" / "person.glb"]
    for path in paths:
        gltf.write(path, figure, motions=clips, profile=Profile(texture_size=96))
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert Scene.read(paths[0]).picture.shape == (96, 96, 3)


def test_refusals_leave_nothing(figure: Figure, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \.glb"):
        gltf.write(tmp_path / "person.gltf", figure)
    with pytest.raises(InputError, match="give 4 or 8"):
        gltf.write(tmp_path / "person.glb", figure, profile=Profile(influences=5))
    for size in (63, 8193):
        with pytest.raises(InputError, match="texture of"):
            gltf.write(tmp_path / "person.glb", figure, profile=Profile(texture_size=size))
    assert list(tmp_path.iterdir()) == []


def test_displacements_are_sparse_where_that_is_smaller(tmp_path: Path) -> None:
    document, values = Document(), np.zeros((100, 3), np.float32)
    none = document.displacements(values)
    values[7] = 1
    few = document.displacements(values)
    many = document.displacements(values + 1)
    (tmp_path / "a.glb").write_bytes(document.content())
    scene = Scene.read(tmp_path / "a.glb")
    assert scene.tree["accessors"][few]["sparse"]["count"] == 1 and "sparse" not in scene.tree["accessors"][many]
    assert not scene.numbers(none).any() and scene.tree["accessors"][none]["sparse"]["count"] == 1
    assert np.array_equal(scene.numbers(few), values) and np.array_equal(scene.numbers(many), values + 1)


def test_a_skirt_is_a_mesh_of_its_own(figure: Figure, tmp_path: Path) -> None:
    model = wearing(figure.model, {"skirt": torch.zeros(6)})
    dressed = replace(figure, model=model, layout=load_layout("clothed", model))
    gltf.write(tmp_path / "skirt.glb", dressed)
    tree = Scene.read(tmp_path / "skirt.glb").tree
    assert [mesh["name"] for mesh in tree["meshes"]] == ["Body", "Skirt"]
    counts = [tree["accessors"][mesh["primitives"][0]["indices"]]["count"] for mesh in tree["meshes"]]
    assert counts == [3 * len(figure.model.faces), 3 * (len(model.faces) - len(figure.model.faces))]
    assert all(material["doubleSided"] for material in tree["materials"])      # a tube is open below
