"""From a photo to a video, and what cannot be done is said before any work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

import dinar
from dinar import images
from dinar.avatar import Avatar
from dinar.errors import InputError
from dinar.motion.motion import Motion
from dinar.photo.landmarks import Landmarks
from dinar.photo.photo import Photo
from dinar.pipeline import Source
from dinar.scene import alive as module


@pytest.fixture(scope="module")
def person(avatar: Avatar) -> Avatar:
    """The avatar of a photo that is large enough to be read."""
    (shot,) = avatar.shots
    return replace(avatar, shots=(replace(shot, camera=shot.camera.resized((194, 122))),))


@pytest.fixture
def photo(person: Avatar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """The made-up photo of the avatar on disk, with its mask; looking at it takes no network."""
    drawn = person.view("photo")
    images.save(tmp_path / "me.png", drawn.over(0.6)[0])
    images.save(tmp_path / "mask.png", drawn.mask[0])
    height, width = drawn.mask.shape[-2:]
    side = max(height, width)
    mask = torch.zeros(1, side, side)
    mask[:, :height, :width] = drawn.mask[0]
    none = Landmarks((), torch.zeros(0, 2), torch.zeros(0), torch.zeros(0, 3))
    view = Photo(torch.zeros(3, side, side), mask, none, None, (height, width), (0.0, 0.0, 1.0))
    monkeypatch.setattr(module.pipeline, "look_at", lambda source, store: view)
    return Source(tmp_path / "me.png", mask=tmp_path / "mask.png", keypoints=tmp_path / "me.json")


def wave() -> Motion:
    return Motion.load("wave").resampled(4).clipped(0, 1)


def test_the_video_begins_with_the_photo(person: Avatar, photo: Source, tmp_path: Path) -> None:
    made = dinar.alive(photo, wave(), tmp_path / "frames", avatar=person)
    files = sorted((tmp_path / "frames").glob("*.png"))
    assert len(files) == made.frames and made.fps == 4
    first = np.asarray(Image.open(files[0]))
    assert np.abs(first - images.to_bytes(made.scene.photo).astype(int)).max() == 0
    assert first.shape[0] % 2 == 0 and first.shape[1] % 2 == 0
    dinar.alive(photo, wave(), tmp_path / "me.mp4", avatar=person)
    with av.open(str(tmp_path / "me.mp4")) as film:
        assert sum(1 for _ in film.decode(video=0)) == made.frames


def test_a_walk_stays_in_the_picture_unless_it_is_told_to_go(person: Avatar, photo: Source, tmp_path, monkeypatch):
    motions = []
    course = module.place.course
    monkeypatch.setattr(module.place, "course", lambda motion, *rest: motions.append(motion) or course(motion, *rest))
    walk = Motion.load("walk").resampled(3)
    for in_place in (None, False):
        dinar.alive(photo, walk, tmp_path / "frames", avatar=person, in_place=in_place)
    ways = [float((motion.hips[-1] - motion.hips[0])[[0, 2]].norm()) for motion in motions]
    assert ways[0] < 0.05 and ways[1] > 1


def test_an_avatar_of_another_photo_is_refused_and_nothing_is_left(person: Avatar, photo: Source, tmp_path) -> None:
    stranger = replace(person, shots=())
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"not made of .*me\.png"):
        dinar.alive(photo, wave(), tmp_path / "me.mp4", avatar=stranger)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["me.gif", "me.txt", "me.jpg"])
def test_a_place_that_cannot_be_written_is_named_before_the_work(name: str, photo, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(module.pipeline, "create", lambda *_, **__: pytest.fail("too late"))
    with pytest.raises(InputError, match=name):
        dinar.alive(photo, wave(), tmp_path / name)
    with pytest.raises(InputError, match="nonsense"):
        dinar.alive(photo, "nonsense", tmp_path / "me.mp4")
