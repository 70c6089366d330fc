"""Builds `src/dinar/body/data/shoes.npz`: how the body's feet move to become a pair of shoes.

    .venv/bin/python tools/build_shoes.py --assets ../shared/assets

The shoes are a pair of MakeHuman's (CC0), on the mean body. The feet's surface is drawn over the shoe's outer one in
the directions that the foot has without its toes, and evened out there; what lies between toes ends below it. Towards
the ankle the movement fades.

    index   int64   [N]     vertices of the body
    offset  float32 [N, 3]  metres

It has to be built again after `tools/build_body.py`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from dinar.body.model import DATA, BodyModel
from dinar.body.normals import vertex_normals
from dinar.body.operators import surface_operators
from dinar.synth.wardrobe import Wardrobe
from dinar.texture.filling import edges_of

SHOES = "shoes05"
ROUND = 0.03           # metres: toes and what else a shoe bridges
REACH = 0.06           # metres to the shoe's surface at most
TURNS = 12             # of evening the sheet out and putting it on the shoe again
FACING = 0.3           # cosine to the shoe's outside below which a triangle lies between toes,
SUNK = 0.008           # and metres that it ends below the shoe's surface then
ANKLE = (0.075, 0.10)  # metres above the ground from which shoes begin, and are whole below


def hits(start: np.ndarray, direction: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """How far along rays [N, 3] the last of triangles [F, 3, 3] within REACH lies, NaN where there is none: [N]."""
    a, ab, ac = triangles[:, 0], triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    found = np.full(len(start), np.nan)
    for n, (origin, way) in enumerate(zip(start, direction, strict=True)):
        across = np.cross(way, ac)
        det = (ab * across).sum(1)
        det = np.where(np.abs(det) < 1e-12, np.nan, det)
        away = origin - a
        u = (away * across).sum(1) / det
        turned = np.cross(away, ab)
        v = turned @ way / det
        far = (ac * turned).sum(1) / det
        good = (u >= 0) & (v >= 0) & (u + v <= 1) & (far > -0.02) & (far < REACH)
        if good.any():
            found[n] = far[good].max()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=DATA / "shoes.npz")
    args = parser.parse_args()
    wardrobe, model = Wardrobe(args.assets), BodyModel.open()
    shape = model.neutral().shape
    whole = wardrobe.model.rest(shape)[0][0].numpy()
    asset = wardrobe.get("clothes", SHOES)
    shoe = asset.fit(whole).astype(np.float64)
    sole = shoe[:, 1].min() + ANKLE[1] + 0.02
    triangles = shoe[asset.faces]
    triangles = triangles[(triangles[..., 1] < sole).any(1)]

    body = model.rest(shape)[0].double()
    points, faces = body[0].numpy(), model.faces
    height = points[:, 1] - points[:, 1].min()
    index = np.flatnonzero(height < ANKLE[1])
    mass, stiffness = surface_operators(points, faces.numpy())
    smooth = splu((mass + ROUND**2 * stiffness).tocsc()).solve(mass @ points)
    direction = vertex_normals(torch.from_numpy(smooth)[None], faces)[0].numpy()
    middle, place = cKDTree(triangles.mean(1)), points.copy()
    graph = edges_of(faces).numpy()
    graph = sparse.coo_array((np.ones(len(graph)), graph.T), shape=(len(points),) * 2)
    graph = (graph + graph.T).tocsr()[index]
    for turn in range(TURNS):
        if turn:                                     # as even a sheet as can be: what lay between toes comes out
            place[index] = graph @ place / graph.sum(1)[:, None]
        far = hits(place[index], direction[index], triangles)
        nearest = triangles.mean(1)[middle.query(place[index])[1]]
        there = place[index] + far[:, None] * direction[index]
        place[index] = np.where(np.isnan(far)[:, None], nearest, there)
    corners = place[faces.numpy()]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    inwards = (across * direction[faces.numpy()].mean(1)).sum(1) < FACING
    both = np.zeros((2, len(points)))
    np.add.at(both[0], faces.numpy(), inwards[:, None])
    np.add.at(both[1], faces.numpy(), 1)
    turned = (both[0] / both[1])[index]
    place[index] -= SUNK * turned[:, None] * direction[index]
    share = np.clip((ANKLE[1] - height[index]) / (ANKLE[1] - ANKLE[0]), 0, 1)
    offset = np.zeros_like(points)
    offset[index] = share[:, None] * (place - points)[index]
    index = np.flatnonzero(np.linalg.norm(offset, axis=1) > 1e-4)
    np.savez_compressed(args.out, index=index.astype(np.uint16), offset=offset[index].astype(np.float16))
    print(f"{len(index)} vertices, {np.isnan(far).sum()} by the nearest triangle; {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
