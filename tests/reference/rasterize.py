"""The rasteriser's rules written plainly in torch: every triangle against every pixel of its bounding box."""

from __future__ import annotations

import torch
from torch import Tensor

NEAR = 1e-3


def rasterize(vertices: Tensor, faces: Tensor, size: tuple[int, int], *, cull: bool = False) -> tuple[Tensor, ...]:
    """Face int32 [B, H, W], barycentric float32 [B, H, W, 3], depth float32 [B, H, W]; float64 inside."""
    images = [_one(points.double(), faces.long(), size, cull) for points in vertices.float()]
    if not images:
        return torch.empty(0, *size, dtype=torch.int32), torch.empty(0, *size, 3), torch.empty(0, *size)
    return tuple(torch.stack(parts) for parts in zip(*images, strict=True))


def _one(points: Tensor, faces: Tensor, size: tuple[int, int], cull: bool) -> tuple[Tensor, ...]:
    h, w = size
    triangle = points[faces]                                                        # [F, 3, 3]
    area = _cross(triangle[:, 0], triangle[:, 1], triangle[:, 2])
    drawn = triangle.isfinite().all((1, 2)) & (triangle[..., 2] > NEAR).all(1) & (area < 0 if cull else area != 0)
    index = drawn.nonzero()[:, 0]
    triangle, area = triangle[index], area[index]

    # All pairs of a triangle and a pixel whose centre its bounding box contains.
    limit = torch.tensor([w, h], dtype=torch.float64)
    low = (triangle[..., :2].amin(1) - 0.5).ceil().clamp(min=0).minimum(limit).long()
    high = (triangle[..., :2].amax(1) - 0.5).floor().clamp(min=-1).minimum(limit - 1).long()
    extent = (high - low + 1).clamp(min=0)
    amount = extent.prod(1)
    t = torch.repeat_interleave(torch.arange(len(index)), amount)
    nth = torch.arange(len(t)) - (amount.cumsum(0) - amount)[t]
    x = low[t, 0] + nth % extent[t, 0]
    y = low[t, 1] + nth // extent[t, 0]

    centre = torch.stack([x, y], dim=1) + 0.5
    a, b, c = triangle[t].unbind(1)
    share = torch.stack([_cross(b, c, centre), _cross(c, a, centre), _cross(a, b, centre)], dim=1) / area[t, None]
    owned = torch.stack([_top_left(b, c, area[t]), _top_left(c, a, area[t]), _top_left(a, b, area[t])], dim=1)
    inside = ((share > 0) | (share == 0) & owned).all(1)
    t, x, y, share = t[inside], x[inside], y[inside], share[inside]

    weight = share / triangle[t, :, 2]
    z = 1 / weight.sum(1)
    weight = (weight * z[:, None]).float()
    z = z.float()

    # Farthest first, of equal depths the highest index first: the last one written is the one that is seen.
    order = torch.argsort(index[t], descending=True, stable=True)
    order = order[torch.argsort(z[order], descending=True, stable=True)]
    face = torch.full((h, w), -1, dtype=torch.int32)
    barycentric = torch.zeros(h, w, 3)
    depth = torch.full((h, w), torch.inf)
    pixel = (y * w + x)[order]
    last = torch.full((h * w,), -1).scatter_reduce_(0, pixel, torch.arange(len(pixel)), "amax")
    seen = last >= 0
    winner = order[last[seen]]
    face.view(-1)[seen] = index[t[winner]].int()
    barycentric.view(-1, 3)[seen] = weight[winner]
    depth.view(-1)[seen] = z[winner]
    return face, barycentric, depth


def _cross(p: Tensor, q: Tensor, r: Tensor) -> Tensor:
    """Twice the signed area of p, q, r; from the same corner for p -> q as for q -> p."""
    swap = (p[:, 1] > q[:, 1]) | (p[:, 1] == q[:, 1]) & (p[:, 0] < q[:, 0])
    p, q = torch.where(swap[:, None], q, p), torch.where(swap[:, None], p, q)
    area = (q[:, 0] - p[:, 0]) * (r[:, 1] - p[:, 1]) - (q[:, 1] - p[:, 1]) * (r[:, 0] - p[:, 0])
    return torch.where(swap, -area, area)


def _top_left(p: Tensor, q: Tensor, area: Tensor) -> Tensor:
    """Is p -> q an edge above (horizontal) or to the left of the triangle?"""
    dx, dy = ((q - p)[:, :2] * area.sign()[:, None]).unbind(1)      # the direction that keeps the inside to the right
    return (dy < 0) | (dy == 0) & (dx > 0)
