"""Random light, places and lenses, and whole sets of pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from dinar.synth.lens import Lens
from dinar.synth.lights import measured_light
from dinar.synth.people import random_person
from dinar.synth.places import Background, Light
from dinar.synth.poses import random_body
from dinar.synth.studio import arrange, expose, frame_camera
from dinar.synth.view import View
from dinar.synth.wardrobe import Wardrobe

MEASURED = 0.45  # of all lights, the share of photographed surroundings


def make_views(assets: str | Path, count: int, seed: int = 0, *, size: tuple[int, int] = (1024, 1024)) -> list[View]:
    """`count` pictures of as many people, bodies and cameras known; see `views`."""
    return list(views(assets, count, seed, size=size))


def views(
    assets: str | Path,
    count: int,
    seed: int = 0,
    *,
    size: tuple[int, int] = (1024, 1024),
    lively: float = 0.15,
    texture: int = 1024,
    children: bool = False,
) -> Iterator[View]:
    """Pictures of different people: most from the front or from aside, one in seven from behind.

    assets  the folder that holds makehuman_cc0/ and fabric/
    size    (H, W) pixels
    lively  the share of people that do not just stand
    texture texels a side of skins and garments
    children whether they are children (`people.random_person`)

    Cameras stand 0.6 to 2 m high with a field of view of 15 to 50 degrees. The same seed gives the same pictures.
    Raises InputError where the folder holds no assets.
    """
    wardrobe = Wardrobe(assets)
    motions = tuple(sorted((wardrobe.root / "poses").glob("standing*.bvh")))
    for k in range(count):
        rng = np.random.default_rng([seed, k, 3])
        person = random_person(wardrobe, seed * 100_003 + k, texture=texture, child=children)
        scene = arrange(person, random_body(person, rng, lively=lively, motions=motions))
        azimuth = 180 + rng.normal(0, 25) if rng.random() < 1 / 7 else float(np.clip(rng.normal(0, 28), -80, 80))
        camera = frame_camera(
            scene,
            size,
            azimuth=azimuth,
            height=rng.uniform(0.6, 2.0),
            fov=math.exp(rng.uniform(math.log(15), math.log(50))),
            margin=rng.uniform(0.04, 0.15),
            roll=rng.normal(0, 1.2),
        )
        light = random_light(rng, azimuth)
        yield expose(scene, camera, light, random_background(rng, wardrobe), lens=random_lens(rng), seed=seed + k)


def _toward(azimuth: float, elevation: float) -> np.ndarray:
    """A unit vector from degrees about the vertical (0 = +Z, 90 = +X) and above the horizon."""
    a, e = math.radians(azimuth), math.radians(elevation)
    return np.float32([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])


def _white(kelvin: float) -> np.ndarray:
    """The colour of a lamp of some temperature, linear RGB of mean 1 (a fit to Planck's law about 6500 K)."""
    x = math.log(kelvin / 6500)
    colour = np.array([math.exp(-0.75 * x), 1.0, math.exp(1.05 * x)])
    return (colour / colour.mean()).astype(np.float32)


def random_light(rng: np.random.Generator, azimuth: float = 0.0) -> Light:
    """Photographed surroundings, sun, cloudy sky, a window, a flat's lamps or a studio's, mostly from the side of the
    camera at `azimuth`."""
    kind = rng.choice(["sun", "cloud", "window", "lamps", "studio"], p=[0.2, 0.2, 0.25, 0.15, 0.2])
    side = azimuth + rng.choice([-1, 1]) * abs(rng.normal(0, 50)) + (180 if rng.random() < 0.08 else 0)
    if rng.random() < MEASURED:
        return measured_light(rng, side)
    if kind == "sun":
        warm, cold = _white(rng.uniform(4300, 5800)), _white(rng.uniform(7000, 10000))
        sky, ground = cold * rng.uniform(0.25, 0.45), warm * rng.uniform(0.1, 0.25)
        lamp, colour, softness = (
            _toward(side, rng.uniform(25, 65)),
            warm * rng.uniform(0.9, 1.5),
            rng.uniform(0.006, 0.02),
        )
        lobes = [(_toward(side, 40), warm * 0.4, 3.0)]
    elif kind == "cloud":
        white = _white(rng.uniform(5800, 7500))
        sky, ground = white * rng.uniform(0.8, 1.1), white * rng.uniform(0.12, 0.3)
        lamp, colour, softness = _toward(side, 60), white * rng.uniform(0.0, 0.2), 0.08
        lobes = [(_toward(side, 50), white * rng.uniform(0.1, 0.4), 2.0)]
    elif kind == "window":
        day, wall = _white(rng.uniform(5500, 7500)), _white(rng.uniform(4000, 6000))
        sky, ground = wall * rng.uniform(0.18, 0.4), wall * rng.uniform(0.1, 0.22)
        lamp, colour, softness = (
            _toward(side, rng.uniform(10, 45)),
            day * rng.uniform(0.3, 0.7),
            rng.uniform(0.03, 0.08),
        )
        lobes = [
            (_toward(side, 25), day * rng.uniform(0.6, 1.2), rng.uniform(2.5, 6)),
            (_toward(side + 150, 10), wall * rng.uniform(0.1, 0.4), 3.0),
        ]
    elif kind == "lamps":
        warm = _white(rng.uniform(2900, 4500)) ** 0.4
        sky, ground = warm * rng.uniform(0.4, 0.7), warm * rng.uniform(0.12, 0.25)
        lamp, colour, softness = (
            _toward(side, rng.uniform(45, 70)),
            warm * rng.uniform(0.3, 0.6),
            rng.uniform(0.02, 0.05),
        )
        lobes = [(_toward(rng.uniform(0, 360), 50), warm * rng.uniform(0.3, 0.8), 6.0) for _ in range(2)]
    else:
        white = _white(rng.uniform(5000, 6500))
        sky, ground = white * rng.uniform(0.2, 0.4), white * rng.uniform(0.15, 0.3)
        lamp, colour, softness = (
            _toward(side, rng.uniform(20, 45)),
            white * rng.uniform(0.5, 0.9),
            rng.uniform(0.02, 0.06),
        )
        lobes = [
            (_toward(2 * azimuth - side, 20), white * rng.uniform(0.3, 0.7), 4.0),
            (_toward(azimuth + 150, 30), white * rng.uniform(0.2, 0.9), 6.0),
        ]
    table = np.array([[*d, *c, f] for d, c, f in lobes], np.float32)
    return Light(sky.astype(np.float32), ground.astype(np.float32), table, lamp, colour.astype(np.float32), softness)


def random_lens(rng: np.random.Generator) -> Lens:
    balance = np.exp(rng.normal(0, 0.05, 3) * (1, 0.4, 1))
    return Lens(
        exposure=math.exp(rng.normal(0, 0.15)),
        balance=tuple(float(v) for v in balance),
        blur=rng.uniform(0.3, 0.8),
        noise=rng.uniform(0.002, 0.016),
        vignette=rng.uniform(0, 0.25),
        contrast=rng.uniform(0.0, 0.6),
    )


def random_background(rng: np.random.Generator, wardrobe: Wardrobe) -> Background:
    """A studio's paper, a room, a street or a garden, all made up."""
    kind = rng.choice(["studio", "room", "street", "garden", "curtain"], p=[0.2, 0.4, 0.15, 0.15, 0.1])
    turn = float(rng.normal(0, 0.15))
    if kind == "studio":
        colour = _muted(rng, 0.1, 0.75)
        y, x = np.mgrid[0:96, 0:160].astype(np.float32) / 96
        glow = np.exp(-(((x - rng.uniform(0.5, 1.2)) / 0.7) ** 2 + ((y - rng.uniform(0.3, 0.7)) / 0.6) ** 2))
        wall = colour * (0.6 + rng.uniform(0.2, 0.6) * glow[..., None])
        floor = np.broadcast_to(colour, (4, 4, 3)).astype(np.float32)
        return Background(floor.copy(), wall.astype(np.float32), 1.0, rng.uniform(1.5, 3), 7.0, 0.0, 0.0, True)
    if kind == "room":
        floor, tile = (_planks(rng), 1.6) if rng.random() < 0.5 else (_tiles(rng), 1.2)
        return Background(
            floor, _room_wall(rng), tile, rng.uniform(0.8, 3.0), 6.0, turn, rng.uniform(0.001, 0.006), False
        )
    if kind == "curtain":
        fabric = wardrobe.picture(wardrobe.fabrics[rng.integers(len(wardrobe.fabrics))], 128)
        cloth = cv2.GaussianBlur((fabric.astype(np.float32) / 255) ** 2.2, (0, 0), 1.0)
        wall = np.tile(cloth, (5, 8, 1))
        folds = 0.75 + 0.25 * np.sin(np.arange(wall.shape[1]) / wall.shape[1] * 2 * np.pi * rng.uniform(15, 35))
        wall = wall * folds[None, :, None].astype(np.float32) * rng.uniform(0.4, 0.9)
        return Background(_planks(rng), wall.astype(np.float32), 1.6, rng.uniform(0.7, 1.5), 5.0, turn, 0.003, False)
    far = _street(rng) if kind == "street" else _garden(rng)
    floor = _ground(rng, _muted(rng, 0.1, 0.35, 0.06) if kind == "street" else np.float32([0.08, 0.14, 0.03]))
    return Background(floor, far, 2.0, rng.uniform(5, 12), rng.uniform(14, 24), turn, rng.uniform(0.004, 0.015), False)


def _muted(rng: np.random.Generator, low: float, high: float, spread: float = 0.15) -> np.ndarray:
    """A quiet colour, linear light [3]."""
    return (rng.uniform(low, high) * np.exp(rng.normal(0, spread, 3))).clip(0, 0.85).astype(np.float32)


def _noise(rng: np.random.Generator, h: int, w: int, *scales: float) -> np.ndarray:
    """Smooth noise [h, w] of unit spread that repeats, one octave for each blur in `scales`."""
    total = np.zeros((h, w), np.float32)
    for scale in scales:
        step = 1 << max(int(math.log2(scale)) - 1, 0)  # made this coarsely and enlarged
        octave = rng.standard_normal((h // step, w // step), np.float32)
        border = int(scale / step * 4) + 2
        octave = cv2.GaussianBlur(np.pad(octave, border, mode="wrap"), (0, 0), scale / step)
        if step > 1:
            octave = cv2.resize(octave, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR)
        border *= step
        octave = octave[border:-border, border:-border]
        total += octave / (octave.std() + np.float32(1e-6))
    return total / np.float32(math.sqrt(len(scales)))


def _planks(rng: np.random.Generator) -> np.ndarray:
    colour = (
        np.float32([0.28, 0.16, 0.08]) * np.exp(rng.normal(0, 0.35)) * np.exp(rng.normal(0, 0.12, 3)).astype(np.float32)
    )
    rows = 8
    floor = np.empty((256, 512, 3), np.float32)
    grains = cv2.blur(_noise(rng, 256, 512, 1.0), (41, 1)).reshape(rows, 32, 512) * np.float32(0.5)
    for r, grain in enumerate(grains):
        tone = np.repeat(np.exp(rng.normal(0, 0.15, 4)), 128).astype(np.float32)
        board = np.roll(tone, int(rng.integers(512)))[None, :] * (1 + 0.25 * grain)
        board[0] *= 0.5
        board[:, np.flatnonzero(np.diff(board[8])[1:] ** 2 > 1)] *= 0.5
        floor[r * 32 : (r + 1) * 32] = board[..., None] * colour
    return np.clip(floor, 0.005, 0.8)


def _tiles(rng: np.random.Generator) -> np.ndarray:
    colour = _muted(rng, 0.15, 0.6, 0.08)
    floor = np.ones((256, 256, 3), np.float32) * colour * (1 + 0.06 * _noise(rng, 256, 256, 1.5, 20)[..., None])
    step = int(rng.choice([64, 128, 256]))
    if step < 256:
        floor[::step] *= 0.6
        floor[:, ::step] *= 0.6
        if rng.random() < 0.3:
            dark = (np.add.outer(np.arange(256) // step, np.arange(256) // step) % 2).astype(np.float32)
            floor *= 1 - rng.uniform(0.2, 0.7) * dark[..., None]
    return floor.clip(0.005, 0.85).astype(np.float32)


def _ground(rng: np.random.Generator, colour: np.ndarray) -> np.ndarray:
    return (colour * (1 + 0.22 * _noise(rng, 256, 256, 0.8, 3, 16)[..., None])).clip(0.004, 0.8).astype(np.float32)


def _room_wall(rng: np.random.Generator) -> np.ndarray:
    """A painted wall 6 m wide, 3.4 m tall, with a skirting board, pictures, a door, shelves."""
    h, w, metre = 218, 384, 64
    wall = np.ones((h, w, 3), np.float32) * _muted(rng, 0.25, 0.75)
    light = cv2.GaussianBlur(rng.standard_normal((h // 8, w // 8), np.float32), (0, 0), 60 / 8)
    light = cv2.resize(light, (w, h), interpolation=cv2.INTER_CUBIC)
    wall *= (1 + 0.25 * light / (np.abs(light).max() + 1e-6))[..., None]
    for _ in range(rng.integers(0, 6)):
        bw, bh = rng.uniform(0.3, 1.6) * metre, rng.uniform(0.3, 1.3) * metre
        x, y = rng.uniform(0, w - 20), rng.uniform(10, h * 0.6)
        box = slice(int(y), int(y + bh)), slice(int(x), int(x + bw))
        wall[box] = _muted(rng, 0.05, 0.5)
        inner = slice(int(y) + 3, int(y + bh) - 3), slice(int(x) + 3, int(x + bw) - 3)
        patch = wall[inner]
        wall[inner] = (
            _muted(rng, 0.1, 0.8)
            * (1 + 0.3 * cv2.GaussianBlur(rng.standard_normal(patch.shape, np.float32), (0, 0), 4) * 3)
            if patch.size
            else patch
        )
    if rng.random() < 0.4:  # a door or a tall cupboard
        x = int(rng.uniform(0, w - metre))
        wall[h - int(2.1 * metre) :, x : x + int(0.9 * metre)] = _muted(rng, 0.1, 0.7)
    if rng.random() < 0.5:  # furniture along the wall
        x, length = int(rng.uniform(-30, w - 40)), int(rng.uniform(1, 2.5) * metre)
        wall[h - int(rng.uniform(0.4, 1.0) * metre) :, max(x, 0) : x + length] = _muted(rng, 0.04, 0.4)
    wall[-int(0.1 * metre) :] *= rng.choice([0.5, 1.3])
    return wall.clip(0.005, 1.2)


def _street(rng: np.random.Generator) -> np.ndarray:
    h, w = 256, 448
    wall = np.ones((h, w, 3), np.float32) * _muted(rng, 0.5, 0.9)
    x = 0
    while x < w:
        width, height = int(rng.uniform(30, 110)), int(rng.uniform(90, 250))
        tone = _muted(rng, 0.08, 0.45)
        wall[h - height :, x : x + width] = tone
        pane = _muted(rng, 0.03, 0.5)
        step = int(rng.uniform(10, 22))
        for yy in range(h - height + 6, h - 12, step):
            for xx in range(x + 4, min(x + width, w) - 6, step):
                wall[yy : yy + step // 2, xx : xx + step // 2] = pane * rng.uniform(0.6, 1.4)
        x += width
    return cv2.GaussianBlur(wall, (0, 0), rng.uniform(1, 4))


def _garden(rng: np.random.Generator) -> np.ndarray:
    h, w = 256, 448
    y = np.linspace(0, 1, h, dtype=np.float32)[:, None, None]
    sky = np.float32([0.55, 0.68, 0.85]) * (1.1 - 0.4 * y) * np.ones((h, w, 1), np.float32)
    line = 0.15 + 0.35 * rng.random() + 0.08 * cv2.GaussianBlur(rng.standard_normal((1, w), np.float32), (0, 0), 12) * 5
    green = np.float32([0.10, 0.19, 0.05]) * np.exp(rng.normal(0, 0.2, 3)).astype(np.float32)
    leaves = green * np.exp(np.float32(0.6) * _noise(rng, h, w, 2, 8, 30))[..., None]
    wall = np.where(y > line[..., None], leaves, sky)
    for _ in range(rng.integers(0, 60)):  # light between leaves
        at = (int(rng.integers(w)), int(rng.integers(h)))
        cv2.circle(wall, at, int(rng.integers(1, 5)), tuple(float(v) for v in _muted(rng, 0.5, 1.0)), -1)
    return cv2.GaussianBlur(wall.astype(np.float32), (0, 0), rng.uniform(1.5, 4))
