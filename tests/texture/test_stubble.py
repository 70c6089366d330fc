from __future__ import annotations

import torch

from dinar.body.layers import BOXES, RISE, Layer, thickness, wearing
from dinar.body.model import BodyModel
from dinar.body.uv import load_layout, texel_map
from dinar.texture.filling import face_of
from dinar.texture.stubble import MOST, stubble_of, stubbled

SIZE = 320


def test_skin_behind_has_hair_s_shade_at_its_end_and_less_farther_down() -> None:
    model = wearing(BodyModel.open(), {"hair": torch.zeros(len(Layer.load("hair").basis))})
    texels = texel_map(load_layout("clothed", model), SIZE)
    amount = stubble_of(model, texels, face_of(model))[0]
    assert 0.1 < float(amount.max()) <= MOST and float(amount.min()) >= 0
    rest = model.rest(model.neutral().shape)[0][0]
    place = texels.interpolate(rest, model.faces)[0]
    some = amount > 0.05
    worn = rest[model.layer == 1][thickness(model) > RISE]
    assert float(torch.cdist(place[:, some].T, worn).amin(1).max()) < 0.04, "about the end of hair alone"
    face = texels.interpolate(face_of(model)[:, None], model.faces)[0][0]
    assert float(amount[face > 0.9].max()) < 0.05


def test_skin_that_is_seen_stays() -> None:
    left, top, right, bottom = (round(edge * SIZE) for edge in BOXES["hair"])
    filled = torch.full((1, 3, SIZE, SIZE), 0.8)
    filled[..., top:bottom, left:right] = 0.2
    seen = torch.zeros(1, 1, SIZE, SIZE)
    seen[..., :100, :] = 1
    amount = torch.full((1, SIZE, SIZE), 0.5)
    found = stubbled(filled, seen, amount)
    assert torch.equal(found[..., :100, :], filled[..., :100, :])
    assert torch.allclose(found[..., 100:, :left], torch.tensor(0.5))
