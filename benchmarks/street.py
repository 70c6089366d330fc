"""Clothing Co-Parsing, what the other benchmarks measure with: street photos of whole people, each pixel labelled.

    git clone https://github.com/bearpaw/clothing-co-parsing

The photos were collected from the web: they are measured with, never shown and never passed on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import loadmat

from dinar import images
from dinar.errors import InputError
from dinar.parts import BodyPart

EVERY = 11   # photos whose index is a multiple of it are for measuring, the others for training

MERGED = {
    BodyPart.BACKGROUND: "null",
    BodyPart.HAIR: "hair",
    BodyPart.SKIN: "skin",                   # of the face too: `parts_of_skin` tells them apart
    BodyPart.UPPER: "blouse bodysuit bra gloves hoodie intimate jumper scarf shirt sweater sweatshirt t-shirt tie top",
    BodyPart.OUTER: "blazer cape cardigan coat jacket vest",
    BodyPart.LOWER: "belt jeans leggings panties pants shorts stockings tights",
    BodyPart.DRESS: "dress romper skirt swimwear",
    BodyPart.SHOES: "boots clogs flats heels loafers pumps sandals shoes sneakers socks wedges",
    BodyPart.HEADWEAR: "hat",
    BodyPart.GLASSES: "glasses sunglasses",
    BodyPart.BAG: "bag purse wallet",
    BodyPart.UNKNOWN: "accessories bracelet earrings necklace ring suit watch",   # a suit is jacket and trousers
}
"""Our part of each of its 59 labels."""


@dataclass(frozen=True)
class Street:
    """A photo and what is known of it.

    name    its number, four digits
    pixels  uint8 [H, W, 3]
    labels  uint8 [H, W], `parts.BodyPart`
    """

    name: str
    pixels: np.ndarray
    labels: np.ndarray


class StreetPhotos:
    """The labelled photos of a copy of the repository, in the order of their names.

    Raises InputError where the folder is none, or a file of it is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            names = loadmat(folder / "label_list.mat")["label_list"].ravel()
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{folder} holds no Clothing Co-Parsing (label_list.mat)") from error
        known = {name: part for part, words in MERGED.items() for name in words.split()}
        self.table = np.array([known[str(name.ravel()[0])] for name in names], np.uint8)
        found = sorted(path.stem for path in (folder / "annotations" / "pixel-level").glob("*.mat"))
        self.names = [name for name in found if name != "0536"]     # whose label map is empty

    @property
    def measured(self) -> list[str]:
        """The photos that are never trained on."""
        return self.names[::EVERY]

    @property
    def others(self) -> list[str]:
        return [name for k, name in enumerate(self.names) if k % EVERY]

    def read(self, name: str) -> Street:
        path = self.folder / "annotations" / "pixel-level" / f"{name}.mat"
        try:
            labels = self.table[loadmat(path)["groundtruth"]]
        except (OSError, ValueError, KeyError, IndexError) as error:
            raise InputError(f"{path} is damaged") from error
        pixels = images.read(self.path(name)).pixels
        if pixels.shape[:2] != labels.shape:
            raise InputError(f"{path} does not go with its photo")
        return Street(name, pixels, labels)

    def path(self, name: str) -> Path:
        return self.folder / "photos" / f"{name}.jpg"


def overlap(found: np.ndarray, true: np.ndarray) -> float:
    """Intersection over union of two masks bool [H, W]."""
    return float((found & true).sum() / max((found | true).sum(), 1))


def summed(rows: Iterable[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Intersection over union of each part over all pixels of all photos: found and true label maps -> [12].

    Pixels whose part nobody can tell are left out; NaN where a part is in no photo.
    """
    both, either = np.zeros(12), np.zeros(12)
    for found, true in rows:
        known = true != BodyPart.UNKNOWN
        for part in range(12):
            one, other = found[known] == part, true[known] == part
            both[part] += (one & other).sum()
            either[part] += (one | other).sum()
    return np.where(either > 0, both / np.maximum(either, 1), np.nan)
