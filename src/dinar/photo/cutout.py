"""A picture's own transparency: whether it is a person's mask, what it hides, and colours without what lay behind."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from dinar.photo.landmarks import Landmarks

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
    radius = max(2, round(REACH * float((known.amax(dim=0) - known.amin(dim=0)).max())))
    away = cv2.distanceTransform((alpha < 128).astype(np.uint8), cv2.DIST_L2, 5)
    columns, rows = landmarks.xy.floor().long().unbind(dim=1)
    height, width = alpha.shape
    hidden = torch.from_numpy(away)[rows.clamp(0, height - 1), columns.clamp(0, width - 1)] > radius
    return replace(landmarks, confidence=torch.where(hidden, torch.zeros(()), landmarks.confidence))


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
    reach = 2 * (alpha.shape[-1] // 64) + 1
    around = cv2.dilate(solid.astype(np.float32), np.ones((reach, reach), np.uint8))
    return alpha * torch.from_numpy(around)


def own_colours(image: Tensor, mask: Tensor) -> Tensor:
    """A crop [3, S, S] whose soft edge, by its mask [1, S, S], has the colours that lie inside of it.

    Other programs leave there what lay behind, or colours that are multiplied with alpha already: magenta, dark or
    white fringes. Each pixel that is not the person's alone takes the colour of the nearest that is, smoothed along the
    edge.
    """
    sure = mask[0].numpy() >= SURE
    reach = cv2.dilate((mask[0].numpy() > 0).astype(np.uint8), np.ones((2 * MARGIN + 1, 2 * MARGIN + 1), np.uint8)) > 0
    edge = reach & ~sure
    if not sure.any() or not edge.any():
        return image
    rows, columns = distance_transform_edt(~sure, return_distances=False, return_indices=True)
    nearest = image.numpy()[:, rows, columns]
    smooth = np.stack([cv2.blur(channel, (3, 3)) for channel in nearest])
    return torch.from_numpy(np.where(edge, smooth, image.numpy()))
