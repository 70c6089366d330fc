"""Cuts through triangles where a value is 0, and strips sewn on along the cuts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_matrix, identity, vstack

_ON_LINE = 0.004  # of a value: points that make a rim are as near, for cuts keep from corners
_LEAST = 0.03  # of an edge: cuts keep this far from its ends


@dataclass(frozen=True, eq=False)
class Cloth:
    """Part of a surface.

    mix              [N, M]         shares of the surface's vertices
    uv_mix           [T, U]         shares of its pattern's points
    faces, uv_faces  int64 [F, 3]
    source           int64 [F]      the surface's face that a face is of
    """

    mix: csr_matrix
    uv_mix: csr_matrix
    faces: np.ndarray
    uv_faces: np.ndarray
    source: np.ndarray


def uncut(faces: np.ndarray, uv_faces: np.ndarray) -> Cloth:
    """All of a surface."""
    count, texels = int(faces.max()) + 1, int(uv_faces.max()) + 1
    one = identity(count, np.float32, "csr"), identity(texels, np.float32, "csr")
    return Cloth(*one, faces, uv_faces, np.arange(len(faces)))


def cut(cloth: Cloth, value: np.ndarray) -> Cloth:
    """What of a cloth has `value` [M], of the surface's vertices, above 0; triangles are split along the line."""
    here = cloth.mix @ value
    here = np.where(here == 0, 1e-9, here)
    above = here[cloth.faces] > 0
    count = above.sum(1)
    whole = count == 3
    made, made_uv, source = [cloth.faces[whole]], [cloth.uv_faces[whole]], [cloth.source[whole]]
    pairs, uv_pairs, shares = [], [], []
    added = 0
    for number in (1, 2):
        rows = np.flatnonzero(count == number)
        odd = (above[rows] == (number == 1)).argmax(1)  # the corner that is alone on its side
        order = (odd[:, None] + [0, 1, 2]) % 3
        v, t = (np.take_along_axis(x[rows], order, 1) for x in (cloth.faces, cloth.uv_faces))
        new = []
        for other in (1, 2):
            a, b = here[v[:, 0]], here[v[:, other]]
            pairs.append(np.stack([v[:, 0], v[:, other]], 1))
            uv_pairs.append(np.stack([t[:, 0], t[:, other]], 1))
            shares.append(np.clip(a / (a - b), _LEAST, 1 - _LEAST))
            new.append(added + np.arange(len(rows)))
            added += len(rows)
        first, second = (-1 - n for n in new)  # numbered below, when all are known
        if number == 1:
            made.append(np.stack([v[:, 0], first, second], 1))
            made_uv.append(np.stack([t[:, 0], first, second], 1))
            source.append(cloth.source[rows])
        else:
            made += [np.stack([first, v[:, 1], v[:, 2]], 1), np.stack([first, v[:, 2], second], 1)]
            made_uv += [np.stack([first, t[:, 1], t[:, 2]], 1), np.stack([first, t[:, 2], second], 1)]
            source += [cloth.source[rows]] * 2
    share = np.concatenate(shares)
    mix, number = _with_points(cloth.mix, np.concatenate(pairs), share)
    uv_mix, uv_number = _with_points(cloth.uv_mix, np.concatenate(uv_pairs), share)
    faces, uv_faces = np.concatenate(made), np.concatenate(made_uv)
    faces = np.where(faces < 0, number[np.maximum(-1 - faces, 0)] if added else faces, faces)
    uv_faces = np.where(uv_faces < 0, uv_number[np.maximum(-1 - uv_faces, 0)] if added else uv_faces, uv_faces)
    return Cloth(mix, uv_mix, faces, uv_faces, np.concatenate(source))


def _with_points(mix: csr_matrix, pairs: np.ndarray, share: np.ndarray) -> tuple[csr_matrix, np.ndarray]:
    """Rows with those of points between pairs [K, 2] added, `share` [K] of the way; and each point's number [K]."""
    turned = pairs[:, 0] > pairs[:, 1]
    pairs = np.where(turned[:, None], pairs[:, ::-1], pairs)
    share = np.where(turned, 1 - share, share)
    key = pairs[:, 0] * mix.shape[0] + pairs[:, 1]
    _, first, number = np.unique(key, return_index=True, return_inverse=True)
    one, two, s = pairs[first, 0], pairs[first, 1], share[first]
    rows = np.arange(len(first))
    new = csr_matrix(
        (np.concatenate([1 - s, s]).astype(np.float32), (np.tile(rows, 2), np.concatenate([one, two]))),
        (len(first), mix.shape[0]),
    )
    return vstack([mix, new @ mix], "csr"), mix.shape[0] + number.reshape(-1)


def tidy(cloth: Cloth) -> Cloth:
    """A cloth without the points that no face uses."""
    used, faces = np.unique(cloth.faces, return_inverse=True)
    uv_used, uv_faces = np.unique(cloth.uv_faces, return_inverse=True)
    return replace(
        cloth,
        mix=cloth.mix[used],
        uv_mix=cloth.uv_mix[uv_used],
        faces=faces.reshape(-1, 3),
        uv_faces=uv_faces.reshape(-1, 3),
    )


