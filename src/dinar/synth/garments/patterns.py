"""What garments there are, each by a few measures in metres on the mean body."""

from __future__ import annotations

import numpy as np

from dinar.body.model import BodyModel
from dinar.parts import BodyPart
from dinar.synth.garments.sewing import Collar, Garment
from dinar.synth.garments.surfaces import Surface, surface
from dinar.synth.piece import CLOTH, LEATHER

NECK_BACK, NECK_FRONT = (0.598, -0.05), (0.575, 0.11)  # heights and depths of a round neckline behind and before
SHORT, HALF, LONG = 0.17, 0.30, 0.60  # sleeves, from the shoulder's joint
_FAR = np.float32(1.0)

SHIRT_COLLAR = np.float32([[0.022, 0.004], [0.032, 0.008], [0.012, 0.016], [-0.022, 0.017]])
STAND_COLLAR = np.float32([[0.02, 0.003], [0.045, 0.006], [0.043, 0.012], [0.0, 0.014]])
RIB = np.float32([[0.007, 0.001], [0.014, -0.001]])
ROLL_NECK = np.float32([[0.03, 0.002], [0.055, 0.004], [0.05, 0.012], [0.01, 0.014]])
LAPEL = np.float32([[0.004, 0.006], [-0.02, 0.013], [-0.05, 0.012]])
HOOD_DOWN = np.float32(
    [[0.03, 0.01], [0.055, 0.035], [0.045, 0.075], [0.0, 0.10], [-0.06, 0.095], [-0.12, 0.06], [-0.13, 0.025]]
)


