"""Derivatives written out, against torch's own."""

from __future__ import annotations

import pytest
import roma
import torch
from body.test_model import tiny_model
from torch import Tensor
from torch.autograd.functional import jacobian

from dinar.body.derivatives import Derivatives, Points, spins_of
from dinar.body.model import Body, BodyModel


def by_autograd(model: BodyModel, body: Body, bones: list[int]) -> Tensor:
    """[L, 3, S + E + 3 K] of the landmarks."""

    def landmarks(shape: Tensor, expression: Tensor, pose: Tensor) -> Tensor:
        return model.landmarks(model(Body(shape, pose, expression, body.translation)))[0]

    shape, expression, pose = jacobian(landmarks, (body.shape, body.expression, body.pose))
    return torch.cat([shape[:, :, 0], expression[:, :, 0], pose[:, :, 0, bones].flatten(2)], dim=2)


def written_out(model: BodyModel, body: Body, bones: list[int], points: Points) -> Tensor:
    coefficients = torch.cat([body.shape[0], body.expression[0]])
    rotations = roma.rotvec_to_rotmat(body.pose[0])
    spins = spins_of(body.pose[0, bones])
    return Derivatives(model, bones).of(points, coefficients, rotations, spins, model(body))


def random_body(model: BodyModel, bones: list[int], seed: int) -> Body:
    g = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=g, dtype=torch.float64)  # noqa: E731
    pose = torch.zeros(1, len(model.parents), 3, dtype=torch.float64)
    pose[:, bones] = 0.6 * draw(1, len(bones), 3)
    return Body(draw(1, len(model.shape_basis)), pose, draw(1, len(model.expression_names)), draw(1, 3))


@pytest.mark.parametrize("seed", [0, 1])
def test_landmarks_of_the_open_body(seed: int) -> None:
    model = BodyModel.open().only_landmarks().double()
    bones = list(model.humanoid.values())
    body = random_body(model, bones, seed)
    found = written_out(model, body, bones, Points.landmarks(model))
    torch.testing.assert_close(found, by_autograd(model, body, bones), atol=1e-12, rtol=0)


def test_pose_correctives_and_expressions_that_move_joints() -> None:
    model = tiny_model().only_landmarks()
    model.joint_expression_basis = torch.randn(model.joint_expression_basis.shape, dtype=torch.float64)
    bones = list(range(len(model.parents)))
    body = random_body(model, bones, 2)
    found = written_out(model, body, bones, Points.landmarks(model))
    torch.testing.assert_close(found, by_autograd(model, body, bones), atol=1e-12, rtol=0)


def test_points_in_triangles_move_as_the_mean_of_their_corners() -> None:
    """But for how skin weights differ within a triangle: a per cent of the fastest."""
    model = BodyModel.open()
    bones = list(model.humanoid.values())
    body = random_body(model, bones, 3)
    g = torch.Generator().manual_seed(0)
    corners = model.faces[torch.randint(len(model.faces), (40,), generator=g)]
    share = torch.rand(40, 3, generator=g)
    share = share / share.sum(1, keepdim=True)
    points = Points.on_surface(model, corners, share)
    double = BodyModel.open().double()

    def places(shape: Tensor, pose: Tensor) -> Tensor:
        vertices = double(Body(shape, pose, torch.zeros_like(body.expression), body.translation)).vertices[0]
        return (share.double()[..., None] * vertices[corners]).sum(1)

    shape, pose = jacobian(places, (body.shape, body.pose))
    true = torch.cat([shape[:, :, 0], pose[:, :, 0, bones].flatten(2)], dim=2)
    still = Body(body.shape, body.pose, torch.zeros_like(body.expression), body.translation)
    found = written_out(double, still, bones, points)
    assert (found - true).abs().max() < 0.01 * true.abs().max()


def test_spins_at_rest_and_elsewhere() -> None:
    vector = torch.tensor([[0.0, 0.0, 0.0], [0.3, -1.2, 0.5]], dtype=torch.float64)
    step = 1e-6
    for k in range(3):
        moved = vector.clone()
        moved[:, k] += step
        turned = roma.rotvec_to_rotmat(moved) @ roma.rotvec_to_rotmat(vector).transpose(1, 2)
        torch.testing.assert_close(roma.rotmat_to_rotvec(turned) / step, spins_of(vector)[..., k], atol=1e-5, rtol=0)
