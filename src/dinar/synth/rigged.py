"""Rigged people out of glTF files, with the open body registered to them: stand-ins for scans."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree
from torch import Tensor

from dinar.body.model import Body, BodyModel
from dinar.errors import InputError
from dinar.motion.person import humanoid_chains
from dinar.synth.distances import Distances, distances
from dinar.synth.glb import Rig, RiggedPart, read_rig
from dinar.synth.kernels import meshes
from dinar.synth.labels import rigged_labels
from dinar.synth.people import Images, Person, detail_of, dots_of, pyramids
from dinar.synth.registration import TRUNK, VALID_FACE, VALID_MESH, register, target_of

_TOPS = {"Busi": "jackets", "Medi": "coats"}  # of VALID's outfits
_SKIN = (0.30, 0.030, 14.0, 0.0, 0.0, 0, 0.006)
_CLOTH = (0.0, 0.0, 1.0, 0.08, 0.0, 1, 0.006)
_HAIR = (0.15, 0.012, 16.0, 0.0, 0.0, 1, 0.02)
_EYE = (0.1, 0.040, 120.0, 0.0, 0.0, 0, 0.010)

_FINGERS = ("Metacarpal", "Proximal", "Intermediate", "Distal")
_LOWEST, _TALLEST = 0.5, 2.5  # metres


@dataclass(frozen=True)
class RiggedPerson(Person):
    """Somebody out of a file: the mesh in the file's rest pose and the body that lies in it.

    `skin_weights` are the rig's own, handed to the body's joints: what the file hangs on a bone follows the joints of
    that bone as they move from the body in the mesh to another pose. Nothing is known of `female`, `years` and `tone`:
    they are None.

    fitted  Body               in the mesh at rest
    unpose  float32 [J, 4, 4]  each joint's transform there, inverted
    """

    fitted: Body
    unpose: Tensor

    def at_rest(self) -> Body:
        """The body in the mesh as the file has it."""
        return self.fitted

    def posed(self, body: Body) -> np.ndarray:
        """All vertices float32 [N, 3] on one body of this person's shape, metres; the face stays as it is."""
        with torch.no_grad():
            transforms = (_joints_of(self.model)(body).transforms[0] @ self.unpose)[:, :3].contiguous().numpy()
        out, follows = np.empty_like(self.rest), self.skin_weights
        meshes.skinned(self.rest, transforms, follows.indptr, follows.indices, follows.data, out)
        return out


@lru_cache(maxsize=2)
def _joints_of(model: BodyModel) -> BodyModel:
    """The joints of a model, with hardly any vertices."""
    return model.only_landmarks()


def rigged_files(folder: Path) -> list[Path]:
    """The .glb files of a folder, by name. Raises InputError where there are none."""
    found = sorted(folder.glob("*.glb"))
    if not found:
        raise InputError(f"{folder} holds no rigged people (*.glb)")
    return found


def load_person(path: Path, *, texture: int = 1024) -> tuple[RiggedPerson, Distances]:
    """Somebody out of a file, and how well the open body fits.

    texture  texels a side of each image

    Raises InputError where the file cannot be read, or its rig is no person's.
    """
    rig = read_rig(path)
    model = BodyModel.open()
    bones = humanoid_chains(rig.names, rig.parents, rig.source)
    rig = _facing_forward(rig, bones)
    height = float(np.ptp(rig.positions[[joint for chain in bones.values() for joint in chain], 1]))
    if not _LOWEST < height < _TALLEST:
        raise InputError(f"{path} is {height:.2g} m tall from toes to head; dinar takes people of their true size")
    target = target_of(rig, bones, model)
    fitted = register(target, model)
    person = _person(rig, bones, fitted, model, texture)
    main = rig.parts[target.main].vertices
    return person, distances(model, model(fitted).vertices[0].numpy(), main, rig.parts[target.main].faces, target)


def _facing_forward(rig: Rig, bones: dict[str, tuple[int, ...]]) -> Rig:
    """The rig turned so that it looks along +Z."""
    left, right = (rig.positions[bones[f"{side}UpperLeg"][0]] for side in ("left", "right"))
    if left[0] > right[0]:
        return rig
    half = np.float32([-1, 1, -1])
    parts = tuple(replace(part, vertices=part.vertices * half) for part in rig.parts)
    return replace(rig, positions=rig.positions * half, parts=parts)


