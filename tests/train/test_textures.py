from __future__ import annotations

from dataclasses import fields

import pytest
import torch

from dinar import presets
from dinar.data.dataset import Augmentation
from dinar.errors import InputError
from dinar.networks.appearance import Appearance
from dinar.presets import TINY
from dinar.texture.islands import Islands
from dinar.texture.merging import shares
from dinar.train.texture_lessons import TextureLessons
from dinar.train.textures import TextureSets


def test_the_truth_shows_more_than_any_view(textures) -> None:
    covered = Islands.of(textures.tailor.layout, 32).covered[0, 0]
    truth = textures.merged(0)
    assert truth.painted.shape == (3, 64, 64) and truth.masks.shape == (2, 32, 32) and len(truth.photos) == 4

    def seen(masks: torch.Tensor) -> float:
        return float((masks[1] * covered).sum() / covered.sum())

    views = [textures.partial(0, k) for k in range(4)]
    assert seen(truth.masks) > 0.75 and max(seen(view.masks) for view in views) < 0.7
    together = torch.stack([view.masks for view in views]).amax(0)
    assert (together == truth.masks).float().mean() > 0.97  # masks merge as masks; each view knows its own outline only
    assert torch.allclose(truth.shares.sum(0), torch.tensor(1.0), atol=2e-3)


def test_the_truth_is_the_views_where_they_saw_it(textures) -> None:
    truth, view = textures.merged(1), textures.partial(1, 0)
    frontal = torch.nn.functional.interpolate(truth.shares[:1], (64, 64))[0] > 0.9    # of view 0
    sampled = torch.nn.functional.interpolate(view.masks[:1].float()[None], (64, 64))[0] > 0
    difference = (truth.painted.int() - view.painted.int()).abs()[(frontal & sampled).expand(3, -1, -1)]
    assert len(difference) > 100 and difference.float().median() <= 2


def test_shares_are_eq_5s(textures) -> None:
    with torch.no_grad():
        shown = [textures.people.view(2, k) for k in range(4)]
        model = textures.tailor.clothed(*shown)
        views = [textures.tailor.dress(view, model)[0] for view in shown]
    expected = shares(torch.stack([view.frontality for view in views]), 32)[:, 0]
    assert torch.allclose(textures.merged(2).shares, expected, atol=1e-3)


def test_what_is_kept_is_read_again(people, textures, monkeypatch) -> None:
    first = textures.merged(0)
    again = TextureSets([people], textures.cache, TINY, augmentation=None, least=4)
    monkeypatch.setattr(TextureSets, "_made", lambda *_: pytest.fail("made anew"))
    assert all(torch.equal(getattr(first, f.name), getattr(again.merged(0), f.name)) for f in fields(first))
    with pytest.raises(InputError, match="holds other textures"):
        TextureSets([people], textures.cache, TINY, augmentation=Augmentation(), least=4)
    path = textures.cache / "000000.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged"):
        again.merged(0)
    path.write_bytes(whole)


def test_too_few_views_are_told(people, tmp_path) -> None:
    with pytest.raises(InputError, match="4 views"):
        TextureSets([people], tmp_path, TINY).merged(0)


def test_inputs_are_worn_and_truths_are_not(people, textures, tmp_path) -> None:
    worn = TextureSets([people], tmp_path, TINY, augmentation=Augmentation(), least=4)
    assert torch.equal(worn.merged(0).painted, textures.merged(0).painted)
    assert not torch.equal(worn.partial(0, 0).painted, textures.partial(0, 0).painted)
    assert not torch.equal(worn.source(0, 0).body.pose, worn.people.view(0, 0).body.pose)
    assert torch.equal(worn.source(0, 0).body.pose, worn.source(0, 0).body.pose)


def test_few_inputs_are_mostly_frontal(people, tmp_path) -> None:
    sets = TextureSets([people], tmp_path, TINY, augmentation=None, least=4, inputs=3, most=2)
    assert len(sets) == 2
    for number in range(2):
        found = sets.views(number)
        assert len(found) == 3 and found == sets.views(number) == sorted(set(found))
        order = sorted(range(4), key=lambda view: -sets.people.frontality(number, view))
        assert set(order[:2]) <= set(found)
        assert all(sets.partial(number, view).painted.shape == (3, 64, 64) for view in found)
        assert len(sets.merged(number).photos) == 4                       # of all views


def test_kept_channels_are_those_that_would_be_made(people, tmp_path) -> None:
    torch.manual_seed(0)
    builders = (presets.build_encoder, presets.build_generator, presets.build_renderer)
    appearance = Appearance.named("tiny", *(build(TINY).eval() for build in builders))
    made, kept = (
        TextureSets([people], tmp_path, TINY, augmentation=None, least=4, appearance=which)
        for which in (None, appearance)
    )
    kept.prepare(1)
    (folder,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert [path.name for path in folder.iterdir()] == ["000001.npy"]
    for position in range(6):
        one, other = (TextureLessons(sets, 3, partial=0.5, colours=False)[position] for sets in (made, kept))
        assert other.generated.shape == (1, 16, 32, 32) and not len(other.photos) and not one.generated.shape[1]
        expected = one.packed(appearance.encoder, appearance.generator, 2)
        found = other.packed(appearance.encoder, appearance.generator, 2)
        assert (found - expected).abs().max() < 0.02                       # kept in half precision
    assert TextureLessons(kept, 3, partial=0.5)[0].gain.eq(1).all()        # they are the channels of these colours
    path = folder / "000001.npy"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="damaged"):
        kept.merged(1)
