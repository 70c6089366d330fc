"""Binary glTF 2.0 files: numbers, pictures and a JSON tree put into one file, the same bytes for the same content."""

from __future__ import annotations

import json
import struct
from importlib.metadata import version
from typing import Any

import numpy as np

from dinar.gltf import BINARY, COMPONENTS, JSON, MAGIC, WIDTHS

_TYPES = {width: name for name, width in WIDTHS.items()}

VERTICES, INDICES = 34962, 34963
"""What a buffer view is for: attributes of vertices, or the triangles' corners."""


class Document:
    """A glTF file in the making: `tree` is its JSON, lists are added as they are needed."""

    def __init__(self) -> None:
        self.tree: dict[str, Any] = {"asset": {"version": "2.0", "generator": f"dinar {version('dinar')}"}}
        self._binary = bytearray()

    def add(self, kind: str, entry: dict[str, Any]) -> int:
        """An entry of a list of the tree ("nodes", "meshes", ...); its number."""
        entries = self.tree.setdefault(kind, [])
        entries.append(entry)
        return len(entries) - 1

    def numbers(
        self,
        values: np.ndarray,          # [N], [N, 2], [N, 3], [N, 4] or [N, 16]
        kind: str,                   # "u1", "u2", "u4" or "f4"
        *,
        target: int | None = None,   # VERTICES or INDICES
        bounds: bool = False,        # glTF asks for them for positions and for the times of animations
    ) -> int:
        """An accessor's number."""
        rows = np.asarray(values).reshape(len(values), -1).astype(f"<{kind}")
        accessor: dict[str, Any] = {"bufferView": self._view(rows.tobytes(), target), **_described(rows, kind)}
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
        """A picture's file, "png" or "jpeg"; the image's number."""
        return self.add("images", {"name": name, "mimeType": f"image/{kind}", "bufferView": self._view(content)})

    def content(self) -> bytes:
        """The whole file."""
        tree = self.tree | {"buffers": [{"byteLength": len(self._binary)}]}
        text = json.dumps(tree, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode("utf-8")
        text += b" " * (-len(text) % 4)
        binary = bytes(self._binary) + b"\0" * (-len(self._binary) % 4)
        chunks = struct.pack("<II", len(text), JSON) + text + struct.pack("<II", len(binary), BINARY) + binary
        return struct.pack("<III", MAGIC, 2, 12 + len(chunks)) + chunks

    def _view(self, content: bytes, target: int | None = None) -> int:
        self._binary += b"\0" * (-len(self._binary) % 4)
        view = {"buffer": 0, "byteOffset": len(self._binary), "byteLength": len(content)}
        self._binary += content
        return self.add("bufferViews", view | ({"target": target} if target is not None else {}))


def _described(rows: np.ndarray, kind: str) -> dict[str, Any]:
    return {"componentType": COMPONENTS[kind], "count": len(rows), "type": _TYPES[rows.shape[1]]}


def _bounds(rows: np.ndarray) -> dict[str, list[float]]:
    return {"min": rows.min(0).tolist(), "max": rows.max(0).tolist()}
