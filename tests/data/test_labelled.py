from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from train.sets import write_set

from dinar.data.labelled import LabelledPeople, Wear
from dinar.errors import InputError
from dinar.parts import BodyPart

CANVAS = (96, 64)


@pytest.fixture(scope="session")
def people(tmp_path_factory) -> Path:
    return write_set(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="session")
def people_with_parts(tmp_path_factory) -> Path:
    return write_set(tmp_path_factory.mktemp("labelled"), parts=True)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    """Two figures of a red shirt and blue trousers on green; the second lies, and is wider than the canvas."""
    folder = tmp_path_factory.mktemp("pictures")
    for name in ("standing", "lying"):
        labels = np.zeros((200, 120), np.uint8)
        labels[20:90, 40:80], labels[90:180, 40:80] = BodyPart.UPPER, BodyPart.LOWER
        if name == "lying":
            labels = np.ascontiguousarray(labels.T)
        pixels = np.full((*labels.shape, 3), (0, 200, 0), np.uint8)
        pixels[labels == BodyPart.UPPER], pixels[labels == BodyPart.LOWER] = (0, 0, 200), (200, 0, 0)   # BGR
        cv2.imwrite(str(folder / f"{name}.jpg"), pixels, [cv2.IMWRITE_JPEG_QUALITY, 98])
        cv2.imwrite(str(folder / f"{name}.parts.png"), labels)
    return folder


def test_people_fill_the_canvas_and_labels_lie_on_colours(pictures) -> None:
    people = LabelledPeople([pictures], CANVAS, wear=None)
    assert len(people) == 2
    heights = []
    for sample in (people[0], people[1]):
        assert sample.image.shape == (3, *CANVAS) and sample.labels.shape == CANVAS
        there = sample.labels > 0
        heights.append(int(there.any(1).sum()))
        for part, channel in ((BodyPart.UPPER, 0), (BodyPart.LOWER, 2)):
            inside = torch.from_numpy(cv2.erode((sample.labels == part).numpy().astype(np.uint8), np.ones((5, 5)))) > 0
            colours = sample.image[:, inside]
            assert colours[channel].mean() > 0.7 and colours[1].mean() < 0.15
    assert max(heights) == pytest.approx(CANVAS[0] / 1.12, abs=2), "one stands: as high as the canvas less a margin"
    assert min(heights) == pytest.approx(CANVAS[0] / 1.12 / 4, abs=2), "one lies: its larger side is as long"


def test_samples_depend_on_seed_and_position_alone(pictures) -> None:
    one, other = (LabelledPeople([pictures], CANVAS, seed=3) for _ in range(2))
    for position in (5, 0, 5):
        first, second = one[position], other[position]
        assert torch.equal(first.image, second.image) and torch.equal(first.labels, second.labels)
    assert not torch.equal(one[5].image, LabelledPeople([pictures], CANVAS, seed=4)[5].image)


def test_worn_pictures_keep_what_labels_say(pictures) -> None:
    """Red stays redder than blue on shirts, however colours, places and sizes change."""
    wear = Wear(occluders=0, noise=0.02, grey=0.3, backgrounds=0)
    people = LabelledPeople([pictures], CANVAS, seed=1, wear=wear)
    sizes = []
    for position in range(12):
        sample = people[position]
        assert sample.image.min() >= 0 and sample.image.max() <= 1
        upper, lower = (sample.image[:, sample.labels == part].mean(1) for part in (BodyPart.UPPER, BodyPart.LOWER))
        sizes.append(int((sample.labels > 0).sum()))
        assert upper[0] - upper[2] > 0.1 and lower[2] - lower[0] > 0.1
    assert max(sizes) > 1.3 * min(sizes)


def test_things_in_front_are_background(pictures) -> None:
    bare = LabelledPeople([pictures], CANVAS, seed=2, wear=Wear(scale=0, turn=0, shift=0, occluders=0))
    hidden = LabelledPeople([pictures], CANVAS, seed=2, wear=Wear(scale=0, turn=0, shift=0, occluders=1))
    counts = [[int((people[k].labels > 0).sum()) for k in range(8)] for people in (bare, hidden)]
    assert all(covered <= free for free, covered in zip(*counts, strict=True)) and sum(counts[1]) < sum(counts[0])


def test_made_up_people_with_labels_are_read_beside_pictures(pictures, people_with_parts) -> None:
    both = LabelledPeople([pictures, people_with_parts], CANVAS, wear=None)
    assert len(both) == 2 + 3
    seen = {int(part) for k in range(5) for part in both[k].labels.unique()}
    assert seen == {BodyPart.BACKGROUND, BodyPart.UPPER, BodyPart.LOWER, BodyPart.SKIN}


def test_what_is_no_data_is_refused(people_with_parts, pictures, tmp_path) -> None:
    with pytest.raises(InputError, match="holds no shards"):
        LabelledPeople([tmp_path], CANVAS)
    (tmp_path / "a.parts.png").write_bytes((pictures / "lying.parts.png").read_bytes())
    (tmp_path / "a.jpg").write_bytes((pictures / "standing.jpg").read_bytes())
    with pytest.raises(InputError, match="does not go with its picture"):
        _ = LabelledPeople([tmp_path], CANVAS)[0]


def test_people_without_labels_are_refused(people) -> None:
    with pytest.raises(InputError, match="tells no parts"):
        _ = LabelledPeople([people], CANVAS)[0]
