"""The inner loops of cloth that swings. Import it late: numba takes a second."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from dinar.raster.compiled import compiled

_fast = partial(compiled, error_model="numpy")

STEP = 1 / 180         # seconds of a substep, about
ROUNDS = 2             # times that every spring is asked in a substep
NEAR = 10              # balls that a particle may hit within a frame
DRAG = 3.0             # 1 / second: how soon a particle moves as the body does there
SMOOTH = 0.008         # of what neighbours lie otherwise to each other than the body has them, taken back in a round
PUSH = 0.25            # of its depth in a ball that a particle comes out in a substep: between two it finds its place
KEPT = 0.7             # of a push that gives no speed
CELL = 0.04            # metres that skin is looked for in
SPREAD = 0.015         # metres of skin that are evened out to one plane
CLEAR = 0.02           # metres outside of the nearest skin from which on a vertex is well off it
PUSHES = 3             # out of the skin at most


@_fast
def _substep(points, speed, goal, before, lean, balls, reach, hits, held, pull, far, springs, lengths, h):
    """Moves particles on by h seconds, in place.

    points, speed [P, 3]; goal, before [P, 3] where the body has them now and had them; lean [P, 3] accelerations;
    balls [B, 3]; reach [P, B] metres that they keep off; hits [P, K] the balls that count, -1 for none; held [P] bool;
    pull [P] 1 / second**2 towards the goal; far [P] metres off it at most; springs [S, 2], lengths [S] metres.
    """
    count = len(points)
    start = np.empty((count, 3))
    keep = math.exp(-DRAG * h)
    for p in range(count):
        if held[p]:
            for a in range(3):
                points[p, a] = goal[p, a]
                start[p, a] = goal[p, a]
            continue
        for a in range(3):
            own = (goal[p, a] - before[p, a]) / h
            v = own + (speed[p, a] - own) * keep
            v += h * (lean[p, a] + pull[p] * (goal[p, a] - points[p, a]))
            start[p, a] = points[p, a]
            points[p, a] += h * v
    for _ in range(ROUNDS):
        for s in range(len(springs)):
            i, j = springs[s, 0], springs[s, 1]
            free = (0.0 if held[i] else 1.0) + (0.0 if held[j] else 1.0)
            if free == 0.0:
                continue
            dx = points[j, 0] - points[i, 0]
            dy = points[j, 1] - points[i, 1]
            dz = points[j, 2] - points[i, 2]
            length = math.sqrt(dx * dx + dy * dy + dz * dz)
            share = max(length - lengths[s], 0.0) / max(length, 1e-9)       # cloth folds, and does not stretch
            kx = (share * dx + SMOOTH * (dx - goal[j, 0] + goal[i, 0])) / free
            ky = (share * dy + SMOOTH * (dy - goal[j, 1] + goal[i, 1])) / free
            kz = (share * dz + SMOOTH * (dz - goal[j, 2] + goal[i, 2])) / free
            if not held[i]:
                points[i, 0] += kx
                points[i, 1] += ky
                points[i, 2] += kz
            if not held[j]:
                points[j, 0] -= kx
                points[j, 1] -= ky
                points[j, 2] -= kz
    for p in range(count):
        if held[p]:
            continue
        for k in range(hits.shape[1]):
            b = hits[p, k]
            if b < 0:
                break
            dx = points[p, 0] - balls[b, 0]
            dy = points[p, 1] - balls[b, 1]
            dz = points[p, 2] - balls[b, 2]
            square = dx * dx + dy * dy + dz * dz
            if square < reach[p, b] * reach[p, b] and square > 1e-12:
                share = PUSH * (reach[p, b] / math.sqrt(square) - 1.0)
                points[p, 0] += share * dx
                points[p, 1] += share * dy
                points[p, 2] += share * dz
                start[p, 0] += KEPT * share * dx
                start[p, 1] += KEPT * share * dy
                start[p, 2] += KEPT * share * dz
        off = 0.0
        for a in range(3):
            off += (points[p, a] - goal[p, a]) ** 2
        if off > far[p] * far[p]:
            share = far[p] / math.sqrt(off)
            for a in range(3):
                points[p, a] = goal[p, a] + share * (points[p, a] - goal[p, a])
    for p in range(count):
        for a in range(3):
            speed[p, a] = (points[p, a] - start[p, a]) / h


@_fast
def _nearest(points, balls, reach, held, hits):
    """The balls that particles are nearest to or deepest in, sorted, into hits [P, K]."""
    depth = np.empty(hits.shape[1])
    for p in range(len(points)):
        hits[p] = -1
        depth[:] = 0.1                              # metres off a ball that are too far to matter within a frame
        if held[p]:
            continue
        for b in range(len(balls)):
            if reach[p, b] <= 0.0:
                continue
            dx = points[p, 0] - balls[b, 0]
            dy = points[p, 1] - balls[b, 1]
            dz = points[p, 2] - balls[b, 2]
            off = math.sqrt(dx * dx + dy * dy + dz * dz) - reach[p, b]
            k = hits.shape[1] - 1
            if off >= depth[k]:
                continue
            while k > 0 and off < depth[k - 1]:
                depth[k] = depth[k - 1]
                hits[p, k] = hits[p, k - 1]
                k -= 1
            depth[k] = off
            hits[p, k] = b


@_fast
def swing(points, speed, settle, goals, leans, balls, reach, held, pulls, far, springs, lengths, seconds):
    """Where particles are in every frame [T, P, 3].

    points, speed  [P, 3]  in the first frame; in the last one afterwards
    settle         substeps that they hang in the first frame before it counts; then they move on as the body does
    seconds        from frame to frame

    Other arguments are those of `_substep`: goals, leans, balls and pulls of each frame.
    """
    frames, count = goals.shape[0], goals.shape[1]
    steps = max(1, math.floor(seconds / STEP + 0.5))
    h = seconds / steps
    found = np.empty((frames, count, 3))
    hits = np.empty((count, NEAR), np.int64)
    for k in range(settle):
        if k % 8 == 0:
            _nearest(points, balls[0], reach, held, hits)
        _substep(points, speed, goals[0], goals[0], leans[0], balls[0], reach, hits, held, pulls[0], far, springs,
                 lengths, STEP)  # fmt: skip
    if settle and frames > 1:
        speed[:] = (goals[1] - goals[0]) / seconds
    found[0] = points
    for t in range(1, frames):
        before = goals[t - 1]
        _nearest(points, (balls[t - 1] + balls[t]) / 2, reach, held, hits)
        for s in range(1, steps + 1):
            share = s / steps
            goal = goals[t - 1] + share * (goals[t] - goals[t - 1])
            lean = leans[t - 1] + share * (leans[t] - leans[t - 1])
            ball = balls[t - 1] + share * (balls[t] - balls[t - 1])
            pull = pulls[t - 1] + share * (pulls[t] - pulls[t - 1])
            _substep(points, speed, goal, before, lean, ball, reach, hits, held, pull, far, springs, lengths, h)
            before = goal
        found[t] = points
    return found


@_fast
def lay(cloth, rest, free, moves, index, weight, margin, skin, faces, off):
    """Moves a layer's vertices [N, 3] to where their particles are, then out of the skin [M, 3], in place.

    rest           [N, 3]  vertices at rest
    free           [N]     0: they stay where they are, 1: they follow the particles
    moves          [P, 3, 4]  rest -> posed, of a particle and what is about it
    index, weight  [N, K]  particles that a vertex follows, and how much
    margin         [N]     metres that it keeps off the skin; below 0: it may be anywhere
    faces          [F, 3]  of the skin's vertices
    off            metres from the skin beyond which nothing is asked
    """
    count, size = len(cloth), len(skin)
    normal = np.zeros((size, 3))
    for f in range(len(faces)):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        ux, uy, uz = skin[j, 0] - skin[i, 0], skin[j, 1] - skin[i, 1], skin[j, 2] - skin[i, 2]
        vx, vy, vz = skin[k, 0] - skin[i, 0], skin[k, 1] - skin[i, 1], skin[k, 2] - skin[i, 2]
        x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for c in (i, j, k):
            normal[c, 0] += x
            normal[c, 1] += y
            normal[c, 2] += z
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for m in range(size):
        length = math.sqrt(normal[m, 0] ** 2 + normal[m, 1] ** 2 + normal[m, 2] ** 2)
        if length > 0.0:
            normal[m] /= length
        for a in range(3):
            low[a] = min(low[a], skin[m, a])
            high[a] = max(high[a], skin[m, a])
    wide = np.empty(3, np.int64)
    for a in range(3):
        wide[a] = int((high[a] - low[a]) / CELL) + 1
    first = np.zeros(wide[0] * wide[1] * wide[2] + 1, np.int64)
    cell = np.empty(size, np.int64)
    for m in range(size):
        number = 0
        for a in range(3):
            number = number * wide[a] + int((skin[m, a] - low[a]) / CELL)
        cell[m] = number
        first[number + 1] += 1
    for number in range(1, len(first)):
        first[number] += first[number - 1]
    filled = first.copy()
    near, out = np.empty((size, 3)), np.empty((size, 3))         # skin and normals cell by cell
    for m in range(size):
        q = filled[cell[m]]
        filled[cell[m]] += 1
        for a in range(3):
            near[q, a], out[q, a] = skin[m, a], normal[m, a]

    for n in range(count):
        x, y, z = (1 - free[n]) * cloth[n, 0], (1 - free[n]) * cloth[n, 1], (1 - free[n]) * cloth[n, 2]
        a, b, c = rest[n, 0], rest[n, 1], rest[n, 2]
        for k in range(index.shape[1]):
            move, w = moves[index[n, k]], free[n] * weight[n, k]
            x += w * (move[0, 0] * a + move[0, 1] * b + move[0, 2] * c + move[0, 3])
            y += w * (move[1, 0] * a + move[1, 1] * b + move[1, 2] * c + move[1, 3])
            z += w * (move[2, 0] * a + move[2, 1] * b + move[2, 2] * c + move[2, 3])
        for _ in range(PUSHES if margin[n] >= 0.0 else 0):
            cx = math.floor((x - low[0]) / CELL)
            cy = math.floor((y - low[1]) / CELL)
            cz = math.floor((z - low[2]) / CELL)
            least, found = off * off, 0
            total, nx, ny, nz, level = 0.0, 0.0, 0.0, 0.0, 0.0
            for again in range(2):                       # how near it is, then the plane of what is about as near
                for i in range(max(cx - 1, 0), min(cx + 2, wide[0])):
                    for j in range(max(cy - 1, 0), min(cy + 2, wide[1])):
                        row = (i * wide[1] + j) * wide[2]
                        front, back = max(cz - 1, 0), min(cz + 2, wide[2])
                        if front >= back:
                            continue
                        for q in range(first[row + front], first[row + back]):
                            dx, dy, dz = x - near[q, 0], y - near[q, 1], z - near[q, 2]
                            square = dx * dx + dy * dy + dz * dz
                            if again == 0:
                                if square < least:
                                    least, found = square, q
                            elif square < least + 9 * SPREAD * SPREAD:
                                w = math.exp((least - square) / (SPREAD * SPREAD))
                                total += w
                                nx += w * out[q, 0]
                                ny += w * out[q, 1]
                                nz += w * out[q, 2]
                                level += w * (dx * out[q, 0] + dy * out[q, 1] + dz * out[q, 2])
                if least >= off * off:
                    break
                dx, dy, dz = x - near[found, 0], y - near[found, 1], z - near[found, 2]
                if dx * out[found, 0] + dy * out[found, 1] + dz * out[found, 2] > CLEAR:
                    break
            if total == 0.0:
                break
            depth = level / total - margin[n]
            length = math.sqrt(nx * nx + ny * ny + nz * nz)
            if depth >= 0.0 or length < 1e-9:
                break
            x -= depth * nx / length
            y -= depth * ny / length
            z -= depth * nz / length
        cloth[n, 0], cloth[n, 1], cloth[n, 2] = x, y, z
