"""Avatars on disk: a folder or a .zip, written whole or not at all, read with every number checked."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor

from dinar import images
from dinar.avatar.avatar import Avatar
from dinar.avatar.drawing import composed
from dinar.avatar.known import Shot, open_body, renderer_of
from dinar.body.layers import BOXES, Layer, wearing
from dinar.body.model import BodyModel
from dinar.body.uv import LAYOUTS, load_layout
from dinar.camera import Camera
from dinar.errors import InputError
from dinar.files import atomic_file, atomic_folder, check_file, check_folder
from dinar.networks.renderer import Renderer
from dinar.texture.neural_texture import NeuralTexture

FORMAT = 2
MARKER = "avatar.json"
TEXTURE = "texture.safetensors"
PREVIEW = "preview.png"

_MOST_BYTES = {MARKER: 16 << 20, TEXTURE: 2 << 30}
_LARGEST_SIDE = 8192
_DATE = (1980, 1, 1, 0, 0, 0)


def save(avatar: Avatar, path: Path | str) -> None:
    """Writes a folder, or one .zip file: avatar.json, texture.safetensors, preview.png; whole or not at all.

    Raises InputError where `path` cannot be written or holds something else.
    """
    path = Path(path)
    if path.suffix.lower() != ".zip":
        with atomic_folder(path, marker=MARKER) as folder:
            _write(avatar, folder)
        return
    with atomic_file(path) as temporary:
        folder = temporary.parent / "content"
        folder.mkdir()
        _write(avatar, folder)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name in (MARKER, TEXTURE, PREVIEW):
                entry = zipfile.ZipInfo(name, _DATE)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                bundle.writestr(entry, (folder / name).read_bytes())


def _write(avatar: Avatar, folder: Path) -> None:
    (folder / TEXTURE).write_bytes(safetensors.save(_arrays(avatar)))
    (folder / MARKER).write_text(json.dumps(_described(avatar), indent=1, allow_nan=False), encoding="utf-8")
    images.save(folder / PREVIEW, composed(avatar.view("front", (512, 512)), None))


def _arrays(avatar: Avatar) -> dict[str, Tensor]:
    """Colours in half precision (a 4000th at worst), masks in bytes."""
    texture = avatar.texture
    tensors = {
        "rgb": texture.rgb[0].half(),
        "sampled": texture.sampled[0].to(torch.uint8),
        "filled": texture.filled[0].to(torch.uint8),
        "frontality": texture.frontality[0].half(),
        "painted": avatar.painted.half(),
        "offsets": avatar.model.offsets.half(),
    }
    if texture.generated is not None:
        tensors["generated"] = texture.generated[0].half()
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _described(avatar: Avatar) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "program": f"dinar {version('dinar')}",
        "body": avatar.model.name,
        "layout": avatar.layout.name,
        **({"layers": worn} if (worn := {k: v.tolist() for k, v in avatar.model.layers.items()}) else {}),
        "weights": avatar.weights,
        "shape": avatar.shape.tolist(),
        "shots": [
            {
                "pose": shot.pose.tolist(),
                "expression": shot.expression.tolist(),
                "translation": shot.translation.tolist(),
                "camera": {
                    "K": shot.camera.K.tolist(),
                    "R": shot.camera.R.tolist(),
                    "t": shot.camera.t.tolist(),
                    "size": list(shot.camera.size),
                },
                "reprojection": shot.reprojection,
                "mask_iou": shot.mask_iou,
                "unseen": list(shot.unseen),
            }
            for shot in avatar.shots
        ],
    }


def load(path: Path | str) -> Avatar:
    """Reads what `save` wrote; nothing is unpickled and nothing unpacked to disk.

    The neural renderer draws it where the package has the weights that it was made with, else the plain one.

    Raises InputError that names what is missing, damaged, or of a newer version.
    """
    path = Path(path)
    found = _description(path)
    if found.get("body") != "open":
        raise InputError(f"{path} wears a body that this version of dinar does not know: {found.get('body')}")
    if found.get("layout") not in LAYOUTS:
        raise InputError(f"{path} has a UV layout that this version of dinar does not know: {found.get('layout')}")
    model = open_body()
    shots, weights = found.get("shots"), found.get("weights")
    if not isinstance(shots, list) or not isinstance(weights, str | None):
        raise InputError(f"{path} is damaged: 'shots' or 'weights' in its {MARKER} is of the wrong kind")
    tensors = _tensors(path)
    texture, painted = _texture(path, tensors)
    model = _wearing(path, found, model)
    model = model.moved(_offsets(path, tensors, model))
    return Avatar(
        texture,
        painted,
        shape=_numbers(path, found, "shape", (len(model.shape_basis),)),
        model=model,
        layout=load_layout(found["layout"], model),
        weights=weights,
        shots=tuple(_shot(path, shot, model) for shot in shots),
        renderer=_renderer(weights) if texture.generated is not None else None,
    )


def check_output(path: Path) -> None:
    """Raises the InputError that `Avatar.save` would raise, before the long work."""
    if Path(path).suffix.lower() == ".zip":
        check_file(path)
    else:
        check_folder(path, marker=MARKER)


def _renderer(weights: str | None) -> Renderer | None:
    """The renderer that draws textures of the weights of that name, None where this version has none."""
    try:
        return None if weights is None else renderer_of(weights)
    except InputError:
        return None


def _description(path: Path) -> dict[str, Any]:
    """avatar.json as a dictionary of a format that is known."""
    try:
        found = json.loads(_member(path, MARKER).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: its {MARKER} is no JSON") from error
    if not isinstance(found, dict) or not isinstance(found.get("format"), int):
        raise InputError(f"{path} is damaged: its {MARKER} says no format")
    if found["format"] != FORMAT:
        raise InputError(
            f"{path} has avatar format {found['format']} (of {found.get('program', 'another program')}), but this "
            f"version of dinar reads format {FORMAT}"
        )
    return found


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.load(_member(path, TEXTURE))
    except (SafetensorError, ValueError, KeyError, struct.error, RuntimeError) as error:
        raise InputError(f"{path} is damaged: its {TEXTURE} cannot be read") from error


def _member(path: Path, name: str) -> bytes:
    """The bytes of a file of an avatar, a folder or .zip; only the three known names are ever looked up."""
    if not path.exists():
        raise InputError(f"{path} is not there; `dinar create` makes an avatar")
    try:
        if path.is_dir():
            file = path / name
            if file.stat().st_size > _MOST_BYTES[name]:
                raise InputError(f"{path} is damaged: its {name} is too large")
            return file.read_bytes()
        with zipfile.ZipFile(path) as bundle:
            if bundle.getinfo(name).file_size > _MOST_BYTES[name]:
                raise InputError(f"{path} is damaged: its {name} is too large")
            return bundle.read(name)
    except (FileNotFoundError, KeyError) as error:
        raise InputError(f"{path} is no avatar of dinar's: it has no {name}") from error
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{path} is no avatar of dinar's or damaged: its {name} cannot be read") from error


def _texture(path: Path, tensors: Mapping[str, Tensor]) -> tuple[NeuralTexture, Tensor]:
    """The neural texture and the painted colours, checked."""
    parts = {}
    for name, channels in {"rgb": 3, "sampled": 1, "filled": 1, "frontality": 1, "painted": 3, "generated": 16}.items():
        if name == "generated" and name not in tensors:
            continue
        tensor = tensors.get(name)
        if tensor is None:
            raise InputError(f"{path} is damaged: its {TEXTURE} has no '{name}'")
        side = tensor.shape[-1] if tensor.ndim else 0
        if tensor.shape != (channels, side, side) or not 0 < side <= _LARGEST_SIDE:
            raise InputError(f"{path} is damaged: '{name}' in its {TEXTURE} has shape {list(tensor.shape)}")
        if name != "generated" and side != tensors["rgb"].shape[-1]:
            raise InputError(f"{path} is damaged: '{name}' in its {TEXTURE} is not as large as 'rgb'")
        parts[name] = tensor.float()
        if not parts[name].isfinite().all():
            raise InputError(f"{path} is damaged: '{name}' in its {TEXTURE} holds numbers that are not finite")
    painted = parts.pop("painted")
    return NeuralTexture(**{"generated": None} | {name: part[None] for name, part in parts.items()}), painted


def _wearing(path: Path, found: Mapping[str, Any], model: BodyModel) -> BodyModel:
    """The body with the layers that the person wears, if any."""
    worn = found.get("layers", {})
    if not isinstance(worn, dict):
        raise InputError(f"{path} is damaged: 'layers' in its {MARKER} is of the wrong kind")
    unknown = sorted(set(worn) - set(BOXES))
    if unknown:
        raise InputError(f"{path} wears a layer that this version of dinar does not know: {unknown[0]}")
    if bool(worn) != (found["layout"] == "clothed"):
        raise InputError(f"{path} is damaged: 'layers' and 'layout' in its {MARKER} do not go together")
    return wearing(model, {n: _numbers(path, worn, n, (len(Layer.load(n).basis),)) for n in worn}) if worn else model


def _offsets(path: Path, tensors: Mapping[str, Tensor], model: BodyModel) -> Tensor:
    """How the person's outline differs from the body's [V, 3], checked."""
    offsets = tensors.get("offsets")
    if offsets is None or offsets.shape != model.template.shape or not offsets.isfinite().all():
        raise InputError(f"{path} is damaged: its {TEXTURE} has no sound 'offsets'")
    return offsets.float()


def _shot(path: Path, found: object, model: BodyModel) -> Shot:
    camera = found.get("camera") if isinstance(found, dict) else None
    if not isinstance(camera, dict):
        raise InputError(f"{path} is damaged: 'shots' in its {MARKER} has no camera")
    size = _numbers(path, camera, "size", (2,))
    if not (size >= 1).all() or not (size <= 1 << 16).all():
        raise InputError(f"{path} is damaged: 'size' in its {MARKER} is no size of an image")
    unseen = found.get("unseen", [])
    if not isinstance(unseen, list) or not all(isinstance(limb, str) for limb in unseen):
        raise InputError(f"{path} is damaged: 'unseen' in its {MARKER} is no list of names")
    return Shot(
        pose=_numbers(path, found, "pose", (len(model.parents), 3)),
        expression=_numbers(path, found, "expression", (len(model.expression_names),)),
        translation=_numbers(path, found, "translation", (3,)),
        camera=Camera(
            _numbers(path, camera, "K", (3, 3)),
            _numbers(path, camera, "R", (3, 3)),
            _numbers(path, camera, "t", (3,)),
            (int(size[0]), int(size[1])),
        ),
        reprojection=float(_numbers(path, found, "reprojection", ())),
        mask_iou=float(_numbers(path, found, "mask_iou", ())),
        unseen=tuple(unseen),
    )


def _numbers(path: Path, found: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> Tensor:
    """An entry of avatar.json as a float32 tensor of a given shape, finite."""
    try:
        tensor = torch.tensor(found[name], dtype=torch.float32)
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise InputError(f"{path} is damaged: its {MARKER} has no sound '{name}'") from error
    if tensor.shape != shape or not tensor.isfinite().all():
        what = f"shape {list(tensor.shape)} in place of {list(shape)}" if tensor.shape != shape else "infinite numbers"
        raise InputError(f"{path} is damaged: '{name}' in its {MARKER} has {what}")
    return tensor
