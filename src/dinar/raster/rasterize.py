"""Which triangle each pixel sees, on CPU (numba) and CUDA (Warp), and attributes interpolated there."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dinar.raster.fragments import Fragments

__all__ = ["Fragments", "interpolate", "rasterize"]


def rasterize(
    vertices: Tensor,              # [B, V, 3] x px, y px, depth m (as Camera.project returns them)
    faces: Tensor,                 # [F, 3] integers
    size: tuple[int, int],         # (H, W)
    *,
    cull: bool = False,            # drop back faces
) -> Fragments:
    """The nearest triangle at every pixel centre (j + 0.5, i + 0.5); no gradient passes.

    Coverage: a pixel whose centre lies exactly on an edge belongs to the triangle of which it is a top or a left edge,
    so triangles that share an edge leave no gap and no pixel is drawn twice. Of equal depths (in float32) the lowest
    face index wins. The result depends neither on the number of threads nor on the device, but for rounding.
    Front faces run counter-clockwise seen from outside: with y down their signed area is negative.

    Skipped whole: triangles with a corner at depth <= NEAR (so also those that cross the camera's plane), with a corner
    that is NaN or infinite, and those of zero area on screen. Finite coordinates of any size are good, in and out of
    the image. No faces, no images in the batch, H = 0 or W = 0 give empty fragments of the right shapes.

    CPU tensors are drawn by numba with torch.get_num_threads() threads; CUDA tensors by Warp; those of other devices
    are drawn on the CPU and the fragments sent back. Vertices count as float32.

    Raises ValueError where shapes do not fit or an index is out of range, InputError for CUDA tensors without Warp.
    """
    if vertices.ndim != 3 or vertices.shape[2] != 3 or faces.ndim != 2 or faces.shape[1] != 3 or min(size) < 0:
        raise ValueError(f"cannot draw vertices {list(vertices.shape)}, faces {list(faces.shape)} at size {size}")
    vertices = vertices.detach()
    size = (int(size[0]), int(size[1]))

    if vertices.is_cuda:
        from dinar.raster import warp

        _check(faces, vertices.shape[1])
        table = faces.to(vertices.device, torch.int32).contiguous()
        return Fragments(*warp.draw(vertices.float().contiguous(), table, size, cull))

    from dinar.raster import cpu

    table = faces.cpu().numpy()  # NumPy here: a small torch operation wakes threads that then compete with the kernel's
    _check(table, vertices.shape[1])
    points = np.ascontiguousarray(vertices.float().cpu().numpy())
    arrays = cpu.draw(points, np.ascontiguousarray(table, np.int32), size, cull, torch.get_num_threads())
    return Fragments(*(torch.from_numpy(array).to(vertices.device) for array in arrays))


def _check(faces: Tensor | np.ndarray, count: int) -> None:
    if len(faces) and (int(faces.min()) < 0 or int(faces.max()) >= count):
        raise ValueError(f"faces index {int(faces.min())} to {int(faces.max())}, but there are {count} vertices")


def interpolate(
    fragments: Fragments,
    attributes: Tensor,            # [B or 1, N, C]
    faces: Tensor,                 # [F, 3] rows of `attributes` at each triangle's corners
) -> Tensor:
    """Attributes at every pixel [B, C, H, W] (channels-last), 0 where nothing is hit; differentiable in `attributes`.

    `faces` lists the triangles that were rasterised, in the same order, but may index another table: the body's faces
    for attributes of vertices, its UV faces for UV coordinates.
    """
    batch, h, w = fragments.face.shape
    count, channels = attributes.shape[1:]
    if attributes.shape[0] not in (1, batch):
        raise ValueError(f"{attributes.shape[0]} sets of attributes for a batch of {batch}")
    hit = (fragments.face.flatten() >= 0).nonzero()[:, 0]
    rows = faces.long()[fragments.face.flatten()[hit].long()]                      # [n, 3]
    if attributes.shape[0] > 1:
        rows = rows + (torch.div(hit, h * w, rounding_mode="floor") * count)[:, None]
    weights = fragments.barycentric.reshape(-1, 3)[hit].to(attributes.dtype)
    table = attributes.reshape(-1, channels)
    values = sum(table.index_select(0, rows[:, i]) * weights[:, i, None] for i in range(3))
    image = values.new_zeros(batch * h * w, channels).index_copy_(0, hit, values)
    return image.view(batch, h, w, channels).permute(0, 3, 1, 2)
