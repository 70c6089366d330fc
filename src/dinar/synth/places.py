"""Where a photograph is taken: what lights the person, and the floor and wall behind."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Light:
    """What lights a scene; all light is linear RGB, 1 = white paper lit head-on.

    sky, ground  float32 [3]     light from above and from below
    lobes        float32 [L, 7]  soft lamps: direction towards them, colour, focus
    lamp         float32 [3]     direction towards the one lamp that casts sharp shadows
    colour       float32 [3]     its light
    softness     metres          its shadows' blur
    """

    sky: np.ndarray
    ground: np.ndarray
    lobes: np.ndarray
    lamp: np.ndarray
    colour: np.ndarray
    softness: float


@dataclass(frozen=True)
class Background:
    """A room or a place: a floor and a far wall.

    floor    float32 [s, s, 3]  a floor's tile, linear light, repeated every `tile` metres
    wall     float32 [h, w, 3]  what stands behind, linear light, lit already
    tile     metres
    distance metres from the person to the wall
    wide     metres, the wall's picture's width
    turn     radians, the wall's and the floor's turn about the vertical
    blur     share of the picture's height that the far wall is blurred by
    seamless whether the floor runs into the wall without an edge (a studio's paper)
    """

    floor: np.ndarray
    wall: np.ndarray
    tile: float
    distance: float
    wide: float
    turn: float
    blur: float
    seamless: bool

    @cached_property
    def floor_mean(self) -> np.ndarray:
        """The floor's colour from afar, float32 [3]."""
        return self.floor.mean((0, 1))


def daylight() -> Light:
    """A bright room: a large window to the front left, white walls."""
    return Light(
        sky=np.float32([0.42, 0.43, 0.45]),
        ground=np.float32([0.22, 0.20, 0.18]),
        lobes=np.float32([[-0.6, 0.45, 0.66, 0.75, 0.74, 0.72, 3.0], [0.85, 0.3, -0.4, 0.35, 0.36, 0.4, 5.0]]),
        lamp=np.float32([-0.45, 0.65, 0.61]),
        colour=np.float32([0.62, 0.59, 0.54]),
        softness=0.03,
    )


def studio() -> Background:
    """A photographer's seamless grey paper."""
    y, x = np.mgrid[0:192, 0:256].astype(np.float32)
    glow = np.exp(-(((x - 128) / 110) ** 2 + ((y - 90) / 100) ** 2))
    wall = (0.30 + 0.32 * glow)[..., None] * np.float32([0.98, 1.0, 1.03])
    return Background(np.full((4, 4, 3), 0.5, np.float32), wall.astype(np.float32), 1.0, 1.8, 6.0, 0.0, 0.0, True)
