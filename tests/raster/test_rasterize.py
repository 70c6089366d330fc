from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from raster.meshes import MESHES, SIZE, soup, sphere
from reference.rasterize import rasterize as reference

from dinar.errors import InputError
from dinar.raster.fragments import NEAR, Fragments
from dinar.raster.rasterize import interpolate, rasterize


def assert_same(fragments: Fragments, face: torch.Tensor, barycentric: torch.Tensor, depth: torch.Tensor) -> None:
    """Faces agree at every pixel, edges included, because both sides decide in float64 on float32 input by the same
    rule. Weights and depths may differ by float32's rounding, since the two divide by the area at different points."""
    assert torch.equal(fragments.face, face)
    torch.testing.assert_close(fragments.depth, depth, rtol=1e-6, atol=0)
    torch.testing.assert_close(fragments.barycentric, barycentric, rtol=0, atol=1e-6)


@pytest.mark.parametrize("cull", [False, True])
@pytest.mark.parametrize("mesh", MESHES)
def test_agrees_with_reference(mesh, cull):
    points, faces = MESHES[mesh]()
    fragments = rasterize(points[None], faces, SIZE, cull=cull)
    assert (fragments.face >= 0).any()
    assert_same(fragments, *reference(points[None], faces, SIZE, cull=cull))


def test_types_and_blanks():
    points, faces = sphere()
    fragments = rasterize(points[None].requires_grad_(), faces.int(), SIZE)
    nothing = fragments.face < 0
    assert 0.2 < nothing.float().mean() < 0.8
    assert (fragments.face.dtype, fragments.barycentric.dtype, fragments.depth.dtype) == (
        torch.int32,
        torch.float32,
        torch.float32,
    )
    assert (fragments.barycentric[nothing] == 0).all() and fragments.depth[nothing].isinf().all()
    torch.testing.assert_close(fragments.barycentric[~nothing].sum(1), torch.ones(int((~nothing).sum())))
    assert (fragments.barycentric >= 0).all()
    assert torch.equal(fragments.mask, (~nothing).float()[:, None])


@pytest.mark.parametrize("threads", [1, 2, 3, 7, 16])
def test_threads_change_nothing(threads, monkeypatch):
    points, faces = soup()
    batch = torch.stack([points, points + torch.tensor([7.3, -4.1, 0.2]), points.flip(0)])
    one = [rasterize(points[None], faces, SIZE) for points in batch]
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    together = rasterize(batch, faces, SIZE)
    alone = rasterize(batch[:1], faces, SIZE)
    for name in ("face", "barycentric", "depth"):
        assert torch.equal(getattr(together, name), torch.cat([getattr(f, name) for f in one]))
        assert torch.equal(getattr(alone, name), getattr(one[0], name))


def test_called_from_many_threads_at_once():
    points, faces = soup()
    expected = rasterize(points[None], faces, SIZE).face
    with ThreadPoolExecutor(8) as pool:
        results = pool.map(lambda _: rasterize(points[None], faces, SIZE).face, range(40))
        assert all(torch.equal(face, expected) for face in results)


