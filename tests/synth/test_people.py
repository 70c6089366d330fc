from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dinar.parts import BodyPart
from dinar.synth.kernels.colours import LINEAR
from dinar.synth.people import DATA, random_person, skin_picture
from dinar.synth.poses import random_body
from dinar.synth.wardrobe import Wardrobe

ASSETS = Path(__file__).parents[3] / "shared/assets"
pytestmark = pytest.mark.skipif(not (ASSETS / "makehuman_cc0").is_dir(), reason="needs ../shared/assets")


@pytest.fixture(scope="module")
def wardrobe():
    return Wardrobe(ASSETS)


@pytest.fixture(scope="module")
def person(wardrobe):
    return random_person(wardrobe, 5, texture=128)


def test_the_same_seed_gives_the_same_person(wardrobe, person):
    again = random_person(wardrobe, 5, texture=128)
    assert again.wears == person.wears
    assert np.array_equal(again.rest, person.rest)
    assert np.array_equal(again.images.pixels, person.images.pixels)
    assert random_person(wardrobe, 6, texture=128).rest.shape != person.rest.shape


def test_the_skin_is_the_body(person):
    body = random_body(person, np.random.default_rng(0))
    mesh = person.model(body).vertices[0].numpy()
    skin = person.kind == 0
    assert 13000 < skin.sum() <= 13718  # the body's own eyes are left out
    assert np.abs(person.posed(body)[skin] - mesh[: skin.sum()]).max() < 1e-4


def test_everybody_is_dressed(wardrobe):
    """Trunk and thighs are covered: hardly any skin is left between knees and chest, whatever the outfit."""
    for seed in range(12):
        person = random_person(wardrobe, seed, texture=64)
        worn = set(person.label.tolist())
        assert worn & {BodyPart.UPPER, BodyPart.DRESS} and worn & {BodyPart.LOWER, BodyPart.DRESS}
        assert BodyPart.SHOES in worn
        faces = person.faces[(person.kind[person.faces] == 0).all(1)]
        middle = person.rest[faces].mean(1)
        hips = (np.abs(middle[:, 1] - 0.02) < 0.05) & (np.abs(middle[:, 0]) < 0.15)
        assert hips.sum() < 60  # at hems, under the cloth; bare hips have 1,000


def test_clothes_lie_outside_the_skin_they_cover(person):
    body = replace(person.model.neutral(), shape=person.shape)
    vertices = person.posed(body)
    cloth, skin = vertices[person.kind == 1], vertices[person.kind == 0]
    assert cloth[:, 1].min() < skin[:, 1].min()  # soles
    assert cloth[:, 1].max() < skin[:, 1].max() - 0.15  # no hat over the face


def test_eyes_and_hair_follow_the_head(person):
    body = replace(person.model.neutral(), shape=person.shape)
    turned = body.pose.clone()
    head = person.model.joint_names.index("head")
    turned[0, head] = torch.tensor([0.0, 0.5, 0.0])
    moved = person.posed(replace(body, pose=turned)) - person.posed(body)
    assert np.linalg.norm(moved[person.kind == 3], axis=1).min() > 0.01
    shoes = person.rest[:, 1] < -0.7
    assert np.abs(moved[shoes]).max() < 1e-5


def test_expressions_move_brows_with_the_skin(person):
    body = replace(person.model.neutral(), shape=person.shape)
    expression = body.expression.clone()
    expression[0, person.model.expression_names.index("browInnerUp")] = 1
    moved = np.linalg.norm(person.posed(replace(body, expression=expression)) - person.posed(body), axis=1)
    assert moved[person.kind == 3].max() > 0.002
    assert moved[person.kind == 1].max() == 0


def test_skins_of_all_tones_for_women_and_men(wardrobe):
    for female in (True, False):
        light = [
            LINEAR[skin_picture(wardrobe, np.random.default_rng(0), female, tone, 30, 128)].mean()
            for tone in (0, 0.5, 1)
        ]
        assert light[0] > 1.8 * light[1] > 1.8 * 1.8 * light[2]


def test_the_shipped_people_are_adults(wardrobe):
    """Fails as well where the body's shape basis was built anew and tools/build_people.py was not run after it."""
    with np.load(DATA / "people.npz") as people:
        shape, female = torch.from_numpy(people["shape"].astype(np.float32)), people["female"]
        assert people["years"].min() >= 18
    stature = []
    for part in shape.split(50):
        vertices = wardrobe.model.rest(part)[0][:, :13574, 1]
        stature.append(vertices.amax(1) - vertices.amin(1))
    stature = torch.cat(stature).numpy()
    assert stature.min() > 1.25 and stature.max() < 2.25
    assert 1.5 < stature[female].mean() < stature[~female].mean() < 1.95
