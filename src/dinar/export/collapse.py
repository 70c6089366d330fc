"""Edges of a textured mesh collapsed one by one, the cheapest first. Import it late: numba takes a second."""

from __future__ import annotations

import heapq

import numpy as np

from dinar.raster.compiled import compiled

SHORT = 1e-3        # what a metre of the edge itself costs: among equals the shortest goes first
TURN = 0.3          # cosine that a triangle's normal may turn by at most in one collapse
SPECK = 1e-7        # twice the square metres up to which a triangle may turn: hair that is buried lies crumpled


@compiled
def _form(q, y, size):
    """The quadratic form [N, N] at a point [N]."""
    total = 0.0
    for i in range(size):
        for j in range(size):
            total += q[i, j] * y[i] * y[j]
    return total


@compiled
def _shared(u, v, faces, uv_faces, alive, head, after, pairs):
    """How many triangles u and v share; their texture vertices (u's, v's) are written into `pairs`, two at most."""
    count = 0
    corner = head[u]
    while corner >= 0:
        f, k = corner // 3, corner % 3
        if alive[f]:
            for j in range(1, 3):
                if faces[f, (k + j) % 3] == v:
                    if count < 2:
                        pairs[count, 0] = uv_faces[f, k]
                        pairs[count, 1] = uv_faces[f, (k + j) % 3]
                    count += 1
        corner = after[corner]
    return count


@compiled
def _goes_to(wedge, pairs):
    """What a texture vertex of u becomes, -1 where that would tear the texture."""
    found = -1
    for i in range(2):
        if pairs[i, 0] == wedge:
            if found >= 0 and found != pairs[i, 1]:
                return -1
            found = pairs[i, 1]
    return found


@compiled
def _cost(u, v, poses, uv, faces, uv_faces, alive, head, after, shape, wear, pairs, point):
    """What it costs to let u become v, infinite where it tears the texture or is at a border."""
    if _shared(u, v, faces, uv_faces, alive, head, after, pairs) != 2:
        return np.inf
    total = 0.0
    point[3] = 1.0
    for p in range(len(poses)):
        for i in range(3):
            point[i] = poses[p, v, i]
        total += _form(shape[p, u], point, 4) + _form(shape[p, v], point, 4)
    total /= len(poses)
    length = 0.0
    for i in range(3):
        point[i] = poses[0, v, i]
        length += (poses[0, u, i] - poses[0, v, i]) ** 2
    point[5] = 1.0
    for i in range(2):
        old, new = pairs[i, 0], pairs[i, 1]
        if _goes_to(old, pairs) < 0:
            return np.inf
        if i == 0 or old != pairs[0, 0]:
            point[3], point[4] = uv[new, 0], uv[new, 1]
            total += _form(wear[old], point, 6) + _form(wear[new], point, 6)
    about = shape[0, u, 0, 0] + shape[0, u, 1, 1] + shape[0, u, 2, 2]          # a third of the area around u
    return total + SHORT * about * length


@compiled
def _turned(poses, a, b, c, v):
    """Whether the triangle a b c turns too far in any pose when a becomes v; specks may."""
    for p in range(len(poses)):
        bx, by, bz = poses[p, b, 0], poses[p, b, 1], poses[p, b, 2]
        ex, ey, ez = poses[p, c, 0] - bx, poses[p, c, 1] - by, poses[p, c, 2] - bz
        ax, ay, az = poses[p, a, 0] - bx, poses[p, a, 1] - by, poses[p, a, 2] - bz
        vx, vy, vz = poses[p, v, 0] - bx, poses[p, v, 1] - by, poses[p, v, 2] - bz
        x, y, z = ey * az - ez * ay, ez * ax - ex * az, ex * ay - ey * ax
        s, t, w = ey * vz - ez * vy, ez * vx - ex * vz, ex * vy - ey * vx
        before, since = x * x + y * y + z * z, s * s + t * t + w * w
        if since > SPECK**2 and x * s + y * t + z * w <= TURN * np.sqrt(before * since):
            return True
    return False


@compiled
def _area(uv, a, b, c):
    """Twice the signed area of a triangle in the texture."""
    return (uv[b, 0] - uv[a, 0]) * (uv[c, 1] - uv[a, 1]) - (uv[c, 0] - uv[a, 0]) * (uv[b, 1] - uv[a, 1])


