from __future__ import annotations

import numpy as np
import pytest
import torch
from texture.shapes import ball

from dinar.camera import orbit
from dinar.raster import samples
from dinar.raster.rasterize import Fragments, interpolate, rasterize

VERTICES, FACES, LAYOUT = ball()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("away", [0.0, 0.9, 5.0])      # of the ball from the middle: whole, cut off, out of the image
@pytest.mark.parametrize("n", [1, 2, 4])
def test_two_sizes_in_one_pass_are_those_of_rasterize(n: int, away: float, threads: int) -> None:
    camera = orbit(torch.tensor([away, 0.0, 0.0]), 20, 10, 6.0, (70, 50), fov=28)
    check(VERTICES, FACES, LAYOUT.uv, LAYOUT.faces, camera, n, threads)


def test_triangles_of_all_kinds() -> None:
    """Large, tiny, flat, behind the camera, on pixels' edges, not finite, one over the other."""
    rng = torch.Generator().manual_seed(3)
    points = torch.rand(600, 3, generator=rng) * torch.tensor([3.0, 3.0, 2.0]) - torch.tensor([1.5, 1.5, 0.0])
    points[200:] = points[:400] + 0.05 * torch.randn(400, 3, generator=rng)
    points[:20, :2] = (points[:20, :2] * 4).round() / 4
    points[20], points[21], points[22] = float("nan"), float("inf"), torch.tensor([0.0, 0.0, 90.0])
    faces = torch.randint(600, (900, 3), generator=rng)
    faces[:5] = faces[5:10]
    camera = orbit(torch.zeros(3), 0, 0, 6.0, (40, 56), fov=28)
    check(points, faces, torch.rand(600, 2, generator=rng), faces, camera, 2, 2)


def check(points, faces, uv, uv_faces, camera, n: int, threads: int) -> None:
    (height, width), corners = camera.size, uv[uv_faces].flatten(1).contiguous().numpy()
    table = np.ascontiguousarray(faces.numpy(), np.int32)
    found = samples.draw(camera.project(points).numpy(), table, corners, camera.size, n, threads)
    fine = camera.resized((n * height, n * width))
    for there, depth, at in (camera, found.depth, found.at), (fine, found.fine_depth, found.fine_at):
        wanted: Fragments = rasterize(there.project(points[None]), faces, there.size)
        assert torch.equal(torch.from_numpy(depth), wanted.depth[0])
        seen = interpolate(wanted, uv[None], uv_faces)[0].permute(1, 2, 0).numpy()
        hit = np.isfinite(depth)
        np.testing.assert_allclose(at[hit], seen[hit], atol=1e-6, rtol=0)
