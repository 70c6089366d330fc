from __future__ import annotations

import pytest
import torch

from dinar import presets
from dinar.networks.layers import Noise


@pytest.fixture(scope="module")
def generator():
    torch.manual_seed(0)
    return presets.build_generator(presets.TINY)


def latent(batch: int = 3) -> torch.Tensor:
    return torch.randn(batch, 32, generator=torch.Generator().manual_seed(1))


def rng(seed: int = 2) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_vector_becomes_a_texture_always_the_same(generator):
    texture = generator(latent())
    assert texture.shape == (3, 16, 32, 32) and texture.dtype == torch.float32 and texture.isfinite().all()
    assert torch.equal(texture, generator(latent()))
    torch.testing.assert_close(generator(latent()[1:2])[0], texture[1])
    assert not torch.allclose(texture[0], texture[1])
    assert texture.std().item() == pytest.approx(2, rel=0.5)   # four resolutions of about unit variance add up


def test_noise_comes_from_the_generator_of_random_numbers_alone(generator):
    torch.testing.assert_close(generator(latent(), rng()), generator(latent()))   # strengths are 0 at first
    strengths = [module.strength for module in generator.modules() if isinstance(module, Noise)]
    assert len(strengths) == 7
    with torch.no_grad():
        for strength in strengths:
            strength.fill_(0.3)
    state = torch.get_rng_state()
    noisy = generator(latent(), rng())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(noisy, generator(latent(), rng())) and not torch.allclose(noisy, generator(latent(), rng(3)))
    with torch.no_grad():
        for strength in strengths:
            strength.zero_()


def test_gradients_reach_every_parameter_and_the_vector(generator):
    vector = latent().requires_grad_()
    generator(vector, rng()).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in generator.parameters())
    assert vector.grad.abs().sum() > 0


def test_bfloat16(generator):
    exact = generator(latent())
    with torch.autocast("cpu", torch.bfloat16):
        rough = generator(latent(), rng())
    assert rough.dtype == torch.float32
    assert (rough - exact).norm() < 0.05 * exact.norm()
