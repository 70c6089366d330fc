"""Warp's kernels, on its CPU device unless a GPU is there."""

from __future__ import annotations

import pytest
import torch
from raster.meshes import MESHES, SIZE, soup

from dinar.raster.rasterize import rasterize

pytest.importorskip("warp", reason="Warp is not installed (pip install 'dinar[cuda]')")
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def draw(
    points: torch.Tensor, faces: torch.Tensor, size: tuple[int, int], cull: bool, device: str
) -> list[torch.Tensor]:
    from dinar.raster.warp import draw

    result = draw(points.to(device).contiguous(), faces.to(device, torch.int32), size, cull)
    return [tensor.cpu() for tensor in result]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("cull", [False, True])
@pytest.mark.parametrize("mesh", MESHES)
def test_agrees_with_numba(mesh, cull, device):
    """The same float64 arithmetic in the same order; a GPU's division may differ in the last place of float32."""
    points, faces = MESHES[mesh]()
    batch = torch.stack([points, points + torch.tensor([3.7, -2.2, 0.1])])
    expected = rasterize(batch, faces, SIZE, cull=cull)
    face, barycentric, depth = draw(batch, faces, SIZE, cull, device)
    assert torch.equal(face, expected.face)
    torch.testing.assert_close(barycentric, expected.barycentric, rtol=0, atol=1e-6)
    torch.testing.assert_close(depth, expected.depth, rtol=1e-6, atol=0)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("batch", "count", "size"), [(0, 5, (8, 9)), (2, 0, (8, 9)), (2, 5, (0, 9)), (2, 5, (8, 0))])
def test_empty(batch, count, size, device):
    points, faces = soup()
    face, barycentric, depth = draw(points.expand(batch, -1, -1), faces[:count], size, False, device)
    assert face.shape == depth.shape == (batch, *size) and barycentric.shape == (batch, *size, 3)
    assert (face == -1).all() and (barycentric == 0).all() and depth.isinf().all()
