"""Small binary glTF files, written by hand."""

from __future__ import annotations

import json
import struct

import numpy as np

_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
_NUMBERS = {"u1": 5121, "u2": 5123, "u4": 5125, "f4": 5126}


class Writer:
    """Collects what a file holds; `tree` may be changed before `content` is taken."""

    def __init__(self) -> None:
        self.binary = b""
        self.tree = {
            "asset": {"version": "2.0"}, "nodes": [], "meshes": [], "skins": [], "materials": [], "textures": [],
            "images": [], "accessors": [], "bufferViews": [],
        }  # fmt: skip

    def view(self, content: bytes) -> int:
        self.binary += b"\0" * (-len(self.binary) % 4)
        self.tree["bufferViews"].append({"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(content)})
        self.binary += content
        return len(self.tree["bufferViews"]) - 1

    def numbers(self, values: np.ndarray, kind: str, *, normalized: bool = False) -> int:
        rows = np.asarray(values).reshape(len(values), -1)
        accessor = {
            "bufferView": self.view(rows.astype(f"<{kind}").tobytes()), "componentType": _NUMBERS[kind],
            "count": len(rows), "type": _TYPES[rows.shape[1]],
        }  # fmt: skip
        self.tree["accessors"].append(accessor | ({"normalized": True} if normalized else {}))
        return len(self.tree["accessors"]) - 1

    def node(self, name: str, parent: int | None = None, **fields: object) -> int:
        self.tree["nodes"].append({"name": name, **fields})
        number = len(self.tree["nodes"]) - 1
        if parent is not None:
            self.tree["nodes"][parent].setdefault("children", []).append(number)
        return number

    def mesh(
        self,
        name: str,
        vertices: np.ndarray,
        faces: np.ndarray,
        joint: np.ndarray,
        weight: np.ndarray,
        uv: np.ndarray,
        bones: list[int],
        binding: np.ndarray,  # [J, 4, 4]
        material: dict,
    ) -> None:
        """A skinned mesh and its node."""
        attributes = {
            "POSITION": self.numbers(vertices, "f4"), "TEXCOORD_0": self.numbers(uv, "f4"),
            "JOINTS_0": self.numbers(joint, "u2"), "WEIGHTS_0": self.numbers(weight, "f4"),
        }  # fmt: skip
        primitive = {"attributes": attributes, "indices": self.numbers(faces.ravel(), "u4"),
                     "material": len(self.tree["materials"])}  # fmt: skip
        self.tree["materials"].append(material)
        self.tree["meshes"].append({"name": name, "primitives": [primitive]})
        matrices = self.numbers(binding.swapaxes(1, 2), "f4")
        self.tree["skins"].append({"joints": bones, "inverseBindMatrices": matrices})
        self.node(name, mesh=len(self.tree["meshes"]) - 1, skin=len(self.tree["skins"]) - 1)

    def content(self) -> bytes:
        text = json.dumps(self.tree | {"buffers": [{"byteLength": len(self.binary)}]}).encode()
        text += b" " * (-len(text) % 4)
        binary = self.binary + b"\0" * (-len(self.binary) % 4)
        chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(binary), 0x004E4942) + binary
        return struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks
