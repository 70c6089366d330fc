"""A figure's mesh as rigged files hold it: split at seams, its joints with their frames, facial actions, motions."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import roma
import torch
from torch import Tensor

from dinar.body.model import Body, BodyModel
from dinar.body.normals import vertex_normals
from dinar.errors import InputError
from dinar.export.figure import Figure, standing
from dinar.export.frames import along_bones
from dinar.export.profiles import PLAIN, Profile
from dinar.motion import retarget
from dinar.motion.joint_names import mixamo_name
from dinar.motion.motion import Motion
from dinar.speech.actions import mixing

INFLUENCES = (4, 8)
_SAME = 1e-3        # what a normal moves less by stays as it is


@dataclass(frozen=True)
class SkinnedMesh:
    """A figure's mesh in its rest pose; vertices are split where the texture is cut.

    name         of its node
    body_vertex  int64   [N]        the body's vertex that each was
    vertices     float32 [N, 3]     metres; the whole figure's lowest one is at y = 0
    normals      float32 [N, 3]     of unit length, not split
    uv           float32 [N, 2]     origin top left
    faces        int64   [F, 3]     counter-clockwise seen from outside
    joint        int64   [N, K]     joints that move a vertex, the strongest first; 0 where its weight is 0
    weight       float32 [N, K]     rows sum to 1
    actions      M names of the morph targets
    morphs       float32 [M, N, 3]  metres at strength 1
    bends        float32 [M, N, 3]  what that changes of the normals; None: not told
    """

    name: str
    body_vertex: np.ndarray
    vertices: np.ndarray
    normals: np.ndarray
    uv: np.ndarray
    faces: np.ndarray
    joint: np.ndarray
    weight: np.ndarray
    actions: tuple[str, ...]
    morphs: np.ndarray
    bends: np.ndarray | None = None

    def part(self, name: str, chosen: np.ndarray) -> SkinnedMesh:
        """The triangles whose corners are all among the chosen vertices [N], and what they use."""
        faces = self.faces[chosen[self.faces].all(1)]
        used = np.unique(faces)
        return SkinnedMesh(
            name,
            body_vertex=self.body_vertex[used],
            vertices=self.vertices[used],
            normals=self.normals[used],
            uv=self.uv[used],
            joint=self.joint[used],
            weight=self.weight[used],
            faces=np.searchsorted(used, faces),
            actions=self.actions,
            morphs=self.morphs[:, used],
            bends=None if self.bends is None else self.bends[:, used],
        )


    def times(self, factor: np.ndarray) -> SkinnedMesh:
        """The mesh with its axes multiplied by [3] numbers of 1 and -1 that are a turn."""
        return replace(
            self, vertices=self.vertices * factor, normals=self.normals * factor, morphs=self.morphs * factor,
            bends=None if self.bends is None else self.bends * factor,
        )  # fmt: skip


@dataclass(frozen=True)
class Rig:
    """The joints of a figure at rest.

    names      J
    places     float32 [J, 3]     metres
    frames     float32 [J, 3, 3]  their axes in the world, as columns
    straight   float32 [J, 3, 3]  how each is turned from the body model's rest pose to the file's
    parents    J                  each joint's, -1 for the first
    """

    names: tuple[str, ...]
    places: np.ndarray
    frames: np.ndarray
    straight: np.ndarray
    parents: tuple[int, ...]


def rig(figure: Figure, profile: Profile = PLAIN) -> Rig:
    """The joints that a profile asks for."""
    model = figure.model
    t_pose = profile.rest == "t"
    with torch.no_grad():
        body = standing(figure, t_pose=t_pose)
        posed = model(body)
        straight = posed.transforms[0, :, :3, :3]
        frames = torch.eye(3).expand(len(model.parents), 3, 3)
        if profile.axes == "bones":
            upright = posed if t_pose else model(standing(figure, t_pose=True))
            frames = along_bones(model, upright.joints[0])
            if not t_pose:
                frames = upright.transforms[0, :, :3, :3].transpose(1, 2) @ frames
    names = tuple(profile.prefix + name for name in joint_names(model))
    return Rig(names, posed.joints[0].numpy(), frames.numpy(), straight.numpy(), tuple(model.parents))


def skinned(figure: Figure, profile: Profile = PLAIN, body: Body | None = None) -> SkinnedMesh:
    """A figure's mesh, at rest as the body model has it, or baked into a T-pose.

    body  how it stands, batch 1, where it is a part of another figure, which stands on its own soles

    What is left of a vertex's weights is scaled to a sum of 1.
    """
    model = figure.model
    body = standing(figure, t_pose=profile.rest == "t") if body is None else body
    actions, mixture = tuple(model.expression_names), None
    if profile.speech:
        actions, mixture = mixing(actions)
    if profile.targets is not None:
        kept = [k for k, name in enumerate(actions) if name in profile.targets]
        mixture = (np.eye(len(actions), dtype=np.float32) if mixture is None else mixture)[kept]
        actions = tuple(actions[k] for k in kept)
    with torch.no_grad():
        posed = model(body)
        turn = torch.matmul(model.skin_weights, posed.transforms[0, :, :3, :3].flatten(1)).unflatten(1, (3, 3))
        normals = vertex_normals(posed.vertices, model.faces)
        basis = model.whole_expression_basis()
        if mixture is not None:
            basis = torch.from_numpy(mixture).matmul(basis.flatten(1)).unflatten(1, (-1, 3))
        morphs = torch.einsum("vij,evj->evi", turn, basis)
        flat = _unit(normals[0].numpy().astype(np.float64))
        bends = _bends(posed.vertices, morphs, model.faces, flat) if profile.shading else None
    joint, weight = strongest(model.skin_weights.numpy(), profile.influences)
    corners = torch.stack([figure.mesh.faces.flatten(), figure.mesh.uv_faces.flatten()], dim=1)
    pairs, number = corners.unique(dim=0, return_inverse=True)
    vertex = pairs[:, 0].numpy()
    return SkinnedMesh(
        name=figure.name,
        body_vertex=vertex,
        vertices=posed.vertices[0].numpy()[vertex],
        normals=flat[vertex].astype(np.float32),
        uv=figure.layout.uv.numpy()[pairs[:, 1].numpy()],
        faces=number.view(-1, 3).numpy(),
        joint=joint[vertex],
        weight=weight[vertex],
        actions=actions,
        morphs=morphs.numpy()[:, vertex],
        bends=None if bends is None else bends[:, vertex],
    )


def _bends(vertices: Tensor, morphs: Tensor, faces: Tensor, normals: np.ndarray) -> np.ndarray:
    """What morph targets [M, V, 3] of a body [1, V, 3] change of its normals [V, 3]: float32 [M, V, 3]."""
    rows = []
    for morph in morphs:
        change = _unit(vertex_normals(vertices + morph, faces)[0].numpy().astype(np.float64)) - normals
        rows.append(np.where(np.abs(change).max(1, keepdims=True) > _SAME, change, 0).astype(np.float32))
    return np.stack(rows) if rows else np.zeros((0, *normals.shape), np.float32)


def joint_names(model: BodyModel) -> list[str]:
    """A name for each joint: Mixamo's without its prefix for humanoid bones, the body's own for those in between.

    Dots become underscores, because some programs take what follows a dot for a property.
    """
    names = [name.replace(".", "_") for name in model.joint_names]
    for bone, joint in model.humanoid.items():
        names[joint] = mixamo_name(bone)
    return names


def moving(figure: Figure, motion: Motion, rig: Rig) -> tuple[Tensor, Tensor]:
    """How a motion turns a rig's joints, each in its parent's frame, and where it puts the root.

    Returns unit quaternions x y z w float32 [T, J, 4], each on the near side of the one before it, and places [T, 3].
    """
    model = figure.model
    body = retarget.apply(motion, model, figure.shape)
    _, joints = model.rest(figure.shape[None])
    carried = torch.from_numpy(np.matmul(rig.straight.swapaxes(1, 2), rig.frames)).double()    # [J, 3, 3]
    local = roma.rotvec_to_rotmat(body.pose.double())
    turned: list[Tensor] = []
    for joint, parent in enumerate(model.parents):
        turned.append(local[:, joint] if parent < 0 else turned[parent] @ local[:, joint])
    world = torch.stack(turned, dim=1) @ carried
    above = torch.stack(
        [world[:, parent] if parent >= 0 else torch.eye(3).to(world).expand(len(world), 3, 3)
         for parent in model.parents], dim=1
    )  # fmt: skip
    q = roma.rotmat_to_unitquat(above.transpose(2, 3) @ world)
    flips = torch.where((q[1:] * q[:-1]).sum(2) < 0, -1.0, 1.0).cumprod(0)
    q = torch.cat([q[:1], q[1:] * flips[..., None]])
    return (q / q.norm(dim=2, keepdim=True)).float(), (joints[:, 0] + body.translation).detach()


def strongest(weights: np.ndarray, influences: int) -> tuple[np.ndarray, np.ndarray]:
    """Joints [V, K] and weights float32 [V, K] of the K strongest of skin weights [V, J], scaled to a sum of 1.

    Raises InputError for another number than 4 or 8.
    """
    if influences not in INFLUENCES:
        raise InputError(f"{influences} joints a vertex are not possible; give 4 or 8")
    order = np.argsort(-weights, axis=1, kind="stable")[:, :influences]
    weight = np.take_along_axis(weights, order, axis=1).astype(np.float64)
    weight = (weight / weight.sum(1, keepdims=True)).astype(np.float32)
    return np.where(weight > 0, order, 0), weight


def _unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors [N, 3] of length 1, up where they have none."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(length > 1e-8, vectors / np.maximum(length, 1e-8), [0.0, 1.0, 0.0])
