"""Triangle meshes cut open and flattened: Tutte's embedding, then SLIM (Rabinovich et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu


@dataclass(frozen=True)
class Island:
    """One flattened piece: triangles [N], its corner table [N, 3], uv [M, 2] in metres times density, y up."""

    name: str
    triangles: np.ndarray
    corners: np.ndarray
    uv: np.ndarray
    turns: tuple[int, ...]  # quarter turns that packing may try


def keys(edges: np.ndarray, count: int) -> np.ndarray:
    """One integer an edge, whatever its direction."""
    return np.sort(edges, -1) @ np.array([count, 1], dtype=np.int64)


def charts_of(faces: np.ndarray) -> np.ndarray:
    """Connected component of each triangle, [F]."""
    count = faces.max() + 1
    edges = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    _, label = connected_components(sp.coo_matrix((np.ones(len(edges)), edges.T), shape=(count, count)), directed=False)
    return np.unique(label[faces[:, 0]], return_inverse=True)[1]


def seams_of(faces: np.ndarray, uv_faces: np.ndarray) -> np.ndarray:
    """Edges [N, 2] of the mesh whose two triangles use different UV corners."""
    count = faces.max() + 1
    pairs = [[0, 1], [1, 2], [2, 0]]
    edges, uv_edges = faces[:, pairs].reshape(-1, 2), np.sort(uv_faces[:, pairs].reshape(-1, 2), -1)
    order = np.argsort(keys(edges, count), kind="stable")
    k = keys(edges, count)[order]
    same = k[:-1] == k[1:]
    differ = (uv_edges[order[:-1]] != uv_edges[order[1:]]).any(1)
    return np.sort(edges[order[:-1][same & differ]], -1)


def cut(faces: np.ndarray, seams: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corner table [F, 3] after cutting along seams, and the vertex [T] each of its entries came from."""
    count = faces.max() + 1
    corner = np.arange(faces.size).reshape(faces.shape)
    pairs = [[0, 1], [1, 2], [2, 0]]
    edges, corners = faces[:, pairs].reshape(-1, 2), corner[:, pairs].reshape(-1, 2)
    flip = edges[:, 0] > edges[:, 1]
    edges[flip], corners[flip] = edges[flip][:, ::-1], corners[flip][:, ::-1]
    k = keys(edges, count)
    keep = ~np.isin(k, keys(seams, count))
    k, corners = k[keep], corners[keep]
    order = np.argsort(k, kind="stable")
    k, corners = k[order], corners[order]
    same = np.flatnonzero(k[:-1] == k[1:])
    links = np.concatenate([np.stack([corners[same, i], corners[same + 1, i]], 1) for i in (0, 1)])
    graph = sp.coo_matrix((np.ones(len(links)), links.T), shape=(faces.size, faces.size))
    _, label = connected_components(graph, directed=False)
    source = np.zeros(label.max() + 1, dtype=np.int64)
    source[label] = faces.ravel()
    return label.reshape(faces.shape), source


def boundary_loops(faces: np.ndarray) -> list[np.ndarray]:
    """The boundary loops of a mesh, each in order."""
    edges = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    _, inverse, number = np.unique(keys(edges, faces.max() + 1), return_inverse=True, return_counts=True)
    rim = edges[number[inverse] == 1]
    follow = dict(rim.tolist())
    if len(follow) != len(rim):
        raise ValueError("a cut touches itself")
    loops = []
    while follow:
        loop = [next(iter(follow))]
        while (after := follow.pop(loop[-1])) != loop[0]:
            loop.append(after)
        loops.append(np.array(loop))
    return loops


