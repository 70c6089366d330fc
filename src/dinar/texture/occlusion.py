"""Pixels beside a limb that hides another part: a fit a little off mistakes one for the other there (section 3.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dinar.raster.rasterize import interpolate, rasterize
from dinar.texture.neural_texture import window

if TYPE_CHECKING:
    from dinar.camera import Camera

SIDE = 768            # pixels of the longer side of the body's box when edges are sought: one scale for all thresholds
CANNY = (100, 200)    # hysteresis thresholds on Sobel sums: a step of 50 of 255 is an edge, a limb's own gradient none
OUTLINE = 2           # pixels beside the background that count as the body's outline


def occlusion_edges(colours: Tensor, mask: Tensor) -> Tensor:
    """Outlines of limbs before other parts of the body: edges of the drawn part colours less the body's own outline.

    colours  [B, 3, H, W] part colours, [0, 1]
    mask     [B, 1, H, W] where the body was drawn

    Returns [B, 1, H, W] in {0, 1}.
    """
    found = []
    for colour, shown in zip(colours.permute(0, 2, 3, 1).cpu().numpy(), mask[:, 0].cpu().numpy() > 0.5, strict=True):
        edges = cv2.Canny(np.rint(colour * 255).clip(0, 255).astype(np.uint8), *CANNY) > 0
        beyond = np.pad(~shown, 1, constant_values=False).astype(np.uint8)
        outline = cv2.dilate(beyond, _disc(OUTLINE))[1:-1, 1:-1] > 0
        found.append(torch.from_numpy(edges & shown & ~outline)[None].float())
    return torch.stack(found).to(mask.device)


def occlusion_band(
    vertices: Tensor,              # [B, V, 3] world, metres
    faces: Tensor,                 # [F, 3] the body's triangles
    part_colours: Tensor,          # [V, 3] each limb its own colour with smooth transitions, [0, 1]
    camera: Camera,
    *,
    told: Tensor | None = None,    # bool [V] a surface that the photo's parts tell from others, which has no band
    width: float = 0.008,          # on either side, of the longer side of the body's box; about a fit's usual error
) -> Tensor:
    """Pixels too near an occluding outline to say which limb they show: [B, 1, H, W] in {0, 1}; do not sample there."""
    bands = []
    for body in vertices.detach().split(1):
        x, y, w, h = window(body, camera)
        scale = SIDE / max(w, h)
        size = (max(round(h * scale), 1), max(round(w * scale), 1))
        there = camera.cropped(x, y, (h, w)).resized(size)
        fragments = rasterize(there.project(body), faces, size)
        colours = interpolate(fragments, part_colours[None].float(), faces)
        edges = occlusion_edges(colours, fragments.mask)[0, 0].cpu().numpy()
        if told is not None:
            drawn = interpolate(fragments, told[None, :, None].float(), faces)[0, 0].cpu().numpy() > 0
            edges = np.where(cv2.dilate(drawn.astype(np.uint8), _disc(OUTLINE)) > 0, 0, edges)
        band = torch.from_numpy(cv2.dilate(edges, _disc(max(round(width * SIDE), 1))))[None, None]
        band = (functional.interpolate(band, (h, w), mode="bilinear", antialias=True) > 0).float()
        bands.append(functional.pad(band, (x, camera.size[1] - x - w, y, camera.size[0] - y - h)))
    return torch.cat(bands).to(vertices.device)


def _disc(radius: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
