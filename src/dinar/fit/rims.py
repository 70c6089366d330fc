"""Where a drawn body's outline is in a picture, and how far across it the outline of the mask lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import cv2
import numpy as np
import torch
from torch import Tensor

from dinar.body.model import Body
from dinar.camera import Camera
from dinar.raster.rasterize import rasterize

SIDE = 512              # pixels of the longer side of the masks that are compared
OUTWARDS, INWARDS = 0.15, 0.06      # metres beside the body's outline in which the mask's is looked for

_WITHIN = 0.004         # of the picture's longer side: how far within an outline is told whose it is
_BLUR = 1.5             # pixels of blur in which the direction of an outline is measured
_GAP = 0.3              # weight of a place that closes a gap between limbs, where no outline is seen


class Silhouette(Protocol):
    """Who is seen where: mask float32 [1, H, W] in [0, 1], the body there (batch 1), and its camera of size (H, W)."""

    mask: Tensor
    body: Body
    camera: Camera


@dataclass(frozen=True)
class Seen:
    """A `Silhouette`."""

    mask: Tensor
    body: Body
    camera: Camera


@dataclass(frozen=True)
class Rim:
    """N pixels of a body's outline across which the mask's was found; float64.

    corners   int64 [N, 3]  the vertices of the triangle that is seen there
    share     [N, 3]        barycentric coordinates in it
    outwards  [N, 2]        unit, the outline's direction in the picture: x, y
    gap       [N]           metres from it to the mask's outline, positive outwards
    place     [N, 2]        where the mask's outline is in the picture, x and y as parts of its width and height
    width     [N]           metres of a pixel there
    weight    [N]           1, or less where the mask's outline was not seen itself
    """

    corners: np.ndarray
    share: np.ndarray
    outwards: np.ndarray
    gap: np.ndarray
    place: np.ndarray
    width: np.ndarray
    weight: np.ndarray

    def within(self, region: Tensor) -> np.ndarray:
        """Whether the mask's outline is that of a region, bool [H, W] of the whole picture: bool [N]."""
        height, width = region.shape
        place = self.place * (width, height) - _WITHIN * max(height, width) * self.outwards
        x, y = np.clip(place.astype(int), 0, (width - 1, height - 1)).T
        return region.numpy()[y, x]


@dataclass(frozen=True)
class Mask:
    """A mask that a body is compared with.

    mask    float32 [h, w]
    inside  bool [h, w]     what the picture shows: at its edge is no outline
    camera  Camera          of size (h, w)
    """

    mask: np.ndarray
    inside: np.ndarray
    camera: Camera

    @classmethod
    def of(cls, silhouette: Silhouette, inside: Tensor | None = None, *, side: int = SIDE) -> Self:
        """A silhouette's mask, so many pixels long; inside [H, W]."""
        scale = side / max(silhouette.camera.size)
        size = tuple(max(1, round(length * scale)) for length in silhouette.camera.size)
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        mask = cv2.resize(silhouette.mask[0].numpy(), size[::-1], interpolation=how).clip(0, 1)
        shown = np.ones(mask.shape, np.float32) if inside is None else inside.float().numpy()
        shown = cv2.resize(shown, size[::-1], interpolation=cv2.INTER_AREA) > 0.99
        return cls(mask, shown, silhouette.camera.resized(size))

    def rim(self, vertices: np.ndarray, faces: np.ndarray) -> Rim:
        """The outline of a body with vertices [V, 3], metres, and faces [F, 3]."""
        points = self.camera.project(torch.from_numpy(vertices).float())
        fragments = rasterize(points[None], torch.from_numpy(faces), self.camera.size)
        face = fragments.face[0].numpy()
        covered = (face >= 0).astype(np.float32)
        y, x, outwards = _rim(covered)
        distance, weight = _across(self.mask, covered, y, x, outwards, self._reach(points))
        there = np.stack([y, x], 1) + (distance[:, None] + 1.5) * outwards[:, ::-1]       # beyond the mask's outline
        row, column = np.clip(np.round(there).astype(int), 0, np.subtract(covered.shape, 1)).T
        weight = weight * (self.inside[y, x] & self.inside[row, column])
        good = weight > 0
        y, x = y[good], x[good]
        corners = faces[face[y, x]]
        share = fragments.barycentric[0].numpy()[y, x].astype(np.float64)
        depth = (share * points.double().numpy()[corners, 2]).sum(1)
        width = depth / float(self.camera.K[0, 0])
        outwards, distance = outwards[good], distance[good]
        place = (np.stack([x, y], 1) + 0.5 + distance[:, None] * outwards) / covered.shape[::-1]
        return Rim(corners, share, outwards, distance * width, place, width, weight[good])

    def _reach(self, points: Tensor) -> tuple[int, int]:
        """Pixels that are searched inwards and outwards."""
        scale = float(self.camera.K[0, 0]) / float(points[:, 2].median())
        return max(2, round(INWARDS * scale)), max(2, round(OUTWARDS * scale))