def fill_holes(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Closes every boundary loop but the longest with a fan: vertices, faces with the fans last, the longest loop."""
    length = lambda loop: np.linalg.norm(np.diff(vertices[loop], axis=0), axis=1).sum()  # noqa: E731
    loops = sorted(boundary_loops(faces), key=length, reverse=True)
    for loop in loops[1:]:
        hub = np.full(len(loop), len(vertices))
        faces = np.concatenate([faces, np.stack([np.roll(loop, -1), loop, hub], 1)])
        vertices = np.concatenate([vertices, vertices[loop].mean(0, keepdims=True)])
    edges = len(np.unique(keys(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), len(vertices))))
    if len(vertices) - edges + len(faces) != 1:
        raise ValueError("not a disk")
    return vertices, faces, loops[0]


def tutte(vertices: np.ndarray, faces: np.ndarray, loop: np.ndarray) -> np.ndarray:
    """An embedding with no flipped triangle: the rim on a circle, each other vertex the mean of its neighbours."""
    n = len(vertices)
    step = np.linalg.norm(vertices[np.roll(loop, -1)] - vertices[loop], axis=1)
    angle = 2 * np.pi * (np.cumsum(step) - step) / step.sum()
    uv = np.zeros((n, 2))
    uv[loop] = np.stack([np.cos(angle), np.sin(angle)], 1)
    edges = faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
    adjacency = sp.coo_matrix((np.ones(len(edges)), edges.T), shape=(n, n)).tocsr()
    adjacency = ((adjacency + adjacency.T) > 0).astype(float)
    laplacian = sp.diags(np.asarray(adjacency.sum(1)).ravel()) - adjacency
    free = np.setdiff1d(np.arange(n), loop)
    if len(free):
        uv[free] = splu(laplacian[free][:, free].tocsc()).solve(-laplacian[free][:, loop] @ uv[loop])
    return uv


def rest_frames(vertices: np.ndarray, faces: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Each triangle, scaled by [F, 1 or 3], laid flat: [F, 2, 2], columns are the edges from its first corner."""
    a = (vertices[faces[:, 1]] - vertices[faces[:, 0]]) * scale
    b = (vertices[faces[:, 2]] - vertices[faces[:, 0]]) * scale
    x = a / np.linalg.norm(a, axis=1, keepdims=True)
    n = np.cross(a, b)
    y = np.cross(n / np.linalg.norm(n, axis=1, keepdims=True), x)
    project = lambda e: np.stack([(e * x).sum(1), (e * y).sum(1)], 1)  # noqa: E731
    return np.stack([project(a), project(b)], 2)


def fan_frames(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Rest shapes of triangles that only keep a hole open: their rim edge, 2 mm high."""
    width = np.linalg.norm(vertices[faces[:, 1]] - vertices[faces[:, 0]], axis=1)
    out = np.zeros((len(faces), 2, 2))
    out[:, 0, 0], out[:, 0, 1], out[:, 1, 1] = width, width / 2, 0.002
    return out


def edge_matrices(uv: np.ndarray, faces: np.ndarray) -> np.ndarray:
    return np.stack([uv[faces[:, 1]] - uv[faces[:, 0]], uv[faces[:, 2]] - uv[faces[:, 0]]], 2)


def largest_step(uv: np.ndarray, move: np.ndarray, faces: np.ndarray) -> float:
    """How far uv can go along move before the first triangle has no area."""
    p, d = edge_matrices(uv, faces), edge_matrices(move, faces)
    det = lambda m, n: m[:, 0, 0] * n[:, 1, 1] - m[:, 1, 0] * n[:, 0, 1]  # noqa: E731
    a, b, c = det(d, d), det(p, d) + det(d, p), det(p, p)
    root = np.sqrt(np.maximum(b * b - 4 * a * c, 0))
    q = -0.5 * (b + np.where(b >= 0, 1, -1) * root)
    with np.errstate(divide="ignore", invalid="ignore"):
        roots = np.stack([q / a, c / q])
    roots[(b * b - 4 * a * c < 0)[None].repeat(2, 0) | ~np.isfinite(roots) | (roots <= 0)] = np.inf
    return float(roots.min())


def slim(uv: np.ndarray, faces: np.ndarray, rest: np.ndarray, steps: int, proximal: float = 1e-6) -> np.ndarray:
    """Lowers the symmetric Dirichlet energy of the map rest -> uv; no triangle flips."""
    n = len(uv)
    inverse = np.linalg.inv(rest)
    area = 0.5 * np.abs(np.linalg.det(rest))
    area = area / area.sum()
    # J[:, i, j] = sum over corners of uv[corner, i] * G[:, corner, j]
    gradient = np.stack([-inverse.sum(1), inverse[:, 0], inverse[:, 1]], 1)  # [F, 3, 2]
    rows = np.repeat(np.arange(len(faces)), 3)
    derivative = [
        sp.coo_matrix((gradient[:, :, j].ravel(), (rows, faces.ravel())), shape=(len(faces), n)).tocsr() for j in (0, 1)
    ]

    def energy(q: np.ndarray) -> float:
        j = edge_matrices(q, faces) @ inverse
        det = np.linalg.det(j)
        if (det <= 0).any():
            return np.inf
        return float((area * (j**2).sum((1, 2)) * (1 + 1 / det**2)).sum())

    scale = np.sqrt(1 / np.median(np.linalg.det(edge_matrices(uv, faces) @ inverse)))
    uv = uv * scale
    now = energy(uv)
    for _ in range(steps):
        j = edge_matrices(uv, faces) @ inverse
        u, s, vt = np.linalg.svd(j)
        s = np.maximum(s, 1e-9)
        near_one = np.abs(s - 1) < 1e-6
        weight = np.sqrt(np.where(near_one, 4.0, (s - s**-3) / np.where(near_one, 1.0, s - 1)))
        w = (u * weight[:, None]) @ u.transpose(0, 2, 1)
        r = u @ vt
        # || W (J - R) ||^2, all four entries; unknowns are x then y
        blocks, target = [], []
        root = np.sqrt(area)[:, None, None]
        w = w * root
        wr = w @ r
        for i in (0, 1):
            for k in (0, 1):
                blocks.append([sp.diags(w[:, i, 0]) @ derivative[k], sp.diags(w[:, i, 1]) @ derivative[k]])
                target.append(wr[:, i, k])
        a = sp.bmat(blocks).tocsr()
        flat = uv.T.ravel()
        normal = (a.T @ a + proximal * sp.identity(2 * n)).tocsc()
        solved = splu(normal, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve(
            a.T @ np.concatenate(target) + proximal * flat
        )
        move = solved.reshape(2, n).T - uv
        step = min(1.0, 0.9 * largest_step(uv, move, faces))
        while step > 1e-8 and energy(uv + step * move) >= now:
            step *= 0.6
        if step <= 1e-8:
            break
        uv = uv + step * move
        after = energy(uv)
        done = (now - after) < 1e-5 * now
        now = after
        if done:
            break
    return uv
