from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from dinar import presets
from dinar.data.dataset import Augmentation, MultiView
from dinar.raster.rasterize import rasterize
from dinar.train.lessons import Lesson, Lessons


@pytest.fixture(scope="module")
def lessons(people):
    return Lessons([people], presets.TINY, 5, Augmentation())


def same(one: Lesson, other: Lesson) -> bool:
    pairs = ((getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    return all(torch.equal(a.nan_to_num(-1), b.nan_to_num(-1)) for a, b in pairs)


def test_a_lesson_is_a_function_of_its_position(lessons, people):
    assert len(lessons) == 3
    lesson = lessons[1]
    assert same(lesson, Lessons([people], presets.TINY, 5, Augmentation())[1])
    assert not same(lesson, lessons[4])                 # the same person another time
    shapes = {f.name: tuple(getattr(lesson, f.name).shape) for f in fields(lesson)}
    assert shapes == {
        "image": (1, 3, 64, 64),
        "mask": (1, 1, 64, 64),
        "colours": (1, 2, 5, 64, 64),
        "uv": (1, 2, 2, 64, 64),
        "body": (1, 2, 1, 64, 64),
        "truth": (1, 2, 3, 64, 64),
        "person": (1, 2, 1, 64, 64),
        "face": (1, 2, 4),
    }


def test_the_body_lies_on_the_target(people):
    """Whoever is drawn from where he was photographed is the photo, but for the outline."""
    plain = replace(presets.TINY, appearance=replace(presets.TINY.appearance, zoom=(1.0, 1.0)))
    lessons, errors = Lessons([people], plain, 5, None), []
    for position in range(3):
        pair = lessons.pairs[position]
        lesson = lessons.lesson(replace(pair, target=pair.source), np.random.default_rng(position))
        assert (lesson.body * lesson.person).sum() > 0.97 * lesson.body.sum()
        sampled = (lesson.colours[:, :, 3:4] > 0.5) & (lesson.body == 1)
        errors.append((lesson.colours[:, :, :3] - lesson.truth).abs()[sampled.expand_as(lesson.truth)])
    assert len(torch.cat(errors)) > 1000 and torch.cat(errors).median() < 0.03


def test_bodies_wear_the_outline_of_the_source(people):
    lessons = Lessons([people], presets.TINY, 5, None)
    tailor, overlaps = lessons.tailor, []
    for position in range(3):
        source = lessons.pairs[position].source
        for model in (tailor.model, tailor.clothed(source)):
            fragments = rasterize(
                source.camera.project(model(source.body).vertices), model.faces, source.camera.size
            )
            both = torch.cat([fragments.mask[0], (source.mask > 0.5).float()])
            overlaps.append(float(both.amin(0).sum() / both.amax(0).sum()))
    bare, dressed = overlaps[::2], overlaps[1::2]
    assert all(b > a for a, b in zip(bare, dressed, strict=True))


def test_the_target_stands_before_a_plain_colour(lessons):
    lesson = lessons[0]
    truth = lesson.target(torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    outside = (truth.mask == 0)[:, 0]
    assert outside[0].any() and outside[1].any()
    assert (truth.image[0, :, outside[0]] == torch.tensor([1.0, 0.0, 0.0])[:, None]).all()
    assert (truth.image[1, :, outside[1]] == torch.tensor([0.0, 0.0, 1.0])[:, None]).all()


def test_faces_are_boxed_where_they_are_seen(people):
    lessons, views = Lessons([people], presets.TINY, 5, None), MultiView(people)
    with torch.no_grad():
        seen = []
        for view in range(4):
            taken = views.view(0, view)
            vertices = lessons.tailor.model(taken.body).vertices
            seen.append(lessons.tailor.face(vertices, taken.camera))
    assert [bool(box.isfinite().all()) for box in seen] == [True, False, True, False]     # front, back, front, back
    left, top, right, bottom = seen[0].tolist()
    assert 5 < right - left < 35 and 7 < bottom - top < 42 and top < 50                  # of 160 pixels


def test_windows_lie_in_the_image(lessons):
    for position in range(3):
        pair = lessons.pairs[position]
        assert lessons.lesson(pair, np.random.default_rng(position)).person.amax((2, 3, 4)).min() >= 0