def _person(
    rig: Rig, bones: dict[str, tuple[int, ...]], fitted: Body, model: BodyModel, texture: int
) -> RiggedPerson:
    mesh = model(fitted)
    parts = sorted(rig.parts, key=lambda part: part.cut)
    owner = _bone_of_joint(rig, bones)
    kinds = _kinds(parts, owner)
    valid = any(part.name == VALID_MESH for part in parts)
    tops = _TOPS.get(Path(rig.source).stem.rpartition("_")[2], "") if valid else ""
    labels = rigged_labels(parts, kinds, owner, VALID_FACE if valid else None, tops)
    surfaces = (_SKIN, _CLOTH, _HAIR, _EYE)
    faces, uv_faces, of_face, materials, picture = [], [], [], [], []
    vertex = texel = 0
    for k, (part, kind) in enumerate(zip(parts, kinds, strict=True)):
        faces.append(part.faces + vertex)
        uv_faces.append(part.uv_faces + texel)
        face_kind = np.median(kind[part.faces], axis=1).astype(np.int64)
        found, number = np.unique(face_kind, return_inverse=True)
        of_face.append(len(materials) + number)
        for surface in found:
            row = np.zeros(meshes.MATERIAL_COLUMNS, np.float32)
            row[: len(surfaces[surface])] = surfaces[surface]
            row[meshes.TWO_SIDED] = part.two_sided
            row[meshes.NORMAL_MAP] = -1
            materials.append(row)
            picture.append(k)
        vertex += len(part.vertices)
        texel += len(part.uv)
    kind = np.concatenate(kinds)
    rest = np.concatenate([part.vertices for part in parts])
    faces = np.concatenate(faces).astype(np.int32)
    uv = np.concatenate([part.uv for part in parts])
    uv_faces = np.concatenate(uv_faces).astype(np.int32)
    of_face = np.concatenate(of_face).astype(np.int32)
    images = pyramids([_square(part.picture, texture, part.cut) for part in parts])
    images = Images(images.pixels, images.starts[picture], images.sizes[picture])
    return RiggedPerson(
        female=None,
        years=None,
        tone=None,
        wears=(Path(rig.source).stem,),
        model=model,
        shape=fitted.shape,
        rest=rest,
        moving=np.zeros(0, np.int64),
        index=np.zeros((0, 3), np.int64),
        weight=np.zeros((0, 3), np.float32),
        skin_weights=_skin_weights(parts, owner, mesh.vertices[0].numpy(), model),
        faces=faces,
        uv=uv,
        uv_faces=uv_faces,
        opaque=sum(len(part.faces) for part in parts if not part.cut),
        part=of_face,
        label=np.concatenate(labels),
        detail=detail_of(uv, uv_faces, images.sizes[of_face, 0]),
        dots=dots_of(rest, faces, kind),
        kind=kind,
        images=images,
        materials=np.stack(materials),
        under=np.zeros(vertex, np.float32),
        fitted=fitted,
        unpose=torch.linalg.inv(mesh.transforms[0]),
    )


def _bone_of_joint(rig: Rig, bones: dict[str, tuple[int, ...]]) -> list[str]:
    """The humanoid bone that each of the rig's joints belongs to: its own, or that of the next joint above it."""
    named = {joint: bone for bone, chain in bones.items() for joint in chain}
    owner: list[str] = []
    for j, parent in enumerate(rig.parents):
        owner.append(named.get(j) or (owner[parent] if parent >= 0 else "hips"))
    return owner


def _kinds(parts: list[RiggedPart], owner: list[str]) -> list[np.ndarray]:
    """What each part's vertices are, as in `Person.kind`: told from the bones that they follow."""
    main = max(range(len(parts)), key=lambda k: len(parts[k].vertices))
    bare = np.array([bone == "head" or bone.endswith("Hand") or bone.endswith(_FINGERS) for bone in owner])
    eye = np.array([bone.endswith("Eye") for bone in owner])
    kinds = []
    for k, part in enumerate(parts):
        on_eye, on_bare = ((part.weight * chosen[part.joint]).sum(1) for chosen in (eye, bare))
        if k == main:
            kinds.append(np.where(on_bare > 0.5, 0, 1))
        else:
            kinds.append(np.full(len(part.vertices), 3 if on_eye.mean() > 0.5 else 2 if on_bare.mean() > 0.5 else 1))
    if not any((kind == 3).any() for kind in kinds):  # the studio finds the middle of the head by the eyes
        kinds = [np.where(kind == 2, 1, kind) for kind in kinds]
    return kinds


def _skin_weights(parts: list[RiggedPart], owner: list[str], body: np.ndarray, model: BodyModel) -> csr_matrix:
    """The parts' own weights, one row a vertex, on the body's joints [N, J].

    What a bone holds goes to the body's joints of that bone in the shares that the body's skin nearby gives them.
    """
    groups = _groups(model)
    points = np.concatenate([part.vertices for part in parts])
    names = sorted(set(owner))
    held = np.zeros((len(points), len(names)), np.float32)
    place = np.array([names.index(bone) for bone in owner])
    row = 0
    for part in parts:
        rows = np.arange(row, row + len(part.vertices))
        np.add.at(held, (rows[:, None], place[part.joint]), part.weight)
        row += len(part.vertices)
    skin = model.skin_weights.numpy()
    weights = np.zeros((len(points), len(model.parents)), np.float32)
    for bone, share in zip(names, held.T, strict=True):
        joints = groups[bone]
        rows = np.flatnonzero(share > 0)
        if len(joints) == 1 or not len(rows):
            weights[rows, joints[0]] += share[rows]
            continue
        own = skin[:, joints]
        near = np.flatnonzero(own.sum(1) > 0.3)
        gap, found = cKDTree(body[near]).query(points[rows], k=8)
        closeness = 1 / (gap + 0.005) ** 2
        shares = (own[near[found]] * closeness[..., None]).sum(1)
        weights[np.ix_(rows, joints)] += share[rows, None] * shares / shares.sum(1, keepdims=True)
    return csr_matrix(weights)


@lru_cache(maxsize=2)
def _groups(model: BodyModel) -> dict[str, list[int]]:
    """Humanoid bone -> the body's joints from it to the next bones; the trunk's four bones are one."""
    named = {joint: "hips" if bone in TRUNK else bone for bone, joint in model.humanoid.items()}
    owner: list[str] = []
    groups: dict[str, list[int]] = {}
    for j, parent in enumerate(model.parents):
        owner.append(named.get(j) or owner[parent])
        groups.setdefault(owner[j], []).append(j)
    return groups | dict.fromkeys(TRUNK, groups["hips"])


def _square(picture: np.ndarray, side: int, cut: bool) -> np.ndarray:
    """A picture uint8 [side, side, 4]."""
    method = cv2.INTER_AREA if min(picture.shape[:2]) >= side else cv2.INTER_LINEAR
    out = cv2.resize(picture, (side, side), interpolation=method)
    if not cut:
        out[..., 3] = 255
    return out
