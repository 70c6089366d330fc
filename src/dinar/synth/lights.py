"""Light of photographed surroundings, rooms, streets, woods and studios, out of HDR panoramas.

`tools/build_lights.py` makes `data/lights.json`.
"""

from __future__ import annotations

import json
import math
from functools import lru_cache
from pathlib import Path

import numpy as np

from dinar.synth.kernels import shading
from dinar.synth.places import Light

DATA = Path(__file__).parent / "data"
_FACED = 0.6  # of them, the share whose lamp is on the camera's side
_WAYS = 256  # directions that a light's mean is taken of
_BALANCED = (0.5, 0.95)  # the share of a light's colour that a camera's white balance takes away, least and most


@lru_cache(maxsize=1)
def measured() -> dict[str, Light]:
    """The lights by name. All are as bright; a light's own colour is kept."""
    found = json.loads((DATA / "lights.json").read_text(encoding="utf-8"))
    lights = {}
    for name, light in found.items():
        values = {key: np.array(light[key], np.float32) for key in ("sky", "ground", "lobes", "lamp", "colour")}
        lights[name] = Light(**values, softness=float(light["softness"]))
    return lights


def measured_light(rng: np.random.Generator, side: float) -> Light:
    """Somewhere out of `measured`, turned about the vertical, most often with its lamp at the azimuth `side` in degrees
    (0 = +Z, 90 = +X), as a camera with some white balance sees it."""
    lights = measured()
    light = lights[str(rng.choice(list(lights)))]
    angle = rng.uniform(0, 2 * math.pi)
    if rng.random() < _FACED:
        angle = math.radians(side) - math.atan2(light.lamp[0], light.lamp[2])
    mean = _mean(light)
    gain = ((mean / mean.mean()) ** -rng.uniform(*_BALANCED)).astype(np.float32)
    turn = np.float32([[math.cos(angle), 0, math.sin(angle)], [0, 1, 0], [-math.sin(angle), 0, math.cos(angle)]])
    lobes = np.hstack([light.lobes[:, :3] @ turn.T, light.lobes[:, 3:6] * gain, light.lobes[:, 6:]])
    return Light(light.sky * gain, light.ground * gain, lobes, turn @ light.lamp, light.colour * gain, light.softness)


def _mean(light: Light) -> np.ndarray:
    """The light on white paper, mean of all ways that it may be turned, linear RGB [3]."""
    k = np.arange(_WAYS) + 0.5
    y, angle = 1 - 2 * k / _WAYS, math.pi * (1 + math.sqrt(5)) * k
    r = np.sqrt(1 - y * y)
    ways = np.stack([r * np.cos(angle), y, r * np.sin(angle)], axis=1).astype(np.float32)
    radiance = np.empty((_WAYS, 3), np.float32)
    shading.environment(ways, shading.Lamps(light.lamp, light.colour, light.lobes, light.sky, light.ground), radiance)
    return radiance.mean(0) + light.colour / 4
