"""The inner loops of the studio, compiled by numba: what is hidden, shading, the place behind, development."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numba
import numpy as np

LINEAR = np.where(
    np.arange(256) <= 10, np.arange(256) / 255 / 12.92, ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4
).astype(np.float32)  # sRGB bytes -> linear light

# columns of a material
DIFFUSE_WRAP, SPECULAR, SHININESS, SHEEN, BUMP, TWO_SIDED, SHADOW_BIAS, NORMAL_MAP = range(8)
MATERIAL_COLUMNS = 8

# columns of a surface's vertices: position, normal, light of the surroundings, where from, the share of them it sees
POSITION, NORMAL, IRRADIANCE, LEAN, OPENNESS = 0, 3, 6, 9, 12
SURFACE_COLUMNS = 16  # the last three are padding

TAPS = 16  # samples of a shadow's edge
_SURE = 5  # of them that decide alone where they agree
_COS = np.cos(2.399963 * np.arange(TAPS)).astype(np.float32)
_SIN = np.sin(2.399963 * np.arange(TAPS)).astype(np.float32)
_RADIUS = np.sqrt((np.arange(TAPS) + 0.5) / TAPS).astype(np.float32)


class Mesh(NamedTuple):
    """A surface and its textures.

    vertices           float32 [V, SURFACE_COLUMNS]
    faces, uv_faces    int [F, 3], into vertices and uv
    uv                 float32 [T, 2]
    part               int [F]       the face's image and material
    lod                float32 [F]   log2 of texels a pixel
    pixels             uint8 [., 4]  sRGB and opacity of all images and their smaller copies
    starts, sizes      int [P, levels]  where a copy begins, its texels a side: a power of two
    materials          float32 [P, MATERIAL_COLUMNS]
    """

    vertices: np.ndarray
    faces: np.ndarray
    uv_faces: np.ndarray
    uv: np.ndarray
    part: np.ndarray
    lod: np.ndarray
    pixels: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray
    materials: np.ndarray


class Shadow(NamedTuple):
    """What a lamp sees: depth float32 [S, S] along the last row of frame [3, 3], metres from the origin, which is in
    the middle; scale pixels a metre; softness, the radius of a shadow's edge in pixels."""

    depth: np.ndarray
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


def _compiled(function: Callable) -> Callable:
    try:
        return numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")(function)
    except RuntimeError:  # no folder for the cache can be written
        return numba.njit(nogil=True, fastmath=True, error_model="numpy")(function)


@_compiled
def vertex_normals(vertices, faces, out):
    """Unit normals, `out` float32 [N, 3], of triangles [F, 3] about vertices [N, 3], weighted by area."""
    out[:] = 0
    for f in range(len(faces)):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay, az = vertices[j, 0] - vertices[i, 0], vertices[j, 1] - vertices[i, 1], vertices[j, 2] - vertices[i, 2]
        bx, by, bz = vertices[k, 0] - vertices[i, 0], vertices[k, 1] - vertices[i, 1], vertices[k, 2] - vertices[i, 2]
        x, y, z = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
        for corner in (i, j, k):
            out[corner, 0] += x
            out[corner, 1] += y
            out[corner, 2] += z
    for n in range(len(out)):
        length = math.sqrt(out[n, 0] ** 2 + out[n, 1] ** 2 + out[n, 2] ** 2)
        for c in range(3):
            out[n, c] /= max(length, 1e-12)


@_compiled
def levels(screen, faces, uv, uv_faces, part, sizes, out):
    """Level of detail of each face's texture, `out` float32 [F]: log2 of its texels a pixel; screen [V, 2 or more]."""
    for f in range(len(faces)):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        pixels = abs(
            (screen[j, 0] - screen[i, 0]) * (screen[k, 1] - screen[i, 1])
            - (screen[j, 1] - screen[i, 1]) * (screen[k, 0] - screen[i, 0])
        )
        i, j, k = uv_faces[f, 0], uv_faces[f, 1], uv_faces[f, 2]
        texels = abs((uv[j, 0] - uv[i, 0]) * (uv[k, 1] - uv[i, 1]) - (uv[j, 1] - uv[i, 1]) * (uv[k, 0] - uv[i, 0]))
        texels *= float(sizes[part[f], 0]) ** 2
        out[f] = 0.5 * math.log2(max(texels, 1e-6) / max(pixels, 1e-3)) - 0.3


