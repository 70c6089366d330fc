"""Parametric bodies of the SMPL family: linear shape and expression bases, a joint tree, linear blend skinning."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self

import numpy as np
import roma
import torch
from torch import Tensor, nn

from dinar.body import anatomy
from dinar.body.smplx import read_smplx

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Body:
    """The parameters of B bodies; a batch of 1 in one field goes with any batch in the others.

    shape        float32 [B, S]     standard deviations from the mean person
    pose         float32 [B, J, 3]  rotation vectors in the parent's frame; all frames are the world's at rest
    expression   float32 [B, E]     0 = neutral; ARKit's strengths in [0, 1] for the open body
    translation  float32 [B, 3]     metres
    """

    shape: Tensor
    pose: Tensor
    expression: Tensor
    translation: Tensor

    def __len__(self) -> int:
        return max(len(getattr(self, f.name)) for f in fields(self))

    def __getitem__(self, index: slice) -> Self:
        """Some of the bodies; fields with a batch of 1 stay as they are."""
        parts = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{k: v if len(v) == 1 and len(self) > 1 else v[index] for k, v in parts.items()})

    def to(self, where: torch.device | torch.dtype | str) -> Self:
        """The same on a device, or in numbers of a kind."""
        return replace(self, **{f.name: getattr(self, f.name).to(where) for f in fields(self)})


@dataclass(frozen=True)
class BodyMesh:
    """Posed bodies.

    vertices    float32 [B, V, 3]     metres
    joints      float32 [B, J, 3]     metres
    transforms  float32 [B, J, 4, 4]  rest -> posed, joint by joint, translation included
    """

    vertices: Tensor
    joints: Tensor
    transforms: Tensor


class BodyModel(nn.Module):
    """A body model: `Body` parameters in, `BodyMesh` out; differentiable in every parameter.

    `BodyModel.open()` is the body that ships with the package, `BodyModel.smplx(path)` reads a user's own SMPL-X file.
    """

    def __init__(
        self,
        *,
        name: str,                            # "open" or "smplx"
        template: Tensor,                     # [V, 3] metres, Y up, facing +Z
        shape_basis: Tensor,                  # [S, V, 3] metres for one standard deviation
        expression_index: Tensor,             # [N] vertices that an expression moves
        expression_basis: Tensor,             # [E, N, 3] metres at strength 1
        joint_template: Tensor,               # [J, 3] metres
        joint_shape_basis: Tensor,            # [S, J, 3] metres for one standard deviation
        joint_expression_basis: Tensor,       # [E, J, 3] metres at strength 1
        skin_weights: Tensor,                 # [V, J] rows sum to 1
        faces: Tensor,                        # [F, 3] counter-clockwise seen from outside
        parents: Sequence[int],               # [J] -1 for the root; a parent stands before its children
        joint_names: Sequence[str],           # [J]
        expression_names: Sequence[str],      # [E]
        expression_range: tuple[float, float],  # of an ordinary face
        humanoid: Mapping[str, str],          # VRM 1.0 humanoid bone -> joint name
        landmarks: Mapping[str, anatomy.Landmark],
        pose_basis: Tensor | None = None,     # [9 (J - 1), V, 3] pose correctives (SMPL), metres
    ) -> None:
        super().__init__()
        self.name = name
        self.joint_names = tuple(joint_names)
        self.expression_names = tuple(expression_names)
        self.expression_range = expression_range
        self.parents = tuple(int(p) for p in parents)
        self.humanoid = {bone: self.joint_names.index(joint) for bone, joint in humanoid.items()}
        self.register_buffer("template", template)
        self.register_buffer("shape_basis", shape_basis)
        self.register_buffer("expression_index", expression_index)
        self.register_buffer("expression_basis", expression_basis)
        self.register_buffer("joint_template", joint_template)
        self.register_buffer("joint_shape_basis", joint_shape_basis)
        self.register_buffer("joint_expression_basis", joint_expression_basis)
        self.register_buffer("skin_weights", skin_weights)
        self.register_buffer("faces", faces)
        self.register_buffer("offsets", torch.zeros_like(template))   # of `moved`; in `template` already
        self.register_buffer("layer", torch.zeros(len(template), dtype=torch.int64))   # of each vertex: 0 is the body
        self.layers: dict[str, Tensor] = {}   # coefficients [K] of those worn, by their names; the first is layer 1
        self.register_buffer("pose_basis", pose_basis)
        levels, placed = _levels(self.parents)
        self.depth = len(levels)
        for d, (order, above, row) in enumerate(levels):
            self.register_buffer(f"level{d}", torch.tensor([order, above, row]))
        self.register_buffer("unplaced", torch.tensor(placed).argsort())
        self.landmark_names = tuple(landmarks)
        index, weight = _landmark_tables(landmarks, self.joint_names)
        self.register_buffer("landmark_index", index)
        self.register_buffer("landmark_weight", weight)

    @classmethod
    def open(cls, *, helpers: bool = False) -> Self:
        """The open body, 13,718 vertices; with `helpers` MakeHuman's 5,440 helper vertices stand behind them."""
        data = np.load(DATA / "open.npz", allow_pickle=False)
        count = len(data["template"]) if helpers else int(data["body_vertices"])
        skin_weights = np.zeros((count, len(data["joints"])), np.float32)
        joint = data["skin_index"][:count].astype(np.int64)
        np.put_along_axis(skin_weights, joint, _f32(data["skin_weight"][:count]), axis=1)
        skin_weights /= skin_weights.sum(1, keepdims=True)
        moved = data["expression_index"] < count
        names = data["joint_names"].tolist()
        expression_basis = _f32(data["expression_basis"][:, moved])
        return cls(
            name="open",
            template=torch.from_numpy(data["template"][:count]),
            shape_basis=torch.from_numpy(_f32(data["shape_basis"][:, :count])),
            expression_index=torch.from_numpy(data["expression_index"][moved].astype(np.int64)),
            expression_basis=torch.from_numpy(expression_basis),
            joint_template=torch.from_numpy(data["joints"]),
            joint_shape_basis=torch.from_numpy(data["joint_shape_basis"]),
            joint_expression_basis=torch.zeros(len(expression_basis), len(names), 3),
            skin_weights=torch.from_numpy(skin_weights),
            faces=torch.from_numpy(data["faces"].astype(np.int64)),
            parents=data["parents"].tolist(),
            joint_names=names,
            expression_names=data["expression_names"].tolist(),
            expression_range=(0.0, 1.0),
            humanoid=anatomy.OPEN_HUMANOID,
            landmarks=anatomy.OPEN_LANDMARKS,
        )

    @classmethod
    def smplx(
        cls,
        path: Path,
        *,
        shape_components: int = 10,       # of the file's 10 or 300
        expression_components: int = 10,  # of the file's 10 or 100
    ) -> Self:
        """SMPL-X from the user's own `SMPLX_*.npz`; nothing in it is unpickled.

        Raises InputError where the file is missing, damaged or of another model.
        """
        data = read_smplx(Path(path))
        directions = data["shapedirs"].transpose(2, 0, 1)
        shapes = 300 if len(directions) >= 400 else len(directions) // 2
        shape_basis = directions[: min(shape_components, shapes)]
        expression_basis = directions[shapes : shapes + expression_components]
        regressor = data["J_regressor"]
        vertices = len(data["v_template"])
        return cls(
            name="smplx",
            template=torch.from_numpy(data["v_template"]),
            shape_basis=torch.from_numpy(shape_basis.copy()),
            expression_index=torch.arange(vertices),
            expression_basis=torch.from_numpy(expression_basis.copy()),
            joint_template=torch.from_numpy(regressor @ data["v_template"]),
            joint_shape_basis=torch.from_numpy(regressor @ shape_basis),
            joint_expression_basis=torch.from_numpy(regressor @ expression_basis),
            skin_weights=torch.from_numpy(data["weights"]),
            faces=torch.from_numpy(data["f"].astype(np.int64)),
            parents=[-1, *data["kintree_table"][0, 1:].astype(np.int64).tolist()],
            joint_names=anatomy.SMPLX_JOINTS,
            expression_names=[f"expression{i}" for i in range(len(expression_basis))],
            expression_range=(-2.0, 2.0),
            humanoid=anatomy.SMPLX_HUMANOID,
            landmarks=anatomy.SMPLX_LANDMARKS,
            pose_basis=torch.from_numpy(data["posedirs"].transpose(2, 0, 1).copy()),
        )

    def neutral(self, batch: int = 1) -> Body:
        """The mean person at rest."""
        zeros = self.template.new_zeros
        return Body(
            zeros(batch, len(self.shape_basis)),
            zeros(batch, len(self.parents), 3),
            zeros(batch, len(self.expression_names)),
            zeros(batch, 3),
        )

    def moved(self, offsets: Tensor) -> Self:
        """The same body with its resting vertices moved by [V, 3] metres; joints and skin weights stay."""
        other = self._copy()
        other.template = other.template + offsets.to(other.template)
        other.offsets = other.offsets + offsets.to(other.template)
        return other

    def layered(
        self,
        name: str,
        coefficients: Tensor,      # [K] of the layer's own shape, which `vertices` already have
        vertices: Tensor,          # [N, 3] on the mean body at rest, metres
        shape_basis: Tensor,       # [S, N, 3] metres for one standard deviation
        skin_weights: Tensor,      # [N, J] rows sum to 1
        faces: Tensor,             # [F, 3] rows of `vertices`
    ) -> Self:
        """The same body with one more layer (`body.layers`) behind its vertices and triangles."""
        other, count = self._copy(), len(self.template)

        def behind(own: Tensor, more: Tensor, dim: int = 0) -> Tensor:
            return torch.cat([own, more.to(own)], dim=dim)

        other.layers = self.layers | {name: coefficients}
        other.template = behind(self.template, vertices)
        other.offsets = behind(self.offsets, torch.zeros_like(vertices))
        other.layer = behind(self.layer, torch.full((len(vertices),), len(other.layers)))
        other.shape_basis = behind(self.shape_basis, shape_basis, dim=1)
        other.skin_weights = behind(self.skin_weights, skin_weights)
        other.faces = behind(self.faces, faces + count)
        return other

    def without_layers(self) -> Self:
        """The same body, naked; its own vertices stay `moved`."""
        other, own = self._copy(), int((self.layer == 0).sum())
        other.layers = {}
        for name in ("template", "offsets", "layer", "skin_weights"):
            setattr(other, name, getattr(self, name)[:own])
        other.shape_basis = self.shape_basis[:, :own]
        other.faces = self.faces[(self.faces < own).all(1)]
        return other

    def only_posed(self, shape: Tensor, expression: Tensor) -> Self:
        """The same body of one shape [S] and expression [E]: its `Body` has none, [B, 0], and moves in less time."""
        other = self._copy()
        (other.template,), (other.joint_template,) = self._unposed(shape[None], expression[None])
        for basis in ("shape_basis", "joint_shape_basis", "expression_basis", "joint_expression_basis"):
            setattr(other, basis, getattr(self, basis)[:0])
        return other

    def rest(self, shape: Tensor) -> tuple[Tensor, Tensor]:
        """Vertices [B, V, 3] and joints [B, J, 3] of unposed bodies of shape [B, S], metres."""
        vertices = self.template + torch.matmul(shape, self.shape_basis.flatten(1)).unflatten(1, (-1, 3))
        joints = self.joint_template + torch.matmul(shape, self.joint_shape_basis.flatten(1)).unflatten(1, (-1, 3))
        return vertices, joints

    def forward(self, body: Body) -> BodyMesh:
        vertices, joints = self._unposed(body.shape, body.expression)
        rotations = roma.rotvec_to_rotmat(body.pose)
        if self.pose_basis is not None:
            bend = (rotations[:, 1:] - torch.eye(3).to(rotations)).flatten(1)
            vertices = vertices + torch.matmul(bend, self.pose_basis.flatten(1)).unflatten(1, (-1, 3))
        transforms, joints = self._kinematics(rotations, joints, body.translation)
        blend = torch.matmul(self.skin_weights, transforms[:, :, :3].flatten(2)).unflatten(2, (3, 4))   # [B, V, 3, 4]
        vertices = (blend[..., :3] * vertices[:, :, None]).sum(-1) + blend[..., 3]
        return BodyMesh(vertices, joints, transforms)

    def _unposed(self, shape: Tensor, expression: Tensor) -> tuple[Tensor, Tensor]:
        """Vertices and joints of unposed bodies of shape [B, S] and expression [B, E], metres."""
        vertices, joints = self.rest(shape)
        offset = torch.matmul(expression, self.expression_basis.flatten(1)).unflatten(1, (-1, 3))
        if len(self.expression_index) == len(self.template):
            vertices = vertices + offset
            moved = torch.matmul(expression, self.joint_expression_basis.flatten(1))
            joints = joints + moved.unflatten(1, (-1, 3))
        else:
            if len(offset) > len(vertices):
                vertices = vertices.expand(len(offset), -1, -1)
            vertices = vertices.index_add(1, self.expression_index, offset.expand(len(vertices), -1, -1))
        return vertices, joints

    def landmarks(self, mesh: BodyMesh) -> Tensor:
        """The points `landmark_names` of posed bodies [B, L, 3], metres."""
        points = torch.cat([mesh.joints, mesh.vertices], dim=1)
        corners = points.index_select(1, self.landmark_index.flatten()).unflatten(1, self.landmark_index.shape)
        return (corners * self.landmark_weight[..., None]).sum(2)

    def below(self, joints: Collection[int]) -> list[int]:
        """Some joints and all that hang on them, in their order."""
        found = set(joints)
        for joint, parent in enumerate(self.parents):       # parents stand before their children
            if parent in found:
                found.add(joint)
        return sorted(found)

    def only_landmarks(self) -> BodyModel:
        """The same body with no vertices but those of its landmarks: their positions at a hundredth of the work."""
        joints = len(self.joint_names)
        used = torch.unique(self.landmark_index[self.landmark_index >= joints] - joints)
        few = self._copy()
        few.template, few.shape_basis = self.template[used], self.shape_basis[:, used]
        few.skin_weights, few.layer = self.skin_weights[used], self.layer[used]
        few.expression_basis = self.whole_expression_basis()[:, used]
        few.expression_index = torch.arange(len(used), device=used.device)
        few.faces = self.faces[:0]
        if self.pose_basis is not None:
            few.pose_basis = self.pose_basis[:, used]
        row = torch.searchsorted(used, (self.landmark_index - joints).clamp(min=0))
        few.landmark_index = torch.where(self.landmark_index < joints, self.landmark_index, joints + row)
        return few

    def whole_expression_basis(self) -> Tensor:
        """[E, V, 3] of all vertices, metres at strength 1."""
        basis = torch.zeros(len(self.expression_names), len(self.template), 3).to(self.template)
        return basis.index_copy(1, self.expression_index, self.expression_basis)

    def _copy(self) -> Self:
        """The same tensors under names of their own."""
        other = copy.copy(self)
        other._buffers = dict(self._buffers)
        return other

    def _kinematics(self, rotations: Tensor, joints: Tensor, translation: Tensor) -> tuple[Tensor, Tensor]:
        """Transforms [B, J, 4, 4] and posed joints [B, J, 3] from local rotations [B, J, 3, 3] and rest joints."""
        batch = max(len(rotations), len(joints), len(translation))
        rotations, joints = rotations.expand(batch, -1, -1, -1), joints.expand(batch, -1, -1)
        turn, position = rotations[:, :1], (joints[:, 0] + translation)[:, None]
        turns, positions = [turn], [position]
        for d in range(self.depth):      # index_select, because plain indexing sums its gradient in no fixed order
            order, above, row = getattr(self, f"level{d}")
            bone = joints.index_select(1, order) - joints.index_select(1, above)
            parent = turn.index_select(1, row)
            position = position.index_select(1, row) + (parent @ bone[..., None])[..., 0]
            turn = parent @ rotations.index_select(1, order)
            turns.append(turn)
            positions.append(position)
        turn = torch.cat(turns, dim=1).index_select(1, self.unplaced)
        position = torch.cat(positions, dim=1).index_select(1, self.unplaced)
        offset = position - (turn @ joints[..., None])[..., 0]
        top = torch.cat([turn, offset[..., None]], dim=-1)
        bottom = torch.tensor([0.0, 0.0, 0.0, 1.0]).to(top).expand(*top.shape[:2], 1, 4)
        return torch.cat([top, bottom], dim=2), position


