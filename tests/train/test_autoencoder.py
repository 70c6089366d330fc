from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from dinar import presets
from dinar.networks.appearance import Appearance
from dinar.networks.autoencoder import Autoencoder
from dinar.perceptual.alexnet import AlexNet
from dinar.perceptual.lpips import LPIPS
from dinar.presets import TINY
from dinar.texture.islands import Islands
from dinar.train import autoencoder as module
from dinar.train.autoencoder import AutoencoderStage, Coder, Recoded, load_coder, texture_loss
from dinar.train.loop import CHECKPOINT, LOG, Options, train


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """LPIPS without its weights, and few pictures."""

    def load(*_) -> LPIPS:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return LPIPS(AlexNet())

    monkeypatch.setattr(module, "load_lpips", load)
    monkeypatch.setattr(module, "LOOKED_AT", 2)


def appearance() -> Appearance:
    torch.manual_seed(5)
    builders = (presets.build_encoder, presets.build_generator, presets.build_renderer)
    return Appearance.named("tiny", *(build(TINY).eval() for build in builders))


def options(steps: int) -> Options:
    return Options(steps=steps, batch=2, half_life=16, save_every=2, look_every=4, workers=0)


def test_it_runs_goes_on_and_ships_what_can_be_finetuned(textures, tmp_path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert train(AutoencoderStage(textures, appearance()), whole, options(4)) == 4
    assert train(AutoencoderStage(textures, appearance()), parts, options(2)) == 2
    assert train(AutoencoderStage(textures, appearance()), parts, options(4), resume=True) == 4
    one, other = (load_file(folder / CHECKPOINT) for folder in (whole, parts))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    lines = [json.loads(line) for line in (whole / LOG).read_text().splitlines()]
    assert lines[-1]["codebook/used"] > 0.5 and lines[-1]["codebook/perplexity"] > 2
    assert {"texture", "commitment", "l2", "lpips", "dice", "discriminator/drawn"} <= set(lines[-1])
    assert 0 < lines[-1]["examined/sharpness"] < 3 and lines[-1]["examined/codes"] > 1
    assert (whole / "samples" / "0000004.jpg").exists()

    parts, autoencoder = load_coder(whole / "weights")
    assert not torch.equal(autoencoder.channel_deviation, torch.ones_like(autoencoder.channel_deviation))
    assert parts.name == appearance().name                            # nothing but the autoencoder has learnt
    before = {name: tensor.clone() for name, tensor in parts.renderer.state_dict().items()}
    stage = AutoencoderStage(textures, parts, autoencoder, finetune=True)
    assert train(stage, tmp_path / "finetuned", options(2)) == 2
    tuned, _ = load_coder(tmp_path / "finetuned" / "weights")
    changed = [name for name, tensor in tuned.renderer.state_dict().items() if not torch.equal(tensor, before[name])]
    assert any("weight" in name for name in changed) and any("running_mean" in name for name in changed)
    assert tuned.name != parts.name
    for name in ("encoder", "generator"):
        found, first = getattr(tuned, name).state_dict(), getattr(parts, name).state_dict()
        assert all(torch.equal(found[key], first[key]) for key in first)


def test_texture_space_learns(textures, tmp_path, monkeypatch) -> None:
    stage = AutoencoderStage(textures, appearance())
    stage.how, stage.crop = replace(stage.how, texture=20.0, adversarial_from=1000), None
    numbers = []
    learn = stage.learn
    monkeypatch.setattr(stage, "learn", lambda *args: numbers.append(learn(*args)) or numbers[-1])
    train(stage, tmp_path / "run", replace(options(30), save_every=30, look_every=30))
    first, last = (sum(n["texture"] for n in some) / 4 for some in (numbers[1:5], numbers[-4:]))
    assert last < 0.85 * first
    assert [("l2" in found, "codebook/used" in found) for found in numbers[:2]] == [(True, True)] * 2
    drawing = stage.networks["redrawer"].renderer.state_dict()
    assert all(torch.equal(drawing[name], tensor) for name, tensor in appearance().renderer.state_dict().items())


def test_only_islands_count() -> None:
    islands = Islands(torch.tensor([[1.0, 0.0], [0.0, 1.0]])[None, None], torch.arange(4).view(2, 2))
    autoencoder = presets.build_autoencoder(TINY)
    packed = torch.zeros(1, 30, 2, 2)
    decoded = torch.full_like(packed, 7.0)
    decoded[..., 0, 0] = decoded[..., 1, 1] = 2.0
    recoded = Recoded(packed, decoded, islands.covered, packed, None)
    assert texture_loss(autoencoder, recoded) == pytest.approx(4)
    autoencoder.channel_deviation.fill_(2.0)
    assert texture_loss(autoencoder, recoded) == pytest.approx(1)   # in the scale in which all channels count alike
    assert torch.equal(recoded.shown, islands.covered[0] > 0)


def test_what_lies_beside_islands_does_not_reach_them(textures) -> None:
    torch.manual_seed(0)
    coder = Coder(presets.build_autoencoder(TINY), 4).eval()
    islands = Islands.of(textures.tailor.layout, 32)
    packed = torch.randn(1, 30, 32, 32)
    other = torch.where(islands.covered > 0, packed, 50.0)
    with torch.no_grad():
        one, two = (coder.whole(some, islands) for some in (packed, other))
    assert torch.equal(one.decoded, two.decoded) and torch.equal(one.latent, two.latent)


def test_there_is_nothing_to_finetune_at_first(textures) -> None:
    with pytest.raises(ValueError, match="no autoencoder"):
        AutoencoderStage(textures, appearance(), finetune=True)
    assert isinstance(AutoencoderStage(textures, appearance()).networks["redrawer"].coder.autoencoder, Autoencoder)


def test_parts_of_textures_lie_on_whole_latents_of_islands(textures) -> None:
    stage = AutoencoderStage(textures, appearance())
    corners = stage._corners(50, 4, torch.Generator().manual_seed(0))
    covered = stage.islands.covered[0, 0]
    assert len(set(corners)) > 5
    for y, x in corners:
        assert y % 4 == x % 4 == 0 and 0 <= y <= 32 - 16 and 0 <= x <= 32 - 16
        assert covered[y : y + 16, x : x + 16].any()
    stage.crop = None
    assert stage._corners(50, 4, torch.Generator()) is None


def test_colours_of_whole_textures_are_compared(textures, tmp_path, monkeypatch) -> None:
    how = replace(TINY.autoencoding, crop=None, lpips=1.0, snapped_from=2)
    textures = copy.copy(textures)
    textures.preset = replace(TINY, autoencoding=how)
    stage, numbers = AutoencoderStage(textures, appearance()), []
    learn = stage.learn
    monkeypatch.setattr(stage, "learn", lambda *args: numbers.append(learn(*args)) or numbers[-1])
    train(stage, tmp_path / "run", options(4))
    assert all(found["texture_lpips"] > 0 for found in numbers)
    # the codebook is spread at the end of the last step without it
    assert ["codebook/used" in found for found in numbers] == [False, True, True, True]


def test_a_run_goes_on_with_newer_appearance_weights(textures, tmp_path) -> None:
    """Its checkpoint holds no renderer but one that learns."""
    train(AutoencoderStage(textures, appearance()), tmp_path / "run", options(2))
    newer = appearance()
    with torch.no_grad():
        next(newer.renderer.parameters()).add_(1)
    newer = Appearance.named("tiny", newer.encoder, newer.generator, newer.renderer)
    train(AutoencoderStage(textures, newer), tmp_path / "run", options(4), resume=True)
    assert load_coder(tmp_path / "run" / "weights")[0].name == newer.name != appearance().name
