"""The inner loops of the studio, compiled by numba: layers of transparent triangles, visibility, shading."""

from __future__ import annotations

import math
from collections.abc import Callable

import numba
import numpy as np

LINEAR = np.where(
    np.arange(256) <= 10, np.arange(256) / 255 / 12.92, ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4
).astype(np.float32)  # sRGB bytes -> linear light

# columns of a material
DIFFUSE_WRAP, SPECULAR, SHININESS, SHEEN, BUMP, TWO_SIDED, SHADOW_BIAS, NORMAL_MAP = range(8)
MATERIAL_COLUMNS = 8


def _compiled(function: Callable) -> Callable:
    try:
        return numba.njit(cache=True, nogil=True, fastmath=True)(function)
    except RuntimeError:  # no folder for the cache can be written
        return numba.njit(nogil=True, fastmath=True)(function)


@_compiled
def _texel(pixels, start, size, x, y, out):
    """Bilinear sample at (x, y), in texels, of a square image that repeats; writes sRGB bytes to out [4]."""
    x -= 0.5
    y -= 0.5
    x0 = math.floor(x)
    y0 = math.floor(y)
    fx = x - x0
    fy = y - y0
    i0 = int(x0) % size
    j0 = int(y0) % size
    i1 = (i0 + 1) % size
    j1 = (j0 + 1) % size
    a = start + j0 * size + i0
    b = start + j0 * size + i1
    c = start + j1 * size + i0
    d = start + j1 * size + i1
    for k in range(4):
        top = pixels[a, k] * (1 - fx) + pixels[b, k] * fx
        bottom = pixels[c, k] * (1 - fx) + pixels[d, k] * fx
        out[k] = top * (1 - fy) + bottom * fy


@_compiled
def _sample(pixels, starts, sizes, image, u, v, lod, out, other):
    """Trilinear sample of an image pyramid; writes sRGB bytes to out [4]."""
    levels = starts.shape[1]
    lod = min(max(lod, 0.0), levels - 1.0)
    low = int(lod)
    part = lod - low
    _texel(pixels, starts[image, low], sizes[image, low], u * sizes[image, low], v * sizes[image, low], out)
    if part > 0.02 and low + 1 < levels:
        s = sizes[image, low + 1]
        _texel(pixels, starts[image, low + 1], s, u * s, v * s, other)
        for k in range(4):
            out[k] += (other[k] - out[k]) * part


@_compiled
def layers(vertices, faces, first, uv, uv_faces, part, lod, pixels, starts, sizes, nearest, face, barycentric, depth):
    """The nearest K transparent triangles in front of what is opaque, nearest first.

    vertices [V, 3] screen; faces [F, 3] with part [F] and lod [F]; only those from `first` on are drawn
    nearest  [H, W] depth of the opaque scene
    face     int32 [H, W, K] is filled with -1, then written with barycentric [H, W, K, 3] and depth [H, W, K]

    Texels of less than 3 % opacity are left out; what stands behind an opaque one as well.
    """
    h, w, count = face.shape
    colour = np.empty(4, np.float32)
    other = np.empty(4, np.float32)
    face[:] = -1
    depth[:] = np.inf
    for f in range(first, len(faces)):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay, az = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        bx, by, bz = vertices[j, 0], vertices[j, 1], vertices[j, 2]
        cx, cy, cz = vertices[k, 0], vertices[k, 1], vertices[k, 2]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if min(az, bz, cz) < 0.01 or abs(area) < 1e-9:
            continue
        x0 = max(math.ceil(min(ax, bx, cx) - 0.5), 0)
        x1 = min(math.floor(max(ax, bx, cx) - 0.5), w - 1)
        y0 = max(math.ceil(min(ay, by, cy) - 0.5), 0)
        y1 = min(math.floor(max(ay, by, cy) - 0.5), h - 1)
        p, q, r = uv_faces[f, 0], uv_faces[f, 1], uv_faces[f, 2]
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                px, py = x + 0.50013, y + 0.50029  # on nobody's edge: a pixel is drawn once
                s0 = ((cx - bx) * (py - by) - (cy - by) * (px - bx)) / area
                s1 = ((ax - cx) * (py - cy) - (ay - cy) * (px - cx)) / area
                s2 = 1 - s0 - s1
                if s0 < 0 or s1 < 0 or s2 < 0:
                    continue
                s0 /= az
                s1 /= bz
                s2 /= cz
                z = 1 / (s0 + s1 + s2)
                if z >= nearest[y, x] or z >= depth[y, x, count - 1]:
                    continue
                s0 *= z
                s1 *= z
                s2 *= z
                u = s0 * uv[p, 0] + s1 * uv[q, 0] + s2 * uv[r, 0]
                v = s0 * uv[p, 1] + s1 * uv[q, 1] + s2 * uv[r, 1]
                _sample(pixels, starts, sizes, part[f], u, v, lod[f], colour, other)
                if colour[3] < 8:
                    continue
                n = count - 1
                while n > 0 and depth[y, x, n - 1] > z:
                    depth[y, x, n] = depth[y, x, n - 1]
                    face[y, x, n] = face[y, x, n - 1]
                    for c in range(3):
                        barycentric[y, x, n, c] = barycentric[y, x, n - 1, c]
                    n -= 1
                depth[y, x, n] = z
                face[y, x, n] = f
                barycentric[y, x, n, 0] = s0
                barycentric[y, x, n, 1] = s1
                barycentric[y, x, n, 2] = s2
                if colour[3] > 250:
                    nearest[y, x] = z
                    for m in range(n + 1, count):
                        depth[y, x, m] = np.inf
                        face[y, x, m] = -1


