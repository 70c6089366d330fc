"""The atlas of a person with layers: what networks know of it, and what layers take from the body."""

from __future__ import annotations

import pytest
import torch

from dinar.body.layers import wearing
from dinar.body.model import BodyModel
from dinar.body.uv import load_layout, texel_map
from dinar.texture.layered import front_of, front_part, on_layers, whole_side, with_front
from dinar.texture.neural_texture import NeuralTexture


def test_the_upper_left_is_the_front_layout() -> None:
    naked = BodyModel.open()
    model = wearing(naked, {"skirt": torch.zeros(6)})
    small, large = texel_map(load_layout("front", naked), 256), texel_map(load_layout("clothed", model), 320)
    mine = front_part(large.face)
    assert whole_side(256) == 320 and mine.shape == small.face.shape
    assert (mine == small.face).float().mean() > 0.999          # but for texels that two triangles share


def test_parts_go_out_and_in() -> None:
    rng = torch.Generator().manual_seed(0)
    whole = torch.rand(1, 3, 40, 40, generator=rng)
    other = torch.rand(1, 3, 32, 32, generator=rng)
    changed = with_front(whole, other)
    assert torch.equal(front_part(changed), other) and torch.equal(front_part(whole), whole[..., :32, :32])
    assert torch.equal(changed[..., 32:, :], whole[..., 32:, :]) and torch.equal(changed[..., 32:], whole[..., 32:])
    one = torch.ones(1, 1, 40, 40)
    texture = front_of(NeuralTexture(torch.rand(1, 4, 20, 20), whole, one, one, one))
    assert texture.generated.shape[-1] == 16 and texture.rgb.shape[-1] == 32


@pytest.mark.parametrize("value", [0.25, -3.0])
def test_layers_take_channels_of_the_skin_beneath(value: float) -> None:
    model = wearing(BodyModel.open(), {"skirt": torch.zeros(6)})
    layout = load_layout("clothed", model)
    generated = torch.full((1, 2, 256, 256), value)
    generated[:, 1] = torch.linspace(0, 1, 256)[:, None]
    whole = on_layers(generated, model, layout)
    texels = texel_map(layout, 320)
    of_skirt = texels.face >= 27420
    assert torch.equal(front_part(whole), generated)
    assert torch.equal(on_layers(generated, model, layout), whole)
    assert torch.allclose(whole[0, 0, of_skirt], torch.tensor(value), atol=1e-5)
    assert float(whole[0, 1, of_skirt].min()) > 0.3 and float(whole[0, 1, of_skirt].max()) < 1
