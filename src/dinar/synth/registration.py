"""Finds the open body in a rigged mesh: shape and pose that lie in its surface, face and joints, step by step."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import roma
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from dinar.body.model import Body, BodyModel
from dinar.body.normals import vertex_normals
from dinar.errors import InputError
from dinar.motion.motion import Motion
from dinar.motion.retarget import apply
from dinar.raster.rasterize import rasterize
from dinar.synth.glb import Rig, RiggedPart

# Where 43 of the face's iBUG points (17 to 59: brows, nose, eyes, outer lips) lie in the one UV layout of all VALID
# avatars: the median of where a face mesh network (MediaPipe's) finds them on 25 of them, both sides made alike.
VALID_MESH = "H_DDS_HighRes"
VALID_FACE = (
    (0.2013, 0.1947), (0.2205, 0.1824), (0.2442, 0.1736), (0.2693, 0.1712), (0.2945, 0.1759), (0.3545, 0.1759),
    (0.3797, 0.1712), (0.4048, 0.1736), (0.4285, 0.1824), (0.4477, 0.1947), (0.3245, 0.2077), (0.3245, 0.2385),
    (0.3245, 0.2663), (0.3245, 0.2868), (0.2945, 0.2974), (0.3040, 0.3080), (0.3245, 0.3081), (0.3450, 0.3080),
    (0.3544, 0.2974), (0.2383, 0.2172), (0.2505, 0.2111), (0.2672, 0.2095), (0.2845, 0.2142), (0.2669, 0.2196),
    (0.2497, 0.2194), (0.3645, 0.2142), (0.3818, 0.2095), (0.3985, 0.2111), (0.4107, 0.2172), (0.3993, 0.2194),
    (0.3821, 0.2196), (0.2681, 0.3545), (0.2857, 0.3403), (0.3029, 0.3381), (0.3245, 0.3389), (0.3461, 0.3381),
    (0.3633, 0.3403), (0.3809, 0.3545), (0.3581, 0.3782), (0.3421, 0.3830), (0.3245, 0.3844), (0.3069, 0.3830),
    (0.2909, 0.3782),
)  # fmt: skip
TRUNK = ("hips", "spine", "chest", "upperChest")
_LOOSE = (*TRUNK, "Shoulder", "Toes", "ThumbMetacarpal")  # joints that each skeleton puts elsewhere
_FEWEST = 200       # vertices of a figure
_GRAIN = 0.012      # metres between the points that the surfaces are compared at, about
_MOST_TURN = 0.4    # radians a step
_VIEWPOINTS = 32    # from which a surface is looked at, to know what shows
_VIEW = 512         # pixels a side


@dataclass(frozen=True)
class Stage:
    """A run of Gauss-Newton steps.

    steps     how many
    joints    weight of the joints' distances
    face      weight of the face's points
    surface   weight of the surfaces' distance
    reach     metres: surfaces farther apart pull no more
    shape     weight of the shape's distance from the mean person, standard deviations
    pose      weight of the pose's distance from the T-pose, radians
    """

    steps: int
    joints: float
    face: float
    surface: float
    reach: float
    shape: float
    pose: float


STAGES = (
    Stage(steps=6, joints=1.0, face=0.5, surface=0.0, reach=1.0, shape=3e-5, pose=1e-4),
    Stage(steps=6, joints=0.3, face=0.5, surface=1.0, reach=0.10, shape=2e-6, pose=2e-5),
    Stage(steps=10, joints=0.01, face=0.5, surface=1.0, reach=0.04, shape=3e-7, pose=1e-5),
)


@dataclass(frozen=True)
class Target:
    """What the body is registered to.

    main      which part of the rig is the figure
    points    float32 [N, 3]  its vertices that can be seen, metres
    normals   float32 [N, 3]
    area      float32 [N]     shares of the surface, sum 1
    joint     int64   [K]     joints of the body with a counterpart in the same place of the rig
    place     float32 [K, 3]  those
    vertex    int64   [L]     vertices of the body's face with a counterpart
    face      float32 [L, 3]  those
    seen      bool    [M]     the main part's vertices that can be seen
    corners   int64, float64 [L, 3]  vertices of the main part and their shares that make up `face`
    """

    main: int
    points: Tensor
    normals: Tensor
    area: Tensor
    joint: Tensor
    place: Tensor
    vertex: Tensor
    face: Tensor
    seen: np.ndarray
    corners: tuple[np.ndarray, np.ndarray]


def register(target: Target, model: BodyModel, stages: tuple[Stage, ...] = STAGES) -> Body:
    """The body that lies in a mesh: shape, pose and place, by Gauss-Newton on distances of joints, face and surfaces.

    Surfaces pull both ways along the mesh's normals; the body gives way at once where it sticks out and little where
    clothes are wide.
    """
    neutral = model.neutral()
    first = rotations = roma.rotvec_to_rotmat(_t_pose(model))
    shape = neutral.shape[0]
    joints = model(replace(neutral, pose=roma.rotmat_to_rotvec(first)[None])).joints[0]
    place = (target.place - joints[target.joint]).mean(0)
    rows, area = _thinned(model)
    points, normals, share = _thin(target.points, target.area, target.normals)
    tree = cKDTree(points.numpy())
    for stage in stages:
        for _ in range(stage.steps):
            body = Body(shape[None], roma.rotmat_to_rotvec(rotations)[None], neutral.expression, place[None])
            step = _Step(model, body)
            step.pull_joints(target.joint, target.place, stage.joints / len(target.joint))
            if len(target.vertex):
                even = torch.eye(3).expand(len(target.vertex), 3, 3) * (stage.face / len(target.vertex))
                gap = step.vertices[target.vertex] - target.face
                step.pull_vertices(target.vertex, even, (even @ gap[..., None])[..., 0])
            if stage.surface:
                step.pull_vertices(rows, *_surface_pull(step, stage, rows, area, points, normals, share, tree))
            change = step.solve(roma.rotmat_to_rotvec(rotations @ first.mT), stage)
            shape = shape + change[: len(shape)]
            turn = change[len(shape) : -3].view(-1, 3)
            turn = turn * (_MOST_TURN / turn.norm(dim=1, keepdim=True).clamp(min=_MOST_TURN))
            rotations = step.above.mT @ roma.rotvec_to_rotmat(turn) @ step.above @ rotations
            place = place + change[-3:]
    return Body(shape[None], roma.rotmat_to_rotvec(rotations)[None], neutral.expression, place[None])


class _Step:
    """The normal equations of one step. Unknowns: shape [S], turns of joints about the world's axes [J, 3], place [3].

    Joints that are held (`_stiffness`) do not turn.
    """

    def __init__(self, model: BodyModel, body: Body) -> None:
        mesh = model(body)
        self.model = model
        self.shape = body.shape[0]
        self.vertices, self.joints = mesh.vertices[0], mesh.joints[0]
        self.turns = mesh.transforms[0, :, :3, :3]
        self.offsets = mesh.transforms[0, :, :3, 3]
        self.rest = model.rest(body.shape)[0][0]
        count, shapes = len(model.parents), len(self.shape)
        self.above = torch.eye(3).repeat(count, 1, 1)  # the parent's turn
        self.below = torch.eye(count)  # [i, j] = 1 where j hangs on i
        moved = torch.empty(count, 3, shapes)
        basis = model.joint_shape_basis.permute(1, 2, 0)
        for j, parent in enumerate(model.parents):
            if parent < 0:
                moved[j] = basis[j]
                continue
            self.above[j] = self.turns[parent]
            self.below[:, j] += self.below[:, parent]
            moved[j] = moved[parent] + self.turns[parent] @ (basis[j] - basis[parent])
        self.joint_moves = moved
        self.offset_moves = moved - self.turns @ basis
        self.stiff = _stiffness(model)
        self.free = torch.nonzero(self.stiff.isfinite())[:, 0]
        size = shapes + 3 * len(self.free) + 3
        self.matrix, self.vector = torch.zeros(size, size), torch.zeros(size)

    def pull_joints(self, rows: Tensor, points: Tensor, weight: float) -> None:
        """Adds the squared distances of joints from points [N, 3]."""
        under = (self.below - torch.eye(len(self.below)))[self.free][:, rows]  # a joint's own turn leaves it in place
        arm = under.T[..., None] * (self.joints[rows, None] - self.joints[self.free])
        even = torch.eye(3).expand(len(rows), 3, 3) * weight
        self._add(self.joint_moves[rows], arm, even, (self.joints[rows] - points) * weight)

    def pull_vertices(self, rows: Tensor, metric: Tensor, force: Tensor) -> None:
        """Adds the pull of vertices: the squares' weights [N, 3, 3], and those times the distances [N, 3]."""
        skin = self.model.skin_weights[rows]
        blend = (skin @ self.turns.flatten(1)).view(-1, 3, 3)
        by_shape = blend @ self.model.shape_basis[:, rows].permute(1, 2, 0)
        by_shape += (skin @ self.offset_moves.flatten(1)).view(len(rows), 3, -1)
        part = (self.rest[rows] @ self.turns.flatten(0, 1).T).view(len(rows), -1, 3) + self.offsets
        below = self.below[self.free]
        part = below @ (skin[..., None] * part)
        arm = part - (skin @ below.T)[..., None] * self.joints[self.free]
        self._add(by_shape, arm, metric, force)

    def _add(self, by_shape: Tensor, arm: Tensor, metric: Tensor, force: Tensor) -> None:
        x, y, z = arm.unbind(-1)
        zero = torch.zeros_like(x)
        by_turn = torch.stack([zero, z, -y, -z, zero, x, y, -x, zero], dim=1).view(len(x), 3, 3, -1)  # d(w x arm) / dw
        by_turn = by_turn.transpose(2, 3).flatten(2)
        by_place = torch.eye(3).expand(len(x), 3, 3)
        jacobian = torch.cat([by_shape, by_turn, by_place], dim=2)
        self.matrix += jacobian.flatten(0, 1).T @ (metric @ jacobian).flatten(0, 1)
        self.vector += force.flatten() @ jacobian.flatten(0, 1)

    def solve(self, bend: Tensor, stage: Stage) -> Tensor:
        """The step [S + 3 J + 3], with priors on the shape and on how far joints are bent [J, 3]."""
        shapes, free = len(self.shape), self.free
        bend = (self.above @ bend[..., None])[free, :, 0]  # about the world's axes
        stiff = stage.pose * self.stiff[free].repeat_interleave(3)
        prior = torch.cat([torch.full((shapes,), stage.shape), stiff, torch.zeros(3)]).double()
        now = torch.cat([self.shape, bend.flatten(), torch.zeros(3)]).double()
        matrix = self.matrix.double() + torch.diag(prior + 1e-9)
        found = torch.linalg.solve(matrix, -(self.vector.double() + prior * now)).float()
        turn = torch.zeros(len(self.below), 3)
        turn[free] = found[shapes:-3].view(-1, 3)
        return torch.cat([found[:shapes], turn.flatten(), found[-3:]])


