"""The studies that ship with both sets, and that what is measured on them catches what is wrong."""

from __future__ import annotations

import pytest
import torch
from perceptual.pairs import at_hand

from dinar.avatar import open_body
from dinar.evaluate import identity
from dinar.evaluate.cases import (
    FEET,
    HAND,
    HANDS,
    HEAD,
    HEADS,
    MOTION,
    MOVING,
    PERSON,
    SHOES,
    Case,
    groups_of,
)  # fmt: skip
from dinar.evaluate.metrics import Judges
from dinar.evaluate.protocols import SHIPPED
from dinar.evaluate.sets import Sets
from dinar.photo import recognition
from dinar.raster.rasterize import rasterize


def case_of(name: str, person: str) -> Case:
    return Sets(name, SHIPPED / name).case(person)


@pytest.mark.parametrize("name", ["synthetic", "valid"])
def test_studies_ship(name: str) -> None:
    case, model = case_of(name, "0001"), open_body()
    kinds = [target.kind for target in case.targets]
    assert {kind: kinds.count(kind) for kind in (HEAD, HAND, FEET, MOTION)} == {HEAD: 4, HAND: 2, FEET: 2, MOTION: 16}
    assert len(kinds) - kinds.count(PERSON) == 24 and kinds.count(PERSON) >= 7
    groups = {t.name: groups_of(same=t.same, moved=t.moved, azimuth=t.azimuth, kind=t.kind) for t in case.targets}
    assert [groups[f"head{angle:03d}"] for angle in (0, 45, 90, 180)] == [(group,) for group in HEADS]
    assert groups["hand000"] == (HANDS,) and groups["feet180"] == (SHOES,) and groups["walk03"] == (MOVING,)
    assert case.opposite is not None
    for target in case.targets:
        if target.kind == PERSON:
            continue
        mask = target.view.mask[0] > 0.5
        with torch.no_grad():
            vertices = model(target.view.body).vertices
        body = rasterize(target.view.camera.project(vertices), model.faces, mask.shape).mask[0, 0] > 0
        assert (body & mask).sum() / (body | mask).sum() > 0.55, target.name        # clothes and hair are more
        assert 0.03 < float(mask.float().mean()) < 0.95, target.name


def test_swapped_heads_are_caught(judges: Judges) -> None:
    cases = [case_of("synthetic", person) for person in ("0000", "0003")]
    for angle in (0, 45, 90, 180):
        first, second = (next(t.view for t in c.targets if t.name == f"head{angle:03d}") for c in cases)
        truth, other = ((v.image * v.mask + 0.5 * (1 - v.mask)) for v in (first, second))
        worn = (truth * 0.97 + 0.01).roll(1, -1)                # a shade and a pixel off
        seen, swapped, same = (judges.look(image, HEAD) for image in (truth, other, worn))
        wrong, right = judges.compare(swapped, seen), judges.compare(same, seen)
        assert wrong.lpips > 1.5 * right.lpips and wrong.dists > 1.5 * right.dists, angle


def test_swapped_faces_are_caught_in_profile_too() -> None:
    network = recognition.load_face(at_hand(recognition.SFACE))
    model = open_body()
    cases = [case_of("synthetic", person) for person in ("0000", "0003")]
    for angle in (0, 45, 90):
        first, second = (next(t.view for t in c.targets if t.name == f"head{angle:03d}") for c in cases)
        points = identity.face_points(model, first.body, first.camera, looks=identity.PROFILE)
        assert points is not None
        worn = (first.image * 0.95).roll(1, -1)
        pictures = first.image, second.image, worn
        seen, swapped, same = (recognition.face_features(network, picture, points) for picture in pictures)
        wrong, right = recognition.cosine_distance(swapped, seen), recognition.cosine_distance(same, seen)
        assert wrong > right + 0.1, (angle, wrong, right)
    behind = next(t.view for t in cases[0].targets if t.name == "head180")
    assert identity.face_points(model, behind.body, behind.camera, looks=identity.PROFILE) is None


def test_a_walk_out_of_step_is_caught(judges: Judges) -> None:
    frames = [t.view for t in case_of("synthetic", "0000").targets if t.kind == MOTION]
    truths = [v.image * v.mask + 0.5 * (1 - v.mask) for v in frames[:8]]
    seen = [judges.look(image, MOTION) for image in truths]
    for k in range(8):
        late = judges.compare(seen[(k + 1) % 8], seen[k])
        shade = judges.compare(judges.look(truths[k] * 0.97 + 0.01, MOTION), seen[k])
        assert late.psnr < shade.psnr and late.lpips > shade.lpips
