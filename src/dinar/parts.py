"""What a picture of a person is made of: the names of its parts, their numbers in label maps, and their colours."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class BodyPart(IntEnum):
    """The value of a pixel or texel in a label map (uint8). Values stay as they are: files hold them."""

    BACKGROUND = 0
    HAIR = 1  # of the head
    FACE_SKIN = 2  # the face with ears, eyes, brows and beard; the neck is SKIN
    SKIN = 3  # all other
    UPPER = 4  # what the trunk wears next to the skin: shirts, jumpers, hoodies; ties and scarves too
    OUTER = 5  # what is worn over UPPER: jackets, coats, waistcoats
    LOWER = 6  # trousers, shorts, leggings, tights; belts too
    DRESS = 7  # skirts and dresses
    SHOES = 8  # socks too
    HEADWEAR = 9  # hats, caps, hoods that are up, headscarves
    GLASSES = 10
    BAG = 11  # bags, and what hands hold
    UNKNOWN = 255  # somebody, but nobody can tell what of


NAMES = {part: part.name.lower() for part in BodyPart}
COLOURS = {     # sRGB, 0 to 255
    BodyPart.BACKGROUND: (0, 0, 0),
    BodyPart.HAIR: (128, 64, 0),
    BodyPart.FACE_SKIN: (255, 200, 160),
    BodyPart.SKIN: (255, 140, 90),
    BodyPart.UPPER: (40, 110, 255),
    BodyPart.OUTER: (0, 190, 200),
    BodyPart.LOWER: (40, 170, 60),
    BodyPart.DRESS: (220, 60, 200),
    BodyPart.SHOES: (250, 220, 0),
    BodyPart.HEADWEAR: (200, 0, 40),
    BodyPart.GLASSES: (255, 255, 255),
    BodyPart.BAG: (130, 90, 220),
    BodyPart.UNKNOWN: (110, 110, 110),
}  # fmt: skip


def palette() -> np.ndarray:
    """The colour of every value, uint8 [256, 3]; values that name no part look like UNKNOWN."""
    table = np.tile(np.uint8(COLOURS[BodyPart.UNKNOWN]), (256, 1))
    for part, colour in COLOURS.items():
        table[part] = colour
    return table


def coloured(labels: np.ndarray) -> np.ndarray:
    """A label map uint8 [H, W] as a picture, sRGB uint8 [H, W, 3]."""
    return palette()[labels]
