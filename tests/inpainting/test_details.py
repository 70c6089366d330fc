from __future__ import annotations

import pytest
import torch

from dinar.body.layers import BOXES
from dinar.body.model import BodyModel
from dinar.body.uv import PARTS, load_layout, part_weights
from dinar.inpainting.colours import MEAN_SHADES
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
    feet = part_weights(model)[:, [PARTS.index("left foot"), PARTS.index("right foot")]].sum(1)
    assert at(freedom.held, model, feet > 0.99).max() < 0.1 and at(freedom.held, model, trunk > 0.99).min() > 0.99


def test_the_whole_atlas(model) -> None:
    whole, body = Freedom.everywhere(model, R), Freedom.of(model, load_layout("front", model), round(0.8 * R))
    assert torch.equal(whole.amount[:, :128, :128], body.amount) and torch.equal(whole.hues[:, :128, :128], body.hues)
    for name, hues in (("hair", 1), ("skirt", 0)):
        left, top, right, bottom = (round(at * R) for at in BOXES[name])
        assert (whole.amount[:, top:bottom, left:right] == 1).all()
        assert (whole.hues[:, top:bottom, left:right] == hues).all()


def test_what_counts_of_a_change() -> None:
    maps = torch.zeros(1, 160, 160)
    amount, hues, edge = maps + 1, maps.clone(), maps[None].clone()
    hues[..., 40:80], edge[..., 80:120], amount[..., 120:] = 1, 1, 0
    freedom = Freedom(amount, hues, maps + 1)
    painted = torch.tensor([0.4, 0.3, 0.2])[None, :, None, None].expand(-1, -1, 160, 160)
    speck = (torch.rand(160, 160, generator=torch.Generator().manual_seed(0)) < 0.02).float()
    found = freedom.changed(painted, painted, torch.tensor([0.5, 0, 0])[:, None, None] * speck[None, None], edge)[0]
    more = (found - painted[0])[:, speck > 0]
    column = speck.nonzero()[:, 1]
    assert more[:, column < 40].min() > 0.8 * LIGHTER                                # of clothes: grey
    red = more[:, (column >= 40) & (column < 80)]
    assert torch.allclose(red, torch.tensor([0.5, 0, 0])[:, None].expand_as(red), atol=1e-5)   # where hues are free
    assert more[:, column >= 80].abs().max() < 1e-6                                  # known, and of the face
    dark = freedom.changed(painted, painted, -speck[None, None].expand_as(painted), edge)[0][:, speck > 0]
    expected = DARKEST * painted[0, :, :1, 0]
    assert torch.allclose(dark[:, column < 40], expected.expand_as(dark[:, column < 40]), atol=0.01)
    black = torch.full((1, 3, 160, 160), 0.004)
    assert torch.allclose(freedom.changed(black, black, torch.zeros_like(black), edge), black, atol=1e-6)


def test_what_counts_of_a_change_where_nothing_is_held() -> None:
    maps = torch.zeros(1, 1, 4)
    amount, hues, edge = maps + 1, maps.clone(), maps[None].clone()
    hues[..., 1], edge[..., 2], amount[..., 3] = 1, 1, 0
    freedom = Freedom(amount, hues, maps)
    painted, change = torch.tensor([0.4, 0.3, 0.2]).view(1, 3, 1, 1).expand(-1, -1, 1, 4), torch.tensor([0.5, 0, 0])
    found = freedom.changed(painted, painted, change.view(1, 3, 1, 1).expand_as(painted), edge)[0, :, 0]
    assert torch.allclose(found[:, 0], painted[0, :, 0, 0] + LIGHTER)                # of clothes: grey
    assert torch.allclose(found[:, 1], torch.tensor([0.9, 0.3, 0.2]))                # where hues are free
    assert torch.equal(found[:, 2:], painted[0, :, 0, 2:])                           # known, and of the face
    dark = freedom.changed(painted, painted, torch.full_like(painted, -1), edge)[0, :, 0, 0]
    assert torch.allclose(dark, DARKEST * painted[0, :, 0, 0])
    black = torch.full((1, 3, 1, 4), 0.004)
    assert torch.equal(freedom.changed(black, black, torch.zeros_like(black), edge), black)


def test_clothes_stay_as_light_as_the_plain_filling() -> None:
    maps = torch.zeros(1, 160, 160)
    white = torch.full((1, 3, 160, 160), 0.9)
    darker = white * 0.9, white * -0.3, maps[None]
    found = Freedom(maps + 1, maps, maps + 1).changed(white, *darker)
    assert found.min() == pytest.approx(0.9 * MEAN_SHADES[0], abs=0.01)
    feet = Freedom(maps + 1, maps, maps).changed(white, *darker)                     # but not shoes
    assert torch.allclose(feet, white * 0.9 - 0.3 * 0.9, atol=1e-4)
