"""Garments: smooth cuts, layers in their order, prints in front only, labels that say what is seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dinar.body.model import BodyModel
from dinar.parts import BodyPart
from dinar.synth.garments import patterns
from dinar.synth.garments.cloth import Look, pictured
from dinar.synth.garments.cutting import cut, rim, strip, tidy, uncut
from dinar.synth.garments.sewing import hung, layered, sewn
from dinar.synth.garments.surfaces import sheet, surface
from dinar.synth.people import random_person
from dinar.synth.places import daylight, studio
from dinar.synth.poses import random_body
from dinar.synth.studio import arrange, expose, frame_camera
from dinar.synth.truth import surface_parts
from dinar.synth.wardrobe import Wardrobe

ASSETS = Path(__file__).parents[3] / "shared/assets"
needs_assets = pytest.mark.skipif(not (ASSETS / "makehuman_cc0").is_dir(), reason="needs ../shared/assets")


@pytest.fixture(scope="module")
def model() -> BodyModel:
    return BodyModel.open(helpers=True)


@pytest.fixture(scope="module")
def body(model) -> np.ndarray:
    return model.template.numpy()


def _square() -> tuple[np.ndarray, np.ndarray]:
    """A unit square of 8 x 8 x 2 triangles."""
    x, y = np.meshgrid(np.linspace(0, 1, 9), np.linspace(0, 1, 9))
    corner = (np.arange(8)[:, None] * 9 + np.arange(8)).ravel()
    faces = np.concatenate([corner[:, None] + [0, 1, 10], corner[:, None] + [0, 10, 9]])
    return np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], axis=1), faces


def test_a_cut_is_a_line_and_keeps_the_area():
    points, faces = _square()
    value = points[:, 0] * 0.8 + points[:, 1] * 0.6 - 0.55
    kept = tidy(cut(uncut(faces, faces), value))
    where = kept.mix @ points
    corners = where[kept.faces]
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] / 2
    other = tidy(cut(uncut(faces, faces), -value))
    corners = (other.mix @ points)[other.faces]
    rest = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])[:, 2] / 2
    assert (area > 0).all() and area.sum() + rest.sum() == pytest.approx(1, abs=0.01)
    edge = rim(kept, value)
    assert len(edge.edges) >= 8
    assert np.abs(where[edge.edges] @ [0.8, 0.6, 0] - 0.55).max() < 0.01  # no teeth


def test_a_strip_goes_on_from_its_rim():
    points, faces = _square()
    value = 0.5 - points[:, 1]
    kept = tidy(cut(uncut(faces, faces), value))
    where = (kept.mix @ points).astype(np.float32)
    up = np.tile(np.float32([0, 0, 1]), (len(where), 1))
    sewn_on = strip(rim(kept, value), where, up, where[:, :2], np.float32([[0.1, 0], [0.2, 0.05]]))
    assert sewn_on.vertices[:, 1].max() == pytest.approx(0.7, abs=0.02)
    assert sewn_on.vertices[:, 2].max() == pytest.approx(0.05, abs=1e-5)
    assert sewn_on.faces.max() == len(where) + len(sewn_on.vertices) - 1


def test_patterns_are_as_large_as_what_they_cover(model):
    for name in ("tights", "skirt"):
        base = surface(model, name)
        a, b, c = (base.place[base.faces[:, k]].astype(float) for k in range(3))
        true = np.linalg.norm(np.cross(b - a, c - a), axis=1)
        u, v, w = (base.uv[base.uv_faces[:, k]].astype(float) for k in range(3))
        flat = np.abs((v - u)[:, 0] * (w - u)[:, 1] - (v - u)[:, 1] * (w - u)[:, 0])
        assert 0.9 < np.median(flat / true) < 1.1
        assert flat.sum() == pytest.approx(true.sum(), rel=0.15)


@pytest.mark.parametrize("sleeve", [0.0, patterns.SHORT, patterns.LONG])
def test_tops_have_the_sleeves_they_are_cut_with(model, body, sleeve):
    garment = patterns.top(model, sleeve=sleeve, hem=0.0)
    piece = sewn(garment, model, body, hung(garment, model, body), np.zeros((64, 64, 3), np.uint8), None)
    reach = np.abs(piece.rest[:, 0]).max()
    assert {0.0: 0.15, patterns.SHORT: 0.25, patterns.LONG: 0.43}[sleeve] < reach < 0.55
    assert (reach < 0.25) == (sleeve == 0)
    assert piece.rest[:, 1].min() == pytest.approx(-0.0, abs=0.03)
    assert np.allclose(piece.follows.sum(1), 1, atol=1e-5)


def test_what_is_worn_over_lies_outside(model, body):
    inner, outer = patterns.top(model, loose=0.12, offset=0.02), patterns.top(model, offset=0.004, loose=0.0)
    below, above = layered([inner, outer], model, body)
    normals = surface(model, "tights").normals(above)
    gap = ((above - below) * normals).sum(1)[inner.inside > 0]
    assert (gap > 0.002).mean() > 0.97  # but for armpits, where the surface folds


def test_prints_stay_in_front_and_bands_run_round(model):
    garment = patterns.top(model)
    grey = np.full(3, 0.2, np.float32)
    ink = np.float32([[0.8, 0, 0]] * 3)
    flat = sheet(model, "tights", "upper", 128)
    plain = pictured(garment, model, Look(grey, ink, seed=4), 128)
    printed = pictured(garment, model, Look(grey, ink, motif=(0.2, 0.36), seed=4), 128)
    changed = np.abs(printed - plain).max(2) > 0.02
    assert (changed & flat.front).sum() > 30 and not (changed & ~flat.front).any()
    banded = pictured(garment, model, Look(grey, ink, bands=True, seed=4), 128)
    red = banded[..., 0] > 2 * banded[..., 1] + 0.1
    assert (red & flat.front).sum() > 20 and (red & ~flat.front).sum() > 20


@needs_assets
def test_labels_of_pixels_and_texels_agree():
    """What texels are labelled is what pictures of them show."""
    wardrobe = Wardrobe(ASSETS)
    agree = total = 0
    for seed in (1, 3):
        person = random_person(wardrobe, seed, texture=64)
        scene = arrange(person, random_body(person, np.random.default_rng(seed), lively=0))
        view = expose(scene, frame_camera(scene, (160, 120)), daylight(), studio())
        assert view.parts.dtype == torch.uint8
        seen = view.parts > 0
        assert torch.equal(seen, view.mask[0] >= 0.5)
        texels = surface_parts(person)
        assert {BodyPart.FACE_SKIN, BodyPart.HAIR, BodyPart.SHOES} <= set(np.unique(texels)) | {BodyPart.HAIR}
        for part in np.unique(texels[texels > 0]):
            shown = float((view.parts == int(part)).sum() / seen.sum())
            held = float((texels == part).sum() / (texels > 0).sum())
            total += 1
            agree += (shown > 0.004) == (held > 0.004)
    assert agree >= 0.7 * total


@needs_assets
def test_made_up_clothes_of_many_kinds():
    wardrobe = Wardrobe(ASSETS)
    people = [random_person(wardrobe, seed, texture=64) for seed in range(60, 84)]
    labels = set(np.concatenate([np.unique(person.label) for person in people]).tolist())
    assert {int(part) for part in BodyPart} - {0, 255} <= labels | {int(BodyPart.GLASSES), int(BodyPart.BAG)}
    for person in people:
        assert np.isfinite(person.rest).all() and (person.label > 0).all() and len(person.label) == len(person.faces)
