from __future__ import annotations

import pytest
import torch

from dinar import presets


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    return presets.build_encoder(presets.TINY).eval()


def photo(batch: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    return torch.rand(batch, 3, 64, 64, generator=rng), (torch.rand(batch, 1, 64, 64, generator=rng) > 0.5).float()


def test_a_photo_becomes_a_vector_always_the_same(encoder):
    vector = encoder(*photo())
    assert vector.shape == (2, 32) and vector.dtype == torch.float32 and vector.isfinite().all()
    assert torch.equal(vector, encoder(*photo()))
    assert not torch.allclose(vector[0], vector[1])


def test_noise_matters_only_when_given(encoder):
    image, mask = photo()
    noise = torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(2))
    assert torch.equal(encoder(image, mask, torch.zeros_like(mask)), encoder(image, mask))
    assert not torch.allclose(encoder(image, mask, noise), encoder(image, mask))
    assert not torch.allclose(encoder(image, 1 - mask), encoder(image, mask))


def test_a_vector_does_not_depend_on_the_batch(encoder):
    image, mask = photo(4)
    for i in range(4):
        torch.testing.assert_close(encoder(image[i : i + 1], mask[i : i + 1])[0], encoder(image, mask)[i])


def test_gradients_reach_every_parameter(encoder):
    noise = torch.randn(2, 1, 64, 64)
    encoder(*photo(), noise).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())


def test_bfloat16(encoder):
    image, mask = photo()
    exact = encoder(image, mask)
    with torch.autocast("cpu", torch.bfloat16):
        rough = encoder(image.to(memory_format=torch.channels_last), mask)
    assert rough.dtype == torch.float32
    assert (rough - exact).norm() < 0.05 * exact.norm()   # 8 bits of mantissa through a dozen layers
