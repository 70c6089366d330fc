from __future__ import annotations

import math

import pytest
import torch
from raster.meshes import SIZE, icosphere, sphere

from dinar.raster.rasterize import rasterize
from dinar.raster.silhouette import silhouette

TRIANGLE = torch.tensor([[[40.3, 30.1, 2.0], [210.7, 70.9, 3.0], [90.2, 220.4, 2.5]]])
ONE = torch.tensor([[0, 1, 2]])


def gradient(points: torch.Tensor, faces: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Of the covered area with respect to the vertices."""
    points = points.clone().requires_grad_()
    silhouette(points, faces, size).sum().backward()
    return points.grad


def figure() -> tuple[torch.Tensor, torch.Tensor]:
    """A little man of six ellipsoids, about 70 x 100 px about the middle of 128 x 128."""
    ball, faces = icosphere(2)
    limbs = [((0, 0), (14, 24)), ((0, -36), (9, 12)), ((-24, -14), (18, 5)), ((24, -6), (18, 5)), ((-8, 36), (6, 24))]
    limbs.append(((9, 34), (6, 22)))
    points = [ball * torch.tensor([*radii, 0.1]) + torch.tensor([64.0 + x, 64.0 + y, 3]) for (x, y), radii in limbs]
    return torch.cat(points), torch.cat([faces + i * len(ball) for i in range(len(limbs))])


def moved(points: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
    """Shifted by change[:2] px, scaled by exp(change[2]), turned in the picture's plane by change[3] rad."""
    turn = torch.stack([change[3].cos(), -change[3].sin(), change[3].sin(), change[3].cos()]).view(2, 2)
    flat = (points[:, :2] - 64) @ turn.T * change[2].exp() + 64 + change[:2]
    return torch.cat([flat, points[:, 2:]], dim=1)[None]


def iou(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a * b).sum() / (a + b).clamp(max=1).sum())


@pytest.mark.parametrize(
    "true", [(9.0, -6.0, 0.0, 0.0), (0.0, 0.0, 0.2, 0.0), (0.0, 0.0, 0.0, 0.15), (-6.0, 5.0, -0.15, -0.12)]
)
def test_finds_a_moved_figure(true):
    points, faces = figure()
    target = rasterize(moved(points, torch.tensor(true)), faces, (128, 128)).mask
    change = torch.zeros(4, requires_grad=True)
    step = torch.tensor([1.0, 1.0, 0.02, 0.02])
    optimizer = torch.optim.Adam([change], lr=0.5)
    first = iou(rasterize(moved(points, change * step), faces, (128, 128)).mask, target)
    for i in range(60):
        optimizer.param_groups[0]["lr"] = 0.8 * 0.95**i
        optimizer.zero_grad()
        (silhouette(moved(points, change * step), faces, (128, 128)) - target).square().mean().backward()
        optimizer.step()
    last = iou(rasterize(moved(points, change * step), faces, (128, 128)).mask, target)
    assert first < 0.85
    assert last > 0.97, f"{first:.3f} -> {last:.3f}"
    found = (change * step).detach() - torch.tensor(true)
    assert found[:2].abs().max() < 0.5 and found[2:].abs().max() < 0.02


def test_gradient_is_that_of_the_area():
    """Against the shoelace formula and against finite differences of the number of covered pixels: 2 % of the outline's
    pull, about the pixel by which the outline is unknown on a triangle of 200 px."""
    x, y = TRIANGLE[0, :, 0], TRIANGLE[0, :, 1]
    exact = torch.stack([y.roll(-1) - y.roll(1), x.roll(1) - x.roll(-1)], dim=1) / 2
    if ((x * (y.roll(-1) - y.roll(1))).sum()) < 0:
        exact = -exact
    found = gradient(TRIANGLE, ONE, (256, 256))[0]
    torch.testing.assert_close(found[:, :2], exact, rtol=0, atol=0.02 * float(exact.abs().max()))
    for corner in range(3):
        for axis in range(2):
            step = torch.zeros_like(TRIANGLE)
            step[0, corner, axis] = 4.0
            count = [rasterize(TRIANGLE + s * step, ONE, (256, 256)).mask.sum() for s in (-1, 1)]
            assert abs((count[1] - count[0]) / 8 - found[corner, axis]) < 0.02 * exact.abs().max()


def test_depth_gets_none_and_orientation_does_not_matter():
    found = gradient(TRIANGLE, ONE, (256, 256))
    assert (found[..., 2] == 0).all()
    torch.testing.assert_close(gradient(TRIANGLE, ONE.flip(1), (256, 256)), found)


def test_a_sphere_grows_all_round():
    points, faces = sphere()
    points = points - torch.cat([points.mean(0)[:2] - torch.tensor([40.0, 48.0]), torch.zeros(1)])
    points[:, :2] = (points[:, :2] - torch.tensor([40.0, 48.0])) * 0.7 + torch.tensor([40.0, 48.0])
    found = gradient(points[None], faces, SIZE)[0, :, :2]
    outwards = points[:, :2] - torch.tensor([40.0, 48.0])
    pushed = found.norm(dim=1) > 0
    assert 20 < pushed.sum() < len(points) / 2                    # the outline, not the rest
    assert ((found * outwards).sum(1)[pushed] > 0).all()
    radius = math.sqrt(float(rasterize(points[None], faces, SIZE).mask.sum()) / math.pi)
    pull = float((found * outwards / radius).sum())               # d area / d radius = the outline's length
    assert abs(pull / (2 * math.pi * radius) - 1) < 0.05


def test_batches_do_not_mix():
    points, faces = figure()
    batch = torch.stack([points, points + torch.tensor([5.0, -3.0, 0.0]), points * torch.tensor([1.0, 1.0, -1.0])])
    found = gradient(batch, faces, (128, 128))
    for b in range(3):
        torch.testing.assert_close(found[b], gradient(batch[b : b + 1], faces, (128, 128))[0])
    assert (found[2] == 0).all()                                  # behind the camera


@pytest.mark.parametrize("size", [(256, 256), (1, 1), (1, 7), (7, 1), (0, 4), (4, 0)])
@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_nothing_hit_nothing_pulled(size, shift):
    """A mask that is empty, or without an outline inside the picture."""
    points = (TRIANGLE + torch.tensor([shift, 0, 0])).requires_grad_()
    mask = silhouette(points, ONE, size)
    assert mask.shape == (1, 1, *size)
    mask.sum().backward()
    outline = bool(mask.any()) and not bool(mask.all())
    assert bool((points.grad != 0).any()) == outline
    assert points.grad.isfinite().all()


def test_no_faces_and_no_images():
    none = torch.zeros(0, 3, dtype=torch.long)
    assert (gradient(TRIANGLE, none, (16, 16)) == 0).all()
    assert gradient(TRIANGLE[:0], ONE, (16, 16)).shape == (0, 3, 3)


def test_broken_corners_get_no_gradient_and_spoil_none():
    points, faces = sphere()
    points = points.clone()
    points[int(faces[rasterize(points[None], faces, SIZE).face[0, 48, 40], 0])] = torch.nan
    found = gradient(points[None], faces, SIZE)
    assert found.isfinite().all() and (found != 0).any()


def test_double_precision_vertices():
    points = TRIANGLE.double().requires_grad_()
    mask = silhouette(points, ONE, (256, 256))
    assert mask.dtype == torch.float64
    mask.sum().backward()
    torch.testing.assert_close(points.grad.float(), gradient(TRIANGLE, ONE, (256, 256)), rtol=1e-4, atol=1e-3)
