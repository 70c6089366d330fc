"""Pictures of garments: cloth, prints, seams, hems, pockets, buttons, zips and ties."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from dinar.body.model import BodyModel
from dinar.synth.garments import prints
from dinar.synth.garments.sewing import Garment
from dinar.synth.garments.surfaces import Sheet, sheet

_BRIGHTEST = np.float32(0.85)
_SOLE = -0.803  # metres: the mean body stands at -0.82


@dataclass(frozen=True)
class Look:
    """How a garment is to look.

    colour    float32 [3], linear light
    ink       float32 [3, 3]  colours of what is printed
    pattern   a pattern all over, on the front's panels or the back's alone: "all", "front", "back" or ""
    motif     how wide a picture on the chest is, metres, and the height of its middle; None: none
    back      the same behind
    tile      a fabric, linear light [s, s, 3], and metres a side
    dyed      whether the fabric takes the garment's colour
    fasten    "" or what closes it in front: "buttons", "zip", "tie"
    pockets   "", "chest", "sides", "jeans"
    bands     whether hems, cuffs and necklines are of another colour
    belt      whether there is one
    sole      whether there is one
    seed      of what is drawn: garments of one look and seed are of one cloth
    """

    colour: np.ndarray
    ink: np.ndarray
    pattern: str = ""
    motif: tuple[float, float] | None = None
    back: tuple[float, float] | None = None
    tile: tuple[np.ndarray, float] | None = None
    dyed: bool = False
    fasten: str = ""
    pockets: str = ""
    bands: bool = False
    belt: bool = False
    sole: bool = False
    seed: int = 0


def pictured(garment: Garment, model: BodyModel, look: Look, size: int) -> np.ndarray:
    """A garment's picture, linear light float32 [size, size, 3]."""
    flat = sheet(model, garment.base, garment.region, size)
    metre = size / flat.side
    rng = np.random.default_rng(look.seed)
    x, y, _ = flat.place
    out = np.empty((size, size, 3), np.float32)
    out[:] = look.colour
    if look.tile is not None:
        out = _woven(look, size, metre)
    elif rng.random() < 0.7:
        out *= _grain(rng, size)[..., None]
    if look.pattern:
        v, u = np.mgrid[0:size, 0:size].astype(np.float32) / metre
        ink = prints.repeated(rng, u, y if garment.region != "lower" else v)
        if look.pattern != "all":
            ink *= flat.front == (look.pattern == "front")
        _mix(out, ink, look.ink[0])
    for wanted, front in ((look.motif, True), (look.back, False)):
        if wanted is not None:
            drawn = prints.laid(prints.motif(rng), x if front else -x, y - wanted[1], wanted[0])
            drawn *= (flat.front == front)[..., None]
            for k in range(3):
                _mix(out, drawn[..., k], look.ink[k])
    edge = flat.at_texels(garment.inside)
    wide = 0.006 if garment.region == "whole" else 0.004
    if look.bands:
        _mix(out, _below(edge, float(rng.uniform(0.02, 0.06)), 0.002), look.ink[0])
    seam = np.clip(np.abs(edge - 0.022) / wide, 0.78, 1) * np.clip((edge + 0.004) / 0.006, 0.6, 1)
    out *= np.where(edge > -0.006, seam, 1)[..., None]
    if garment.region == "upper":
        _fasten(out, x, y, flat.front, look, rng)
    _pockets(out, x, y, flat.front, look, rng)
    if look.belt and garment.region != "upper":
        at = edge if garment.region == "whole" else _under_waist(garment, flat)
        strap = _below(at, 0.036, 0.001)
        _mix(out, strap, look.ink[1] * 0.5)
        buckle = ((np.abs(x) < 0.022) & (at < 0.036) & flat.front).astype(np.float32)
        _mix(out, buckle, np.float32([0.5, 0.48, 0.42]))
    if look.sole:
        _mix(out, (y < _SOLE).astype(np.float32), look.colour * 0.25)
    return np.minimum(out, _BRIGHTEST)


def _under_waist(garment: Garment, flat: Sheet) -> np.ndarray:
    """Metres below the waist's cut, the first that a garment of the lower body has, at each texel."""
    return flat.at_texels(garment.cuts[0])


def folds(rng: np.random.Generator, size: int, strength: float = 1.0) -> np.ndarray:
    """A normal map uint8 [size, size, 3] of creased cloth, by the few large folds that cloth of its stiffness has."""
    side = 128
    height = np.zeros((side, side), np.float32)
    for along, across, weight in ((11, 4, 1.0), (5, 8, 0.7), (2.5, 1.5, 0.2)):
        stretch = rng.uniform(0.7, 1.5)
        wave = prints.waves(rng, side, along * stretch, across * stretch)
        height += weight * across * (wave - 0.6 * np.abs(wave))
    dy, dx = np.gradient(height)
    scale = strength * rng.uniform(0.08, 0.2) / max(float(dx.std()), float(dy.std()))
    bump = np.dstack([-dx * scale, dy * scale, np.ones_like(dx)])
    bump = np.rint((np.clip(bump, -1, 1) + 1) * 127.5).astype(np.uint8)
    return cv2.resize(bump, (min(size, 256),) * 2, interpolation=cv2.INTER_CUBIC)


