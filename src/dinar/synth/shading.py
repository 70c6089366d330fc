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
_SRGB = np.searchsorted((LINEAR[1:] + LINEAR[:-1]) / 2, np.arange(65536) / 65535).astype(np.uint8)  # and back

# columns of a material
DIFFUSE_WRAP, SPECULAR, SHININESS, SHEEN, BUMP, TWO_SIDED, SHADOW_BIAS, NORMAL_MAP = range(8)
MATERIAL_COLUMNS = 8

# columns of a surface's vertices: position, normal, light of the surroundings, where from, the share of them it sees
POSITION, NORMAL, IRRADIANCE, LEAN, OPENNESS = 0, 3, 6, 9, 12
SURFACE_COLUMNS = 16  # the last three are padding

TAPS = 16  # samples of a shadow's edge
_SURE = 5  # of them that decide alone where they agree


def _disc() -> np.ndarray:
    """TAPS points of the unit disc, far ones and near ones in turn, in as many turns: float32 [TAPS, TAPS, 2]."""
    tap = TAPS - 1 - np.arange(TAPS) * 5 % TAPS
    angle = 2.399963 * (tap + np.arange(TAPS)[:, None])
    radius = np.sqrt((tap + 0.5) / TAPS)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=2).astype(np.float32)


_DISC = _disc()
FLOOR_SOFTNESS = np.float32(1.5)  # times as blurred are shadows on the floor
_OVERLAP = np.float32(1e-4)  # square pixels by which triangles reach over their edges: neighbours leave no gap


class Mesh(NamedTuple):
    """A surface and its textures.

    vertices           float32 [V, SURFACE_COLUMNS]
    faces, uv_faces    int [F, 3], into vertices and uv
    uv                 float32 [T, 2]
    part               int [F]       the face's image and material
    label              uint8 [F]     which part of a person it is, never 0
    opaque             how many of the faces, the first ones, are
    detail             float32 [F]   log2 of the root of its area in texels
    pixels             uint8 [., 4]  sRGB and opacity of all images and their smaller copies
    starts, sizes      int [P, levels]  where a copy begins, its texels a side: a power of two
    materials          float32 [P, MATERIAL_COLUMNS]
    """

    vertices: np.ndarray
    faces: np.ndarray
    uv_faces: np.ndarray
    uv: np.ndarray
    part: np.ndarray
    label: np.ndarray
    opaque: int
    detail: np.ndarray
    pixels: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray
    materials: np.ndarray


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
    """Machine code that makes no arrays of its own (`_nrt`): so numba counts no references to those it is given, which
    costs more than the work wherever a loop reads a field or hands arrays on."""
    options = {"nogil": True, "fastmath": True, "error_model": "numpy", "_nrt": False}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder for the cache can be written
        return numba.njit(**options)(function)


@_compiled
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


@_compiled
def _unit(a):
    scale = np.float32(1) / math.sqrt(max(_dot(a, a), np.float32(1e-12)))
    return a[0] * scale, a[1] * scale, a[2] * scale


@_compiled
def _moved(a, amount, b):
    """a + amount * b."""
    return a[0] + amount * b[0], a[1] + amount * b[1], a[2] + amount * b[2]


@_compiled
def _row(table, n, first):
    """Three numbers of row n, from a column on."""
    return table[n, first], table[n, first + 1], table[n, first + 2]


@_compiled
def _between(table, corners, weights, column):
    """Three columns, from `column` on, of the rows `corners` in shares `weights`."""
    i, j, k = corners
    a, b, c = weights
    return (
        a * table[i, column] + b * table[j, column] + c * table[k, column],
        a * table[i, column + 1] + b * table[j, column + 1] + c * table[k, column + 1],
        a * table[i, column + 2] + b * table[j, column + 2] + c * table[k, column + 2],
    )


@_compiled
def _floor(x):
    """The integer below x > -65536, without a call into the C library."""
    return int(x + 65536) - 65536


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
        out[n, 0], out[n, 1], out[n, 2] = _unit(_row(out, n, 0))


