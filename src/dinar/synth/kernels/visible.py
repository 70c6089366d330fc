"""Which triangles are seen at each pixel, opaque and transparent ones, compiled by numba."""

from __future__ import annotations

import numpy as np

from dinar.synth.kernels.meshes import TWO_SIDED, level_of, sampled, uv_at
from dinar.synth.kernels.vectors import compiled, floored, row

_OVERLAP = np.float32(1e-4)  # square pixels by which triangles reach over their edges: neighbours leave no gap


@compiled
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


@compiled
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


@compiled
def _centres(a, b, c, size):
    """The first and the last of `size` pixels whose centres lie between three coordinates."""
    least = max(min(a, b, c) - np.float32(0.5), np.float32(-1))
    most = min(max(a, b, c) - np.float32(0.5), np.float32(size - 1))
    first = np.int32(least + 1)  # towards zero: rounds up what is > -1
    if np.float32(first) == least + 1:
        first -= 1
    return max(first, np.int32(0)), np.int32(floored(max(most, np.float32(-1))))


@compiled
def weights_at(screen, corners, x, y):
    """Shares of a triangle's corners at a point of the screen (see `draw`), and its area in pixels."""
    i, j, k = corners
    ax, ay, bx, by, cx, cy = screen[i, 0], screen[i, 1], screen[j, 0], screen[j, 1], screen[k, 0], screen[k, 1]
    a = ((cx - bx) * (y - by) - (cy - by) * (x - bx)) * screen[i, 2]
    b = ((ax - cx) * (y - cy) - (ay - cy) * (x - cx)) * screen[j, 2]
    c = ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) * screen[k, 2]
    scale = np.float32(1) / (a + b + c)
    area = abs((bx - ax) * (cy - ay) - (by - ay) * (cx - ax)) * np.float32(0.5)
    return (a * scale, b * scale, c * scale), area


@compiled
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
        corners = row(mesh.faces, f, 0)
        i, j, k = corners
        ax, ay, bx, by, cx, cy = screen[i, 0], screen[i, 1], screen[j, 0], screen[j, 1], screen[k, 0], screen[k, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if min(screen[i, 2], screen[j, 2], screen[k, 2]) <= 0 or abs(area) < 1e-6:
            continue
        x0, x1 = _centres(ax, bx, cx, w)
        y0, y1 = _centres(ay, by, cy, h)
        level = level_of(mesh, f, abs(area) * np.float32(0.5))
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
                u, v = uv_at(mesh, f, (a / near, b / near, c / near))
                opacity = sampled(mesh, mesh.part[f], u, v, level)[3]
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