def _surface_pull(
    step: _Step, stage: Stage, rows: Tensor, area: Tensor, points: Tensor, normals: Tensor, share: Tensor,
    tree: cKDTree,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """What pulls the body's vertices `rows`, as `_Step.pull_vertices` takes it: they and the mesh's points [N, 3] are
    each drawn to the nearest of the other, along the mesh's normal."""
    ours, facing = step.vertices[rows], vertex_normals(step.vertices[None], step.model.faces)[0, rows]
    near = torch.from_numpy(tree.query(ours.numpy())[1])
    back = torch.from_numpy(cKDTree(ours.numpy()).query(points.numpy())[1])
    body = torch.cat([torch.arange(len(rows)), back])
    mesh = torch.cat([near, torch.arange(len(points))])
    gap, normal = ours[body] - points[mesh], normals[mesh]
    weight = torch.cat([area, share]) * _trust(gap, facing[body], normal, stage.reach) * stage.surface
    pull = weight[:, None] * normal
    metric = torch.zeros(len(rows), 3, 3).index_add(0, body, pull[..., None] * normal[:, None])
    force = torch.zeros(len(rows), 3).index_add(0, body, pull * (gap * normal).sum(1, keepdim=True))
    return metric, force


def _trust(gap: Tensor, ours: Tensor, theirs: Tensor, reach: float) -> Tensor:
    """Weights of pairs [N]: Geman-McClure's, wide where the body sticks out; none where the surfaces face apart."""
    out = (gap * theirs).sum(1)
    width = torch.where(out > 0, 1.0, 0.4) * reach
    weight = torch.where(out > 0, 2.0, 1.0) / (1 + gap.square().sum(1) / width.square()).square()
    return weight * ((ours * theirs).sum(1) > 0.3)


def _t_pose(model: BodyModel) -> Tensor:
    """The mean body's T-pose [J, 3]."""
    names = tuple(bone for bone in model.humanoid if bone != "jaw")
    straight = Motion(names, torch.zeros(1, len(names), 3), torch.tensor([[0.0, 1.0, 0.0]]), 30.0)
    return apply(straight, model, model.neutral().shape[0]).pose[0]


@lru_cache(maxsize=2)
def _stiffness(model: BodyModel) -> Tensor:
    """How much harder than others a joint turns [J]: those without a humanoid bone's name share what others do; eyes
    and toes are held."""
    named = set(model.humanoid.values())
    held = ("eye", "toe")
    stiff = [1.0 if j in named else 20.0 for j in range(len(model.parents))]
    return torch.tensor([math.inf if n.startswith(held) else s for n, s in zip(model.joint_names, stiff, strict=True)])


def _thin(points: Tensor, area: Tensor, normals: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Fewer points [M, 3] of a surface with their normals and shares: one for each cube that it passes through."""
    first, number = _cubes(points)
    return points[first], normals[first], torch.zeros(len(first)).index_add(0, number, area)


@lru_cache(maxsize=2)
def _thinned(model: BodyModel) -> tuple[Tensor, Tensor]:
    """Fewer of `visible_body`'s vertices, likewise, with their shares."""
    rows, area = visible_body(model)
    first, number = _cubes(model.template[rows])
    return rows[first], torch.zeros(len(first)).index_add(0, number, area)


def _cubes(points: Tensor) -> tuple[Tensor, Tensor]:
    """The first point in each cube of _GRAIN metres, and each point's cube."""
    cube = torch.floor(points / _GRAIN).long().numpy()
    _, first, number = np.unique(cube, axis=0, return_index=True, return_inverse=True)
    return torch.from_numpy(first), torch.from_numpy(number.reshape(-1))


@lru_cache(maxsize=2)
def visible_body(model: BodyModel) -> tuple[Tensor, Tensor]:
    """The body's vertices that show [N], and their shares of the surface [N]; eyeballs are left out."""
    vertices = model.template.numpy()
    faces = model.faces.numpy()
    seen = _seen(vertices, faces)
    eyes = [model.joint_names.index(name) for name in ("eye.L", "eye.R") if name in model.joint_names]
    seen &= model.skin_weights[:, eyes].sum(1).numpy() < 0.5
    rows = np.flatnonzero(seen)
    return torch.from_numpy(rows), _shares(vertices, faces, rows)


def _seen(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Which vertices [N] belong to a triangle that shows from somewhere outside."""
    middle = (vertices.min(0) + vertices.max(0)) / 2
    reach = float(np.linalg.norm(vertices - middle, axis=1).max())
    found = np.zeros(len(faces), bool)
    for k in range(_VIEWPOINTS):
        height, angle = 1 - (2 * k + 1) / _VIEWPOINTS, k * math.pi * (1 + math.sqrt(5))
        level = math.sqrt(1 - height * height)
        away = -np.array([level * math.cos(angle), height, level * math.sin(angle)])
        right = np.cross(away, [0, 1, 0])
        right /= np.linalg.norm(right)
        frame = np.stack([right, np.cross(away, right), away])
        points = (vertices - middle) @ frame.T * (_VIEW / 2 / reach) + [_VIEW / 2, _VIEW / 2, 2 * _VIEW]
        hit = rasterize(torch.from_numpy(points.astype(np.float32))[None], torch.from_numpy(faces), (_VIEW, _VIEW))
        number = np.unique(hit.face.numpy())
        found[number[number >= 0]] = True
    seen = np.zeros(len(vertices), bool)
    seen[faces[found]] = True
    return seen


def _shares(vertices: np.ndarray, faces: np.ndarray, rows: np.ndarray) -> Tensor:
    """Shares of the surface that vertices stand for, float32 [len(rows)], sum 1."""
    a, b, c = (vertices[faces[:, k]].astype(np.float64) for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    total = np.bincount(faces.ravel(), np.repeat(area, 3), len(vertices))[rows]
    return torch.from_numpy((total / total.sum()).astype(np.float32))


def target_of(rig: Rig, bones: dict[str, tuple[int, ...]], model: BodyModel) -> Target:
    main = max(range(len(rig.parts)), key=lambda k: len(rig.parts[k].vertices))
    part = rig.parts[main]
    seen = _seen(part.vertices, part.faces)
    rows = np.flatnonzero(seen)
    if len(rows) < _FEWEST:
        raise InputError(f"{rig.source} has a mesh of only {len(rows)} vertices that show; that is no person")
    normals = vertex_normals(torch.from_numpy(part.vertices)[None], torch.from_numpy(part.faces))[0]
    shared = [bone for bone in bones if bone in model.humanoid and not bone.endswith(_LOOSE)]
    corners = _face_corners(part) if part.name == VALID_MESH else (np.zeros((0, 3), np.int64), np.zeros((0, 3)))
    index = dict(zip(model.landmark_names, model.landmark_index[:, 0].tolist(), strict=True))
    vertex = [index[f"face_{17 + k}"] - len(model.joint_names) for k in range(len(corners[0]))]
    return Target(
        main=main,
        points=torch.from_numpy(part.vertices[rows]),
        normals=normals[torch.from_numpy(rows)],
        area=_shares(part.vertices, part.faces, rows),
        joint=torch.tensor([model.humanoid[bone] for bone in shared]),
        place=torch.from_numpy(rig.positions[[bones[bone][0] for bone in shared]]),
        vertex=torch.tensor(vertex, dtype=torch.int64),
        face=torch.from_numpy(mixed(part.vertices, corners).astype(np.float32)),
        seen=seen,
        corners=corners,
    )


def _face_corners(part: RiggedPart) -> tuple[np.ndarray, np.ndarray]:
    """The triangles' corners [L, 3] and shares [L, 3] at VALID_FACE."""
    a, b, c = (part.uv[part.uv_faces[:, k]].astype(np.float64) for k in range(3))
    area = _cross(b - a, c - a)
    area = np.where(np.abs(area) < 1e-12, np.inf, area)
    index, share = [], []
    for point in np.array(VALID_FACE):
        weight = np.stack([_cross(c - b, point - b), _cross(a - c, point - c), _cross(b - a, point - a)], axis=1)
        weight /= area[:, None]
        best = int(weight.min(1).argmax())
        index.append(part.faces[best])
        share.append(np.clip(weight[best], 0, 1) / np.clip(weight[best], 0, 1).sum())
    return np.stack(index), np.stack(share)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Twice the signed area between vectors [N, 2]."""
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def mixed(vertices: np.ndarray, corners: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Points [L, 3] between corners of triangles."""
    return (vertices[corners[0]] * corners[1][..., None]).sum(1)