@_compiled
def visibility(points, maps, depths, scale, bias, seen):
    """Which points a distant light sees.

    points [N, 3]; maps [D, 3, 3] rows: right, down and away of each light; depths [D, S, S] seen from it, metres;
    scale: pixels a metre, the origin in the image's middle; writes seen uint8 [N, D].
    """
    size = depths.shape[1]
    for n in range(len(points)):
        for d in range(len(maps)):
            x = 0.0
            y = 0.0
            z = 0.0
            for c in range(3):
                x += maps[d, 0, c] * points[n, c]
                y += maps[d, 1, c] * points[n, c]
                z += maps[d, 2, c] * points[n, c]
            i = math.floor(x * scale + size / 2)
            j = math.floor(y * scale + size / 2)
            hidden = 0 <= i < size and 0 <= j < size and depths[d, j, i] < z - bias
            seen[n, d] = 0 if hidden else 1


@_compiled
def _lit(shadow, frame, scale, x, y, z, softness, bias, phase):
    """Share of a lamp's light that reaches a point: 16 samples of its shadow map about it."""
    size = shadow.shape[0]
    u = (frame[0, 0] * x + frame[0, 1] * y + frame[0, 2] * z) * scale + size / 2
    v = (frame[1, 0] * x + frame[1, 1] * y + frame[1, 2] * z) * scale + size / 2
    w = frame[2, 0] * x + frame[2, 1] * y + frame[2, 2] * z - bias
    lit = 0
    for k in range(16):
        radius = softness * math.sqrt((k + 0.5) / 16)
        angle = 2.399963 * k + phase
        i = math.floor(u + radius * math.cos(angle))
        j = math.floor(v + radius * math.sin(angle))
        if not (0 <= i < size and 0 <= j < size and shadow[j, i] < w):
            lit += 1
    return lit / 16


@_compiled
def lit(points, shadow, frame, scale, softness, bias, out):
    """`out` [N]: share of a lamp's light that reaches points [N, 3]."""
    for n in range(len(points)):
        out[n] = _lit(shadow, frame, scale, points[n, 0], points[n, 1], points[n, 2], softness, bias, n * 2.1)


@_compiled
def _environment(lobes, sky, ground, x, y, z, sharpen, out):
    """Light [3] from direction (x, y, z): a gradient and soft lamps [., 7] (direction, colour, focus)."""
    t = min(max(0.5 + 0.9 * y, 0.0), 1.0)
    for c in range(3):
        out[c] = ground[c] + (sky[c] - ground[c]) * t
    for k in range(len(lobes)):
        cosine = lobes[k, 0] * x + lobes[k, 1] * y + lobes[k, 2] * z
        strength = math.exp((cosine - 1) * lobes[k, 6] * sharpen)
        for c in range(3):
            out[c] += lobes[k, 3 + c] * strength