def _smooth(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below low, 1 above high."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def neckline(base: Surface, depth: float, width: float, v: bool, back: float = 0.0) -> np.ndarray:
    """Metres below a neckline that is `depth` lower in front than a round one and at most 2 `width` wide."""
    (high, behind), (low, before) = NECK_BACK, NECK_FRONT
    x, y, z = base.place.T
    line = high - back + (low - depth - high + back) * np.clip((z - behind) / (before - behind), 0, 1)
    across = np.abs(x) - width
    if v:
        across = np.maximum(across, np.abs(x) - (y - (low - depth)) * width / max(depth, 0.02))
    return np.maximum(line - y, across).astype(np.float32)


def sleeves(base: Surface, length: float) -> np.ndarray:
    """Metres before a sleeve's end; length 0: no sleeves."""
    if length <= 0:
        arm = base.arm
        for _ in range(8):  # weights are uneven, armholes are not
            arm = base.mean @ arm
        return ((0.42 - arm) * 0.2).astype(np.float32)
    return np.where(base.arm > 0.25, length - base.along, _FAR).astype(np.float32)


def above(base: Surface, height: float, dip: float = 0.0) -> np.ndarray:
    """Metres above a hem, `dip` lower behind than before."""
    return np.where(base.arm > 0.5, _FAR, base.place[:, 1] - height + dip * _smooth(-base.place[:, 2], -0.06, 0.08))


def top(
    model: BodyModel,
    *,
    label: BodyPart = BodyPart.UPPER,
    name: str = "top",
    depth: float = 0.0,
    width: float = 0.12,
    v: bool = False,
    sleeve: float = SHORT,
    hem: float = -0.02,
    loose: float = 0.15,
    sleeve_wide: float = 1.15,
    offset: float = 0.007,
    collar: str = "",
    open_to: float | None = None,  # metres that each side of an open front is from the middle
    lapel: float | None = None,  # the height down to which a closed front is open in a V
    smooth: int = 16,
    under: float = 0.0,
    material: tuple[float, ...] = CLOTH,
) -> Garment:
    """What is worn above: T-shirts, shirts, jumpers, hoodies, jackets; loose: how much wider at the hem."""
    base = surface(model, "tights")
    x, y, z = base.place.T
    cuts = [neckline(base, depth, width, v), sleeves(base, sleeve), above(base, hem, 0.015)]
    forward = base.normals(base.place)[:, 2] > 0
    if open_to is not None:
        cuts.append(np.where(forward, np.abs(x) - open_to - 0.06 * _smooth(-y, -0.45, 0.1) * (open_to > 0.03), _FAR))
    elif lapel is not None:
        cuts.append(np.where(forward & (y > lapel - 0.1), np.abs(x) - (y - lapel) * 0.38, _FAR))
    trunk = (1 - base.arm) * _smooth(0.50 - y, 0.0, 0.40)
    wide = 1 + loose * trunk + (sleeve_wide - 1) * base.arm * _smooth(base.along, 0.0, 0.1)
    collars = []
    near_neck = _smooth(y, 0.36, 0.50)
    if collar == "hood":
        collars.append(Collar(0, HOOD_DOWN, 1, _smooth(-z, -0.10, 0.0) * 0.85 + 0.15))
    elif collar:
        shapes = {
            "shirt": (SHIRT_COLLAR, 1),
            "stand": (STAND_COLLAR, 1),
            "rib": (RIB, None),
            "roll": (ROLL_NECK, 1),
            "lapel": (LAPEL, 0),
        }
        collars.append(Collar(0, *shapes[collar]))
        if collar == "lapel" and len(cuts) > 3:
            collars.append(Collar(3, LAPEL, 0, near_neck))
    return Garment(
        name,
        label,
        "tights",
        "upper",
        tuple(np.float32(c) for c in cuts),
        offset,
        wide.astype(np.float32),
        smooth=smooth,
        collars=tuple(collars),
        under=under,
        material=material,
    )


def trousers(
    model: BodyModel,
    *,
    waist: float = 0.12,
    hem: float = -0.735,
    thigh: float = 1.08,
    ankle: float = 1.25,
    offset: float = 0.006,
    smooth: int = 4,
    under: float = 0.008,
    label: BodyPart = BodyPart.LOWER,
    name: str = "trousers",
) -> Garment:
    """Shorts to trousers, leggings to flares: how wide they are at thighs and ankles, by the legs."""
    base = surface(model, "tights")
    y = base.place[:, 1]
    cuts = (waist - y, np.where(base.arm > 0.5, -_FAR, y - hem))
    down = np.clip((-0.1 - y) / 0.65, 0, 1)
    wide = 1 + (thigh - 1) * _smooth(-y, -0.05, 0.15) * (1 - down) + (ankle - 1) * down
    return Garment(
        name,
        label,
        "tights",
        "lower",
        tuple(np.float32(c) for c in cuts),
        offset,
        wide.astype(np.float32),
        smooth=smooth,
        under=under,
        waist=waist,
    )


def skirt(
    model: BodyModel,
    *,
    waist: float = 0.14,
    hem: float = -0.35,
    flare: float = 1.0,
    folds: int = 0,
    depth: float = 0.0,
    phase: float = 0.0,
    offset: float = 0.008,
    label: BodyPart = BodyPart.DRESS,
    name: str = "skirt",
    open_to: float | None = None,
    under: float = 0.0,
    material: tuple[float, ...] = CLOTH,
) -> Garment:
    """Skirts and what hangs of dresses and coats; flare: how wide at the ankles, by the helper's A-line."""
    base = surface(model, "skirt")
    x, y, z = base.place.T
    down = np.clip((0.06 - y) / 0.76, 0, 1)
    cuts = [waist - y, y - hem]
    if open_to is not None:
        cuts.append(np.where(z > 0.02, np.abs(x) - open_to - 0.10 * down, _FAR))
    pleats = None
    if folds:
        pleats = (depth * _smooth(down, 0.02, 0.5)).astype(np.float32), folds, phase
    wide = (1 + (flare - 1) * down).astype(np.float32)
    return Garment(
        name,
        label,
        "skirt",
        "whole",
        tuple(np.float32(c) for c in cuts),
        offset,
        wide,
        pleats,
        smooth=2,
        under=under,
        material=material,
        waist=waist,
    )


def boots(model: BodyModel, *, height: float) -> Garment:
    """Boots up to a height above the sole."""
    base = surface(model, "tights")
    y = base.place[:, 1]
    ankle = _smooth(y, -0.78, -0.72)
    wide = (1.0 + 0.12 * ankle + 0.05).astype(np.float32)
    return Garment(
        "boots",
        BodyPart.SHOES,
        "tights",
        "lower",
        (np.float32(-0.82 + height - y),),
        0.010,
        wide,
        smooth=5,
        material=LEATHER,
        under=0.006,
    )
