"""What glTF 2.0 files hold: their JSON tree and the numbers it points at, never outside their bounds."""

from __future__ import annotations

import base64
import binascii
import json
import struct
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

import numpy as np

from dinar.errors import InputError
from dinar.files import refuse_stand_in

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

_PACKED = ("EXT_meshopt_compression", "KHR_meshopt_compression")
_NUMBERS = {code: np.dtype(f"<{kind}") for kind, code in COMPONENTS.items()}


class GltfFile:
    """A file that is read: `path` and its JSON `tree`."""

    def __init__(self, path: Path, *, binary: bool = False) -> None:
        """Reads a .glb, or (unless `binary`) a .gltf.

        Raises InputError where it is too large, cut short, glTF 1 or something else that is known, and one of `BROKEN`
        where it is missing or no such file.
        """
        self.path = path
        if path.stat().st_size > MOST_BYTES:
            raise InputError(f"{path} is larger than {MOST_BYTES >> 20} MiB")
        refuse_stand_in(path)
        content = path.read_bytes()
        self._buffers: dict[int, bytes] = {}
        self._views: dict[int, bytes] = {}
        if not binary and content[:4] != b"glTF":
            self.tree: dict[str, Any] = _tree(content)
        else:
            self.tree = self._read_binary(content)
        asset = self.tree.get("asset", {})
        if str(asset.get("version", "2")).startswith("1"):
            raise InputError(f"{path} is glTF 1; save it as glTF 2")

    def _read_binary(self, content: bytes) -> dict[str, Any]:
        """The tree of a .glb; its binary chunk becomes buffer 0, chunks of other kinds are passed over."""
        magic, version, _ = struct.unpack_from("<III", content)
        if magic == MAGIC and version == 1:
            raise InputError(f"{self.path} is glTF 1; save it as glTF 2")
        if magic != MAGIC or version != 2:
            raise ValueError("not binary glTF 2")
        start, chunks = 12, {}
        while start + 8 <= len(content):
            length, kind = struct.unpack_from("<II", content, start)
            if start + 8 + length > len(content) and kind in (JSON, BINARY):
                raise InputError(f"{self.path} is cut short: it ends before its content does; copy it again")
            chunks.setdefault(kind, content[start + 8 : start + 8 + length])
            start += 8 + length
        if BINARY in chunks:
            self._buffers[0] = chunks[BINARY]
        return _tree(chunks[JSON])

    def numbers(self, number: int, width: int) -> np.ndarray:
        """An accessor's numbers [count, width], those that are normalised as float32; sparse ones are filled in.

        Raises InputError where they are compressed and cannot be unpacked, one of `BROKEN` where they are of another
        width, or not within their buffer.
        """
        accessor = self.tree["accessors"][number]
        dtype = _NUMBERS[accessor["componentType"]]
        count = int(accessor["count"])
        if WIDTHS[accessor["type"]] != width:
            raise ValueError("an accessor of another kind")
        if "bufferView" in accessor:
            found = self._rows(accessor, dtype, count, width)
        elif 0 <= count * width * dtype.itemsize <= MOST_BYTES and "sparse" in accessor:
            found = np.zeros((count, width), dtype)
        else:
            raise ValueError("an accessor without content")
        if "sparse" in accessor:
            sparse = accessor["sparse"]
            few = int(sparse["count"])
            places = self._rows(sparse["indices"], _NUMBERS[sparse["indices"]["componentType"]], few, 1)[:, 0]
            if few and not (places.dtype.kind == "u" and int(places.max()) < count):
                raise ValueError("a sparse accessor outside itself")
            found[places] = self._rows(sparse["values"], dtype, few, width)
        if accessor.get("normalized"):
            return np.maximum(found.astype(np.float32) / np.iinfo(dtype).max, -1)
        return found

    def view(self, number: int) -> bytes:
        """A buffer view's bytes."""
        view = self.tree["bufferViews"][number]
        packed = next((view["extensions"][name] for name in _PACKED if name in view.get("extensions", {})), None)
        if packed is not None and not self._has_content(int(view.get("buffer", 0))):
            if number not in self._views:
                self._views[number] = self._unpacked(packed)
            return self._views[number]
        return self._slice(view)

    def _rows(self, place: dict, dtype: np.dtype, count: int, width: int) -> np.ndarray:
        """A copy of the rows [count, width] that a view holds from a place on."""
        view = self.tree["bufferViews"][place["bufferView"]]
        step = int(view.get("byteStride") or width * dtype.itemsize)
        start = int(place.get("byteOffset", 0))
        if min(start, count, step - width * dtype.itemsize) < 0:
            raise ValueError("an accessor outside its buffer")
        content = self.view(place["bufferView"])
        return np.ndarray((count, width), dtype, content, start, (step, dtype.itemsize)).copy()    # checks the bounds

    def _slice(self, view: dict) -> bytes:
        start, length = int(view.get("byteOffset", 0)), int(view["byteLength"])
        content = self._buffer(int(view.get("buffer", 0)))
        if min(start, length) < 0 or start + length > len(content):
            raise ValueError("a view outside its buffer")
        return content[start : start + length]

    def _has_content(self, number: int) -> bool:
        return number in self._buffers or self.tree["buffers"][number].get("uri") is not None

    def _unpacked(self, packed: dict) -> bytes:
        """The bytes of a view that EXT_meshopt_compression packs."""
        try:
            import meshopt
        except ImportError as error:
            raise InputError(
                f"{self.path} is packed with EXT_meshopt_compression, which is read with the extra meshopt: "
                "pip install 'dinar[meshopt]'; or pack it again without (gltfpack without -c)"
            ) from error
        count, stride = int(packed["count"]), int(packed["byteStride"])
        if not (0 <= count <= MOST_BYTES and 0 < stride <= 256 and count * stride <= MOST_BYTES):
            raise ValueError("a packed view of an impossible size")
        kind = packed.get("filter", "NONE")
        try:
            rows = meshopt.decode_gltf_buffer(
                self._slice(packed), count, stride, packed["mode"], None if kind == "NONE" else kind
            )
        except Exception as error:          # the library's own, which it does not promise
            raise ValueError("a packed view that cannot be unpacked") from error
        return np.ascontiguousarray(rows).tobytes()

    def _buffer(self, number: int) -> bytes:
        """A buffer's bytes: in the file, in a data URI, or in a file that lies beside it."""
        if number not in self._buffers:
            uri = self.tree["buffers"][number].get("uri")
            if uri is None:
                raise ValueError("a buffer without content")
            if uri.startswith("data:"):
                content = base64.b64decode(uri.partition(",")[2], validate=True)
            else:
                content = self._beside(uri)
            self._buffers[number] = content
        return self._buffers[number]

    def _beside(self, uri: str) -> bytes:
        """A file that a URI names, `%20` and `./` resolved; it must lie in the same folder or below it."""
        for name in (uri, unquote(uri)):
            relative = PurePosixPath(name.replace("\\", "/"))
            inside = not relative.is_absolute() and ".." not in relative.parts and ":" not in name
            beside = self.path.parent / relative
            if inside and beside.is_file():
                if beside.stat().st_size > MOST_BYTES:
                    raise InputError(f"{beside} is larger than {MOST_BYTES >> 20} MiB")
                return beside.read_bytes()
        raise InputError(f"{self.path} needs {uri}, which does not lie beside it")


def _tree(content: bytes) -> dict[str, Any]:
    """JSON, maybe with a byte order mark before it and zeros after it."""
    tree = json.loads(content.rstrip(b"\0 ").decode("utf-8-sig"))
    if not isinstance(tree, dict):
        raise ValueError("no glTF tree")
    return tree
