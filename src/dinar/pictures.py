"""Pictures read from disk, safely: what is no picture, cut short or too large is refused in a sentence."""

from __future__ import annotations

import io
import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from dinar.errors import InputError
from dinar.files import refuse_stand_in

MOST_PIXELS = 80_000_000
SMALLEST_SIDE = 64
MOST_LABEL = 64            # of a label map: body parsing knows 7 to 60 of them

_FILM_DIAGONAL = math.hypot(36, 24)  # mm; FocalLengthIn35mmFilm compares diagonals
_MILLIMETRES = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}  # EXIF FocalPlaneResolutionUnit
_DECODING_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, IndexError, MemoryError, RuntimeError,
)  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """An upright picture as it was on disk, in sRGB.

    pixels  uint8 [H, W, 3]       transparent parts laid over white
    alpha   uint8 [H, W] or None  the picture's own transparency, where it has any
    focal   float or None         focal length in pixels, where EXIF tells it
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    focal: float | None

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)"""
        return self.pixels.shape[0], self.pixels.shape[1]


def read(path: Path) -> Picture:
    """A picture in any format and mode that Pillow reads: EXIF rotation and ICC profile applied, first frame.

    Raises InputError where `path` is missing, a folder, no picture, cut short, smaller than 64 px, or larger than
    80 megapixels (judged by the header, before anything is decoded).
    """
    with _checked(Path(path)) as source:
        focal = _focal(source)
        ImageOps.exif_transpose(source, in_place=True)
        colour, alpha = _srgb(source)
    return Picture(colour, alpha, focal)


def read_labels(path: Path) -> np.ndarray | None:
    """The labels [H, W] of a label map, upright: indices of a coloured palette, or grey values that are few and small.

    None for other pictures, mattes and black-and-white masks among them. Raises InputError as `read` does.
    """
    with _checked(Path(path)) as source:
        if source.mode not in ("P", "L", "I", "I;16", "I;16B", "I;16L") or source.has_transparency_data:
            return None
        shown = np.asarray(source.convert("RGB")) if source.mode == "P" else None
        if shown is not None and np.ptp(shown, axis=2).max() == 0:      # a grey picture in few values
            return _labels(shown[..., 0])
        values = np.asarray(source).astype(np.int64)
        return values if shown is not None else _labels(values)


def _labels(values: np.ndarray) -> np.ndarray | None:
    used = np.unique(values)
    return values if len(used) > 1 and used[0] >= 0 and used[-1] <= MOST_LABEL else None


@contextmanager
def _checked(path: Path) -> Iterator[Image.Image]:
    """A picture of a size that can be used, its pixels read; what goes wrong in the block means that it is damaged."""
    with warnings.catch_warnings(), _opened(path) as source:
        warnings.simplefilter("ignore", UserWarning)      # Pillow's
        width, height = source.size
        if width * height > MOST_PIXELS:
            raise InputError(
                f"{path} has {width} x {height} pixels; the most is {MOST_PIXELS // 10**6} megapixels, make it smaller"
            )
        if min(width, height) < SMALLEST_SIDE:
            raise InputError(f"{path} has {width} x {height} pixels; the shorter side needs at least {SMALLEST_SIDE}")
        try:
            source.load()
            yield source
        except _DECODING_ERRORS as error:
            raise InputError(f"{path} is damaged or cut short") from error


def _opened(path: Path) -> Image.Image:
    """Reads the header only."""
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a picture")
    if not path.exists():
        raise InputError(f"{path} does not exist")
    try:
        with warnings.catch_warnings():
            for category in (Image.DecompressionBombWarning, UserWarning):     # the latter of damaged EXIF
                warnings.simplefilter("ignore", category)
            _knows_heic()
            refuse_stand_in(path)
            return Image.open(path)
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{path} is far too large; the most is {MOST_PIXELS // 10**6} megapixels, make it smaller"
        ) from error
    except UnidentifiedImageError as error:
        if path.suffix.lower() in (".heic", ".heif", ".hif"):
            raise InputError(f"{path} is no HEIC picture that can be read; save it as JPEG or PNG") from error
        raise InputError(f"{path} is not a picture in a known format") from error
    except PermissionError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error
    except _DECODING_ERRORS as error:
        raise InputError(f"{path} is damaged or cut short") from error


@cache
def _knows_heic() -> None:
    """Pillow learns to read what iPhones write."""
    from pi_heif import register_heif_opener

    register_heif_opener(thumbnails=False)


def _srgb(source: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """Any mode -> sRGB bytes over white, and the transparency."""
    if source.mode.startswith("I") or source.mode == "F":
        values = np.asarray(source, np.float64)
        most = 65535 if source.mode != "F" else (1 if values.max() <= 1 else 255)
        grey = np.rint(np.clip(values / most, 0, 1) * 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2), None
    if source.has_transparency_data:
        source = _profiled(source.convert("RGBA"), source.info.get("icc_profile"))
        alpha = np.array(source.getchannel("A"))
        if alpha.min() == 255:
            return np.array(source.convert("RGB")), None
        white = Image.new("RGBA", source.size, "white")
        return np.array(Image.alpha_composite(white, source).convert("RGB")), alpha
    colours = _profiled(source, source.info.get("icc_profile"))
    return np.array(colours if colours.mode == "RGB" else colours.convert("RGB")), None


def _profiled(source: Image.Image, profile: bytes | None) -> Image.Image:
    """Colours converted to sRGB by the embedded ICC profile; unusable profiles are ignored."""
    if not profile or source.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return source
    try:
        embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB IEC61966" in ImageCms.getProfileDescription(embedded):
            return source
        mode = "RGBA" if source.mode == "RGBA" else "RGB"
        colours = ImageCms.profileToProfile(
            source.convert("RGB") if mode == "RGBA" else source,
            embedded,
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return source
    if mode == "RGBA":
        colours.putalpha(source.getchannel("A"))
    return colours


def _focal(source: Image.Image) -> float | None:
    """Focal length in pixels from EXIF, or None where it is absent, absurd, or the picture was cropped since."""
    exif = source.getexif().get_ifd(0x8769)
    number = {name: _number(exif.get(tag)) for name, tag in _TAGS.items()}
    width, height = source.size
    taken = number["width"], number["height"]
    if all(taken) and abs(math.log(max(taken) / min(taken) * min(width, height) / max(width, height))) > 0.02:
        return None
    focal = None
    if number["film"]:
        focal = number["film"] / _FILM_DIAGONAL * math.hypot(width, height)
    elif number["focal"] and number["resolution"] and all(taken):
        unit = _MILLIMETRES.get(int(number["unit"] or 2))
        if unit:
            focal = number["focal"] * number["resolution"] / unit * max(width, height) / max(taken)
    return focal if focal and 0.3 < focal / max(width, height) < 40 else None


_TAGS = {
    "film": 0xA405,
    "focal": 0x920A,
    "resolution": 0xA20E,
    "unit": 0xA210,
    "width": 0xA002,
    "height": 0xA003,
}


def _number(value: object) -> float:
    """An EXIF entry as a positive number, 0 where it is none."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0
