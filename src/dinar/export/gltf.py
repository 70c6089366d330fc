"""A rigged, animated GLB of a person (glTF 2.0, binary)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import roma
import torch
from torch import Tensor

from dinar.body.model import BodyModel
from dinar.errors import InputError
from dinar.export import springs
from dinar.export.attributes import Quantised, attributes_of, targets_of
from dinar.export.figure import Figure, encoded, standing
from dinar.export.glb import INDICES, Document
from dinar.export.mouth import layers, pieces
from dinar.export.profiles import PLAIN, PictureKind, Profile
from dinar.export.skinned import Rig, SkinnedMesh, moving, rig, skinned
from dinar.files import atomic_file
from dinar.motion.motion import Motion
from dinar.speech.acting import Performance

MESH_NODE = 0
FIRST_JOINT_NODE = 1
"""Joint j of the body is node 1 + j; further meshes and the node above the joints stand behind these."""

_STILL = 1e-6      # metres, and of quaternions: what moves less over a whole clip is one key
_CLAMPED, _LINEAR, _MIPMAPPED = 33071, 9729, 9987


def write(
    path: Path,
    figure: Figure,
    *,
    motions: Mapping[str, Motion] | None = None,   # by the names that the animations get
    faces: Mapping[str, Performance] | None = None,   # speech: animations that move the morph targets as well
    profile: Profile = PLAIN,                      # how it is written
) -> None:
    """Writes a .glb, whole or not at all.

    A mesh in its rest pose, split where the texture is cut, and one for each of the figure's parts; joints as nodes
    with Mixamo's names; morph targets with ARKit's names and those of speech; an animation a motion. Metres, y up, the
    person looks along +z and stands on y = 0.

    The colours hold the photo's own light, so the material is unlit (KHR_materials_unlit) unless `lit` asks for a
    rough one without gloss, which lamps shade once more.

    Raises InputError where `path` cannot be written or is no .glb, or the numbers are out of range.
    """
    path = Path(path)
    if path.suffix.lower() != ".glb":
        raise InputError(f"{path} is no .glb; other glTF files are not written")
    document, joints = composed(figure, profile, name=path.stem)
    for name, motion in (motions or {}).items():
        animate(document, figure, joints, name, motion)
    for name, performance in (faces or {}).items():
        animate(document, figure, joints, name, performance.motion, performance)
    save(path, document)


def save(path: Path, document: Document) -> None:
    """Writes a document, whole or not at all; InputError where the place cannot be written."""
    content = document.content()
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def composed(
    figure: Figure, profile: Profile, *, name: str, backwards: bool = False, chains: Sequence[springs.Chain] = ()
) -> tuple[Document, Rig]:
    """The document of a figure without animations, and its joints; nodes as `MESH_NODE` and `FIRST_JOINT_NODE` say.

    backwards  the figure looks along -z
    chains     that its layers hang on, of a figure in a T-pose; their joints stand behind the body's
    """
    document = Document(packed=profile.packed)
    tree = document.tree
    joints = springs.with_chains(rig(figure, profile), chains)
    half = np.array([-1, 1, -1], np.float32)
    if backwards:
        joints = replace(joints, places=joints.places * half)
    tree["scene"] = 0
    document.add("scenes", {"name": profile.root or name, "nodes": [MESH_NODE]})
    document.add("nodes", {"name": figure.name, "mesh": 0, "skin": 0})
    _skeleton(document, figure.model, joints)
    top = FIRST_JOINT_NODE
    if profile.root is not None:
        top = document.add("nodes", {"name": profile.root, "children": [FIRST_JOINT_NODE]})
    tree["scenes"][0]["nodes"].append(top)
    body = standing(figure, t_pose=profile.rest == "t")
    for one in (figure, *figure.parts):
        mesh = skinned(one, profile, body)
        material = _material(document, one, profile)
        for piece in _pieces(mesh, one.model, profile.parts) if one is figure else (mesh,):
            piece = springs.bound(piece, chains, len(figure.model.parents), profile.influences)
            _mesh(document, piece.times(half) if backwards else piece, material, joints)
    return document, joints


def animate(
    document: Document, figure: Figure, joints: Rig, name: str, motion: Motion, face: Performance | None = None
) -> None:
    """Adds a motion as an animation: rotations of all joints that move, the way of the hips, and what a face does."""
    turns, way = moving(figure, motion, joints)
    still = _local_turns(joints)
    time = np.arange(len(motion)) / motion.fps
    whole = document.numbers(time, "f4", bounds=True)
    single = document.numbers(time[:1], "f4", bounds=True)
    animation: dict = {"name": name, "channels": [], "samplers": []}

    def channel(joint: int, path: str, values: Tensor) -> None:
        moves = bool((values - values[0]).abs().max() > _STILL)
        rows = (values if moves else values[:1]).numpy()
        if path == "rotation" and document.packed:
            output = document.numbers(np.rint(rows * 32767), "i2", normalized=True)
        else:
            output = document.numbers(rows, "f4")
        animation["samplers"].append({"input": whole if moves else single, "output": output})
        target = {"node": FIRST_JOINT_NODE + joint, "path": path}
        animation["channels"].append({"sampler": len(animation["samplers"]) - 1, "target": target})

    for joint, parent in enumerate(figure.model.parents):
        apart, opposite = ((turns[:, joint] - sign * still[joint]).abs().amax() for sign in (1, -1))
        if bool(torch.minimum(apart, opposite) > _STILL):
            channel(joint, "rotation", turns[:, joint])
        if parent < 0:
            channel(joint, "translation", way)
    if face is not None:
        _express(document, animation, whole, face)
    document.add("animations", animation)


def _express(document: Document, animation: dict, times: int, face: Performance) -> None:
    """Adds the strengths of all meshes' morph targets over time."""
    samplers: dict[tuple[str, ...], int] = {}           # of meshes with the same targets
    for number, node in enumerate(document.tree["nodes"]):
        mesh = document.tree["meshes"][node["mesh"]] if "mesh" in node else {}
        targets = tuple(mesh.get("extras", {}).get("targetNames", ()))
        if not targets:
            continue
        if targets not in samplers:
            rows = np.zeros((len(face), len(targets)), np.float32)
            for action, column in zip(face.actions, face.strengths.numpy().T, strict=True):
                if action in targets:
                    rows[:, targets.index(action)] = column
            animation["samplers"].append({"input": times, "output": document.numbers(rows.ravel(), "f4")})
            samplers[targets] = len(animation["samplers"]) - 1
        animation["channels"].append(
            {"sampler": samplers[targets], "target": {"node": number, "path": "weights"}}
        )  # fmt: skip


