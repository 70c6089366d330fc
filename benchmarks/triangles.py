"""How far a person in fewer triangles lies from the whole one, and how large its file is: docs/export.md's table.

    python benchmarks/triangles.py examples/person.jpg

The distance is that of the whole surface's vertices to the nearest point of the simplified one, at rest: of skin and of
hair that is to be seen. Vertices of hair within HIDDEN of the skin are buried in it and do not count.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import dinar  # isort: skip (before torch: threads that wait shall sleep)
import numpy as np
from scipy.spatial import cKDTree

from dinar.avatar import Avatar
from dinar.export.figure import Figure, standing

COUNTS = (None, 13_710, 8_000, 3_000, 1_500)     # None: all
TEXELS = 1024
HIDDEN = 0.004     # metres
FINE = 6           # parts that each side of a triangle is cut into, to find which triangles are near
NEAREST = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    avatar = dinar.create(parser.parse_args().photo)
    rows: list[list[str]] = [["triangles"], ["vertices"], ["off the whole surface, mean, mm"], ["at the worst, mm"],
                             [f"GLB with a JPEG of {TEXELS} texels, MB"]]  # fmt: skip
    for count in COUNTS:
        figure = avatar.figure(triangles=count, texture_size=TEXELS)
        faces = figure.mesh.faces.numpy()
        off = _off(figure) * 1000
        cells = f"{len(faces):,}", f"{len(np.unique(faces)):,}", f"{off.mean():.2f}", f"{off.max():.1f}"
        for row, cell in zip(rows, (*cells, f"{_size(avatar, count):.2f}"), strict=True):
            row.append(cell)
    for k, row in enumerate(rows):
        print("| " + " | ".join(row) + " |")
        if k == 0:
            print("|---" * len(row) + "|")


def _off(figure: Figure) -> np.ndarray:
    """How far each of the whole surface's vertices that are to be seen lies from the figure, metres."""
    model = figure.model
    vertices = model(standing(figure)).vertices[0].detach().numpy()
    whole, layer = model.faces.numpy(), model.layer.numpy()
    skin = vertices[whole[(layer[whole] == 0).all(1)]]
    used = np.unique(whole)
    buried = (layer[used] > 0) & (_distance(vertices[used], skin) < HIDDEN)
    return _distance(vertices[used[~buried]], vertices[figure.mesh.faces.numpy()])


def _size(avatar: Avatar, count: int | None) -> float:
    """Megabytes of the GLB."""
    with tempfile.TemporaryDirectory() as folder:
        path, *_ = avatar.export(Path(folder) / "a.glb", triangles=count, texture_size=TEXELS, picture="jpeg")
        return path.stat().st_size / 1e6


def _distance(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """From points [N, 3] to triangles [F, 3, 3]: the least of those whose samples are near."""
    share = np.array([(i, j, FINE - i - j) for i in range(FINE + 1) for j in range(FINE + 1 - i)]) / FINE
    samples = np.einsum("sk,fkc->fsc", share, triangles).reshape(-1, 3)
    near = cKDTree(samples).query(points, NEAREST)[1] // len(share)
    return np.min([_to_triangle(points, triangles[near[:, k]]) for k in range(NEAREST)], axis=0)


def _to_triangle(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """From each of N points to a triangle of its own [N, 3, 3]: to its sides, or its plane where it lies above it."""
    found, above = np.full(len(points), np.inf), np.ones(len(points), bool)
    normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-20
    for k in range(3):
        start, edge = triangles[:, k], triangles[:, k - 2] - triangles[:, k]
        along = ((points - start) * edge).sum(1) / ((edge * edge).sum(1) + 1e-20)
        found = np.minimum(found, np.linalg.norm(points - start - along.clip(0, 1)[:, None] * edge, axis=1))
        above &= (np.cross(edge, points - start) * normal).sum(1) > 0
    return np.where(above, np.abs(((points - triangles[:, 0]) * normal).sum(1)), found)


if __name__ == "__main__":
    main()
