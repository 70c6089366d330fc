"""A photo's colours in texture space (section 3.1, algorithm 1)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from dinar.raster.rasterize import rasterize
from dinar.texture.neural_texture import NeuralTexture, UVImage, uv_image, window
from dinar.texture.unmixing import EROSION, grown, person_in

if TYPE_CHECKING:
    from dinar.body.uv import UVLayout
    from dinar.camera import Camera

MIN_FRONTALITY = 0.2  # beyond 78 degrees one pixel covers over five times its width of surface, and a fit that is a
#                       pixel off puts background there: such pixels are smears, better left to the filling
BESIDE = 1             # pixels: and so far from a pixel that shows something else
MAX_SUPERSAMPLING = 4


def sample_rgb(image: Tensor, uv: UVImage, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Colours of a photo written into texture space (algorithm 1).

    image  [B, C, H, W] colours in [0, 1], or any other values
    uv     the visible surface, same H and W
    size   texels a side

    Returns rgb [B, C, size, size], sampled and filled [B, 1, size, size] in {0, 1}: a texel is `sampled` where a
    pixel fell on it and `filled` where a pixel fell on it or on one of its eight neighbours. A sampled texel holds the
    mean of the pixels that fell on it (the paper's loop would keep whichever came last), another filled one the mean of
    all pixels that fell on its neighbours, the rest 0. Writes beyond the texture's edge are dropped. Sums are in
    float64, so that their order does not matter on any device.
    """
    batch, channels = image.shape[:2]
    if image.shape[-2:] != uv.uv.shape[-2:] or batch != len(uv.uv):
        raise ValueError(f"an image of {list(image.shape)} does not go with a UV image of {list(uv.uv.shape)}")
    b, y, x = (uv.mask[:, 0] > 0.5).nonzero(as_tuple=True)
    texel = (uv.uv[b, :, y, x] * size).long().clamp(0, size - 1)
    total = image.new_zeros(batch * size * size, channels + 1, dtype=torch.float64)
    values = torch.cat([image[b, :, y, x], image.new_ones(len(b), 1)], dim=1)
    total = total.index_add(0, (b * size + texel[:, 1]) * size + texel[:, 0], values.double())
    total = total.view(batch, size, size, channels + 1).permute(0, 3, 1, 2)
    around = functional.avg_pool2d(total, 3, stride=1, padding=1, divisor_override=1)   # the 3x3 writes, summed
    sampled, filled = total[:, -1:] > 0, around[:, -1:] > 0
    total = torch.where(sampled, total, around)
    rgb = total[:, :-1] / total[:, -1:].clamp(min=1)
    return rgb.to(image.dtype), sampled.to(image.dtype), filled.to(image.dtype)


def sample(
    image: Tensor,                 # [B, 3, H, W] photo, [0, 1]
    mask: Tensor,                  # [B, 1, H, W] the person, [0, 1]
    uv: UVImage,                   # the visible surface; may be finer than the photo (see `supersampling`)
    size: int,                     # texels a side
    *,
    without: Tensor | None = None,  # [B, 1, H, W] 1 at pixels of the person that are not to be sampled
    erosion: int = EROSION,        # pixels of the photo at the mask's edge that background may be mixed in
    min_frontality: float = MIN_FRONTALITY,
) -> NeuralTexture:
    """The part of a person's texture that a photo shows, without generated channels.

    Only pixels of both the body and the person are sampled: what lies outside the mask is background. Where the UV
    image is finer than the photo the photo is enlarged bilinearly; no pixel takes part that background is mixed
    into, or that lies within `BESIDE` pixels of `without`, and near the mask's edge they have their own hues
    (`person_in`).
    """
    image, inside = person_in(image, mask, erosion)
    if without is not None:
        inside = inside * (1 - grown((without > 0.5).to(image.dtype), BESIDE))
    if image.shape[-2:] != uv.uv.shape[-2:]:
        image, inside = (functional.interpolate(i.float(), uv.size, mode="bilinear") for i in (image, inside))
    uv = uv.masked((inside > 0.999) & (uv.frontality >= min_frontality))
    values, sampled, filled = sample_rgb(torch.cat([image, uv.frontality], dim=1), uv, size)
    return NeuralTexture(None, values[:, :3].clamp(0, 1), sampled, filled, values[:, 3:])


def sample_photo(
    image: Tensor,                 # [B, 3, H, W] photo, [0, 1]
    mask: Tensor,                  # [B, 1, H, W] the person, [0, 1]
    vertices: Tensor,              # [B, V, 3] world, metres
    faces: Tensor,                 # [F, 3] the body's triangles
    layout: UVLayout,              # the same triangles in UV space
    camera: Camera,                # the photo's
    size: int,                     # texels a side
    *,
    without: Tensor | None = None,  # [B, 1, H, W] 1 at pixels that are doubtful or show something else
    erosion: int = EROSION,        # pixels of the photo taken off the mask's edge
    min_frontality: float = MIN_FRONTALITY,
    most: int = MAX_SUPERSAMPLING,  # times finer than the photo that the UV image is at most
) -> NeuralTexture:
    """What a photo shows of fitted bodies: `sample` with a UV image as fine as the texture wants it."""
    x, y, width, height = window(vertices, camera)
    there = camera.cropped(x, y, (height, width))
    factor = min(supersampling(vertices, faces, layout, there, size), most)
    uv = uv_image(vertices, faces, layout, there.resized((height * factor, width * factor)))
    box = (..., slice(y, y + height), slice(x, x + width))
    without = None if without is None else without[box]
    return sample(image[box], mask[box], uv, size, without=without, erosion=erosion, min_frontality=min_frontality)


def supersampling(
    vertices: Tensor,              # [B, V, 3] world, metres; the first body counts
    faces: Tensor,                 # [F, 3] the body's triangles
    layout: UVLayout,              # the same triangles in UV space
    camera: Camera,                # the photo's
    size: int,                     # texels a side
) -> int:
    """How many times finer than the photo the UV image should be, so that algorithm 1 leaves no holes in `size` texels.

    A texture that is finer than the photo catches a pixel only every few texels, and the 3x3 means blur or miss what
    lies between. The factor makes the step between pixels at most one texel, in the direction of the most texels a
    pixel, on 90 % of what the camera sees of the surface; from 1 to 4. Use with `camera.resized`.
    """
    points = camera.project(vertices.detach()[:1])
    face = rasterize(points, faces, camera.size).face.flatten()
    pixels = torch.bincount(face[face >= 0].long(), minlength=len(faces))
    corners = points[0, faces.long()].double()
    texels = layout.uv[layout.faces.long()].double() * size
    pixel = corners[:, 1:, :2] - corners[:, :1, :2]                        # [F, 2, 2] edges, in rows
    area = torch.linalg.det(pixel)
    shown = (area < -1e-6) & (corners[..., 2] > 0).all(1) & (pixels > 0)
    if not shown.any():
        return 1
    step = torch.linalg.solve(pixel[shown], (texels[:, 1:] - texels[:, :1])[shown])   # texels a pixel
    step, order = torch.linalg.matrix_norm(step, 2).sort()
    share = pixels[shown][order].cumsum(0)
    step = float(step[torch.searchsorted(share, 0.9 * share[-1]).clamp(max=len(step) - 1)])
    return min(max(math.ceil(step - 0.1), 1), MAX_SUPERSAMPLING)