def _rim(covered: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows and columns [N] of covered pixels [h, w] beside uncovered ones, and the outline's direction there [N, 2]."""
    inside = covered > 0
    beside = cv2.dilate(1 - covered, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))) > 0
    beside[[0, -1]] = beside[:, [0, -1]] = False                            # what the image's border cuts is no outline
    y, x = (inside & beside).nonzero()
    blurred = cv2.GaussianBlur(covered, (0, 0), _BLUR)
    slope = -np.stack([cv2.Sobel(blurred, cv2.CV_32F, 1, 0)[y, x], cv2.Sobel(blurred, cv2.CV_32F, 0, 1)[y, x]], 1)
    length = np.linalg.norm(slope, axis=1)
    good = length > 1e-3
    return y[good], x[good], (slope[good] / length[good, None]).astype(np.float64)


def _across(
    mask: np.ndarray,               # [h, w] soft
    covered: np.ndarray,            # [h, w] of the body
    y: np.ndarray,
    x: np.ndarray,                  # [N] pixels of the body's outline
    outwards: np.ndarray,           # [N, 2] unit, x and y
    reach: tuple[int, int],         # pixels inwards and outwards
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels [N] from the body's outline to the mask's, positive outwards, and weights [N], 0 where it is not found.

    Outside, another limb of the body may come before the mask's edge: then both outlines are to meet half way.
    """
    fine = 2
    steps = np.arange(-reach[0] * fine, reach[1] * fine + 1) / fine
    start = reach[0] * fine
    edge = 0.5 * np.abs(outwards).max(1, keepdims=True)          # from such a pixel's centre, on average
    py = y[:, None] + outwards[:, 1:] * (edge + steps)
    px = x[:, None] + outwards[:, :1] * (edge + steps)
    px, py = px.astype(np.float32), py.astype(np.float32)
    value = cv2.remap(mask, px, py, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    other = cv2.remap(covered, px, py, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT) > 0.5
    person = value >= 0.5
    outside = np.arange(start, len(steps) - 1)
    leaves = person[:, outside] & ~person[:, outside + 1]
    inside = np.arange(start, 0, -1)
    enters = ~person[:, inside] & person[:, inside - 1]
    begins = person[:, start]
    place = np.where(begins, outside[leaves.argmax(1)], inside[enters.argmax(1)] - 1)      # person here, not at + 1
    found = np.where(begins, leaves.any(1), enters.any(1))
    row = np.arange(len(y))
    a, b = value[row, place], value[row, place + 1]
    distance = steps[place] + (a - 0.5) / np.maximum(a - b, 1e-6) / fine
    weight = found.astype(np.float64)
    ahead = other[:, start + 2 * fine :]
    meets = np.where(ahead.any(1), start + 2 * fine + ahead.argmax(1), len(steps))
    blocked = begins & ahead.any(1) & (meets <= np.where(leaves.any(1), place, len(steps)))
    distance = np.where(blocked, steps[np.minimum(meets, len(steps) - 1)] / 2, distance)
    return distance, np.where(blocked, _GAP, weight)
