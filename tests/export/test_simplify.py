"""Fewer triangles: still a closed surface in a whole texture, near the full one, and rigged like it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from export.glb_reader import Scene
from export.khronos import problems
from scipy.spatial import cKDTree

from dinar.avatar import Avatar
from dinar.body.layers import Layer, wearing
from dinar.body.model import BodyModel
from dinar.body.uv import load_layout
from dinar.errors import InputError
from dinar.export import gltf, vrm
from dinar.export.figure import Figure, standing
from dinar.export.licence import Licence
from dinar.export.plain import write_obj, write_ply
from dinar.export.profiles import Profile
from dinar.export.simplify import seams, simplified
from dinar.export.skinned import skinned
from dinar.motion import retarget
from dinar.motion.motion import Motion
from dinar.raster.rasterize import interpolate, rasterize

COUNTS = (12000, 6000, 2000)


@pytest.fixture(scope="module")
def figure(avatar: Avatar) -> Figure:
    return Figure(avatar.model, avatar.layout, avatar.shape, avatar.painted)


@pytest.fixture(scope="module", params=COUNTS)
def fewer(request, figure: Figure) -> Figure:
    return simplified(figure, request.param)


def edges(faces: torch.Tensor) -> np.ndarray:
    """Directed edges [3 F, 2]."""
    return torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).numpy()


def points(rest: torch.Tensor, faces: torch.Tensor) -> np.ndarray:
    """Some points of a surface: centres and middles of edges of its triangles."""
    corners = rest[faces].numpy()
    return np.concatenate([corners.mean(1), corners[:, [0, 1]].mean(1), corners[:, [1, 2]].mean(1), corners[:, 0]])


def test_it_is_one_closed_surface_of_so_many_triangles(fewer: Figure, figure: Figure) -> None:
    faces = fewer.mesh.faces
    assert len(faces) <= min(count for count in COUNTS if count >= len(faces))
    assert len(faces) >= min(count for count in COUNTS if count >= len(faces)) - 1
    directed = edges(faces)
    assert len(np.unique(directed, axis=0)) == len(directed)              # each is passed once ...
    assert {*map(tuple, directed.tolist())} == {*map(tuple, directed[:, ::-1].tolist())}      # ... in each direction
    assert (faces[:, 0] != faces[:, 1]).all() and (faces[:, 1] != faces[:, 2]).all()
    assert set(faces.unique().tolist()) <= set(figure.model.faces.unique().tolist())


def test_the_texture_is_cut_where_it_was_and_does_not_fold(fewer: Figure, figure: Figure) -> None:
    """Texture vertices belong to the vertices they did; only the tip of a cut may leave it; nothing turns over."""
    mesh, model, layout = fewer.mesh, figure.model, figure.layout
    before = {*zip(model.faces.flatten().tolist(), layout.faces.flatten().tolist(), strict=True)}
    after = {*zip(mesh.faces.flatten().tolist(), mesh.uv_faces.flatten().tolist(), strict=True)}
    assert after <= before
    faces, uv_faces = model.faces.numpy(), layout.faces.numpy()
    old = edges(model.faces)[seams(faces, uv_faces).T.ravel()]
    new = edges(mesh.faces)[seams(mesh.faces.numpy(), mesh.uv_faces.numpy()).T.ravel()]
    assert len(new) and np.isin(new, old).any(1).all() and np.isin(new, old).mean() > 0.97
    corners = layout.uv[mesh.uv_faces].double()
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    corners = layout.uv[layout.faces].double()
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    assert (area.sign() == (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]).sign().mode().values).all()


def test_it_stays_near_the_full_surface(fewer: Figure, figure: Figure) -> None:
    """Both ways the distance keeps to a bound of a chord's over an arc: it grows with the triangles' area."""
    rest = figure.model.rest(figure.shape[None])[0][0]
    full, few = points(rest, figure.model.faces), points(rest, fewer.mesh.faces)
    area = 1.9 / len(fewer.mesh.faces)                                    # square metres of a triangle
    for off in (_distance(full, rest[fewer.mesh.faces].numpy()), _distance(few, rest[figure.model.faces].numpy())):
        assert np.sqrt((off**2).mean()) < 4 * area and off.max() < 25 * area


def test_the_texture_slips_little(fewer: Figure, figure: Figure) -> None:
    """Where both show the same texel, the places are near each other."""
    side, layout = 512, figure.layout
    rest = figure.model.rest(figure.shape[None])[0]
    corners = torch.nn.functional.pad(layout.uv * side, (0, 1), value=1.0)[None]
    full, few = (rasterize(corners, faces, (side, side)) for faces in (layout.faces, fewer.mesh.uv_faces))
    both = (full.face >= 0) & (few.face >= 0)
    assert both.sum() > 0.98 * (full.face >= 0).sum()
    places = interpolate(full, rest, figure.model.faces) - interpolate(few, rest, fewer.mesh.faces)
    size = (1.9 / len(fewer.mesh.faces)) ** 0.5
    assert places.norm(dim=1)[both].mean() < 0.1 * size


def test_moving_it_stays_near_the_body(figure: Figure) -> None:
    """At a fifth of the triangles, in a stride: the vertices are the body's, and what lies between them is near."""
    fewer = simplified(figure, 5500)
    body = retarget.apply(Motion.load("walk").clipped(0.5, 0.6), figure.model, figure.shape)[:1]
    moved = figure.model(body).vertices[0].detach()
    off = _distance(points(moved, figure.model.faces), moved[fewer.mesh.faces].numpy())
    assert np.sqrt((off**2).mean()) < 1.5e-3 and off.max() < 1.5e-2


