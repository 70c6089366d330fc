from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional
from train.packing import SAID, load_tools
from train.sets import write_set

from dinar import presets
from dinar.body.layers import SCALE
from dinar.body.model import BodyModel
from dinar.body.uv import PARTS, load_layout, part_weights, texel_map
from dinar.data.dataset import Augmentation
from dinar.errors import InputError
from dinar.networks.appearance import Appearance
from dinar.networks.renderer import own_mask
from dinar.perceptual.alexnet import AlexNet
from dinar.perceptual.lpips import LPIPS
from dinar.presets import TINY
from dinar.texture.neural_drawing import Surface, cleared
from dinar.train import slimming
from dinar.train.loop import CHECKPOINT, LOG, SAMPLES, WEIGHTS, Options, train
from dinar.train.sittings import CLOSE_UPS, ON_CLOSE_UP, Sittings
from dinar.train.slimming import SlimStage

MAP = 0.7    # of the large renderer's map of the head, everywhere


def appearance() -> Appearance:
    torch.manual_seed(5)
    builders = (presets.build_encoder, presets.build_generator, presets.build_renderer)
    networks = [build(TINY).eval() for build in builders]
    networks[2].head.fill_(MAP)
    return Appearance.named("tiny", *networks)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    return [write_set(tmp_path_factory.mktemp("sitters"), people=2, parts=True)]


@pytest.fixture(scope="module")
def cache(places, tmp_path_factory):
    return tmp_path_factory.mktemp("sittings")


@pytest.fixture
def sittings(places, cache) -> Sittings:
    return Sittings(places, cache, TINY, appearance(), augmentation=None)


def from_small(sittings: Sittings, places: list[Path], cache: Path) -> Sittings:
    """The same people, with a renderer that is as small as the one that learns."""
    small = presets.build_slim(TINY)
    small.head.fill_(MAP)
    data = Sittings(places, cache, TINY, sittings.appearance, augmentation=None)
    data.appearance = replace(sittings.appearance, renderer=small)
    return data


@pytest.fixture(autouse=True)
def _untrained_judge(monkeypatch) -> None:
    torch.manual_seed(1)
    judge = LPIPS(AlexNet())
    monkeypatch.setattr(slimming, "load_lpips", lambda *_: judge)


def options(steps: int) -> Options:
    return Options(steps=steps, batch=2, save_every=2, look_every=4, workers=0, half_life=16)


def test_a_window_is_what_the_large_renderer_was_given_and_made_of_it(sittings) -> None:
    found = sittings[0]
    side, count = TINY.appearance.window, TINY.slimming.windows
    assert found.features.shape == (count, 21, side, side) and found.truth.shape == (count, 3, side, side)
    assert 0.05 < found.body.mean() < 0.9
    with torch.no_grad():
        drawn = sittings.appearance.renderer(found.features, found.uv, found.body)
    inner = slice(24, -24)      # windows end where the whole picture goes on, and stand on another grid: roughly alike
    apart = (torch.cat([drawn.rgb * drawn.mask, drawn.mask], dim=1) - found.taught * found.taught[:, 3:])
    assert apart[:, :3, inner, inner].abs().mean() < 0.03


def test_what_is_kept_is_what_drawing_shows(sittings) -> None:
    """A whole picture of the cache, put through the renderer, is the cached one; and bodies stand where people do."""
    tensors = load_file(sittings.prepare(0))
    assert {"generated", "faces", "0/pixels", "3/uv"} <= tensors.keys()
    assert "7/uv" in tensors and "8/uv" not in tensors     # four views, four close-ups
    for k in range(8):
        pixels, uv = tensors[f"{k}/pixels"].float()[None] / 255, tensors[f"{k}/uv"].float()[None] / 65535
        colours, body, taught, truth, person = pixels.split([5, 1, 4, 3, 1], dim=1)
        with torch.no_grad():
            features = Surface(colours, uv, body).features(tensors["generated"].float()[None])
            drawn = sittings.appearance.renderer(features, uv, body)
        mask = cleared(torch.minimum(drawn.mask, own_mask(body)))     # it reaches no farther than the surface
        assert (torch.cat([drawn.rgb, mask], dim=1) - taught).abs().mean() < 5e-3
        assert not taught[:, 3:][body == 0].any() and taught[:, 3:].amax() > 0.9
        if k < 4:
            both, either = torch.minimum(body, person).sum(), torch.maximum(body, person).sum()
            assert both / either > 0.85
        else:
            assert torch.equal(torch.cat([truth, person], dim=1), taught)
        assert truth.min() >= 0 and truth.max() <= 1


