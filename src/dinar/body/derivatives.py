"""How points that a body carries move with its parameters: derivatives written out, for least squares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from dinar.body.model import BodyMesh, BodyModel


@dataclass(frozen=True)
class Points:
    """N points on a body, each a sum of C places on its skin or its joints; float64.

    rest   [N, C, 3]       metres, in the mean person at rest
    basis  [N, C, 3, Q]    metres for one unit of each coefficient: the shape's, then the expression's or none of them
    skin   [N, C, J]       skin weights times the place's share in the point
    bend   [N, C, 3, B]    metres for one unit of each pose corrective, or B = 0
    """

    rest: Tensor
    basis: Tensor
    skin: Tensor
    bend: Tensor

    def __len__(self) -> int:
        return len(self.rest)

    def __getitem__(self, rows: Tensor) -> Self:
        return type(self)(self.rest[rows], self.basis[rows], self.skin[rows], self.bend[rows])

    @classmethod
    def landmarks(cls, model: BodyModel) -> Self:
        """A body's landmarks; few vertices (`only_landmarks`) make that quick."""
        joints, vertices = len(model.parents), len(model.template)
        of_joints = torch.cat([model.joint_shape_basis, model.joint_expression_basis])
        of_vertices = torch.cat([model.shape_basis, model.whole_expression_basis()])
        basis = torch.cat([of_joints, of_vertices], dim=1).permute(1, 2, 0).double()
        skin = torch.cat([torch.eye(joints).to(model.skin_weights), model.skin_weights]).double()
        index, share = model.landmark_index, model.landmark_weight.double()
        if model.pose_basis is None:
            bend = basis.new_zeros(joints + vertices, 3, 0)
        else:
            of_skin = model.pose_basis.permute(1, 2, 0).double()
            bend = torch.cat([of_skin.new_zeros(joints, *of_skin.shape[1:]), of_skin])
        rest = torch.cat([model.joint_template, model.template]).double()
        return cls(rest[index], basis[index], skin[index] * share[..., None], bend[index])

    @classmethod
    def on_surface(cls, model: BodyModel, corners: Tensor, share: Tensor) -> Self:
        """Points in triangles with `corners` [N, 3] (vertices) and weights `share` [N, 3], as one place each.

        Exact but for how skin weights differ within a triangle. No expression moves them.
        """
        index = corners.flatten()

        def mean(basis: Tensor) -> Tensor:            # [Q, V, 3] -> [N, 1, 3, Q]
            gathered = basis.index_select(1, index).unflatten(1, corners.shape)
            return (gathered * share[:, :, None]).sum(2).permute(1, 2, 0)[:, None].double()

        basis = mean(model.shape_basis)
        skin = (model.skin_weights[corners] * share[..., None]).sum(1)[:, None].double()
        bend = basis[..., :0] if model.pose_basis is None else mean(model.pose_basis)
        return cls(mean(model.template[None])[..., 0], basis, skin, bend)