@_compiled
def skinned(rest, transforms, starts, joints, weights, out):
    """Posed vertices, `out` float32 [N, 3].

    rest [N, 3]; transforms [J, 3, 4]; vertex n follows joints[starts[n]:starts[n + 1]] in shares `weights`
    """
    for n in range(len(rest)):
        x, y, z = rest[n, 0], rest[n, 1], rest[n, 2]
        px = py = pz = np.float32(0)
        for k in range(starts[n], starts[n + 1]):
            j, weight = joints[k], weights[k]
            m = transforms[j]
            px += weight * (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3])
            py += weight * (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3])
            pz += weight * (m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3])
        out[n, 0], out[n, 1], out[n, 2] = px, py, pz


@_compiled
def bounds(points, out):
    """Least and greatest coordinates, `out` float32 [2, 3], of points [N, 3]."""
    for c in range(3):
        least, most = points[0, c], points[0, c]
        for n in range(len(points)):
            least, most = min(least, points[n, c]), max(most, points[n, c])
        out[0, c], out[1, c] = least, most


@_compiled
def projected(points, matrix, under, out):
    """What a camera makes of points [N, 3]: `out` float32 [N, 3] holds x, y and nearness, 0 where behind it.

    matrix [3, 4]: K [R | t]; under [N]: metres by which a point counts as farther away than it is
    """
    m = matrix
    for n in range(len(points)):
        x, y, z = points[n, 0], points[n, 1], points[n, 2]
        away = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
        near = np.float32(1) / max(away, np.float32(1e-2))
        out[n, 0] = (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]) * near
        out[n, 1] = (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]) * near
        out[n, 2] = np.float32(1) / (away + under[n]) if away > np.float32(1e-2) else np.float32(0)


@_compiled
def draw(screen, mesh, face, nearness):
    """The nearest opaque triangle at each pixel's centre.

    screen    float32 [V, 3]  x, y and nearness: any measure that grows towards the eye, is linear on the screen (for a
              camera 1 / depth) and > 0 where something is to be drawn
    face      int32 [H, W]    is filled with -1, then written
    nearness  float32 [H, W]  is filled with 0, then written

    What turns its back to the eye is left out if its material is not two-sided.
    """
    h, w = face.shape
    half = np.float32(0.5)
    for y in range(h):
        for x in range(w):
            face[y, x] = -1
            nearness[y, x] = 0
    for f in range(mesh.opaque):
        i, j, k = mesh.faces[f, 0], mesh.faces[f, 1], mesh.faces[f, 2]
        ax, ay, an = screen[i, 0], screen[i, 1], screen[i, 2]
        bx, by, bn = screen[j, 0], screen[j, 1], screen[j, 2]
        cx, cy, cn = screen[k, 0], screen[k, 1], screen[k, 2]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0 or min(an, bn, cn) <= 0 or (area > 0 and mesh.materials[mesh.part[f], TWO_SIDED] == 0):
            continue
        x0, x1 = _centres(ax, bx, cx, w)
        y0, y1 = _centres(ay, by, cy, h)
        if x0 > x1 or y0 > y1:
            continue
        side = np.float32(1) if area > 0 else np.float32(-1)
        # what each edge says of a point grows inwards, linearly in x and y
        ux, uy = (by - cy) * side, (cx - bx) * side
        vx, vy = (cy - ay) * side, (ax - cx) * side
        wx, wy = (ay - by) * side, (bx - ax) * side
        scale = side / area
        an, bn, cn = an * scale, bn * scale, cn * scale
        px, py = np.float32(x0) + half, np.float32(y0) + half
        u0 = ux * (px - bx) + uy * (py - by)
        v0 = vx * (px - cx) + vy * (py - cy)
        t0 = wx * (px - ax) + wy * (py - ay)
        for y in range(y0, y1 + 1):
            u, v, t = u0, v0, t0
            for x in range(x0, x1 + 1):
                if min(u, v, t) > -_OVERLAP:
                    near = u * an + v * bn + t * cn
                    if near > nearness[y, x]:
                        nearness[y, x] = near
                        face[y, x] = f
                u, v, t = u + ux, v + vx, t + wx
            u0, v0, t0 = u0 + uy, v0 + vy, t0 + wy


@_compiled
def _centres(a, b, c, size):
    """The first and the last of `size` pixels whose centres lie between three coordinates."""
    least = max(min(a, b, c) - np.float32(0.5), np.float32(-1))
    most = min(max(a, b, c) - np.float32(0.5), np.float32(size - 1))
    first = np.int32(least + 1)  # towards zero: rounds up what is > -1
    if np.float32(first) == least + 1:
        first -= 1
    return max(first, np.int32(0)), np.int32(_floor(max(most, np.float32(-1))))


