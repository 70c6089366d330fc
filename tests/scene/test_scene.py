"""A made-up photo is taken apart and put together again."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from dinar.avatar import Avatar
from dinar.body.model import Body
from dinar.camera import Camera, look_at
from dinar.motion.motion import Motion
from dinar.scene import grain, place
from dinar.scene.scene import GAINS, Scene, scaled

SIZE = 120, 96
GRAIN = torch.full((3,), 0.02)


@pytest.fixture(scope="module")
def camera() -> Camera:
    return look_at(torch.tensor([0.5, 0.9, 4.2]), torch.tensor([0.3, 0.8, 0.0]), SIZE)


@pytest.fixture(scope="module")
def room() -> torch.Tensor:
    """Wall and floor, grained."""
    wall, floor = torch.tensor([0.5, 0.6, 0.7]), torch.tensor([0.45, 0.4, 0.35])
    rows = (torch.arange(SIZE[0]) < 70).float()[None, :, None]
    picture = wall[:, None, None] * rows + floor[:, None, None] * (1 - rows)
    return (picture + grain.noise(GRAIN, SIZE, seed=9)).expand(3, *SIZE).clone()


@pytest.fixture(scope="module")
def scene(avatar: Avatar, camera: Camera, room: torch.Tensor) -> Scene:
    shot = replace(avatar.shots[0], camera=camera)
    body = Body(avatar.shape[None], shot.pose[None], shot.expression[None], shot.translation[None])
    drawn = avatar.render(camera, body)
    light = torch.tensor([0.95, 1.0, 1.1])[:, None, None]
    photo = torch.lerp(room, (drawn.rgb[0] * light).clamp(0, 1), drawn.mask[0])
    return Scene.of(photo, drawn.mask[0], *torch.zeros(2, 1, *SIZE), avatar, shot, seed=3)


@pytest.fixture(scope="module")
def course(avatar: Avatar, scene: Scene) -> place.Course:
    return place.course(Motion.load("wave").resampled(5).clipped(0, 1.0), avatar.model, scene.start)


def test_the_person_is_gone(scene: Scene, room: torch.Tensor) -> None:
    kept = scene.removed[0] == 0
    assert torch.equal(scene.background[:, kept], scene.photo[:, kept])
    filled = (scene.background - room)[:, ~kept]
    assert float(filled.abs().mean()) < 0.06 < float((scene.photo - room)[:, ~kept].abs().mean())


def test_light_and_grain_are_told_from_the_photo(scene: Scene) -> None:
    red, _, blue = scene.gain.tolist()
    assert red == pytest.approx(0.95, abs=0.02) and GAINS[0] <= blue <= GAINS[1] and blue > 1.02
    assert torch.allclose(scene.noise, GRAIN, rtol=0.25)


def test_the_first_frame_is_the_photo_and_without_fading_it_is_close(scene, avatar, course) -> None:
    first = next(scene.play(avatar, course))
    assert torch.equal(first, scene.photo)
    with torch.no_grad():
        vertices = avatar.model(scene.start).vertices[0]
    drawn = scene.composed(avatar.render(scene.camera, scene.start), vertices, 0)
    assert float((drawn - scene.photo).abs().mean()) < 0.02


def test_the_last_frame_leads_into_the_first(scene, avatar, course) -> None:
    frames = torch.stack(list(scene.play(avatar, course)))
    steps = (frames - frames.roll(1, 0)).abs().mean(dim=(1, 2, 3))
    assert float(steps[0]) <= float(steps.max()), "the seam of the loop is no larger a step than others"
    assert float((frames[5] - frames[0]).abs().mean()) > 1e-3, "something moves"


def test_it_is_drawn_the_same_again_and_grain_changes_from_frame_to_frame(scene, avatar, course) -> None:
    twice = [torch.stack(list(scene.play(avatar, course))) for _ in range(2)]
    assert torch.equal(*twice)
    body = course.bodies[:1]
    with torch.no_grad():
        vertices = avatar.model(body).vertices[0]
    drawn = avatar.render(scene.camera, body)
    a, b = (scene.composed(drawn, vertices, number) for number in (1, 2))
    inside = drawn.mask[0, 0] > 0.9
    assert not torch.equal(a[:, inside], b[:, inside])
    assert torch.equal(a[:, ~(drawn.mask[0, 0] > 0)], b[:, ~(drawn.mask[0, 0] > 0)]), "the background stays as it is"


def test_who_stands_in_front_stays_in_front(scene, avatar) -> None:
    before = torch.zeros(1, *SIZE)
    before[:, :, : SIZE[1] // 2] = 1
    with torch.no_grad():
        vertices = avatar.model(scene.start).vertices[0]
    drawn = avatar.render(scene.camera, scene.start)
    free, behind = (s.composed(drawn, vertices, 0) for s in (scene, replace(scene, before=before)))
    covered = (drawn.mask[0] > 0) & (before > 0)
    assert torch.equal(behind[:, covered[0]], scene.photo[:, covered[0]])
    assert torch.equal(behind[:, :, SIZE[1] // 2 :], free[:, :, SIZE[1] // 2 :]) and not torch.equal(behind, free)


def test_nobody_in_the_picture_leaves_the_background(scene, avatar) -> None:
    away = replace(scene.start, translation=scene.start.translation + torch.tensor([50.0, 0.0, 0.0]))
    with torch.no_grad():
        vertices = avatar.model(away).vertices[0]
    assert torch.equal(scene.composed(avatar.render(scene.camera, away), vertices, 0), scene.background)


def test_large_photos_are_made_smaller_and_sides_even() -> None:
    assert scaled(torch.zeros(3, 300, 401), 200).shape == (3, 150, 200)
    assert scaled(torch.zeros(3, 101, 67), 200).shape == (3, 100, 68)
    kept = torch.rand(3, 64, 80)
    assert scaled(kept, 200) is kept
