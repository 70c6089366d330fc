from __future__ import annotations

import pytest
import torch

from dinar.avatar import open_body
from dinar.body.uv import PARTS, load_layout, texel_map
from dinar.errors import InputError
from dinar.texture.drawing import sampled_at
from dinar.texture.islands import Islands, part_texels

SIZE = 128


@pytest.fixture(scope="module")
def body():
    model = open_body()
    return model, load_layout("front", model)


def test_every_texel_has_the_nearest_one_on_an_island(body) -> None:
    islands = Islands.of(body[1], 32)
    on = (islands.covered[0, 0] > 0).nonzero().double()
    texels = torch.cartesian_prod(torch.arange(32), torch.arange(32)).double()
    nearest = torch.stack([islands.nearest.flatten() // 32, islands.nearest.flatten() % 32], dim=1).double()
    assert torch.equal(islands.covered.flatten()[islands.nearest.flatten()], torch.ones(32 * 32))
    found = (texels - nearest).norm(dim=1)
    assert torch.allclose(found, torch.cdist(texels, on).amin(1), atol=0.3)       # a 5 x 5 mask's distances
    assert torch.equal(nearest[islands.covered.flatten() > 0], texels[islands.covered.flatten() > 0])


def test_nothing_bleeds_in_from_beside_an_island(body) -> None:
    """Bilinear samples anywhere on the surface see island texels alone, whatever lies between the islands."""
    layout = body[1]
    islands = Islands.of(layout, SIZE)
    texture = torch.where(islands.covered > 0, 0.5, 100.0).expand(1, 3, -1, -1)
    corners = layout.uv[layout.faces]                                            # [F, 3, 2]
    rng = torch.Generator().manual_seed(0)
    weight = torch.rand(len(corners), 3, generator=rng)
    uv = (corners * (weight / weight.sum(1, keepdim=True))[..., None]).sum(1).T[None, :, None]
    assert sampled_at(texture, uv).max() > 10
    assert torch.allclose(sampled_at(islands.extended(texture), uv), torch.tensor(0.5))


def test_what_lies_on_islands_stays(body) -> None:
    islands = Islands.of(body[1], SIZE)
    texture = torch.rand(2, 5, SIZE, SIZE)
    found = islands.extended(texture)
    assert torch.equal(found * islands.covered, texture * islands.covered)
    assert torch.equal(islands.extended(found), found)


def test_latents_that_hold_a_texel_count(body) -> None:
    islands = Islands.of(body[1], 64)
    weight = islands.latent_weight(4)
    assert weight.shape == (1, 1, 16, 16)
    blocks = islands.covered[0, 0].unfold(0, 4, 4).unfold(1, 4, 4).amax((-1, -2))
    assert torch.equal(weight[0, 0], blocks) and 0 < weight.mean() < 1


def test_parts_make_up_the_body(body) -> None:
    model, layout = body
    whole = sum(part_texels(layout, model, [part], SIZE) for part in PARTS)
    assert torch.equal(whole, texel_map(layout, SIZE).mask)
    head = part_texels(layout, model, ["head"], SIZE)
    assert 0.1 < head.mean() < 0.4
    assert torch.equal(part_texels(layout, model, {"head", "torso"}, SIZE),
                       head + part_texels(layout, model, ["torso"], SIZE))
    with pytest.raises(InputError, match="no part called tail"):
        part_texels(layout, model, ["tail"], SIZE)