def test_close_ups_show_hands_feet_and_heads_large(places, tmp_path) -> None:
    model = BodyModel.open()
    weights = part_weights(model)[:, [PARTS.index(name) for name in CLOSE_UPS]]
    texels = texel_map(load_layout("front", model), 128).interpolate(weights, model.faces)
    large = []
    for seed in range(3):
        how = {"seed": seed, "augmentation": None, "refined": False}
        tensors = load_file(Sittings(places, tmp_path / str(seed), TINY, appearance(), **how).prepare(0))
        shares = []
        for k in range(8):
            uv = tensors[f"{k}/uv"].float() / 65535 / SCALE       # layers lie beyond 1
            seen = functional.grid_sample(texels, uv.permute(1, 2, 0)[None] * 2 - 1, align_corners=False)
            body = tensors[f"{k}/pixels"][5].float() / 255
            shares.append((seen[0] * body).mean((1, 2)))
        most = torch.stack(shares[:4]).amax(0)
        large.append([bool(close_up[k] > 0.04 and close_up[k] > 4 * most[k]) for k, close_up in enumerate(shares[4:])])
    assert np.any(large, axis=0).all() and np.all(large, axis=0)[2:].all(), large   # a hand may be behind the body


def test_windows_are_functions_of_the_position(sittings, places, cache) -> None:
    again = Sittings(places, cache, TINY, appearance(), augmentation=None)
    assert torch.equal(sittings[3].truth, again[3].truth)
    assert not torch.equal(sittings[3].truth, sittings[5].truth)


def test_the_photo_s_own_view_is_shown_most_often(sittings, monkeypatch) -> None:
    shown = {0: [], 1: []}

    def window(number, view, rng):
        shown[number].append(view)
        raise StopIteration

    monkeypatch.setattr(sittings, "window", window)
    for position in range(400):
        with contextlib.suppress(StopIteration):
            sittings[position]
    for number in (0, 1):
        photo = sittings._views(number, sittings._rng(number))[1]     # as `_made` draws it
        counts = np.bincount(shown[number], minlength=8)
        assert counts[:4].argmax() == photo and counts[photo] > 0.2 * counts.sum() and counts.min() > 0
        assert abs(counts[4:].sum() / counts.sum() - ON_CLOSE_UP) < 0.1


def test_every_view_is_examined_as_often(sittings, monkeypatch) -> None:
    shown = []
    monkeypatch.setattr(sittings, "_windows", lambda number, views, rng: shown.extend(views))
    for position in range(400):
        sittings.views(position)
    assert np.allclose(np.bincount(shown), len(shown) / 4, rtol=0.25)


def _photo(some: Sittings) -> dict[str, torch.Tensor]:
    """The first person's photo: what was given, drawn, and true, [3, H, W] in [0, 1], and where all is person."""
    photo, tensors = some._photo(0, some._rng(0)), load_file(some.prepare(0))
    colours, body, taught, truth, person = (tensors[f"{photo}/pixels"].float() / 255).split([5, 1, 4, 3, 1])
    change = (tensors["generated"].float() - tensors["plain"].float()).abs().max()
    both = (body > 0) & (person > 0)
    return {"given": colours[:3], "taught": taught[:3], "truth": truth, "both": both, "change": change}


def test_people_are_refined_on_the_photo(places, tmp_path, monkeypatch) -> None:
    apart = []
    for refined in (False, True):
        monkeypatch.setattr("dinar.train.sittings.SETTLED", 1.0)
        where = tmp_path / str(refined)
        found = _photo(Sittings(places, where, TINY, appearance(), augmentation=None, refined=refined))
        apart.append(float(((found["taught"] - found["truth"]).abs() * found["both"]).mean()))
    assert apart[1] < 0.9 * apart[0]


def test_most_people_keep_the_colours_of_the_photo(places, tmp_path, monkeypatch) -> None:
    """Those that refinement moves undo what the renderer does to them."""
    found = {}
    for share, refined in ((0.0, False), (0.0, True), (1.0, True)):
        monkeypatch.setattr("dinar.train.sittings.SETTLED", share)
        where = tmp_path / f"{share}{refined}"
        found[share, refined] = _photo(Sittings(places, where, TINY, appearance(), augmentation=None, refined=refined))
    plain, tuned, settled = found.values()
    assert torch.equal(plain["given"], tuned["given"]) and not torch.equal(plain["given"], settled["given"])
    assert plain["change"] == 0 and tuned["change"] > 1e-3


