from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
import torch
from train.test_inpainting import networks

from dinar import presets
from dinar.errors import InputError
from dinar.inpainting.inpainter import Inpainter
from dinar.networks import pretrained
from dinar.networks.appearance import Appearance
from dinar.perceptual.alexnet import AlexNet
from dinar.perceptual.lpips import LPIPS
from dinar.presets import PAPER, TINY
from dinar.train import autoencoder as module
from dinar.train import slimming
from dinar.train.detailing import DetailerStage
from dinar.train.fillings import TURNS
from dinar.train.inpainting import InpaintingStage
from dinar.train.slimming import SlimStage
from dinar.train.stages import Plan, StageName, numbers, opened

OTHERS = ("appearance", "detailer", "lifter", "parser", "slim")     # the paper has but the first of them
LATER = [name for name in get_args(StageName) if name not in OTHERS]
CONFIGS = {part: getattr(TINY, part) for part in ("encoder", "generator", "renderer")}


@pytest.fixture
def plan(people, tmp_path, monkeypatch) -> Plan:
    monkeypatch.setattr(module, "load_lpips", lambda *_: LPIPS(AlexNet()))
    appearance, autoencoder = networks()
    appearance.save(tmp_path / "first", CONFIGS)
    appearance.save(tmp_path / "second" / "appearance", CONFIGS)
    pretrained.save(tmp_path / "second" / "autoencoder", autoencoder, TINY.autoencoder)
    return Plan((people,), (), tmp_path / "first", tmp_path / "textures", least=4)


def test_each_stage_starts_from_the_one_before(plan, tmp_path) -> None:
    stage = opened("autoencoder", TINY, plan, tmp_path / "run")
    assert stage.name == "autoencoder" and not stage.measured
    second = replace(plan, after=tmp_path / "second")
    stage = opened("finetune", TINY, second, tmp_path / "run")
    assert stage.name == "finetune" and stage.measured
    assert any(p.requires_grad for p in stage.networks["redrawer"].renderer.parameters())


def test_the_small_renderer_starts_from_an_appearance(plan, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(slimming, "load_lpips", lambda *_: LPIPS(AlexNet()))
    first = replace(plan, textures=tmp_path / "sittings")
    stage = opened("slim", TINY, first, tmp_path / "run")
    assert isinstance(stage, SlimStage) and stage.examples is stage.data and len(stage.data) == 3
    with pytest.raises(InputError, match="nobody"):
        opened("slim", TINY, replace(first, ready=True), tmp_path / "run")
    with pytest.raises(InputError, match="no trained weights"):
        opened("slim", TINY, replace(first, painter=tmp_path / "nowhere"), tmp_path / "run")


@pytest.fixture
def painter(plan, tmp_path) -> Inpainter:
    torch.manual_seed(0)
    networks = presets.build_autoencoder(TINY), presets.build_denoiser(TINY)
    painter = Inpainter.named("tiny", Appearance.load(plan.after).name, *networks)
    painter.save(tmp_path / "painter", {part: getattr(TINY, part) for part in ("autoencoder", "denoiser")})
    return painter


def test_a_denoiser_learns_from_what_is_filled_today(plan, painter, tmp_path) -> None:
    first = replace(plan, textures=tmp_path / "fillings", painter=tmp_path / "painter")
    stage = opened("inpainting", TINY, first, tmp_path / "run")
    assert isinstance(stage, InpaintingStage) and len(stage.data) == 3 * TURNS
    assert pretrained.digest(stage.autoencoder) != pretrained.digest(painter.autoencoder)      # it has a scale now
    start, own = Inpainter.load(tmp_path / "painter").denoiser.state_dict(), stage.networks["denoiser"].state_dict()
    assert all(torch.equal(own[name], values) for name, values in start.items())
    with pytest.raises(InputError, match="not of the preset"):
        opened("inpainting", replace(TINY, denoiser=replace(TINY.denoiser, width=8)), first, tmp_path / "run")
    with pytest.raises(InputError, match="others have filled"):
        opened("inpainting", TINY, replace(first, seed=1), tmp_path / "run")


def test_the_detailer_starts_from_what_paints(plan, painter, tmp_path) -> None:
    first = replace(plan, textures=tmp_path / "fillings", painter=tmp_path / "painter")
    stage = opened("detailer", TINY, first, tmp_path / "run")
    assert isinstance(stage, DetailerStage) and stage.examples is stage.data and len(stage.data) == 3 * TURNS
    with pytest.raises(InputError, match="nobody"):
        opened("detailer", TINY, replace(first, ready=True), tmp_path / "run")
    with pytest.raises(InputError, match="--after and --painter"):
        opened("detailer", TINY, replace(first, painter=None), tmp_path / "run")
    other = replace(painter, appearance="other")
    other.save(tmp_path / "other", {part: getattr(TINY, part) for part in ("autoencoder", "denoiser")})
    with pytest.raises(InputError, match="go with the appearance weights other"):
        opened("detailer", TINY, replace(first, painter=tmp_path / "other"), tmp_path / "run")


def test_latents_are_made_once(plan, tmp_path) -> None:
    second = replace(plan, after=tmp_path / "second")
    stage = opened("inpainting", TINY, second, tmp_path / "run")
    assert isinstance(stage, InpaintingStage) and len(stage.data) == 3 * 4 * 4
    path = tmp_path / "run" / "latents.safetensors"
    made = path.stat().st_mtime_ns
    again = opened("inpainting", TINY, second, tmp_path / "run")
    assert path.stat().st_mtime_ns == made
    assert torch.equal(again.autoencoder.latent_mean, stage.autoencoder.latent_mean)
    assert not torch.equal(again.autoencoder.latent_deviation, torch.ones(6, 1, 1))


@pytest.mark.parametrize("name", [*LATER, "slim"])
def test_a_stage_without_the_one_before(plan, tmp_path, name) -> None:
    with pytest.raises(InputError, match="--after"):
        opened(name, TINY, replace(plan, after=None), tmp_path / "run")
    with pytest.raises(InputError, match="no trained weights"):
        opened(name, TINY, replace(plan, after=tmp_path / "nowhere"), tmp_path / "run")


def test_the_papers_numbers() -> None:
    found = {name: numbers(name, PAPER)[:2] for name in ("appearance", *LATER)}
    assert found == {
        "appearance": (100_000, 4), "autoencoder": (300_000, 4), "finetune": (20_000, 4), "inpainting": (50_000, 128),
    }  # section 4.1
