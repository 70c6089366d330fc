"""Floor and wall behind a person, and the person laid over them, compiled by numba."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dinar.synth.kernels.shading import lit_share
from dinar.synth.kernels.vectors import between3, compiled, floored, moved

FLOOR_SOFTNESS = np.float32(1.5)  # times as blurred are shadows on the floor


class Rays(NamedTuple):
    """Rays of a camera: from eye [3] along first + x * right + y * down [3] for pixel coordinates (x, y)."""

    eye: np.ndarray
    first: np.ndarray
    right: np.ndarray
    down: np.ndarray


class Place(NamedTuple):
    """A floor and a wall.

    floor     float32 [h, w, 3], repeats     wall  float32 [h, w, 3]
    mean      float32 [3], the floor from afar
    middle    float32 [3], where the person is; ground: the floor's height
    forward   float32 [3], level, towards the wall; right: level, across
    distance  metres from the person to the wall; tile, wide: metres, the pictures' widths
    seamless  whether the floor runs into the wall
    """

    floor: np.ndarray
    wall: np.ndarray
    mean: np.ndarray
    middle: np.ndarray
    ground: float
    forward: np.ndarray
    right: np.ndarray
    distance: float
    tile: float
    wide: float
    seamless: bool


@compiled
def _bilinear(picture, i0, i1, fx, j0, j1, fy):
    """A sample [3] between columns i0 and i1 and rows j0 and j1."""
    top = between3(picture[j0, i0], picture[j0, i1], fx)
    return between3(top, between3(picture[j1, i0], picture[j1, i1], fx), fy)


@compiled
def _cell(x, size, repeat):
    """Where to sample a row of `size` pixels at x: two indices and the share of the second."""
    x -= np.float32(0.5)
    if repeat:
        x -= np.float32(floored(x / np.float32(size))) * np.float32(size)
    else:
        x = min(max(x, np.float32(0)), np.float32(size - 1))
    first = min(int(x), size - 1)
    second = first + 1
    if second == size:
        second = 0 if repeat else first
    return first, second, x - np.float32(first)


@compiled
def _ray(rays, x, y):
    """The direction of the ray through a point of the picture."""
    first = rays.first[0], rays.first[1], rays.first[2]
    return moved(moved(first, x, rays.right), y, rays.down)


@compiled
def _hits(rays, place, x, y):
    """How far along a pixel's ray, in its own length, the floor and the wall are, and the ray itself."""
    ray = _ray(rays, x, y)
    eye, middle = rays.eye, place.middle
    ahead = (eye[0] - middle[0]) * place.forward[0] + (eye[2] - middle[2]) * place.forward[2]
    forward = ray[0] * place.forward[0] + ray[2] * place.forward[2]
    wall = (np.float32(place.distance) - ahead) / max(forward, np.float32(1e-3))
    floor = (np.float32(place.ground) - eye[1]) / min(ray[1], np.float32(-1e-4))
    return floor, wall, ray


@compiled
def floor_light(rays, place, grid, corner, pace, rim, lamp, shadow, step, out):
    """Light on the floor at every `step`-th pixel, `out` [h, w, 3]: of the surroundings and of a lamp, less its shadow.

    grid    float32 [n, n, 3]  light of the surroundings on a patch of floor, from corner (x, z) on, `pace` metres apart
    rim     float32 [3]        the same beyond the patch
    lamp    float32 [3]        the lamp's light on the floor
    """
    n = len(grid)
    eye, middle = rays.eye, place.middle
    reach = FLOOR_SOFTNESS * shadow.softness
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            floor, wall, ray = _hits(rays, place, np.float32(step * (x + 0.5)), np.float32(step * (y + 0.5)))
            light, share = (rim[0], rim[1], rim[2]), np.float32(1)
            if floor < np.float32(1.1) * wall:
                wx, wz = eye[0] + floor * ray[0], eye[2] + floor * ray[2]
                gx, gz = (wx - corner[0]) / pace, (wz - corner[1]) / pace
                if 0 <= gx < n - 1 and 0 <= gz < n - 1:
                    i, j = int(gx), int(gz)
                    light = _bilinear(grid, i, i + 1, gx - np.float32(i), j, j + 1, gz - np.float32(j))
                wx, wz = wx - middle[0], wz - middle[2]
                if abs(wx) < 4 and abs(wz) < 4:
                    point = wx, np.float32(place.ground) - middle[1], wz
                    share = lit_share(shadow, reach, point, np.float32(0.01), x * 7 + y * 13)
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = moved(light, share, lamp)


