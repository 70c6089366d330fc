from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dinar.raster.rasterize import rasterize
from dinar.synth.kernels import meshes, openness, visible
from dinar.synth.people import random_person
from dinar.synth.places import daylight, studio
from dinar.synth.poses import random_body
from dinar.synth.sets import random_background, random_light, views
from dinar.synth.studio import arrange, contact_sheet, expose, frame_camera, illuminate, take
from dinar.synth.wardrobe import Wardrobe

ASSETS = Path(__file__).parents[3] / "shared/assets"
needs_assets = pytest.mark.skipif(not (ASSETS / "makehuman_cc0").is_dir(), reason="needs ../shared/assets")


@pytest.fixture(scope="module")
def wardrobe():
    return Wardrobe(ASSETS)


@pytest.fixture(scope="module")
def scene(wardrobe):
    person = random_person(wardrobe, 3, texture=128)
    return arrange(person, random_body(person, np.random.default_rng(1), lively=0))


@needs_assets
def test_the_mask_holds_the_body_and_all_is_in_the_picture(scene):
    camera = frame_camera(scene, (256, 192), azimuth=30, height=1.0)
    view = expose(scene, camera, daylight(), studio())
    assert view.image.shape == (3, 256, 192) and view.mask.shape == (1, 256, 192)
    assert view.image.min() >= 0 and view.image.max() <= 1
    mask = view.mask[0] > 0.5
    assert not (mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())
    mesh = scene.person.model(scene.body)
    shown = scene.person.faces[(scene.person.kind[scene.person.faces] == 0).all(1)]
    body = rasterize(camera.project(mesh.vertices[:, :13718]), torch.from_numpy(shown), (256, 192)).mask[0, 0] > 0.5
    assert (mask & body).sum() > 0.97 * body.sum()


@needs_assets
def test_pictures_repeat(scene):
    camera = frame_camera(scene, (64, 48))
    first, second = (expose(scene, camera, daylight(), studio(), seed=4) for _ in range(2))
    assert torch.equal(first.image, second.image)


@needs_assets
def test_the_lit_side_is_brighter(scene):
    light = replace(daylight(), lobes=np.zeros((0, 7), np.float32))
    camera = frame_camera(scene, (128, 96))
    left, right = (expose(scene, camera, replace(light, lamp=np.float32([x, 0.3, 0.3])), studio()) for x in (-0.9, 0.9))
    mask = left.mask[0] > 0.9
    half = torch.arange(96) < 48
    change = (left.image - right.image).mean(0)
    assert change[mask & half].mean() > 0.01 > -0.01 > change[mask & ~half].mean()


@needs_assets
def test_random_places_and_lights_are_finite(scene, wardrobe):
    camera = frame_camera(scene, (48, 48), fov=45)
    for seed in range(8):
        rng = np.random.default_rng(seed)
        view = expose(scene, camera, random_light(rng), random_background(rng, wardrobe), seed=seed)
        assert view.image.isfinite().all() and view.image.std() > 0.02


@needs_assets
def test_a_set_of_views():
    made = list(views(ASSETS, 2, 1, size=(96, 96), texture=64))
    assert [v.image.shape for v in made] == [(3, 96, 96)] * 2
    assert not torch.equal(made[0].body.shape, made[1].body.shape)
    assert contact_sheet(made, columns=2, height=32).shape == (3, 32, 64)


def _mesh(faces, uv, part, pixels, opaque=0):
    """A flat mesh whose parts are of one colour each."""
    vertices = np.zeros((int(faces.max()) + 1, meshes.SURFACE_COLUMNS), np.float32)
    starts, sizes = np.arange(len(pixels))[:, None], np.ones((len(pixels), 1), np.int64)
    materials = np.zeros((len(pixels), meshes.MATERIAL_COLUMNS), np.float32)
    detail = np.zeros(len(faces), np.float32)
    label = np.ones(len(faces), np.uint8)
    return meshes.Mesh(vertices, faces, faces, uv, part, label, opaque, detail, pixels, starts, sizes, materials)


def test_transparent_layers_come_nearest_first():
    """Three squares behind one another: a half-clear one, an opaque one, and one that it hides."""
    corners = np.array([[0, 0], [8, 0], [8, 8], [0, 8]], np.float32)
    screen = np.concatenate([np.c_[corners, np.full(4, 1 / z, np.float32)] for z in (3, 1, 2)]).astype(np.float32)
    faces = np.concatenate([np.array([[0, 1, 2], [0, 2, 3]]) + 4 * k for k in range(3)])
    pixels = np.array([[255, 0, 0, 255], [0, 255, 0, 128], [0, 0, 255, 255]], np.uint8)
    part = np.repeat(np.arange(3), 2)
    uv = np.tile(np.float32([[0, 0], [1, 0], [1, 1], [0, 1]]), (3, 1))
    face, nearness = np.empty((8, 8, 4), np.int32), np.empty((8, 8, 4), np.float32)
    visible.layers(screen, _mesh(faces, uv, part, pixels), np.full((8, 8), 0.1, np.float32), face, nearness)
    assert (part[face[..., 0]] == 1).all() and (part[face[..., 1]] == 2).all()
    assert (face[..., 2:] == -1).all()
    assert np.allclose(nearness[..., :2], [1, 1 / 2])


def test_layers_stop_at_what_is_opaque():
    screen = np.float32([[0, 0, 1 / 2], [8, 0, 1 / 2], [0, 8, 1 / 2]])
    mesh = _mesh(np.array([[0, 1, 2]]), np.zeros((3, 2), np.float32), np.zeros(1, int), np.full((1, 4), 200, np.uint8))
    face, nearness = np.empty((8, 8, 2), np.int32), np.empty((8, 8, 2), np.float32)
    behind = np.full((8, 8), 1.0, np.float32)
    behind[:, :4] = 1 / 3
    visible.layers(screen, mesh, behind, face, nearness)
    assert face[1, 1, 0] == 0 and (face[:, 4:] == -1).all()


