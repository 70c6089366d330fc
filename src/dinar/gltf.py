"""What glTF 2.0 files hold: their JSON tree and the numbers it points at, never outside their bounds."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from dinar.errors import InputError

MOST_BYTES = 1 << 29        # of a file
MAGIC, JSON, BINARY = 0x46546C67, 0x4E4F534A, 0x004E4942
"""The first four bytes of a binary file, and the kinds of its two chunks."""

COMPONENTS = {"i1": 5120, "u1": 5121, "i2": 5122, "u2": 5123, "u4": 5125, "f4": 5126}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
"""How numbers of a kind, and rows of a width, are called."""

BROKEN = (
    OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, MemoryError, RecursionError,
    struct.error, binascii.Error,
)  # fmt: skip
"""What a damaged file makes readers raise."""

_NUMBERS = {code: np.dtype(f"<{kind}") for kind, code in COMPONENTS.items()}


class GltfFile:
    """A file that is read: `path` and its JSON `tree`."""

    def __init__(self, path: Path, *, binary: bool = False) -> None:
        """Reads a .glb, or (unless `binary`) a .gltf.

        Raises InputError where it is too large, and one of `BROKEN` where it is missing or no such file.
        """
        self.path = path
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path} is larger than {MOST_BYTES >> 20} MiB")
        content = path.read_bytes()
        self._buffers: dict[int, bytes] = {}
        if not binary and content[:4] != b"glTF":
            self.tree: dict[str, Any] = json.loads(content)
            return
        magic, version, _ = struct.unpack_from("<III", content)
        length, kind = struct.unpack_from("<II", content, 12)
        if magic != MAGIC or version != 2 or kind != JSON:
            raise ValueError("not binary glTF 2")
        self.tree = json.loads(content[20 : 20 + length])
        start = 20 + length
        if len(content) > start:
            length, kind = struct.unpack_from("<II", content, start)
            if kind != BINARY:
                raise ValueError("no binary chunk")
            self._buffers[0] = content[start + 8 : start + 8 + length]

    def numbers(self, number: int, width: int) -> np.ndarray:
        """An accessor's numbers [count, width], those that are normalised as float32.

        Raises one of `BROKEN` where it is sparse, of another width, or not within its buffer.
        """
        accessor = self.tree["accessors"][number]
        dtype = _NUMBERS[accessor["componentType"]]
        count = int(accessor["count"])
        if WIDTHS[accessor["type"]] != width or "sparse" in accessor or "bufferView" not in accessor:
            raise ValueError("an accessor of another kind")
        view = self.tree["bufferViews"][accessor["bufferView"]]
        step = int(view.get("byteStride") or width * dtype.itemsize)
        start = int(view.get("byteOffset", 0)) + int(accessor.get("byteOffset", 0))
        if min(start, count, step - width * dtype.itemsize) < 0:
            raise ValueError("an accessor outside its buffer")
        content = self._buffer(int(view.get("buffer", 0)))
        found = np.ndarray((count, width), dtype, content, start, (step, dtype.itemsize))       # checks the bounds
        if accessor.get("normalized"):
            return np.maximum(found.astype(np.float32) / np.iinfo(dtype).max, -1)
        return found.copy()

    def view(self, number: int) -> bytes:
        """A buffer view's bytes."""
        view = self.tree["bufferViews"][number]
        start, length = int(view.get("byteOffset", 0)), int(view["byteLength"])
        content = self._buffer(int(view.get("buffer", 0)))
        if min(start, length) < 0 or start + length > len(content):
            raise ValueError("a view outside its buffer")
        return content[start : start + length]

    def _buffer(self, number: int) -> bytes:
        """A buffer's bytes: in the file, in a data URI, or in a file that lies beside it."""
        if number not in self._buffers:
            uri = self.tree["buffers"][number].get("uri")
            if uri is None:
                raise ValueError("a buffer without content")
            if uri.startswith("data:"):
                content = base64.b64decode(uri.partition(",")[2], validate=True)
            else:
                beside = self.path.parent / uri
                if Path(uri).name != uri or not beside.is_file():
                    raise InputError(f"{self.path} needs {uri}, which does not lie beside it")
                if beside.stat().st_size > MOST_BYTES:
                    raise InputError(f"{beside} is larger than {MOST_BYTES >> 20} MiB")
                content = beside.read_bytes()
            self._buffers[number] = content
        return self._buffers[number]
