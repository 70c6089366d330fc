"""A mask that the user brings: a matte, a label map, of another size, with more in it than the person."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from dinar import images, pictures
from dinar.errors import InputError
from dinar.photo.landmarks import Landmarks
from dinar.raster.nearest import nearest

MOST_LABELS = 64          # colours of a label map
SATURATED = 40            # levels between the channels of a colour
APART = 1.02              # of sizes: closer ones are a slip and no scale
GAP = 0.02                # of the person's size: parts that are so near to the person belong to them
LEAST, MOST = 1e-3, 0.98  # of a picture that a person fills
INSIDE = 0.3              # of a person's points that lie in their mask at least


@dataclass(frozen=True)
class GivenMask:
    """A user's mask, in pixels of the upright photo.

    path   where it is from
    share  float32 [1, H, W] in [0, 1]
    notes  how it was read, where that is not plain
    """

    path: Path
    share: Tensor
    notes: tuple[str, ...] = ()

    def inside(self, landmarks: Landmarks) -> float:
        """The part of a person's trusted points that lies in the mask."""
        points = np.floor(landmarks.xy[landmarks.confidence > 0.3]).astype(int)
        height, width = self.share.shape[1:]
        within = points[((points >= 0) & (points < (width, height))).all(axis=1)]
        return float((self.share[0, within[:, 1], within[:, 0]] > 0.5).sum()) / max(1, len(points))

    def of(self, landmarks: Landmarks, source: Path) -> GivenMask:
        """Only those parts of the mask that hold the person's points, or lie close to them.

        source  where the points are from: the photo, or a file of keypoints

        Raises InputError where the person lies outside of it.
        """
        if self.inside(landmarks) < INSIDE:
            raise InputError(
                f"{self.path} leaves out the person of {source}; a mask is white on the person and black elsewhere"
            )
        points = landmarks.xy[landmarks.confidence > 0.3]
        solid = self.share[0].numpy() > 0.5
        count, labels = cv2.connectedComponents(solid.astype(np.uint8))
        if count <= 2:
            return self
        columns, rows = np.floor(points).astype(int).T
        height, width = solid.shape
        within = (columns >= 0) & (rows >= 0) & (columns < width) & (rows < height)
        held = np.unique(labels[rows[within], columns[within]])
        held = held[held > 0]
        if not len(held):
            return self
        away = cv2.distanceTransform((~np.isin(labels, held)).astype(np.uint8), cv2.DIST_L2, 5)
        gap = max(2.0, GAP * float(np.ptp(points, axis=0).max()))
        kept = np.unique(labels[(labels > 0) & (away <= gap)])
        return GivenMask(self.path, self.share * torch.from_numpy(np.isin(_nearest(labels), kept)), self.notes)


def read(path: Path, size: tuple[int, int], photo: Path) -> GivenMask:
    """The mask of a photo that has (H, W) pixels upright.

    Raises InputError where it is no mask, has other proportions, or marks nobody or everything.
    """
    path = Path(path)
    labels = pictures.read_labels(path)
    share, notes = _of_labels(path, labels) if labels is not None else _of_picture(path)
    found = tuple(share.shape[1:])
    if found != size:
        if not _same_proportions(found, size):
            raise InputError(
                f"{path} has {found[1]} x {found[0]} pixels but {photo} has {size[1]} x {size[0]}; "
                "a mask has the size of its photo, or its proportions"
            )
        share = images.resize(share, size).clamp(0, 1)
        notes += (f"{path} has {found[1]} x {found[0]} pixels; it was scaled to {size[1]} x {size[0]}",)
    part = float((share > 0.5).float().mean())
    if float(share.mean()) < LEAST or float(share.max()) < 0.5:
        raise InputError(f"{path} marks nobody; a mask is white on the person and black elsewhere")
    if part > MOST:
        raise InputError(f"{path} marks the whole picture; a mask is white on the person and black elsewhere")
    return GivenMask(path, share, notes)


def _of_labels(path: Path, labels: np.ndarray) -> tuple[Tensor, tuple[str, ...]]:
    note = f"{path} holds {len(np.unique(labels))} labels; all but 0 are taken for the person"
    return torch.from_numpy(labels > 0).float()[None], (note,)


def _of_picture(path: Path) -> tuple[Tensor, tuple[str, ...]]:
    """A grey picture, or one whose colours are labels: black is none of the person."""
    picture = pictures.read(path)
    if picture.alpha is not None:
        return torch.from_numpy(picture.alpha).float()[None] / 255, ()
    pixels = picture.pixels
    coloured = (np.ptp(pixels, axis=2) > SATURATED).mean()
    if coloured < LEAST:
        return torch.from_numpy(pixels.max(axis=2)).float()[None] / 255, ()
    flat = pixels.reshape(-1, 3).astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    colours = np.unique(flat)
    if len(colours) > MOST_LABELS or 0 not in colours:
        raise InputError(f"{path} is a picture in colours and no mask; a mask is white on the person, black elsewhere")
    return _of_labels(path, np.unique(flat, return_inverse=True)[1].reshape(pixels.shape[:2]))


def _same_proportions(mask: tuple[int, int], photo: tuple[int, int]) -> bool:
    """Whether one is the other scaled, sides rounded to pixels; a few pixels more or less are no scale."""
    scale = photo[1] / mask[1]
    return max(scale, 1 / scale) >= APART and abs(mask[0] * scale - photo[0]) <= max(scale, 1.0)


def _nearest(labels: np.ndarray) -> np.ndarray:
    """The label of the part that is nearest to each pixel [H, W]."""
    return labels.ravel()[nearest(labels > 0)]
