from __future__ import annotations

import pickle
from dataclasses import fields, replace

import pytest
import torch

from dinar import presets
from dinar.errors import InputError
from dinar.inpainting.packing import unpack
from dinar.presets import TINY
from dinar.train.texture_lessons import TextureLesson, TextureLessons
from dinar.train.textures import TextureSets


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