@compiled
def _possible(u, v, poses, faces, uv, uv_faces, alive, head, after, pairs, mark, stamp):
    """Whether u can become v: the surface stays one sheet, no triangle turns over, the texture neither."""
    corner = head[u]
    while corner >= 0:
        f, k = corner // 3, corner % 3
        if alive[f]:
            if _goes_to(uv_faces[f, k], pairs) < 0:
                return False
            mark[faces[f, (k + 1) % 3]] = stamp
            mark[faces[f, (k + 2) % 3]] = stamp
        corner = after[corner]
    common = 0
    corner = head[v]
    while corner >= 0:
        f, k = corner // 3, corner % 3
        if alive[f]:
            for j in range(1, 3):
                if mark[faces[f, (k + j) % 3]] == stamp:
                    mark[faces[f, (k + j) % 3]] = 0
                    common += 1
        corner = after[corner]
    if common != 2:
        return False
    corner = head[u]
    while corner >= 0:
        f, k = corner // 3, corner % 3
        second, third = (k + 1) % 3, (k + 2) % 3
        if alive[f] and faces[f, second] != v and faces[f, third] != v:
            if _turned(poses, u, faces[f, second], faces[f, third], v):
                return False
            old, new = uv_faces[f, k], _goes_to(uv_faces[f, k], pairs)
            after_it = _area(uv, new, uv_faces[f, second], uv_faces[f, third])
            if after_it * _area(uv, old, uv_faces[f, second], uv_faces[f, third]) <= 0:
                return False
        corner = after[corner]
    return True


@compiled
def collapsed(poses, faces, uv, uv_faces, shape, wear, target):
    """The triangles [F', 3] and texture triangles [F', 3] that are left, at most `target` where that is possible.

    poses  [P, V, 3]     the vertices in several poses, the first at rest
    faces  [F, 3]        rows of them
    uv     [T, 2], uv_faces [F, 3]
    shape  [P, V, 4, 4]  what it costs to move a vertex in a pose: a quadratic form of (x, y, z, 1)
    wear   [T, 6, 6]     the same of a texture vertex at rest: of (x, y, z, u, v, 1)
    """
    faces, uv_faces, shape, wear = faces.copy(), uv_faces.copy(), shape.copy(), wear.copy()
    vertices = poses.shape[1]
    alive = np.ones(len(faces), np.bool_)
    head, tail, after = np.full(vertices, -1), np.full(vertices, -1), np.full(3 * len(faces), -1)
    for corner in range(3 * len(faces)):                                       # a list of its corners for each vertex
        v = faces[corner // 3, corner % 3]
        if head[v] < 0:
            head[v] = corner
        else:
            after[tail[v]] = corner
        tail[v] = corner
    pairs, point = np.empty((2, 2), np.int64), np.empty(6)
    age, mark = np.zeros(vertices, np.int64), np.zeros(vertices, np.int64)
    queue = [(0.0, 0, 0, 0, 0)]                                                # cost, u, v, and how old they were
    queue.pop()
    for f in range(len(faces)):
        for k in range(3):
            u, v = faces[f, k], faces[f, (k + 1) % 3]
            cost = _cost(u, v, poses, uv, faces, uv_faces, alive, head, after, shape, wear, pairs, point)
            if cost < np.inf:
                queue.append((cost, u, v, 0, 0))
    heapq.heapify(queue)
    left, stamp = len(faces), 0
    while left > target and len(queue):
        _, u, v, age_u, age_v = heapq.heappop(queue)
        if age[u] != age_u or age[v] != age_v or _shared(u, v, faces, uv_faces, alive, head, after, pairs) != 2:
            continue
        stamp += 1
        if not _possible(u, v, poses, faces, uv, uv_faces, alive, head, after, pairs, mark, stamp):
            continue
        for p in range(len(poses)):
            for i in range(4):
                for j in range(4):
                    shape[p, v, i, j] += shape[p, u, i, j]
        for n in range(2):
            if n == 0 or pairs[n, 0] != pairs[0, 0]:
                for i in range(6):
                    for j in range(6):
                        wear[pairs[n, 1], i, j] += wear[pairs[n, 0], i, j]
        corner = head[u]
        while corner >= 0:
            f, k = corner // 3, corner % 3
            if alive[f]:
                if faces[f, (k + 1) % 3] == v or faces[f, (k + 2) % 3] == v:
                    alive[f] = False
                    left -= 1
                else:
                    uv_faces[f, k] = _goes_to(uv_faces[f, k], pairs)
                    faces[f, k] = v
            corner = after[corner]
        after[tail[v]], tail[v], head[u] = head[u], tail[u], -1
        age[u] = -1
        age[v] += 1
        corner = head[v]
        while corner >= 0:
            f, k = corner // 3, corner % 3
            if alive[f]:
                w = faces[f, (k + 1) % 3]
                for one, other in ((v, w), (w, v)):
                    cost = _cost(
                        one, other, poses, uv, faces, uv_faces, alive, head, after, shape, wear, pairs, point
                    )
                    if cost < np.inf:
                        heapq.heappush(queue, (cost, one, other, age[one], age[other]))
            corner = after[corner]
    return faces[alive], uv_faces[alive]
