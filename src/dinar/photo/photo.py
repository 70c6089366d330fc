"""From a picture file to one person: square crop, mask, landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dinar import images
from dinar.errors import InputError
from dinar.networks import lifter
from dinar.photo import cutout, given_mask, openpose
from dinar.photo.blazepose import Person
from dinar.photo.given_mask import GivenMask
from dinar.photo.landmarks import BODY, Landmarks
from dinar.photo.lifting import lifted
from dinar.photo.masks import person_mask
from dinar.photo.segmentation import segment
from dinar.photo.sighting import Perception, Sighting, body_of, box_of, chosen, framed, require_whole, sight
from dinar.pictures import Picture, read
from dinar.store import Store

BAND = 256  # rows of a picture that are resampled at a time


@dataclass(frozen=True)
class Photo:
    """One person, cut out of a picture.

    image        float32 [3, S, S]  sRGB; beyond the picture's edge its border pixels are repeated
    mask         float32 [1, S, S]  the person's share of each pixel; 0 beyond the picture's edge
    landmarks    Landmarks          in pixels of this crop; 3D points as the lifter moved them (`lifting.lifted`)
    focal        float or None      focal length in pixels of this crop, where EXIF tells it
    source_size  (H, W)             of the upright picture
    window       (x, y, scale)      crop pixel p = (picture pixel - (x, y)) * scale
    parts        uint8 [S, S] or None   what each pixel shows of the person (`parts.BodyPart`), where something tells it
    female       float or None      the probability that the person is a woman, where a face is seen or somebody tells
    child        whether somebody tells that the person is a child
    notes        sentences about what the files lacked, and how it was read
    own_mask     whether the photo's owner said who is the person: by a mask, or as a cut-out
    """

    image: Tensor
    mask: Tensor
    landmarks: Landmarks
    focal: float | None
    source_size: tuple[int, int]
    window: tuple[float, float, float]
    parts: Tensor | None = None
    female: float | None = None
    child: bool = False
    notes: tuple[str, ...] = ()
    own_mask: bool = False

    @property
    def inside(self) -> Tensor:
        """Pixels of the crop that the picture has: bool [S, S]."""
        x, y, scale = self.window
        middle = (torch.arange(self.image.shape[-1]) + 0.5) / scale
        (height, width), row, column = self.source_size, middle + y, middle + x
        return ((row > 0) & (row < height))[:, None] & ((column > 0) & (column < width))


def look(
    path: Path,
    *,
    person: int | None = None,
    mask: Path | None = None,
    keypoints: Path | None = None,
    store: Store,
    seen: Sighting | None = None,
) -> Photo:
    """What a photo tells about one person.

    person     which one, counted from 1, from left to right; default: the largest
    mask       the user's own mask, a picture of the upright photo, white on the person (`given_mask.read`)
    keypoints  the user's own landmarks of the upright photo (`openpose.read`)
    store      where the networks come from; not touched where mask and keypoints are both given
    seen       of this photo and person, where the networks have looked already (`sighting.sight`)

    A picture with transparency around the person brings its own mask.

    Raises InputError where the file is no usable picture (see `pictures.read`), shows nobody or only half a person, has
    no person of that number, or where mask or keypoints do not fit it.
    """
    path, notes = Path(path), ()
    if seen is None:
        picture = read(path)
        given = None if mask is None else given_mask.read(mask, picture.size, path)
        if keypoints is None:
            seen = sight(path, store, picture=picture, person=person, given=given)
        else:
            seen, notes = _sight_by(Path(keypoints), path, picture, given, person, store)
    picture, (x, y, side, scale) = seen.picture, seen.square
    pixels = _cut(torch.from_numpy(picture.pixels).permute(2, 0, 1), x, y, (side, side), scale)
    alpha = None
    if cutout.matters(picture.alpha):
        alpha = _cut(torch.from_numpy(picture.alpha)[None], x, y, (side, side), scale, outside=0)
    own_mask = True
    if seen.given is None:
        pixels, soft, own_mask = _masked(seen, pixels, alpha, store)
    else:
        soft = _cut(seen.given.share, x, y, (side, side), scale, outside=0)
        if alpha is not None:
            pixels = cutout.own_colours(pixels, torch.minimum(alpha, soft))
    rows, columns = (
        _cut(torch.ones(1, 1, length), start, 0, (1, side), scale, outside=0)[0, 0]
        for length, start in zip(picture.size, (y, x), strict=True)
    )
    inside = rows[:, None] * columns
    return Photo(
        pixels,
        (soft * inside).clamp(0, 1),
        _lifted(seen.landmarks.moved(x, y, scale).tensors()),
        picture.focal and picture.focal * scale,
        picture.size,
        (float(x), float(y), scale),
        notes=notes + (seen.given.notes if seen.given else ()),
        own_mask=own_mask,
    )


def _masked(seen: Sighting, pixels: Tensor, alpha: Tensor | None, store: Store) -> tuple[Tensor, Tensor, bool]:
    """A crop [3, S, S] and its mask [1, S, S], for which nobody gave one, and whether it is the picture's own; alpha
    [1, S, S] is that.
    """
    if alpha is not None:
        pose = Perception.load(store).pose
        solid = segment(seen.picture.pixels, seen.window, pixels.shape[-1], pose, seen.person, seen.others)
        if cutout.is_mask(alpha, solid):
            soft = cutout.near(alpha, solid)
            return cutout.own_colours(pixels, soft), soft, True
    people = seen.person, seen.others, seen.landmarks
    looks = seen.looks or seen.looked_at(store)
    found = person_mask(seen.picture.size, images.to_bytes(pixels), seen.window, looks, *people)
    return pixels, torch.from_numpy(found)[None], False


def _sight_by(
    keypoints: Path, path: Path, picture: Picture, given: GivenMask | None, person: int | None, store: Store
) -> tuple[Sighting, tuple[str, ...]]:
    """Whom a file of keypoints shows in a photo, and how it was read."""
    listed, notes = openpose.read(keypoints, picture.size, path)
    found = Perception.load(store).pose(picture.pixels) if given is None else []
    landmarks = listed[chosen(keypoints, listed, [box_of(p) for p in listed], person, given)]
    seen = _matching(found, landmarks)
    if seen is not None:
        landmarks = _with_world(landmarks, seen)
    elif found and (seen := _matching(found, landmarks.other_sides())) is not None:
        notes += (f"{keypoints} has left and right the other way round than {path} shows them",)
    if cutout.matters(picture.alpha):
        landmarks = cutout.without_hidden(landmarks, picture.alpha)
    require_whole(path, landmarks, picture.size, None)
    if given is None and seen is None:
        _require_scale(keypoints, landmarks, found, path)
        raise InputError(f"{path} shows no person at the given keypoints; give a mask too")
    others = [p for p in found if p is not seen]
    return framed(picture, landmarks, seen, others, given and given.of(landmarks, keypoints), store), notes


def _matching(found: Sequence[Person], landmarks: Landmarks) -> Person | None:
    """Whom of the persons that BlazePose found the given landmarks belong to."""
    names = [name for name in BODY if landmarks.seen(name, 0.3)]
    if not found or len(names) < 3:
        return None
    given = landmarks.select(names).xy
    rows = [BODY.index(name) for name in names]
    distances = [float(np.median(np.linalg.norm(person.xy[rows] - given, axis=1))) for person in found]
    best = int(np.argmin(distances))
    return found[best] if distances[best] < 0.15 * np.ptp(given, axis=0).max() else None


def _require_scale(keypoints: Path, landmarks: Landmarks, found: Sequence[Person], path: Path) -> None:
    """InputError where the given landmarks are somebody's in the picture once they are scaled."""
    names = [name for name in BODY if landmarks.seen(name, 0.3)]
    rows = [BODY.index(name) for name in names]
    for person in found if len(names) > 2 else ():
        extents = [np.ptp(points, axis=0).max() for points in (person.xy[rows], landmarks.select(names).xy)]
        scale = float(extents[0] / max(extents[1], 1e-6))
        if _matching([person], replace(landmarks, xy=landmarks.xy * np.float32(scale))) is not None:
            raise InputError(
                f"{keypoints} fits {path} only if it is scaled by {scale:.2f}; it is of that picture in another size"
            )