class Derivatives:
    """Derivatives of points by a model's coefficients and by the rotations of some of its bones."""

    def __init__(self, model: BodyModel, bones: Sequence[int]) -> None:
        count = len(model.parents)
        above = torch.eye(count, dtype=torch.float64)             # [J, J]: 1 where a joint is, or hangs on, another
        for joint, parent in enumerate(model.parents):
            if parent >= 0:
                above[joint] += above[parent]
        self.bones = torch.tensor(list(bones))
        self._above, self._below = above, above[:, self.bones]
        self._parents = torch.tensor(model.parents)
        self._basis = torch.cat([model.joint_shape_basis, model.joint_expression_basis]).permute(1, 2, 0).double()
        self._bone_basis = self._basis.clone()                    # [J, 3, S + E] of the way from the parent
        self._bone_basis[1:] -= self._basis[self._parents[1:]]

    def of(self, points: Points, coefficients: Tensor, rotations: Tensor, spins: Tensor, mesh: BodyMesh) -> Tensor:
        """[N, 3, Q + 3 K] metres for one unit of each coefficient, then of each of the K bones' three parameters.

        coefficients  [S + E]     the shape's, the expression's
        rotations     [J, 3, 3]   of each joint in its parent's frame
        spins         [K, 3, 3]   columns: the angular velocity that a bone's parameter gives it, in its parent's frame
        mesh          the body with these parameters, batch of 1
        All float64.
        """
        transforms, count = mesh.transforms[0, :, :3], points.basis.shape[-1]
        turns = transforms[..., :3]
        rest = points.rest + points.basis @ coefficients[:count]
        if points.bend.shape[-1]:
            rest = rest + points.bend @ (rotations[1:] - torch.eye(3).to(rotations)).flatten()
        blend = torch.tensordot(points.skin, turns, dims=1)                                   # [N, C, 3, 3]
        by_coefficient = blend.transpose(1, 2).flatten(2) @ points.basis.flatten(1, 2)        # [N, 3, Q]
        weight = points.skin.sum(1)                                                           # [N, J]
        offsets = self._offsets(turns)[..., :count]
        by_coefficient = by_coefficient + torch.tensordot(weight, offsets, dims=1)

        rest = torch.cat([rest, torch.ones_like(rest[..., :1])], dim=-1)
        parts = points.skin.transpose(1, 2) @ rest                                            # [N, J, 4]
        parts = parts.transpose(0, 1) @ transforms.transpose(1, 2)                            # [J, N, 3]
        moment = torch.tensordot(parts, self._below, dims=([0], [0])).transpose(1, 2)         # [N, K, 3]
        arm = moment - (weight @ self._below)[..., None] * mesh.joints[0, self.bones]
        x, y, z = arm[..., None].unbind(-2)                                                   # [N, K, 1]
        u, v, w = (self._frames(turns)[self.bones] @ spins).unbind(-2)                        # [K, 3]
        by_rotation = torch.stack([v * z - w * y, w * x - u * z, u * y - v * x], dim=1)       # [N, 3, K, 3]
        if points.bend.shape[-1]:
            by_rotation = by_rotation + self._bending(points, blend, rotations, spins)
        return torch.cat([by_coefficient, by_rotation.flatten(2)], dim=2)

    def _frames(self, turns: Tensor) -> Tensor:
        """World rotations [J, 3, 3] of each joint's parent."""
        return torch.cat([torch.eye(3).to(turns)[None], turns[self._parents[1:]]])

    def _offsets(self, turns: Tensor) -> Tensor:
        """Derivatives [J, 3, S + E] of the joints' transforms' last columns by the coefficients."""
        ways = self._frames(turns) @ self._bone_basis
        return torch.tensordot(self._above, ways, dims=1) - turns @ self._basis

    def _bending(self, points: Points, blend: Tensor, rotations: Tensor, spins: Tensor) -> Tensor:
        """What pose correctives add [N, 3, K, 3]."""
        turned = torch.linalg.cross(spins.transpose(1, 2)[:, :, :, None], rotations[self.bones, None], dim=2)
        turned = turned.flatten(2)                                                            # [K, 3, 9]
        bend = points.bend.unflatten(-1, (-1, 9))
        bend = torch.cat([torch.zeros_like(bend[..., :1, :]), bend], dim=-2)                  # the root bends nothing
        return torch.einsum("ncab,ncbkm,kim->naki", blend, bend[..., self.bones, :], turned)


def spins_of(rotations: Tensor) -> Tensor:
    """Angular velocities [..., 3, 3] (columns) for one unit of each component of rotation vectors [..., 3]."""
    angle = rotations.norm(dim=-1, keepdim=True)[..., None].clamp(min=1e-8)
    x, y, z = (rotations / angle[..., 0]).unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))
    sine = 1 - angle.sin() / angle
    return torch.eye(3).to(rotations) + (1 - angle.cos()) / angle * cross + sine * (cross @ cross)
