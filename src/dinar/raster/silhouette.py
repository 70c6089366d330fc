"""A body's outline that pulls on its vertices."""

from __future__ import annotations

import torch
from torch import Tensor

from dinar.raster.rasterize import rasterize


def silhouette(
    vertices: Tensor,              # [B, V, 3] x px, y px, depth m
    faces: Tensor,                 # [F, 3] integers
    size: tuple[int, int],         # (H, W)
) -> Tensor:
    """The mask [B, 1, H, W] in {0, 1} of the triangles, as `rasterize` draws them, differentiable in x and y.

    A mask of zeros and ones has no derivative, so backward gives the one of the area that pixels stand for. Where two
    neighbours in a row differ, the outline crosses that row, and the surface seen by the covered pixel moves it in x;
    likewise columns and y. A move outwards by 1 px covers one more pixel, and the loss changes by the mean of the two
    pixels' gradients. The sum over the outline is the exact derivative of area (the divergence theorem) as the
    pixels shrink, and mistaken by about a pixel's share of the outline before that.

    Depth gets no gradient, nor does geometry that is hidden, off the outline, or cut by the image's border.
    """
    return _Silhouette.apply(vertices, faces, size)


class _Silhouette(torch.autograd.Function):
    @staticmethod
    def forward(ctx, vertices: Tensor, faces: Tensor, size: tuple[int, int]) -> Tensor:
        fragments = rasterize(vertices, faces, size)
        ctx.save_for_backward(vertices, faces, fragments.face, fragments.barycentric)
        return fragments.mask.to(vertices.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        vertices, faces, face, barycentric = ctx.saved_tensors
        count = vertices.shape[1]
        moved = vertices.new_zeros(vertices.shape[0] * count, 3)
        if face.numel() == 0:
            return moved.view_as(vertices), None, None

        height, width = face.shape[1:]
        covered = face >= 0
        mask, gradient, depth = covered.flatten(), gradient.flatten(), vertices[..., 2].flatten()
        for axis, dim, step in ((0, 2, 1), (1, 1, width)):    # x along rows, y along columns
            b, y, x = covered.diff(dim=dim).nonzero(as_tuple=True)
            first = (b * height + y) * width + x              # the left or upper one of two that differ
            second = first + step
            outwards = torch.where(mask[first], 1.0, -1.0).to(gradient)
            inside = torch.where(mask[first], first, second)

            corners = faces.long()[face.flatten()[inside].long()] + (b * count)[:, None]    # [n, 3]
            weights = barycentric.view(-1, 3)[inside] * depth[corners]                      # perspective -> screen
            weights = weights / weights.sum(dim=1, keepdim=True)
            push = outwards * (gradient[first] + gradient[second]) / 2
            moved[:, axis].index_add_(0, corners.flatten(), (weights * push[:, None]).flatten().to(moved))
        return moved.view_as(vertices), None, None