@_compiled
def _floor(x):
    """The integer below x > -65536, without a call into the C library."""
    return int(x + 65536) - 65536


@_compiled
def _texel(pixels, start, size, u, v, out):
    """Bilinear sample of a square image that repeats; writes sRGB bytes to out [4]."""
    x = np.float32(u * size - np.float32(0.5))
    y = np.float32(v * size - np.float32(0.5))
    i0 = _floor(x)
    j0 = _floor(y)
    fx = x - np.float32(i0)
    fy = y - np.float32(j0)
    i0 &= size - 1
    j0 &= size - 1
    i1 = (i0 + 1) & (size - 1)
    j1 = (j0 + 1) & (size - 1)
    a = start + j0 * size
    b = start + j1 * size
    one = np.float32(1)
    for k in range(4):
        top = pixels[a + i0, k] * (one - fx) + pixels[a + i1, k] * fx
        bottom = pixels[b + i0, k] * (one - fx) + pixels[b + i1, k] * fx
        out[k] = top * (one - fy) + bottom * fy


@_compiled
def _sample(pixels, starts, sizes, image, u, v, lod, out):
    """Sample of the image's copy that is nearest in size; writes sRGB bytes to out [4]."""
    level = int(min(max(lod + 0.5, 0.0), starts.shape[1] - 1.0))
    _texel(pixels, starts[image, level], sizes[image, level], u, v, out)


@_compiled
def layers(vertices, first, mesh, nearest, face, barycentric, depth):
    """The nearest K transparent triangles in front of what is opaque, nearest first.

    vertices [V, 3] screen; of mesh only the faces from `first` on are drawn
    nearest  [H, W] depth of the opaque scene
    face     int32 [H, W, K] is filled with -1, then written with barycentric [H, W, K, 3] and depth [H, W, K]

    Texels of less than 3 % opacity are left out; what stands behind an opaque one as well.
    """
    h, w, count = face.shape
    _, faces, uv_faces, uv, part, lod, pixels, starts, sizes, _ = mesh  # not read in the loop: see `shade`
    colour = np.empty(4, np.float32)
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
        scale = 1 / area
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                px, py = x + 0.50013, y + 0.50029  # on nobody's edge: a pixel is drawn once
                s0 = ((cx - bx) * (py - by) - (cy - by) * (px - bx)) * scale
                s1 = ((ax - cx) * (py - cy) - (ay - cy) * (px - cx)) * scale
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
                _sample(pixels, starts, sizes, part[f], u, v, lod[f], colour)
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
def sky_depths(vertices, faces, frames, scale, out):
    """Coarse depths of a mesh from many sides, `out` [D, S, S] metres from the origin, inf where nothing is.

    frames [D, 3, 3] rows: right, down and away. Vertices and the faces' middles are drawn, a pixel each, so pixels
    have to be about as large as faces.
    """
    size = out.shape[1]
    screen = np.empty((len(vertices), 3), np.float32)
    for d in range(len(frames)):
        for j in range(size):
            for i in range(size):
                out[d, j, i] = np.inf
        for n in range(len(vertices)):
            x, y, z = vertices[n, 0], vertices[n, 1], vertices[n, 2]
            screen[n, 0] = (frames[d, 0, 0] * x + frames[d, 0, 1] * y + frames[d, 0, 2] * z) * scale + size * 0.5
            screen[n, 1] = (frames[d, 1, 0] * x + frames[d, 1, 1] * y + frames[d, 1, 2] * z) * scale + size * 0.5
            screen[n, 2] = frames[d, 2, 0] * x + frames[d, 2, 1] * y + frames[d, 2, 2] * z
            u, v = int(screen[n, 0]), int(screen[n, 1])
            if 0 <= u < size and 0 <= v < size and screen[n, 2] < out[d, v, u]:
                out[d, v, u] = screen[n, 2]
        third = np.float32(1 / 3)
        for f in range(len(faces)):
            i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
            u = int((screen[i, 0] + screen[j, 0] + screen[k, 0]) * third)
            v = int((screen[i, 1] + screen[j, 1] + screen[k, 1]) * third)
            z = (screen[i, 2] + screen[j, 2] + screen[k, 2]) * third
            if 0 <= u < size and 0 <= v < size and z < out[d, v, u]:
                out[d, v, u] = z


