"""Other programs open what is exported: three.js and three-vrm in a headless Chromium, and Blender.

Each proof runs where its program is installed; docs/export.md says how.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import roma
import torch
from export import blender_reader
from export.glb_reader import Scene
from tooling import load_tool

from dinar import images
from dinar.avatar import Avatar
from dinar.body.model import Body
from dinar.body.uv import texel_map
from dinar.camera import framing
from dinar.export import gltf, vrm
from dinar.export.expressions import EXPRESSIONS
from dinar.export.figure import Figure, standing
from dinar.export.licence import Licence
from dinar.export.profiles import Profile
from dinar.motion import retarget
from dinar.motion.motion import Motion
from dinar.texture.drawing import Rendering, draw

three = load_tool("three")
SIZE = (480, 360)
KEYS = (0, 9, 21)
BACKGROUND = (1.0, 1.0, 1.0)        # no colour of the person's

in_three = pytest.mark.skipif(three.missing() is not None, reason=str(three.missing()))


@pytest.fixture(scope="module")
def figure(avatar: Avatar) -> Figure:
    """The person with a belly that the body model does not know, its colours telling where a point lies at rest."""
    rest = avatar.model.template
    away = (rest - torch.tensor([0.0, 0.15, 0.05])).norm(dim=1, keepdim=True)
    bulge = 0.05 * torch.exp(-((away / 0.15) ** 2)) * torch.tensor([0.0, 0.0, 1.0])
    place = 0.1 + 0.8 * (rest - rest.amin(0)) / (rest.amax(0) - rest.amin(0))
    colours = texel_map(avatar.layout, 256).interpolate(place, avatar.model.faces)[0]
    return Figure(avatar.model.moved(bulge), avatar.layout, avatar.shape, colours)


@pytest.fixture(scope="module")
def walk() -> Motion:
    return Motion.load("walk").clipped(0.2, 1.0)


@pytest.fixture(scope="module")
def bodies(figure: Figure, walk: Motion) -> Body:
    return retarget.apply(walk, figure.model, figure.shape)


@pytest.fixture(scope="module")
def glb(figure: Figure, walk: Motion, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("proofs") / "person.glb"
    gltf.write(path, figure, motions={"walk": walk})
    return path


@pytest.fixture(scope="module")
def vertex(figure: Figure, glb: Path) -> np.ndarray:
    """For each vertex of the file the body's."""
    scene = Scene.read(glb)
    found = np.empty(len(scene.attribute("POSITION")), np.int64)
    found[scene.faces] = figure.model.faces.numpy()
    return found


def posed(figure: Figure, body: Body) -> torch.Tensor:
    with torch.no_grad():
        return figure.model(body).vertices


def overlap(picture: np.ndarray, own: Rendering) -> tuple[float, float]:
    """Intersection over union of two silhouettes, and the mean difference of colours where both show the person."""
    theirs = np.abs(picture / 255 - BACKGROUND).max(2) > 0.02
    mask = own.mask[0, 0].numpy()
    ours = mask > 0.02
    inside = theirs & (mask > 0.999)
    colours = own.rgb[0].permute(1, 2, 0).numpy()
    return (theirs & ours).sum() / (theirs | ours).sum(), np.abs(picture / 255 - colours)[inside].mean()


@in_three
def test_three_js_plays_the_clip_as_we_do(
    figure: Figure, glb: Path, walk: Motion, bodies: Body, vertex: np.ndarray
) -> None:
    """Vertices within 20 um of the file read by hand; silhouettes overlap by 0.985, colours are 0.005 apart on average.

    What remains of the silhouettes is antialiasing, which colours the outermost pixels on either side.
    """
    models = [posed(figure, bodies[k : k + 1]) for k in KEYS]
    cameras = [framing(body[0], azimuth, 5.0, SIZE) for body, azimuth in zip(models, (0, 120, 250), strict=True)]
    shots = [three.Shot(camera, "walk", k / walk.fps) for camera, k in zip(cameras, KEYS, strict=True)]
    drawn = three.draw(glb, shots, background=BACKGROUND)
    assert drawn.clips == ("walk",)
    scene, texture = Scene.read(glb), images.from_bytes(figure.picture())[None]
    for k, body, camera, picture, found in zip(KEYS, models, cameras, drawn.pictures, drawn.vertices, strict=True):
        assert np.abs(found - scene.posed(scene.frame("walk", k))).max() < 2e-5
        assert np.linalg.norm(found - body[0].numpy()[vertex], axis=1).mean() < 1e-4
        own = draw(texture, body, figure.model.faces, figure.layout, camera, supersample=4)
        shared, difference = overlap(picture, own)
        assert shared > 0.985 and difference < 0.005
    other = framing(models[2][0], 265.0, 5.0, SIZE)
    seen = draw(texture, models[2], figure.model.faces, figure.layout, other)
    assert overlap(drawn.pictures[2], seen)[0] < 0.95                     # the measure sees 15 degrees