@pytest.mark.parametrize("kind", ["glb", "vrm"])
def test_the_file_is_rigged_like_the_full_one(figure: Figure, tmp_path: Path, kind: str) -> None:
    fewer, path = simplified(figure, 3000), tmp_path / f"person.{kind}"
    if kind == "glb":
        gltf.write(path, fewer, motions={"walk": Motion.load("walk").clipped(0, 0.3)})
    else:
        vrm.write(path, fewer, Licence("Somebody", ("Ann",)))
    assert problems(path) == []
    scene, mesh = Scene.read(path), skinned(fewer, Profile(rest="t" if kind == "vrm" else "a"))
    assert len(scene.faces) <= 3000 and len(mesh.vertices) < 2000
    assert np.allclose(scene.attribute("WEIGHTS_0").sum(1), 1, atol=1e-6)
    assert np.allclose(np.linalg.norm(scene.attribute("NORMAL"), axis=1), 1, atol=1e-5)
    full = skinned(figure, Profile(rest="t" if kind == "vrm" else "a"))
    some = {(vertex, *uv): row for row, (vertex, uv) in enumerate(zip(full.body_vertex, full.uv.tolist(), strict=True))}
    rows = [some[vertex, *uv] for vertex, uv in zip(mesh.body_vertex, mesh.uv.tolist(), strict=True)]
    assert np.array_equal(scene.attribute("POSITION"), full.vertices[rows])
    assert np.array_equal(scene.attribute("NORMAL"), full.normals[rows])
    assert np.array_equal(scene.attribute("JOINTS_0"), full.joint[rows])
    expression = torch.zeros(1, 52)
    expression[0, figure.model.expression_names.index("jawOpen")] = 0.7
    body = replace(standing(figure, t_pose=kind == "vrm"), expression=expression)
    true = figure.model(body).vertices[0].detach().numpy()[mesh.body_vertex]
    off = np.linalg.norm(scene.posed(None, {"jawOpen": 0.7}) - true, axis=1)
    assert off.max() < 1e-5
    assert np.linalg.norm(true - mesh.vertices, axis=1).max() > 0.01          # the jaw is open