def test_the_photo_s_own_view_is_what_was_worn(places, tmp_path) -> None:
    noisy = Augmentation(colour=0, noise=0.4, blur=0, jpeg=0, mask=0, pose=0, shape=0, expression=0, place=0)
    fine = []
    for k, how in enumerate((None, noisy)):
        some = Sittings(places, tmp_path / str(k), TINY, appearance(), augmentation=how, refined=False)
        found = _photo(some)
        detail = found["truth"] - functional.avg_pool2d(found["truth"], 5, 1, 2)
        fine.append(detail[:, found["both"][0]].std())
    assert fine[1] > 2 * fine[0]


def test_who_is_not_refined_is_not_tuned_anew(places, tmp_path) -> None:
    some = Sittings(places, tmp_path, TINY, appearance(), augmentation=None, refined=False)
    with pytest.raises(InputError, match="are not refined"):
        some.retune(0, some.appearance.renderer)


def test_channels_are_tuned_anew_for_another_renderer(places, tmp_path) -> None:
    some = Sittings(places, tmp_path, TINY, appearance(), augmentation=None)
    photo, path = some._photo(0, some._rng(0)), some.prepare(0)
    before = load_file(path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        other = presets.build_renderer(TINY).eval().requires_grad_(False)
    other.head.fill_(MAP)
    some.retune(0, other)
    after = load_file(path)
    assert before.keys() == after.keys()
    same = {name for name in before if torch.allclose(before[name], after[name], rtol=0, atol=0, equal_nan=True)}
    assert before.keys() - same == {"generated"}
    pixels, uv = after[f"{photo}/pixels"].float()[None] / 255, after[f"{photo}/uv"].float()[None] / 65535
    colours, body, _, truth, person = pixels.split([5, 1, 4, 3, 1], dim=1)
    wrong = []
    for tensors in (before, after):
        with torch.no_grad():
            drawn = other(Surface(colours, uv, body).features(tensors["generated"].float()[None]), uv, body)
        wrong.append(float((drawn.rgb * drawn.mask - truth * person).square().mean()))
    assert wrong[1] < 0.98 * wrong[0]


def test_people_worn_and_painted_are_made_alike_each_time(places, tmp_path) -> None:
    files = []
    for name in ("one", "other"):
        some = Sittings(places, tmp_path / name, TINY, appearance(), augmentation=Augmentation(), most=1)
        files.append(some.prepare(0).read_bytes())
    assert files[0] == files[1]


def test_who_is_ready(places, tmp_path) -> None:
    with pytest.raises(InputError, match="nobody"):
        Sittings(places, tmp_path, TINY, appearance(), augmentation=None, ready=True)
    Sittings(places, tmp_path, TINY, appearance(), augmentation=None).prepare(1)
    found = Sittings(places, tmp_path, TINY, appearance(), augmentation=None, ready=True)
    assert found.numbers == [1] and len(found) == 1 and torch.equal(found[0].body, found[0].body)


def test_other_people_s_cache_is_refused(places, sittings, cache) -> None:
    with pytest.raises(InputError, match="drawn by others"):
        Sittings(places, cache, TINY, appearance(), augmentation=Augmentation())


def test_a_damaged_file_is_named(places, tmp_path) -> None:
    some = Sittings(places, tmp_path, TINY, appearance(), augmentation=None)
    path = some.prepare(0)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="is damaged; remove it"):
        some.window(0, 0, np.random.default_rng(0))


