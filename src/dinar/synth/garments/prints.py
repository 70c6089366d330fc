"""What is printed on cloth: shapes, letters, stripes, checks; all drawn here, nobody's signs."""

from __future__ import annotations

import math

import cv2
import numpy as np

_FONTS = (
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_SIMPLEX,
)
_MOTIF = 192  # pixels a side


def motif(rng: np.random.Generator) -> np.ndarray:
    """Some picture for a chest: how much ink of three colours there is, float32 [_MOTIF, _MOTIF, 3]."""
    out = np.zeros((3, _MOTIF, _MOTIF), np.uint8)
    for layer in out[: int(rng.choice([1, 1, 2, 3]))]:
        draw = (_letters, _star, _blob, _bars, _ring, _scribble)[
            int(rng.choice(6, p=[0.35, 0.15, 0.15, 0.1, 0.1, 0.15]))
        ]
        draw(layer, rng)
    return out.transpose(1, 2, 0).astype(np.float32) / 255


def _letters(layer: np.ndarray, rng: np.random.Generator) -> None:
    lines = int(rng.choice([1, 1, 2, 3]))
    font = int(rng.choice(_FONTS))
    thick = int(rng.integers(2, 9))
    for line in range(lines):
        word = "".join(chr(int(k)) for k in rng.integers(65, 91, rng.integers(1, 8)))
        (w, h), _ = cv2.getTextSize(word, font, 1, 3)
        scale = min((_MOTIF - 24) / w, (_MOTIF - 24) / lines / (h + 8))
        y = int(_MOTIF * (line + 0.5) / lines + h * scale / 2)
        cv2.putText(layer, word, (int(_MOTIF - w * scale) // 2, y), font, scale, 255, thick, cv2.LINE_AA)


def _star(layer: np.ndarray, rng: np.random.Generator) -> None:
    corners, turn = int(rng.integers(3, 9)), rng.uniform(0, 6.28)
    angle = turn + np.arange(2 * corners) * np.pi / corners
    radius = np.where(np.arange(2 * corners) % 2, 88, rng.uniform(30, 88))
    at = _MOTIF / 2 + rng.uniform(-20, 20, 2)
    points = np.stack([at[0] + radius * np.cos(angle), at[1] + radius * np.sin(angle)], axis=1)
    cv2.fillPoly(layer, [points.astype(np.int32)], 255, cv2.LINE_AA)


def _blob(layer: np.ndarray, rng: np.random.Generator) -> None:
    noise = cv2.GaussianBlur(rng.standard_normal((_MOTIF, _MOTIF), np.float32), (0, 0), rng.uniform(6, 22))
    y, x = np.mgrid[-1 : 1 : _MOTIF * 1j, -1 : 1 : _MOTIF * 1j]
    round_ = np.clip((0.95 - np.hypot(x, y)) * 12, 0, 1)
    layer[:] = (255 * np.clip(noise / noise.std() * 4 + 0.5, 0, 1) * round_).astype(np.uint8)


def _bars(layer: np.ndarray, rng: np.random.Generator) -> None:
    for at in np.linspace(20, _MOTIF - 30, int(rng.integers(2, 6))):
        cv2.rectangle(layer, (15, int(at)), (_MOTIF - 15, int(at + rng.uniform(5, 22))), 255, -1)


def _ring(layer: np.ndarray, rng: np.random.Generator) -> None:
    middle = (_MOTIF // 2, _MOTIF // 2)
    for _ in range(int(rng.integers(1, 4))):
        cv2.circle(layer, middle, int(rng.uniform(15, 85)), 255, int(rng.choice([-1, 3, 6, 12])), cv2.LINE_AA)


def _scribble(layer: np.ndarray, rng: np.random.Generator) -> None:
    points = rng.uniform(15, _MOTIF - 15, (int(rng.integers(4, 12)), 2)).astype(np.int32)
    cv2.polylines(layer, [points], bool(rng.random() < 0.5), 255, int(rng.integers(2, 10)), cv2.LINE_AA)


def laid(picture: np.ndarray, x: np.ndarray, y: np.ndarray, wide: float) -> np.ndarray:
    """A motif [s, s, C] `wide` metres wide at places x, y (metres right and up of its middle): [H, W, C]."""
    side = len(picture)
    u = ((x / wide + 0.5) * side - 0.5).astype(np.float32)
    v = ((0.5 - y / wide) * side - 0.5).astype(np.float32)
    return cv2.remap(picture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def repeated(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """How much ink a pattern all over has at places (metres on the cloth): float32 in [0, 1], of one colour."""
    kind = rng.choice(
        ["stripes", "pinstripes", "checks", "dots", "blots", "zigzag"], p=[0.3, 0.1, 0.2, 0.15, 0.17, 0.08]
    )
    step = math.exp(rng.uniform(math.log(0.012), math.log(0.10)))
    if kind in ("stripes", "pinstripes"):
        along = y if rng.random() < 0.65 else x
        width = 0.08 if kind == "pinstripes" else rng.uniform(0.2, 0.6)
        return _wave(along / step, width)
    if kind == "checks":
        one, two = _wave(x / step, 0.45), _wave(y / step, 0.45)
        return (0.5 * one + 0.5 * two).astype(np.float32)
    if kind == "dots":
        u, v = x / step, y / step
        u = u + 0.5 * (np.floor(v) % 2)
        r = np.hypot(u % 1 - 0.5, v % 1 - 0.5)
        return np.clip((rng.uniform(0.12, 0.4) - r) * 8 + 0.5, 0, 1).astype(np.float32)
    if kind == "zigzag":
        return _wave(y / step + 0.5 * np.abs((x / step) % 2 - 1), rng.uniform(0.3, 0.6))
    noise = waves(rng, 256, rng.uniform(2.5, 9))
    noise = np.clip(noise * 3 + rng.uniform(-1, 1), 0, 1)
    u, v = (np.mod(c * 256 / 0.5, 256).astype(np.float32) for c in (x, y))
    return cv2.remap(noise, u, v, cv2.INTER_NEAREST)


def waves(rng: np.random.Generator, side: int, across: float, down: float | None = None) -> np.ndarray:
    """Smooth noise of spread 1 that repeats, float32 [side, side], by standard deviations in pixels."""
    border = min(int(3 * max(across, down or 0)) + 1, side)
    noise = np.pad(rng.standard_normal((side, side), np.float32), border, mode="wrap")
    noise = cv2.GaussianBlur(noise, (0, 0), across, sigmaY=down or across)[border:-border, border:-border]
    return noise / noise.std()


def _wave(at: np.ndarray, share: float) -> np.ndarray:
    """Stripes one apart, `share` of which is ink, their edges soft: float32."""
    inside = share / 2 - np.abs(at % 1 - 0.5)
    return np.clip(inside * 12 + 0.5, 0, 1).astype(np.float32)