@in_three
def test_three_vrm_moves_an_arm_and_a_smile(figure: Figure, tmp_path: Path) -> None:
    path = tmp_path / "person.vrm"
    vrm.write(path, figure, Licence("Somebody", ("Ann",)))
    scene = Scene.read(path)
    model = figure.model
    straight = posed(figure, standing(figure, t_pose=True))
    camera = framing(straight[0], 0.0, 0.0, SIZE)
    turn = roma.rotvec_to_unitquat(torch.tensor([0.0, 0.0, 1.0])).tolist()
    shots = [
        three.Shot(camera),
        three.Shot(camera, bones={"leftUpperArm": turn}),
        three.Shot(camera, expressions={"happy": 1.0}),
    ]
    drawn = three.draw(path, shots)
    rest, arm, smile = drawn.vertices
    assert np.abs(rest - scene.posed()).max() < 2e-5
    node = gltf.FIRST_JOINT_NODE + model.humanoid["leftUpperArm"]
    assert np.abs(arm - scene.posed({node: {"rotation": np.array(turn)}})).max() < 2e-5
    assert np.abs(smile - scene.posed(None, dict(EXPRESSIONS["happy"]))).max() < 2e-5
    hand = scene.attribute("POSITION")[:, 0] > 0.6
    assert (arm - rest)[hand][:, 1].min() > 0.3                           # it is raised
    moved = np.linalg.norm(smile - rest, axis=1) > 1e-3
    assert moved.any() and scene.attribute("POSITION")[moved, 1].min() > straight[0, :, 1].max() - 0.3
    before, raised, smiling = (picture.astype(int) for picture in drawn.pictures)
    x, y = (np.abs(raised - before).max(2) > 40).nonzero()[::-1]
    assert len(x) > 500 and x.min() > SIZE[1] / 2 and y.max() < SIZE[0] / 2       # the person's left, above the hips
    changed = np.abs(smiling - before).max(2) > 2
    assert changed.any() and changed.nonzero()[0].max() < SIZE[0] / 3


_IN_BLENDER = """
out, path, *times = ARGUMENTS
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.import_scene.gltf(filepath=path)
mesh = next(thing for thing in bpy.data.objects if thing.type == "MESH" and thing.modifiers)
scene, found = bpy.context.scene, []
for time in times:
    frame = float(time) * scene.render.fps / scene.render.fps_base
    scene.frame_set(int(frame), subframe=frame - int(frame))
    found.append(vertices_of(mesh))
np.savez(out, vertices=np.stack(found), keys=len(mesh.data.shape_keys.key_blocks) - 1)
"""


@pytest.mark.parametrize(("influences", "most"), [(4, 0.02), (8, 0.001)])
def test_blender_has_our_vertices(
    figure: Figure, walk: Motion, bodies: Body, vertex: np.ndarray, tmp_path: Path, influences: int, most: float
) -> None:
    """Within 0.1 mm of the file's figure; of the body itself within 1 mm with 8 joints a vertex, 20 mm with 4."""
    path = tmp_path / "person.glb"
    gltf.write(path, figure, motions={"walk": walk}, profile=Profile(influences=influences))
    read = blender_reader.found(_IN_BLENDER, tmp_path, path, *(k / walk.fps for k in KEYS))
    assert read["keys"] == 72
    scene = Scene.read(path)
    for k, ours in zip(KEYS, read["vertices"], strict=True):
        assert np.abs(ours - scene.posed(scene.frame("walk", k))).max() < 1e-4
        off = np.linalg.norm(ours - posed(figure, bodies[k : k + 1])[0].numpy()[vertex], axis=1)
        assert off.mean() < 1e-4 and off.max() < most


def test_the_figure_is_not_the_plain_body(figure: Figure, avatar: Avatar) -> None:
    bare = replace(figure, model=avatar.model)
    assert (posed(figure, standing(figure)) - posed(bare, standing(bare))).norm(dim=-1).max() > 0.03
