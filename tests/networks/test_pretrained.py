from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from dinar import presets
from dinar.errors import InputError
from dinar.networks import pretrained
from dinar.networks.detailer import Detailer
from dinar.networks.encoder import Encoder
from dinar.networks.pretrained import load, save
from dinar.networks.renderer import Renderer
from dinar.networks.texture_generator import TextureGenerator
from dinar.presets import SMALL, TINY, build_detailer

CONFIG = presets.TINY.renderer


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    renderer = presets.build_renderer(presets.TINY)
    renderer(torch.rand(2, 21, 32, 32), torch.rand(2, 2, 32, 32), torch.ones(2, 1, 32, 32))
    save(tmp_path / "renderer", renderer, CONFIG)
    return tmp_path / "renderer"


def edit(folder, change) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def test_round_trip(tmp_path, folder):
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.safetensors"]
    assert json.loads((folder / "config.json").read_text())["network"] == "Renderer"
    stored = load_file(folder / "model.safetensors")
    assert {t.dtype for t in stored.values()} == {torch.float16, torch.int64}
    state = torch.get_rng_state()
    renderer = load(folder, Renderer)
    assert torch.equal(torch.get_rng_state(), state)
    assert not renderer.training and {p.dtype for p in renderer.parameters()} == {torch.float32}
    for name, tensor in renderer.state_dict().items():
        assert torch.equal(tensor, stored[name].to(tensor.dtype))
    save(tmp_path / "again", renderer, CONFIG)
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_a_loaded_generator_draws_what_the_saved_one_drew(tmp_path):
    torch.manual_seed(0)
    generator, latent = presets.build_generator(presets.TINY), torch.randn(1, 32)
    save(tmp_path / "g", generator, presets.TINY.generator)
    exact, stored = generator(latent), load(tmp_path / "g", TextureGenerator)(latent)
    assert (exact - stored).norm() < 0.005 * exact.norm()   # weights of 11 bits


def test_saving_replaces_an_older_network_but_no_other_folder(tmp_path, folder):
    save(folder, presets.build_renderer(presets.TINY), CONFIG)
    load(folder, Renderer)
    (tmp_path / "diary").mkdir()
    (tmp_path / "diary" / "today.txt").write_text("dear")
    with pytest.raises(InputError, match="holds other files"):
        save(tmp_path / "diary", presets.build_renderer(presets.TINY), CONFIG)


def test_what_cannot_be_saved(tmp_path):
    renderer = presets.build_renderer(presets.TINY)
    with pytest.raises(ValueError, match="not what"):
        save(tmp_path / "r", renderer, replace(CONFIG, width=16))
    with torch.no_grad():
        renderer.rgb[1].bias[0] = 1e6
    with pytest.raises(ValueError, match=r"rgb\.1\.bias cannot be written in float16"):
        save(tmp_path / "r", renderer, CONFIG)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("rgb.1.bias"), r"does not fit its config\.json: rgb\.1\.bias missing"),
        (lambda t: t.update(extra=torch.zeros(1)), "extra unknown"),
        (lambda t: t.update({"rgb.1.bias": torch.zeros(3)}), r"rgb\.1\.bias \[3\] instead of \[16\] misshapen"),
        (lambda t: t["rgb.1.bias"].fill_(float("nan")), r"damaged: rgb\.1\.bias is not finite"),
        (lambda t: t.clear(), r"and \d+ more missing"),
    ],
)
def test_wrong_tensors_are_named(folder, change, message):
    edit(folder, change)
    with pytest.raises(InputError, match=message):
        load(folder, Renderer)


def test_damaged_and_missing_files(folder, tmp_path):
    weights, config = folder / "model.safetensors", folder / "config.json"
    good, text = weights.read_bytes(), config.read_text()
    for bad in (good[:-10], good[:4], b"", b"\xff" * 100):
        weights.write_bytes(bad)
        with pytest.raises(InputError, match=r"model\.safetensors is damaged"):
            load(folder, Renderer)
    weights.unlink()
    with pytest.raises(InputError, match=r"model\.safetensors is missing"):
        load(folder, Renderer)
    weights.write_bytes(good)
    for bad, message in (
        ("{", "is damaged"),
        ("[]", "describes no Renderer"),
        (text.replace('"width": 8', '"width": "wide"'), "describes no Renderer"),
        (text.replace('"width": 8', '"width": 16'), "misshapen"),
        (text.replace('"width": 8', '"height": 8'), "height, width missing or unknown"),
    ):
        config.write_text(bad)
        with pytest.raises(InputError, match=message):
            load(folder, Renderer)
    with pytest.raises(InputError, match=r"config\.json is missing"):
        load(tmp_path / "nowhere", Renderer)


def test_another_network_is_refused(folder):
    with pytest.raises(InputError, match="describes no Encoder"):
        load(folder, Encoder)


def test_large_weights_in_eight_bits(tmp_path) -> None:
    torch.manual_seed(0)
    network = build_detailer(SMALL)
    torch.nn.init.normal_(network.conv_out.weight)
    for name in ("half", "eighth"):
        pretrained.save(tmp_path / name, network, SMALL.detailer, eight_bits=name == "eighth")
    found = pretrained.load(tmp_path / "eighth", Detailer)
    for name, had in network.state_dict().items():
        step = had.flatten(1).abs().amax(1) / 127 if had.dim() > 1 else had.abs() * 2e-3
        apart = (found.state_dict()[name] - had).abs().flatten(1 if had.dim() > 1 else 0)
        assert (apart <= 0.51 * (step[:, None] if had.dim() > 1 else step) + 1e-3 * had.abs().max()).all()
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("half", "eighth")]
    assert sizes[1] < 0.52 * sizes[0]
    tensors = load_file(tmp_path / "eighth" / "model.safetensors")
    tensors.pop("conv_in.weight")                              # its scale is left over
    save_file(tensors, tmp_path / "eighth" / "model.safetensors")
    with pytest.raises(InputError, match="conv_in"):
        pretrained.load(tmp_path / "eighth", Detailer)


def test_going_on_from_other_weights() -> None:
    first, second, other = (build_detailer(replace(TINY, detailer=replace(TINY.detailer, width=w))) for w in (8, 8, 4))
    torch.nn.init.constant_(first.conv_out.bias, 0.5)
    pretrained.take_over(second, first, "tiny")
    assert pretrained.digest(second) == pretrained.digest(first)
    with pytest.raises(InputError, match="the detailer to go on from is not of the preset tiny"):
        pretrained.take_over(other, first, "tiny")
