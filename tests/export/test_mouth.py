"""Mouths and eyes of figures as they are seen: closed lips, teeth behind open ones, lids of skin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from dinar.avatar import Avatar
from dinar.body.model import BodyModel
from dinar.camera import orbit
from dinar.export.figure import Figure
from dinar.export.lids import lids
from dinar.export.mouth import pieces, with_mouth
from dinar.raster.rasterize import rasterize


@pytest.fixture(scope="module")
def figure(avatar: Avatar) -> Figure:
    plain = Figure(avatar.model, avatar.layout, avatar.shape, avatar.painted)
    return with_mouth(plain, torch.ones_like(avatar.texture.filled))


def seen(person: Avatar, middle: Tensor, degrees: float, **strengths: float) -> Tensor:
    """The triangle that each pixel of a face from near shows [400, 400]."""
    model = person.model
    body = person.standing()
    for action, strength in strengths.items():
        body.expression[0, model.expression_names.index(action)] = strength
    with torch.no_grad():
        vertices = model(body).vertices
    camera = orbit(middle, degrees, 0.0, 1.2, (400, 400), fov=4.5)
    return rasterize(camera.project(vertices), model.faces, camera.size).face[0].long()


def mouth_of(person: Avatar) -> Tensor:
    with torch.no_grad():
        mesh = person.model(person.standing())
        points = person.model.landmarks(mesh)[0]
    left, right = (points[person.model.landmark_names.index(f"mouth_{side}")] for side in ("left", "right"))
    return (left + right) / 2


def behind_lips(person: Avatar, own: int, faces: Tensor) -> int:
    """Pixels that show teeth or tongue."""
    corners = person.model.faces[faces[faces >= 0]]
    tongue = torch.from_numpy(np.flatnonzero(pieces(BodyModel.open())["Tongue"]))
    return int(((corners >= own).all(1) | torch.isin(corners, tongue).all(1)).sum())


@pytest.mark.parametrize("degrees", [0.0, 40.0])
def test_lips_meet_at_rest_and_show_teeth_when_they_open(avatar: Avatar, figure: Figure, degrees: float) -> None:
    own = len(avatar.model.template)
    person, apart = (
        avatar.wearing(one, parts=True) for one in (figure, replace(figure, model=avatar.model))
    )
    middle = mouth_of(person)
    closed = behind_lips(person, own, seen(person, middle, degrees))
    assert closed <= 20 and closed < 0.5 * behind_lips(apart, own, seen(apart, middle, degrees))
    assert behind_lips(person, own, seen(person, middle, degrees, jawOpen=0.6)) > 1000


def test_a_worn_figure_has_its_parts_in_one_picture(avatar: Avatar, figure: Figure) -> None:
    person, (teeth,) = avatar.wearing(figure, parts=True), figure.parts
    own = len(avatar.model.template)
    assert len(person.model.template) == own + len(teeth.model.template) == len(person.model.layer)
    assert len(person.layout.faces) == len(person.model.faces) == len(figure.mesh.faces) + len(teeth.mesh.faces)
    side, old = person.painted.shape[-1], figure.colours.shape[-1]
    assert torch.equal(person.painted[:, :old, :old], figure.extended())
    for whole, part in ((person.layout.uv[: len(figure.layout.uv)], figure.layout.uv),):
        assert torch.allclose(whole * side, part * old, atol=1e-3)
    texel = (person.layout.uv[len(figure.layout.uv) :] * side).long()
    there = (teeth.layout.uv * teeth.colours.shape[-1]).long()
    found, wanted = person.painted[:, texel[:, 1], texel[:, 0]], teeth.extended()[:, there[:, 1], there[:, 0]]
    assert (found - wanted).abs().max() < 0.2 and (found - wanted).abs().mean() < 0.01


def test_lids_are_skin_where_open_eyes_hide_them(avatar: Avatar) -> None:
    model, skin = avatar.model, torch.tensor([0.8, 0.6, 0.5])
    share, colours = lids(model, avatar.shape, lambda chosen: skin.repeat(int(chosen.sum()), 1))
    points, joints = (x[0] for x in model.rest(avatar.shape[None]))
    some = share[:, 0] > 0.5
    eyes = torch.stack([joints[model.humanoid[f"{side}Eye"]] for side in ("left", "right")])
    assert 20 < int(some.sum()) < 400
    assert torch.cdist(points[some], eyes).amin(1).max() < 0.03
    assert torch.allclose(colours[some], 0.92 * skin)
    assert bool((points[some, 0] > 0).any()) and bool((points[some, 0] < 0).any())
