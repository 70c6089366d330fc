from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch

from dinar import presets
from dinar.avatar import open_body
from dinar.body.uv import load_layout
from dinar.errors import InputError
from dinar.inpainting import inpainter as module
from dinar.inpainting.diffusion import Sampler
from dinar.inpainting.inpainter import (
    CHANGED,
    CONFIDENCE,
    FEATHER,
    Condition,
    Inpainter,
    added,
    blended,
    cleared,
    condition,
    inpaint,
    latent_mask,
    proposed,
    soft_edge,
    tempered,
)
from dinar.inpainting.packing import pack
from dinar.presets import TINY
from dinar.texture.islands import Islands
from dinar.texture.merging import seen_part
from dinar.texture.neural_texture import NeuralTexture

S, R = TINY.generator.size, TINY.colour_size
QUICK = Sampler("ddim", 3)


@pytest.fixture(scope="module")
def islands() -> Islands:
    return Islands.of(load_layout("front", open_body()), S)


@pytest.fixture(scope="module")
def networks() -> Inpainter:
    torch.manual_seed(0)
    autoencoder, denoiser = presets.build_autoencoder(TINY).eval(), presets.build_denoiser(TINY).eval()
    with torch.no_grad():
        autoencoder.codebook.normal_()
    return Inpainter.named("tiny", "tiny-00000000", autoencoder, denoiser)


