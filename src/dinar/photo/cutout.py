"""A picture's own transparency: whether it is a person's mask, what it hides, and colours without what lay behind."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from dinar.photo.landmarks import Landmarks

if TYPE_CHECKING:
    from torch import Tensor

TRANSPARENT = 0.1       # part of a picture from which on its transparency means something
REACH = 0.04            # of the person's size: a point so far from all that is opaque is not in the picture
FILLED = 0.95           # of its convex hull: a card, an oval; a person leaves more free
COVERED = 0.75          # of what is opaque that a person fills at least, where it is as full as a card
LEAST = 0.3             # of mask and opaque part together that both hold, where the one is the other's mask
SURE = 0.98             # of alpha from which on a colour is the person's own
MARGIN = 3              # pixels beyond the mask that get the person's colours too: resampling mixes neighbours


def matters(alpha: np.ndarray | None) -> bool:
    """Whether so much of a picture's alpha uint8 [H, W] is transparent that something was cut out of it."""
    return alpha is not None and bool((alpha < 128).mean() > TRANSPARENT)


def without_hidden(landmarks: Landmarks, alpha: np.ndarray) -> Landmarks:
    """The same points; those that lie where nothing is opaque, uint8 [H, W], are not seen: their confidence is 0."""
    known = landmarks.xy[landmarks.confidence > 0]
    if not len(known):
        return landmarks
    radius = max(2, round(REACH * float(np.ptp(known, axis=0).max())))
    away = cv2.distanceTransform((alpha < 128).astype(np.uint8), cv2.DIST_L2, 5)
    columns, rows = np.floor(landmarks.xy).astype(int).T
    height, width = alpha.shape
    hidden = away[rows.clip(0, height - 1), columns.clip(0, width - 1)] > radius
    return replace(landmarks, confidence=np.where(hidden, np.float32(0), landmarks.confidence))


def is_mask(alpha: Tensor, solid: np.ndarray) -> bool:
    """Whether an alpha [1, S, S] in [0, 1] is the mask of the person whom `solid` bool [S, S] shows coarsely.

    A rounded card or an oval, which holds the person and what is around them, is none; nor is a hole in their place.
    """
    opaque = alpha[0].numpy() > 0.5
    both = int((opaque & solid).sum())
    if both < LEAST * int((opaque | solid).sum()):
        return False
    points = cv2.findNonZero(opaque.astype(np.uint8))
    hull = cv2.contourArea(cv2.convexHull(points)) if points is not None else 0.0
    return opaque.sum() < FILLED * hull or both > COVERED * opaque.sum()


def near(alpha: Tensor, solid: np.ndarray) -> Tensor:
    """An alpha [1, S, S] as mask, without what lies far from the person."""
    import torch

    reach = 2 * (alpha.shape[-1] // 64) + 1
    around = cv2.dilate(solid.astype(np.float32), np.ones((reach, reach), np.uint8))
    return alpha * torch.from_numpy(around)


def own_colours(image: Tensor, alpha: Tensor) -> Tensor:
    """A crop [3, S, S] of a cut-out over white, whose soft edge, by its alpha [1, S, S], has the person's own colours.

    Other programs leave there what lay behind, or colours that are multiplied with alpha already: white, magenta or
    dark fringes. White is taken out again; then each pixel keeps its colour by the fourth power of its alpha, and takes
    the rest from around, where the same weights count.
    """
    import torch

    share = alpha[0].numpy()
    reach = cv2.dilate((share > 0).astype(np.uint8), np.ones((2 * MARGIN + 1, 2 * MARGIN + 1), np.uint8)) > 0
    edge = reach & (share < SURE)
    if not (share >= SURE).any() or not edge.any():
        return image
    over_white = image.numpy().transpose(1, 2, 0)
    part = np.maximum(share, 1 / 255)[..., None]
    colours = np.clip((over_white - (1 - share[..., None])) / part, 0, 1)
    soft = (share > 0.5) & (share < 0.9)
    if soft.any() and (colours[soft].max(axis=1) <= share[soft] + 4 / 255).mean() > 0.99:      # it can be multiplied
        whole, inside = np.minimum(colours / part, 1), _spread(colours, (share >= SURE).astype(np.float32))
        if np.abs(whole - inside)[soft].mean() < np.abs(colours - inside)[soft].mean():
            colours = whole
    spread = _spread(colours, share**4)
    return torch.from_numpy(np.where(edge[..., None], spread, over_white).transpose(2, 0, 1).copy())


def _spread(colours: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Colours [H, W, 3] that keep so much of their own as their weights [H, W] in [0, 1] say, the rest from around.

    Of a pixel and its neighbours in ever larger squares the first that have a weight of 1 together settle it.
    """
    height, width = weights.shape
    own = weights[..., None]
    if height <= 1 or width <= 1:
        return colours
    half = (width + 1) // 2, (height + 1) // 2
    sums = cv2.resize(weights, half, interpolation=cv2.INTER_AREA) * 4
    means = cv2.resize(colours * own, half, interpolation=cv2.INTER_AREA) * 4 / np.maximum(sums, 1e-9)[..., None]
    wide = _spread(means.astype(np.float32), np.minimum(sums, 1))
    return own * colours + (1 - own) * cv2.resize(wide, (width, height), interpolation=cv2.INTER_LINEAR)