@_compiled
def _weights(screen, corners, x, y):
    """Shares of a triangle's corners at a point of the screen (see `draw`), and its area in pixels."""
    i, j, k = corners
    ax, ay, bx, by, cx, cy = screen[i, 0], screen[i, 1], screen[j, 0], screen[j, 1], screen[k, 0], screen[k, 1]
    a = ((cx - bx) * (y - by) - (cy - by) * (x - bx)) * screen[i, 2]
    b = ((ax - cx) * (y - cy) - (ay - cy) * (x - cx)) * screen[j, 2]
    c = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) * screen[k, 2]
    scale = np.float32(1) / (a + b + c)
    area = abs((bx - ax) * (cy - ay) - (by - ay) * (cx - ax)) * np.float32(0.5)
    return (a * scale, b * scale, c * scale), area


@_compiled
def _uv(mesh, f, weights):
    i, j, k = _row(mesh.uv_faces, f, 0)
    a, b, c = weights
    uv = mesh.uv
    return a * uv[i, 0] + b * uv[j, 0] + c * uv[k, 0], a * uv[i, 1] + b * uv[j, 1] + c * uv[k, 1]


@_compiled
def _level(mesh, f, area):
    """log2 of the texels a pixel, of a triangle that covers `area` pixels; a little less, for sharpness."""
    return mesh.detail[f] - np.float32(0.5) * math.log2(max(area, np.float32(5e-4))) - np.float32(0.3)


@_compiled
def _sample(mesh, image, u, v, level):
    """Bilinear sample of the image's copy that is nearest in size; it repeats. Four numbers like sRGB bytes."""
    pixels = mesh.pixels
    copy = int(min(max(level + np.float32(0.5), np.float32(0)), np.float32(mesh.starts.shape[1] - 1)))
    size, start = mesh.sizes[image, copy], mesh.starts[image, copy]
    x = u * np.float32(size) - np.float32(0.5)
    y = v * np.float32(size) - np.float32(0.5)
    i, j = _floor(x), _floor(y)
    fx, fy = x - np.float32(i), y - np.float32(j)
    last = size - 1
    left, right = i & last, (i + 1) & last
    top, bottom = start + (j & last) * size, start + ((j + 1) & last) * size
    one = np.float32(1)
    a, b, c, d = (one - fx) * (one - fy), fx * (one - fy), (one - fx) * fy, fx * fy
    p, q, r, s = top + left, top + right, bottom + left, bottom + right
    return (
        a * pixels[p, 0] + b * pixels[q, 0] + c * pixels[r, 0] + d * pixels[s, 0],
        a * pixels[p, 1] + b * pixels[q, 1] + c * pixels[r, 1] + d * pixels[s, 1],
        a * pixels[p, 2] + b * pixels[q, 2] + c * pixels[r, 2] + d * pixels[s, 2],
        a * pixels[p, 3] + b * pixels[q, 3] + c * pixels[r, 3] + d * pixels[s, 3],
    )


