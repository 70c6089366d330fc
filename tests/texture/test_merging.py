from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
import torch
from reference import merging as reference

from dinar.texture.merging import TAU, merge
from dinar.texture.neural_texture import NeuralTexture


def random_texture(seed: int, *, size: int = 9, generated: bool = False) -> NeuralTexture:
    """A texture as `sample` makes it: some texels sampled, more filled, the rest zero."""
    g = torch.Generator().manual_seed(seed)
    filled = (torch.rand(1, 1, size, size, generator=g) < 0.6).float()
    sampled = filled * (torch.rand(1, 1, size, size, generator=g) < 0.6).float()
    rgb = torch.rand(1, 3, size, size, generator=g) * filled
    frontality = torch.rand(1, 1, size, size, generator=g) * filled
    channels = torch.randn(1, 16, size, size, generator=g) if generated else None
    return NeuralTexture(channels, rgb, sampled, filled, frontality)


def numpy(tensor: torch.Tensor) -> np.ndarray:
    return tensor[0].double().numpy()


@pytest.mark.parametrize("tau", [TAU, 1.0])
def test_against_the_equation(tau: float) -> None:
    textures = [random_texture(seed, generated=True) for seed in range(4)]
    found = merge(textures, tau=tau)
    frontality = [numpy(t.frontality)[0] for t in textures]
    sampled, filled = ([numpy(getattr(t, name))[0] > 0 for t in textures] for name in ("sampled", "filled"))
    counts = [s | (f & ~np.any(sampled, axis=0)) for s, f in zip(sampled, filled, strict=True)]
    everywhere = [np.ones_like(s) for s in sampled]
    for name, which in {"rgb": counts, "frontality": counts, "generated": everywhere}.items():
        expected = reference.merge([numpy(getattr(t, name)) for t in textures], frontality, which, tau)
        assert np.allclose(numpy(getattr(found, name)), expected, atol=1e-5)    # float32 against float64
    assert np.array_equal(numpy(found.sampled)[0], np.any(sampled, axis=0))
    assert np.array_equal(numpy(found.filled)[0], np.any(filled, axis=0))


def test_one_texture_stays_what_it_is() -> None:
    texture = random_texture(0, generated=True)
    found = merge([texture])
    for name in ("rgb", "sampled", "filled", "frontality", "generated"):
        assert torch.equal(getattr(found, name), getattr(texture, name))


def test_the_order_does_not_matter() -> None:
    textures = [random_texture(seed) for seed in range(3)]
    first = merge(textures)
    for order in permutations(textures):
        assert torch.allclose(merge(order).rgb, first.rgb, atol=1e-6)


def test_the_more_frontal_photo_wins() -> None:
    one = torch.ones(1, 1, 1, 1)
    front = NeuralTexture(None, torch.ones(1, 3, 1, 1), one, one, 0.95 * one)
    side = NeuralTexture(None, torch.zeros(1, 3, 1, 1), one, one, 0.25 * one)
    assert merge([front, side]).rgb.min() > 0.99
    assert merge([front, side], tau=1e6).rgb.max() == pytest.approx(0.5, abs=1e-4)


def test_what_no_photo_shows_stays_empty() -> None:
    zero = torch.zeros(1, 1, 2, 2)
    empty = NeuralTexture(None, torch.zeros(1, 3, 2, 2), zero, zero, zero)
    found = merge([empty, empty])
    assert not found.rgb.any() and not found.filled.any() and not found.frontality.any()


def test_generated_channels_of_another_size() -> None:
    coarse = [random_texture(seed, size=8) for seed in range(2)]
    channels = [torch.full((1, 16, 4, 4), float(k)) for k in range(2)]
    found = merge([replace(t, generated=c) for c, t in zip(channels, coarse, strict=True)])
    weight = [t.frontality.unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2)) for t in coarse]
    expected = torch.sigmoid((weight[1] - weight[0]) / TAU).expand(1, 16, 4, 4)
    assert torch.allclose(found.generated, expected, atol=1e-5)


def test_textures_that_do_not_go_together() -> None:
    with pytest.raises(ValueError):
        merge([])
    with pytest.raises(ValueError):
        merge([random_texture(0), random_texture(1, generated=True)])