def partial(size: int = R, *, frontality: float = 0.9) -> NeuralTexture:
    """Somebody whose upper half was seen, in noise."""
    rng = torch.Generator().manual_seed(1)
    seen = torch.zeros(1, 1, size, size)
    seen[..., : size // 2, :] = 1
    rgb = torch.rand(1, 3, size, size, generator=rng) * seen
    return NeuralTexture(torch.randn(1, 16, S, S, generator=rng), rgb, seen, seen, seen * frontality)


def grey(texture: NeuralTexture) -> torch.Tensor:
    return torch.where(texture.filled > 0, texture.rgb, 0.5)


def test_a_seed_says_it_all_and_another_paints_another_back(networks: Inpainter, islands: Islands) -> None:
    texture = partial()

    def paint(seed: int) -> torch.Tensor:
        torch.rand(seed + 1)
        return inpaint(networks, texture, grey(texture), islands, seed=seed, sampler=QUICK).painted

    first = paint(1)
    assert torch.equal(first, paint(1))
    other = paint(2)
    assert not torch.equal(first[..., R // 2 :, :], other[..., R // 2 :, :])
    deep = soft_edge(texture, islands) == 1
    assert deep.any() and torch.equal((first * deep), texture.rgb * deep) and torch.equal(other * deep, first * deep)


def test_the_condition_is_eq_1s(networks: Inpainter, islands: Islands) -> None:
    """The encoder's latent of the packed texture, nothing but islands in it, and the mask resized."""
    texture = partial()
    with torch.no_grad():
        found = condition(networks.autoencoder, texture, grey(texture), islands)
        halves = texture.filled[..., ::2, ::2]
        packed = islands.extended(pack(texture.generated, grey(texture), halves, halves, fold=2))
        assert torch.equal(found.latent, networks.autoencoder.encode(packed))
    assert found.latent.shape == (1, 9, S // 4, S // 4) and found.mask.shape == (1, 1, S // 4, S // 4)
    assert torch.equal(found.mask, latent_mask(halves, islands, 4))
    assert found.mask[0, 0, 0].min() > 0.9 and found.mask[0, 0, -1].max() < 0.1

    off = replace(texture, generated=torch.where(islands.covered > 0, texture.generated, 1e3))
    with torch.no_grad():
        assert torch.equal(condition(networks.autoencoder, off, grey(texture), islands).latent, found.latent)


def test_colours_of_any_fineness(networks: Inpainter, islands: Islands) -> None:
    for size in (S, 3 * S, 4 * S):
        texture = partial(size)
        found = inpaint(networks, texture, grey(texture), islands, sampler=QUICK)
        assert found.painted.shape == (1, 3, size, size) and found.texture.generated.shape == (1, 16, S, S)
        assert found.painted.min() >= 0 and found.painted.max() <= 1


def test_eq_6_with_a_soft_edge(islands: Islands) -> None:
    texture = partial()
    flat = torch.zeros_like(texture.filled)
    proposal = NeuralTexture(torch.zeros(1, 16, S, S), torch.full((1, 3, R, R), 0.25), flat, flat + 1, flat)
    plain = torch.where(texture.filled > 0, texture.rgb, 0.6)
    found = blended(texture, plain, proposal, islands)
    edge = soft_edge(texture, islands)
    assert torch.allclose(found.painted, torch.where(texture.filled > 0, texture.rgb, edge * 0.6 + (1 - edge) * 0.25))
    assert torch.equal(found.texture.rgb, torch.where(texture.filled > 0, texture.rgb, 0.25))
    assert torch.equal(found.texture.sampled, texture.sampled) and found.texture.filled.min() == 1
    assert torch.equal(found.texture.frontality, texture.frontality)
    top, bottom = found.texture.generated[:, :, : S // 4], found.texture.generated[:, :, -S // 4 :]
    assert torch.allclose(top, texture.generated[:, :, : S // 4]) and not bottom.any()
    back = seen_part(found.texture)
    for name in ("rgb", "sampled", "filled", "frontality"):
        assert torch.equal(getattr(back, name), getattr(texture, name))


def test_the_seam_is_what_differs_at_the_edge(islands: Islands) -> None:
    texture = replace(partial(), rgb=0.75 * partial().filled.expand(-1, 3, -1, -1))
    flat = torch.zeros_like(texture.filled)
    same = NeuralTexture(texture.generated, torch.full((1, 3, R, R), 0.75), flat, flat + 1, flat)
    plain = same.rgb
    assert blended(texture, plain, same, islands).seam == 0
    assert blended(texture, plain, replace(same, rgb=same.rgb - 0.5), islands).seam == pytest.approx(0.5)
    whole = replace(texture, filled=flat + 1, frontality=flat + 1)
    assert math.isnan(blended(whole, plain, same, islands).seam)     # there is none


def test_the_edge_is_soft_outside_and_an_islands_border_is_none(islands: Islands) -> None:
    size = 512
    edge = soft_edge(partial(size), islands)[0, 0]
    reach = FEATHER * size
    column = edge[size // 2 :, size // 2]
    assert column[0] > 0.9 - 1 / reach and (column.diff() <= 1e-6).all()
    assert 0.3 < column[int(reach / 2)] < 0.7 and column[int(reach + 1) :].max() == 0
    outside = torch.nn.functional.interpolate(1 - islands.covered, (size, size))[0, 0] > 0
    assert not edge[size // 2 :][outside[size // 2 :]].any()


@pytest.mark.parametrize("frontality", [0.05, 0.25, 1.0, 0.0])     # 0: painted before
def test_what_is_known_counts_whole_at_any_angle(islands: Islands, frontality: float) -> None:
    texture = partial(frontality=frontality)
    assert soft_edge(texture, islands)[texture.filled > 0].min() == 1


def test_a_region_is_painted_anew_and_nothing_else(networks: Inpainter, islands: Islands) -> None:
    texture = partial()
    first = inpaint(networks, texture, grey(texture), islands, seed=0, sampler=QUICK)
    whole = replace(first.texture, sampled=first.texture.sampled * 0 + 1, filled=first.texture.filled * 0 + 1)
    region = torch.zeros(1, 1, R, R)
    region[..., R // 4 :, : R // 2] = 1
    open_again = cleared(whole, region)
    assert torch.equal(open_again.filled, 1 - region * (texture.frontality == 0))
    assert torch.equal(seen_part(open_again).rgb, texture.rgb)
    second = inpaint(networks, open_again, grey(open_again), islands, seed=5, sampler=QUICK)
    changed = (second.texture.rgb != whole.rgb).any(1, keepdim=True)
    assert changed.any() and not (changed * open_again.filled).any()


def test_what_is_added_goes_to_colours_of_any_size(islands: Islands) -> None:
    texture = partial(4 * S)
    generated, rgb = torch.randn(1, 16, S, S), torch.full((1, 3, R, R), 0.25)
    found = added(texture, grey(texture), generated, rgb)
    assert torch.equal(found.generated, texture.generated + generated)
    assert torch.allclose(found.rgb, (grey(texture) + 0.25).clamp(max=1), atol=1e-6)
    assert found.filled.eq(1).all() and found.sampled.eq(1).all() and not found.frontality.any()


def test_a_sample_that_is_the_condition_changes_nothing(networks: Inpainter, islands: Islands, monkeypatch) -> None:
    """Whatever the autoencoder loses: the plain filling stays as fine as it is."""
    texture, how = partial(), {"seed": 0, "sampler": QUICK}
    with torch.no_grad():
        known = condition(networks.autoencoder, texture, grey(texture), islands)
    monkeypatch.setattr(Sampler, "draw", lambda *_: known.latent)
    assert not any(change.any() for change in proposed(networks, texture, grey(texture), islands, **how))
    monkeypatch.setattr(Sampler, "draw", lambda *_: known.latent + 1)
    assert all(change.any() for change in proposed(networks, texture, grey(texture), islands, **how))


def test_codes_are_painted_where_tones_change(networks: Inpainter) -> None:
    coder = networks.autoencoder
    condition, sample = torch.zeros(1, 9, 8, 8), torch.ones(1, 9, 8, 8)
    known = Condition(condition, torch.zeros(1, 1, 8, 8))
    sample[:, 6:] = 0
    assert torch.equal(tempered(sample, known, coder), condition)
    sample[:, 6, :, :4] = 3 * CHANGED / coder.latent_deviation[6]
    found = tempered(sample, known, coder)
    assert torch.allclose(found[:, 6:], CONFIDENCE * sample[:, 6:])
    assert torch.allclose(found[:, :6, :, :3], torch.tensor(CONFIDENCE)) and found[:, :6, :, 5:].eq(0).all()
    assert 0 < found[0, 0, 4, 4] < CONFIDENCE                           # and between them some


def test_what_a_photo_shows_is_believed_before_what_is_painted(networks: Inpainter) -> None:
    mask = torch.linspace(0, 1, 8).expand(1, 1, 8, 8)
    condition, sample = torch.randn(2, 1, 9, 8, 8, generator=torch.Generator().manual_seed(0))
    tones = tempered(sample, Condition(condition, mask), networks.autoencoder)[:, 6:]
    assert torch.equal(tones[..., 7], condition[:, 6:, :, 7])
    share = ((tones - condition[:, 6:]) / (sample - condition)[:, 6:]).flatten(0, 2)
    torch.testing.assert_close(share, CONFIDENCE * (1 - mask[0, 0, :1]).expand_as(share), atol=1e-3, rtol=0)


def test_a_match_changes_the_painting_alone(networks: Inpainter, islands: Islands) -> None:
    texture = partial()
    black = inpaint(
        networks, texture, grey(texture), islands, sampler=QUICK, match=lambda t: replace(t, rgb=t.rgb * 0)
    )
    assert black.texture.rgb[..., R // 2 :, :].max() == 0
    assert torch.equal(black.texture.rgb * texture.filled, texture.rgb)


def test_textures_that_do_not_go_with_the_networks(networks: Inpainter, islands: Islands) -> None:
    texture = partial()
    with pytest.raises(ValueError, match="islands"):
        condition(networks.autoencoder, texture, grey(texture), Islands.of(load_layout("front", open_body()), 2 * S))
    wrong = replace(texture, generated=texture.generated[:, :8])
    with pytest.raises(ValueError, match="generated channels"):
        condition(networks.autoencoder, wrong, grey(texture), islands)


def test_weights_on_disk(networks: Inpainter, islands: Islands, tmp_path) -> None:
    configs = {"autoencoder": TINY.autoencoder, "denoiser": TINY.denoiser}
    networks.save(tmp_path / "w", configs)
    loaded = Inpainter.load(tmp_path / "w")
    assert (loaded.name, loaded.appearance) == (networks.name, "tiny-00000000")
    again = Inpainter.named("tiny", "tiny-00000000", loaded.autoencoder, loaded.denoiser)
    assert again.name == networks.name
    for text in ("{}", "[]", '{"name": 3, "appearance": "x"}', "no json"):
        (tmp_path / "w" / module.MARKER).write_text(text)
        with pytest.raises(InputError, match="damaged"):
            Inpainter.load(tmp_path / "w")
    (tmp_path / "w" / module.MARKER).write_text(json.dumps({"name": "a", "appearance": "b"}))
    (tmp_path / "w" / "denoiser" / "model.safetensors").unlink()
    with pytest.raises(InputError, match="missing"):
        Inpainter.load(tmp_path / "w")
    with pytest.raises(InputError, match="no trained weights"):
        Inpainter.load(tmp_path / "nowhere")