@_compiled
def layers(screen, mesh, behind, face, nearness):
    """The nearest K transparent triangles in front of what is opaque, nearest first.

    screen   [V, 3] as for `draw`
    behind   [H, W] nearness of the opaque scene; opaque texels of what is drawn here are added
    face     int32 [H, W, K] is filled with -1, then written with nearness [H, W, K]

    Texels of less than 3 % opacity are left out; what stands behind an opaque one as well.
    """
    h, w, count = face.shape
    for y in range(h):
        for x in range(w):
            for k in range(count):
                face[y, x, k] = -1
                nearness[y, x, k] = 0
    for f in range(mesh.opaque, len(mesh.faces)):
        corners = _row(mesh.faces, f, 0)
        i, j, k = corners
        ax, ay, bx, by, cx, cy = screen[i, 0], screen[i, 1], screen[j, 0], screen[j, 1], screen[k, 0], screen[k, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if min(screen[i, 2], screen[j, 2], screen[k, 2]) <= 0 or abs(area) < 1e-6:
            continue
        x0, x1 = _centres(ax, bx, cx, w)
        y0, y1 = _centres(ay, by, cy, h)
        level = _level(mesh, f, abs(area) * np.float32(0.5))
        scale = np.float32(1) / area
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                px, py = np.float32(x + 0.50013), np.float32(y + 0.50029)  # on nobody's edge: a pixel is drawn once
                a = ((cx - bx) * (py - by) - (cy - by) * (px - bx)) * scale
                b = ((ax - cx) * (py - cy) - (ay - cy) * (px - cx)) * scale
                c = 1 - a - b
                if a < 0 or b < 0 or c < 0:
                    continue
                a, b, c = a * screen[i, 2], b * screen[j, 2], c * screen[k, 2]
                near = a + b + c
                if near <= behind[y, x] or near <= nearness[y, x, count - 1]:
                    continue
                u, v = _uv(mesh, f, (a / near, b / near, c / near))
                opacity = _sample(mesh, mesh.part[f], u, v, level)[3]
                if opacity < 8:
                    continue
                n = count - 1
                while n > 0 and nearness[y, x, n - 1] < near:
                    nearness[y, x, n] = nearness[y, x, n - 1]
                    face[y, x, n] = face[y, x, n - 1]
                    n -= 1
                nearness[y, x, n] = near
                face[y, x, n] = f
                if opacity > 250:
                    behind[y, x] = near
                    for m in range(n + 1, count):
                        nearness[y, x, m] = 0
                        face[y, x, m] = -1


@_compiled
def sky_depths(vertices, dots, frames, scale, work, near, far):
    """Coarse depths of a mesh along some axes, [D, S, S] metres from the origin: of its near side (inf where nothing
    is) and, the other way round, of its far side (-inf).

    dots    int [M, 3]    three vertices each, whose middles are drawn, a pixel each: so pixels have to be as large as
            the gaps between them
    frames  [D, 3, 3]     rows: right, down and away, the axis; scale: pixels a metre, the origin in the middle
    work    [3, M]        float32
    """
    size = near.shape[1]
    third, middle = np.float32(1 / 3), np.float32(size * 0.5)
    for m in range(len(dots)):
        i, j, k = _row(dots, m, 0)
        for c in range(3):
            work[c, m] = (vertices[i, c] + vertices[j, c] + vertices[k, c]) * third
    for d in range(len(frames)):
        for j in range(size):
            for i in range(size):
                near[d, j, i] = np.inf
                far[d, j, i] = -np.inf
        right, down, away = _row(frames[d], 0, 0), _row(frames[d], 1, 0), _row(frames[d], 2, 0)
        for m in range(len(dots)):
            point = _row_of(work, m)
            u = int(_dot(right, point) * scale + middle)
            v = int(_dot(down, point) * scale + middle)
            z = _dot(away, point)
            if 0 <= u < size and 0 <= v < size:
                near[d, v, u] = min(near[d, v, u], z)
                far[d, v, u] = max(far[d, v, u], z)


@_compiled
def _row_of(columns, n):
    return columns[0, n], columns[1, n], columns[2, n]


@_compiled
def visibility(points, normals, frames, near, far, scale, bias, seen, facing):
    """Which distant lights at both ends of some axes points see.

    points, normals [N, 3]; frames, near, far and scale as of `sky_depths`, the maps empty along their edges
    bias    metres by which something has to stand before a point to hide it
    seen    float32 [2 D, N] in {0, 1}: first those from which one looks along the axes, then those opposite
    facing  float32 [2 D, N] cosine between normal and light, 0 where it is not seen
    """
    size, count = near.shape[1], len(frames)
    middle, last = np.float32(size * 0.5), np.float32(size - 1)
    zero, one = np.float32(0), np.float32(1)
    for d in range(count):
        right, down, away = _row(frames[d], 0, 0), _row(frames[d], 1, 0), _row(frames[d], 2, 0)
        for n in range(len(points)):
            point = _row(points, n, 0)
            i = int(min(max(_dot(right, point) * scale + middle, zero), last))
            j = int(min(max(_dot(down, point) * scale + middle, zero), last))
            z = _dot(away, point)
            before = zero if near[d, j, i] < z - bias else one
            behind = zero if far[d, j, i] > z + bias else one
            cosine = _dot(away, _row(normals, n, 0))
            seen[d, n], seen[count + d, n] = before, behind
            facing[d, n], facing[count + d, n] = max(-cosine, zero) * before, max(cosine, zero) * behind


@_compiled
def _lit(shadow, reach, point, bias, phase):
    """Share of a lamp's light that reaches a point: samples of its shadow map, which is empty for twice `reach` pixels
    along its edges, about it, many at a shadow's edge."""
    nearness, frame = shadow.nearness, shadow.frame
    size = np.float32(nearness.shape[0])
    u = _dot(_row(frame, 0, 0), point) * shadow.scale + size * np.float32(0.5)
    v = _dot(_row(frame, 1, 0), point) * shadow.scale + size * np.float32(0.5)
    own = bias - _dot(_row(frame, 2, 0), point)
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


@_compiled
def _environment(lamps, direction, sharpen):
    """Light (r, g, b) from a direction: a gradient and soft lamps [., 7] (direction, colour, focus).

    sharpen: times as narrow are lamps; wider ones are as much darker, since they send the same light
    """
    lobes = lamps.lobes
    t = min(max(np.float32(0.5) + np.float32(0.9) * direction[1], np.float32(0)), np.float32(1))
    light = _between3(lamps.ground, lamps.sky, t)
    for k in range(len(lobes)):
        cosine = _dot(_row(lobes, k, 0), direction)
        strength = math.exp((cosine - np.float32(1)) * lobes[k, 6] * sharpen) * min(sharpen, np.float32(1))
        light = _moved(light, strength, _row(lobes, k, 3))
    return light


@_compiled
def environment(directions, lamps, out):
    """`out` [D, 3]: light from directions [D, 3]."""
    for d in range(len(directions)):
        out[d, 0], out[d, 1], out[d, 2] = _environment(lamps, _row(directions, d, 0), np.float32(1))


@_compiled
def _bumped(mesh, f, normal, slope):
    """A normal tilted by what a normal map says: `slope` along u and, up the picture, against v."""
    i, j, k = _row(mesh.faces, f, 0)
    p, q, r = _row(mesh.uv_faces, f, 0)
    uv, vertices = mesh.uv, mesh.vertices
    du1, dv1, du2, dv2 = uv[q, 0] - uv[p, 0], uv[q, 1] - uv[p, 1], uv[r, 0] - uv[p, 0], uv[r, 1] - uv[p, 1]
    det = du1 * dv2 - du2 * dv1
    if abs(det) < 1e-14:
        return normal
    sign = np.float32(1) if det > 0 else np.float32(-1)
    one = _moved(_row(vertices, j, POSITION), np.float32(-1), _row(vertices, i, POSITION))
    two = _moved(_row(vertices, k, POSITION), np.float32(-1), _row(vertices, i, POSITION))
    along = _unit_of(sign * dv2, one, -sign * dv1, two)
    across = _unit_of(sign * du1, two, -sign * du2, one)
    return _unit(_moved(_moved(normal, slope[0], along), -slope[1], across))


@_compiled
def _unit_of(a, x, b, y):
    """a * x + b * y at length 1."""
    sum_ = a * x[0] + b * y[0], a * x[1] + b * y[1], a * x[2] + b * y[2]
    scale = np.float32(1) / math.sqrt(max(_dot(sum_, sum_), np.float32(1e-20)))
    return sum_[0] * scale, sum_[1] * scale, sum_[2] * scale


@_compiled
def _light(mesh, lamps, shadow, eye, f, weights, uv, level, phase):
    """What a point of triangle f sends to the eye, linear light, and its opacity: (r, g, b, a)."""
    zero, one = np.float32(0), np.float32(1)
    corners, part, materials = _row(mesh.faces, f, 0), mesh.part[f], mesh.materials
    position = _between(mesh.vertices, corners, weights, POSITION)
    normal = _unit(_between(mesh.vertices, corners, weights, NORMAL))
    view = _unit((eye[0] - position[0], eye[1] - position[1], eye[2] - position[2]))
    if materials[part, TWO_SIDED] > 0 and _dot(normal, view) < 0:
        normal = -normal[0], -normal[1], -normal[2]
    smooth = normal
    bump = int(materials[part, NORMAL_MAP])
    if bump >= 0 and materials[part, BUMP] > 0:
        red, green, _, _ = _sample(mesh, bump, uv[0], uv[1], level)
        steep = materials[part, BUMP] / np.float32(127.5)
        slope = (red - np.float32(127.5)) * steep, (green - np.float32(127.5)) * steep
        normal = _bumped(mesh, f, normal, slope)
    facing = min(max(_dot(normal, view), zero), one)
    lamp = lamps.lamp[0], lamps.lamp[1], lamps.lamp[2]
    towards = _dot(normal, lamp)

    wrap, lit = materials[part, DIFFUSE_WRAP], zero
    if towards > -wrap:
        bias = materials[part, SHADOW_BIAS]
        lit = _lit(shadow, shadow.softness, _moved(position, bias, smooth), bias, phase)

    glint, rim, reflected = zero, zero, (zero, zero, zero)
    openness = _between_one(mesh.vertices, corners, weights, OPENNESS)
    f0 = materials[part, SPECULAR]
    if f0 > 0:
        shine = materials[part, SHININESS]
        mirror = _moved((-view[0], -view[1], -view[2]), facing + facing, normal)
        reflected = _environment(lamps, mirror, min(shine / np.float32(40), np.float32(4)))
        rim = (f0 + (one - f0) * _fifth(one - facing) * min(shine / np.float32(60), one)) * openness
        if towards > 0 and lit > 0:
            half = _unit(_moved(lamp, one, view))
            fresnel = f0 + (one - f0) * _fifth(one - max(_dot(half, view), zero))
            glint = math.exp(shine * math.log(max(_dot(half, normal), np.float32(1e-6))))
            glint *= fresnel * (shine + np.float32(8)) / np.float32(25) * towards * lit

    irradiance = _between(mesh.vertices, corners, weights, IRRADIANCE)
    lean = _between(mesh.vertices, corners, weights, LEAN)
    brightness = (irradiance[0] + irradiance[1] + irradiance[2]) * np.float32(1 / 3)
    tilt = _dot(_moved(normal, -one, smooth), lean)
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
    r, g, b, opacity = _sample(mesh, part, uv[0], uv[1], level)
    return (
        _reflects(r, sheen) * arrives[0] + colour[0] * glint + rim * reflected[0],
        _reflects(g, sheen) * arrives[1] + colour[1] * glint + rim * reflected[1],
        _reflects(b, sheen) * arrives[2] + colour[2] * glint + rim * reflected[2],
        opacity * np.float32(1 / 255),
    )


@_compiled
def _fifth(x):
    return x * x * x * x * x


@_compiled
def _between_one(table, corners, weights, column):
    i, j, k = corners
    return weights[0] * table[i, column] + weights[1] * table[j, column] + weights[2] * table[k, column]


@_compiled
def _reflects(byte, sheen):
    """The share of light that a colour sends back, with a cloth's sheen; byte: between 0 and 255."""
    t = min(int(byte), 254)
    albedo = LINEAR[t] + (LINEAR[t + 1] - LINEAR[t]) * (byte - np.float32(t))
    return albedo + sheen * (np.float32(0.3) + albedo)


@_compiled
def _alike(mesh, g, uv, near):
    """Whether triangle g lies about a point of the texture, or within `near` of it."""
    i, j, k = _row(mesh.uv_faces, g, 0)
    u, v, table = uv[0], uv[1], mesh.uv
    third = np.float32(1 / 3)
    du = (table[i, 0] + table[j, 0] + table[k, 0]) * third - u
    dv = (table[i, 1] + table[j, 1] + table[k, 1]) * third - v
    reach = near + abs(table[i, 0] - table[j, 0]) + abs(table[i, 0] - table[k, 0])
    reach += abs(table[i, 1] - table[j, 1]) + abs(table[i, 1] - table[k, 1])
    return abs(du) < reach and abs(dv) < reach


@_compiled
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
                    weights, area = _weights(screen, _row(mesh.faces, f, 0), px / count, py / count)
                    uv, level = _uv(mesh, f, weights), _level(mesh, f, area)
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
                    red, green, blue = _moved((red, green, blue), cover, light)
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


@_compiled
def _between3(a, b, share):
    """The point `share` of the way from vector a [3] to b [3]."""
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share


@_compiled
def _bilinear(picture, i0, i1, fx, j0, j1, fy):
    """A sample [3] between columns i0 and i1 and rows j0 and j1."""
    top = _between3(picture[j0, i0], picture[j0, i1], fx)
    return _between3(top, _between3(picture[j1, i0], picture[j1, i1], fx), fy)


@_compiled
def _cell(x, size, repeat):
    """Where to sample a row of `size` pixels at x: two indices and the share of the second."""
    x -= np.float32(0.5)
    if repeat:
        x -= np.float32(_floor(x / np.float32(size))) * np.float32(size)
    else:
        x = min(max(x, np.float32(0)), np.float32(size - 1))
    first = min(int(x), size - 1)
    second = first + 1
    if second == size:
        second = 0 if repeat else first
    return first, second, x - np.float32(first)


@_compiled
def _ray(rays, x, y):
    """The direction of the ray through a point of the picture."""
    first = rays.first[0], rays.first[1], rays.first[2]
    return _moved(_moved(first, x, rays.right), y, rays.down)


@_compiled
def _hits(rays, place, x, y):
    """How far along a pixel's ray, in its own length, the floor and the wall are, and the ray itself."""
    ray = _ray(rays, x, y)
    eye, middle = rays.eye, place.middle
    ahead = (eye[0] - middle[0]) * place.forward[0] + (eye[2] - middle[2]) * place.forward[2]
    forward = ray[0] * place.forward[0] + ray[2] * place.forward[2]
    wall = (np.float32(place.distance) - ahead) / max(forward, np.float32(1e-3))
    floor = (np.float32(place.ground) - eye[1]) / min(ray[1], np.float32(-1e-4))
    return floor, wall, ray


@_compiled
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
                    share = _lit(shadow, reach, point, np.float32(0.01), x * 7 + y * 13)
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = _moved(light, share, lamp)


@_compiled
def _floor_colour(rays, place, floor, ray):
    """What share of light the floor sends back where a ray meets it."""
    tiles, forward, right = place.floor, place.forward, place.right
    x, z = rays.eye[0] - place.middle[0] + floor * ray[0], rays.eye[2] - place.middle[2] + floor * ray[2]
    per_metre = np.float32(1 / place.tile)
    height, width = tiles.shape[:2]
    i0, i1, fx = _cell((x * right[0] + z * right[2]) * per_metre * np.float32(width), width, True)
    j0, j1, fy = _cell((x * forward[0] + z * forward[2]) * per_metre * np.float32(height), height, True)
    return _bilinear(tiles, i0, i1, fx, j0, j1, fy)


@_compiled
def _blur(distance):
    """How far out of focus something is, in [0, 1]; distance: as a multiple of the one in focus."""
    return min(max((distance - np.float32(1.05)) * np.float32(2), np.float32(0)), np.float32(1))


@_compiled
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
                colour = _between3(_floor_colour(rays, place, floor, ray), place.mean, far)
                below = colour[0] * falls[y, x, 0], colour[1] * falls[y, x, 1], colour[2] * falls[y, x, 2]
                light = _between3(below, light, blend)
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = light
            blur[y, x] = _blur(min(floor, wall) * near)


@_compiled
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


@_compiled
def develop(light, gain, across, above, noise, normal, starts, tone, steps, row, out):
    """A camera's sRGB picture, `out` [H, 3 W], of linear light [H, 3 W] (three colours a pixel).

    gain [3 W] multiplies a row; across [3 W] and above [H]: shares of the light that it loses
    noise: its spread in full light; normal [.] random numbers, starts [H] where in them a row begins
    tone [.]: sRGB for the square root of light, `steps` entries for 1; row [3 W]: room to work in
    """
    count = light.shape[1]
    last = len(tone) - 2
    zero, one = np.float32(0), np.float32(1)
    for y in range(len(light)):
        start, up = starts[y], one - above[y]
        for x in range(count):  # apart from the second loop, so that this one uses the processor's vectors
            value = light[y, x] * gain[x] * (up - across[x])
            value += noise * normal[start + x] * math.sqrt(min(max(value, zero), one) + np.float32(0.02))
            row[x] = min(math.sqrt(max(value, zero)) * steps, np.float32(last))
        for x in range(count):
            k = int(row[x])
            out[y, x] = tone[k] + (tone[k + 1] - tone[k]) * (row[x] - np.float32(k))


@_compiled
def to_bytes(light, out):
    """Linear light in [0, 1] as sRGB bytes, `out` uint8, both flat."""
    for n in range(len(light)):
        out[n] = _SRGB[int(min(max(light[n], np.float32(0)), np.float32(1)) * np.float32(65535))]
