"""Layers: what is worn stands behind the body in one mesh and one atlas, follows it, and hides what it should."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from dinar.body.layers import BOXES, RISE, SCALE, Layer, bare, tucked, wearing
from dinar.body.model import Body, BodyModel
from dinar.body.normals import vertex_normals
from dinar.body.uv import PARTS, load_layout, mirror_map, opposite_map, part_weights, texel_map
from dinar.errors import InputError

HEM = 1.0


@pytest.fixture(scope="module")
def naked() -> BodyModel:
    return BodyModel.open()


@pytest.fixture(scope="module")
def dressed(naked: BodyModel) -> BodyModel:
    return wearing(naked, {"skirt": torch.zeros(6)})


def posed(model: BodyModel, thigh: float, knee: float, *, apart: bool) -> Body:
    """Legs swung forward, or the left forward and the right backward, by degrees."""
    pose = model.neutral().pose.clone()
    for side, sign in (("left", 1), ("right", -1 if apart else 1)):
        pose[0, model.humanoid[f"{side}UpperLeg"], 0] = np.radians(-sign * thigh)
        pose[0, model.humanoid[f"{side}LowerLeg"], 0] = np.radians(knee)
    return replace(model.neutral(), pose=pose)


def cut_through(model: BodyModel, body: Body) -> float:
    """The share of the skirt's triangles, below its tucked rings, whose middle lies in the body."""
    with torch.no_grad():
        vertices = model(body).vertices
    normals, points = vertex_normals(vertices, model.faces)[0].numpy(), vertices[0].numpy()
    skin = (model.layer == 0).numpy()
    faces = model.faces[(model.faces >= skin.sum()).all(1)].numpy()
    faces = faces[(faces.min(1) - skin.sum()) // 72 >= 5]
    middle = points[faces].mean(1)
    distance, near = cKDTree(points[skin]).query(middle)
    depth = ((middle - points[skin][near]) * normals[skin][near]).sum(1)
    return float(((depth < -0.003) & (distance < 0.05)).mean())


def test_a_layer_stands_behind_the_body_and_can_be_taken_off(naked: BodyModel, dressed: BodyModel) -> None:
    own, layer = len(naked.template), Layer.load("skirt")
    assert list(dressed.layers) == ["skirt"]
    assert len(dressed.template) == own + len(layer.template) == len(dressed.layer)
    assert torch.equal(dressed.faces[: len(naked.faces)], naked.faces)
    assert torch.equal(dressed.faces[len(naked.faces) :], layer.faces + own)
    assert torch.allclose(dressed.skin_weights.sum(1), torch.ones(len(dressed.template)), atol=1e-4)
    back = bare(dressed)
    for name in ("template", "faces", "skin_weights", "shape_basis", "offsets"):
        assert torch.equal(getattr(back, name), getattr(naked, name)), name
    assert not naked.layers and not bare(naked).layers


def test_the_body_moves_as_without_a_layer(naked: BodyModel, dressed: BodyModel) -> None:
    rng = torch.Generator().manual_seed(0)
    body = replace(
        naked.neutral(), shape=torch.randn(1, 100, generator=rng), pose=0.2 * torch.randn(1, 104, 3, generator=rng)
    )
    with torch.no_grad():
        assert torch.allclose(dressed(body).vertices[:, : len(naked.template)], naked(body).vertices, atol=1e-6)


def test_a_hem_goes_down_by_ten_centimetres(naked: BodyModel) -> None:
    layer = Layer.load("skirt")
    longer = layer.at(torch.tensor([HEM, 0, 0, 0, 0, 0])) - layer.template
    assert longer[-72:].norm(dim=1).sub(0.1).abs().max() < 1e-3
    assert longer[: 72 * 4].abs().max() == 0


def test_a_skirt_follows_the_shape(naked: BodyModel, dressed: BodyModel) -> None:
    tall = torch.zeros(1, 100)
    tall[0, 0] = 2.0
    vertices, _ = dressed.rest(tall)
    skin, tube = vertices[0, dressed.layer == 0], vertices[0, dressed.layer == 1]
    assert tube[:, 1].min() > skin[:, 1].min()
    away, _ = cKDTree(skin.numpy()).query(tube.numpy())
    assert away.max() < 0.25


def test_islands_do_not_meet(naked: BodyModel, dressed: BodyModel) -> None:
    layout, front = load_layout("clothed", dressed), load_layout("front", naked)
    assert torch.equal(layout.uv[: len(front.uv)], front.uv * SCALE)
    left, top, right, bottom = BOXES["skirt"]
    own = layout.uv[len(front.uv) :]
    assert own[:, 0].min() >= left and own[:, 0].max() <= right and own[:, 1].min() >= top and own[:, 1].max() <= bottom
    side = 640
    texels = texel_map(layout, side)
    count = torch.zeros(side, side)
    for some in (layout.faces[: len(front.faces)], layout.faces[len(front.faces) :]):
        count += texel_map(replace(layout, faces=some), side).mask[0, 0]
    assert count.max() == 1                              # margins do not meet either
    assert (texels.face >= len(front.faces)).float().mean() > 0.13


def test_a_skirt_has_mirror_images_and_a_back(dressed: BodyModel) -> None:
    layout = load_layout("clothed", dressed)
    texels = texel_map(layout, 160)
    of_skirt = (texels.face >= 27420).numpy()
    mirrored = mirror_map(layout, dressed.faces, texels).numpy()[of_skirt]
    assert np.isfinite(mirrored).all() and (mirrored[:, 1] > SCALE).all()
    opposite = opposite_map(layout, dressed, texels).uv.numpy()
    there = opposite[of_skirt][np.isfinite(opposite[of_skirt]).all(1)]
    assert len(there) > 0.9 * of_skirt.sum() and (there[:, 1] > SCALE).all()
    legs = (texels.face >= 0).numpy() & ~of_skirt
    there = opposite[legs][np.isfinite(opposite[legs]).all(1)]
    assert (there < SCALE).all()


def test_a_layer_is_one_part(dressed: BodyModel) -> None:
    weights = part_weights(dressed)[dressed.layer == 1]
    assert (weights[:, PARTS.index("torso")] == 1).all()


@pytest.mark.parametrize("hem", [-3.0, 0.0, 2.5])
def test_legs_stay_within_a_skirt(naked: BodyModel, hem: float) -> None:
    coefficients = torch.tensor([hem, 0, 0, 0.5, 0.3, 0.3])
    model = tucked(wearing(naked, {"skirt": coefficients}), torch.zeros(100))
    assert cut_through(model, model.neutral()) == 0
    assert cut_through(model, posed(model, 25, 10, apart=True)) <= 0.005
    assert cut_through(model, posed(model, 80, 80, apart=False)) <= 0.03


def test_what_is_no_layer_is_told(naked: BodyModel) -> None:
    with pytest.raises(InputError, match="no layer is called cape"):
        Layer.load("cape")
    with pytest.raises(InputError, match="has 6 coefficients"):
        wearing(naked, {"skirt": torch.zeros(3)})


def test_hair_on_one_side_has_mirror_images(naked: BodyModel) -> None:
    layer = Layer.load("hair")
    aside = torch.einsum("knc,nc->kn", layer.basis, layer.outwards)
    side = layer.template[:, 0] > 0.01
    coefficients = 2 * (aside[:, side] - aside[:, layer.mirror[side]]).sum(1).sign()      # more on one side
    up = layer.height(coefficients) > RISE
    assert (up & ~up[layer.mirror]).sum() > 20
    model = wearing(naked, {"hair": coefficients})
    layout = load_layout("clothed", model)
    texels = texel_map(layout, 160)
    of_hair = (texels.face >= len(naked.faces)).numpy()
    mirrored = mirror_map(layout, model.faces, texels).numpy()[of_hair]
    assert np.isfinite(mirrored).all() and (mirrored[:, 0] > SCALE).all()
