"""Rigged meshes out of binary glTF files (.glb): a bounded reader of what a picture of a person needs."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from dinar.errors import InputError
from dinar.gltf import BROKEN, GltfFile

MOST_TEXELS = 8192

_TRIANGLES = 4
_SAME = 1e-5  # metres
_BROKEN = (*BROKEN, UnidentifiedImageError, Image.DecompressionBombError)


@dataclass(frozen=True)
class RiggedPart:
    """One mesh with one material, in the file's rest pose; what the texture's seams split is one vertex again.

    name       the mesh's
    vertices   float32 [N, 3]  metres
    faces      int64   [F, 3]
    uv         float32 [T, 2]  origin top left
    uv_faces   int64   [F, 3]
    joint      int64   [N, K]  joints of the rig that a vertex follows
    weight     float32 [N, K]  how far; rows sum to 1
    picture    uint8   [s, t, 4]  base colour, sRGB, and opacity
    cut        whether transparent texels are seen through
    two_sided  whether both sides are seen
    """

    name: str
    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    uv_faces: np.ndarray
    joint: np.ndarray
    weight: np.ndarray
    picture: np.ndarray
    cut: bool
    two_sided: bool


@dataclass(frozen=True)
class Rig:
    """A rigged figure, upright along +Y.

    names      J joint names, parents before children
    parents    J indices, -1 for a root
    positions  float32 [J, 3]  at rest, metres
    parts      its meshes
    source     the file, for messages
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    positions: np.ndarray
    parts: tuple[RiggedPart, ...]
    source: str


def read_rig(path: Path) -> Rig:
    """The skinned meshes of a .glb file; what is not skinned is left out, morph targets and animations too.

    Raises InputError where the file is missing, damaged, not self-contained, or holds nothing that is skinned.
    """
    if not path.is_file():
        raise InputError(f"{path} cannot be read")
    try:
        return _File(path, binary=True).rig()
    except InputError:
        raise
    except _BROKEN as error:
        raise InputError(f"{path} is damaged, or no binary glTF file that dinar can read") from error


