"""Which of the lights far away the points of a surface see, compiled by numba."""

from __future__ import annotations

import numpy as np

from dinar.synth.kernels.vectors import column_of, compiled, dot, row


@compiled
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
        i, j, k = row(dots, m, 0)
        for c in range(3):
            work[c, m] = (vertices[i, c] + vertices[j, c] + vertices[k, c]) * third
    for d in range(len(frames)):
        for j in range(size):
            for i in range(size):
                near[d, j, i] = np.inf
                far[d, j, i] = -np.inf
        right, down, away = row(frames[d], 0, 0), row(frames[d], 1, 0), row(frames[d], 2, 0)
        for m in range(len(dots)):
            point = column_of(work, m)
            u = int(dot(right, point) * scale + middle)
            v = int(dot(down, point) * scale + middle)
            z = dot(away, point)
            if 0 <= u < size and 0 <= v < size:
                near[d, v, u] = min(near[d, v, u], z)
                far[d, v, u] = max(far[d, v, u], z)


@compiled
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
        right, down, away = row(frames[d], 0, 0), row(frames[d], 1, 0), row(frames[d], 2, 0)
        for n in range(len(points)):
            point = row(points, n, 0)
            i = int(min(max(dot(right, point) * scale + middle, zero), last))
            j = int(min(max(dot(down, point) * scale + middle, zero), last))
            z = dot(away, point)
            before = zero if near[d, j, i] < z - bias else one
            behind = zero if far[d, j, i] > z + bias else one
            cosine = dot(away, row(normals, n, 0))
            seen[d, n], seen[count + d, n] = before, behind
            facing[d, n], facing[count + d, n] = max(-cosine, zero) * before, max(cosine, zero) * behind
