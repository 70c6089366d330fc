"""Networks in ONNX, written byte by byte: the mean of each channel, and many features of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def _number(value: int) -> bytes:
    """A protobuf varint."""
    out = b""
    while value > 127:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def _int(field: int, value: int) -> bytes:
    return _number(field << 3) + _number(value)


def _part(field: int, content: bytes | str) -> bytes:
    content = content.encode() if isinstance(content, str) else content
    return _number(field << 3 | 2) + _number(len(content)) + content


def _tensor(name: str, shape: tuple[int, ...]) -> bytes:
    sides = b"".join(_part(1, _int(1, side)) for side in shape)
    return _part(1, name) + _part(2, _part(1, _int(1, 1) + _part(2, sides)))


def mean_network(path: Path, shape: tuple[int, ...] = (1, 3, 256, 128)) -> Path:
    """[1, C, H, W] -> [1, C, 1, 1]."""
    node = _part(1, "x") + _part(2, "y") + _part(4, "GlobalAveragePool")
    tensors = _part(11, _tensor("x", shape)) + _part(12, _tensor("y", (*shape[:2], 1, 1)))
    return _written(path, _part(1, node) + _part(2, "mean") + tensors)


def feature_network(path: Path, weights: np.ndarray, shape: tuple[int, ...] = (1, 3, 299, 299)) -> Path:
    """[1, C, H, W] -> [1, D, 1, 1]: `weights` [D, C] times the mean of each channel."""
    pooled = _part(1, "x") + _part(2, "m") + _part(4, "GlobalAveragePool")
    mixed = _part(1, "m") + _part(1, "w") + _part(2, "y") + _part(4, "Conv")
    sides = b"".join(_int(1, side) for side in (*weights.shape, 1, 1))
    values = sides + _int(2, 1) + _part(8, "w") + _part(9, np.ascontiguousarray(weights, "<f4").tobytes())
    tensors = _part(11, _tensor("x", shape)) + _part(12, _tensor("y", (1, len(weights), 1, 1)))
    return _written(path, _part(1, pooled) + _part(1, mixed) + _part(2, "features") + _part(5, values) + tensors)


def _written(path: Path, graph: bytes) -> Path:
    path.write_bytes(_int(1, 8) + _part(7, graph) + _part(8, _part(1, "") + _int(2, 13)))
    return path
