from __future__ import annotations

import pickle
from dataclasses import fields, replace

import pytest
import torch

from dinar import presets
from dinar.data.dataset import Augmentation
from dinar.errors import InputError
from dinar.inpainting.packing import unpack
from dinar.networks.appearance import Appearance
from dinar.presets import TINY
from dinar.texture.islands import Islands
from dinar.texture.merging import shares
from dinar.train.textures import TextureLesson, TextureLessons, TextureSets


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


def test_a_lesson_is_a_function_of_its_position(textures) -> None:
    lessons = TextureLessons(textures, 3, partial=0.5)
    assert len(lessons) == 3
    one, same = lessons[4], TextureLessons(textures, 3, partial=0.5)[4]
    assert all(torch.equal(getattr(one, f.name).nan_to_num(-1), getattr(same, f.name).nan_to_num(-1))
               for f in fields(one))  # fmt: skip
    sent = pickle.loads(pickle.dumps(lessons))[4]               # to a process that prepares lessons
    assert torch.equal(sent.truth, one.truth) and torch.equal(sent.painted, one.painted)
    assert all(len(lessons[k].drawn) == 1 for k in range(4))
    some = [TextureLessons(textures, 3, partial=0.5, every=3)[k] for k in range(4)]
    assert [len(lesson.drawn) for lesson in some] == [1, 0, 0, 1]
    assert TextureLesson.stacked(some).drawn.tolist() == [0, 3] and len(TextureLesson.stacked(some).truth) == 2
    assert torch.equal(some[3].truth, lessons[3].truth) and torch.equal(some[1].painted, lessons[1].painted)
    kinds = {len(lessons[k].photos) for k in range(12)}
    assert kinds == {1, 4}
    assert {len(TextureLessons(textures, 3, partial=0.0)[k].photos) for k in range(4)} == {4}
    stacked = TextureLesson.stacked([lessons[k] for k in range(4)])
    assert len(stacked.photos) == len(stacked.shares) == len(stacked.owners)
    assert stacked.owners.bincount().tolist() == [len(lessons[k].photos) for k in range(4)]
    assert stacked.truth.shape == (4, 3, 64, 64) and stacked.fine.shape == (4, 3, 128, 128)


def test_the_body_in_its_texture_is_the_view(textures) -> None:
    """What is drawn with the texture's own colours is the truth, where it is sampled."""
    errors = []
    for position in range(4):
        lesson = TextureLessons(textures, 0, partial=0.5, colours=False)[position]
        seen = lesson.surface(lesson.painted.float() / 255, lesson.masks.float())
        truth = lesson.target(torch.zeros(1, 3)).image
        inside = (seen.colours[:, 3:4] > 0.9) & (seen.mask == 1)
        errors.append((seen.colours[:, :3] - truth).abs()[inside.expand_as(truth)])
    assert len(torch.cat(errors)) > 100 and torch.cat(errors).median() < 0.03


def test_colours_shift_together(textures) -> None:
    plain = TextureLessons(textures, 1, partial=0.5, colours=False)[0]
    gain = torch.tensor([[0.5, 0.8, 1.0]])
    lesson = replace(plain, gain=gain)
    torch.manual_seed(0)
    encoder, generator = presets.build_encoder(TINY), presets.build_generator(TINY)
    colours = [unpack(one.packed(encoder, generator, 2), fold=2)[1] for one in (plain, lesson)]
    assert torch.allclose(colours[1], colours[0] * gain[:, :, None, None], atol=1e-6)
    images = [one.target(torch.zeros(1, 3)).image for one in (plain, lesson)]
    assert torch.allclose(images[1], images[0] * gain[:, :, None, None], atol=1e-6)


def test_generated_channels_are_merged_by_their_shares(textures) -> None:
    lesson = TextureLesson.stacked([TextureLessons(textures, 3, partial=0.5, colours=False)[k] for k in range(3)])
    torch.manual_seed(0)
    encoder, generator = presets.build_encoder(TINY), presets.build_generator(TINY)
    found = unpack(lesson.packed(encoder, generator, 2), fold=2)[0]
    with torch.no_grad():
        photos = lesson.photos.float() / 255
        each = generator(encoder(photos[:, :3], photos[:, 3:])) * lesson.shares
    for k in range(3):
        assert torch.allclose(found[k], each[lesson.owners == k].sum(0), atol=1e-4)


def test_views_that_are_too_small(people, tmp_path) -> None:
    large = replace(TINY, appearance=replace(TINY.appearance, window=256))
    small = TextureSets([people], tmp_path, large, least=4)
    with pytest.raises(InputError, match="--size 256"):
        TextureLessons(small, 0, partial=0.0)[0]


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
