"""Which part of a person each pixel of a crop shows."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from dinar import images
from dinar.networks.parser import Parser, padded
from dinar.parts import BodyPart, coloured

SIDE = 320       # pixels of the person's larger side with what is left free around it, as in training
FREE = 0.12      # part of the person's larger side
SMEAR = 1 / 200  # of the crop's side: so far around held things the mask is theirs too
HELD = 0.01      # of the person: what is smaller is no bag, but a hand that is taken for one
SHOWN = 0.6      # how much of their colours parts have where they are shown over the photo


@torch.inference_mode()
def probabilities(parser: Parser, image: Tensor) -> Tensor:
    """Of each part at each pixel of a picture [3, H, W] in [0, 1], shown at its own size: float32 [parts, H, W]."""
    height, width = image.shape[1:]
    size = padded(height), padded(width)
    fitted = images.resize(image, size)[None].contiguous(memory_format=torch.channels_last)
    return images.resize(parser(fitted)[0].softmax(0), (height, width))


def parse(parser: Parser, image: Tensor, mask: Tensor) -> Tensor:
    """The parts of the person in a crop: uint8 [S, S], `parts.BodyPart`, background where the mask is below a half.

    image  float32 [3, S, S] in [0, 1]
    mask   float32 [1, S, S]
    """
    there = mask[0] > 0.5
    out = torch.zeros(there.shape, dtype=torch.uint8)
    rows, columns = (there.any(axis).nonzero().flatten() for axis in (1, 0))
    if not len(rows):
        return out
    (top, bottom), (left, right) = ((int(v[0]), int(v[-1]) + 1) for v in (rows, columns))
    larger = max(bottom - top, right - left)
    free = round(FREE / 2 * larger)
    top, left = max(0, top - free), max(0, left - free)
    bottom, right = min(there.shape[0], bottom + free), min(there.shape[1], right + free)
    scale = SIDE / ((1 + FREE) * larger)
    part = image[:, top:bottom, left:right]
    small = images.resize(part, tuple(max(1, round(side * scale)) for side in part.shape[1:]))
    found = images.resize(probabilities(parser, small)[1:], part.shape[1:]).argmax(0).to(torch.uint8) + 1
    out[top:bottom, left:right] = torch.where(there[top:bottom, left:right], found, out[top:bottom, left:right])
    return out


def without_held(mask: Tensor, parts: Tensor) -> tuple[Tensor, Tensor]:
    """Mask [1, S, S] and parts [S, S] without bags and what hands hold, where they are not too small to be believed."""
    bag = (parts == BodyPart.BAG).numpy()
    _, pieces, box, _ = cv2.connectedComponentsWithStats(bag.astype(np.uint8))
    large = box[:, cv2.CC_STAT_AREA] >= HELD * float((parts != BodyPart.BACKGROUND).sum())
    bag &= large[pieces]
    reach = 2 * max(1, round(SMEAR * len(bag))) + 1
    around = cv2.dilate(bag.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    gone = torch.from_numpy(bag | around & (parts == BodyPart.BACKGROUND).numpy())
    return mask * ~gone, torch.where(gone, torch.zeros((), dtype=torch.uint8), parts)


def shown(image: Tensor, parts: Tensor) -> Tensor:
    """Parts [S, S] in their colours over the photo [3, S, S]."""
    colours = torch.from_numpy(coloured(parts.numpy())).permute(2, 0, 1).float() / 255
    weight = SHOWN * (parts != BodyPart.BACKGROUND)
    return image * (1 - weight) + colours * weight
