"""Whether photos show one person: their faces, and the colours of what they wear."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from dinar.errors import InputError
from dinar.images import to_bytes
from dinar.photo.photo import Photo
from dinar.photo.recognition import Network, cosine_distance, face_features, load_face
from dinar.store import Store

DIFFERENT = 42.0     # distance of two colours in Lab from which one person does not wear both
BRIGHTNESS = 0.4     # how much lightness counts beside colour: the light may have changed
FEW = 60             # pixels of a half, below which nothing is said of it
OTHER_FACE = 0.7     # cosine distance of SFace's features from which two faces are two people's
SMALLEST_FACE = 14   # pixels between eyes and mouth of the photo itself, below which nothing is said of a face
MOST_TURNED = 0.6    # how far the nose may stand off the eyes' middle, in distances of the eyes
_HALVES = {
    "upper": (("left_shoulder", "right_shoulder", "right_hip", "left_hip"),),
    "lower": (("left_hip", "left_knee"), ("right_hip", "right_knee")),
}
"""What the clothes are looked at on: the trunk between its corners, stripes along the thighs."""
_FACE = (("face_36", "face_39"), ("face_42", "face_45"), ("face_30",), ("face_48",), ("face_54",))
"""Landmarks whose means are right and left eye, nose and the mouth's corners."""


def require_one(photos: Sequence[Photo], paths: Sequence[Path], store: Store) -> tuple[str, ...]:
    """What to know of photos of one person: a sentence where their faces could not be compared.

    Raises InputError where two of them show other faces, or other clothes above or below the hips. Faces that are small
    or turned away, and clothes in similar colours, say nothing.
    """
    points, notes = [face_points(photo) for photo in photos], ()
    pair, by = None, "faces"
    if sum(there is not None for there in points) > 1:
        try:
            network = load_face(store)
        except InputError as error:
            notes = (f"the faces of the photos were not compared: {error}",)
        else:
            pair = other_faces([_features(network, *seen) for seen in zip(photos, points, strict=True)])
    if pair is None:
        pair, by = other_clothes(photos), "clothes"
    if pair is not None:
        first, second = (paths[k] for k in pair)
        raise InputError(
            f"{first} and {second} show other {by}, so perhaps two people; --each makes an avatar of each photo, "
            "--same makes one of them all"
        )
    return notes


def other_faces(features: Sequence[Tensor | None]) -> tuple[int, int] | None:
    """Indices of two faces that are two people's, by SFace's features [D] of them, where they are known."""
    for a, b in combinations([k for k, found in enumerate(features) if found is not None], 2):
        if cosine_distance(features[a], features[b]) > OTHER_FACE:
            return a, b
    return None


def other_clothes(photos: Sequence[Photo]) -> tuple[int, int] | None:
    """Indices of two photos that show other clothes above or below the hips."""
    worn = [clothes(photo) for photo in photos] if len(photos) > 1 else []
    for a, b in combinations(range(len(worn)), 2):
        if any(np.linalg.norm(worn[a][half] - worn[b][half]) > DIFFERENT for half in worn[a].keys() & worn[b].keys()):
            return a, b
    return None


def face_points(photo: Photo) -> Tensor | None:
    """Both eyes, the nose and the mouth's corners [5, 2] in a photo; None where the face is small or turned away."""
    seen = photo.landmarks
    if not all(seen.seen(name) for names in _FACE for name in names):
        return None
    points = torch.stack([seen.select(names).xy.mean(0) for names in _FACE])
    right, left, nose, mouth = points[0], points[1], points[2], points[3:].mean(0)
    eyes, middle = left - right, (left + right) / 2
    height = float((mouth - middle).norm()) / photo.window[2]
    turned = float((nose - middle) @ eyes / eyes.square().sum())
    return points if height >= SMALLEST_FACE and abs(turned) <= MOST_TURNED else None


def clothes(photo: Photo) -> dict[str, np.ndarray]:
    """The middle colour [3] (Lab, lightness by its weight) of upper and lower clothes, where they are seen."""
    lab = cv2.cvtColor(to_bytes(photo.image), cv2.COLOR_RGB2LAB).astype(np.float32) * (BRIGHTNESS, 1, 1)
    solid = photo.mask[0].numpy() > 0.9
    seen = {half: lab[_region(photo, half) & solid] for half in _HALVES}
    return {half: np.median(colours, axis=0) for half, colours in seen.items() if len(colours) >= FEW}


def _features(network: Network, photo: Photo, points: Tensor | None) -> Tensor | None:
    return None if points is None else face_features(network, photo.image, points)


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
