from __future__ import annotations

import inspect
from dataclasses import asdict, replace

import pytest
import torch
from torch.nn import functional

from dinar import presets
from dinar.networks import pretrained
from dinar.networks.autoencoder import HUES, Autoencoder, CodebookUse
from dinar.presets import PAPER, SMALL, TINY


@pytest.fixture(scope="module")
def tiny() -> Autoencoder:
    torch.manual_seed(0)
    return presets.build_autoencoder(TINY).eval()


def millions(*modules: torch.nn.Module) -> float:
    return sum(p.numel() for module in modules for p in module.parameters()) / 1e6


def test_paper_has_the_published_parameters() -> None:
    with torch.device("meta"):
        vq = presets.build_autoencoder(PAPER).vq
    assert millions(vq.encoder, vq.quant_conv) == pytest.approx(5.6, rel=0.01)       # DESIGN section 7
    assert millions(vq.decoder, vq.post_quant_conv) == pytest.approx(8.3, rel=0.01)
    assert vq.quantize.embedding.weight.shape == (8192, 6)                           # section 4.1


def test_papers_codes_are_64_a_side() -> None:
    with torch.device("meta"):
        paper = presets.build_autoencoder(PAPER)
        assert paper.encode(torch.empty(1, 21, 256, 256)).shape == (1, 6, 64, 64)    # section 4.1
        assert paper.decode(torch.empty(1, 6, 64, 64)).shape == (1, 21, 256, 256)


def test_the_constructors_defaults_are_the_paper() -> None:
    found = {name: p.default for name, p in inspect.signature(Autoencoder).parameters.items()}
    assert asdict(PAPER.autoencoder) == found


@pytest.mark.parametrize("preset", [SMALL, TINY], ids=lambda preset: preset.name)
def test_colours_fold_to_the_generated_channels_side(preset: presets.Preset) -> None:
    assert preset.colour_size == preset.generator.size * preset.autoencoder.fold
    assert preset.generator.channels == preset.autoencoder.generated
    with torch.device("meta"):
        assert presets.build_autoencoder(preset).channels == preset.denoiser.latent


def test_a_texture_goes_there_and_back_in_shape(tiny: Autoencoder) -> None:
    packed = torch.randn(2, 30, 32, 32)
    latent = tiny.encode(packed)
    found = tiny.quantize(latent)
    assert latent.shape == found.latent.shape == (2, 9, 8, 8) and found.codes.shape == (2, 8, 8)
    assert tiny.decode(found.latent).shape == packed.shape
    snapped = tiny.codebook[found.codes].permute(0, 3, 1, 2)
    assert torch.allclose(found.latent[:, :6], snapped, atol=1e-6)
    assert torch.equal(found.latent[:, 6:], latent[:, 6:])                           # no tone is snapped
    others = torch.cdist(latent[:, :6].permute(0, 2, 3, 1).flatten(0, 2), tiny.codebook)
    assert torch.equal(others.argmin(1).view(2, 8, 8), found.codes)


def test_at_first_there_is_no_pattern_in_a_block_of_colours() -> None:
    network = presets.build_autoencoder(TINY)
    colours = network.decode(torch.randn(1, 9, 8, 8))[:, 16:28].unflatten(1, (3, 4))
    assert torch.equal(colours, colours[:, :, :1].expand_as(colours)) and colours.std() > 0


def test_gradients_pass_the_codebook() -> None:
    torch.manual_seed(0)
    network = presets.build_autoencoder(TINY)
    found = network.quantize(network.encode(torch.randn(1, 30, 32, 32)))
    (network.decode(found.latent).square().mean() + found.commitment).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert network.vq.encoder.conv_in.weight.grad.abs().sum() > 0 and network.codebook.grad.abs().sum() > 0


def test_scales_cancel(tmp_path) -> None:
    """Channels and latents are scaled on the way in and back on the way out: the codes stay where they are."""
    torch.manual_seed(0)
    network = presets.build_autoencoder(TINY).eval()
    packed = torch.randn(3, 30, 32, 32) * torch.linspace(0.1, 5, 30)[:, None, None] + 2
    weight = (torch.rand(1, 1, 32, 32) < 0.7).float()
    network.measure_channels(packed, weight)
    rest = network.scaled(packed - network._known(network._tones(packed)))
    seen = rest.transpose(0, 1)[:, (weight > 0).expand(3, -1, -1, -1)[:, 0]]
    assert torch.allclose(seen.mean(1), torch.zeros(30), atol=1e-4)
    assert torch.allclose(seen.std(1, correction=0), torch.ones(30), atol=1e-4)

    with torch.no_grad():
        before = network.quantize(network.encode(packed))
        drawn = network.decode(before.latent)
        network.measure_latents(network.encode(packed), torch.ones(1, 1, 8, 8))
        latent = network.encode(packed)
        after = network.quantize(latent)
    assert torch.allclose(latent.mean((0, 2, 3)), torch.zeros(9), atol=1e-4)
    assert torch.allclose(latent.std((0, 2, 3), correction=0), torch.ones(9), atol=1e-4)
    assert (before.codes == after.codes).float().mean() > 0.99    # rounding may decide between two near codes
    again = network.decode(network.quantize(latent).latent)
    assert torch.allclose(again, drawn, atol=0.05 * float(drawn.std()))
    with pytest.raises(ValueError, match="scaled already"):
        network.measure_latents(latent, torch.ones(1, 1, 8, 8))

    pretrained.save(tmp_path / "vq", network, TINY.autoencoder)
    loaded = pretrained.load(tmp_path / "vq", Autoencoder)
    assert torch.allclose(loaded.latent_deviation, network.latent_deviation, rtol=1e-3)