def test_works_in_a_forked_process():
    code = """
import multiprocessing, torch
from dinar.raster.rasterize import rasterize
points, faces = torch.tensor([[[0.0, 0, 1], [40, 0, 1], [0, 40, 1]]]), torch.tensor([[0, 1, 2]])
torch.set_num_threads(2)
def count(_=None):
    return int(rasterize(points, faces, (64, 64)).mask.sum())
expected = count()
with multiprocessing.get_context("fork").Pool(2) as pool:
    assert pool.map(count, range(4)) == [expected] * 4
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)


@pytest.mark.parametrize(
    ("batch", "count", "size"), [(0, 5, (8, 9)), (2, 0, (8, 9)), (2, 5, (0, 9)), (2, 5, (8, 0)), (0, 0, (0, 0))]
)
def test_empty(batch, count, size):
    points = torch.rand(batch, 6, 3) + 1
    faces = torch.zeros(count, 3, dtype=torch.long)
    fragments = rasterize(points, faces, size)
    assert fragments.face.shape == fragments.depth.shape == (batch, *size)
    assert fragments.barycentric.shape == (batch, *size, 3)
    assert fragments.mask.shape == (batch, 1, *size)
    assert (fragments.face == -1).all() and (fragments.barycentric == 0).all() and fragments.depth.isinf().all()
    assert interpolate(fragments, torch.rand(1, 6, 4), faces).shape == (batch, 4, *size)


def test_no_vertices():
    assert (rasterize(torch.zeros(1, 0, 3), torch.zeros(0, 3, dtype=torch.long), (4, 5)).face == -1).all()


def test_every_pixel_of_a_patchwork_belongs_to_one_triangle():
    """Each triangle drawn alone: the drawings neither overlap nor leave a gap, on pixel centres or off them."""
    generator = torch.Generator().manual_seed(0)
    n, step = 9, 8.0
    grid = torch.stack(torch.meshgrid(torch.arange(n), torch.arange(n), indexing="xy"), dim=-1) * step + 0.5
    for shift in (torch.zeros(n, n, 2), torch.rand(n, n, 2, generator=generator) * 3, torch.ones(n, n, 2) * 1e-7):
        inner = torch.zeros(n, n, 1)
        inner[1:-1, 1:-1] = 1
        points = torch.cat([(grid + shift * inner).reshape(-1, 2), torch.ones(n * n, 1)], dim=1)
        i = torch.arange(n * n).reshape(n, n)[:-1, :-1].flatten()
        faces = torch.cat([torch.stack([i, i + 1, i + n], 1), torch.stack([i + n + 1, i + 1, i + n], 1)])
        count = sum(rasterize(points[None], face[None], (66, 66)).mask[0, 0] for face in faces)
        expected = torch.zeros(66, 66)
        expected[:64, :64] = 1                    # the outer square's top and left edges own their pixels
        assert torch.equal(count, expected)


def test_depth_and_weights_follow_perspective():
    """A tilted plane, against the ray through each pixel."""
    plane = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    plane[:, 2] = 2 + plane[:, 0] + 0.5 * plane[:, 1]             # z = 2 + x + y / 2
    focal, (h, w) = 40.0, SIZE
    screen = torch.cat([plane[:, :2] / plane[:, 2:] * focal + torch.tensor([w / 2, h / 2]), plane[:, 2:]], dim=1)
    fragments = rasterize(screen[None], faces, SIZE)
    y, x = torch.meshgrid(torch.arange(h) + 0.5 - h / 2, torch.arange(w) + 0.5 - w / 2, indexing="ij")
    z = 2 / (1 - x / focal - y / focal / 2)
    hit = fragments.face[0] >= 0
    assert hit.sum() > 500
    torch.testing.assert_close(fragments.depth[0][hit], z[hit], rtol=1e-5, atol=0)
    where = interpolate(fragments, plane[None], faces)[0]
    true = torch.stack([x * z / focal, y * z / focal, z])
    torch.testing.assert_close(where[:, hit], true[:, hit], rtol=1e-4, atol=1e-5)


def test_nearest_wins_and_of_equals_the_first():
    near, far = torch.tensor([[0.0, 0, 1], [20, 0, 1], [0, 20, 1]]), torch.tensor([[0.0, 0, 2], [20, 0, 2], [0, 20, 2]])
    points = torch.cat([far, near])[None]
    face = rasterize(points, torch.tensor([[0, 1, 2], [3, 4, 5], [4, 5, 3], [3, 4, 5]]), (10, 10)).face
    assert (face == 1).all()


def test_culling_keeps_the_faces_that_look_at_the_camera():
    points, faces = sphere()
    both, front = rasterize(points[None], faces, SIZE), rasterize(points[None], faces, SIZE, cull=True)
    assert torch.equal(both.face, front.face)                     # a closed mesh hides its back
    back = rasterize(points[None], faces.flip(1), SIZE, cull=True)
    assert torch.equal(back.face >= 0, front.face >= 0)
    assert (back.depth[back.face >= 0] >= front.depth[back.face >= 0]).all()
    assert back.depth[back.face >= 0].mean() > front.depth[back.face >= 0].mean() + 0.3


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_broken_corner_takes_its_triangles_and_no_others(value, axis):
    points, faces = sphere()
    points = points.clone()
    whole = rasterize(points[None], faces, SIZE).face
    corner = int(faces[whole[0, 48, 40], 0])
    points[corner, axis] = value
    face = rasterize(points[None], faces, SIZE).face
    lost = (faces == corner).any(1)
    assert not lost[face[face >= 0].long()].any()
    kept = (whole >= 0) & ~lost[whole.long()]
    assert torch.equal(face[kept], whole[kept])


def test_behind_and_near():
    corners = torch.tensor([[0.0, 0, 1], [20, 0, 1], [0, 20, 1]])
    faces = torch.tensor([[0, 1, 2]])
    for depth, drawn in ((1.0, True), (NEAR * 1.01, True), (NEAR / 2, False), (0.0, False), (-1.0, False)):
        points = corners.clone()
        points[1, 2] = depth
        assert bool((rasterize(points[None], faces, (10, 10)).face >= 0).any()) == drawn


def test_a_triangle_far_larger_than_the_picture():
    for scale in (1e3, 1e8, 1e18, 1e38):
        points = torch.tensor([[-3.0, -1, 2], [3, -1, 2], [0, 3, 2]]) * torch.tensor([scale, scale, 1])
        fragments = rasterize(points[None], torch.tensor([[0, 1, 2]]), SIZE)
        assert (fragments.face == 0).all()
        assert (fragments.depth - 2).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("points", "faces", "size"),
    [
        (torch.zeros(3, 3), torch.zeros(1, 3, dtype=torch.long), (4, 4)),
        (torch.zeros(1, 3, 2), torch.zeros(1, 3, dtype=torch.long), (4, 4)),
        (torch.zeros(1, 3, 3), torch.zeros(1, 4, dtype=torch.long), (4, 4)),
        (torch.zeros(1, 3, 3), torch.zeros(1, 3, dtype=torch.long), (-4, 4)),
        (torch.zeros(1, 3, 3), torch.tensor([[0, 1, 3]]), (4, 4)),
        (torch.zeros(1, 3, 3), torch.tensor([[0, -1, 2]]), (4, 4)),
        (torch.zeros(1, 0, 3), torch.tensor([[0, 0, 0]]), (4, 4)),
        (torch.zeros(1, 3, 3), torch.tensor([[0, 1, 2**32]]), (4, 4)),
    ],
)
def test_misfits_are_refused(points, faces, size):
    with pytest.raises(ValueError):
        rasterize(points, faces, size)


def test_interpolate_takes_other_tables_and_broadcasts():
    points, faces = sphere()
    batch = torch.stack([points, points + torch.tensor([9.0, 0, 0])])
    fragments = rasterize(batch, faces, SIZE)
    corners = torch.rand(2, faces.numel(), 5)                     # each triangle has corners of its own, as in UV
    table = torch.arange(faces.numel()).reshape(-1, 3)
    image = interpolate(fragments, corners, table)
    assert image.shape == (2, 5, *SIZE)
    for b in range(2):
        f = fragments.face[b].long().clamp(min=0)
        expected = (corners[b][table[f]] * fragments.barycentric[b][..., None]).sum(-2).permute(2, 0, 1)
        torch.testing.assert_close(image[b], expected * fragments.mask[b])
    torch.testing.assert_close(interpolate(fragments, corners[:1], table)[0], image[0])
    torch.testing.assert_close(
        interpolate(fragments, corners[:1], table), interpolate(fragments, corners[:1].expand(2, -1, -1), table)
    )
    with pytest.raises(ValueError):
        interpolate(fragments, corners.repeat(2, 1, 1), table)


def test_interpolate_is_differentiable():
    points, faces = soup()
    fragments = rasterize(torch.stack([points, points.flip(0)]) / torch.tensor([8.0, 8.0, 1.0]), faces, (12, 10))
    for batch in (1, 2):
        attributes = torch.rand(batch, len(points), 2, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda a: interpolate(fragments, a, faces), attributes)


def test_import_leaves_numba_alone():
    code = "import sys, dinar, dinar.raster.rasterize, dinar.raster.silhouette; assert 'numba' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_works_where_no_cache_can_be_written():
    """numba raises RuntimeError where no folder takes its cache: a read-only install for a user without a home."""
    code = """
import torch
from numba.core.caching import CacheImpl
CacheImpl._locator_classes = []
from dinar.raster.rasterize import rasterize
assert rasterize(torch.tensor([[[0.0, 0, 1], [9, 0, 1], [0, 9, 1]]]), torch.tensor([[0, 1, 2]]), (4, 4)).mask.sum() > 9
from dinar.raster import cpu
assert cpu._draw.stats.cache_path is None, "the cache was not switched off: this test tests nothing"
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)


def test_without_warp_one_clear_error(monkeypatch):
    monkeypatch.setitem(sys.modules, "warp", None)
    monkeypatch.delitem(sys.modules, "dinar.raster.warp", raising=False)
    with pytest.raises(InputError, match="pip install"):
        import dinar.raster.warp  # noqa: F401
