"""What a photo's person wears, and their sex: added to what `photo.look` saw."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import Tensor

from dinar import images
from dinar.errors import InputError
from dinar.networks.parser import HumanParser
from dinar.photo import label_maps, parsing, sex
from dinar.photo.photo import Photo
from dinar.photo.source import Said
from dinar.store import Store

FEMALE = {"f": 1.0, "m": 0.0, "unsure": 0.5}      # probabilities


def understood(photo: Photo, said: Said, parser: HumanParser | None, store: Store | None) -> Photo:
    """The photo with parts, where there is a parser or a label map, and with the sex that the face tells
    and the age that its owner does.

    store  where the network that reads faces comes from; None: no face is read

    Raises InputError where the label map does not fit, held things are to be cut and nothing tells them, or a network
    is not to be had.
    """
    parts = None
    if said.labels is not None:
        parts = _in_crop(label_maps.read(*said.labels, photo.source_size), photo)
        if parser is not None:                   # the mask may hold more of the person than the map
            found = parsing.parse(parser.network, photo.image, photo.mask)
            parts = torch.where((photo.mask[0] > 0.5) & (parts == 0), found, parts * (photo.mask[0] > 0.5))
    elif parser is not None:
        parts = parsing.parse(parser.network, photo.image, photo.mask)
    mask = photo.mask
    if said.held == "cut" and parts is None:
        raise InputError("held things can be cut only where the parser's weights or a label map tell them")
    if said.held == "cut" or (said.held is None and parts is not None and not photo.own_mask):
        mask, parts = parsing.without_held(mask, parts)
    return replace(photo, mask=mask, parts=parts, female=_female(photo, said, store), child=said.age == "child")


def _female(photo: Photo, said: Said, store: Store | None) -> float | None:
    if said.sex is not None:
        return FEMALE[said.sex]
    if store is None or not all(photo.landmarks.seen(name) for name in sex.CORNERS):
        return None
    return sex.load_reader(store)(images.to_bytes(photo.image), photo.landmarks)


def _in_crop(labels: np.ndarray, photo: Photo) -> Tensor:
    """A label map [H, W] of the picture in the crop [S, S]."""
    x, y, scale = photo.window
    size = photo.image.shape[-1]
    matrix = np.array([[1 / scale, 0, x + 0.5 / scale - 0.5], [0, 1 / scale, y + 0.5 / scale - 0.5]])
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    return torch.from_numpy(cv2.warpAffine(labels, matrix, (size, size), flags=flags))
