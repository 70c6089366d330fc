"""Sound files of every kind that dinar reads, and ways to damage them (`tools/fuzz.py`)."""

from __future__ import annotations

import io
import json
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

LARGEST = 1_500_000       # bytes of a sound file that is taken from a folder
ODD = (0, -1, 1, 2**31, 2**32 - 1, -(2**31), 10**18, 1e308, -1e308, 1e-320, float("nan"), float("inf"), "", "x", None,
       True, [], {}, [[]], "1e999", "../../secret")  # fmt: skip
_MOTIONS = (".bvh", ".glb", ".gltf", ".vrm", ".vrma", ".npz", ".npy", ".json", ".smpl", ".pkl")


@dataclass(frozen=True)
class Input:
    """A sound file, or a folder of them.

    name    what it is called
    reader  who reads it (`fuzz.READERS`)
    entry   what is given to the reader: a file's name, or a folder's
    files   path -> content
    """

    name: str
    reader: str
    entry: str
    files: dict[str, bytes]


@dataclass(frozen=True)
class Damaged(Input):
    """The same, damaged.

    how  what was done
    """

    how: str = ""


def inputs(folders: Sequence[Path] = ()) -> list[Input]:
    """Small files of our own, and those of the folders that some reader takes."""
    found = _motions() + _pictures() + _keypoints() + _avatars()
    for folder in folders:
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.stat().st_size <= LARGEST):
            if path.suffix.lower() in _MOTIONS:
                found.append(Input(path.name, "motion", path.name, {path.name: path.read_bytes()}))
            elif path.suffix.lower() in (".jpg", ".jpeg", ".png", ".webp"):
                found.append(Input(path.name, "picture", path.name, {path.name: path.read_bytes()}))
    return found


def damaged(sound: Sequence[Input], seed: int, run: int) -> Damaged:
    """The file of a run: always the same for the same inputs, seed and number."""
    rng = np.random.default_rng([seed, run])
    readers = sorted({one.reader for one in sound})
    reader = readers[rng.integers(len(readers))]
    of_reader = [one for one in sound if one.reader == reader]
    chosen = of_reader[rng.integers(len(of_reader))]
    files = dict(chosen.files)
    told = []
    for _ in range(int(rng.integers(1, 4))):
        name = sorted(files)[rng.integers(len(files))]
        files[name], how = _damage(name, files[name], rng)
        told.append(f"{name}: {how}")
    if len(files) > 1 and rng.random() < 0.05:
        gone = sorted(files)[rng.integers(len(files))]
        del files[gone]
        told.append(f"{gone} is gone")
    return Damaged(chosen.name, chosen.reader, chosen.entry, files, "; ".join(told))


# Ways to damage

