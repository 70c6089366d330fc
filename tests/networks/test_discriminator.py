from __future__ import annotations

import pytest
import torch

from dinar import presets


@pytest.fixture(scope="module")
def discriminator():
    torch.manual_seed(0)
    return presets.build_discriminator(presets.TINY)


def images(batch: int = 4) -> torch.Tensor:
    return torch.rand(batch, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def test_one_logit_an_image(discriminator):
    logits = discriminator(images())
    assert logits.shape == (4, 1) and logits.dtype == torch.float32 and logits.isfinite().all()
    assert torch.equal(logits, discriminator(images()))


def test_images_of_a_batch_are_compared(discriminator):
    alike = images(1).expand(4, -1, -1, -1)
    assert not torch.allclose(discriminator(alike)[0], discriminator(torch.cat([alike[:1], images()[1:]]))[0])


def test_gradients_reach_every_parameter_also_those_of_a_gradient_penalty(discriminator):
    real = images().requires_grad_()
    logits = discriminator(real)
    (slope,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
    (logits.mean() + slope.square().sum()).backward()
    assert all(p.grad.isfinite().all() and p.grad.abs().sum() > 0 for p in discriminator.parameters())


def test_bfloat16(discriminator):
    exact = discriminator(images())
    with torch.autocast("cpu", torch.bfloat16):
        rough = discriminator(images().to(memory_format=torch.channels_last))
    assert rough.dtype == torch.float32
    assert (rough - exact).abs().max() < 0.1 * exact.abs().max()