@dataclass(frozen=True)
class Rim:
    """An edge of a cloth along one cut.

    edges     int64 [E, 2]  vertices, in the order in which their triangles have them
    uv_edges  int64 [E, 2]
    third     int64 [E]     the triangles' other vertices
    """

    edges: np.ndarray
    uv_edges: np.ndarray
    third: np.ndarray


def rim(cloth: Cloth, value: np.ndarray) -> Rim:
    """The open edges along which `value` [M], of the surface's vertices, is 0."""
    here = np.abs(cloth.mix @ value)
    order = [[0, 1, 2], [1, 2, 0], [2, 0, 1]]
    edges = np.concatenate([cloth.faces[:, o] for o in order])
    uv_edges = np.concatenate([cloth.uv_faces[:, o[:2]] for o in order])
    ends = np.sort(edges[:, :2], axis=1)
    _, number, many = np.unique(ends @ [int(cloth.faces.max()) + 1, 1], return_inverse=True, return_counts=True)
    chosen = (many[number.reshape(-1)] == 1) & (here[edges[:, :2]] < _ON_LINE).all(1)
    return Rim(edges[chosen, :2], uv_edges[chosen], edges[chosen, 2])


@dataclass(frozen=True)
class Strip:
    """Cloth sewn on along a rim.

    vertices  float32 [K, 3], parent int64 [K]: the cloth's vertex that each follows
    uv        float32 [L, 2]
    faces, uv_faces  int64 [F, 3]: those of the cloth first, the strip's own behind them
    """

    vertices: np.ndarray
    parent: np.ndarray
    uv: np.ndarray
    faces: np.ndarray
    uv_faces: np.ndarray


def strip(
    edge: Rim,
    vertices: np.ndarray,  # float32 [N, 3] of the cloth
    normals: np.ndarray,  # float32 [N, 3]
    uv: np.ndarray,  # float32 [T, 2] of the cloth
    profile: np.ndarray,  # float32 [R, 2]: metres onwards along the cloth, and outwards, of each row
    scale: np.ndarray | float = 1.0,  # of the profile, at each of the cloth's vertices
    turn: int | None = None,  # the row at which the cloth folds back, so that its inside is seen
    per_metre: float = 1.0,  # uv a metre
) -> Strip:
    """Rows of cloth that go on from a rim."""
    used, local = np.unique(edge.edges, return_inverse=True)
    local = local.reshape(-1, 2)
    middle = vertices[edge.edges].mean(1)
    along = vertices[edge.edges[:, 1]] - vertices[edge.edges[:, 0]]
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    away = middle - vertices[edge.third]
    away -= along * (away * along).sum(1, keepdims=True)
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)
    onward = np.zeros((len(used), 3), np.float32)
    for k in (0, 1):
        np.add.at(onward, local[:, k], away)
    for _ in range(6):  # evened out along the rim
        even = onward.copy()
        np.add.at(even, local[:, 0], onward[local[:, 1]])
        np.add.at(even, local[:, 1], onward[local[:, 0]])
        onward = even / np.maximum(np.linalg.norm(even, axis=1, keepdims=True), 1e-9)
    size = np.broadcast_to(np.float32(scale), len(vertices))[used][:, None]
    rows, coordinates, faces, uv_faces = [], [], [], []
    uv_used, uv_local = np.unique(edge.uv_edges, return_inverse=True)
    uv_local = uv_local.reshape(-1, 2)
    last, uv_last = used, uv_used
    reach = 0.0
    previous = np.zeros(2)
    steps = [(np.float32(step), r) for r, step in enumerate(profile)]
    if turn is not None:  # the crest twice: each side has its own normals
        steps.insert(turn + 1, (np.float32(profile[turn]), -1))
    folded = False
    for r, (step, row) in enumerate(steps):
        rows.append(vertices[used] + size * (step[0] * onward + step[1] * normals[used]))
        reach += float(np.linalg.norm(step - previous))
        previous = step
        coordinates.append(uv[uv_used] - np.float32([0, reach * per_metre]))
        now = len(vertices) + r * len(used) + np.arange(len(used))
        uv_now = len(uv) + r * len(uv_used) + np.arange(len(uv_used))
        for corners, table, old, new in ((local, faces, last, now), (uv_local, uv_faces, uv_last, uv_now)):
            if row < 0:
                continue
            i, j = corners.T[::-1] if folded else corners.T
            table.append(np.stack([old[j], old[i], new[i]], 1))
            table.append(np.stack([old[j], new[i], new[j]], 1))
        last, uv_last = now, uv_now
        folded |= row < 0
    count = len(steps)
    return Strip(
        np.concatenate(rows).astype(np.float32),
        np.tile(used, count),
        np.concatenate(coordinates).astype(np.float32),
        np.concatenate(faces),
        np.concatenate(uv_faces),
    )
