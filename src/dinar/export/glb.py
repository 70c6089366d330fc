"""Binary glTF 2.0 files: numbers, pictures and a JSON tree put into one file, the same bytes for the same content.

A packed file holds its numbers as EXT_meshopt_compression does, so its views lie in a second buffer that is not there.
"""

from __future__ import annotations

import json
import struct
from importlib.metadata import version
from typing import Any

import numpy as np

from dinar.errors import InputError
from dinar.gltf import BINARY, COMPONENTS, JSON, MAGIC, WIDTHS

PACKED = "EXT_meshopt_compression"

_TYPES = {width: name for name, width in WIDTHS.items()}

VERTICES, INDICES = 34962, 34963
"""What a buffer view is for: attributes of vertices, or the triangles' corners."""


class Document:
    """A glTF file in the making: `tree` is its JSON, lists are added as they are needed.

    Raises InputError where it is to be packed and the package `meshopt` is not here.
    """

    def __init__(self, *, packed: bool = False) -> None:
        self.tree: dict[str, Any] = {"asset": {"version": "2.0", "generator": f"dinar {version('dinar')}"}}
        self.packed = packed
        self._binary = bytearray()
        self._unpacked = 0                               # bytes of the second buffer
        if packed:
            check_packing()
            self.needs(PACKED)
            self.needs("KHR_mesh_quantization")

    def uses(self, extension: str) -> None:
        """Says that an extension is used."""
        if extension not in self.tree.setdefault("extensionsUsed", []):
            self.tree["extensionsUsed"].append(extension)

    def needs(self, extension: str) -> None:
        """Says that the file cannot be read without an extension."""
        self.uses(extension)
        if extension not in self.tree.setdefault("extensionsRequired", []):
            self.tree["extensionsRequired"].append(extension)

    def add(self, kind: str, entry: dict[str, Any]) -> int:
        """An entry of a list of the tree ("nodes", "meshes", ...); its number."""
        entries = self.tree.setdefault(kind, [])
        entries.append(entry)
        return len(entries) - 1

    def numbers(
        self,
        values: np.ndarray,          # [N], [N, 2], [N, 3], [N, 4] or [N, 16]
        kind: str,                   # "i1", "i2", "u1", "u2", "u4" or "f4"
        *,
        target: int | None = None,   # VERTICES or INDICES
        bounds: bool = False,        # glTF asks for them for positions and for the times of animations
        normalized: bool = False,    # whole numbers stand for [-1, 1] or [0, 1]
    ) -> int:
        """An accessor's number."""
        rows = np.asarray(values).reshape(len(values), -1).astype(f"<{kind}")
        view = self._packed_view(rows, target) if self.packed else self._view(rows.tobytes(), target)
        accessor: dict[str, Any] = {"bufferView": view, **_described(rows, kind)}
        if normalized:
            accessor["normalized"] = True
        return self.add("accessors", accessor | (_bounds(rows) if bounds else {}))

    def displacements(self, values: np.ndarray) -> int:
        """An accessor of float32 [N, 3] with bounds; only rows that are not zero are stored where that is smaller."""
        rows = np.ascontiguousarray(values, "<f4")
        moved = np.flatnonzero(rows.any(axis=1))
        if not len(moved):
            moved = np.zeros(1, np.int64)               # glTF wants one at least
        kind = "u2" if len(rows) <= 1 << 16 else "u4"
        if len(moved) * (12 + int(kind[1])) >= rows.nbytes:
            return self.numbers(rows, "f4", target=VERTICES, bounds=True)
        sparse = {
            "count": len(moved),
            "indices": {
                "bufferView": self._view(moved.astype(f"<{kind}").tobytes()),
                "componentType": COMPONENTS[kind],
            },
            "values": {"bufferView": self._view(rows[moved].tobytes())},
        }
        return self.add("accessors", {**_described(rows, "f4"), **_bounds(rows), "sparse": sparse})

    def picture(self, name: str, content: bytes, kind: str) -> int:
        """A picture's file, "png", "jpeg" or "webp"; the image's number."""
        return self.add("images", {"name": name, "mimeType": f"image/{kind}", "bufferView": self._view(content)})

    def content(self) -> bytes:
        """The whole file."""
        buffers: list[dict[str, Any]] = [{"byteLength": len(self._binary)}]
        if self._unpacked:
            buffers.append({"byteLength": self._unpacked, "extensions": {PACKED: {"fallback": True}}})
        tree = self.tree | {"buffers": buffers}
        text = json.dumps(tree, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode("utf-8")
        text += b" " * (-len(text) % 4)
        binary = bytes(self._binary) + b"\0" * (-len(self._binary) % 4)
        chunks = struct.pack("<II", len(text), JSON) + text + struct.pack("<II", len(binary), BINARY) + binary
        return struct.pack("<III", MAGIC, 2, 12 + len(chunks)) + chunks

    def _packed_view(self, rows: np.ndarray, target: int | None) -> int:
        """A view of rows that is packed; those of vertices are filled up to whole words, as glTF asks."""
        import meshopt

        if target == INDICES:
            mode, stride, count = "TRIANGLES", rows.itemsize, len(rows)
            packed = meshopt.encode_gltf_buffer(rows.ravel(), mode)
        else:
            width = rows.shape[1] * rows.itemsize
            stride, mode, count = width + -width % 4, "ATTRIBUTES", len(rows)
            full = np.zeros((count, stride), np.uint8)
            full[:, :width] = np.ascontiguousarray(rows).view(np.uint8).reshape(count, width)
            packed = meshopt.encode_gltf_buffer(full, mode)
        self._binary += b"\0" * (-len(self._binary) % 4)
        where = {"buffer": 0, "byteOffset": len(self._binary), "byteLength": len(packed)}
        self._binary += packed
        self._unpacked += -self._unpacked % 4
        view: dict[str, Any] = {"buffer": 1, "byteOffset": self._unpacked, "byteLength": count * stride}
        self._unpacked += count * stride
        if target == VERTICES:
            view["byteStride"] = stride
        if target is not None:
            view["target"] = target
        view["extensions"] = {PACKED: where | {"byteStride": stride, "mode": mode, "count": count}}
        return self.add("bufferViews", view)

    def _view(self, content: bytes, target: int | None = None) -> int:
        self._binary += b"\0" * (-len(self._binary) % 4)
        view = {"buffer": 0, "byteOffset": len(self._binary), "byteLength": len(content)}
        self._binary += content
        return self.add("bufferViews", view | ({"target": target} if target is not None else {}))


def check_packing() -> None:
    """Raises InputError where files cannot be packed here."""
    try:
        import meshopt  # noqa: F401
    except ImportError as error:
        raise InputError("a packed file is written with the extra meshopt: pip install 'dinar[meshopt]'") from error


def _described(rows: np.ndarray, kind: str) -> dict[str, Any]:
    return {"componentType": COMPONENTS[kind], "count": len(rows), "type": _TYPES[rows.shape[1]]}


def _bounds(rows: np.ndarray) -> dict[str, list[float]]:
    return {"min": rows.min(0).tolist(), "max": rows.max(0).tolist()}