def _local_turns(joints: Rig) -> Tensor:
    """How each joint is turned against its parent at rest: unit quaternions x y z w float32 [J, 4]."""
    above = np.stack([joints.frames[parent] if parent >= 0 else np.eye(3) for parent in joints.parents])
    local = torch.from_numpy(above.swapaxes(1, 2) @ joints.frames.astype(np.float64))
    return roma.rotmat_to_unitquat(local).float()


def _skeleton(document: Document, model: BodyModel, joints: Rig) -> None:
    """Joint nodes, each at its place from its parent."""
    bones = {joint: bone for bone, joint in model.humanoid.items()}
    turns = _local_turns(joints)
    for joint, (name, parent) in enumerate(zip(joints.names, joints.parents, strict=True)):
        offset = joints.places[joint]
        if parent >= 0:
            offset = joints.frames[parent].T @ (offset - joints.places[parent])
        node: dict = {"name": name, "translation": offset.tolist()}
        if bool(turns[joint, :3].abs().max() > _STILL):
            node["rotation"] = turns[joint].tolist()
        if joint in bones:
            node["extras"] = {"humanoid": bones[joint]}
        document.add("nodes", node)
        if parent >= 0:
            document.tree["nodes"][FIRST_JOINT_NODE + parent].setdefault("children", []).append(
                FIRST_JOINT_NODE + joint
            )