def test_codebook_use_is_counted() -> None:
    use = CodebookUse(8, patience=3, decay=0.0)
    assert use.used == 0
    use.update(torch.tensor([[0, 1], [2, 3]]))
    assert use.perplexity == pytest.approx(4) and use.used == 0.5
    use.update(torch.tensor([0, 0, 0, 0]))
    assert use.perplexity == pytest.approx(1) and use.used == 0.5     # the others rest, they are not dead yet
    for _ in range(3):
        use.update(torch.tensor([0]))
    assert use.used == 1 / 8


def test_dead_codes_move_to_where_latents_are() -> None:
    torch.manual_seed(0)
    rng = torch.Generator().manual_seed(0)
    codebook = torch.nn.Parameter(torch.full((16, 6), 100.0))
    latents = torch.randn(50, 6)
    use = CodebookUse(16, patience=2)
    assert len(use.revive(codebook, latents, rng)) == 16              # at first all of them
    assert torch.cdist(codebook, latents).amin(1).max() < 0.5 and use.used == 1
    kept = codebook.detach().clone()
    for _ in range(2):
        use.update(torch.arange(10))
    moved = use.revive(codebook, latents + 5, rng)
    assert moved.tolist() == list(range(10, 16))
    assert torch.equal(codebook[:10], kept[:10])
    assert torch.cdist(codebook[10:], latents + 5).amin(1).max() < 0.5


def test_training_without_revival_leaves_codes_dead_and_with_it_none() -> None:
    """Two clusters of latents and a codebook that lies by one of them."""
    rng = torch.Generator().manual_seed(0)
    latents = torch.randn(400, 2, generator=rng) * 0.3 + torch.randint(0, 2, (400, 1), generator=rng) * 6

    def perplexity(revive: bool) -> float:
        codebook = torch.nn.Parameter(torch.randn(16, 2, generator=torch.Generator().manual_seed(1)) * 0.01 - 3)
        use, adam = CodebookUse(16, patience=5, decay=0.5), torch.optim.Adam([codebook], 0.05)
        for _ in range(40):
            codes = torch.cdist(latents, codebook).argmin(1)
            use.update(codes)
            loss = (codebook[codes] - latents).square().mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            if revive:
                use.revive(codebook, latents, rng)
        return use.perplexity

    assert perplexity(True) > 10 > perplexity(False)


def test_what_is_common_costs_nothing_and_hues_count() -> None:
    torch.manual_seed(0)
    autoencoder = presets.build_autoencoder(replace(TINY, autoencoder=replace(TINY.autoencoder, tones=False))).eval()
    pattern = 5 * torch.randn(1, 16, 32, 32)
    grey, hue = torch.rand(6, 1, 1, 32, 32), 0.02 * torch.randn(6, 3, 1, 32, 32)
    colours = (grey + hue).expand(-1, -1, 4, -1, -1).flatten(1, 2)
    packed = torch.cat([pattern + 0.1 * torch.randn(6, 16, 1, 1), colours, torch.ones(6, 2, 32, 32)], dim=1)
    autoencoder.measure_channels(packed, torch.ones(1, 1, 32, 32))
    without = packed - functional.pad(autoencoder.common, (0, 0, 0, 0, 0, 14))
    scaled = autoencoder.scaled(without)
    assert torch.allclose(scaled[:, :28].std((0, 2, 3)), torch.tensor(1.0), atol=0.05)       # hues as much as the rest
    assert scaled[:, :16].diff(dim=3).abs().max() < 1e-3                                      # the pattern is gone
    part = (..., slice(8, 24), slice(0, 16))
    assert autoencoder.encode(packed[part], autoencoder.common[None][part]).shape == (6, 6, 4, 4)
    with torch.no_grad():
        latent = autoencoder.quantize(autoencoder.encode(packed)).latent
        decoded = autoencoder.decode(latent) - functional.pad(autoencoder.common, (0, 0, 0, 0, 0, 14))
        inner = functional.pixel_shuffle(autoencoder.vq.decode(latent), autoencoder.patch)
    assert torch.allclose(autoencoder.scaled(decoded), inner, atol=1e-3)                      # there and back


def test_tones_need_no_codes() -> None:
    torch.manual_seed(0)
    autoencoder = presets.build_autoencoder(TINY).eval()
    colours = torch.rand(2, 3, 1, 1, 1) + torch.linspace(0, 1, 32)      # a ramp, each person in one colour
    colours = colours.expand(-1, -1, 4, 32, 32).flatten(1, 2)
    packed = torch.cat([torch.randn(1, 16, 32, 32).expand(2, -1, -1, -1), colours, torch.ones(2, 2, 32, 32)], dim=1)
    autoencoder.measure_channels(packed, torch.ones(1, 1, 32, 32))
    with torch.no_grad():
        latent = autoencoder.encode(packed)
        assert latent.shape == (2, 9, 8, 8)
        assert torch.allclose(latent[0, :6], latent[1, :6], atol=0.02)                # the colour is in none of them
        means = functional.avg_pool2d(packed[:, [16, 20, 24]], 4)
        hues = torch.einsum("ij,bjyx->biyx", torch.tensor(HUES), means)
        assert torch.allclose(latent[:, 6:], hues, atol=1e-5)
        decoded = autoencoder.decode(torch.cat([latent[:1, :6].expand(2, -1, -1, -1), latent[:, 6:]], dim=1))
    difference = decoded[:1, 16:28] - decoded[1:, 16:28]
    assert torch.allclose(difference, colours[:1] - colours[1:], atol=1e-4)           # but comes back


def test_the_papers_latents_are_codes_alone() -> None:
    with torch.device("meta"):
        paper = presets.build_autoencoder(PAPER)
    assert paper.channels == paper.latent == 6