class _File(GltfFile):
    def rig(self) -> Rig:
        nodes = self.tree["nodes"]
        parent = [-1] * len(nodes)
        for number, node in enumerate(nodes):
            for child in node.get("children", ()):
                parent[child] = number
        order: list[int] = []
        fresh = [number for number in range(len(nodes)) if parent[number] < 0]
        while fresh:
            number = fresh.pop(0)
            order.append(number)
            fresh += nodes[number].get("children", ())
            if len(order) > len(nodes):
                raise ValueError("a node with two parents")
        if len(order) != len(nodes):
            raise ValueError("nodes in a ring")
        place = {number: k for k, number in enumerate(order)}
        world = np.empty((len(nodes), 4, 4))
        for number in order:
            own = _matrix(nodes[number])
            world[number] = own if parent[number] < 0 else world[parent[number]] @ own
        parts = []
        for node in nodes:
            if "mesh" in node and "skin" in node:
                mesh = self.tree["meshes"][node["mesh"]]
                for primitive in mesh["primitives"]:
                    if primitive.get("mode", _TRIANGLES) == _TRIANGLES:
                        parts.append(self._part(str(mesh.get("name", "")), primitive, node["skin"], world, place))
        if not parts:
            raise InputError(f"{self.path} holds no skinned mesh")
        return Rig(
            names=tuple(str(nodes[number].get("name", number)) for number in order),
            parents=tuple(place[parent[number]] if parent[number] >= 0 else -1 for number in order),
            positions=world[order, :3, 3].astype(np.float32),
            parts=tuple(parts),
            source=str(self.path),
        )

    def _part(self, name: str, primitive: dict, skin: int, world: np.ndarray, place: dict[int, int]) -> RiggedPart:
        attributes = primitive["attributes"]
        vertices = self.numbers(attributes["POSITION"], 3).astype(np.float64)
        count = len(vertices)
        faces = np.arange(count) if "indices" not in primitive else self.numbers(primitive["indices"], 1)[:, 0]
        faces = faces.astype(np.int64).reshape(-1, 3)
        sets = range(sum(name.startswith("JOINTS_") for name in attributes) or 1)
        joint = np.concatenate([self.numbers(attributes[f"JOINTS_{k}"], 4) for k in sets], axis=1).astype(np.int64)
        weight = np.concatenate([self.numbers(attributes[f"WEIGHTS_{k}"], 4) for k in sets], axis=1).astype(np.float64)
        weight /= np.maximum(weight.sum(1, keepdims=True), 1e-9)
        uv = np.zeros((count, 2), np.float32)
        if "TEXCOORD_0" in attributes:
            uv = self.numbers(attributes["TEXCOORD_0"], 2).astype(np.float32)
        bones = np.array(self.tree["skins"][skin]["joints"])
        binding = np.tile(np.eye(4), (len(bones), 1, 1))
        if "inverseBindMatrices" in self.tree["skins"][skin]:
            number = self.tree["skins"][skin]["inverseBindMatrices"]
            binding = self.numbers(number, 16).reshape(-1, 4, 4).swapaxes(1, 2)
        moved = (world[bones] @ binding)[:, :3]
        blend = np.einsum("nk,nkij->nij", weight, moved[joint])
        vertices = np.einsum("nij,nj->ni", blend[..., :3], vertices) + blend[..., 3]
        if not {count} == {len(joint), len(weight), len(uv)} or faces.max(initial=0) >= count:
            raise ValueError("attributes of different lengths")
        if not np.isfinite(vertices).all() or not np.isfinite(uv).all():
            raise ValueError("not a number")
        material = self.tree["materials"][primitive["material"]] if "material" in primitive else {}
        first, number = _welded(vertices)
        return RiggedPart(
            name=name,
            vertices=vertices[first].astype(np.float32),
            faces=number[faces],
            uv=uv,
            uv_faces=faces,
            joint=np.array([place[int(bone)] for bone in bones])[joint[first]],
            weight=weight[first].astype(np.float32),
            picture=self._picture(material.get("pbrMetallicRoughness", {})),
            cut=material.get("alphaMode", "OPAQUE") != "OPAQUE",
            two_sided=bool(material.get("doubleSided", False)),
        )

    def _picture(self, surface: dict) -> np.ndarray:
        """The base colour of a material, uint8 [s, t, 4]."""
        factor = np.array(surface.get("baseColorFactor", (1, 1, 1, 1)), np.float64).clip(0, 1)
        if "baseColorTexture" not in surface:
            srgb = np.where(factor < 0.0031308, 12.92 * factor, 1.055 * np.maximum(factor, 1e-8) ** (1 / 2.4) - 0.055)
            srgb[3] = factor[3]
            return np.rint(255 * np.broadcast_to(srgb, (4, 4, 4))).astype(np.uint8)
        texture = self.tree["textures"][surface["baseColorTexture"]["index"]]
        number = texture.get("extensions", {}).get("EXT_texture_webp", {}).get("source", texture.get("source"))
        image = self.tree["images"][number]
        if "bufferView" not in image:
            raise InputError(f"{self.path} keeps its images in other files; pack them into one")
        with Image.open(io.BytesIO(self.view(image["bufferView"]))) as opened:
            if max(opened.size) > MOST_TEXELS:
                raise InputError(f"{self.path} has an image of more than {MOST_TEXELS} pixels a side")
            pixels = np.asarray(opened.convert("RGBA")).astype(np.float64)
        return np.rint(pixels * factor ** [1 / 2.2, 1 / 2.2, 1 / 2.2, 1]).astype(np.uint8)


def _welded(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first vertex in each place, in the file's order, and each vertex' number among them."""
    place = np.rint(vertices / _SAME).astype(np.int64)
    _, first, number = np.unique(place, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    return first[order], np.argsort(order)[number.reshape(-1)]


def _matrix(node: dict) -> np.ndarray:
    """A node's own transform [4, 4]."""
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    x, y, z, w = np.array(node.get("rotation", (0, 0, 0, 1)), np.float64)
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = turn * np.array(node.get("scale", (1, 1, 1)), np.float64)
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix
