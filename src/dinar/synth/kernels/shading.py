"""What a surface sends to the eye: lamps, their shadows, surroundings and materials, compiled by numba."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dinar.synth.kernels.colours import LINEAR
from dinar.synth.kernels.meshes import (
    BUMP,
    DIFFUSE_WRAP,
    IRRADIANCE,
    LEAN,
    NORMAL,
    NORMAL_MAP,
    OPENNESS,
    POSITION,
    SHADOW_BIAS,
    SHEEN,
    SHININESS,
    SPECULAR,
    TWO_SIDED,
    level_of,
    sampled,
    uv_at,
)  # fmt: skip
from dinar.synth.kernels.vectors import between, between3, between_one, compiled, dot, moved, row, unit, unit_of
from dinar.synth.kernels.visible import weights_at

TAPS = 16  # samples of a shadow's edge
_SURE = 5  # of them that decide alone where they agree


def _disc() -> np.ndarray:
    """TAPS points of the unit disc, far ones and near ones in turn, in as many turns: float32 [TAPS, TAPS, 2]."""
    tap = TAPS - 1 - np.arange(TAPS) * 5 % TAPS
    angle = 2.399963 * (tap + np.arange(TAPS)[:, None])
    radius = np.sqrt((tap + 0.5) / TAPS)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=2).astype(np.float32)


_DISC = _disc()


class Shadow(NamedTuple):
    """What a lamp sees: nearness float32 [S, S], metres from the origin, which is in the middle, towards it, against
    the last row of frame [3, 3]; scale pixels a metre; softness, the radius of a shadow's edge in pixels."""

    nearness: np.ndarray
    frame: np.ndarray
    scale: float
    softness: float


class Lamps(NamedTuple):
    """Light in linear RGB: lamp [3] its direction, colour [3]; lobes [L, 7], sky and ground [3] (see `environment`)."""

    lamp: np.ndarray
    colour: np.ndarray
    lobes: np.ndarray
    sky: np.ndarray
    ground: np.ndarray


@compiled
def lit_share(shadow, reach, point, bias, phase):
    """Share of a lamp's light that reaches a point: samples of its shadow map, which is empty for twice `reach` pixels
    along its edges, about it, many at a shadow's edge."""
    nearness, frame = shadow.nearness, shadow.frame
    size = np.float32(nearness.shape[0])
    u = dot(row(frame, 0, 0), point) * shadow.scale + size * np.float32(0.5)
    v = dot(row(frame, 1, 0), point) * shadow.scale + size * np.float32(0.5)
    own = bias - dot(row(frame, 2, 0), point)
    if not (reach < u < size - reach and reach < v < size - reach):
        return np.float32(1)
    turn = phase % TAPS
    lit = 0
    for k in range(TAPS):
        if nearness[int(v + reach * _DISC[turn, k, 1]), int(u + reach * _DISC[turn, k, 0])] <= own:
            lit += 1
        if k == _SURE and (lit == 0 or lit == _SURE + 1):
            return np.float32(1) if lit else np.float32(0)
    return np.float32(lit) / np.float32(TAPS)


@compiled
def _environment(lamps, direction, sharpen):
    """Light (r, g, b) from a direction: a gradient and soft lamps [., 7] (direction, colour, focus).

    sharpen: times as narrow are lamps; wider ones are as much darker, since they send the same light
    """
    lobes = lamps.lobes
    t = min(max(np.float32(0.5) + np.float32(0.9) * direction[1], np.float32(0)), np.float32(1))
    light = between3(lamps.ground, lamps.sky, t)
    for k in range(len(lobes)):
        cosine = dot(row(lobes, k, 0), direction)
        strength = math.exp((cosine - np.float32(1)) * lobes[k, 6] * sharpen) * min(sharpen, np.float32(1))
        light = moved(light, strength, row(lobes, k, 3))
    return light


@compiled
def environment(directions, lamps, out):
    """`out` [D, 3]: light from directions [D, 3]."""
    for d in range(len(directions)):
        out[d, 0], out[d, 1], out[d, 2] = _environment(lamps, row(directions, d, 0), np.float32(1))


@compiled
def _bumped(mesh, f, normal, slope):
    """A normal tilted by what a normal map says: `slope` along u and, up the picture, against v."""
    i, j, k = row(mesh.faces, f, 0)
    p, q, r = row(mesh.uv_faces, f, 0)
    uv, vertices = mesh.uv, mesh.vertices
    du1, dv1, du2, dv2 = uv[q, 0] - uv[p, 0], uv[q, 1] - uv[p, 1], uv[r, 0] - uv[p, 0], uv[r, 1] - uv[p, 1]
    det = du1 * dv2 - du2 * dv1
    if abs(det) < 1e-14:
        return normal
    sign = np.float32(1) if det > 0 else np.float32(-1)
    one = moved(row(vertices, j, POSITION), np.float32(-1), row(vertices, i, POSITION))
    two = moved(row(vertices, k, POSITION), np.float32(-1), row(vertices, i, POSITION))
    along = unit_of(sign * dv2, one, -sign * dv1, two)
    across = unit_of(sign * du1, two, -sign * du2, one)
    return unit(moved(moved(normal, slope[0], along), -slope[1], across))


@compiled
def _light(mesh, lamps, shadow, eye, f, weights, uv, level, phase):
    """What a point of triangle f sends to the eye, linear light, and its opacity: (r, g, b, a)."""
    zero, one = np.float32(0), np.float32(1)
    corners, part, materials = row(mesh.faces, f, 0), mesh.part[f], mesh.materials
    position = between(mesh.vertices, corners, weights, POSITION)
    normal = unit(between(mesh.vertices, corners, weights, NORMAL))
    view = unit((eye[0] - position[0], eye[1] - position[1], eye[2] - position[2]))
    if materials[part, TWO_SIDED] > 0 and dot(normal, view) < 0:
        normal = -normal[0], -normal[1], -normal[2]
    smooth = normal
    bump = int(materials[part, NORMAL_MAP])
    if bump >= 0 and materials[part, BUMP] > 0:
        red, green, _, _ = sampled(mesh, bump, uv[0], uv[1], level)
        steep = materials[part, BUMP] / np.float32(127.5)
        slope = (red - np.float32(127.5)) * steep, (green - np.float32(127.5)) * steep
        normal = _bumped(mesh, f, normal, slope)
    facing = min(max(dot(normal, view), zero), one)
    lamp = lamps.lamp[0], lamps.lamp[1], lamps.lamp[2]
    towards = dot(normal, lamp)

    wrap, lit = materials[part, DIFFUSE_WRAP], zero
    if towards > -wrap:
        bias = materials[part, SHADOW_BIAS]
        lit = lit_share(shadow, shadow.softness, moved(position, bias, smooth), bias, phase)

    glint, rim, reflected = zero, zero, (zero, zero, zero)
    openness = between_one(mesh.vertices, corners, weights, OPENNESS)
    f0 = materials[part, SPECULAR]
    if f0 > 0:
        shine = materials[part, SHININESS]
        mirror = moved((-view[0], -view[1], -view[2]), facing + facing, normal)
        reflected = _environment(lamps, mirror, min(shine / np.float32(40), np.float32(4)))
        rim = (f0 + (one - f0) * _fifth(one - facing) * min(shine / np.float32(60), one)) * openness
        if towards > 0 and lit > 0:
            half = unit(moved(lamp, one, view))
            fresnel = f0 + (one - f0) * _fifth(one - max(dot(half, view), zero))
            glint = math.exp(shine * math.log(max(dot(half, normal), np.float32(1e-6))))
            glint *= fresnel * (shine + np.float32(8)) / np.float32(25) * towards * lit

    irradiance = between(mesh.vertices, corners, weights, IRRADIANCE)
    lean = between(mesh.vertices, corners, weights, LEAN)
    brightness = (irradiance[0] + irradiance[1] + irradiance[2]) * np.float32(1 / 3)
    tilt = dot(moved(normal, -one, smooth), lean)
    gain = min(max(one + tilt / max(brightness, np.float32(1e-6)), np.float32(0.3)), np.float32(2))
    around = irradiance[0] * gain, irradiance[1] * gain, irradiance[2] * gain
    if towards < 0:
        lit *= np.float32(0.7)
    red_wrap, wrap = wrap, wrap * np.float32(0.45)  # red light travels farthest in skin
    red = max((towards + red_wrap) / (one + red_wrap), zero) * lit
    other = max((towards + wrap) / (one + wrap), zero) * lit
    colour = lamps.colour
    arrives = around[0] + colour[0] * red, around[1] + colour[1] * other, around[2] + colour[2] * other

    sheen = materials[part, SHEEN] * (one - facing) * (one - facing) * (one - facing)
    r, g, b, opacity = sampled(mesh, part, uv[0], uv[1], level)
    return (
        _reflects(r, sheen) * arrives[0] + colour[0] * glint + rim * reflected[0],
        _reflects(g, sheen) * arrives[1] + colour[1] * glint + rim * reflected[1],
        _reflects(b, sheen) * arrives[2] + colour[2] * glint + rim * reflected[2],
        opacity * np.float32(1 / 255),
    )


