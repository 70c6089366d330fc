"""What Gauss-Newton steps are made of, against torch's derivatives of the plain terms."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from dinar.body.model import Body, BodyModel
from dinar.camera import Camera, intrinsics
from dinar.fit.descent import DAMPING, step
from dinar.fit.objective import (
    depth_rows,
    depths,
    dice,
    direction_rows,
    directions,
    reprojection,
    reprojection_rows,
    targets,
)
from dinar.fit.prior import PosePrior
from dinar.fit.problem import LEVEL, Problem, Unknowns, Weights
from dinar.fit.rows import Rows
from dinar.photo.landmarks import BODY, Landmarks
from dinar.photo.photo import Photo
from dinar.raster.rasterize import rasterize
from dinar.raster.silhouette import silhouette

ALL = Weights(width=0.05, directions=0.5, depths=0.7, pose=0.01, shape=0.02)


@pytest.fixture(scope="module")
def model() -> BodyModel:
    return BodyModel.open()


def photograph(model: BodyModel, seed: int, *, side: int = 300) -> Photo:
    """A random person 3.5 m away, landmarks a little off."""
    g = torch.Generator().manual_seed(seed)
    body = model.neutral()
    pose = body.pose.clone()
    pose[:, PosePrior(model).bones] = 0.15 * torch.randn(1, len(PosePrior(model).bones), 3, generator=g)
    body = replace(body, pose=pose, shape=0.7 * torch.randn(body.shape.shape, generator=g))
    camera = Camera(intrinsics(1.5 * side, (side, side)), LEVEL, torch.tensor([0.0, 0.0, 3.5]), (side, side))
    mesh = model(body)
    points = dict(zip(model.landmark_names, model.landmarks(mesh)[0], strict=True))
    names = tuple(name for name in BODY if name in points)
    xyz = torch.stack([points[name] for name in names])
    xy = camera.project(xyz)[:, :2] + 3 * torch.randn(len(names), 2, generator=g)
    world = (xyz - points["mid_hip"]) @ LEVEL + 0.03 * torch.randn(len(names), 3, generator=g)
    mask = rasterize(camera.project(mesh.vertices[0])[None], model.faces, camera.size).mask[0]
    landmarks = Landmarks(names, xy, 0.5 + 0.5 * torch.rand(len(names), generator=g), world)
    return Photo(mask.expand(3, -1, -1), mask, landmarks, None, (side, side), (0.0, 0.0, 1.0))


def disturbed(unknowns: Unknowns, seed: int, size: float = 0.1) -> Unknowns:
    g = torch.Generator().manual_seed(seed)
    n, own = len(unknowns.zoom), unknowns.expression.shape[1] + 3 + unknowns.limbs[0].numel() + 4
    draw = size * torch.randn(n, own, generator=g, dtype=torch.float64)
    draw[:, -4:] *= 0.2
    return unknowns.moved(size * torch.randn(len(unknowns.shape), generator=g, dtype=torch.float64), draw)


def assert_same_slope(rows: Rows, loss: Tensor, inputs: Tensor) -> None:
    (slope,) = torch.autograd.grad(loss, inputs)
    torch.testing.assert_close(rows.jacobian.T @ rows.residual, slope.flatten(), atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize("term", ["reprojection", "directions", "depths"])
def test_terms_of_landmarks(model: BodyModel, term: str) -> None:
    photo = photograph(model, 0)
    target = targets(photo.landmarks, model.landmark_names, 250.0).double()
    g = torch.Generator().manual_seed(1)
    count = len(model.landmark_names)
    points = torch.randn(count, 3, generator=g, dtype=torch.float64) + torch.tensor([0.0, 0.0, 4.0])
    points.requires_grad_()
    moves = torch.eye(3 * count, dtype=torch.float64).view(count, 3, 3 * count)
    if term == "reprojection":
        pixels = 60 * points
        assert_same_slope(
            reprojection_rows(pixels[:, :2], 60 * moves[:, :2], target, width=0.3),
            reprojection(pixels, target, width=0.3), points,
        )  # fmt: skip
    elif term == "directions":
        assert_same_slope(direction_rows(points, moves, target), directions(points, target), points)
    else:
        assert_same_slope(depth_rows(points, moves, target), depths(points, target), points)


def test_pose_prior(model: BodyModel) -> None:
    prior = PosePrior(model).double()
    g = torch.Generator().manual_seed(0)
    rotations = (1.5 * torch.randn(len(prior.bones), 3, generator=g, dtype=torch.float64)).requires_grad_()
    weight = 1 + torch.rand(len(prior.bones), generator=g, dtype=torch.float64)
    assert_same_slope(prior.rows(rotations, weight), prior(rotations[None], weight[None]).sum(), rotations)


def test_a_shin_that_nobody_saw_is_stiff(model: BodyModel) -> None:
    photo = photograph(model, 0)
    confidence = photo.landmarks.confidence.clone()
    confidence[photo.landmarks.names.index("left_ankle")] = 0.1
    hidden = replace(photo, landmarks=replace(photo.landmarks, confidence=confidence))
    shin = model.humanoid["leftLowerLeg"]
    seen, unseen = (Problem([one], model) for one in (photo, hidden))
    changed = seen.prior.bones[seen.stiffness[0] != unseen.stiffness[0]]
    assert changed.tolist() == [shin] and unseen.stiffness.max() > seen.stiffness.max()


def test_all_terms_together_have_the_slope_of_the_loss(model: BodyModel) -> None:
    """Central differences along random directions, for two photos; parts of the bodies are inside one another."""
    problem = Problem([photograph(model, 0), photograph(model, 1)], model)
    unknowns = disturbed(problem.start, 2, 0.3)
    arm = problem.prior.bones.tolist().index(model.humanoid["leftUpperArm"])
    unknowns.limbs[:, arm] = torch.tensor([0.0, 0.0, -1.4], dtype=torch.float64)
    state = problem.state(unknowns, ALL)
    assert problem.contact(problem.few, state.body.shape, state.mesh).max() > 0
    with torch.no_grad():
        parts = [problem.rows(state, i, ALL) for i in range(2)]
        slopes = [rows.jacobian.T @ rows.residual for rows in parts]
        likely = problem.shape_rows(unknowns, ALL)
    shapes = len(unknowns.shape)
    shared = likely.jacobian.T @ likely.residual + sum(slope[:shapes] for slope in slopes)
    own = torch.stack([slope[shapes:] for slope in slopes])
    g = torch.Generator().manual_seed(3)
    scale = _fixed_scales(problem, state.points)
    for _ in range(5):
        shape = torch.randn(shared.shape, generator=g, dtype=torch.float64)
        rest = torch.randn(own.shape, generator=g, dtype=torch.float64)
        size = 1e-6
        ahead, behind = (
            _loss(problem, unknowns.moved(sign * size * shape, sign * size * rest), scale) for sign in (1, -1)
        )
        expected = (shared @ shape + (own * rest).sum()).item()
        assert (ahead - behind) / (2 * size) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def _fixed_scales(problem: Problem, points: Tensor) -> list[float]:
    """How much larger each body is than its 3D landmarks' person: no derivative passes through that."""
    found = []
    for place, sight in zip(points, problem.sights, strict=True):
        t = sight.target
        a, b = (v - (t.depth_trust[:, None] * v).sum(0) / t.depth_trust.sum() for v in (place[t.deep], t.depth))
        found.append(float((a * b)[:, :2].sum() / b[:, :2].square().sum()))
    return found


