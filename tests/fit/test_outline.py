"""Outlines of known shape, drawn from all sides, and what the body's surface makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from dinar.avatar import Avatar
from dinar.body.model import BodyModel
from dinar.body.normals import vertex_normals
from dinar.body.uv import mirror_of
from dinar.camera import framing
from dinar.export.snapshots import Snapshot
from dinar.fit import outline
from dinar.raster.rasterize import rasterize
from dinar.texture.drawing import antialiased

SIZE = (800, 600)
AROUND = tuple(range(0, 360, 45))


def snapshots(avatar: Avatar, offsets: Tensor, azimuths: Sequence[float] = AROUND) -> list[Snapshot]:
    """Masks of a body that is `offsets` larger than the avatar's."""
    body = avatar.standing()
    model = avatar.model.moved(offsets)
    with torch.no_grad():
        vertices = model(body).vertices
    found = []
    for azimuth in azimuths:
        camera = framing(vertices[0], azimuth, 0.0, SIZE)
        _, mask = antialiased(torch.zeros(1, 1, 4, 4), vertices, model.faces, avatar.layout, camera)
        found.append(Snapshot(torch.zeros(3, *SIZE), mask[0], body, camera))
    return found


def overlaps(model: BodyModel, snaps: Sequence[Snapshot]) -> np.ndarray:
    """Intersection over union of a body with each mask."""
    found = []
    for snapshot in snaps:
        with torch.no_grad():
            points = snapshot.camera.project(model(snapshot.body).vertices)
        own = rasterize(points, model.faces, SIZE).mask[0, 0] > 0
        mask = snapshot.mask[0] > 0.5
        found.append(float((own & mask).sum() / (own | mask).sum()))
    return np.array(found)


def normals(vertices: Tensor, faces: Tensor) -> Tensor:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=1)


@pytest.fixture(scope="module")
def jumper(avatar: Avatar) -> Tensor:
    """2.5 cm of wool around the trunk."""
    rest = avatar.model.rest(avatar.shape[None])[0][0]
    middle = torch.tensor([0.0, 0.2, 0.0])
    away = (rest - middle) * torch.tensor([1.0, 1.0, 0.0])
    outwards = torch.nn.functional.normalize((rest - middle) * torch.tensor([1.0, 0.0, 1.0]), dim=1)
    return 0.025 * torch.exp(-((away.norm(dim=1, keepdim=True) / 0.18) ** 2)) * outwards


@pytest.fixture(scope="module")
def fitted(avatar: Avatar, jumper: Tensor) -> Tensor:
    return outline.fit(avatar.model, avatar.shape, snapshots(avatar, jumper))


def test_wool_is_found(avatar: Avatar, jumper: Tensor, fitted: Tensor) -> None:
    """To a millimetre on average along the surface's normal: an outline says nothing of movements along the surface."""
    seen = snapshots(avatar, jumper, (20.0, 110.0, 200.0))                # from where none of the masks were taken
    assert (overlaps(avatar.model.moved(fitted), seen) > overlaps(avatar.model, seen)).all()
    rest = avatar.model.rest(avatar.shape[None])[0]
    normal = vertex_normals(rest, avatar.model.faces)[0]
    thick = jumper.norm(dim=1) > 0.012
    true, found = ((offsets * normal).sum(1)[thick] for offsets in (jumper, fitted))
    assert true.mean() > 0.015 and abs(float((found - true).mean())) < 2e-3 and float((found - true).std()) < 5e-3


def test_the_side_that_no_photo_shows_follows_the_other(avatar: Avatar, jumper: Tensor, monkeypatch) -> None:
    """From half aside the outline is one breast's and the other shoulder blade's."""
    model = avatar.model
    mirror, shares = mirror_of(model), []
    assert mirror is not None
    for alike in (outline.ALIKE, 0.0):
        monkeypatch.setattr(outline, "ALIKE", alike)
        moved = outline.fit(model, avatar.shape, snapshots(avatar, jumper, (45.0,))).norm(dim=1)
        shown = moved > 0.012
        assert shown.sum() > 20
        shares.append(float((moved[mirror][shown] / moved[shown]).median()))
    assert shares[0] > 0.6 > 0.5 > shares[1]


def test_face_and_hands_stay(avatar: Avatar, fitted: Tensor) -> None:
    model = avatar.model
    rest = model.template
    wrist = model.joint_template[model.humanoid["leftHand"], 0]
    hands = rest[:, 0].abs() > wrist + 0.03
    head = rest[:, 1] > rest[:, 1].max() - 0.25
    face = head & (rest[:, 2] > rest[head, 2].max() - 0.06)
    assert hands.sum() > 100 and face.sum() > 100
    assert fitted[hands | face].norm(dim=1).max() < 1e-3


def test_necks_are_as_wide_as_masks_show(avatar: Avatar) -> None:
    """Up to the jaw, though the head's joint moves their upper half."""
    model = avatar.model
    rest, joints = (part[0] for part in model.rest(avatar.shape[None]))
    middle = (joints[model.humanoid["neck"]] + joints[model.humanoid["head"]]) / 2
    away = torch.nn.functional.normalize((rest - middle) * torch.tensor([1.0, 0.0, 1.0]), dim=1)
    near = ((rest - middle)[:, 1] / 0.05) ** 2 + ((rest - middle).norm(dim=1) / 0.12) ** 4
    wide = 0.008 * torch.exp(-near)[:, None] * away
    found = outline.fit(model, avatar.shape, snapshots(avatar, wide))
    head = model.skin_weights[:, model.below([model.humanoid["head"]])].sum(1)
    some = (wide.norm(dim=1) > 0.004) & (head > 0.3) & (head < 0.8)
    assert some.sum() > 20 and ((found * away).sum(1) / wide.norm(dim=1))[some].median() > 0.5


