"""Pictures as tensors: read, written, and the few resamplings that all parts share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dinar.errors import InputError
from dinar.files import atomic_file
from dinar.pictures import read

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def load(path: Path) -> Tensor:
    """The colours of a picture, float32 [3, H, W] in [0, 1] sRGB; see `pictures.read`."""
    return from_bytes(read(path).pixels)


def read_mask(path: Path) -> Tensor:
    """A grey picture as a soft mask, float32 [1, H, W] in [0, 1]; of a picture with transparency, the transparency.

    Raises InputError as `pictures.read` does.
    """
    picture = read(path)
    grey = picture.alpha if picture.alpha is not None else picture.pixels.max(axis=2)
    return torch.from_numpy(grey).float()[None].div_(255)


def save(path: Path, image: Tensor) -> None:
    """Writes [C, H, W] in [0, 1] (C: 1 grey, 3 RGB, 4 RGBA) as .png, .jpg or .webp, whole or not at all.

    Raises InputError where the suffix is another one, the format has no transparency, or the place is not writable.
    """
    path = Path(path)
    kind = _FORMATS.get(path.suffix.lower())
    if kind is None:
        raise InputError(f"{path} has no known suffix; pictures are written as .png, .jpg or .webp")
    if kind == "JPEG" and image.shape[0] == 4:
        raise InputError(f"{path}: a JPEG has no transparency; write a .png")
    pixels = to_bytes(image)
    options = {"PNG": {"compress_level": 4}, "JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"quality": 95}}[kind]
    with atomic_file(path) as temporary:
        try:
            Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(temporary, kind, **options)
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error.strerror or error})") from error


def to_bytes(image: Tensor) -> np.ndarray:
    """[C, H, W] in [0, 1] -> uint8 [H, W, C], rounded; values outside are clamped, so that white stays 255."""
    scaled = torch.nan_to_num(image.detach().float()).clamp(0, 1) * 255
    return scaled.round().to(torch.uint8).permute(1, 2, 0).contiguous().cpu().numpy()


def from_bytes(pixels: np.ndarray) -> Tensor:
    """uint8 [H, W, C] -> float32 [C, H, W] in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))).float() / 255


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """[..., C, H, W] -> [..., C, *size], antialiased when it shrinks."""
    flat = image.reshape(-1, *image.shape[-3:])
    out = torch.nn.functional.interpolate(flat, size=size, mode="bilinear", align_corners=False, antialias=True)
    return out.reshape(*image.shape[:-2], *size)


def crop(image: Tensor, x: int, y: int, size: tuple[int, int], *, outside: float | None = None) -> Tensor:
    """The window [..., C, *size] whose top left pixel is column x, row y; it may reach beyond the picture.

    Beyond the picture its edge pixels are repeated, or the value `outside` stands there.
    """
    h, w = image.shape[-2:]
    rows = torch.arange(y, y + size[0], device=image.device)
    columns = torch.arange(x, x + size[1], device=image.device)
    window = image.index_select(-2, rows.clamp(0, h - 1)).index_select(-1, columns.clamp(0, w - 1))
    if outside is None:
        return window
    inside = ((rows >= 0) & (rows < h))[:, None] & ((columns >= 0) & (columns < w))[None, :]
    return torch.where(inside, window, torch.as_tensor(outside, dtype=image.dtype, device=image.device))