@compiled
def _floor_colour(rays, place, floor, ray):
    """What share of light the floor sends back where a ray meets it."""
    tiles, forward, right = place.floor, place.forward, place.right
    x, z = rays.eye[0] - place.middle[0] + floor * ray[0], rays.eye[2] - place.middle[2] + floor * ray[2]
    per_metre = np.float32(1 / place.tile)
    height, width = tiles.shape[:2]
    i0, i1, fx = _cell((x * right[0] + z * right[2]) * per_metre * np.float32(width), width, True)
    j0, j1, fy = _cell((x * forward[0] + z * forward[2]) * per_metre * np.float32(height), height, True)
    return _bilinear(tiles, i0, i1, fx, j0, j1, fy)


@compiled
def _blur(distance):
    """How far out of focus something is, in [0, 1]; distance: as a multiple of the one in focus."""
    return min(max((distance - np.float32(1.05)) * np.float32(2), np.float32(0)), np.float32(1))


@compiled
def surroundings(rays, place, falls, near, step, out, blur):
    """Floor and wall at every `step`-th pixel, linear, `out` float32 [h, w, 3], and how far out of focus they are,
    `blur` [h, w].

    falls float32 [h, w, 3]: light on the floor; near: 1 / the distance that is in focus
    """
    eye, middle, right, picture = rays.eye, place.middle, place.right, place.wall
    offset = (eye[0] - middle[0]) * right[0] + (eye[2] - middle[2]) * right[2]
    per_metre = np.float32(picture.shape[1] / place.wide)
    zero, one = np.float32(0), np.float32(1)
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            floor, wall, ray = _hits(rays, place, np.float32(step * (x + 0.5)), np.float32(step * (y + 0.5)))
            blend = one
            if floor < wall:
                blend = zero
                if place.seamless:
                    blend = min(max((floor / wall - np.float32(0.55)) / np.float32(0.45), zero), one)
                    blend *= math.sqrt(blend)
            light = zero, zero, zero
            if blend > 0:
                across = offset + wall * (ray[0] * right[0] + ray[2] * right[2]) + np.float32(place.wide * 0.5)
                up = eye[1] + wall * ray[1] - np.float32(place.ground)
                i0, i1, fx = _cell(across * per_metre, picture.shape[1], False)
                j0, j1, fy = _cell(np.float32(picture.shape[0]) - up * per_metre, picture.shape[0], False)
                light = _bilinear(picture, i0, i1, fx, j0, j1, fy)
            if blend < 1:
                far = min(max((floor * near - np.float32(1.3)) * np.float32(0.5), zero), one)
                colour = between3(_floor_colour(rays, place, floor, ray), place.mean, far)
                below = colour[0] * falls[y, x, 0], colour[1] * falls[y, x, 1], colour[2] * falls[y, x, 2]
                light = between3(below, light, blend)
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = light
            blur[y, x] = _blur(min(floor, wall) * near)


@compiled
def compose(person, top, left, rays, place, falls, near, out):
    """Lays a person over a place whose floor is drawn anew where it is in focus.

    person  float32 [h, w, 4]  premultiplied; its first pixel is at (top, left)
    falls   float32 [H, W, 3]  light on the floor; near: 1 / the distance that is in focus
    out     float32 [H, W, 3]  the place, linear light
    """
    h, w = person.shape[:2]
    width = out.shape[1]
    zero, one, half = np.float32(0), np.float32(1), np.float32(0.5)
    for y in range(out.shape[0]):
        fy = np.float32(y) + half
        nearest = min(_hits(rays, place, zero, fy)[0], _hits(rays, place, np.float32(width), fy)[0])
        sharp = not place.seamless and _blur(nearest * near) < one
        for x in range(width):
            inside = top <= y < top + h and left <= x < left + w
            rest = one - person[y - top, x - left, 3] if inside else one
            if sharp and rest > np.float32(1e-3):
                floor, wall, ray = _hits(rays, place, np.float32(x) + half, fy)
                blur = _blur(floor * near)
                if floor < wall and blur < one:
                    colour = _floor_colour(rays, place, floor, ray)
                    for c in range(3):
                        light = colour[c] * falls[y, x, c]
                        out[y, x, c] = light + (out[y, x, c] - light) * blur
            if inside:
                for c in range(3):
                    out[y, x, c] = out[y, x, c] * rest + person[y - top, x - left, c]
