"""What a camera makes of the light that it sees: blur, exposure, noise, tones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from dinar.synth.kernels import colours

_TONES = 1536  # steps of the tone curve


@dataclass(frozen=True)
class Lens:
    """What a camera does to light.

    exposure  times what the meter says
    balance   gains of red, green and blue
    blur      standard deviation, pixels
    noise     standard deviation in full light
    vignette  share of the light that the corners lose
    contrast  0 = none added, 1 = a full S-curve
    """

    exposure: float = 1.0
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    blur: float = 0.45
    noise: float = 0.006
    vignette: float = 0.1
    contrast: float = 0.35


def developed(light: np.ndarray, lens: Lens, seed: int, meter: float | None = None) -> np.ndarray:
    """Linear light [H, W, 3] as a camera's sRGB picture float32 [3, H, W]; in memory a pixel's colours are together."""
    rng = np.random.default_rng([seed, 7])
    h, w = light.shape[:2]
    if meter is None:
        meter = float(np.exp(np.log(light[::3, ::3].mean(2) + 0.01).mean()))
    gain = np.float32(lens.exposure * (0.27 / meter) ** 0.8 * np.array(lens.balance))
    if lens.blur > 0:
        light = cv2.GaussianBlur(light, (5, 5), lens.blur)
    normal = _grain()
    starts = rng.integers(0, len(normal) - 3 * w, h)
    loss = np.float32(lens.vignette * 4 / (w * w + h * h))  # per square pixel from the middle
    across = np.repeat((np.arange(w, dtype=np.float32) - np.float32(w / 2)) ** 2 * loss, 3)
    above = (np.arange(h, dtype=np.float32) - np.float32(h / 2)) ** 2 * loss
    out = np.empty((h, w, 3), np.float32)
    colours.develop(
        light.reshape(h, -1), np.tile(gain, w), across, above, np.float32(lens.noise), normal, starts,
        _tone(lens.contrast), np.float32(_TONES), np.empty(3 * w, np.float32), out.reshape(h, -1),
    )  # fmt: skip
    return out.transpose(2, 0, 1)


@lru_cache(maxsize=1)
def _grain() -> np.ndarray:
    """Normally distributed numbers, far more than a picture has pixels in a row."""
    return np.random.default_rng(0).standard_normal(1 << 19, np.float32)


@lru_cache(maxsize=8)
def _tone(contrast: float) -> np.ndarray:
    """sRGB values for the square roots 0, 1 / _TONES, ... 1.5 of linear light."""
    light = (np.arange(_TONES * 3 // 2 + 2) / _TONES) ** 2
    light = light * (1 + light / 4.0) / (1 + light * 0.85)  # a shoulder, as films and cameras have
    srgb = np.where(light < 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 1e-8) ** (1 / 2.4) - 0.055)
    srgb = np.clip(srgb, 0, 1)
    return (srgb + contrast * (srgb * srgb * (3 - 2 * srgb) - srgb)).astype(np.float32)