@_compiled
def environment(directions, lobes, sky, ground, out):
    """`out` [D, 3]: light from directions [D, 3]."""
    for d in range(len(directions)):
        _environment(lobes, sky, ground, directions[d, 0], directions[d, 1], directions[d, 2], 1.0, out[d])


@_compiled
def shade(
    face,
    barycentric,  # [H, W], [H, W, 3]
    position,
    normal,
    irradiance,
    lean,
    openness,  # [V, .]: 3, 3, 3, 3 and 1
    faces,
    uv,
    uv_faces,
    part,
    lod,  # [F, .], uv [T, 2]
    pixels,
    starts,
    sizes,
    materials,  # images [P, levels], materials [P, .]
    eye,
    lamp,
    lamp_colour,
    shadow,
    frame,
    scale,
    softness,
    lobes,
    sky,
    ground,
    linear,
    out,  # [H, W, 4] light and opacity
):
    """Light that leaves each visible surface towards the eye, linear, with the opacity of its texel."""
    h, w = face.shape
    colour = np.empty(4, np.float32)
    other = np.empty(4, np.float32)
    mirror = np.empty(3, np.float32)
    n = np.empty(3, np.float32)
    flat = np.empty(3, np.float32)
    p = np.empty(3, np.float32)
    view = np.empty(3, np.float32)
    ambient = np.empty(3, np.float32)
    for y in range(h):
        for x in range(w):
            f = face[y, x]
            if f < 0:
                out[y, x, :] = 0
                continue
            i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
            b0, b1, b2 = barycentric[y, x, 0], barycentric[y, x, 1], barycentric[y, x, 2]
            m = part[f]
            ui, uj, uk = uv_faces[f, 0], uv_faces[f, 1], uv_faces[f, 2]
            u = b0 * uv[ui, 0] + b1 * uv[uj, 0] + b2 * uv[uk, 0]
            v = b0 * uv[ui, 1] + b1 * uv[uj, 1] + b2 * uv[uk, 1]
            length = 0.0
            distance = 0.0
            tilt = 0.0
            for c in range(3):
                p[c] = b0 * position[i, c] + b1 * position[j, c] + b2 * position[k, c]
                n[c] = b0 * normal[i, c] + b1 * normal[j, c] + b2 * normal[k, c]
                view[c] = eye[c] - p[c]
                length += n[c] * n[c]
                distance += view[c] * view[c]
            length = 1 / math.sqrt(max(length, 1e-12))
            distance = 1 / math.sqrt(max(distance, 1e-12))
            facing = 0.0
            for c in range(3):
                n[c] *= length
                view[c] *= distance
                facing += n[c] * view[c]
            if materials[m, TWO_SIDED] > 0 and facing < 0:
                facing = -facing
                for c in range(3):
                    n[c] = -n[c]
            for c in range(3):
                flat[c] = n[c]

            bump = int(materials[m, NORMAL_MAP])
            if bump >= 0 and materials[m, BUMP] > 0:
                _sample(pixels, starts, sizes, bump, u, v, lod[f], colour, other)
                du1, dv1 = uv[uj, 0] - uv[ui, 0], uv[uj, 1] - uv[ui, 1]
                du2, dv2 = uv[uk, 0] - uv[ui, 0], uv[uk, 1] - uv[ui, 1]
                det = du1 * dv2 - du2 * dv1
                if abs(det) > 1e-14:
                    dx = (colour[0] / 127.5 - 1) * materials[m, BUMP]
                    dy = -(colour[1] / 127.5 - 1) * materials[m, BUMP]  # the map's green points up, our v down
                    t0 = t1 = t2 = 0.0
                    s0 = s1 = s2 = 0.0
                    sign = 1.0 if det > 0 else -1.0
                    for c in range(3):
                        e1 = position[j, c] - position[i, c]
                        e2 = position[k, c] - position[i, c]
                        tc = (dv2 * e1 - dv1 * e2) * sign
                        sc = (du1 * e2 - du2 * e1) * sign
                        if c == 0:
                            t0, s0 = tc, sc
                        elif c == 1:
                            t1, s1 = tc, sc
                        else:
                            t2, s2 = tc, sc
                    tl = 1 / math.sqrt(max(t0 * t0 + t1 * t1 + t2 * t2, 1e-20))
                    sl = 1 / math.sqrt(max(s0 * s0 + s1 * s1 + s2 * s2, 1e-20))
                    n[0] += dx * t0 * tl + dy * s0 * sl
                    n[1] += dx * t1 * tl + dy * s1 * sl
                    n[2] += dx * t2 * tl + dy * s2 * sl
                    length = 1 / math.sqrt(max(n[0] * n[0] + n[1] * n[1] + n[2] * n[2], 1e-12))
                    for c in range(3):
                        n[c] *= length
                    facing = n[0] * view[0] + n[1] * view[1] + n[2] * view[2]

            _sample(pixels, starts, sizes, m, u, v, lod[f], colour, other)
            bias = materials[m, SHADOW_BIAS]
            towards = n[0] * lamp[0] + n[1] * lamp[1] + n[2] * lamp[2]
            lit_share = 0.0
            if towards > -0.4:
                phase = (x * 7 + y * 13) % 16 * 0.39
                lit_share = _lit(
                    shadow,
                    frame,
                    scale,
                    p[0] + bias * flat[0],
                    p[1] + bias * flat[1],
                    p[2] + bias * flat[2],
                    softness,
                    bias,
                    phase,
                )
            brightness = 0.0
            for c in range(3):
                ambient[c] = b0 * irradiance[i, c] + b1 * irradiance[j, c] + b2 * irradiance[k, c]
                lean_c = b0 * lean[i, c] + b1 * lean[j, c] + b2 * lean[k, c]
                tilt += (n[c] - flat[c]) * lean_c
                brightness += ambient[c] / 3
            gain = min(max(1 + tilt / max(brightness, 1e-6), 0.3), 2.0)

            facing = min(max(facing, 0.0), 1.0)
            cosine = 0.0
            half = 0.0
            hl = 0.0
            for c in range(3):
                mirror[c] = 2 * facing * n[c] - view[c]
                a = lamp[c] + view[c]
                half += a * n[c]
                hl += a * a
                cosine += a * view[c]
            hl = math.sqrt(max(hl, 1e-12))
            half = max(half / hl, 0.0)
            cosine = max(cosine / hl, 0.0)
            f0 = materials[m, SPECULAR]
            shine = materials[m, SHININESS]
            glint = 0.0
            if f0 > 0 and towards > 0:
                fresnel = f0 + (1 - f0) * (1 - cosine) ** 5
                glint = fresnel * (shine + 8) / 25 * half**shine * towards * lit_share
            rim = (f0 + (1 - f0) * (1 - facing) ** 5 * min(shine / 60, 1.0)) if f0 > 0 else 0.0
            open_share = b0 * openness[i] + b1 * openness[j] + b2 * openness[k]
            mx, my, mz = mirror[0], mirror[1], mirror[2]
            if f0 > 0:
                _environment(lobes, sky, ground, mx, my, mz, min(shine / 40, 4.0), mirror)
            sheen = materials[m, SHEEN] * (1 - facing) ** 3
            wrap = materials[m, DIFFUSE_WRAP]
            for c in range(3):
                t = colour[c]
                t0 = int(t)
                albedo = linear[t0] + (linear[min(t0 + 1, 255)] - linear[t0]) * (t - t0)
                soft = wrap if c == 0 else wrap * 0.45  # red light travels farthest in skin
                diffuse = max((towards + soft) / (1 + soft), 0.0) * (lit_share if towards > 0 else lit_share * 0.7)
                light = (albedo + sheen * (0.3 + albedo)) * (ambient[c] * gain + lamp_colour[c] * diffuse)
                if f0 > 0:
                    light += lamp_colour[c] * glint + rim * mirror[c] * open_share
                out[y, x, c] = light
            out[y, x, 3] = colour[3] / 255


@_compiled
def blend(face, shaded, front):
    """Lays one transparent layer [H, W, 4] behind what is in `front` [H, W, 4] (premultiplied)."""
    h, w = face.shape
    for y in range(h):
        for x in range(w):
            if face[y, x] >= 0:
                share = (1 - front[y, x, 3]) * shaded[y, x, 3]
                for c in range(3):
                    front[y, x, c] += share * shaded[y, x, c]
                front[y, x, 3] += share
