from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from dinar.avatar import open_body
from dinar.body.layers import Layer, wearing
from dinar.body.model import Body, BodyModel
from dinar.body.uv import PARTS, part_labels
from dinar.camera import Camera, orbit
from dinar.parts import BodyPart, coloured
from dinar.raster.rasterize import rasterize
from dinar.texture.part_colours import Places, foreign, in_order

SIZE = (300, 300)
WORN = {
    "head": BodyPart.FACE_SKIN, "torso": BodyPart.UPPER, "upper arm": BodyPart.UPPER, "lower arm": BodyPart.SKIN,
    "hand": BodyPart.SKIN, "thigh": BodyPart.LOWER, "calf": BodyPart.LOWER, "foot": BodyPart.SHOES,
}  # fmt: skip


@pytest.fixture(scope="module")
def model() -> BodyModel:
    return open_body()


@pytest.fixture(scope="module")
def places(model) -> Places:
    return Places.on(model)


@pytest.fixture(scope="module")
def camera(model) -> Camera:
    return orbit(model(model.neutral()).vertices[0].detach().mean(0), 0, 0, 5.0, SIZE, fov=28)


def turned(model: BodyModel, bone: str, x: float, y: float = 0.0, z: float = 0.0) -> Body:
    """The resting body with one joint turned."""
    body = model.neutral()
    body.pose[0, model.humanoid[bone]] = torch.tensor([x, y, z])
    return body


def posed(model: BodyModel, body: Body) -> Tensor:
    return model(body).vertices.detach()


def part_of(name: str) -> BodyPart:
    return WORN[name.removeprefix("left ").removeprefix("right ")]


