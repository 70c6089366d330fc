"""What has to be filled once a person is taken out of a photo."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from dinar import images
from dinar.photo.blazepose import Person
from dinar.photo.photo import Photo
from dinar.photo.segmentation import in_front

FAINT = 0.08          # mask from which a pixel is the person's
EDGE = 0.022          # of the person's height: how far the hole goes beyond the mask
HAIR = 0.03           # the same about the head, where single hairs stand out
SOFT = 0.4            # of a probability about one half, that an outline of somebody in front takes
SHADE = 0.3           # shade on the ground from which it goes with the person


def mask_in_picture(photo: Photo, size: tuple[int, int]) -> Tensor:
    """The person's mask [1, H, W] in the frame of the whole picture, at another size."""
    x, y, scale = photo.window
    side = round(photo.mask.shape[-1] / scale)
    mask = images.resize(photo.mask, (side, side))
    whole = images.crop(mask, -round(x), -round(y), photo.source_size, outside=0)
    return images.resize(whole, size).clamp(0, 1)


def others_in_picture(people: Sequence[Person], mask: Tensor, source: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Everybody but the person with that mask [1, H, W], and those of them who stand in front: shares [1, H, W].

    people  in pixels of the picture of size `source`
    """
    size = tuple(mask.shape[1:])
    scale = size[0] / source[0]
    regions = [person.region.seen_in(0, 0, scale).paste(person.mask, size) for person in people]
    own = mask[0].numpy()
    shares = [float((own * region).sum() / max(region.sum(), 1)) for region in regions]
    me = int(np.argmax(shares)) if shares and max(shares) > 0.5 else None
    all_others, before = np.zeros(size, np.float32), np.zeros(size, np.float32)
    for k, region in enumerate(regions):
        if k != me and shares[k] < 0.5:
            all_others = np.maximum(all_others, region)
            if me is not None and in_front(people[k], people[me]):
                before = np.maximum(before, (region - 0.5 + SOFT / 2).clip(0, SOFT) / SOFT * (1 - own))
    return torch.from_numpy(all_others).float()[None], torch.from_numpy(before).float()[None]


def hole(mask: Tensor, head: tuple[float, float, float], shade: Tensor, others: Tensor) -> Tensor:
    """Where to fill [1, H, W], 0 or 1: the mask, grown for its soft edge and for hair, and the shade at the feet.

    mask    [1, H, W]         of the person
    head    (x, y, radius)    about which hair is looked for, pixels
    shade   [1, H, W]         of the person on the ground, as `shadow.Ground` tells it
    others  [1, H, W]         probability of other people, who stay
    """
    solid = (mask[0].numpy() > FAINT).astype(np.uint8)
    rows = np.flatnonzero(solid.any(axis=1))
    tall = rows[-1] - rows[0] + 1 if len(rows) else 1
    grown = _grown(solid, max(2, EDGE * tall))
    about = np.zeros_like(solid)
    cv2.circle(about, (round(head[0]), round(head[1])), round(head[2]), 1, -1)
    grown |= _grown(solid & about, max(3, HAIR * tall))
    grown |= (shade[0].numpy() > SHADE).astype(np.uint8)
    grown[(others[0].numpy() > 0.5) & (mask[0].numpy() < 0.5)] = 0
    return torch.from_numpy(grown).float()[None]


def _grown(mask: np.ndarray, radius: float) -> np.ndarray:
    side = 2 * round(radius) + 1
    return cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