def test_killed_and_resumed_it_ends_with_the_same_bits(sittings, tmp_path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(SlimStage(TINY, sittings, seed=1), whole, options(4))
    train(SlimStage(TINY, sittings, seed=1), parts, options(2))
    train(SlimStage(TINY, sittings, seed=1), parts, options(4), resume=True)
    one, other = (load_file(folder / CHECKPOINT) for folder in (whole, parts))
    assert one.keys() == other.keys()
    assert not [name for name in one if not torch.equal(one[name], other[name])]
    assert len(list((whole / SAMPLES).iterdir())) == 1


def test_it_comes_near_the_large_renderer_and_only_the_renderer_changes(sittings, tmp_path) -> None:
    how = replace(TINY, slimming=replace(TINY.slimming, learning_rate=5e-3))
    train(SlimStage(how, sittings), tmp_path, replace(options(60), save_every=20, look_every=60))
    lines = [json.loads(line) for line in (tmp_path / LOG).read_text().splitlines()]
    assert lines[-1]["taught"] < 0.7 * lines[0]["taught"]
    examined = ("psnr", "dice", "large_psnr", "large_dice")
    assert {"l2", "lpips", "dice", "total", *(f"examined/{name}" for name in examined)} <= lines[-1].keys()
    shipped, had = Appearance.load(tmp_path / WEIGHTS), sittings.appearance
    assert shipped.renderer.lean and shipped.name != had.name
    for part in ("encoder", "generator"):
        networks = (getattr(found, part).state_dict() for found in (shipped, had))
        one, other = networks
        assert all(torch.equal(one[name].half(), other[name].half()) for name in one)
    assert (shipped.renderer.head - MAP).abs().max() < 1e-3


def test_it_goes_on_from_a_renderer_as_small(sittings, places, cache) -> None:
    data = from_small(sittings, places, cache)
    small = data.appearance.renderer
    started = SlimStage(TINY, data).networks["renderer"].state_dict()
    assert all(torch.equal(values, started[name]) for name, values in small.state_dict().items())
    fresh = SlimStage(TINY, sittings).networks["renderer"].state_dict()
    assert any(not torch.equal(values, fresh[name]) for name, values in small.state_dict().items())


def test_a_renderer_as_small_learns_from_true_pictures_alone(sittings, places, cache, tmp_path) -> None:
    data = from_small(sittings, places, cache)
    ends = []
    for k, taught in enumerate([0.0, 100.0]):
        how = replace(TINY, slimming=replace(TINY.slimming, taught=taught, taught_means=taught, taught_lpips=taught))
        train(SlimStage(how, data, seed=1), tmp_path / str(k), options(2))
        ends.append(load_file(tmp_path / str(k) / CHECKPOINT))
    assert all(torch.equal(values, ends[1][name]) for name, values in ends[0].items())


def test_cloth_that_is_too_grey_is_seen(sittings, places, cache, tmp_path) -> None:
    data = from_small(sittings, places, cache)
    found = []
    for k, weight in enumerate([0.0, 100.0]):
        how = replace(TINY, slimming=replace(TINY.slimming, means=weight))
        train(SlimStage(how, data, seed=1), tmp_path / str(k), options(2))
        found.append(load_file(tmp_path / str(k) / CHECKPOINT))
    assert any(not torch.equal(values, found[1][name]) for name, values in found[0].items())
    picture = torch.rand(1, 3, 32, 32)
    assert float(slimming._apart_in_means(picture, picture + 0.1)) == pytest.approx(0.1, abs=1e-5)


def test_weights_between_those_before_and_after_ship(sittings, places, cache, tmp_path, monkeypatch) -> None:
    small = presets.build_slim(TINY)
    small.head.fill_(MAP)
    had = Appearance.named("tiny", sittings.appearance.encoder, sittings.appearance.generator, small)
    parts = {"encoder": TINY.encoder, "generator": TINY.generator, "renderer": TINY.slim}
    had.save(tmp_path / "weights" / "appearance", parts)
    data = Sittings(places, cache, TINY, sittings.appearance, augmentation=None)
    data.appearance = Appearance.load(tmp_path / "weights" / "appearance")
    train(SlimStage(TINY, data), tmp_path / "run", replace(options(4), look_every=4))
    where = tmp_path / "run", tmp_path / "weights"
    load_tools(monkeypatch).pack(*where, stage="slim", share=0.25, textures="nobody", **SAID)
    found, end = Appearance.load(tmp_path / "weights" / "appearance"), Appearance.load(tmp_path / "run" / WEIGHTS)
    assert found.follows == (had.name,) and found.name not in (had.name, end.name)
    one, other = (of.renderer.state_dict() for of in (data.appearance, end))
    shipped = {n: values for n, values in found.renderer.state_dict().items() if values.is_floating_point()}
    for name, values in shipped.items():
        assert torch.allclose(values, torch.lerp(one[name], other[name], 0.25), atol=2e-3)
    assert any((values - one[name]).abs().max() > 1e-4 for name, values in shipped.items())
    card = (tmp_path / "weights" / "appearance" / "README.md").read_text(encoding="utf-8")
    assert found.name in card and "two people" in card
    assert f"25% of those that were trained, the rest {had.name}'s" in card


def test_weights_of_another_preset_are_refused(sittings) -> None:
    other = replace(TINY, encoder=replace(TINY.encoder, max_channels=8))
    with pytest.raises(InputError, match="not of the preset"):
        SlimStage(other, sittings)
    with pytest.raises(InputError, match="map of the head"):
        SlimStage(replace(TINY, slim=replace(TINY.slim, identity=8)), sittings)


def test_what_follows_is_kept_with_the_networks(tmp_path) -> None:
    parts = ("encoder", "generator", "renderer")
    configs = {part: getattr(TINY, part) for part in parts}
    for k, follows in enumerate([(), ("small-1", "small-2")]):
        replace(appearance(), follows=follows).save(tmp_path / str(k), configs)
        assert Appearance.load(tmp_path / str(k)).follows == follows
