"""A rigged, animated GLB of a person (glTF 2.0, binary)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from dinar.body.model import BodyModel
from dinar.errors import InputError
from dinar.export.figure import Figure, PictureKind, SkinnedMesh, encoded, joint_names, moving, skinned
from dinar.export.glb import INDICES, VERTICES, Document
from dinar.files import atomic_file
from dinar.motion.motion import Motion

MESH_NODE = 0
FIRST_JOINT_NODE = 1
"""Joint j of the body is node 1 + j."""

_STILL = 1e-6      # metres, and of quaternions: what moves less over a whole clip is one key
_CLAMPED, _LINEAR, _MIPMAPPED = 33071, 9729, 9987


def write(
    path: Path,
    figure: Figure,
    *,
    motions: Mapping[str, Motion] | None = None,   # by the names that the animations get
    texture_size: int | None = None,               # texels a side; default: the colours' own
    influences: int = 4,                           # joints a vertex follows: 4, or 8 in a second set of attributes
    lit: bool = False,                             # let lamps shade it
    picture: PictureKind = "png",                  # what the texture is stored as
) -> None:
    """Writes a .glb, whole or not at all.

    One mesh in the body's own rest pose, split where the texture is cut; joints as nodes with Mixamo's names; 52 morph
    targets with ARKit's names; an animation a motion. Metres, y up, the person looks along +z and stands on y = 0.

    The colours hold the photo's own light, so the material is unlit (KHR_materials_unlit) unless `lit` asks for a
    rough one without gloss, which lamps shade once more.

    Raises InputError where `path` cannot be written or is no .glb, or the numbers are out of range.
    """
    path = Path(path)
    if path.suffix.lower() != ".glb":
        raise InputError(f"{path} is no .glb; other glTF files are not written")
    mesh = skinned(figure, influences=influences)
    document = composed(figure, mesh, figure.picture(texture_size), name=path.stem, lit=lit, kind=picture)
    for title, motion in (motions or {}).items():
        animate(document, figure, title, motion)
    save(path, document)


def save(path: Path, document: Document) -> None:
    """Writes a document, whole or not at all; InputError where the place cannot be written."""
    content = document.content()
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def composed(
    figure: Figure, mesh: SkinnedMesh, pixels: np.ndarray, *, name: str, lit: bool, kind: PictureKind
) -> Document:
    """The document of a figure without animations; nodes as `MESH_NODE` and `FIRST_JOINT_NODE` say."""
    document = Document()
    tree = document.tree
    tree["scene"] = 0
    document.add("scenes", {"name": name, "nodes": [MESH_NODE, FIRST_JOINT_NODE]})
    document.add("nodes", {"name": "Body", "mesh": 0, "skin": 0})
    _skeleton(document, figure.model, mesh.joints)
    tree["materials"] = [_material(lit)]
    if not lit:
        tree["extensionsUsed"] = ["KHR_materials_unlit"]
    tree["textures"] = [{"sampler": 0, "source": document.picture("BaseColour", encoded(pixels, kind), kind)}]
    tree["samplers"] = [
        {"magFilter": _LINEAR, "minFilter": _MIPMAPPED, "wrapS": _CLAMPED, "wrapT": _CLAMPED}
    ]
    _mesh(document, mesh, figure.model.expression_names)
    return document


def animate(document: Document, figure: Figure, name: str, motion: Motion) -> None:
    """Adds a motion as an animation: rotations of all joints that move, and the way of the hips.

    The document's rest pose is the body's own.
    """
    turns, way = moving(figure, motion)
    time = np.arange(len(motion)) / motion.fps
    whole = document.numbers(time, "f4", bounds=True)
    single = document.numbers(time[:1], "f4", bounds=True)
    animation: dict = {"name": name, "channels": [], "samplers": []}

    def channel(joint: int, path: str, values: Tensor) -> None:
        moves = bool((values - values[0]).abs().max() > _STILL)
        output = document.numbers((values if moves else values[:1]).numpy(), "f4")
        animation["samplers"].append({"input": whole if moves else single, "output": output})
        target = {"node": FIRST_JOINT_NODE + joint, "path": path}
        animation["channels"].append({"sampler": len(animation["samplers"]) - 1, "target": target})

    for joint, parent in enumerate(figure.model.parents):
        if bool(turns[:, joint, :3].abs().max() > _STILL):
            channel(joint, "rotation", turns[:, joint])
        if parent < 0:
            channel(joint, "translation", way)
    document.add("animations", animation)


def _skeleton(document: Document, model: BodyModel, joints: np.ndarray) -> None:
    """Joint nodes, each at its place from its parent, and the skin that binds the mesh to them."""
    bones = {joint: bone for bone, joint in model.humanoid.items()}
    for joint, (name, parent) in enumerate(zip(joint_names(model), model.parents, strict=True)):
        offset = joints[joint] - (joints[parent] if parent >= 0 else 0)
        node = {"name": name, "translation": offset.tolist()}
        if joint in bones:
            node["extras"] = {"humanoid": bones[joint]}
        document.add("nodes", node)
        if parent >= 0:
            document.tree["nodes"][FIRST_JOINT_NODE + parent].setdefault("children", []).append(
                FIRST_JOINT_NODE + joint
            )
    binding = np.tile(np.eye(4, dtype=np.float32), (len(joints), 1, 1))
    binding[:, 3, :3] = -joints                                           # column after column
    document.add(
        "skins",
        {
            "inverseBindMatrices": document.numbers(binding, "f4"),
            "skeleton": FIRST_JOINT_NODE,
            "joints": [FIRST_JOINT_NODE + joint for joint in range(len(joints))],
        },
    )


def _material(lit: bool) -> dict:
    surface = {"baseColorTexture": {"index": 0}, "metallicFactor": 0.0, "roughnessFactor": 1.0}
    material = {"name": "Person", "pbrMetallicRoughness": surface, "doubleSided": False}
    return material if lit else material | {"extensions": {"KHR_materials_unlit": {}}}


def _mesh(document: Document, mesh: SkinnedMesh, expressions: tuple[str, ...]) -> None:
    attributes = {
        "POSITION": document.numbers(mesh.vertices, "f4", target=VERTICES, bounds=True),
        "NORMAL": document.numbers(mesh.normals, "f4", target=VERTICES),
        "TEXCOORD_0": document.numbers(mesh.uv, "f4", target=VERTICES),
    }
    for k in range(mesh.joint.shape[1] // 4):
        four = slice(4 * k, 4 * k + 4)
        attributes[f"JOINTS_{k}"] = document.numbers(mesh.joint[:, four], "u1", target=VERTICES)
        attributes[f"WEIGHTS_{k}"] = document.numbers(mesh.weight[:, four], "f4", target=VERTICES)
    kind = "u2" if len(mesh.vertices) < 1 << 16 else "u4"
    primitive = {
        "attributes": attributes,
        "indices": document.numbers(mesh.faces.ravel(), kind, target=INDICES),
        "material": 0,
        "targets": [{"POSITION": document.displacements(morph)} for morph in mesh.morphs],
    }
    document.add(
        "meshes",
        {
            "name": "Body",
            "primitives": [primitive],
            "weights": [0.0] * len(mesh.morphs),
            "extras": {"targetNames": list(expressions)},
        },
    )
