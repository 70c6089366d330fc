"""The noise that is measured is the noise that was added."""

from __future__ import annotations

import pytest
import torch

from dinar.scene.grain import deviation, missing, noise

SIZE = 160, 200


def scene() -> torch.Tensor:
    """A ramp with a striped part, whose edges are no noise."""
    ramp = torch.linspace(0.3, 0.7, SIZE[1]).expand(3, *SIZE).clone()
    ramp[:, 100:] += 0.1 * (torch.arange(SIZE[1]) % 10 < 5)
    return ramp


@pytest.mark.parametrize("sigma", [0.004, 0.02])
def test_the_deviation_is_recovered(sigma: float) -> None:
    wanted = sigma * torch.tensor([1.0, 0.5, 2.0])
    image = scene() + noise(wanted, SIZE, seed=1)
    found = deviation(image, torch.ones(1, *SIZE))
    assert torch.allclose(found, wanted, rtol=0.1)


def test_only_the_pixels_that_were_named_count() -> None:
    image, where = scene(), torch.zeros(1, *SIZE)
    where[:, :, 100:] = 1
    image[:, :, :99] += noise(torch.full((3,), 0.05), (SIZE[0], 99), seed=2)
    assert float(deviation(image, where).max()) < 1e-4
    assert float(deviation(image, 1 - where).min()) > 0.04


def test_hardly_any_pixels_say_nothing() -> None:
    where = torch.zeros(1, *SIZE)
    where[:, :8, :8] = 1
    image = scene() + noise(torch.full((3,), 0.05), SIZE, seed=2)
    assert torch.equal(deviation(image, where), torch.zeros(3))


def test_the_seed_decides_and_variances_add_up() -> None:
    one = torch.full((3,), 0.03)
    assert torch.equal(noise(one, SIZE, 5), noise(one, SIZE, 5))
    assert not torch.equal(noise(one, SIZE, 5), noise(one, SIZE, 6))
    both = noise(one, SIZE, 5) + noise(missing(one * 5 / 3, one), SIZE, 6)
    assert both.std() == pytest.approx(0.05, rel=0.02)
    assert torch.equal(missing(one, one * 2), torch.zeros(3))