def _skin(document: Document, joints: Rig, grid: Quantised) -> int:
    """The skin that binds a mesh, whose whole numbers a grid explains, to the joints."""
    away = joints.frames.swapaxes(1, 2).astype(np.float64)
    binding = np.tile(np.eye(4), (len(joints.names), 1, 1))               # column after column: transposed
    binding[:, :3, :3] = (away * grid.step).swapaxes(1, 2)
    binding[:, 3, :3] = (away @ (grid.middle - joints.places.astype(np.float64))[..., None])[..., 0]
    return document.add(
        "skins",
        {
            "inverseBindMatrices": document.numbers(binding, "f4"),
            "skeleton": FIRST_JOINT_NODE,
            "joints": [FIRST_JOINT_NODE + joint for joint in range(len(joints.names))],
        },
    )


def _pieces(mesh: SkinnedMesh, model: BodyModel, parts: bool) -> list[SkinnedMesh]:
    """The mesh without layers, and with `parts` without eyes and tongue, and these; itself where nothing is apart."""
    apart = pieces(model) if parts else layers(model)
    if not apart:
        return [mesh]
    masks = {name: mask[mesh.body_vertex] for name, mask in apart.items()}
    rest = ~np.any([*masks.values(), np.zeros(len(mesh.vertices), bool)], axis=0)
    found = [mesh.part(mesh.name, rest), *(mesh.part(name, mask) for name, mask in masks.items())]
    return [piece for piece in found if len(piece.faces)]


def _material(document: Document, figure: Figure, profile: Profile) -> int:
    """The material of a figure's colours."""
    size = profile.texture_size if figure.name == "Body" else None
    picture = document.picture(f"{figure.name}Colour", encoded(figure.picture(size), profile.picture), profile.picture)
    texture = document.add("textures", _texture(document, profile.picture, picture))
    surface = {"baseColorTexture": {"index": texture}, "metallicFactor": 0.0, "roughnessFactor": 1.0}
    name = "Person" if figure.name == "Body" else figure.name
    open_edges = figure.name != "Body" or bool(figure.model.layers)
    material: dict = {"name": name, "pbrMetallicRoughness": surface, "doubleSided": open_edges}
    if not profile.lit:
        document.uses("KHR_materials_unlit")
        material["extensions"] = {"KHR_materials_unlit": {}}
    return document.add("materials", material)


def _texture(document: Document, kind: PictureKind, picture: int) -> dict:
    if "samplers" not in document.tree:
        document.add("samplers", {"magFilter": _LINEAR, "minFilter": _MIPMAPPED, "wrapS": _CLAMPED, "wrapT": _CLAMPED})
    if kind != "webp":
        return {"sampler": 0, "source": picture}
    document.needs("EXT_texture_webp")
    return {"sampler": 0, "extensions": {"EXT_texture_webp": {"source": picture}}}


def _mesh(document: Document, mesh: SkinnedMesh, material: int, joints: Rig) -> None:
    """A mesh with its node; the first one has a node already."""
    grid = Quantised.of(mesh) if document.packed else Quantised()
    kind = "u2" if len(mesh.vertices) < 1 << 16 else "u4"
    primitive = {
        "attributes": attributes_of(document, mesh, grid),
        "indices": document.numbers(mesh.faces.ravel(), kind, target=INDICES),
        "material": material,
    }
    entry: dict = {"name": mesh.name, "primitives": [primitive]}
    if mesh.actions:
        primitive["targets"] = targets_of(document, mesh, grid)
        entry |= {"weights": [0.0] * len(mesh.morphs), "extras": {"targetNames": list(mesh.actions)}}
    number = document.add("meshes", entry)
    skin = _skin(document, joints, grid) if document.packed or not number else 0
    if number:
        node = document.add("nodes", {"name": mesh.name, "mesh": number, "skin": skin})
        document.tree["scenes"][0]["nodes"].append(node)
