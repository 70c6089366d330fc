from __future__ import annotations

import contextlib
import io
import math

import numpy as np
import pytest
from PIL import Image
from synth.glb_files import Writer

from dinar.errors import InputError
from dinar.synth.glb import read_rig

VERTICES = np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]])  # two triangles, a seam
FACES = np.array([[0, 1, 2], [3, 5, 4]])
UV = np.float32([[0, 0], [0.4, 0], [0, 0.4], [0.6, 1], [1, 0.6], [1, 1]])
JOINT = np.array([[0, 1, 0, 0]] * 6)
WEIGHT = np.float32([[1, 0, 0, 0], [1, 3, 0, 0], [2, 0, 0, 0], [1, 3, 0, 0], [2, 0, 0, 0], [0, 1, 0, 0]])


@pytest.fixture
def made() -> Writer:
    """A square on two joints; the root is scaled and moved, its child turned a quarter about Z."""
    writer = Writer()
    root = writer.node("root", scale=[0.5, 0.5, 0.5], translation=[0, 1, 0])
    half = math.sqrt(0.5)
    child = writer.node("child", root, translation=[2, 0, 0], rotation=[0, 0, half, half])
    picture = io.BytesIO()
    Image.new("RGBA", (8, 4), (200, 100, 50, 128)).save(picture, "PNG")
    writer.tree["images"].append({"bufferView": writer.view(picture.getvalue()), "mimeType": "image/png"})
    writer.tree["textures"].append({"source": 0})
    surface = {"baseColorTexture": {"index": 0}}
    material = {"alphaMode": "MASK", "doubleSided": True, "pbrMetallicRoughness": surface}
    binding = np.tile(np.eye(4), (2, 1, 1))
    writer.mesh("square", VERTICES, FACES, JOINT, WEIGHT, UV, [root, child], binding, material)
    return writer


def read(writer: Writer | bytes, tmp_path):
    path = tmp_path / "made.glb"
    path.write_bytes(writer if isinstance(writer, bytes) else writer.content())
    return read_rig(path)


def test_what_a_file_says(made, tmp_path):
    rig = read(made, tmp_path)
    part = rig.parts[0]
    assert rig.names == ("root", "square", "child") and rig.parents == (-1, -1, 0)
    assert np.allclose(rig.positions, [[0, 1, 0], [0, 0, 0], [1, 1, 0]])
    assert part.name == "square" and part.cut and part.two_sided
    assert part.picture.shape == (4, 8, 4) and (part.picture == [200, 100, 50, 128]).all()
    assert np.allclose(part.weight.sum(1), 1) and (part.uv == UV).all() and (part.uv_faces == FACES).all()


def test_the_rest_pose_is_skinned(made, tmp_path):
    part = read(made, tmp_path).parts[0]
    root = VERTICES * 0.5 + [0, 1, 0]
    child = np.stack([-VERTICES[:, 1], VERTICES[:, 0], VERTICES[:, 2]], 1) * 0.5 + [1, 1, 0]
    share = (WEIGHT / WEIGHT.sum(1, keepdims=True))[:, 1:2]
    expected = root * (1 - share) + child * share
    corners = part.vertices[part.faces]
    assert np.allclose(corners, expected[FACES], atol=1e-6)
    assert set(part.joint.ravel()) == {0, 2}


def test_a_seam_is_one_line_of_vertices(made, tmp_path):
    part = read(made, tmp_path).parts[0]
    assert len(part.vertices) == 4 and len(np.intersect1d(part.faces[0], part.faces[1])) == 2


def test_a_colour_without_a_picture(made, tmp_path):
    made.tree["materials"][0] = {"pbrMetallicRoughness": {"baseColorFactor": [1, 0.2158605, 0, 1]}}
    part = read(made, tmp_path).parts[0]
    assert (part.picture == [255, 128, 0, 255]).all() and not part.cut


def test_damage_is_told(made, tmp_path):
    content = made.content()
    for length in (0, 3, 12, 30, len(content) // 2, len(content) - 400):
        with pytest.raises(InputError, match=r"damaged|cut short"):
            read(content[:length], tmp_path)
    rng = np.random.default_rng(0)
    for _ in range(300):
        bad = bytearray(content)
        for place in rng.integers(12, len(bad), 6):
            bad[place] = rng.integers(256)
        with contextlib.suppress(InputError):  # anything else is a failure: damaged files are a user's mistake
            read(bytes(bad), tmp_path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t["nodes"][0].update(children=[0]), "damaged"),
        (lambda t: t["nodes"][1].update(children=[0]), "damaged"),
        (lambda t: t["accessors"][0].update(count=10**9), "damaged"),
        (lambda t: t["accessors"][0].update(count=2), "damaged"),
        (lambda t: t["bufferViews"][1].update(byteOffset=-8), "damaged"),
        (lambda t: t["images"][0].pop("bufferView"), "other files"),
        (lambda t: t["nodes"][2].pop("skin"), "no skinned mesh"),
    ],
)
def test_wrong_files(made, tmp_path, change, reason):
    change(made.tree)
    with pytest.raises(InputError, match=reason):
        read(made, tmp_path)


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_rig(tmp_path / "absent.glb")