def test_fewest_triangles_of_all(figure: Figure, tmp_path: Path) -> None:
    """Facial actions that are left without a vertex are still there."""
    path = tmp_path / "person.glb"
    gltf.write(path, simplified(figure, 1000))
    assert problems(path) == [] and len(Scene.read(path).primitive["targets"]) == 72


def test_hair_that_is_buried_takes_no_triangles_from_the_face() -> None:
    """Where hair ends it lies crumpled within the neck, which is no shape to keep."""
    model = wearing(BodyModel.open(), {"hair": torch.zeros(len(Layer.load("hair").basis))})
    hair, rest = model.layer == 1, model.template
    buried = hair & (rest[:, 1] < rest[hair, 1].quantile(0.6))
    crumpled = torch.randn(len(rest), 3, generator=torch.Generator().manual_seed(0)) * 3e-5
    offsets = torch.where(buried[:, None], rest[buried].mean(0) + crumpled - rest, 0.0)
    model = model.moved(offsets)
    layout, shape = load_layout("clothed", model), torch.zeros(len(model.shape_basis))
    fewer = simplified(Figure(model, layout, shape, torch.full((3, 64, 64), 0.5)), 1500)
    kept = model.layer[fewer.mesh.faces[:, 0]] == 1
    assert 0.03 < kept.float().mean() < 0.3


def test_plain_files_hold_no_other_vertices(figure: Figure, tmp_path: Path) -> None:
    fewer = simplified(figure, 2000)
    count = len(fewer.mesh.faces.unique())
    path = write_obj(tmp_path / "person.obj", fewer)[0]
    rows = [line.split() for line in path.read_text().splitlines()]
    assert sum(row[0] == "v" for row in rows) == count and sum(row[0] == "f" for row in rows) == len(fewer.mesh.faces)
    vertices = np.array([row[1:] for row in rows if row[0] == "v"], float)
    corners = np.array([[corner.split("/")[0] for corner in row[1:]] for row in rows if row[0] == "f"], int) - 1
    true = figure.model(standing(figure)).vertices[0].detach().numpy()[fewer.mesh.faces]
    assert np.abs(vertices[corners] - true).max() < 1e-6
    write_ply(tmp_path / "person.ply", fewer)
    header = (tmp_path / "person.ply").read_bytes().split(b"end_header")[0].decode()
    assert f"element vertex {count}\n" in header and f"element face {len(fewer.mesh.faces)}\n" in header


def test_the_same_again_and_limits(figure: Figure, fewer: Figure) -> None:
    again = simplified(figure, len(fewer.mesh.faces))
    assert torch.equal(again.mesh.faces, fewer.mesh.faces) and torch.equal(again.mesh.uv_faces, fewer.mesh.uv_faces)
    assert simplified(figure, 1_000_000) is figure
    with pytest.raises(InputError, match="give 1000 or more"):
        simplified(figure, 999)


def _distance(places: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """From points [N, 3] to triangles [F, 3, 3]: the least of those whose samples are near."""
    share = np.array([(i, j, 6 - i - j) for i in range(7) for j in range(7 - i)]) / 6
    samples = np.einsum("sk,fkc->fsc", share, triangles).reshape(-1, 3)
    near = cKDTree(samples).query(places, 6)[1] // len(share)
    return np.min([_to_triangle(places, triangles[near[:, k]]) for k in range(near.shape[1])], axis=0)


def _to_triangle(places: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """From each of N points to a triangle of its own [N, 3, 3]: to its plane from above it, else to its sides."""
    found = np.full(len(places), np.inf)
    normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    above = np.ones(len(places), bool)
    for k in range(3):
        start, edge = triangles[:, k], triangles[:, k - 2] - triangles[:, k]
        along = ((places - start) * edge).sum(1) / (edge * edge).sum(1)
        found = np.minimum(found, np.linalg.norm(places - start - along.clip(0, 1)[:, None] * edge, axis=1))
        above &= (np.cross(edge, places - start) * normal).sum(1) > 0
    return np.where(above, np.abs(((places - triangles[:, 0]) * normal).sum(1)), found)
