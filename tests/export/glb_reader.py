"""A plain reader of whole binary glTF files: rest pose, morph targets, animations, skinning; one vertex at a time."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

_NUMBERS = {5121: "<u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


@dataclass(frozen=True)
class Scene:
    """A file: its JSON `tree` and its `binary` chunk."""

    tree: dict
    binary: bytes

    @classmethod
    def read(cls, path: Path) -> Scene:
        content = path.read_bytes()
        magic, version, length = struct.unpack_from("<4sII", content)
        assert (magic, version, length) == (b"glTF", 2, len(content))
        size, kind = struct.unpack_from("<I4s", content, 12)
        assert kind == b"JSON"
        rest, kind = struct.unpack_from("<I4s", content, 20 + size)
        assert kind == b"BIN\0" and 28 + size + rest == len(content)
        return cls(json.loads(content[20 : 20 + size]), content[28 + size :])

    def numbers(self, number: int) -> np.ndarray:
        accessor = self.tree["accessors"][number]
        shape = accessor["count"], _WIDTHS[accessor["type"]]
        values = np.zeros(shape, _NUMBERS[accessor["componentType"]])
        if "bufferView" in accessor:
            values[:] = self._plain(accessor["bufferView"], accessor["componentType"], shape)
        if "sparse" in accessor:
            sparse = accessor["sparse"]
            place, few = sparse["indices"], sparse["count"]
            rows = self._plain(place["bufferView"], place["componentType"], (few, 1))[:, 0]
            values[rows] = self._plain(sparse["values"]["bufferView"], accessor["componentType"], (few, shape[1]))
        if "min" in accessor:
            assert accessor["min"] == values.min(0).tolist() and accessor["max"] == values.max(0).tolist()
        return values

    def _plain(self, view: int, kind: int, shape: tuple[int, int]) -> np.ndarray:
        start = self.tree["bufferViews"][view]["byteOffset"]
        size = shape[0] * shape[1] * np.dtype(_NUMBERS[kind]).itemsize
        assert self.tree["bufferViews"][view]["byteLength"] == size
        return np.frombuffer(self.binary[start : start + size], _NUMBERS[kind]).reshape(shape)

    @property
    def primitive(self) -> dict:
        return self.tree["meshes"][0]["primitives"][0]

    def attribute(self, name: str) -> np.ndarray:
        return self.numbers(self.primitive["attributes"][name])

    @property
    def faces(self) -> np.ndarray:
        return self.numbers(self.primitive["indices"]).reshape(-1, 3).astype(np.int64)

    @property
    def picture(self) -> np.ndarray:
        view = self.tree["bufferViews"][self.tree["images"][0]["bufferView"]]
        start = view["byteOffset"]
        with Image.open(io.BytesIO(self.binary[start : start + view["byteLength"]])) as opened:
            return np.asarray(opened)

    def frame(self, name: str, k: int) -> dict[int, dict[str, np.ndarray]]:
        """What an animation says of every node at its key k."""
        animation = next(a for a in self.tree["animations"] if a["name"] == name)
        said: dict[int, dict[str, np.ndarray]] = {}
        for channel in animation["channels"]:
            values = self.numbers(animation["samplers"][channel["sampler"]]["output"])
            key = min(k, len(values) - 1)
            said.setdefault(channel["target"]["node"], {})[channel["target"]["path"]] = values[key]
        return said

    def posed(self, said: dict[int, dict[str, np.ndarray]] | None = None, strengths: dict | None = None) -> np.ndarray:
        """Skinned vertices [N, 3] in a pose, with the morph targets of `strengths` (by name)."""
        vertices = self.attribute("POSITION").astype(np.float64)
        names = self.tree["meshes"][0]["extras"]["targetNames"]
        for name, strength in (strengths or {}).items():
            vertices = vertices + strength * self.numbers(self.primitive["targets"][names.index(name)]["POSITION"])
        world: dict[int, np.ndarray] = {}

        def walk(number: int, above: np.ndarray) -> None:
            node = self.tree["nodes"][number] | (said or {}).get(number, {})
            own = np.eye(4)
            own[:3, :3] = _rotation(node.get("rotation", (0, 0, 0, 1)))
            own[:3, 3] = node.get("translation", (0, 0, 0))
            world[number] = above @ own
            for child in node.get("children", ()):
                walk(child, world[number])

        for root in self.tree["scenes"][0]["nodes"]:
            walk(root, np.eye(4))
        skin = self.tree["skins"][0]
        binding = self.numbers(skin["inverseBindMatrices"]).reshape(-1, 4, 4).swapaxes(1, 2)
        moves = np.stack([world[joint] @ bound for joint, bound in zip(skin["joints"], binding, strict=True)])
        total = np.zeros((len(vertices), 3, 4))
        for k in range(2):
            if f"JOINTS_{k}" in self.primitive["attributes"]:
                joint, weight = self.attribute(f"JOINTS_{k}"), self.attribute(f"WEIGHTS_{k}")
                total += np.einsum("nk,nkij->nij", weight, moves[joint][:, :, :3])
        return np.einsum("nij,nj->ni", total[..., :3], vertices) + total[..., 3]


def _rotation(quaternion: np.ndarray) -> np.ndarray:
    x, y, z, w = np.asarray(quaternion, np.float64)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + 2 * w * cross + 2 * cross @ cross