@compiled
def _fifth(x):
    return x * x * x * x * x


@compiled
def _reflects(byte, sheen):
    """The share of light that a colour sends back, with a cloth's sheen; byte: between 0 and 255."""
    t = min(int(byte), 254)
    albedo = LINEAR[t] + (LINEAR[t + 1] - LINEAR[t]) * (byte - np.float32(t))
    return albedo + sheen * (np.float32(0.3) + albedo)


@compiled
def _alike(mesh, g, uv, near):
    """Whether triangle g lies about a point of the texture, or within `near` of it."""
    i, j, k = row(mesh.uv_faces, g, 0)
    u, v, table = uv[0], uv[1], mesh.uv
    third = np.float32(1 / 3)
    du = (table[i, 0] + table[j, 0] + table[k, 0]) * third - u
    dv = (table[i, 1] + table[j, 1] + table[k, 1]) * third - v
    reach = near + abs(table[i, 0] - table[j, 0]) + abs(table[i, 0] - table[k, 0])
    reach += abs(table[i, 1] - table[j, 1]) + abs(table[i, 1] - table[k, 1])
    return abs(du) < reach and abs(dv) < reach


@compiled
def shade(screen, face, mesh, lamps, shadow, eye, opaque, out, labels):
    """Lays surfaces over `out` [h, w, 4]: linear light, premultiplied, and coverage; and over labels uint8 [h, w].

    screen [V, 3] as for `draw`, on which `face` [2 h, 2 w, K] holds K triangles a sample, nearest first, four samples
    a pixel. Samples of a pixel that lie side by side on one part are lit together, once.
    opaque: what the texture says of opacity does not count. A pixel's label changes where the surfaces cover half of
    it, to that of the largest share.
    """
    h, w = out.shape[:2]
    zero, half, one, four = np.float32(0), np.float32(0.5), np.float32(1), np.float32(4)
    for y in range(h):
        for x in range(w):
            red = green = blue = covered = largest = zero
            label = np.uint8(0)
            for k in range(face.shape[2]):
                share = one - covered  # what this layer's samples may add
                done = 0  # a bit for each of the four samples
                hit = False
                for s in range(4):
                    f = face[2 * y + s // 2, 2 * x + s % 2, k]
                    if f < 0 or done >> s & 1:
                        continue
                    hit = True
                    count = px = py = zero
                    for r in range(s, 4):  # the same triangle: lit in the middle of its samples
                        if face[2 * y + r // 2, 2 * x + r % 2, k] == f:
                            done |= 1 << r
                            count += one
                            px += np.float32(2 * x + r % 2) + half
                            py += np.float32(2 * y + r // 2) + half
                    weights, area = weights_at(screen, row(mesh.faces, f, 0), px / count, py / count)
                    uv, level = uv_at(mesh, f, weights), level_of(mesh, f, area)
                    if count < four:  # its neighbours on the same part share its light
                        copy = int(min(max(level, zero), np.float32(3)))
                        near = np.float32(5) / np.float32(mesh.sizes[mesh.part[f], copy])
                        for r in range(s + 1, 4):
                            g = face[2 * y + r // 2, 2 * x + r % 2, k]
                            if g < 0 or done >> r & 1 or mesh.part[g] != mesh.part[f]:
                                continue
                            if _alike(mesh, g, uv, near):
                                done |= 1 << r
                                count += one
                    level += one if count == four else half if count > one else zero
                    light = _light(mesh, lamps, shadow, eye, f, weights, uv, level, x * 7 + y * 13)
                    cover = share * count / four * (one if opaque else light[3])
                    red, green, blue = moved((red, green, blue), cover, light)
                    covered += cover
                    if cover > largest:
                        largest, label = cover, mesh.label[f]
                if not hit or covered > np.float32(0.99):
                    break
            if covered > 0:
                rest = one - covered
                out[y, x, 0] = red + rest * out[y, x, 0]
                out[y, x, 1] = green + rest * out[y, x, 1]
                out[y, x, 2] = blue + rest * out[y, x, 2]
                out[y, x, 3] = covered + rest * out[y, x, 3]
                if covered >= half or (labels[y, x] == 0 and out[y, x, 3] >= half):
                    labels[y, x] = label
