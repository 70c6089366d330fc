"""A person's mask out of what three looks say: MODNet's fine one, which loses limbs and takes in strangers, a second of
it in a mirror, and BlazePose's coarse one, which knows whose limbs are where.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from dinar.photo.blazepose import BlazePose, Person
from dinar.photo.landmarks import Landmarks
from dinar.photo.modnet import Modnet
from dinar.photo.segmentation import connected, continued, in_front, matted, without_others

MARGIN = 0.1          # around the person, part of the longer side of their box: what MODNet looks at
AREAS = 448**2, 352**2   # pixels of its two looks: both together take as long as one of 570 x 570
REACH = 0.09          # of the crop's side: held things, hair and cloth reach so far beyond the coarse mask
OUTVOTED = 1 / 400    # of the crop's side: half the width of what two of three masks say against the fine one
CERTAIN = 0.9         # the coarse mask where it tells a lost limb: it is hazy before strangers
LOST = 0.3            # of a bone that lies where the coarse mask is certain and the fine one says nobody
WIDE, NARROW = 0.4, 0.15   # of a bone's length: half a limb's width, with its clothes and without
SLIM = 0.2            # the same of calves, with trousers
SURE = 0.5            # least trust in the ends of a bone that tells a lost limb

BONES = (
    ("shoulder", "elbow", WIDE), ("elbow", "wrist", WIDE), ("wrist", "index", WIDE), ("hip", "knee", WIDE),
    ("knee", "ankle", SLIM), ("ankle", "heel", WIDE), ("ankle", "foot_index", WIDE), ("heel", "foot_index", WIDE),
)  # fmt: skip
"""Their ends, and half their width where they are lost."""
TRUNK = ("left_shoulder", "right_shoulder", "right_hip", "left_hip")


@dataclass(frozen=True)
class Looks:
    """What three looks say of a crop: shares of the person float32 [S, S].

    coarse  BlazePose's
    fine    MODNet's
    second  MODNet's, smaller and in a mirror
    """

    coarse: np.ndarray
    fine: np.ndarray
    second: np.ndarray


def person_mask(
    shape: tuple[int, int],
    crop: np.ndarray,
    window: tuple[float, float, float],
    looks: Looks,
    person: Person,
    others: Sequence[Person],
    landmarks: Landmarks,
) -> np.ndarray:
    """Soft mask float32 [S, S] of a person in a crop uint8 [S, S, 3], the window (x, y, scale) of a picture of `shape`
    (H, W), in whose pixels `person`, `others` and `landmarks` are given.
    """
    size, coarse = crop.shape[0], looks.coarse
    theirs = strangers(coarse, person, others, window)
    points = (person.xy[person.confidence > 0.5] - window[:2]) * window[2]
    solid = connected(without_others(coarse, person, others, window) > 0.5, points)
    seen = landmarks.moved(*window)
    alpha = held(voted(looks.fine, looks.second, coarse) * ~theirs, solid)
    lost = lost_limbs(alpha, coarse * solid, seen)
    if not lost.any():
        return alpha
    filled = (cv2.dilate(lost.astype(np.uint8), disc(size / 60)) > 0) & limbs_of(seen, size) & solid
    whole = continued(filled | (alpha > 0.5), shape, window)
    return np.maximum(alpha, matted(crop, whole) * cv2.dilate(filled.astype(np.uint8), disc(size / 200)))


def looked_at(
    pixels: np.ndarray,
    window: tuple[float, float, float],
    size: int,
    pose: BlazePose,
    modnet: Modnet,
    person: Person,
    landmarks: Landmarks,
) -> Looks:
    """The looks at a window (x, y, scale) of a picture uint8 [H, W, 3], in whose pixels the person's points are given;
    size: S. MODNet sees the person's box.
    """
    points = np.concatenate([person.pixels, landmarks.xy[landmarks.confidence > 0.3]])
    low, high = points.min(axis=0), points.max(axis=0)
    margin, limits = MARGIN * (high - low).max(), pixels.shape[1::-1]
    left, top = np.floor(low - margin).astype(int).clip(0, limits)
    right, bottom = np.ceil(high + margin).astype(int).clip(0, limits)
    box = np.ascontiguousarray(pixels[top:bottom, left:right])
    x, y, scale = window
    matrix = np.array([[scale, 0, (left + 0.5 - x) * scale - 0.5], [0, scale, (top + 0.5 - y) * scale - 0.5]])
    found = (modnet(box, AREAS[0]), modnet(box[:, ::-1], AREAS[1])[:, ::-1])
    return Looks(pose.mask(pixels, person, window, size), *(_warped(alpha, matrix, size) for alpha in found))


def _warped(alpha: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """An alpha in the crop; what lies beyond its box is nobody."""
    shrink = matrix[0, 0]
    if shrink < 1:
        height, width = alpha.shape
        small = max(1, round(width * shrink)), max(1, round(height * shrink))
        alpha = cv2.resize(alpha, small, interpolation=cv2.INTER_AREA)
        ratio = np.array([width / small[0], height / small[1]])
        offset = matrix[:, 2] + 0.5 - 0.5 * shrink
        matrix = np.column_stack([np.diag(shrink * ratio), offset + 0.5 * shrink * ratio - 0.5])
    return cv2.warpAffine(np.ascontiguousarray(alpha), matrix, (size, size), flags=cv2.INTER_CUBIC).clip(0, 1)


def strangers(
    coarse: np.ndarray, person: Person, others: Sequence[Person], window: tuple[float, float, float]
) -> np.ndarray:
    """Pixels bool [S, S] of those who stand in front, and of those behind where the coarse mask [S, S] says nothing."""
    out = np.zeros(coarse.shape, bool)
    for other in others:
        theirs = other.region.seen_in(*window).paste(other.mask, coarse.shape) > 0.5
        out |= theirs if in_front(other, person) else theirs & (coarse < 0.5)
    return out


def voted(fine: np.ndarray, second: np.ndarray, coarse: np.ndarray) -> np.ndarray:
    """The fine alpha [S, S], and what the majority of the three says where two are against it in more than an edge."""
    middle = np.maximum(np.minimum(fine, second), np.minimum(np.maximum(fine, second), coarse))      # the median
    against = ((middle > 0.5) != (fine > 0.5)).astype(np.uint8)
    radius = OUTVOTED * fine.shape[0]
    core = cv2.erode(against, disc(radius))
    return np.where(cv2.dilate(core, disc(2 * radius)) > 0, middle, fine).astype(np.float32)


def held(alpha: np.ndarray, solid: np.ndarray) -> np.ndarray:
    """The alpha [S, S] of what is connected with the coarse mask bool [S, S] and does not reach far beyond it."""
    size = alpha.shape[0]
    near = cv2.distanceTransform((~solid).astype(np.uint8), cv2.DIST_L2, 5) < REACH * size
    _, labels = cv2.connectedComponents(((alpha > 0.5) & near).astype(np.uint8))
    theirs = np.unique(labels[solid])
    kept = np.isin(labels, theirs[theirs > 0])
    return alpha * cv2.dilate(kept.astype(np.uint8), disc(size / 80))


def lost_limbs(alpha: np.ndarray, coarse: np.ndarray, landmarks: Landmarks) -> np.ndarray:
    """Parts bool [S, S] that the coarse mask [S, S] has and the alpha [S, S] lost; landmarks are the crop's.

    Close to bones, and in the trunk, whatever is missing; as wide as limbs are where much of the bone is missing.
    """
    size = alpha.shape[0]
    missing, certain = (((coarse > least) & (alpha < 0.5)).astype(np.uint8) for least in (0.5, CERTAIN))
    limbs, bones = (np.zeros((size, size), np.uint8) for _ in range(2))
    for start, end, wide in _bones(landmarks):
        points = np.floor(start + (end - start) * np.linspace(0, 1, 21)[:, None]).astype(int).clip(0, size - 1)
        lost = certain[points[:, 1], points[:, 0]].mean() >= LOST
        _draw_bone(limbs if lost else bones, start, end, wide if lost else NARROW)
    _draw_trunk(bones, landmarks)
    thin = disc(size / 120)
    return (cv2.erode(missing, thin) & limbs | cv2.erode(certain, thin) & bones) > 0


def limbs_of(landmarks: Landmarks, size: int) -> np.ndarray:
    """Where limbs and trunk can be, bool [size, size]; landmarks are the crop's."""
    out = np.zeros((size, size), np.uint8)
    for start, end, wide in _bones(landmarks):
        _draw_bone(out, start, end, wide)
    _draw_trunk(out, landmarks)
    return out > 0


def _bones(landmarks: Landmarks) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """Start and end [2] of each bone whose ends are seen, and half its limb's width, part of its length."""
    for side in ("left", "right"):
        for first, last, wide in BONES:
            names = [f"{side}_{first}", f"{side}_{last}"]
            if all(landmarks.seen(name, SURE) for name in names):
                yield *landmarks.select(names).xy.astype(np.float64), wide


def _draw_bone(canvas: np.ndarray, start: np.ndarray, end: np.ndarray, half: float) -> None:
    ends = (tuple(int(v) for v in np.floor(point)) for point in (start, end))
    cv2.line(canvas, *ends, 1, max(round(2 * half * float(np.linalg.norm(end - start))), canvas.shape[0] // 80))


def _draw_trunk(canvas: np.ndarray, landmarks: Landmarks) -> None:
    if all(landmarks.seen(name, SURE) for name in TRUNK):
        cv2.fillPoly(canvas, [np.floor(landmarks.select(TRUNK).xy).astype(np.int32)], 1)


def disc(radius: float) -> np.ndarray:
    """A round structuring element."""
    reach = max(1, round(radius))
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
