from __future__ import annotations

from dataclasses import replace

import numpy as np
import roma
import torch

from dinar.body.model import Body, BodyModel
from dinar.synth.registration import _Step


def test_steps_are_gradients():
    """The normal equations' vector is half the gradient of the squared distances."""
    model = BodyModel.open()
    rng = np.random.default_rng(3)
    neutral = model.neutral()
    shape = torch.from_numpy(rng.normal(0, 0.8, neutral.shape.shape).astype(np.float32))
    bend = torch.from_numpy(rng.normal(0, 0.2, neutral.pose.shape).astype(np.float32))
    truth = replace(neutral, shape=shape, pose=bend)
    body = replace(truth, pose=truth.pose * 0.9)
    rows = torch.arange(0, 13000, 700)
    aims = model(truth).vertices[0, rows]
    step = _Step(model, body)
    even = torch.eye(3).expand(len(rows), 3, 3)
    step.pull_vertices(rows, even, step.vertices[rows] - aims)
    step.pull_joints(torch.tensor([5, 50]), torch.zeros(2, 3), 2.0)

    shape = body.shape.clone().requires_grad_()
    turn = torch.zeros(len(step.free), 3, requires_grad=True)
    place = body.translation.clone().requires_grad_()
    above = step.above[step.free]
    local = roma.rotvec_to_rotmat(body.pose[0])
    local = local.index_copy(0, step.free, above.mT @ roma.rotvec_to_rotmat(turn) @ above @ local[step.free])
    mesh = model(Body(shape, roma.rotmat_to_rotvec(local)[None], body.expression, place))
    loss = (mesh.vertices[0, rows] - aims).square().sum() + 2 * mesh.joints[0, [5, 50]].square().sum()
    loss.backward()
    expected = torch.cat([shape.grad[0], turn.grad.flatten(), place.grad[0]]) / 2
    assert torch.allclose(step.vector, expected, atol=1e-4 * float(expected.abs().max()))
