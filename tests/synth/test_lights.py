from __future__ import annotations

import numpy as np

from dinar.synth.kernels import shading
from dinar.synth.lights import measured, measured_light
from dinar.synth.places import Light
from dinar.synth.studio import _directions


def on_paper(light: Light, normals: np.ndarray) -> np.ndarray:
    """Light [N, 3] on white paper that faces `normals`, gathered from 20,000 directions."""
    k = np.arange(20_000) + 0.5
    y, angle = 1 - 2 * k / len(k), np.pi * (1 + 5**0.5) * k
    r = np.sqrt(1 - y * y)
    ways = np.stack([r * np.cos(angle), y, r * np.sin(angle)], axis=1).astype(np.float32)
    radiance = np.empty((len(k), 3), np.float32)
    shading.environment(ways, shading.Lamps(light.lamp, light.colour, light.lobes, light.sky, light.ground), radiance)
    around = np.clip(normals @ ways.T, 0, None) @ radiance * (4 / len(k))
    return around + np.clip(normals @ light.lamp, 0, None)[:, None] * light.colour


def test_there_are_18_and_all_are_as_bright():
    lights = measured()
    assert len(lights) == 18
    for name, light in lights.items():
        assert abs(on_paper(light, _directions()).mean() - 0.6) < 0.03, name
        assert abs(np.linalg.norm(light.lamp) - 1) < 1e-3
        assert np.allclose(np.linalg.norm(light.lobes[:, :3], axis=1), 1, atol=1e-3)
        assert min(light.sky.min(), light.ground.min(), light.lobes[:, 3:6].min(), light.colour.min()) >= 0
        assert 0.005 < light.softness <= 0.08


def test_turning_a_light_keeps_its_height_and_its_brightness():
    rng = np.random.default_rng(3)
    heights = {round(float(light.lamp[1]), 4) for light in measured().values()}
    for _ in range(30):
        light = measured_light(rng, 40.0)
        assert any(abs(float(light.lamp[1]) - height) < 1e-3 for height in heights)
        assert 0.35 < on_paper(light, _directions()).mean() < 0.95


def test_most_lamps_are_on_the_side_that_is_asked_for():
    rng = np.random.default_rng(0)
    azimuths = [
        np.degrees(np.arctan2(light.lamp[0], light.lamp[2])) for light in (measured_light(rng, 40) for _ in range(80))
    ]
    near = np.abs((np.array(azimuths) - 40 + 180) % 360 - 180) < 1
    assert 0.45 < near.mean() < 0.8


def test_white_balance_takes_away_most_of_a_lights_colour():
    rng = np.random.default_rng(1)
    before = [on_paper(light, _directions()).mean(0) for light in measured().values()]
    after = [on_paper(measured_light(rng, 0), _directions()).mean(0) for _ in range(40)]

    def vivid(colours: list[np.ndarray]) -> float:
        return float(np.mean([np.log(colour / colour.mean()).std() for colour in colours]))

    assert vivid(after) < 0.6 * vivid(before)
    assert vivid(after) > 0.01
