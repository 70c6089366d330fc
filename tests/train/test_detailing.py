from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from train.packing import SAID, load_tools
from train.sets import write_set
from train.test_fillings import opened, painter

from dinar.inpainting.inpainter import Inpainter
from dinar.networks import pretrained
from dinar.networks.detailer import Detailer
from dinar.perceptual.alexnet import AlexNet
from dinar.perceptual.lpips import LPIPS
from dinar.presets import TINY
from dinar.train import detailing
from dinar.train.detailing import DetailerStage, contrast, cropped_about, distances, unseen
from dinar.train.fillings import Filled, Fillings
from dinar.train.loop import CHECKPOINT, LOG, SAMPLES, WEIGHTS, Options, train


@pytest.fixture(scope="module")
def fillings(tmp_path_factory) -> Fillings:
    places = [write_set(tmp_path_factory.mktemp("detailed"), people=2, parts=True)]
    return opened(places, tmp_path_factory.mktemp("fillings"))


def options(steps: int) -> Options:
    return Options(steps=steps, batch=2, save_every=2, look_every=4, workers=0, half_life=16)


def batch() -> Filled:
    rng = torch.Generator().manual_seed(0)
    plain, truth = (torch.rand(1, 3, 80, 80, generator=rng) for _ in range(2))
    known, shown = torch.zeros(1, 1, 80, 80), torch.zeros(1, 1, 80, 80)
    known[..., :40], shown[..., 20:60] = 1, 1
    return Filled(plain, plain, known, truth, shown)


def test_only_what_other_views_show_counts() -> None:
    some = batch()
    weight = unseen(some)
    assert not weight[..., :40].any() and weight[..., 40:60].all() and not weight[..., 60:].any()
    right = torch.where(weight > 0, some.truth, 7.0)
    assert all(float(value) == 0 for value in distances(right, some, weight).values())
    found = distances(some.truth + 0.25, some, weight)
    assert float(found["l1"]) == pytest.approx(0.25) and float(found["means"]) == pytest.approx(0.25, rel=1e-4)
    noise = torch.randn(1, 3, 80, 80, generator=torch.Generator().manual_seed(1))
    found = distances(some.truth + noise, some, weight)
    assert found["means"] < 0.15 * found["l1"]


def test_windows_lie_about_what_counts() -> None:
    images, weight = torch.arange(40.0).expand(2, 1, 40, 40), torch.zeros(2, 1, 40, 40)
    weight[0, 0, 5, 30] = 1
    found = cropped_about(images, weight, 12, torch.Generator())
    assert found.shape == (2, 1, 12, 12)
    assert found[0, 0, 0, 0] == 24 and found[1, 0, 0, 0] == 0      # where nothing counts, anywhere


def test_contrast_is_what_features_vary_by_wherever_they_do() -> None:
    rng = torch.Generator().manual_seed(0)
    some, weight = [torch.rand(1, 6, 20, 20, generator=rng)], torch.zeros(1, 1, 40, 40)
    weight[..., :20] = 1
    assert contrast(some, some, weight) == 0
    mixed = [some[0][:, :, torch.randperm(20, generator=rng)]]
    assert contrast(some, mixed, weight) < 1e-6
    even = [0.5 * some[0] + 0.5 * some[0].mean((2, 3), keepdim=True)]
    assert 0.05 < contrast(some, even, weight) < 0.15           # half of the spread: .25 / 1.25 of a half
    beside = [some[0].clone()]
    beside[0][..., 10:] = 0                                      # where nothing counts
    assert contrast(some, beside, weight) == 0


def test_killed_and_resumed_it_ends_with_the_same_bits(fillings, tmp_path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(DetailerStage(TINY, fillings, seed=1), whole, options(4))
    train(DetailerStage(TINY, fillings, seed=1), parts, options(2))
    train(DetailerStage(TINY, fillings, seed=1), parts, options(4), resume=True)
    one, other = (load_file(folder / CHECKPOINT) for folder in (whole, parts))
    assert one.keys() == other.keys()
    assert not [name for name in one if not torch.equal(one[name], other[name])]
    assert len(list((whole / SAMPLES).iterdir())) == 1


def test_it_comes_near_the_truth(fillings, tmp_path) -> None:
    how = replace(TINY, detailing=replace(TINY.detailing, learning_rate=5e-3))
    train(DetailerStage(how, fillings), tmp_path, replace(options(60), save_every=20, look_every=60))
    found = json.loads((tmp_path / LOG).read_text().splitlines()[-1])
    assert found["examined/l1"] < 0.92 * min(found["examined/painted_l1"], found["examined/plain_l1"])
    assert found["examined/means"] < 0.92 * found["examined/painted_means"]
    shipped = pretrained.load(tmp_path / WEIGHTS, Detailer)
    assert shipped.conv_out.weight.abs().max() > 0


def test_it_joins_the_painter_that_ships(fillings, tmp_path, monkeypatch) -> None:
    had, folder = painter(), tmp_path / "weights" / "inpainting"
    had.save(folder, {"autoencoder": TINY.autoencoder, "denoiser": TINY.denoiser})
    (folder / "README.md").write_text(f"# {had.name}: autoencoder and denoiser\n", encoding="utf-8")
    train(DetailerStage(TINY, fillings), tmp_path / "run", options(4))
    load_tools(monkeypatch).pack(tmp_path / "run", tmp_path / "weights", stage="detailer", **SAID)
    found, trained = Inpainter.load(folder), pretrained.load(tmp_path / "run" / WEIGHTS, Detailer)
    assert found.plain == had.name and found.name != had.name and found.appearance == had.appearance
    for name, values in trained.state_dict().items():
        assert (found.detailer.state_dict()[name] - values).abs().max() <= 0.01 * values.abs().max() + 1e-6
    assert (folder / "README.md").read_text(encoding="utf-8").startswith(f"# {found.name}:")
    assert found.name in (card := (folder / "detailer" / "README.md").read_text(encoding="utf-8"))
    assert "two people" in card and "this one" in card


class Stripes:
    """Grey people who are striped behind, 160 texels a side."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, position: int) -> Filled:
        grey, known = torch.full((1, 3, 160, 160), 0.5), torch.zeros(1, 1, 160, 160)
        known[..., :80] = 1
        stripes = grey + 0.2 * (torch.arange(160) % 8 < 4) - 0.1
        return Filled(grey, grey, known, stripes, 1 - known)

    at = __getitem__


def test_it_learns_what_lpips_sees(tmp_path, monkeypatch) -> None:
    torch.manual_seed(1)
    judge = LPIPS(AlexNet())
    monkeypatch.setattr(detailing, "load_lpips", lambda *_: judge)
    weights = {"l1": 0.0, "means": 0.0, "lpips": 1.0, "crop": 64, "learning_rate": 3e-3}
    how = replace(
        TINY, detailer=replace(TINY.detailer, size=160), detailing=replace(TINY.detailing, **weights)
    )
    train(DetailerStage(how, Stripes()), tmp_path, replace(options(60), batch=1, save_every=60, look_every=60))
    found = json.loads((tmp_path / LOG).read_text().splitlines()[-1])
    assert found["examined/lpips"] < 0.75 * found["examined/plain_lpips"]
