"""What is baked of known drawings, and the figures of avatars."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from dinar.avatar import Avatar
from dinar.body.uv import texel_map
from dinar.camera import Camera
from dinar.errors import InputError
from dinar.export import snapshots
from dinar.export.bake import bake
from dinar.export.figure import Figure
from dinar.export.snapshots import DIRECTIONS, Snapshot
from dinar.networks.appearance import Appearance
from dinar.texture.drawing import Rendering, draw
from dinar.texture.neural_texture import NeuralTexture

SIDE = 128


@pytest.fixture(scope="module")
def painting(avatar: Avatar) -> Tensor:
    """Colours that tell where a point lies at rest, [3, SIDE, SIDE], everywhere."""
    rest = avatar.model.template
    place = 0.1 + 0.8 * (rest - rest.amin(0)) / (rest.amax(0) - rest.amin(0))
    colours = texel_map(avatar.layout, SIDE).interpolate(place, avatar.model.faces)[0]
    return Figure(avatar.model, avatar.layout, avatar.shape, colours).extended()


@pytest.fixture(scope="module")
def drawings(avatar: Avatar, painting: Tensor) -> list[Snapshot]:
    def drawn(camera: Camera, body) -> Rendering:
        vertices = avatar.model(body).vertices
        return draw(painting[None], vertices, avatar.model.faces, avatar.layout, camera)

    return snapshots.around(avatar.model, avatar.shape, drawn, size=(480, 360))


@pytest.fixture(scope="module")
def grey(avatar: Avatar) -> Figure:
    return Figure(avatar.model, avatar.layout, avatar.shape, torch.full((3, SIDE, SIDE), 0.5))


def photographed(seen: Tensor) -> NeuralTexture:
    """A photo that showed the texels [SIDE, SIDE] from the front."""
    seen = seen.float()[None, None]
    return NeuralTexture(None, 0.5 * seen.expand(-1, 3, -1, -1), seen, seen, seen)


def islands(avatar: Avatar) -> Tensor:
    return texel_map(avatar.layout, SIDE).covered[0, 0] > 0


def test_the_texture_is_that_of_the_drawings(
    avatar: Avatar, grey: Figure, painting: Tensor, drawings: list[Snapshot]
) -> None:
    nothing = photographed(torch.zeros(SIDE, SIDE))
    baked = bake(grey, nothing, drawings, size=SIDE, outlined=False)
    assert baked.model is grey.model and baked.colours.shape == (3, SIDE, SIDE)
    off = (baked.colours - painting).abs().amax(0)[islands(avatar)]
    assert off.median() < 0.01 and (off < 0.05).float().mean() > 0.9      # the rest lies in ears, armpits, a mouth
    assert float(baked.colours.std()) > 0.1


def test_where_a_photo_saw_the_person_its_colours_stay(
    avatar: Avatar, grey: Figure, painting: Tensor, drawings: list[Snapshot]
) -> None:
    half = torch.arange(SIDE)[None, :].expand(SIDE, -1) < SIDE // 2
    baked = bake(grey, photographed(half), drawings, size=2 * SIDE, outlined=False).colours
    assert baked.shape == (3, 2 * SIDE, 2 * SIDE)
    there = torch.nn.functional.interpolate(islands(avatar).float()[None, None], scale_factor=2)[0, 0] > 0
    assert (baked[:, :, : SIDE - 8] - 0.5)[:, there[:, : SIDE - 8]].abs().max() < 1e-3
    right = there.clone()
    right[:, : SIDE + 2] = False
    truth = torch.nn.functional.interpolate(painting[None], scale_factor=2, mode="bilinear")[0]
    assert (baked - truth).abs().amax(0)[right].median() < 0.01
    steps = (baked[:, :, 1:] - baked[:, :, :-1]).abs().amax(0)[:, SIDE - 8 : SIDE + 2]
    assert steps[there[:, SIDE - 8 : SIDE + 2]].median() < 0.1            # no edge where the two meet


def test_only_the_person_counts(grey: Figure, drawings: list[Snapshot]) -> None:
    """What a mask leaves out is never looked at, nor what lies beside an outline."""
    spoilt = []
    for one in drawings:
        mask = one.mask.clone()
        mask[:, : mask.shape[1] // 2] = 0
        rgb = torch.where(mask > 0.5, one.rgb, torch.tensor([0.0, 1.0, 0.0])[:, None, None])
        spoilt.append(replace(one, rgb=rgb, mask=mask))
    nothing = photographed(torch.zeros(SIDE, SIDE))
    colours = bake(grey, nothing, spoilt, size=SIDE, outlined=False).colours
    true = bake(grey, nothing, drawings, size=SIDE, outlined=False).colours
    assert (true[1] - true[[0, 2]].amax(0)).amax() > 0.4                  # heads and feet are greenish by themselves
    assert (colours[1] - colours[[0, 2]].amax(0)).amax() < 0.5
    assert not torch.equal(colours, true)


def test_between_the_islands_lies_what_is_beside_them(grey: Figure, drawings: list[Snapshot]) -> None:
    baked = bake(grey, photographed(torch.zeros(SIDE, SIDE)), drawings, size=SIDE, outlined=False)
    assert (baked.extended() - baked.colours).abs().mean() < 0.005
    assert baked.colours.amin() >= 0 and baked.colours.amax() <= 1


def test_it_still_is_the_same_rig(grey: Figure, drawings: list[Snapshot]) -> None:
    wide = [replace(one, mask=torch.nn.functional.max_pool2d(one.mask, 9, 1, 4)) for one in drawings]
    baked = bake(grey, photographed(torch.zeros(SIDE, SIDE)), wide, coloured=False)
    assert baked.colours is grey.colours
    assert (baked.model.template - grey.model.template).norm(dim=1).mean() > 0.002
    for name in ("skin_weights", "joint_template", "expression_basis", "faces"):
        assert torch.equal(getattr(baked.model, name), getattr(grey.model, name))


def test_snapshots_show_the_person_from_all_sides_and_as_in_photos(avatar: Avatar) -> None:
    shot = avatar.shots[0]
    body = replace(avatar.standing(), pose=shot.pose[None], translation=shot.translation[None])
    views = []

    def drawn(camera: Camera, body) -> Rendering:
        views.append((camera, body))
        return Rendering(torch.zeros(1, 3, *camera.size), torch.zeros(1, 1, *camera.size))

    found = snapshots.around(avatar.model, avatar.shape, drawn, [(body, shot.camera)], size=(96, 64))
    assert len(found) == len(DIRECTIONS) + 1 and max(found[-1].camera.size) == 96
    for camera, body in views:
        points = camera.project(avatar.model(body).vertices)[0]
        assert (points[:, :2] > 0).all() and (points[:, :2] < torch.tensor(camera.size[::-1])).all()


@pytest.mark.parametrize("size", [63, 8193])
def test_sizes_that_are_not_possible(grey: Figure, size: int) -> None:
    with pytest.raises(InputError, match="texture of"):
        bake(grey, photographed(torch.zeros(SIDE, SIDE)), [], size=size)


def same_but_for_the_mouth(colours: torch.Tensor, painted: torch.Tensor) -> bool:
    """What a photo cannot show of the mouth and the eyes is painted in for other programs."""
    changed = (colours != painted).any(0).float().mean()
    return colours.shape == painted.shape and bool(changed < 0.05)


def same_but_for_the_lips(figure: Figure, avatar: Avatar) -> bool:
    """Lips are brought together for other programs."""
    moved = (figure.model.template - avatar.model.template).norm(dim=1)
    return bool(moved.max() < 0.006) and bool((moved > 0).float().mean() < 0.2)


def test_an_avatar_of_plain_colours_is_exported_as_it_is(avatar: Avatar) -> None:
    figure = avatar.figure()
    assert same_but_for_the_mouth(figure.colours, avatar.painted)
    assert same_but_for_the_lips(figure, avatar)
    for wanted in ({"texture": "baked"}, {"outline": True}):
        with pytest.raises(InputError, match="nothing to bake"):
            avatar.figure(**wanted)


def test_an_avatar_that_networks_draw_is_baked(
    avatar: Avatar, appearance: Appearance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "SIZE", (128, 96))
    monkeypatch.setattr(snapshots, "DIRECTIONS", ((0.0, 0.0), (180.0, 0.0)))
    generated = torch.zeros(1, 16, 64, 64)
    neural = replace(
        avatar, texture=replace(avatar.texture, generated=generated), renderer=appearance.renderer, weights="tiny"
    )
    baked = neural.figure(texture_size=96)
    assert baked.colours.shape == (3, 96, 96)
    plain = neural.figure(texture="plain", outline=False)
    assert same_but_for_the_mouth(plain.colours, avatar.painted)
    assert same_but_for_the_lips(plain, avatar)
    assert same_but_for_the_mouth(neural.figure(texture="plain").colours, avatar.painted)
    assert same_but_for_the_lips(neural.figure(outline=False, texture_size=96), avatar)
    own = torch.rand(3, 32, 32)
    assert torch.equal(neural.figure(colours=own, outline=False).colours, own)