def test_drawing_agrees_with_the_rasteriser():
    """The same triangle at every sample, but for some on edges: they may go to either neighbour, never to nobody."""
    rng = np.random.default_rng(0)
    middle = rng.uniform(-10, 74, (400, 1, 2))
    points = np.concatenate([middle + rng.normal(0, 4, (400, 3, 2)), rng.uniform(1, 3, (400, 3, 1))], axis=2)
    points = points.reshape(-1, 3).astype(np.float32)
    faces = np.arange(1200).reshape(-1, 3)
    mesh = _mesh(faces, np.zeros((1200, 2), np.float32), np.zeros(400, int), np.zeros((1, 4), np.uint8), opaque=400)
    screen = points.copy()
    screen[:, 2] = 1 / points[:, 2]
    face, nearness = np.empty((64, 64), np.int32), np.empty((64, 64), np.float32)
    for two_sided in (False, True):
        wanted = rasterize(torch.from_numpy(points)[None], torch.from_numpy(faces), (64, 64), cull=not two_sided)
        mesh.materials[0, meshes.TWO_SIDED] = two_sided
        visible.draw(screen, mesh, face, nearness)
        same = face == wanted.face[0].numpy()
        assert same.mean() > 0.998
        hit = same & (face >= 0)
        assert hit.mean() > 0.3
        assert np.allclose(1 / nearness[hit], wanted.depth[0].numpy()[hit], atol=1e-3)


def test_no_gap_between_neighbours():
    """A fan of thin triangles about a point covers every sample inside it."""
    angle = np.linspace(0, 2 * np.pi, 98)[:-1]
    rim = np.c_[31.3 + 28 * np.cos(angle), 32.1 + 28 * np.sin(angle)]
    points = np.concatenate([[[31.3, 32.1]], rim])
    screen = np.c_[points, np.ones(len(points))].astype(np.float32)
    k = np.arange(97)
    faces = np.stack([np.zeros(97, int), 1 + (k + 1) % 97, 1 + k], axis=1)
    mesh = _mesh(faces, np.zeros((98, 2), np.float32), np.zeros(97, int), np.zeros((1, 4), np.uint8), opaque=97)
    face, nearness = np.empty((64, 64), np.int32), np.empty((64, 64), np.float32)
    visible.draw(screen, mesh, face, nearness)
    y, x = np.mgrid[0:64, 0:64] + 0.5
    inside = np.hypot(x - 31.3, y - 32.1) < 27.9
    assert (face[inside] >= 0).all() and (face[np.hypot(x - 31.3, y - 32.1) > 28.1] == -1).all()


def test_a_wall_hides_the_light():
    """Two points before and behind a wall, seen from both ends of one axis."""
    frame = np.float32([[1, 0, 0], [0, -1, 0], [0, 0, -1]])
    near, far = np.full((1, 16, 16), np.inf, np.float32), np.full((1, 16, 16), -np.inf, np.float32)
    near[0, 1:-1, 8:-1] = far[0, 1:-1, 8:-1] = -0.5
    points = np.float32([[-0.5, 0, 0], [0.5, 0, 0], [0.5, 0, 1]])  # depths along the axis: 0, 0 and -1
    normals = np.tile(np.float32([[0, 0.6, 0.8]]), (3, 1))
    seen, facing = np.empty((2, 2, 3), np.float32)
    openness.visibility(points, normals, frame[None], near, far, np.float32(8), np.float32(0.01), seen, facing)
    assert seen.tolist() == [[1, 0, 1], [1, 1, 0]]
    assert np.allclose(facing, [[0.8, 0, 0.8], [0, 0, 0]])


@needs_assets
def test_one_lit_scene_gives_what_a_fresh_one_does(scene):
    camera = frame_camera(scene, (64, 64))
    lit = illuminate(scene, daylight())
    take(lit, frame_camera(scene, (48, 64), azimuth=120), studio())
    assert torch.equal(take(lit, camera, studio()).image, expose(scene, camera, daylight(), studio()).image)


@needs_assets
def test_a_meter_reading_fixes_the_exposure(scene):
    """A person is as bright before a dark place as before a bright one."""
    camera, lit, place = frame_camera(scene, (96, 96)), illuminate(scene, daylight()), studio()
    dark = replace(place, wall=place.wall * 0.1, floor=place.floor * 0.1)
    views = [take(lit, camera, there, meter=lit.meter) for there in (place, dark)]
    mask = views[0].mask[0] > 0.999
    bright = [view.image[:, mask].mean() for view in views]
    assert abs(bright[0] - bright[1]) < 0.02
    assert views[1].image[:, ~mask].mean() < 0.6 * views[0].image[:, ~mask].mean()


@needs_assets
def test_a_person_partly_or_wholly_outside_the_picture(scene):
    camera = frame_camera(scene, (64, 64))
    whole = expose(scene, camera, daylight(), studio())
    part = expose(scene, camera.cropped(32, 0, (64, 64)), daylight(), studio())
    assert torch.allclose(part.mask[..., :32], whole.mask[..., 32:], atol=1e-4)
    assert expose(scene, camera.cropped(500, 0, (64, 64)), daylight(), studio()).mask.max() == 0


def test_normals_of_a_square():
    vertices = np.float32([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [5, 5, 5]])
    normals = np.empty_like(vertices)
    meshes.vertex_normals(vertices, np.array([[0, 1, 2], [0, 2, 3]]), normals)
    assert np.allclose(normals, [[0, 0, 1]] * 4 + [[0, 0, 0]])