def _with_world(landmarks: Landmarks, person: Person) -> Landmarks:
    """The user's 2D points, with BlazePose's 3D, lifted, where it has a point of the same name."""
    found, world = _lifted(body_of(person).tensors()).world.numpy(), landmarks.world.copy()
    for i, name in enumerate(landmarks.names):
        if name in BODY:
            world[i] = found[BODY.index(name)]
    return replace(landmarks, world=world)


def _lifted(landmarks: Landmarks) -> Landmarks:
    """Landmarks, tensors, as the shipped lifter moves them in depth."""
    known = lifter.shipped()
    return landmarks if known is None else lifted(known.network, landmarks)


def _cut(
    image: Tensor, x: int, y: int, size: tuple[int, int], scale: float, *, outside: float | None = None
) -> Tensor:
    """The window of an image [C, H, W], uint8 or float, at the crop's size, float32 in [0, 1]; sides of 1 stay 1."""
    high, wide = (side if side == 1 else round(side * scale) for side in size)
    bands = []
    for top in range(0, size[0], BAND):                      # a large picture in float32 takes more than all networks
        band = images.crop(image, x, y + top, (min(BAND, size[0] - top), size[1]), outside=outside)
        band = band / 255 if band.dtype == torch.uint8 else band.float()
        bands.append(band if wide == size[1] else images.resize(band, (band.shape[1], wide)))
    window = torch.cat(bands, dim=1)
    return window if high == size[0] else images.resize(window, (high, wide))