_TOO_DAMAGED = (
    ValueError, LookupError, TypeError, OverflowError, RecursionError, OSError, EOFError, NotImplementedError,
    SyntaxError, RuntimeError, MemoryError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What is raised where a file is damaged already, so that it cannot be taken apart once more."""


def _damage(name: str, content: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    suffix = Path(name).suffix.lower()
    if content and rng.random() < 0.6:
        structured = {".bvh": _text, ".json": _json, ".gltf": _json, ".glb": _glb, ".vrm": _glb, ".vrma": _glb,
                      ".npz": _npz, ".smpl": _npz, ".safetensors": _safetensors, ".zip": _zip}  # fmt: skip
        if suffix in structured:
            try:
                return structured[suffix](content, rng), "its structure"
            except _TOO_DAMAGED:
                pass
    return _bytes(content, rng)


def _bytes(content: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    data = bytearray(content)
    ways = ("flip", "cut", "drop", "double", "fill", "insert")
    way = ways[rng.integers(len(ways))] if data else "insert"
    a = int(rng.integers(len(data) + 1)) if way != "flip" else 0
    b = min(len(data), a + int(rng.integers(1, 200)))
    if way == "flip":
        for place in rng.integers(len(data), size=int(rng.integers(1, 20))):
            data[place] ^= 1 << int(rng.integers(8))
    elif way == "cut":
        del data[a:]
    elif way == "drop":
        del data[a:b]
    elif way == "double":
        data[b:b] = data[a:b]
    elif way == "fill":
        data[a:b] = bytes([int(rng.choice([0, 255, 32, 48]))]) * (b - a)
    else:
        data[a:a] = rng.integers(0, 256, int(rng.integers(1, 50)), np.uint8).tobytes()
    return bytes(data), way


def _text(content: bytes, rng: np.random.Generator) -> bytes:
    """Lines and numbers of a text."""
    lines = content.decode("utf-8", "replace").split("\n")
    k = int(rng.integers(len(lines)))
    way = rng.integers(5)
    if way == 0:
        del lines[k]
    elif way == 1:
        lines.insert(k, lines[int(rng.integers(len(lines)))])
    elif way == 2:
        lines[k] = " ".join(reversed(lines[k].split(" ")))
    else:
        numbers = list(re.finditer(r"-?\d+(\.\d+)?(e[+-]?\d+)?", lines[k]))
        if numbers:
            one = numbers[int(rng.integers(len(numbers)))]
            lines[k] = lines[k][: one.start()] + str(ODD[int(rng.integers(len(ODD)))]) + lines[k][one.end() :]
    return "\n".join(lines).encode("utf-8", "replace")


def _odd(value: Any, rng: np.random.Generator) -> Any:
    """One part of a tree of JSON, changed."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = sorted(value)[int(rng.integers(len(value)))]
        out = dict(value)
        if rng.random() < 0.1:
            del out[key]
        else:
            out[key] = _odd(value[key], rng)
        return out
    if isinstance(value, list) and value and rng.random() < 0.9:
        k, out = int(rng.integers(len(value))), list(value)
        way = rng.random()
        if way < 0.1:
            del out[k]
        elif way < 0.2:
            out.insert(k, value[int(rng.integers(len(value)))])
        else:
            out[k] = _odd(value[k], rng)
        return out
    if isinstance(value, int | float) and not isinstance(value, bool) and rng.random() < 0.4:
        return value + int(rng.integers(-3, 4))
    return ODD[int(rng.integers(len(ODD)))]


def _json(content: bytes, rng: np.random.Generator) -> bytes:
    return json.dumps(_odd(json.loads(content.decode("utf-8-sig")), rng)).encode()


def _glb(content: bytes, rng: np.random.Generator) -> bytes:
    """Its JSON changed, or bytes of its numbers; the lengths are right again."""
    magic, version, _, length, kind = struct.unpack("<4sIIII", content[:20])
    document, rest = content[20 : 20 + length], content[20 + length :]
    if rng.random() < 0.7:
        document = _json(document, rng)
        document += b" " * (-len(document) % 4)
    elif len(rest) > 8:
        rest = rest[:8] + _bytes(rest[8:], rng)[0]
    whole = struct.pack("<II", len(document), kind) + document + rest
    return struct.pack("<4sII", magic, version, 12 + len(whole)) + whole


def _npz(content: bytes, rng: np.random.Generator) -> bytes:
    """An array of another shape, kind or size, with odd numbers, or none."""
    with np.load(io.BytesIO(content), allow_pickle=False) as found:
        arrays = {key: found[key] for key in found.files}
    key = sorted(arrays)[int(rng.integers(len(arrays)))]
    array = arrays[key]
    way = int(rng.integers(8))
    if way == 0:
        del arrays[key]
    elif way == 1:
        arrays[key] = array.reshape(-1)[: int(rng.integers(array.size + 1))]
    elif way == 2:
        arrays[key] = array[None]
    elif way == 3:
        arrays[key] = np.array(ODD[int(rng.integers(len(ODD)))], dtype=object).astype(str)
    elif way == 4:
        arrays[key] = np.zeros((0, *array.shape[1:]), array.dtype)
    elif way == 5:
        arrays[key] = array.astype(("int8", "float16", "complex64", "bool", "U5")[int(rng.integers(5))])
    elif way == 6:
        arrays[key] = np.array([{"a": 1}], dtype=object)
    elif array.size and array.dtype.kind == "f":
        flat = array.reshape(-1).copy()
        flat[int(rng.integers(flat.size))] = (np.nan, np.inf, 1e30, -1e30)[int(rng.integers(4))]
        arrays[key] = flat.reshape(array.shape)
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def _safetensors(content: bytes, rng: np.random.Generator) -> bytes:
    (length,) = struct.unpack("<Q", content[:8])
    header = _json(content[8 : 8 + length], rng)
    return struct.pack("<Q", len(header)) + header + content[8 + length :]


def _zip(content: bytes, rng: np.random.Generator) -> bytes:
    """One of its members, damaged; the archive is sound."""
    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        members = {name: bundle.read(name) for name in bundle.namelist()}
    name = sorted(members)[int(rng.integers(len(members)))]
    members[name], _ = _damage(name, members[name], rng)
    return _zipped(members)


def _zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as bundle:
        for name, data in members.items():
            bundle.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


# Sound files


def _motions() -> list[Input]:
    from dinar.motion.motion import Motion

    walk = Motion.load("walk").clipped(0, 0.4).resampled(15)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name in ("walk.bvh", "walk.npz", "walk.json", "walk.smpl", "walk.amass.npz"):
            path = Path(folder) / name
            walk.save(path)
            found.append(Input(name, "motion", name, {name: path.read_bytes()}))
    return found


def _pictures() -> list[Input]:
    from PIL import Image
    from pillow_heif import register_heif_opener

    register_heif_opener(thumbnails=False)
    rng = np.random.default_rng(0)
    pixels = np.kron(rng.integers(0, 256, (12, 8, 4)), np.ones((10, 10, 1))).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds = {"a.png": {"exif": exif}, "a.jpg": {"exif": exif, "quality": 80}, "a.webp": {}, "a.gif": {}, "a.tif": {},
             "a.bmp": {}, "a.avif": {}, "a.heic": {"format": "HEIF"}}  # fmt: skip
    found = []
    for name, options in kinds.items():
        picture = Image.fromarray(pixels if name in ("a.png", "a.webp", "a.tif") else pixels[..., :3])
        out = io.BytesIO()
        picture.save(out, **({"format": Image.registered_extensions()[Path(name).suffix]} | options))
        found.append(Input(name, "picture", name, {name: out.getvalue()}))
    masks = {"grey.png": pixels[..., 0] // 128 * 255, "labels.png": pixels[..., 0] // 16, "deep.png": None}
    for name, mask in masks.items():
        picture = Image.fromarray((pixels[..., 0] // 128).astype(np.uint16) * 65535 if mask is None else mask)
        out = io.BytesIO()
        picture.save(out, "PNG")
        found.append(Input(name, "mask", name, {name: out.getvalue()}))
    return found


def _keypoints() -> list[Input]:
    numbers = [n for k in range(25) for n in (100.0 + 3 * k, 40.0 + 12 * k, 0.9)]
    points = [[100.0 + k, 40.0 + 2 * k] for k in range(133)]
    frame = {"people": [{"pose_keypoints_2d": numbers, "face_keypoints_2d": None}]}
    frame |= {"canvas_width": 300, "canvas_height": 400}
    files = {
        "openpose.json": {"version": 1.3, "people": [{"pose_keypoints_2d": numbers, "hand_left_keypoints_2d": []}]},
        "frames.json": [frame, frame],
        "mmpose.json": {"instance_info": [{"keypoints": points, "keypoint_scores": [0.8] * 133}]},
        "coco.json": [{"image_id": 1, "keypoints": numbers[:51], "score": 0.9}],
    }
    return [Input(name, "keypoints", name, {name: json.dumps(content).encode()}) for name, content in files.items()]


def _avatars() -> list[Input]:
    """Somebody grey with channels, in a folder and as an archive."""
    import torch

    from dinar.avatar import Avatar, open_body
    from dinar.body.uv import load_layout
    from dinar.texture.neural_texture import NeuralTexture

    model = open_body()
    ones = torch.ones(1, 1, 32, 32)
    texture = NeuralTexture(None, ones.expand(1, 3, 32, 32) * 0.5, ones, ones, ones * 0.7)
    avatar = Avatar(texture, texture.rgb[0], torch.zeros(len(model.shape_basis)), model, load_layout("front", model))
    with tempfile.TemporaryDirectory() as folder:
        avatar.save(Path(folder) / "me")
        files = {path.name: path.read_bytes() for path in sorted((Path(folder) / "me").iterdir())}
    kept = {name: data for name, data in files.items() if not name.endswith(".png")}
    return [
        Input("an avatar's folder", "avatar", "me", {f"me/{name}": data for name, data in kept.items()}),
        Input("an avatar's archive", "avatar", "me.zip", {"me.zip": _zipped(kept)}),
    ]
