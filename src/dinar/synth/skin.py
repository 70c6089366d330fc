"""Skin of every tone for women and men, out of a few painted skins and the colours that were measured on 147 faces."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from dinar.body.model import BodyModel
from dinar.body.uv import load_layout
from dinar.synth.srgb import bytes_of, linear
from dinar.synth.wardrobe import Wardrobe

DATA = Path(__file__).parent / "data"
LIGHTEST, DARKEST = 0.46, 0.042  # share of light that cheeks send back: of tone 0, of tone 1
_CHEEK = (0.042, 0.675, 0.012)  # metres on the mean person: aside, above the origin, and how far about that
_COARSE = 128  # texels a side of what counts as broad colour
_OWN = 0.6  # of how far faces are off the curve, what is their skin's; the rest is their pictures' light
_CALM = 0.45  # how much of a light skin's blemishes is left on the darkest


def skin_picture(
    wardrobe: Wardrobe, rng: np.random.Generator, female: bool, tone: float, years: float, size: int
) -> np.ndarray:
    """A skin uint8 [size, size, 3] of any tone, 0 = the lightest to 1 = the darkest.

    Fine detail comes from a skin of the person's own sex. The broad colour is mixed, in the logarithm of light, from a
    light and a dark skin, so there are dark women too although no such texture is at hand; cheeks then have the light
    and the hue that go with the tone (`tools/build_tones.py`), as far off as people are.
    """
    age = "old" if years > 62 else "middleage" if years > 42 else "young"
    names = [n for n in wardrobe.skins if "special" not in n]
    sex = [n for n in names if ("_female" in n) == female]
    light = [n for n in sex if "light" in n]
    dark = [n for n in names if "dark" in n]
    light = [n for n in light if n.startswith(age)] or light
    dark = [n for n in dark if n.startswith(age)] or dark
    pale, deep = str(rng.choice(light)), str(rng.choice(dark))
    own = pale if female or tone < 0.55 else deep
    coarse = [_coarse(linear(wardrobe.picture(wardrobe.skins[n], size))) for n in (pale, deep)]
    own_light = linear(wardrobe.picture(wardrobe.skins[own], size))
    detail = np.clip(own_light / _enlarged(coarse[own == deep], size), 0.25, 3)
    if own == pale:
        even = 1 - (1 - _CALM) * tone
        grey = cv2.transform(detail, np.full((1, 3), 1 / 3, np.float32))[..., None]
        detail = grey * (detail / grey) ** np.float32(even)  # blemishes are red on light skin, and dark on dark skin
    broad = coarse[0] ** np.float32(1 - tone) * coarse[1] ** np.float32(tone)
    painted = broad.reshape(-1, 3)[_cheeks(wardrobe.model)].mean(0)
    broad *= cheek_colour(rng, tone, painted) / painted
    return bytes_of(_enlarged(broad, size) * detail)


def cheek_colour(rng: np.random.Generator, tone: float, painted: np.ndarray) -> np.ndarray:
    """The share of light that the cheeks of somebody of a tone send back, linear float32 [3].

    Its hue lies half way between the one that was measured, paler in light skins since bright pictures are, and that of
    cheeks as `painted` [3].
    """
    table = _tones()
    powers = float(np.clip(tone, 0, 1)) ** np.arange(3)
    middle = [powers @ table["red"], powers @ table["blue"]]
    red, blue = rng.multivariate_normal(middle, np.array(table["spread"]) * _OWN**2)
    colour = np.sqrt(np.array([math.exp(red), 1.0, math.exp(blue)]) * painted / painted[1])
    light = LIGHTEST ** (1 - tone) * DARKEST**tone * math.exp(rng.normal(0, 0.06))
    return (light * colour / colour.mean()).astype(np.float32)


@lru_cache(maxsize=1)
def _tones() -> dict[str, np.ndarray]:
    found = json.loads((DATA / "tones.json").read_text(encoding="utf-8"))
    return {key: np.array(value) for key, value in found.items()}


@lru_cache(maxsize=2)
def _cheeks(model: BodyModel) -> np.ndarray:
    """The texels, counted row by row in a picture of _COARSE, that lie on the cheeks."""
    layout = load_layout("anny", model)
    middle = model.template.numpy()[model.faces.numpy()].mean(1)
    aside, up, about = _CHEEK
    near = np.maximum(np.abs(np.abs(middle[:, 0]) - aside), np.abs(middle[:, 1] - up)) < about
    on_cheek = near & (middle[:, 2] > 0.07)
    uv = layout.uv.numpy()[layout.faces.numpy()[on_cheek]].mean(1)
    column, row = np.clip((uv * _COARSE).astype(int), 0, _COARSE - 1).T
    return row * _COARSE + column


def _coarse(light: np.ndarray) -> np.ndarray:
    """The coarse colours [_COARSE, _COARSE, 3] of a picture in linear light."""
    small = cv2.resize(light, (_COARSE, _COARSE), interpolation=cv2.INTER_AREA)
    return np.maximum(cv2.GaussianBlur(small, (0, 0), 2.5), 1e-3)


def _enlarged(light: np.ndarray, size: int) -> np.ndarray:
    return cv2.resize(light, (size, size), interpolation=cv2.INTER_LINEAR)
