"""Limbs that run into the body: spheres inside it that should not overlap."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from dinar.body.derivatives import Points
from dinar.body.model import BodyMesh, BodyModel
from dinar.fit.rows import Rows

# Part, the bones whose joints it runs between, places along the way, and metres to the person's left.
_CHAINS = (
    ("torso", ("hips", "spine", "chest", "upperChest"), (0.0, 0.33, 0.67), (-0.06, 0.0, 0.06)),
    ("head", ("neck", "head"), (1.0, 1.8), (0.0,)),
    *(
        (f"{side} {part}", tuple(f"{side}{bone}" for bone in bones), places, (0.0,))
        for side in ("left", "right")
        for part, bones, places in (
            ("arm", ("LowerArm", "Hand", "MiddleProximal", "MiddleIntermediate", "MiddleDistal"), (0.0, 0.33, 0.67)),
            ("thigh", ("UpperLeg", "LowerLeg"), (0.3, 0.5, 0.7, 0.9)),
            ("calf", ("LowerLeg", "Foot"), (0.1, 0.3, 0.5, 0.7, 0.9)),
        )
    ),
)

_PAIRS = (
    ("left arm", "torso"), ("right arm", "torso"), ("left arm", "head"), ("right arm", "head"),
    ("left arm", "right arm"), ("left arm", "left thigh"), ("left arm", "right thigh"), ("right arm", "left thigh"),
    ("right arm", "right thigh"), ("left calf", "right calf"), ("left thigh", "right calf"),
    ("right thigh", "left calf"),
)  # fmt: skip


class Contact(nn.Module):
    """How deep parts of a body are in one another.

    The spheres are the largest about their centres that the mean person's skin holds, so that touching is free.
    """

    def __init__(self, model: BodyModel) -> None:
        super().__init__()
        vertices, joints = model.rest(model.template.new_zeros(1, len(model.shape_basis)))
        parts, first, second, place, aside = [], [], [], [], []
        for part, bones, places, offsets in _CHAINS:
            chain = [model.humanoid[bone] for bone in bones]
            for a, b in pairwise(chain):
                for t in places:
                    for offset in offsets:
                        parts.append(part)
                        first.append(a)
                        second.append(b)
                        place.append(t)
                        aside.append(offset)
        self.register_buffer("first", torch.tensor(first))      # the bone that carries the sphere
        self.register_buffer("second", torch.tensor(second))
        self.register_buffer("place", torch.tensor(place))
        self.register_buffer("aside", torch.tensor(aside)[:, None] * torch.tensor([1.0, 0.0, 0.0]))
        self.register_buffer("radius", torch.cdist(self._rest(joints)[0], vertices[0]).amin(1))
        pair = [[(p, q) in _PAIRS for q in parts] for p in parts]
        self.register_buffer("pairs", torch.tensor(pair).nonzero())
        self.register_buffer("reach", self.radius[self.pairs].sum(1))   # [P] of each pair, touching

    def forward(self, model: BodyModel, shape: Tensor, mesh: BodyMesh) -> Tensor:
        """Depths [B, P] in metres of all pairs of spheres that may not overlap; 0 where they are apart."""
        return relu(self.reach - self._apart(self.centres(model, shape, mesh)).square().sum(-1).clamp(min=1e-8).sqrt())

    def centres(self, model: BodyModel, shape: Tensor, mesh: BodyMesh) -> Tensor:
        """Of the spheres [B, N, 3], metres."""
        _, joints = model.rest(shape)
        transform = mesh.transforms.index_select(1, self.first)
        return (transform[..., :3, :3] @ self._rest(joints)[..., None])[..., 0] + transform[..., :3, 3]

    def points(self, model: BodyModel) -> Points:
        """The spheres' centres as points that a body carries."""
        start, end = (model.joint_shape_basis[:, rows] for rows in (self.first, self.second))
        basis = (start + self.place[:, None] * (end - start)).permute(1, 2, 0)[:, None]
        basis = torch.cat([basis, basis.new_zeros(*basis.shape[:3], len(model.expression_names))], dim=-1)
        skin = torch.eye(len(model.parents)).to(basis)[self.first, None]
        return Points(self._rest(model.joint_template[None])[0, :, None], basis, skin, basis[..., :0])

    def rows(self, model: BodyModel, shape: Tensor, mesh: BodyMesh, moves: Callable[[Tensor], Tensor]) -> Rows:
        """Of half the squares of the depths of one body's pairs that overlap.

        moves  spheres [n] -> derivatives [n, 3, P] of their centres, in the mesh's axes
        """
        way = self._apart(self.centres(model, shape, mesh))[0]
        apart = way.square().sum(-1).clamp(min=1e-8).sqrt()
        near = (apart < self.reach).nonzero()[:, 0]
        spheres, rows = torch.unique(self.pairs[near], return_inverse=True)
        moved = moves(spheres)[rows.flatten()].unflatten(0, (-1, 2))                 # [n, 2, 3, P]
        unit = (way[near] / apart[near, None])[:, None]
        return Rows(self.reach[near] - apart[near], -(unit @ (moved[:, 0] - moved[:, 1]))[:, 0])

    def _apart(self, centre: Tensor) -> Tensor:
        """From the second to the first of each pair [B, P, 3]."""
        a, b = self.pairs.unbind(1)
        return centre.index_select(1, a) - centre.index_select(1, b)

    def _rest(self, joints: Tensor) -> Tensor:
        """Centres [B, N, 3] of the spheres in unposed bodies with joints [B, J, 3]."""
        start, end = joints.index_select(1, self.first), joints.index_select(1, self.second)
        return start + self.place[:, None] * (end - start) + self.aside