@_compiled
def bounds(points):
    """Least and greatest coordinates of points [N, 3]: float32 [2, 3]."""
    out = np.empty((2, 3), np.float32)
    for c in range(3):
        least, most = points[0, c], points[0, c]
        for n in range(len(points)):
            least, most = min(least, points[n, c]), max(most, points[n, c])
        out[0, c], out[1, c] = least, most
    return out


@_compiled
def visibility(points, maps, depths, scale, bias, seen):
    """Which points a distant light sees.

    points [N, 3]; maps [D, 3, 3] rows: right, down and away of each light; depths [D, S, S] seen from it, metres;
    scale: pixels a metre, the origin in the image's middle; writes seen float32 [D, N] in {0, 1}.
    """
    size = depths.shape[1]
    for d in range(len(maps)):
        for n in range(len(points)):
            px, py, pz = points[n, 0], points[n, 1], points[n, 2]
            x = maps[d, 0, 0] * px + maps[d, 0, 1] * py + maps[d, 0, 2] * pz
            y = maps[d, 1, 0] * px + maps[d, 1, 1] * py + maps[d, 1, 2] * pz
            z = maps[d, 2, 0] * px + maps[d, 2, 1] * py + maps[d, 2, 2] * pz
            i = _floor(x * scale + size * 0.5)
            j = _floor(y * scale + size * 0.5)
            hidden = 0 <= i < size and 0 <= j < size and depths[d, j, i] < z - bias
            seen[d, n] = 0 if hidden else 1


@_compiled
def _lit(depth, frame, scale, reach, x, y, z, bias, phase):
    """Share of a lamp's light that reaches a point: samples of its shadow map about it, many at a shadow's edge."""
    size = depth.shape[0]
    u = (frame[0, 0] * x + frame[0, 1] * y + frame[0, 2] * z) * scale + size * 0.5
    v = (frame[1, 0] * x + frame[1, 1] * y + frame[1, 2] * z) * scale + size * 0.5
    w = frame[2, 0] * x + frame[2, 1] * y + frame[2, 2] * z - bias
    if u < -reach or v < -reach or u > size + reach or v > size + reach:
        return 1.0
    c, s = _COS[phase % TAPS], _SIN[phase % TAPS]
    lit = 0
    for k in range(TAPS):
        tap = TAPS - 1 - k * 5 % TAPS  # far ones and near ones in turn
        radius = reach * _RADIUS[tap]
        i = _floor(u + radius * (c * _COS[tap] - s * _SIN[tap]))
        j = _floor(v + radius * (s * _COS[tap] + c * _SIN[tap]))
        if not (0 <= i < size and 0 <= j < size and depth[j, i] < w):
            lit += 1
        if k == _SURE and (lit == 0 or lit == _SURE + 1):
            return 1.0 if lit else 0.0
    return lit / TAPS


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
def environment(directions, lamps, out):
    """`out` [D, 3]: light from directions [D, 3]."""
    for d in range(len(directions)):
        x, y, z = directions[d]
        _environment(lamps.lobes, lamps.sky, lamps.ground, x, y, z, 1.0, out[d])


