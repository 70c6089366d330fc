"""The networks that make and draw neural textures, trained together and kept together (section 3.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor
from torch.nn import functional

from dinar.networks import pretrained
from dinar.networks.encoder import Encoder
from dinar.networks.renderer import Renderer
from dinar.networks.texture_generator import TextureGenerator

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

MARKER = "appearance.json"

MARGIN = 0.05   # of the person's larger side, left free around them when they are framed for the encoder
BLANK = 0.5     # what the encoder sees behind the person: its own zero

_PARTS = {"encoder": Encoder, "generator": TextureGenerator, "renderer": Renderer}


@dataclass(frozen=True, eq=False)
class Appearance:
    """Encoder, generator and renderer of one training.

    name      what an avatar remembers its weights by: the preset and a digest of the weights
    follows   earlier ones with the same encoder and generator, whose avatars the renderer draws as well
    """

    name: str
    encoder: Encoder
    generator: TextureGenerator
    renderer: Renderer
    follows: tuple[str, ...] = ()

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The three networks of a folder, on the CPU, ready for use.

        Raises InputError where one is missing, damaged or of another kind.
        """
        (name, earlier), parts = pretrained.load_family(folder, MARKER, ("name",), _PARTS, optional=("follows",))
        return cls(name, **parts, follows=tuple(earlier.split()))

    def save(self, folder: Path, configs: Mapping[str, DataclassInstance]) -> None:
        """Writes a folder that `load` reads, whole or not at all; `configs` are the constructors' arguments by part.

        Raises ValueError where a network is not what its config describes, InputError where the folder cannot be
        written.
        """
        parts = {part: getattr(self, part) for part in _PARTS}
        facts = {"name": self.name} | ({"follows": " ".join(self.follows)} if self.follows else {})
        pretrained.save_family(folder, MARKER, facts, parts, configs)

    def to(self, device: torch.device | str) -> Self:
        """On a device; networks that are there are not copied."""
        return replace(self, **{part: pretrained.moved(getattr(self, part), device) for part in _PARTS})

    @classmethod
    def named(cls, preset: str, encoder: Encoder, generator: TextureGenerator, renderer: Renderer) -> Self:
        """Networks with the name that their weights make."""
        return cls(f"{preset}-{pretrained.digest(encoder, generator, renderer)}", encoder, generator, renderer)

    def generated(self, image: Tensor, mask: Tensor) -> Tensor:
        """The generated channels for photos: image [B, 3, H, W], mask [B, 1, H, W] in [0, 1] -> [B, 16, S, S]."""
        return self.of_framed(torch.cat(framed(image, mask, self.encoder.resolution), dim=1))

    def of_framed(self, photos: Tensor) -> Tensor:
        """The same for photos as the encoder looks at them (`framed`): colours and mask [B, 4, E, E] in [0, 1]."""
        with torch.no_grad():
            return self.generator(self.encoder(*photos.split([3, 1], dim=1)))


@lru_cache(maxsize=1)
def shipped() -> Appearance:
    """The weights that come with the package, loaded once. Raises InputError where it has none."""
    return Appearance.load(Path(str(files("dinar"))) / "weights" / "appearance")


def framed(image: Tensor, mask: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """The people alone, each as large as a square holds: what the encoder looks at, here and in training.

    image [B, 3, H, W], mask [B, 1, H, W] in [0, 1] -> [B, 3, side, side] and [B, 1, side, side]. Behind the people
    everything is `BLANK`, so that no background that training lacks can mislead.
    """
    pictures = torch.cat([(image - BLANK) * mask, mask], dim=1).float()
    crops = torch.cat([_crop(picture[None], side) for picture in pictures])
    return (crops[:, :3] + BLANK).clamp(0, 1), crops[:, 3:].clamp(0, 1)


def _crop(picture: Tensor, side: int) -> Tensor:
    """The square about the person of [1, 4, H, W], its last channel the mask: [1, 4, side, side]."""
    height, width = picture.shape[2:]
    inside = picture[0, 3] > 0.5
    rows, columns = inside.any(1).nonzero().flatten(), inside.any(0).nonzero().flatten()
    if not len(rows):
        rows, columns = torch.arange(height), torch.arange(width)
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    left, right = int(columns[0]), int(columns[-1]) + 1
    reach = round(max(bottom - top, right - left) * (0.5 + MARGIN))
    y, x = (top + bottom) // 2 - reach, (left + right) // 2 - reach
    padding = (-x, x + 2 * reach - width, -y, y + 2 * reach - height)   # negative where something is cut off
    square = functional.pad(picture, padding)
    return functional.interpolate(square, (side, side), mode="bilinear", antialias=True, align_corners=False)

