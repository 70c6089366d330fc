"""Small meshes on screen: vertices float32 [V, 3] (x px, y px, depth m), faces int64 [F, 3], for 96 x 80 px."""

from __future__ import annotations

import math

import torch
from torch import Tensor

SIZE = (96, 80)


def icosphere(levels: int) -> tuple[Tensor, Tensor]:
    """The unit sphere in world axes, 20 * 4**levels triangles, counter-clockwise seen from outside."""
    g = (1 + math.sqrt(5)) / 2
    points = [[-1, g, 0], [1, g, 0], [-1, -g, 0], [1, -g, 0], [0, -1, g], [0, 1, g], [0, -1, -g], [0, 1, -g]]
    points += [[g, 0, -1], [g, 0, 1], [-g, 0, -1], [-g, 0, 1]]
    faces = [[0, 11, 5], [0, 5, 1], [0, 1, 7], [0, 7, 10], [0, 10, 11], [1, 5, 9], [5, 11, 4], [11, 10, 2], [10, 7, 6]]
    faces += [[7, 1, 8], [3, 9, 4], [3, 4, 2], [3, 2, 6], [3, 6, 8], [3, 8, 9], [4, 9, 5], [2, 4, 11], [6, 2, 10]]
    faces += [[8, 6, 7], [9, 8, 1]]
    points = [torch.nn.functional.normalize(torch.tensor(p, dtype=torch.float64), dim=0) for p in points]
    for _ in range(levels):
        middle: dict[tuple[int, int], int] = {}

        def between(i: int, j: int, middle: dict[tuple[int, int], int] = middle) -> int:
            key = (min(i, j), max(i, j))
            if key not in middle:
                middle[key] = len(points)
                points.append(torch.nn.functional.normalize(points[i] + points[j], dim=0))
            return middle[key]

        split = []
        for a, b, c in faces:
            ab, bc, ca = between(a, b), between(b, c), between(c, a)
            split += [[a, ab, ca], [b, bc, ab], [c, ca, bc], [ab, bc, ca]]
        faces = split
    return torch.stack(points).float(), torch.tensor(faces)


def sphere() -> tuple[Tensor, Tensor]:
    """A sphere two metres before a camera, partly out of the picture."""
    points, faces = icosphere(3)
    points = points * torch.tensor([1.0, -1.0, -1.0]) * 0.5 + torch.tensor([0.15, -0.1, 2.0])
    h, w = SIZE
    return torch.cat([points[:, :2] / points[:, 2:] * 150 + torch.tensor([w / 2, h / 2]), points[:, 2:]], dim=1), faces


def soup() -> tuple[Tensor, Tensor]:
    """Triangles of all sizes that pierce each other, some of them out of the picture."""
    generator = torch.Generator().manual_seed(1)
    centre = torch.rand(300, 1, 3, generator=generator) * torch.tensor([120.0, 140.0, 4.0])
    centre = centre - torch.tensor([20.0, 20.0, -1.0])
    spread = torch.randn(300, 3, 3, generator=generator) * torch.rand(300, 1, 1, generator=generator) * 30
    corners = centre + spread * torch.tensor([1.0, 1.0, 0.02])
    return corners.reshape(-1, 3), torch.arange(900).reshape(-1, 3)


def ties() -> tuple[Tensor, Tensor]:
    """Corners and edges exactly on pixel centres, at equal depths, drawn twice with other corner orders."""
    generator = torch.Generator().manual_seed(2)
    points = torch.randint(-10, 110, (60, 3), generator=generator) + 0.5
    points[:, 2] = 2.0
    faces = torch.randint(0, 60, (80, 3), generator=generator)
    return points, torch.cat([faces, faces.roll(1, 1), faces.flip(1)])


def edge_on() -> tuple[Tensor, Tensor]:
    """Triangles without area on screen, and needles almost without."""
    points, faces = sphere()
    line = points.clone()
    line[:, 0] = 40.5
    needle = points.clone()
    needle[:, 0] = 20.25 + (needle[:, 0] - 40) * 1e-6 + needle[:, 1] * 0.3
    return torch.cat([line, needle]), torch.cat([faces, faces + len(points)])


def broken() -> tuple[Tensor, Tensor]:
    """A sphere with corners that are NaN, infinite, huge, at the camera and behind it, and repeated corners."""
    points, faces = sphere()
    points = points.clone()
    points[0, 0], points[1, 1], points[2, 2] = torch.nan, torch.inf, torch.nan
    points[3, 2], points[4, 2], points[5, 2] = torch.inf, 0.0, -2.0
    points[6, :2] = torch.tensor([3e38, -3e38])
    points[7, :2] = torch.tensor([-1e20, 1e10])
    points[8, :2] = torch.tensor([1e-45, -1e-45])
    faces = faces.clone()
    faces[100:110, 1] = faces[100:110, 0]
    return points, faces


MESHES = {"sphere": sphere, "soup": soup, "ties": ties, "edge_on": edge_on, "broken": broken}
