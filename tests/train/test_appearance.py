from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from dinar import presets
from dinar.errors import InputError
from dinar.networks.appearance import Appearance
from dinar.store import Store
from dinar.train.appearance import AppearanceStage
from dinar.train.loop import CHECKPOINT, LOG, WEIGHTS, Options, train


@pytest.fixture(scope="module")
def store():
    store = Store()
    try:
        store.path("alexnet.safetensors")
    except InputError as error:
        pytest.skip(str(error))
    return store


def stage(people, store) -> AppearanceStage:
    return AppearanceStage(presets.TINY, [people], seed=1, store=store)


def options(steps: int) -> Options:
    return Options(steps=steps, batch=2, save_every=2, look_every=4, workers=0, half_life=16)


def test_killed_and_resumed_it_ends_with_the_same_bits(people, store, tmp_path):
    """Also across the step at which the discriminator joins."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(stage(people, store), whole, options(4))
    train(stage(people, store), parts, options(2))
    train(stage(people, store), parts, options(4), resume=True)
    one, other = (load_file(folder / CHECKPOINT) for folder in (whole, parts))
    assert one.keys() == other.keys()
    assert not [name for name in one if not torch.equal(one[name], other[name])]
    lines = [json.loads(line) for line in (parts / LOG).read_text().splitlines()]
    assert "discriminator/total" not in lines[0] and "discriminator/total" in lines[1]
    assert {"l2", "lpips", "dice", "adversarial", "face_l2", "face_lpips", "examined/psnr"} <= lines[1].keys()


def test_it_overfits_one_person(people, store, tmp_path):
    """Everything that can learn does: the losses fall from what copied colours on the dressed body begin with."""
    how = replace(presets.TINY.appearance, adversarial_from=1000, zoom=(1.0, 1.0), learning_rate=5e-3)
    training = AppearanceStage(replace(presets.TINY, appearance=how), [people], augmentation=None, store=store)
    train(training, tmp_path, replace(options(60), save_every=20, look_every=60))
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert lines[-1]["total"] < 0.9 * lines[0]["total"]
    fresh = AppearanceStage(replace(presets.TINY, appearance=how), [people], store=store).networks["drawer"]
    for part in ("encoder", "generator", "renderer"):
        learnt = getattr(training.networks["drawer"], part).parameters()
        pairs = zip(getattr(fresh, part).parameters(), learnt, strict=True)
        assert all(not torch.equal(old, new) for old, new in pairs), part


def test_what_ships_is_the_average(people, store, tmp_path):
    train(stage(people, store), tmp_path, options(2))
    shipped = Appearance.load(tmp_path / WEIGHTS)
    assert shipped.name.startswith("tiny-")
    checkpoint = load_file(tmp_path / CHECKPOINT)
    for name, tensor in shipped.renderer.state_dict().items():
        wanted = checkpoint[f"average/drawer/renderer.{name}"]
        assert torch.allclose(tensor.float(), wanted.half().float())
    generated = shipped.generated(torch.rand(2, 3, 90, 70), torch.ones(2, 1, 90, 70))
    assert generated.shape == (2, 16, 32, 32) and generated.isfinite().all()
