"""A person's mask: BlazePose's coarse one, refined to the picture's own edges."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from dinar.photo.blazepose import BlazePose, Person

INNER, OUTER = 1 / 110, 1 / 250  # band about the coarse outline that is matted anew, parts of the crop's side
LOW, HIGH = 0.15, 0.85  # alphas that count as 0 and 1: matting leaves a haze on blurred backgrounds


def segment(
    pixels: np.ndarray,
    window: tuple[float, float, float],
    size: int,
    pose: BlazePose,
    person: Person,
    others: Sequence[Person],
) -> np.ndarray:
    """Hard mask bool [size, size] of a person in a window (x, y, scale) of a picture uint8 [H, W, 3], in whose pixels
    `person` and `others` are given.
    """
    coarse = pose.mask(pixels, person, window, size)
    solid = without_others(coarse, person, others, window) > 0.5
    solid = connected(solid, (person.xy[person.confidence > 0.5] - window[:2]) * window[2])
    return continued(solid, pixels.shape[:2], window)


def without_others(
    mask: np.ndarray, person: Person, others: Sequence[Person], window: tuple[float, float, float]
) -> np.ndarray:
    """`mask` [S, S] without the pixels of those who stand in front, or to whom the pixel belongs more likely.

    In front is whose mask reaches further down in the picture: all stand on one ground.
    """
    out = mask.copy()
    for other in others:
        theirs = other.region.seen_in(*window).paste(other.mask, mask.shape)
        out[theirs > (0.5 if in_front(other, person) else np.maximum(mask, 0.5))] = 0
    return out


def in_front(other: Person, person: Person) -> bool:
    """Whether `other` is nearer to the camera."""
    lows = [p.pixels[:, 1].max() if len(p.pixels) else p.box[3] for p in (other, person)]
    return bool(lows[0] > lows[1])


def connected(solid: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The parts of a mask bool [S, S] that hold one of the points [N, 2], or the largest part where none does."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(solid.astype(np.uint8))
    if count <= 2:
        return solid
    columns, rows = np.floor(points).astype(int).T if len(points) else np.zeros((2, 0), int)
    inside = (columns >= 0) & (rows >= 0) & (columns < solid.shape[1]) & (rows < solid.shape[0])
    kept = {*labels[rows[inside], columns[inside]].tolist(), 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())} - {0}
    return np.isin(labels, list(kept))


def continued(solid: np.ndarray, shape: tuple[int, int], window: tuple[float, float, float]) -> np.ndarray:
    """A mask whose pixels beyond the picture (H, W) repeat those at its edge, as the crop's colours do.

    A body that is cut off by the edge then has no outline there for the matting to soften.
    """
    x, y, scale = window
    size = solid.shape[0]
    rows, columns = (
        np.arange(size).clip(math.ceil(-start * scale), math.floor((length - start) * scale) - 1).clip(0, size - 1)
        for start, length in ((y, shape[0]), (x, shape[1]))
    )
    return solid[rows[:, None], columns[None, :]]


def matted(crop: np.ndarray, solid: np.ndarray) -> np.ndarray:
    """Soft mask float32 [S, S] out of a hard one: closed-form matting in a band on its outline."""
    from dinar.photo.matting import closed_form  # with SciPy, which takes longer to load than most looks need it for

    size = solid.shape[0]
    within = cv2.distanceTransform(solid.astype(np.uint8), cv2.DIST_L2, 5)
    beyond = cv2.distanceTransform((~solid).astype(np.uint8), cv2.DIST_L2, 5)
    known = np.where(within > INNER * size, 1.0, np.where(beyond > OUTER * size, 0.0, 0.5))
    if not ((known == 0).any() and (known == 1).any() and (known == 0.5).any()):
        return solid.astype(np.float32)
    out = closed_form(crop / 255, known, known == 0.5)
    return ((out - LOW) / (HIGH - LOW)).clip(0, 1).astype(np.float32)
