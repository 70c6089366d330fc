from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest
import torch

from dinar.avatar import Avatar
from dinar.errors import InputError
from dinar.merge import merge
from dinar.texture.neural_texture import NeuralTexture


def half(avatar: Avatar, side: int, *, generated: float | None = None) -> Avatar:
    """Somebody of whom a photo showed the left (0) or right (1) half of the texture, the rest painted green."""
    size = avatar.painted.shape[-1]
    seen = ((torch.arange(size) // (size // 2)) == side).float().expand(1, 1, size, size) * avatar.texture.filled
    green = torch.tensor([0.0, 1.0, 0.0])[:, None, None]
    rgb = avatar.texture.rgb * seen + green * (1 - seen)
    channels = None if generated is None else torch.full((1, 16, 32, 32), generated)
    texture = NeuralTexture(channels, rgb, torch.ones_like(seen), torch.ones_like(seen), 0.8 * seen)
    return replace(avatar, texture=texture, painted=rgb[0], shape=avatar.shape + side)


def test_what_each_saw_is_in_it_and_nothing_that_was_painted(avatar: Avatar) -> None:
    found = merge([half(avatar, 0), half(avatar, 1)])
    covered = avatar.texture.filled
    assert torch.allclose(found.texture.rgb * covered, avatar.texture.rgb * covered, atol=1e-6)
    assert torch.equal(found.texture.filled * covered, covered)
    assert torch.equal(found.texture.sampled, found.texture.filled)
    assert found.painted[1].max() < 0.2                                   # green neither in front nor behind
    assert len(found.shots) == 2
    assert torch.allclose(found.shape, avatar.shape + 0.5)


def test_the_order_does_not_matter(avatar: Avatar) -> None:
    some = [half(avatar, 0, generated=1.0), half(avatar, 1, generated=-1.0), half(avatar, 0, generated=0.5)]
    some[2] = replace(some[2], shots=some[2].shots * 2)
    first = merge(some)
    for order in permutations(some):
        found = merge(order)
        for name in ("rgb", "sampled", "filled", "frontality", "generated"):
            assert torch.allclose(getattr(found.texture, name), getattr(first.texture, name), atol=1e-6)
        assert torch.allclose(found.painted, first.painted, atol=1e-5)
        assert torch.allclose(found.shape, first.shape, atol=1e-6)


def test_generated_channels_follow_the_photos(avatar: Avatar) -> None:
    found = merge([half(avatar, 0, generated=1.0), half(avatar, 1, generated=-1.0)]).texture
    seen = torch.nn.functional.interpolate(avatar.texture.filled, (32, 32), mode="area")[0, 0] == 1
    assert found.generated[0, 0, :, :16][seen[:, :16]].min() > 0.99
    assert found.generated[0, 0, :, 16:][seen[:, 16:]].max() < -0.99


def test_a_shape_counts_by_its_photos(avatar: Avatar) -> None:
    twice = replace(half(avatar, 1), shots=avatar.shots * 3)
    assert torch.allclose(merge([half(avatar, 0), twice]).shape, avatar.shape + 0.75)


def test_avatars_that_do_not_go_together(avatar: Avatar) -> None:
    one = half(avatar, 0)
    with pytest.raises(InputError, match="two avatars"):
        merge([one])
    with pytest.raises(InputError, match="different weights \\(none and small-1\\)"):
        merge([one, replace(one, weights="small-1")])
    with pytest.raises(InputError, match="UV layouts"):
        merge([one, replace(one, layout=replace(one.layout, name="anny"))])
    parts = {name: getattr(one.texture, name)[..., ::2, ::2] for name in ("rgb", "sampled", "filled", "frontality")}
    coarse = replace(one, texture=NeuralTexture(None, **parts), painted=one.painted[:, ::2, ::2])
    with pytest.raises(InputError, match="different sizes"):
        merge([one, coarse])