def _loss(problem: Problem, unknowns: Unknowns, scales: list[float]) -> float:
    """The loss with those sizes kept."""
    with torch.no_grad():
        state = problem.state(unknowns, ALL)
        loss = state.loss
        for place, sight, scale in zip(state.points, problem.sights, scales, strict=True):
            t = sight.target
            a, b = (v - (t.depth_trust[:, None] * v).sum(0) / t.depth_trust.sum() for v in (place[t.deep], t.depth))
            squared = ((a[:, 2] - scale * b[:, 2]) / 0.15).square()
            loss += ALL.depths * float((t.depth_trust * squared / (1 + squared)).sum() - depths(place, t))
    return loss


def test_the_outline_has_the_slope_of_the_silhouettes_dice(model: BodyModel, monkeypatch) -> None:
    """On every line of pixels; but for what slides along a triangle."""
    monkeypatch.setattr("dinar.fit.problem._EVERY", 1)
    photo = photograph(model, 0)
    problem = Problem([photo], model)
    weights = replace(ALL, silhouette=1.0)
    unknowns = disturbed(problem.start, 4, 0.05)
    with torch.no_grad():
        state = problem.state(unknowns, weights)
        rows = problem.outline_rows(state, 0)
    found = rows.jacobian.T @ rows.residual
    body = state.body
    leaves = [v.float().requires_grad_() for v in (body.shape, body.pose)]
    camera = problem.camera(unknowns, 0).resized(tuple(problem.sights[0].mask.shape[1:]))
    vertices = model(Body(leaves[0], leaves[1], body.expression.float(), body.translation.float())).vertices
    drawn = silhouette(camera.project(vertices[0])[None], model.faces, camera.size)
    shape, pose = torch.autograd.grad(dice(drawn[0], problem.sights[0].mask), leaves)
    count, expressions = len(unknowns.shape), unknowns.expression.shape[1]
    limbs = found[count + expressions + 3 : -4].view(-1, 3)
    for mine, true in ((found[:count], shape[0]), (limbs, pose[0, problem.prior.bones])):
        assert (mine - true).norm() < 0.05 * true.norm()


def test_steps_go_down_and_the_shape_is_one(model: BodyModel) -> None:
    problem = Problem([photograph(model, 0), photograph(model, 1)], model)
    with torch.no_grad():
        state, damping = problem.state(problem.start, ALL), DAMPING
        losses = [state.loss]
        for _ in range(4):
            state, damping = step(problem, state, ALL, damping, limbs=True)
            losses.append(state.loss)
    assert losses == sorted(losses, reverse=True) and losses[-1] < 0.6 * losses[0]
    assert state.unknowns.shape.shape == (len(model.shape_basis),)


def test_without_limbs_only_shape_and_place_move(model: BodyModel) -> None:
    problem = Problem([photograph(model, 0)], model)
    with torch.no_grad():
        before = problem.state(problem.start, ALL)
        after, _ = step(problem, before, ALL, DAMPING, limbs=False)
    assert torch.equal(after.unknowns.limbs, before.unknowns.limbs)
    assert torch.equal(after.unknowns.expression, before.unknowns.expression)
    assert not torch.equal(after.unknowns.root, before.unknowns.root)