@_compiled
def shade(face, barycentric, mesh, lamps, shadow, eye, opaque, out):
    """Lays surfaces over `out` [h, w, 4]: linear light, premultiplied, and coverage.

    face [2 h, 2 w, K], barycentric [2 h, 2 w, K, 3]: K surfaces a sample, nearest first, four samples a pixel. Samples
    of a pixel that lie side by side on one part are lit together, once.
    opaque: what the texture says of opacity does not count.
    """
    h, w = out.shape[:2]
    # numba counts references where a loop reads a field or hands arrays on, which costs more than the light itself
    vertices, faces, uv_faces, uv, part, lods, pixels, starts, sizes, materials = mesh
    lamp, lamp_colour, lobes, sky, ground = lamps
    depth, frame, scale, softness = shadow
    at = np.empty(SURFACE_COLUMNS, np.float32)
    colour = np.empty(4, np.float32)
    n = np.empty(3, np.float32)
    view = np.empty(3, np.float32)
    mirror = np.empty(3, np.float32)
    along = np.empty(3, np.float32)
    across = np.empty(3, np.float32)
    light = np.empty(4, np.float32)
    layer = np.empty(4, np.float32)
    front = np.empty(4, np.float32)
    taken = np.empty(4, np.bool_)
    for y in range(h):
        for x in range(w):
            for c in range(4):  # no slices here: they cost more than the light itself
                front[c] = 0
            for k in range(face.shape[2]):
                for c in range(4):
                    layer[c] = 0
                    taken[c] = False
                hit = False
                for s in range(4):
                    f = face[2 * y + s // 2, 2 * x + s % 2, k]
                    if f < 0 or taken[s]:
                        continue
                    hit = True
                    own = 0
                    b0 = b1 = b2 = np.float32(0)
                    for r in range(s, 4):  # the same face: lit in the middle of its samples
                        if face[2 * y + r // 2, 2 * x + r % 2, k] == f:
                            taken[r] = True
                            own += 1
                            b0 += barycentric[2 * y + r // 2, 2 * x + r % 2, k, 0]
                            b1 += barycentric[2 * y + r // 2, 2 * x + r % 2, k, 1]
                            b2 += barycentric[2 * y + r // 2, 2 * x + r % 2, k, 2]
                    share = np.float32(1) / np.float32(own)
                    b0, b1, b2 = b0 * share, b1 * share, b2 * share
                    i, j, q = uv_faces[f, 0], uv_faces[f, 1], uv_faces[f, 2]
                    u = b0 * uv[i, 0] + b1 * uv[j, 0] + b2 * uv[q, 0]
                    v = b0 * uv[i, 1] + b1 * uv[j, 1] + b2 * uv[q, 1]
                    count = own
                    if own < 4:  # its neighbours on the same part share its light
                        near = np.float32(5) / sizes[part[f], int(min(max(lods[f], np.float32(0)), np.float32(3)))]
                        for r in range(s + 1, 4):
                            g = face[2 * y + r // 2, 2 * x + r % 2, k]
                            if g >= 0 and not taken[r] and part[g] == part[f]:
                                i, j, q = uv_faces[g, 0], uv_faces[g, 1], uv_faces[g, 2]
                                third = np.float32(1 / 3)
                                du = (uv[i, 0] + uv[j, 0] + uv[q, 0]) * third - u
                                dv = (uv[i, 1] + uv[j, 1] + uv[q, 1]) * third - v
                                reach = near + abs(uv[i, 0] - uv[j, 0]) + abs(uv[i, 0] - uv[q, 0])
                                reach += abs(uv[i, 1] - uv[j, 1]) + abs(uv[i, 1] - uv[q, 1])
                                if abs(du) < reach and abs(dv) < reach:
                                    taken[r] = True
                                    count += 1
                    i, j, q = faces[f, 0], faces[f, 1], faces[f, 2]
                    for c in range(SURFACE_COLUMNS):
                        at[c] = b0 * vertices[i, c] + b1 * vertices[j, c] + b2 * vertices[q, c]
                    lod = lods[f] + (1.0 if count == 4 else 0.5 if count > 1 else 0.0)
                    phase = x * 7 + y * 13

                    m = part[f]
                    length = 0.0
                    distance = 0.0
                    for c in range(3):
                        n[c] = at[NORMAL + c]
                        view[c] = eye[c] - at[POSITION + c]
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
                    fx, fy, fz = n[0], n[1], n[2]

                    bump = int(materials[m, NORMAL_MAP])
                    if bump >= 0 and materials[m, BUMP] > 0:
                        _sample(pixels, starts, sizes, bump, u, v, lod, colour)
                        i, j, q = faces[f, 0], faces[f, 1], faces[f, 2]
                        ui, uj, uk = uv_faces[f, 0], uv_faces[f, 1], uv_faces[f, 2]
                        du1, dv1 = uv[uj, 0] - uv[ui, 0], uv[uj, 1] - uv[ui, 1]
                        du2, dv2 = uv[uk, 0] - uv[ui, 0], uv[uk, 1] - uv[ui, 1]
                        det = du1 * dv2 - du2 * dv1
                        if abs(det) > 1e-14:
                            sign = 1.0 if det > 0 else -1.0
                            tl = 0.0
                            sl = 0.0
                            for c in range(3):
                                e1 = vertices[j, c] - vertices[i, c]
                                e2 = vertices[q, c] - vertices[i, c]
                                along[c] = (dv2 * e1 - dv1 * e2) * sign
                                across[c] = (du1 * e2 - du2 * e1) * sign
                                tl += along[c] * along[c]
                                sl += across[c] * across[c]
                            # the map's green points up, our v down
                            dx = (colour[0] / 127.5 - 1) * materials[m, BUMP] / math.sqrt(max(tl, 1e-20))
                            dy = -(colour[1] / 127.5 - 1) * materials[m, BUMP] / math.sqrt(max(sl, 1e-20))
                            length = 0.0
                            for c in range(3):
                                n[c] += dx * along[c] + dy * across[c]
                                length += n[c] * n[c]
                            length = 1 / math.sqrt(max(length, 1e-12))
                            facing = 0.0
                            for c in range(3):
                                n[c] *= length
                                facing += n[c] * view[c]

                    _sample(pixels, starts, sizes, m, u, v, lod, colour)
                    towards = n[0] * lamp[0] + n[1] * lamp[1] + n[2] * lamp[2]
                    wrap = materials[m, DIFFUSE_WRAP]
                    lit_share = 0.0
                    if towards > -wrap:
                        bias = materials[m, SHADOW_BIAS]
                        lit_share = _lit(
                            depth, frame, scale, softness, at[POSITION] + bias * fx, at[POSITION + 1] + bias * fy,
                            at[POSITION + 2] + bias * fz, bias, phase,
                        )  # fmt: skip
                    tilt = (n[0] - fx) * at[LEAN] + (n[1] - fy) * at[LEAN + 1] + (n[2] - fz) * at[LEAN + 2]
                    brightness = (at[IRRADIANCE] + at[IRRADIANCE + 1] + at[IRRADIANCE + 2]) / 3
                    gain = min(max(1 + tilt / max(brightness, 1e-6), 0.3), 2.0)

                    facing = min(max(facing, 0.0), 1.0)
                    f0 = materials[m, SPECULAR]
                    glint = 0.0
                    rim = 0.0
                    if f0 > 0:
                        shine = materials[m, SHININESS]
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
                        if towards > 0:
                            fresnel = f0 + (1 - f0) * (1 - cosine) ** 5
                            glint = math.exp(shine * math.log(max(half, np.float32(1e-6))))
                            glint *= fresnel * (shine + 8) / 25 * towards * lit_share
                        rim = (f0 + (1 - f0) * (1 - facing) ** 5 * min(shine / 60, 1.0)) * at[OPENNESS]
                        mx, my, mz = mirror[0], mirror[1], mirror[2]
                        _environment(lobes, sky, ground, mx, my, mz, min(shine / 40, 4.0), mirror)
                    sheen = materials[m, SHEEN] * (1 - facing) ** 3
                    for c in range(3):
                        t = int(colour[c])
                        albedo = LINEAR[t] + (LINEAR[min(t + 1, 255)] - LINEAR[t]) * (colour[c] - t)
                        soft = wrap if c == 0 else wrap * 0.45  # red light travels farthest in skin
                        diffuse = max((towards + soft) / (1 + soft), 0.0) * lit_share
                        if towards < 0:
                            diffuse *= 0.7
                        sent = at[IRRADIANCE + c] * gain + lamp_colour[c] * diffuse
                        sent *= albedo + sheen * (0.3 + albedo)
                        if f0 > 0:
                            sent += lamp_colour[c] * glint + rim * mirror[c]
                        light[c] = sent
                    light[3] = colour[3] / 255

                    cover = count * np.float32(0.25) * (np.float32(1) if opaque else light[3])
                    for c in range(3):
                        layer[c] += cover * light[c]
                    layer[3] += cover
                if not hit:
                    break
                rest = 1 - front[3]
                for c in range(4):
                    front[c] += rest * layer[c]
                if front[3] > 0.99:
                    break
            if front[3] > 0:
                rest = 1 - front[3]
                for c in range(4):
                    out[y, x, c] = front[c] + rest * out[y, x, c]


@_compiled
def floor_light(rays, place, grid, corner, step, rim, lamp, shadow, out):
    """Light on the floor at every second pixel, `out` [h, w, 3]: of the surroundings and of a lamp, less its shadow.

    grid    float32 [n, n, 3]  light of the surroundings on a patch of floor, from corner (x, z) on, step metres apart
    rim     float32 [3]        the same beyond the patch
    lamp    float32 [3]        the lamp's light on the floor
    """
    n = len(grid)
    eye, first, right, down = rays
    depth, frame, scale, softness = shadow
    middle, ground = place.middle, place.ground
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            px, py = 2 * x + 1, 2 * y + 1
            dy = first[1] + px * right[1] + py * down[1]
            share = 1.0
            gx = -1.0
            gz = -1.0
            if dy < -1e-4:
                t = (ground - eye[1]) / dy
                wx = eye[0] + t * (first[0] + px * right[0] + py * down[0])
                wz = eye[2] + t * (first[2] + px * right[2] + py * down[2])
                gx = (wx - corner[0]) / step
                gz = (wz - corner[1]) / step
                wx -= middle[0]
                wz -= middle[2]
                if abs(wx) < 4 and abs(wz) < 4:
                    phase = x * 7 + y * 13
                    share = _lit(depth, frame, scale, 1.5 * softness, wx, ground - middle[1], wz, 0.01, phase)
            if 0 <= gx < n - 1 and 0 <= gz < n - 1:
                i, j = int(gx), int(gz)
                a, b = gx - i, gz - j
                for c in range(3):
                    top = grid[j, i, c] * (1 - a) + grid[j, i + 1, c] * a
                    bottom = grid[j + 1, i, c] * (1 - a) + grid[j + 1, i + 1, c] * a
                    out[y, x, c] = top * (1 - b) + bottom * b + share * lamp[c]
            else:
                for c in range(3):
                    out[y, x, c] = rim[c] + share * lamp[c]


@_compiled
def _weights(x, size, repeat):
    """Where to sample a row of `size` pixels at x: two indices and the share of the second."""
    x -= 0.5
    if repeat:
        x -= math.floor(x / size) * size
    else:
        x = min(max(x, 0.0), size - 1.0)
    first = min(int(x), size - 1)
    second = first + 1
    if second == size:
        second = 0 if repeat else first
    return first, second, np.float32(x - first)


@_compiled
def surroundings(rays, place, falls, out):
    """Floor and wall, linear, `out` float32 [H, W, 4]; the last is the distance, 1 = the person's.

    falls float32 [H, W, 3]: light on the floor
    """
    eye, first, to_right, down = rays
    tiles, picture, mean, middle, ground, ahead_of, right, far_off, tile, wide, seamless = place
    wall = np.empty(3, np.float32)
    floor = np.empty(3, np.float32)
    ex, ey, ez = eye[0] - middle[0], eye[1] - middle[1], eye[2] - middle[2]
    away = 1 / math.sqrt(ex * ex + ey * ey + ez * ez)
    to_wall = far_off - (ex * ahead_of[0] + ez * ahead_of[2])
    offset = ex * right[0] + ez * right[2]
    ahead = ex * ahead_of[0] + ez * ahead_of[2]
    per_metre = picture.shape[1] / wide
    side, height = tiles.shape[1], tiles.shape[0]
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            px, py = x + 0.5, y + 0.5
            dx = first[0] + px * to_right[0] + py * down[0]
            dy = first[1] + px * to_right[1] + py * down[1]
            dz = first[2] + px * to_right[2] + py * down[2]
            forward = dx * ahead_of[0] + dz * ahead_of[2]
            across = dx * right[0] + dz * right[2]
            w = to_wall / max(forward, 1e-3)
            f = (ground - eye[1]) / min(dy, -1e-4)
            on_floor = f < w
            blend = 0.0
            if seamless and on_floor:
                blend = min(max((f / w - 0.55) / 0.45, 0.0), 1.0)
                blend *= math.sqrt(blend)
            if blend > 0 or not on_floor:
                up = picture.shape[0] - (ey + middle[1] + w * dy - ground) * per_metre
                i0, i1, fx = _weights((offset + w * across + wide / 2) * per_metre, picture.shape[1], False)
                j0, j1, fy = _weights(up, picture.shape[0], False)
                for c in range(3):
                    top = picture[j0, i0, c] + (picture[j0, i1, c] - picture[j0, i0, c]) * fx
                    bottom = picture[j1, i0, c] + (picture[j1, i1, c] - picture[j1, i0, c]) * fx
                    wall[c] = top + (bottom - top) * fy
            if on_floor:
                i0, i1, fx = _weights((offset + f * across) / tile * side, side, True)
                j0, j1, fy = _weights((ahead + f * forward) / tile * height, height, True)
                for c in range(3):
                    top = tiles[j0, i0, c] + (tiles[j0, i1, c] - tiles[j0, i0, c]) * fx
                    bottom = tiles[j1, i0, c] + (tiles[j1, i1, c] - tiles[j1, i0, c]) * fx
                    floor[c] = top + (bottom - top) * fy
                far = min(max((f * away - 1.3) / 2, 0.0), 1.0)
                for c in range(3):
                    lit = (floor[c] + (mean[c] - floor[c]) * far) * falls[y, x, c]
                    out[y, x, c] = lit + (wall[c] - lit) * blend if blend > 0 else lit
                out[y, x, 3] = f * away
            else:
                for c in range(3):
                    out[y, x, c] = wall[c]
                out[y, x, 3] = w * away


@_compiled
def compose(person, top, left, behind, soft, out):
    """A person [h, w, 4] (premultiplied), whose first pixel is at (top, left), before a place [H, W, 4]; `soft`
    [H, W, 4] is the same place out of focus. Writes linear light [H, W, 3]."""
    h, w = person.shape[:2]
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            amount = min(max((behind[y, x, 3] - np.float32(1.05)) * np.float32(2), np.float32(0)), np.float32(1))
            inside = top <= y < top + h and left <= x < left + w
            rest = np.float32(1) - person[y - top, x - left, 3] if inside else np.float32(1)
            for c in range(3):
                light = (behind[y, x, c] + (soft[y, x, c] - behind[y, x, c]) * amount) * rest
                out[y, x, c] = light + person[y - top, x - left, c] if inside else light


@_compiled
def develop(light, gain, vignette, noise, normal, starts, tone, steps, out):
    """A camera's sRGB picture, `out` [3, H, W], of linear light [H, W, 3].

    gain [3]; noise: its spread in full light; normal [.] random numbers, starts [3, H] where in them a row begins
    tone [.]: sRGB for the square root of light, `steps` entries for 1
    """
    h, w = light.shape[:2]
    last = np.int32(len(tone) - 2)
    zero, one, floor = np.float32(0), np.float32(1), np.float32(0.02)
    scale = np.float32(steps)
    grain = np.float32(noise)
    corners = np.float32(vignette * 4 / (w * w + h * h))
    across = (np.arange(w).astype(np.float32) - np.float32(w / 2)) ** 2 * corners
    for y in range(h):
        up = one - np.float32((y - h / 2) ** 2) * corners
        for c in range(3):
            start = starts[c, y]
            for x in range(w):
                value = light[y, x, c] * gain[c] * (up - across[x])
                value += grain * normal[start + x] * math.sqrt(min(max(value, zero), one) + floor)
                place = math.sqrt(max(value, zero)) * scale
                k = min(np.int32(place), last)
                part = min(place - np.float32(k), one)
                out[c, y, x] = tone[k] + (tone[k + 1] - tone[k]) * part
