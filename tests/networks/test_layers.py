from __future__ import annotations

import math

import pytest
import torch
from reference import stylegan2

from dinar.networks.layers import (
    EqualConv,
    EqualLinear,
    Fir,
    ModulatedConv,
    Noise,
    ResBlock,
    Trunk,
    channels_at,
    leaky,
    minibatch_deviation,
)


def seeded(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def close(found: torch.Tensor, wanted, tolerance: float = 1e-5) -> None:
    wanted = torch.from_numpy(wanted).float()
    torch.testing.assert_close(found.detach(), wanted, atol=tolerance, rtol=0)   # sums of some 50 float32 numbers


def test_fir_equals_a_literal_convolution():
    x, fir = seeded(2, 3, 6, 8), Fir()
    for sample, halved, doubled, smooth in zip(
        x, fir.halve(x), fir.double(x), fir.smooth(x, padding=2, gain=4), strict=True
    ):
        close(halved, stylegan2.halve(sample.numpy()))
        close(doubled, stylegan2.double(sample.numpy()))
        close(smooth, stylegan2.filtered(sample.numpy(), 2, 2, gain=4))


def test_fir_keeps_a_constant_and_a_bfloat16():
    fir, x = Fir(), torch.full((1, 2, 12, 12), 0.5)
    for out in (fir.halve(x), fir.double(x), fir.smooth(x, padding=1)):
        torch.testing.assert_close(out[..., 2:-2, 2:-2], torch.full_like(out[..., 2:-2, 2:-2], 0.5))
    assert fir.double(x.bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize(("kernel", "demodulate"), [(3, True), (3, False), (1, False)])
def test_modulated_convolution_equals_weights_for_each_sample(kernel, demodulate):
    torch.manual_seed(0)
    layer = ModulatedConv(4, 5, kernel, 6, demodulate=demodulate)
    x, latent = seeded(3, 4, 5, 7), seeded(3, 6, seed=1)
    style = layer.style(latent).detach().numpy()
    weight = (layer.weight * layer.scale).detach().numpy()
    close(layer(x, latent), stylegan2.modulated(x.numpy(), weight, style, demodulate))


def test_modulated_convolution_doubles_as_spread_convolve_filter():
    torch.manual_seed(0)
    layer = ModulatedConv(3, 2, 3, 6, double=True)
    x, latent = seeded(1, 3, 4, 5), seeded(1, 6, seed=1)
    style = layer.style(latent).detach().numpy()
    # a transposed convolution spreads, then convolves with the mirrored kernel
    weight = (layer.weight * layer.scale).detach().numpy()[:, :, ::-1, ::-1].copy()
    found = layer(x, latent)
    assert found.shape == (1, 2, 8, 10)
    spread = stylegan2.spread(x[0].numpy())[None]
    wide = stylegan2.modulated(spread, weight, style, demodulate=True)[0]
    wanted = stylegan2.filtered(wide, 2, 1, gain=4)
    # the first two rows and columns see what the literal one cuts off before it filters
    close(found[0, :, 2:, 2:], wanted[:, 2:, 2:])


def test_demodulation_gives_unit_variance_whatever_the_style():
    torch.manual_seed(0)
    layer = ModulatedConv(64, 64, 3, 8)
    x = seeded(4, 64, 32, 32)
    latent = seeded(4, 8) * torch.tensor([0.1, 1.0, 10.0, 100.0])[:, None]
    inner = layer(x, latent)[..., 1:-1, 1:-1]
    # 57,600 numbers of each sample, in 64 channels of slightly different style: a few percent
    torch.testing.assert_close(inner.std((1, 2, 3)), torch.ones(4), atol=0.05, rtol=0)
    plain = ModulatedConv(64, 64, 3, 8, demodulate=False)(x, latent)
    assert plain.std((1, 2, 3)).max() > 10


def test_equalised_layers_keep_the_variance_and_the_scale():
    torch.manual_seed(0)
    linear, conv = EqualLinear(400, 300), EqualConv(100, 80, 3, activate=False)
    for layer, fan_in in ((linear, 400), (conv, 900)):
        assert layer.scale == pytest.approx(1 / math.sqrt(fan_in))
        assert layer.weight.std().item() == pytest.approx(1, abs=0.01)
    assert linear(seeded(200, 400, seed=1)).std().item() == pytest.approx(1, abs=0.02)
    assert conv(seeded(2, 100, 16, 16, seed=1))[..., 1:-1, 1:-1].std().item() == pytest.approx(1, abs=0.02)
    assert torch.equal(EqualLinear(3, 2, bias=1.0).bias, torch.ones(2))
    second_moment = leaky(seeded(100_000)).square().mean().item()
    assert second_moment == pytest.approx(1 + 0.2**2, abs=0.02)   # sqrt 2 makes up for the half that is scaled by 0.2


@pytest.mark.parametrize(("batch", "size"), [(1, 1), (3, 3), (4, 4), (6, 3), (8, 4), (5, 1)])
def test_minibatch_deviation(batch, size):
    x = seeded(batch, 3, 4, 4)
    out = minibatch_deviation(x)
    assert torch.equal(out[:, :3], x) and out.shape == (batch, 4, 4, 4)
    close(out[:, 3, 1, 2], stylegan2.deviation(x.numpy(), size))
    assert (out[:, 3] == out[:, 3, :1, :1]).all()


def test_noise_has_a_learned_strength():
    noise, x = Noise(), torch.zeros(2, 3, 8, 8)
    rng = torch.Generator().manual_seed(0)
    assert torch.equal(noise(x, rng), x)
    with torch.no_grad():
        noise.strength.fill_(2.0)
    assert torch.equal(noise(x, None), x)
    drawn = noise(x, rng)
    assert (drawn == drawn[:, :1]).all() and not torch.equal(drawn[0], drawn[1])
    assert drawn.std().item() == pytest.approx(2, rel=0.2)


def test_residual_block():
    torch.manual_seed(0)
    assert isinstance(ResBlock(4, 4).skip, torch.nn.Identity)
    assert ResBlock(4, 8, stride=2)(seeded(2, 4, 8, 6)).shape == (2, 8, 4, 3)
    block = ResBlock(4, 4).eval()
    with torch.no_grad():
        block.body[1][1].weight.zero_()
        x = seeded(1, 4, 5, 5)
        torch.testing.assert_close(block(x), torch.nn.functional.leaky_relu(x, 0.2))


def test_widths_and_wrong_resolutions():
    assert [channels_at(side, 256, 16) for side in (64, 32, 16, 8)] == [4, 8, 16, 16]
    for side in (0, 4, 48, 65):
        with pytest.raises(ValueError, match="no power of two"):
            Trunk(3, 1, side, 256, 16, compare=True)
