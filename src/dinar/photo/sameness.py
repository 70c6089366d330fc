"""Whether photos show one person: the colours of what they wear."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import cv2
import numpy as np

from dinar.images import to_bytes
from dinar.photo.photo import Photo

DIFFERENT = 42.0     # distance of two colours in Lab from which one person does not wear both
BRIGHTNESS = 0.4     # how much lightness counts beside colour: the light may have changed
FEW = 60             # pixels of a half, below which nothing is said of it
_HALVES = {
    "upper": (("left_shoulder", "right_shoulder", "right_hip", "left_hip"),),
    "lower": (("left_hip", "left_knee"), ("right_hip", "right_knee")),
}
"""What the clothes are looked at on: the trunk between its corners, stripes along the thighs."""


def strangers(photos: Sequence[Photo]) -> tuple[int, int] | None:
    """Indices of two photos that show other clothes above or below the hips; None where all may show one person.

    Clothes in similar colours say nothing: the same person, or another.
    """
    worn = [clothes(photo) for photo in photos] if len(photos) > 1 else []
    for a, b in combinations(range(len(worn)), 2):
        if any(np.linalg.norm(worn[a][half] - worn[b][half]) > DIFFERENT for half in worn[a].keys() & worn[b].keys()):
            return a, b
    return None


def clothes(photo: Photo) -> dict[str, np.ndarray]:
    """The middle colour [3] (Lab, lightness by its weight) of upper and lower clothes, where they are seen."""
    lab = cv2.cvtColor(to_bytes(photo.image), cv2.COLOR_RGB2LAB).astype(np.float32) * (BRIGHTNESS, 1, 1)
    solid = photo.mask[0].numpy() > 0.9
    seen = {half: lab[_region(photo, half) & solid] for half in _HALVES}
    return {half: np.median(colours, axis=0) for half, colours in seen.items() if len(colours) >= FEW}


def _region(photo: Photo, half: str) -> np.ndarray:
    """Bool [S, S]."""
    out = np.zeros(photo.image.shape[1:], np.uint8)
    for names in _HALVES[half]:
        if not all(photo.landmarks.seen(name, 0.3) for name in names):
            continue
        points = photo.landmarks.select(names).xy.numpy()
        if len(names) == 2:
            width = max(3, round(0.25 * float(np.linalg.norm(points[1] - points[0]))))
            cv2.line(out, *(tuple(int(v) for v in point) for point in points), 1, width)
        else:
            middle = points.mean(axis=0)
            cv2.fillConvexPoly(out, np.rint(middle + 0.85 * (points - middle)).astype(np.int32), 1)
    return out > 0
