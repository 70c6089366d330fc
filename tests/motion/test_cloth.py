"""Skirts swing: settled, the same each time, off the body, and as fitted where they were fitted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial import ConvexHull

from dinar.body.layers import tucked, wearing
from dinar.body.model import Body, BodyModel
from dinar.motion import cloth, retarget, swinging
from dinar.motion.cloth import Cloth, Wardrobe
from dinar.motion.motion import Motion
from tests.reference import swinging as reference

KNEE = [-1.0, 0.0, 0.0, 0.4, 0.24, 0.24]


@pytest.fixture(scope="module")
def person() -> tuple[BodyModel, torch.Tensor, Wardrobe]:
    model = BodyModel.open()
    shape = torch.zeros(len(model.shape_basis))
    shape[:4] = torch.tensor([0.5, -0.6, 0.4, 0.3])
    model = tucked(wearing(model, {"skirt": torch.tensor(KNEE)}), shape)
    return model, shape, Wardrobe.of(model, shape)


def seated(model: BodyModel, shape: torch.Tensor) -> Body:
    body = replace(model.neutral(), shape=shape[None])
    pose = body.pose.clone()
    for side in ("left", "right"):
        pose[0, model.humanoid[side + "UpperLeg"], 0] = -1.4
        pose[0, model.humanoid[side + "LowerLeg"], 0] = 1.5
    return replace(body, pose=pose)


def below(model: BodyModel, hung: Cloth, vertices: torch.Tensor, *, by: float = 0.0) -> int:
    """Vertices that ought to be outside and lie under the skin by more than so many metres."""
    points = vertices[0].double().numpy()
    height = cloth._height(points[hung.vertices], vertices[0, hung.skin], torch.from_numpy(hung.faces))
    return int(((height < -by) & (hung.margin >= 0)).sum())


def test_a_substep_is_that_of_the_plain_twin() -> None:
    rng = np.random.default_rng(0)
    count, number = 9, 4
    points, speed, goal, before, lean = rng.normal(0, 0.1, (5, count, 3))
    balls = rng.normal(0, 0.1, (number, 3))
    reach, pull, far = rng.uniform(0, 0.12, (count, number)), rng.uniform(0, 500, count), rng.uniform(0.05, 0.3, count)
    held = np.arange(count) < 2
    far[held] = 0
    springs = np.array([(i, j) for i in range(count) for j in range(i + 1, count) if (i + j) % 3 == 0 or j < 2])
    lengths = rng.uniform(0, 0.2, len(springs))
    apart = np.linalg.norm(np.where(held[:, None], goal, points)[:, None] - balls, axis=2) - reach
    hits = np.argsort(apart, axis=1, kind="stable")
    arguments = (goal, before, lean, balls, reach)
    wanted = reference.substep(points, speed, *arguments, held, pull, far, springs, lengths, 0.004)
    swinging._substep(points, speed, *arguments, hits, held, pull, far, springs, lengths, 0.004)
    assert np.allclose(points, wanted[0], atol=1e-12) and np.allclose(speed, wanted[1], atol=1e-9)


def test_at_rest_it_hangs_as_it_was_fitted(person: tuple[BodyModel, torch.Tensor, Wardrobe]) -> None:
    model, shape, wardrobe = person
    body = replace(model.neutral(), shape=shape[None])
    with torch.no_grad():
        vertices = model(body).vertices
        laid = wardrobe.laid(vertices, wardrobe.settled(body))
    off = (laid - vertices).norm(dim=-1)[0]
    assert float(off[model.layer == 0].max()) == 0          # nothing but layers moves
    assert float(off.max()) < 0.003                         # only what lies closer to the skin than it may


def test_a_lap_lies_on_the_legs(person: tuple[BodyModel, torch.Tensor, Wardrobe]) -> None:
    model, shape, wardrobe = person
    body = seated(model, shape)
    with torch.no_grad():
        vertices = model(body).vertices
        laid = wardrobe.laid(vertices, wardrobe.settled(body))
    hung = wardrobe.cloths[0]
    assert below(model, hung, vertices, by=0.005) > 100      # by skin weights alone it is drawn through them
    assert below(model, hung, laid, by=0.001) == 0


def test_the_same_clip_gives_the_same_frames_in_any_order(person: tuple[BodyModel, torch.Tensor, Wardrobe]) -> None:
    model, shape, wardrobe = person
    walk = Motion.load("walk").clipped(0, 1)
    with torch.no_grad():
        bodies = retarget.apply(walk, model, shape)
        first, again = (wardrobe.swung(bodies, walk.fps) for _ in range(2))
        assert all((a[0] == b[0]).all() for a, b in zip(first, again, strict=True))
        posed = model(bodies[12:13]).vertices
        assert torch.equal(wardrobe.laid(posed, first[12]), wardrobe.laid(posed, again[12]))


def test_a_clip_in_parts_is_the_whole_clip(
    person: tuple[BodyModel, torch.Tensor, Wardrobe], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, shape, wardrobe = person
    walk = Motion.load("walk").clipped(0, 0.5)
    bodies = retarget.apply(walk, model, shape)
    whole = wardrobe.swung(bodies, walk.fps)
    monkeypatch.setattr(cloth, "_AT_ONCE", 4)
    parts = wardrobe.swung(bodies, walk.fps)
    assert all(np.allclose(a[0], b[0], atol=1e-5) for a, b in zip(whole, parts, strict=True))


def test_it_lags_and_comes_to_rest(person: tuple[BodyModel, torch.Tensor, Wardrobe]) -> None:
    """A body that turns at once leaves its hem behind, which comes after it within seconds and stays."""
    model, shape, wardrobe = person
    start = replace(model.neutral(), shape=shape[None])
    angle = torch.cat([torch.linspace(0, 1.2, 6), torch.full((114,), 1.2)])
    pose = start.pose.repeat(len(angle), 1, 1)
    pose[:, 0, 1] = angle
    bodies = replace(start, pose=pose)
    moves = np.stack([move[0] for move in wardrobe.swung(bodies, 30.0)]).astype(np.float64)
    hung = wardrobe.cloths[0]
    particles = hung.rest[: len(hung.free)]
    places = (moves[..., :3] * particles[:, None]).sum(-1) + moves[..., 3]
    goals = hung.goals(wardrobe.light(bodies).transforms).places
    off = np.linalg.norm(places - goals, axis=2).max(1)
    assert off[0] < 0.005 and off[5] > 0.02 and off[-1] < 0.005
    assert np.linalg.norm(places[-1] - places[-2], axis=1).max() < 1e-4
    assert off.max() <= cloth._FAR + 1e-6


def test_weights_and_springs(person: tuple[BodyModel, torch.Tensor, Wardrobe]) -> None:
    _, _, wardrobe = person
    hung = wardrobe.cloths[0]
    assert np.allclose(hung.weight.sum(1), 1) and (hung.weight >= 0).all()
    assert np.allclose(hung.joints.sum(1), 1, atol=1e-4)
    assert len(np.unique(hung.springs)) == len(hung.free)                     # no particle is left alone
    assert (hung.lengths > 0).all() and (hung.lengths < 0.3).all()
    apart = np.linalg.norm(hung.rest[: len(hung.free), None] - hung.rest[len(hung.free) :], axis=2)
    assert (apart >= hung.reach - 1e-9).all()                                 # at rest nothing is pushed


def test_balls_fill_a_ball() -> None:
    number = np.arange(2000)
    height, angle = 1 - (2 * number + 1) / 2000, number * np.pi * (3 - 5**0.5)
    round_it = np.sqrt(1 - height**2)
    points = 0.08 * np.stack([round_it * np.cos(angle), height, round_it * np.sin(angle)], axis=1)
    faces = ConvexHull(points).simplices
    a, b, c = (points[faces[:, k]] for k in range(3))
    inward = (np.cross(b - a, c - a) * a).sum(1) < 0
    faces[inward] = faces[inward][:, ::-1]
    skin, faces = torch.from_numpy(points).float(), torch.from_numpy(faces.astype(np.int64))
    middles, radii = cloth.balls(skin, faces, cloth.spread(points, 20))
    assert np.abs(radii - 0.08).max() < 0.01 and np.linalg.norm(middles, axis=1).max() < 0.01


def test_nothing_hangs_on_a_bare_body() -> None:
    model = BodyModel.open()
    wardrobe = Wardrobe.of(model, torch.zeros(len(model.shape_basis)))
    body = model.neutral(3)
    vertices = model(body[0:1]).vertices
    assert wardrobe.swung(body, 30.0) == [(), (), ()] and wardrobe.laid(vertices, ()) is vertices
