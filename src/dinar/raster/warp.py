"""The rasteriser on CUDA, in Warp: one thread a triangle, atomic minima, then one thread a pixel.

The rules and the arithmetic are those of `cpu.py`, so the results agree. Made for meshes of many small triangles: one
that fills the image is walked by a single thread.
"""

# No postponed annotations here: Warp reads the types of its kernels' arguments.

import torch
from torch import Tensor

from dinar.errors import InputError
from dinar.raster.fragments import NEAR

try:
    import warp as wp
except ModuleNotFoundError:
    raise InputError("drawing on a GPU needs Warp: run pip install 'dinar[cuda]', or work on the CPU") from None

wp.config.log_level = wp.LOG_WARNING  # its greeting would go to standard output
wp.init()
wp.set_module_options({"fuse_fp": False, "enable_backward": False})  # fused products would break ties on edges

_NEAR = wp.constant(wp.float64(NEAR))
_ZERO = wp.constant(wp.float64(0.0))
_HALF = wp.constant(wp.float64(0.5))
_ONE = wp.constant(wp.float64(1.0))
_OWNED = wp.constant(wp.float64(1e-300))  # what a pixel on a top or left edge counts as: just inside
_NONE = 2**31 - 1


@wp.func
def _edge(p: wp.vec3d, q: wp.vec3d, side: wp.float64, x: wp.float64, y: wp.float64):
    """Twice the area of p, q and (x, y); positive inside. Both triangles at an edge start from the same corner."""
    if p[1] > q[1] or (p[1] == q[1] and p[0] < q[0]):
        p, q, side = q, p, -side
    e = side * (p[1] - q[1]) * (x - p[0]) + side * (q[0] - p[0]) * (y - p[1])
    if e == _ZERO and side < _ZERO:
        e = _OWNED
    return e


@wp.func
def _corner(vertices: wp.array3d(dtype=wp.float32), b: wp.int32, i: wp.int32):
    return wp.vec3d(wp.float64(vertices[b, i, 0]), wp.float64(vertices[b, i, 1]), wp.float64(vertices[b, i, 2]))


@wp.func
def _area(p: wp.vec3d, q: wp.vec3d, r: wp.vec3d):
    return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])


@wp.func
def _weights(p: wp.vec3d, q: wp.vec3d, r: wp.vec3d, x: wp.int32, y: wp.int32):
    """Each corner's share of the inverse depth at a pixel's centre; all 0 outside the triangle."""
    area = _area(p, q, r)
    side = wp.sign(area)
    u = wp.float64(x) + _HALF
    v = wp.float64(y) + _HALF
    e0 = _edge(q, r, side, u, v)
    e1 = _edge(r, p, side, u, v)
    e2 = _edge(p, q, side, u, v)
    if e0 > _ZERO and e1 > _ZERO and e2 > _ZERO:
        scale = side / area
        return wp.vec3d(e0 * (scale / p[2]), e1 * (scale / q[2]), e2 * (scale / r[2]))
    return wp.vec3d(_ZERO, _ZERO, _ZERO)


@wp.kernel
def _visit(
    vertices: wp.array3d(dtype=wp.float32),
    faces: wp.array2d(dtype=wp.int32),
    cull: wp.bool,
    choose: wp.bool,               # False: find each pixel's depth; True: find the first face at that depth
    depth: wp.array3d(dtype=wp.float32),
    face: wp.array3d(dtype=wp.int32),
):
    b, f = wp.tid()
    p = _corner(vertices, b, faces[f, 0])
    q = _corner(vertices, b, faces[f, 1])
    r = _corner(vertices, b, faces[f, 2])
    if not (wp.isfinite(p) and wp.isfinite(q) and wp.isfinite(r)):
        return
    if not (p[2] > _NEAR and q[2] > _NEAR and r[2] > _NEAR):
        return
    area = _area(p, q, r)
    if area == _ZERO or (cull and area > _ZERO):
        return
    low = wp.min(wp.min(p, q), r)
    high = wp.max(wp.max(p, q), r)
    h = wp.float64(depth.shape[1])
    w = wp.float64(depth.shape[2])
    x0 = wp.int32(wp.clamp(wp.ceil(low[0] - _HALF), _ZERO, w))
    y0 = wp.int32(wp.clamp(wp.ceil(low[1] - _HALF), _ZERO, h))
    x1 = wp.int32(wp.clamp(wp.floor(high[0] - _HALF), -_ONE, w - _ONE))
    y1 = wp.int32(wp.clamp(wp.floor(high[1] - _HALF), -_ONE, h - _ONE))
    for y in range(y0, y1 + 1):
        for x in range(x0, x1 + 1):
            weights = _weights(p, q, r, x, y)
            total = weights[0] + weights[1] + weights[2]
            if total > _ZERO:
                z = wp.float32(_ONE / total)
                if not choose:
                    wp.atomic_min(depth, b, y, x, z)
                elif z == depth[b, y, x]:
                    wp.atomic_min(face, b, y, x, f)


@wp.kernel
def _describe(
    vertices: wp.array3d(dtype=wp.float32),
    faces: wp.array2d(dtype=wp.int32),
    face: wp.array3d(dtype=wp.int32),
    barycentric: wp.array4d(dtype=wp.float32),
):
    b, y, x = wp.tid()
    f = face[b, y, x]
    if f == _NONE:
        face[b, y, x] = -1
        return
    p = _corner(vertices, b, faces[f, 0])
    q = _corner(vertices, b, faces[f, 1])
    r = _corner(vertices, b, faces[f, 2])
    weights = _weights(p, q, r, x, y)
    z = _ONE / (weights[0] + weights[1] + weights[2])
    for i in range(3):
        barycentric[b, y, x, i] = wp.float32(weights[i] * z)


def draw(
    vertices: Tensor,              # float32 [B, V, 3] x px, y px, depth m; contiguous
    faces: Tensor,                 # int32 [F, 3], on the same device; contiguous
    size: tuple[int, int],         # (H, W)
    cull: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Face int32 [B, H, W], barycentric float32 [B, H, W, 3] and depth float32 [B, H, W]; see `rasterize`."""
    batch = len(vertices)
    face = torch.full((batch, *size), _NONE, dtype=torch.int32, device=vertices.device)
    barycentric = torch.zeros(batch, *size, 3, device=vertices.device)
    depth = torch.full((batch, *size), torch.inf, device=vertices.device)
    if face.numel() == 0 or len(faces) == 0:
        return face.fill_(-1), barycentric, depth

    device = wp.device_from_torch(vertices.device)
    stream = wp.stream_from_torch(vertices.device) if vertices.is_cuda else None
    points, table, index, weights, z = (wp.from_torch(t) for t in (vertices, faces, face, barycentric, depth))
    for choose in (False, True):
        wp.launch(
            _visit, (batch, len(faces)), [points, table, cull, choose], [z, index], device=device, stream=stream
        )
    wp.launch(_describe, (batch, *size), [points, table], [index, weights], device=device, stream=stream)
    return face, barycentric, depth