def _woven(look: Look, size: int, metre: float) -> np.ndarray:
    tile, wide = look.tile
    side = max(int(wide * metre), 8)
    tile = cv2.resize(tile, (side, side), interpolation=cv2.INTER_AREA if side < len(tile) else cv2.INTER_LINEAR)
    count = -(-size // side)
    cloth = np.tile(tile, (count, count, 1))[:size, :size]
    if look.dyed:
        grey = cloth.mean(2, keepdims=True)
        cloth = grey / max(float(grey.mean()), 1e-3) * look.colour
    return np.ascontiguousarray(cloth, np.float32)


def _grain(rng: np.random.Generator, size: int) -> np.ndarray:
    """The light and shade of a weave or of wear about 1, float32 [size, size]."""
    fine = rng.standard_normal((size // 2, size // 2), np.float32) * np.float32(rng.uniform(0, 0.06))
    coarse = cv2.GaussianBlur(rng.standard_normal((32, 32), np.float32), (0, 0), 2)
    coarse *= np.float32(rng.uniform(0, 0.1)) / coarse.std()
    return 1 + cv2.resize(fine, (size, size), interpolation=cv2.INTER_LINEAR) + cv2.resize(coarse, (size, size))


def _mix(out: np.ndarray, share: np.ndarray, colour: np.ndarray) -> None:
    """Lays ink over a picture where `share` > 0, its light and shade kept."""
    some = share > 0.004
    out[some] += share[some, None] * (np.float32(colour) - out[some])


def _below(value: np.ndarray, limit: float, soft: float) -> np.ndarray:
    return np.clip((limit - value) / soft + 0.5, 0, 1).astype(np.float32)


def _fasten(
    out: np.ndarray, x: np.ndarray, y: np.ndarray, front: np.ndarray, look: Look, rng: np.random.Generator
) -> None:
    if look.fasten in ("buttons", "tie"):
        line = np.clip(np.abs(np.abs(x) - 0.016) / 0.002, 0.72, 1)
        out *= np.where(front & (y < 0.58), line, 1)[..., None]
        step = rng.uniform(0.07, 0.11)
        away = np.hypot(x, (y + 0.02) % step - step / 2)
        _mix(out, np.clip((0.0065 - away) / 0.002 + 0.5, 0, 1) * front, look.ink[1])
    if look.fasten == "zip":
        _mix(out, (front & (np.abs(x) < 0.005)).astype(np.float32), np.float32(rng.uniform(0.02, 0.5)) * np.ones(3))
        out *= np.where(front, np.clip(np.abs(np.abs(x) - 0.012) / 0.003, 0.75, 1), 1)[..., None]
    if look.fasten == "tie":
        down = 0.57 - y
        half = np.where(down < 0.045, 0.022 - 0.15 * down, 0.017 + 0.055 * down)
        blade = (front & (np.abs(x) < half) & (down > 0) & (down < 0.42 - np.abs(x))).astype(np.float32)
        ink = 0.65 + 0.35 * (((x + y) / 0.02) % 1 < 0.5) if rng.random() < 0.5 else np.ones_like(x)
        _mix(out, blade, look.ink[2] * 0.6)
        out *= np.where(blade > 0, ink, 1)[..., None]


def _pockets(
    out: np.ndarray, x: np.ndarray, y: np.ndarray, front: np.ndarray, look: Look, rng: np.random.Generator
) -> None:
    boxes = {
        "chest": [
            (sign * 0.085, 0.36, 0.05, 0.06, True) for sign in rng.choice([-1, 1], int(rng.integers(1, 3)), False)
        ],
        "sides": [(sign * 0.095, 0.10, 0.065, 0.07, True) for sign in (-1, 1)],
        "jeans": [(sign * 0.08, -0.06, 0.065, 0.07, False) for sign in (-1, 1)],
    }.get(look.pockets, [])
    for cx, cy, w, h, ahead in boxes:
        inside = np.maximum(np.abs(x - cx) - w, np.abs(y - cy) - h)
        line = np.where((inside > -0.004) & (inside < 0), 0.72, 1) * np.where(
            (inside < 0) & (y > cy + h - 0.02), 0.88, 1
        )
        out *= np.where(front == ahead, line, 1)[..., None]
    if look.pockets == "jeans":
        slit = np.abs(np.abs(x) - 0.10 - 0.35 * (0.10 - y)) < 0.003
        fly = (np.abs(x - 0.012) < 0.0025) & (y > -0.04)
        out *= np.where(front & (y > 0.0) & (slit | fly), 0.65, 1)[..., None]