def test_shoulders_rise_to_the_neck(avatar: Avatar) -> None:
    """Beside the neck vertices move a little with the head; that must not hold them."""
    rest = avatar.model.rest(avatar.shape[None])[0][0]
    beside, above = (rest[:, 0].abs() - 0.11) / 0.05, (rest[:, 1] - rest[:, 1].max() + 0.27) / 0.05
    lift = torch.exp(-(beside**2) - above**2)[:, None] * torch.tensor([0.0, 0.03, 0.0])
    found = outline.fit(avatar.model, avatar.shape, snapshots(avatar, lift, (0.0, 180.0)))
    normal = vertex_normals(rest[None], avatar.model.faces)[0]
    raised = (lift[:, 1] > 0.02) & (normal[:, 1] > 0.7)
    assert raised.sum() > 10 and found[raised, 1].mean() > 0.5 * lift[raised, 1].mean()


def test_it_is_smooth_and_turns_no_triangle_over(avatar: Avatar, fitted: Tensor) -> None:
    rest, faces = avatar.model.rest(avatar.shape[None])[0][0], avatar.model.faces
    assert (normals(rest, faces) * normals(rest + fitted, faces)).sum(1).min() > 0
    ends = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    slope = (fitted[ends[:, 0]] - fitted[ends[:, 1]]).norm(dim=1) / (rest[ends[:, 0]] - rest[ends[:, 1]]).norm(dim=1)
    assert slope.quantile(0.99) < 0.5


def test_where_the_masks_are_the_bodys_nothing_moves(avatar: Avatar) -> None:
    seen = snapshots(avatar, torch.zeros_like(avatar.model.template))
    moved = outline.fit(avatar.model, avatar.shape, seen).norm(dim=1)
    assert moved.mean() < 5e-4 and moved.max() < 4e-3


def test_a_skirt_makes_legs_meet_but_not_cross(avatar: Avatar) -> None:
    bare = snapshots(avatar, torch.zeros_like(avatar.model.template))
    seen = []
    for snapshot in bare:
        mask = snapshot.mask[0].numpy()
        rows = slice(int(0.5 * SIZE[0]), int(0.8 * SIZE[0]))              # from the hips to the calves
        closed = cv2.morphologyEx(mask[rows], cv2.MORPH_CLOSE, np.ones((1, 121), np.uint8))
        filled = mask.copy()
        filled[rows] = closed
        seen.append(replace(snapshot, mask=torch.from_numpy(filled)[None]))
    moved = outline.fit(avatar.model, avatar.shape, seen)
    model = avatar.model
    rest = model.rest(avatar.shape[None])[0][0]
    legs = {
        side: (rest[:, 0] * sign > 0) & (rest[:, 1] < model.joint_template[model.humanoid["leftUpperLeg"], 1] - 0.15)
        for side, sign in (("left", 1), ("right", -1))
    }
    after = rest + moved
    inner = legs["left"] & (rest[:, 0] < rest[legs["left"], 0].mean())
    assert moved[inner, 0].mean() < -0.004                                # they come nearer to each other
    assert after[legs["left"], 0].min() > after[legs["right"], 0].max() - 1e-3


def test_what_hides_much_of_a_leg_does_not_make_it_thin(avatar: Avatar) -> None:
    """Of the left shin a strip alone is in the mask."""
    model = avatar.model
    (front,) = snapshots(avatar, torch.zeros_like(model.template), (0.0,))
    shin = model.skin_weights[:, model.humanoid["leftLowerLeg"]] > 0.9
    with torch.no_grad():
        x, y, _ = front.camera.project(model(front.body).vertices)[0, shin].T
    mask = front.mask.clone()
    rows, columns = torch.arange(SIZE[0])[:, None], torch.arange(SIZE[1])
    hidden = (rows > y.quantile(0.1)) & (rows < y.quantile(0.9)) & (columns > x.min())
    mask[:, hidden & ((columns < x.quantile(0.42)) | (columns > x.quantile(0.58)))] = 0
    rest = model.rest(avatar.shape[None])[0][0]
    moved = rest + outline.fit(model, avatar.shape, [replace(front, mask=mask)])
    thinner = []
    for part in (0.2, 0.35, 0.5):
        ring = shin & ((rest[:, 1] - rest[shin, 1].quantile(part)).abs() < 0.02)
        before, after = (points[ring, 0].max() - points[ring, 0].min() for points in (rest, moved))
        thinner.append(float(after / before))
    assert min(thinner) > 0.68 and max(thinner) < 0.85


def test_nothing_moves_farther_than_it_may(avatar: Avatar) -> None:
    seen = [replace(one, mask=torch.ones(1, *SIZE)) for one in snapshots(avatar, torch.zeros(1, 3))]
    assert outline.fit(avatar.model, avatar.shape, seen).norm(dim=1).max() <= outline.OUTWARDS + 1e-5


def test_the_edge_of_a_picture_is_no_outline(avatar: Avatar) -> None:
    """A photo that ends at the chest tells nothing of shoulders."""
    front = snapshots(avatar, torch.zeros_like(avatar.model.template), (0.0,))[0]
    mask = front.mask.clone()
    rows = (mask[0] > 0.5).any(1).nonzero()[:, 0]
    cut = int(rows[0] + 0.22 * (rows[-1] - rows[0]))
    mask[:, :cut] = 0
    inside = torch.ones(mask.shape[1:], dtype=torch.bool)
    inside[:cut] = False
    seen = [replace(front, mask=mask)]
    told, untold = (
        outline.fit(avatar.model, avatar.shape, seen, inside=inside).norm(dim=1) for inside in ([inside], None)
    )
    assert untold.max() > 0.015 and told.max() < 5e-3
