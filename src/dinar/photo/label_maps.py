"""Label maps that other programs make: which of our parts their labels are."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image, UnidentifiedImageError

from dinar.errors import InputError
from dinar.parts import BodyPart
from dinar.pictures import MOST_PIXELS

_ = BodyPart
LABELS = MappingProxyType({
    "dinar": tuple(range(12)),
    "lip": (           # Look into Person's 20, as SCHP and others number them
        _.BACKGROUND, _.HEADWEAR, _.HAIR, _.SKIN, _.GLASSES, _.UPPER, _.DRESS, _.OUTER, _.SHOES, _.LOWER, _.DRESS,
        _.UPPER, _.DRESS, _.FACE_SKIN, _.SKIN, _.SKIN, _.SKIN, _.SKIN, _.SHOES, _.SHOES,
    ),
    "atr": (           # ATR's 18
        _.BACKGROUND, _.HEADWEAR, _.HAIR, _.GLASSES, _.UPPER, _.DRESS, _.LOWER, _.DRESS, _.LOWER, _.SHOES, _.SHOES,
        _.FACE_SKIN, _.SKIN, _.SKIN, _.SKIN, _.SKIN, _.BAG, _.UPPER,
    ),
})  # fmt: skip
"""Our part of each label, by the name of the labels."""


def read(path: Path, kind: str, size: tuple[int, int]) -> np.ndarray:
    """A picture of labels, grey or with a palette, of the upright photo's size (H, W), as our parts: uint8 [H, W].

    Colours without a palette are those of the VOC palette, in which such maps are usually saved.

    Raises InputError where it cannot be read, has another size, or a label that `kind` (of `LABELS`) does not have.
    """
    path = Path(path)
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise InputError(f"{path} has too many pixels")
            values = np.asarray(picture if picture.mode in ("P", "L") else picture.convert("RGB"))
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError, SyntaxError) as error:
        raise InputError(f"{path} cannot be read as a picture of labels") from error
    if values.shape[:2] != size:
        height, width = values.shape[:2]
        raise InputError(f"{path} has {width} x {height} pixels; a label map has the size of its photo")
    table = LABELS[kind]
    if values.ndim == 3:
        values = _from_colours(path, values, len(table))
    parts = np.full(256, -1)
    parts[: len(table)] = table
    parts[BodyPart.UNKNOWN] = BodyPart.UNKNOWN
    found = parts[values]
    if (found < 0).any():
        label = int(values[found < 0].max())
        raise InputError(f"{path} holds label {label}; {kind} has {len(table)} of them, from 0 on")
    if not ((found > 0) & (found != BodyPart.UNKNOWN)).any():
        raise InputError(f"{path} labels nobody")
    return found.astype(np.uint8)


def _from_colours(path: Path, pixels: np.ndarray, count: int) -> np.ndarray:
    codes = pixels.astype(np.int64) @ np.array([65536, 256, 1])
    known = [int(colour @ np.array([65536, 256, 1])) for colour in voc_palette(count).astype(np.int64)]
    values = np.full(codes.shape, -1)
    for label, code in enumerate(known):
        values[codes == code] = label
    if (values < 0).any():
        raise InputError(f"{path} has colours that are no labels; save a label map grey or with a palette, as PNG")
    return values


def voc_palette(count: int) -> np.ndarray:
    """The first colours of the VOC palette, uint8 [count, 3]: bits of the label, spread over the channels."""
    labels = np.arange(count)
    colours = np.zeros((count, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            colours[:, channel] |= ((labels >> (3 * bit + channel) & 1) << (7 - bit)).astype(np.uint8)
    return colours