def _f32(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32)


def _levels(parents: Sequence[int]) -> tuple[list[tuple[list[int], list[int], list[int]]], list[int]]:
    """The joints below the root by depth (joints, parents, parents' rows in the depth above), and all in that order."""
    depth = [0]
    for parent in parents[1:]:
        depth.append(depth[parent] + 1)
    above, levels, placed = [0], [], [0]
    for d in range(1, max(depth) + 1):
        order = [j for j in range(len(parents)) if depth[j] == d]
        levels.append((order, [parents[j] for j in order], [above.index(parents[j]) for j in order]))
        above = order
        placed += order
    return levels, placed


def _landmark_tables(
    landmarks: Mapping[str, anatomy.Landmark], joint_names: Sequence[str]
) -> tuple[Tensor, Tensor]:
    """Rows and weights [L, K] of every landmark among joints and vertices, one after the other."""
    width = max((len(points) for points in landmarks.values()), default=1)
    index = torch.zeros(len(landmarks), width, dtype=torch.int64)
    weight = torch.zeros(len(landmarks), width)
    for i, points in enumerate(landmarks.values()):
        shares = points.values() if isinstance(points, Mapping) else [1 / len(points)] * len(points)
        for k, (point, share) in enumerate(zip(points, shares, strict=True)):
            index[i, k] = joint_names.index(point) if isinstance(point, str) else len(joint_names) + point
            weight[i, k] = share
    return index, weight
