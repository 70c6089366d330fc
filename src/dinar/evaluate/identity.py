"""Is it the same person? Their face, their clothes, and what a network of the user's sees (section 4.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dinar.errors import InputError
from dinar.images import to_bytes
from dinar.photo.recognition import Network

if TYPE_CHECKING:
    from dinar.body.model import Body, BodyModel
    from dinar.camera import Camera

LOOKS = 0.5            # cosine between the face's direction and that to the camera from which a face is compared
PROFILE = -0.2         # the same for pictures of the head alone, so that profiles are
SMALLEST_FACE = 16     # pixels between the eyes and the mouth, below which a face is a smudge
CELLS = 8              # of the histogram, along each axis of Lab
INCEPTION_SIZE = (299, 299)
INCEPTION_FEATURES = 2048

_POINTS = ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left")


def face_points(model: BodyModel, body: Body, camera: Camera, *, looks: float = LOOKS) -> Tensor | None:
    """The pixels of both eyes, the nose and the mouth's corners [5, 2]; None where the face looks away or is too small.

    looks  least cosine between the face's direction and that to the camera

    Raises InputError for a body without these landmarks.
    """
    missing = [name for name in _POINTS if name not in model.landmark_names]
    if missing:
        raise InputError(f"the body {model.name} has no {missing[0]}, so faces cannot be compared")
    with torch.no_grad():
        few = model.only_landmarks()
        points = few.landmarks(few(body))[0]
    points = points[[list(model.landmark_names).index(name) for name in _POINTS]]
    right, left, nose, mouth = points[0], points[1], points[2], points[3:].mean(0)
    ahead = functional.normalize(torch.linalg.cross(left - right, (right + left) / 2 - mouth), dim=0)
    view = functional.normalize(camera.position - nose, dim=0)
    pixels = camera.project(points)
    height = float((pixels[:2, :2].mean(0) - pixels[3:, :2].mean(0)).norm())
    if float(ahead @ view) < looks or height < SMALLEST_FACE or not bool((pixels[:, 2] > 0).all()):
        return None
    return pixels[:, :2]


def inception_features(network: Network, image: Tensor) -> Tensor:
    """Features [2048] of a picture [1, 3, H, W] for KID: the network takes [1, 3, 299, 299], RGB in [0, 1].

    Raises InputError where it gives other features: KID is that of FID's Inception and of no other network.
    """
    found = network(functional.interpolate(image, INCEPTION_SIZE, mode="bilinear", antialias=True))
    if len(found) != INCEPTION_FEATURES:
        raise InputError(f"{network.path} gives {len(found)} features; FID's Inception gives {INCEPTION_FEATURES}")
    return found


def clothing_distance(image: Tensor, mask: Tensor, truth: Tensor, true_mask: Tensor, region: Tensor) -> float:
    """Hellinger distance of the Lab histograms of two pictures [3, H, W] in `region` [H, W]; 1 where one is empty."""
    first, second = (
        _histogram(picture, region & (there[0] > 0.5)) for picture, there in ((image, mask), (truth, true_mask))
    )
    return float(np.sqrt(max(0.0, 1 - np.sqrt(first * second).sum())))


def _histogram(picture: Tensor, where: Tensor) -> np.ndarray:
    """Shares of the cells [8, 8, 8], each pixel divided among the nearest eight: a faint shift of light is no jump."""
    lab = cv2.cvtColor(to_bytes(picture), cv2.COLOR_RGB2LAB)[where.numpy()].astype(np.float64)
    place = np.clip(lab / 256 * CELLS - 0.5, 0, CELLS - 1)
    low = np.minimum(place.astype(int), CELLS - 2)
    part = place - low
    cells = np.zeros((CELLS,) * 3)
    for corner in np.ndindex(2, 2, 2):
        weight = np.where(corner, part, 1 - part).prod(1)
        np.add.at(cells, tuple((low + corner).T), weight)
    return cells / max(len(lab), 1)
