"""A made-up person's shirt over breasts, navel and back."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from dinar.body.layers import Layer, wearing
from dinar.body.model import BodyModel
from dinar.body.normals import vertex_normals
from dinar.body.uv import PARTS, part_weights
from dinar.camera import framing
from dinar.fit import draping
from dinar.fit.look import Look, shown_at
from dinar.parts import BodyPart
from dinar.raster.rasterize import rasterize


@pytest.fixture(scope="module")
def model() -> BodyModel:
    return BodyModel.open()


@pytest.fixture(scope="module")
def shirt(model: BodyModel) -> Tensor:
    return draping.hang(model, model.neutral().shape[0], torch.ones(len(model.template)))


def test_hollows_are_bridged_and_sides_stay(model: BodyModel, shirt: Tensor) -> None:
    rest = model.rest(model.neutral().shape)[0][0]
    trunk = part_weights(model)[:, PARTS.index("torso")]
    normal = vertex_normals(rest[None], model.faces)[0]
    assert shirt[trunk < 0.5].abs().max() == 0 and shirt[:, :2].abs().max() == 0
    assert shirt[(trunk > 0.95) & (normal[:, 0].abs() > 0.97), 2].abs().max() < 0.005
    assert 0.01 < shirt[:, 2].max() <= draping.MOST and shirt[:, 2].min() < -0.005
    outwards = (shirt * normal).sum(1)
    assert outwards.min() > -2 * draping.LEAST

    def deepest(vertices: Tensor) -> float:
        """Of the back, along its middle, how far the small of it lies before shoulder blades and buttocks, metres."""
        points = vertices[(vertices[:, 0].abs() < 0.03) & (normal[:, 2] < -0.3) & (trunk > 0.9)]
        z = points[points[:, 1].argsort(), 2]
        third = len(z) // 3
        return float(z[third : 2 * third].max() - torch.stack([z[:third].min(), z[2 * third :].min()]).max())

    assert deepest(rest + shirt) < 0.8 * deepest(rest)


def test_bare_skin_stays(model: BodyModel) -> None:
    shape = model.neutral().shape[0]
    assert draping.hang(model, shape, torch.zeros(len(model.template))).abs().max() == 0


def test_layers_stay(model: BodyModel, shirt: Tensor) -> None:
    worn = wearing(model, {"skirt": torch.zeros(len(Layer.load("skirt").basis))})
    moved = draping.hang(worn, worn.neutral().shape[0], torch.ones(len(worn.template)))
    assert torch.equal(moved[: len(shirt)], shirt) and moved[len(shirt) :].abs().max() == 0


def test_parts_tell_where_cloth_is(model: BodyModel) -> None:
    """Somebody in trousers alone."""
    body = model.neutral()
    with torch.no_grad():
        posed = model(body)
    camera = framing(posed.vertices[0], 0.0, 0.0, (300, 220))
    drawn = rasterize(camera.project(posed.vertices), model.faces, camera.size)
    hips = camera.project(posed.joints[0, [model.humanoid["spine"]]])[0, 1]
    below = torch.arange(300)[:, None] > hips
    parts = torch.where(below, int(BodyPart.LOWER), int(BodyPart.SKIN)) * (drawn.face[0] >= 0)
    found = draping.clothed(model, *shown_at(model, [Look(parts.to(torch.uint8), body, camera)]))
    trunk = part_weights(model)[:, PARTS.index("torso")] > 0.9
    y = posed.vertices[0, :, 1] - posed.joints[0, model.humanoid["spine"], 1]
    assert found[trunk & (y < -0.04)].min() > 0.9 and found[trunk & (y > 0.06)].max() < 0.1
    nobody = replace(body, translation=body.translation + torch.tensor([[9.0, 0.0, 0.0]]))
    assert draping.clothed(model, *shown_at(model, [Look(parts.to(torch.uint8), nobody, camera)])).max() == 0
