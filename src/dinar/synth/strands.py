"""Pictures of hair's strands, from the colour of each strand: light, shade, waves, curls, and grey ones among them."""

from __future__ import annotations

import math
from functools import lru_cache

import cv2
import numpy as np

from dinar.synth.kernels import colours
from dinar.synth.pigment import GREY, HairColour

VARIANTS = 3  # pictures of each kind of waves and curls
_STEPS = 4  # kinds between straight and 1.2, of waves and of curls each
_MOST = 1.2
_LAYERS = ((140, 1.0, 1.0), (60, 0.8, 0.65), (18, 0.7, 0.4))  # lengths, widths (of 1024 texels), strengths
_CONTRAST = 0.5  # of the pigment between strands
_SOFT = 110  # ranks, of 256, over which strands go from dark to pale
_SHADE = 0.42  # of light and shade between strands


def strands(colour: HairColour, wave: float, curl: float, variant: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture that repeats, strands running down it, sRGB uint8 [size, size, 3], and its normal map, likewise.

    wave, curl  0 = straight to 1.2
    variant     which of VARIANTS
    """
    kind = tuple(round(min(x, _MOST) / _MOST * (_STEPS - 1)) for x in (wave, curl))
    field, ranks, bump = _field(*kind, variant % VARIANTS, size)
    level = np.linspace(-1, 1, 256)
    shade = np.exp(_SHADE * level)[:, None]
    dark = np.exp(-_CONTRAST * level)  # where less light gets in, a strand looks as if it held more
    planes = cv2.merge([field] * 3)
    light = cv2.LUT(planes, np.float32(colour.strand(dark) * shade)[:, None])
    if colour.grey > 0:
        pale = cv2.LUT(planes, np.float32(GREY * shade)[:, None])
        light += (pale - light) * np.clip((_threshold(colour.grey) - ranks) / np.float32(_SOFT), 0, 1)[..., None]
    picture = np.empty(light.shape, np.uint8)
    colours.to_bytes(np.minimum(light, 1).ravel(), picture.ravel())
    return picture, bump


def _threshold(share: float) -> float:
    """The rank, of 256, about which strands go over into pale ones so that these are a share of all."""
    end = _SOFT / 512  # of them as many are half way when the threshold is a whole way in
    if share < end:
        return math.sqrt(share * 512 * _SOFT)
    if share > 1 - end:
        return 256 + _SOFT - math.sqrt((1 - share) * 512 * _SOFT)
    return 256 * share + _SOFT / 2


def _smeared(rng: np.random.Generator, size: int, along: float, across: float) -> np.ndarray:
    """Noise of spread 1 that repeats, drawn out down the picture; lengths in texels."""
    noise = rng.standard_normal((size, size), np.float32)
    spectrum = np.fft.rfft2(noise)
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    spectrum *= np.exp(-2 * np.pi**2 * ((fy * along) ** 2 + (fx * across) ** 2))
    noise = np.fft.irfft2(spectrum, (size, size)).astype(np.float32)
    return noise / noise.std()


@lru_cache(maxsize=64)
def _field(wave: int, curl: int, variant: int, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Light and shade uint8 [size, size], the strands' ranks uint8 [size, size] (evenly spread), a normal map."""
    rng = np.random.default_rng([wave, curl, variant, 17])
    texel = size / 1024
    field = sum(s * _smeared(rng, size, along * texel, max(across * texel, 0.6)) for along, across, s in _LAYERS)
    field /= field.std()
    field += 0.45 * _smeared(rng, size, 170 * texel, 15 * texel)  # locks
    ranks = _smeared(rng, size, 200 * texel, max(1.5 * texel, 0.8))
    y = np.arange(size, dtype=np.float32)[:, None] / size
    shift = np.zeros((size, size), np.float32)
    for amount, reach, turns, width, spread in ((wave, 0.035, 2, 24, 2.5), (curl, 0.012, 11, 6, 4.0)):
        if amount:
            phase = spread * _smeared(rng, size, 1e3, width * texel)[:1]
            shift += amount / (_STEPS - 1) * _MOST * reach * size * np.sin(2 * np.pi * turns * y + phase)
    x = np.mod(np.arange(size, dtype=np.float32)[None] + shift, size)
    rows = np.broadcast_to(y * size, x.shape)
    field, ranks = (cv2.remap(np.hstack([plane, plane[:, :1]]), x, rows, cv2.INTER_LINEAR) for plane in (field, ranks))
    order = np.empty(size * size, np.float32)
    order[np.argsort(ranks, axis=None)] = np.arange(size * size) * (256 / size**2)
    height = cv2.GaussianBlur(field, (0, 0), 1.0)
    dx = np.roll(height, -1, 1) - np.roll(height, 1, 1)
    dy = np.roll(height, -1, 0) - np.roll(height, 1, 0)
    slope = np.stack([-dx, dy], axis=2) * np.float32(0.30)
    bump = np.concatenate([slope, np.ones((size, size, 1), np.float32)], axis=2)
    return (
        np.rint((np.tanh(field * 0.6) + 1) * 127.5).astype(np.uint8),
        order.astype(np.uint8).reshape(size, size),
        np.rint((np.clip(bump, -1, 1) + 1) * 127.5).astype(np.uint8),
    )