def dressed(model: BodyModel, vertices: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
    """What a body in shirt, trousers and shoes shows: labels [H, W], and which of PARTS is there, -1 beside it."""
    face = rasterize(camera.project(vertices), model.faces, camera.size).face[0].long()
    part = torch.where(face >= 0, part_labels(model)[face.clamp(min=0)], -1)
    worn = torch.tensor([*(int(part_of(name)) for name in PARTS), 0])
    return worn[part].to(torch.uint8), part


def photo_of(labels: Tensor) -> Tensor:
    """A photo in which each part has one colour."""
    return torch.from_numpy(coloured(labels.numpy())).permute(2, 0, 1).float() / 255


def test_a_body_that_lies_where_it_is_has_nothing_foreign(model, places, camera) -> None:
    vertices = posed(model, model.neutral())
    labels, part = dressed(model, vertices, camera)
    found = foreign(photo_of(labels), labels, vertices, model.faces, places, camera)
    assert found.shape == (1, 1, *SIZE)
    assert float(found.sum()) < 0.01 * float((part >= 0).sum())


def test_a_shoe_above_its_place_and_hair_on_a_shoulder_are_foreign(model, places, camera) -> None:
    vertices = posed(model, model.neutral())
    labels, part = dressed(model, vertices, camera)
    rows, columns = torch.arange(SIZE[0])[:, None], torch.arange(SIZE[1])
    calf, torso, head = (part == PARTS.index(name) for name in ("right calf", "torso", "head"))
    low = calf.nonzero()[:, 0].max()
    boot = calf & (rows > low - 11) & (columns < calf.nonzero()[:, 1].float().mean())
    shoe = boot & (rows < low - 6)                                 # below it a border may lie
    hair = torso & (rows < torso.nonzero()[:, 0].min() + 4) & (columns < torso.nonzero()[:, 1].float().mean())
    labels[boot] = BodyPart.SHOES
    labels[hair | head & (columns < head.nonzero()[:, 1].float().mean())] = BodyPart.HAIR    # it falls past the neck
    found = foreign(photo_of(labels), labels, vertices, model.faces, places, camera)[0, 0] > 0
    for strayed in (shoe, hair):
        assert strayed.sum() > 10
        assert found[strayed].float().mean() > 0.8
    assert float((found & ~boot & ~hair).sum()) < 0.01 * float((part >= 0).sum())


def test_hair_that_hangs_over_the_chest_stays(model, places, camera) -> None:
    vertices = posed(model, model.neutral())
    labels, part = dressed(model, vertices, camera)
    torso = part == PARTS.index("torso")
    rows = torch.arange(SIZE[0])[:, None]
    hair = torso & (rows < torso.nonzero()[:, 0].min() + 40)
    labels[hair] = BodyPart.HAIR
    found = foreign(photo_of(labels), labels, vertices, model.faces, places, camera)[0, 0] > 0
    assert hair.sum() > 300 and found[hair].float().mean() < 0.05


def test_what_the_parser_mistakes_is_sampled_as_ever(model, places, camera) -> None:
    """Spread arms without a foot near them: hands that are called shoes are no shoes."""
    vertices = posed(model, model.neutral())
    labels, part = dressed(model, vertices, camera)
    hands = (part == PARTS.index("left hand")) | (part == PARTS.index("right hand"))
    before = foreign(photo_of(labels), labels, vertices, model.faces, places, camera)[0, 0] > 0
    labels[hands] = BodyPart.SHOES
    found = foreign(photo_of(labels), labels, vertices, model.faces, places, camera)[0, 0] > 0
    assert hands.sum() > 50 and not (found & hands).any()
    labels[part >= 0] = BodyPart.UNKNOWN
    assert foreign(photo_of(labels), labels, vertices, model.faces, places, camera).sum() == 0
    assert before.sum() < 0.01 * (part >= 0).sum()


def test_a_hand_before_trousers_and_trousers_behind_a_hand(model, places, camera) -> None:
    """The photo shows an arm nearer to the body than the fit has it, or farther off."""
    worn = torch.tensor([int(part_of(name)) for name in PARTS])
    for shown, believed in ((-0.8, -0.65), (-0.65, -0.8)):
        labels, _ = dressed(model, posed(model, turned(model, "leftUpperArm", 0, 0, shown)), camera)
        fitted = posed(model, turned(model, "leftUpperArm", 0, 0, believed))
        part = dressed(model, fitted, camera)[1]
        found = foreign(photo_of(labels), labels, fitted, model.faces, places, camera)[0, 0] > 0
        cloth = labels if shown > believed else worn[part.clamp(min=0)]
        skin = worn[part.clamp(min=0)] if shown > believed else labels
        strayed = (part >= 0) & (skin == BodyPart.SKIN) & ((cloth == BodyPart.UPPER) | (cloth == BodyPart.LOWER))
        assert strayed.sum() > 20
        assert found[strayed].float().mean() > 0.75


def test_a_hand_before_a_shirt_that_is_called_a_shirt_keeps_its_colours(model, places, camera) -> None:
    vertices = posed(model, turned(model, "leftUpperArm", 0, 0, -0.8))
    labels, part = dressed(model, vertices, camera)
    image = photo_of(labels)
    arm = (part == PARTS.index("left lower arm")) | (part == PARTS.index("left hand"))
    labels[arm & (torch.arange(SIZE[0])[:, None] > 150)] = BodyPart.UPPER
    assert foreign(photo_of(labels), labels, vertices, model.faces, places, camera).sum() > 20, "cloth over a hand"
    assert foreign(image, labels, vertices, model.faces, places, camera).sum() == 0, "skin"


def test_a_shirt_behind_the_thighs_of_who_sits_is_not_theirs(model, places) -> None:
    """Their thighs point at the camera, and the fit has them higher than they are."""
    camera = orbit(model(model.neutral()).vertices[0].detach().mean(0), 0, 10, 2.4, SIZE, fov=45)

    def sitting(flexed: float) -> Tensor:
        body = model.neutral()
        for side in ("left", "right"):
            body.pose[0, model.humanoid[f"{side}UpperLeg"], 0] = -flexed
            body.pose[0, model.humanoid[f"{side}LowerLeg"], 0] = flexed
        return posed(model, body)

    labels, _ = dressed(model, sitting(1.3), camera)
    fitted = sitting(1.5)
    part = dressed(model, fitted, camera)[1]
    thighs = (part == PARTS.index("left thigh")) | (part == PARTS.index("right thigh"))
    strayed = thighs & (labels == BodyPart.UPPER)
    found = foreign(photo_of(labels), labels, fitted, model.faces, places, camera)[0, 0] > 0
    assert strayed.sum() > 100 and found[strayed].float().mean() > 0.8
    assert not found[thighs & (labels == BodyPart.LOWER)].any()


def test_the_best_order_is_the_best_of_all() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        votes = rng.random((6, 3))
        found = in_order(votes)
        orders = (o for o in itertools.product(range(3), repeat=6) if list(o) == sorted(o))
        best = max(sum(votes[n, k] for n, k in enumerate(order)) for order in orders)
        assert list(found) == sorted(found)
        assert votes[np.arange(6), found].sum() == pytest.approx(best)


def test_places_follow_each_other_along_limbs(model, places) -> None:
    vertices = model.rest(model.neutral().shape)[0][0].detach()
    height = vertices[model.faces].mean(1)[:, 1]
    of = places.of
    assert of.min() >= 0 and of.max() < places.count
    for chain in ("left leg", "right leg", "trunk"):
        first = places.first[chain]
        means = [height[of == first + k].mean() for k in range(16) if (of == first + k).any()]
        assert len(means) > 12 and all(a > b for a, b in itertools.pairwise(means)), chain


def test_the_layer_of_hair_takes_hair_alone(model, places, camera) -> None:
    """A face that is painted where the shell lies is not the shell's."""
    worn = wearing(model, {"hair": torch.zeros(len(Layer.load("hair").basis))})
    vertices = posed(worn, worn.neutral())
    face = rasterize(camera.project(vertices), worn.faces, camera.size).face[0].long()
    shell = (face >= len(model.faces)).numpy()
    labels = torch.where(face >= 0, int(BodyPart.FACE_SKIN), 0).to(torch.uint8)
    found = foreign(photo_of(labels), labels, vertices, worn.faces, places.with_layers(worn), camera)[0, 0].numpy()
    assert shell.sum() > 100 and found[shell].mean() > 0.7      # but for specks
    labels[torch.from_numpy(shell)] = int(BodyPart.HAIR)
    found = foreign(photo_of(labels), labels, vertices, worn.faces, places.with_layers(worn), camera)[0, 0].numpy()
    assert found[shell].mean() < 0.05


def test_pixels_where_hair_ends_are_no_cloth_s(model, places, camera) -> None:
    worn = wearing(model, {"hair": torch.zeros(len(Layer.load("hair").basis))})
    vertices = posed(worn, worn.neutral())
    place = places.with_layers(worn)
    face = rasterize(camera.project(vertices), worn.faces, camera.size).face[0].long()
    of = torch.where(face >= 0, place.of[face.clamp(min=0)], -1)
    trunk = (of >= place.first["trunk"]) & (of < place.first["neck"])
    labels = torch.where(face >= 0, int(BodyPart.UPPER), 0).to(torch.uint8)
    labels[of == place.first["head"]] = int(BodyPart.FACE_SKIN)
    labels[of == place.first["hair"]] = int(BodyPart.HAIR)
    row, column = (int(x.float().mean()) for x in trunk.nonzero(as_tuple=True))
    labels[row, column : column + 2] = int(BodyPart.HAIR)                  # too few to be strayed
    found = foreign(photo_of(labels), labels, vertices, worn.faces, place, camera)[0, 0]
    assert found[row, column - 1 : column + 3].all() and not found[row, column - 4] and not found[row, column + 6]
