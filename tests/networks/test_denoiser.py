from __future__ import annotations

import inspect
from dataclasses import asdict

import pytest
import torch

from dinar import presets
from dinar.networks import pretrained
from dinar.networks.convolutional import SelfAttention
from dinar.networks.denoiser import Denoiser
from dinar.presets import PAPER, PRESETS, SMALL, TINY


def shape_of(preset: presets.Preset) -> Denoiser:
    with torch.device("meta"):
        return presets.build_denoiser(preset)


def test_paper_has_the_published_parameters() -> None:
    count = sum(p.numel() for p in shape_of(PAPER).parameters()) / 1e6
    assert count == pytest.approx(387, rel=0.002)      # DESIGN section 7


def test_the_constructors_defaults_are_the_paper() -> None:
    found = {name: p.default for name, p in inspect.signature(Denoiser).parameters.items()}
    assert asdict(PAPER.denoiser) == found


def test_papers_structure() -> None:
    """13 channels in and 6 out; attention on three levels, eight heads; residual blocks change the side; dropout."""
    unet = shape_of(PAPER).unet
    assert unet.conv_in.in_channels == 13 and unet.conv_out.out_channels == 6
    attention = [module for module in unet.modules() if isinstance(module, SelfAttention)]
    assert {module.to_q.out_features for module in attention} == {512, 768, 1024}
    assert {module.heads for module in attention} == {8}
    assert all(hasattr(sampler, "time_emb_proj") for block in unet.down_blocks[:-1] for sampler in block.downsamplers)
    assert all(hasattr(sampler, "time_emb_proj") for block in unet.up_blocks[:-1] for sampler in block.upsamplers)
    assert {m.p for m in unet.modules() if isinstance(m, torch.nn.Dropout)} >= {0.5}


def test_small_networks_weigh_at_most_50_megabytes() -> None:
    builders = ("encoder", "generator", "renderer", "autoencoder", "denoiser")
    with torch.device("meta"):
        networks = [getattr(presets, f"build_{name}")(SMALL) for name in builders]
    assert sum(t.numel() * 2 for network in networks for t in network.state_dict().values()) / 1e6 < 50


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_the_attention_stands_on_sides_that_exist(preset: presets.Preset) -> None:
    levels = len(preset.denoiser.multipliers)
    assert preset.denoiser.attention and all(factor < 1 << levels for factor in preset.denoiser.attention)


def test_it_listens_to_all_it_is_told(tmp_path) -> None:
    torch.manual_seed(0)
    network = presets.build_denoiser(TINY).eval()
    noisy, condition = torch.randn(2, 9, 8, 8), torch.randn(2, 9, 8, 8)
    mask, step = torch.rand(2, 1, 8, 8), torch.tensor([3, 700])
    with torch.no_grad():
        first = network(noisy, condition, mask, step)
        assert first.shape == noisy.shape and torch.equal(first, network(noisy, condition, mask, step))
        for changed in (
            (noisy + 1, condition, mask, step),
            (noisy, condition.flip(1), mask, step),
            (noisy, condition, 1 - mask, step),
            (noisy, condition, mask, step.flip(0)),
        ):
            assert not torch.allclose(network(*changed), first, atol=1e-4)
        pretrained.save(tmp_path / "d", network, TINY.denoiser)
        loaded = pretrained.load(tmp_path / "d", Denoiser)
        assert torch.allclose(loaded(noisy, condition, mask, step), first, atol=2e-2)


def test_dropout_works_in_training_only() -> None:
    torch.manual_seed(0)
    network = presets.build_denoiser(TINY)
    inputs = torch.randn(1, 9, 8, 8), torch.randn(1, 9, 8, 8), torch.ones(1, 1, 8, 8), torch.tensor([5])
    assert not torch.equal(network(*inputs), network(*inputs))
    network.eval()
    assert torch.equal(network(*inputs), network(*inputs))
