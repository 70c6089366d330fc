"""A photo's colours in texture space (section 3.1, algorithm 1)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from dinar.raster.rasterize import rasterize
from dinar.texture.neural_texture import NeuralTexture, UVImage, uv_image, window

if TYPE_CHECKING:
    from dinar.body.uv import UVLayout
    from dinar.camera import Camera

MIN_FRONTALITY = 0.2  # beyond 78 degrees one pixel covers over five times its width of surface, and a fit that is a
#                       pixel off puts background there: such pixels are smears, better left to the filling
EROSION = 3            # pixels: at the mask's edge colours mix with the background's, and JPEG spreads those further;
RIM = 1                # nearer than so many to it none is taken, in between those that are clearly the person's:
MIXED = 0.08           # on the way from the colour inside to that of the background none is farther,
NOISE = 0.05           # beside differences of so much, RGB
STAINED = 0.07         # and none so far in hue up to twice as deep, for JPEG spreads hues farther than shades,
VIVID = 0.3            # where the background's hue differs by so much, RGB;
ASIDE = 0.15           # differences from any mixture of the two from which a colour is one of its own
DIM = 0.15             # brightness beside them, RGB, below which none is taken: what bleeds into dark cloth is as dark
DARK = 0.05            # RGB, below which darkness differs no more
NEARBY = 12            # pixels about each in which those two colours are sought
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
    image is finer than the photo the photo is enlarged bilinearly; no pixel takes part that is not `unmixed`, or lies
    within `BESIDE` pixels of `without`.
    """
    inside = unmixed(image, mask, erosion)
    if without is not None:
        inside = inside * (1 - _grown((without > 0.5).to(image.dtype), BESIDE))
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


def unmixed(image: Tensor, mask: Tensor, erosion: int = EROSION) -> Tensor:
    """Pixels of the person that no background is mixed in: a photo [B, 3, H, W] and its mask -> [B, 1, H, W] in {0, 1}.

    All that lie farther than `erosion` pixels within the mask, and, but on dark cloth, those between RIM and that whose
    colour does not lie on the way from the person's beside them to the background's. None up to twice as deep that a
    vivid background has stained.
    """
    outside = (mask <= 0.5).to(image.dtype)
    sure, beyond = 1 - _grown(outside, erosion), 1 - _grown(1 - outside, RIM)
    own = _local(image, sure)
    behind = _local(image, beyond)
    far, aside = _way(image, own, behind)
    dark = (image + DARK).log()                            # dark cloth takes on a hue long before it is lighter
    hue, _ = _way(dark, _local(dark, sure), _local(dark, beyond))
    mixed = (torch.maximum(far, hue) >= MIXED) & (aside <= ASIDE)
    light = own[:, :3].mean(1, keepdim=True) > DIM
    near = (1 - _grown(outside, min(RIM, erosion))) * (own[:, 3:] > 0) * ~mixed * light
    return torch.maximum(sure, near) * ~_stained(image, outside, behind, 2 * erosion)


def _stained(image: Tensor, outside: Tensor, behind: Tensor, reach: int) -> Tensor:
    """Pixels up to `reach` within the mask that have taken on the hue of a background more vivid than the person, as
    JPEG spreads it: bool [B, 1, H, W]. Shade alone is the person's own. `behind` is the background's colour
    [B, 4, H, W] near each pixel.
    """
    hues, deep = _hue(image), 1 - _grown(outside, reach)
    own, behind = _local(hues, deep), torch.cat([_hue(behind[:, :3]), behind[:, 3:]], dim=1)
    far, aside = _way(hues, own, behind)
    person, background, apart = (of[:, :3].norm(dim=1, keepdim=True) for of in (own, behind, behind - own))
    vivid = (background > person) & (apart > VIVID)
    return (far >= STAINED) & (aside <= ASIDE) & vivid & (own[:, 3:] > 0) & (deep == 0)


def _hue(colours: Tensor) -> Tensor:
    """Colours [B, 3, H, W] without their lightness."""
    return colours - colours.mean(1, keepdim=True)


def _way(colours: Tensor, own: Tensor, behind: Tensor) -> tuple[Tensor, Tensor]:
    """How far colours [B, 3, H, W] lie on the way from the person's beside them to the background's [B, 4, H, W], and
    how far aside of that, both [B, 1, H, W].
    """
    way, off = (behind[:, :3] - own[:, :3]) * behind[:, 3:], colours - own[:, :3]
    far = (off * way).sum(1, keepdim=True) / (way.square().sum(1, keepdim=True) + NOISE**2)
    return far, (off - far * way).abs().amax(1, keepdim=True)


def _local(image: Tensor, there: Tensor) -> Tensor:
    """Mean colour [B, 3, H, W] of the pixels there [B, 1, H, W] near each, and whether there are any, in {0, 1}."""
    kernel = 2 * NEARBY + 1
    sums = torch.cat([image * there, there], dim=1)
    for size, room in (((1, kernel), (0, NEARBY)), ((kernel, 1), (NEARBY, 0))):
        sums = functional.avg_pool2d(sums, size, 1, room)
    return torch.cat([sums[:, :3] / sums[:, 3:].clamp(min=1e-6), (sums[:, 3:] > 1e-5).to(sums)], dim=1)


def _grown(there: Tensor, pixels: int) -> Tensor:
    """Pixels [B, 1, H, W] in {0, 1} and so many around them."""
    return functional.max_pool2d(there, 2 * pixels + 1, stride=1, padding=pixels) if pixels else there


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
