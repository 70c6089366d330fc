"""OBJ and PLY files read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinar.avatar import Avatar
from dinar.errors import InputError
from dinar.export.figure import Figure, standing
from dinar.export.plain import write_obj, write_ply


@pytest.fixture(scope="module")
def figure(avatar: Avatar) -> Figure:
    return Figure(avatar.model, avatar.layout, avatar.shape, avatar.painted)


@pytest.fixture(scope="module")
def vertices(figure: Figure) -> np.ndarray:
    return figure.model(standing(figure)).vertices[0].numpy()


def test_obj(figure: Figure, vertices: np.ndarray, tmp_path: Path) -> None:
    files = write_obj(tmp_path / "person.obj", figure, texture_size=128)
    assert [file.name for file in files] == ["person.obj", "person.mtl", "person.png"]
    assert sorted(tmp_path.iterdir()) == sorted(files)
    rows = [line.split() for line in files[0].read_text().splitlines()]
    found = {kind: [row[1:] for row in rows if row[0] == kind] for kind in ("v", "vt", "vn", "f", "mtllib", "usemtl")}
    assert found["mtllib"] == [["person.mtl"]] and "newmtl Person\n" in files[1].read_text()
    assert f"newmtl {found['usemtl'][0][0]}\n" in files[1].read_text() and "map_Kd person.png" in files[1].read_text()
    assert np.abs(np.array(found["v"], float) - vertices).max() < 1e-6
    corners = np.array([[corner.split("/") for corner in face] for face in found["f"]], int) - 1
    assert np.array_equal(corners[..., 0], figure.model.faces.numpy())
    uv = np.array(found["vt"], float)[corners[..., 1]]
    assert np.abs([0, 1] + uv * [1, -1] - figure.layout.uv[figure.layout.faces].numpy()).max() < 1e-6
    assert np.allclose(np.linalg.norm(np.array(found["vn"], float), axis=1), 1, atol=1e-3)
    with Image.open(files[2]) as picture:
        assert picture.size == (128, 128)


def test_ply(figure: Figure, vertices: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "person.ply"
    write_ply(path, figure)
    header, _, body = path.read_bytes().partition(b"end_header\n")
    assert header.startswith(b"ply\nformat binary_little_endian 1.0\n")
    assert f"element vertex {len(vertices)}\n".encode() in header
    kind = [(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")] + [(name, "u1") for name in "rgb"]
    rows = np.frombuffer(body, kind, len(vertices))
    assert np.abs(np.stack([rows["x"], rows["y"], rows["z"]], 1) - vertices).max() < 1e-6
    faces = np.frombuffer(body[rows.nbytes :], [("count", "u1"), ("corners", "<i4", 3)])
    assert (faces["count"] == 3).all() and np.array_equal(faces["corners"], figure.model.faces.numpy())
    front, back = rows["nz"] > 0.7, rows["nz"] < -0.7
    assert rows["r"][front].mean() > 180 > 80 > rows["r"][back].mean()
    assert rows["b"][back].mean() > 180 > 80 > rows["b"][front].mean()


def test_other_kinds_are_refused(figure: Figure, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \.obj"):
        write_obj(tmp_path / "person.ply", figure)
    with pytest.raises(InputError, match=r"no \.ply"):
        write_ply(tmp_path / "person.obj", figure)
    assert list(tmp_path.iterdir()) == []
