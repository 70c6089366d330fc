from __future__ import annotations

import pytest
import torch

from dinar.body.layers import BOXES
from dinar.body.model import BodyModel
from dinar.body.uv import PARTS, load_layout, part_weights
from dinar.inpainting.details import DARKEST, LIGHTER, Freedom
from dinar.texture.filling import face_of

R = 160


@pytest.fixture(scope="module")
def model() -> BodyModel:
    return BodyModel.open()


def at(values: torch.Tensor, model: BodyModel, vertices: torch.Tensor) -> torch.Tensor:
    """A map's values [1, R, R] in the middle of the triangles whose corners are all among some vertices."""
    layout = load_layout("front", model)
    faces = vertices[model.faces].all(1)
    middles = layout.uv[layout.faces[faces]].mean(1) * values.shape[-1]
    x, y = middles.long().clamp(max=values.shape[-1] - 1).T
    return values[0, y, x]


def test_faces_stay_and_heads_and_hands_are_free(model) -> None:
    freedom = Freedom.of(model, load_layout("front", model), R)
    hands = part_weights(model)[:, [PARTS.index("left hand"), PARTS.index("right hand")]].sum(1)
    trunk = part_weights(model)[:, PARTS.index("torso")]
    assert at(freedom.amount, model, face_of(model) > 0.99).max() < 0.1
    assert at(freedom.amount, model, trunk > 0.99).min() > 0.99
    assert at(freedom.hues, model, hands > 0.99).median() > 0.95
    assert at(freedom.hues, model, trunk > 0.99).max() < 0.05


def test_the_whole_atlas(model) -> None:
    whole, body = Freedom.everywhere(model, R), Freedom.of(model, load_layout("front", model), round(0.8 * R))
    assert torch.equal(whole.amount[:, :128, :128], body.amount) and torch.equal(whole.hues[:, :128, :128], body.hues)
    for name, hues in (("hair", 1), ("skirt", 0)):
        left, top, right, bottom = (round(at * R) for at in BOXES[name])
        assert (whole.amount[:, top:bottom, left:right] == 1).all()
        assert (whole.hues[:, top:bottom, left:right] == hues).all()


def test_what_counts_of_a_change() -> None:
    maps = torch.zeros(1, 1, 4)
    amount, hues, edge = maps + 1, maps.clone(), maps[None].clone()
    hues[..., 1], edge[..., 2], amount[..., 3] = 1, 1, 0
    painted, change = torch.tensor([0.4, 0.3, 0.2]).view(1, 3, 1, 1).expand(-1, -1, 1, 4), torch.tensor([0.5, 0, 0])
    found = Freedom(amount, hues).changed(painted, change.view(1, 3, 1, 1).expand_as(painted), edge)[0, :, 0]
    assert torch.allclose(found[:, 0], painted[0, :, 0, 0] + LIGHTER)                # of clothes: grey
    assert torch.allclose(found[:, 1], torch.tensor([0.9, 0.3, 0.2]))                # where hues are free
    assert torch.equal(found[:, 2:], painted[0, :, 0, 2:])                           # known, and of the face
    dark = Freedom(amount, hues).changed(painted, torch.full_like(painted, -1), edge)[0, :, 0, 0]
    assert torch.allclose(dark, DARKEST * painted[0, :, 0, 0])
    black = torch.full((1, 3, 1, 4), 0.004)
    assert torch.equal(Freedom(amount, hues).changed(black, torch.zeros_like(black), edge), black)
