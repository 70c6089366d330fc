"""A body's outline that pulls on its vertices."""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Crossings:
    """Where an outline runs between two neighbours of a row or column; int64 [N], pixels counted through the batch.

    first     the left or upper one
    second    the right or lower one
    inside    the one of the two that is covered
    outwards  1 where the outline's outside is to the right or below, else -1
    """

    first: Tensor
    second: Tensor
    inside: Tensor
    outwards: Tensor


def crossings(face: Tensor, axis: int, *, every: int = 1) -> Crossings:
    """Of the outline of what is drawn (face [B, H, W], -1 where nothing is), on every so manieth row or column.

    axis  0: neighbours in a row, whose outline moves in x; 1: in a column, in y
    """
    height, width = face.shape[1:]
    covered = face >= 0
    lines = covered[:, ::every] if axis == 0 else covered[:, :, ::every]
    b, y, x = lines.diff(dim=2 - axis).nonzero(as_tuple=True)
    y, x = (y * every, x) if axis == 0 else (y, x * every)
    first = (b * height + y) * width + x
    second = first + (1 if axis == 0 else width)
    out = covered.flatten()[first]
    return Crossings(first, second, torch.where(out, first, second), torch.where(out, 1, -1))


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
        gradient, depth = gradient.flatten(), vertices[..., 2].flatten()
        for axis in (0, 1):
            found = crossings(face, axis)
            b, inside = torch.div(found.inside, height * width, rounding_mode="floor"), found.inside
            outwards = found.outwards.to(gradient)

            corners = faces.long()[face.flatten()[inside].long()] + (b * count)[:, None]    # [n, 3]
            weights = barycentric.view(-1, 3)[inside] * depth[corners]                      # perspective -> screen
            weights = weights / weights.sum(dim=1, keepdim=True)
            push = outwards * (gradient[found.first] + gradient[found.second]) / 2
            moved[:, axis].index_add_(0, corners.flatten(), (weights * push[:, None]).flatten().to(moved))
        return moved.view_as(vertices), None, None
