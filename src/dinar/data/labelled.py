"""Pictures of people with a label for each pixel, worn down strongly: what the parser learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from dinar import images
from dinar.data.dataset import MultiView
from dinar.errors import InputError
from dinar.parts import BodyPart

LABELS = ".parts.png"       # NAME.jpg and NAME.parts.png belong together
FREE = 0.12                 # of the person's larger side, left free around them before they are scaled


@dataclass(frozen=True)
class Wear:
    """How training pictures are made worse, so that real photos are no surprise; 0 switches a thing off.

    scale       spread of the person's size: up to exp(scale) times larger or smaller
    turn        most rotation, degrees
    shift       most shift, share of the canvas
    colour      spread of the logarithm of each channel's gain
    gamma       spread of the logarithm of the exponent
    grey        most loss of saturation
    noise       most standard deviation
    blur        most standard deviation, pixels of the canvas
    jpeg        share of pictures that are saved as JPEG of quality 15 to 95
    occluders   share of pictures with up to three things before the person
    backgrounds  share of the pictures with a soft mask whose background is another picture's
    """

    scale: float = 0.35
    turn: float = 12.0
    shift: float = 0.06
    colour: float = 0.12
    gamma: float = 0.35
    grey: float = 0.7
    noise: float = 0.05
    blur: float = 1.3
    jpeg: float = 0.5
    occluders: float = 0.3
    backgrounds: float = 0.3


@dataclass(frozen=True)
class LabelledPicture:
    """pixels uint8 [H, W, 3], labels uint8 [H, W] (`parts.BodyPart`), mask float32 [H, W] or None if none is told."""

    pixels: np.ndarray
    labels: np.ndarray
    mask: np.ndarray | None


@dataclass(frozen=True)
class Labelled:
    """One sample, or stacked with a leading batch axis.

    image   float32 [3, H, W] in [0, 1]
    labels  uint8 [H, W]
    """

    image: Tensor
    labels: Tensor

    @classmethod
    def stacked(cls, samples: Sequence[Labelled]) -> Labelled:
        return cls(torch.stack([s.image for s in samples]), torch.stack([s.labels for s in samples]))

    def to(self, device: torch.device | str) -> Labelled:
        return Labelled(self.image.to(device), self.labels.to(device))


class _Source(Protocol):
    def __len__(self) -> int: ...

    def read(self, number: int, rng: np.random.Generator) -> LabelledPicture: ...


class LabelledPeople(Dataset):
    """Pictures with label maps: folders of shards with labels (`dinar synth`), and folders of NAME.jpg and
    NAME.parts.png.

    `dataset[position]` is a `Labelled` for every position >= 0, a function of seed and position alone. Each round of
    len(dataset) positions has every person of the shards once, in one of their views, and every picture once.

    Raises InputError where a folder holds neither, or something in it is damaged or without labels (also later).
    """

    def __init__(
        self,
        places: Sequence[Path],
        canvas: tuple[int, int],                # height and width of samples
        *,
        seed: int = 0,
        wear: Wear | None = Wear(),
    ) -> None:
        self.sources: list[_Source] = [_source(Path(place)) for place in places]
        self.canvas, self.seed, self.wear = canvas, seed, wear

    def __len__(self) -> int:
        return sum(len(source) for source in self.sources)

    def __getitem__(self, position: int) -> Labelled:
        rng = np.random.default_rng([self.seed, position])
        turn, place = divmod(position, len(self))
        found = self._read(int(self._order(turn)[place]), rng)
        if self.wear is None:
            return _finished(*_placed(found, self.canvas, None, rng)[:2])
        other = self._read(int(rng.integers(len(self))), rng)
        return _finished(*_worn(found, other, self.canvas, self.wear, rng))

    def _read(self, number: int, rng: np.random.Generator) -> LabelledPicture:
        for source in self.sources:
            if number < len(source):
                return source.read(number, rng)
            number -= len(source)
        raise IndexError(number)

    def _order(self, turn: int) -> np.ndarray:
        if turn not in self._orders:
            self._orders.clear()
            self._orders[turn] = np.random.default_rng([self.seed, turn, 1]).permutation(len(self))
        return self._orders[turn]

    @cached_property
    def _orders(self) -> dict[int, np.ndarray]:
        return {}


class _Shards:
    def __init__(self, place: Path) -> None:
        self.place, self.people = place, MultiView(place)

    def __len__(self) -> int:
        return len(self.people)

    def read(self, number: int, rng: np.random.Generator) -> LabelledPicture:
        view = int(rng.integers(self.people.views(number)))
        labels = self.people.parts_of(number, view)
        if labels is None:
            raise InputError(f"{self.place} tells no parts of its people; make it anew with `dinar synth`")
        seen = self.people.view(number, view)
        return LabelledPicture(images.to_bytes(seen.image), labels.numpy(), seen.mask[0].numpy())


class _Pictures:
    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, number: int, rng: np.random.Generator) -> LabelledPicture:
        path = self.paths[number]
        pixels = images.read(path.with_name(path.name.removesuffix(LABELS) + ".jpg")).pixels
        content = np.fromfile(path, np.uint8)          # OpenCV opens names in Windows' code page
        labels = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE) if content.size else None
        if labels is None or labels.shape != pixels.shape[:2]:
            raise InputError(f"{path} is damaged or does not go with its picture")
        return LabelledPicture(pixels, labels, None)


def _source(place: Path) -> _Source:
    found = sorted(place.glob(f"*{LABELS}")) if place.is_dir() else []
    return _Pictures(found) if found else _Shards(place)


def _placed(
    found: LabelledPicture, canvas: tuple[int, int], wear: Wear | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Picture, labels and mask on the canvas, the person's larger side as long as the canvas is high, less some.

    Of people who are wider than it some part is seen. Beyond the picture its border is repeated, labelled background.
    """
    height, width = canvas
    rows, columns = (np.flatnonzero((found.labels > 0).any(axis)) for axis in (1, 0))
    if not len(rows):
        rows, columns = (np.arange(side) for side in found.labels.shape)
    low, high = np.array([columns[0], rows[0]]), np.array([columns[-1], rows[-1]]) + 1
    scale = height / ((1 + FREE) * (high - low).max())
    angle, flip, shift = 0.0, False, np.zeros(2)
    if wear is not None:
        scale *= np.exp(rng.uniform(-wear.scale, wear.scale))
        angle, flip = np.radians(rng.uniform(-wear.turn, wear.turn)), bool(rng.random() < 0.5)
        beyond = np.maximum(scale * (high - low) - (width, height), 0) / 2
        shift = rng.uniform(-1, 1, 2) * (beyond + wear.shift * np.array([width, height]))
    pixels, labels, mask = found.pixels, found.labels, found.mask
    if scale < 0.7:                              # without aliasing
        size = tuple(max(1, round(side * scale)) for side in labels.shape[::-1])
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        labels = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
        mask = None if mask is None else cv2.resize(mask, size, interpolation=cv2.INTER_AREA)
        low, high, scale = low * scale, high * scale, 1.0
    turned = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if flip:
        turned[:, 0] *= -1
    matrix = np.column_stack([turned, np.array([width, height]) / 2 + shift - turned @ ((low + high) / 2)])
    size = (width, height)
    out = cv2.warpAffine(pixels, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    labels = cv2.warpAffine(labels, matrix, size, flags=cv2.INTER_NEAREST)
    mask = None if mask is None else cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_LINEAR)
    return out.astype(np.float32) / 255, labels, mask


def _worn(
    found: LabelledPicture, other: LabelledPicture, canvas: tuple[int, int], how: Wear, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A picture made worse; see `Wear`. The same generator state gives the same picture."""
    image, labels, mask = _placed(found, canvas, how, rng)
    elsewhere = _somewhere(other.pixels, canvas, rng)
    if mask is not None and rng.random() < how.backgrounds:
        share = np.maximum(mask, labels > 0)[..., None]
        image = share * image + (1 - share) * elsewhere
    if rng.random() < how.occluders:
        thing = elsewhere if rng.random() < 0.5 else np.full_like(image, rng.uniform(0, 1, 3).astype(np.float32))
        covered = _occluders(canvas, rng)
        image = np.where(covered[..., None], thing, image)
        labels = np.where(covered, np.uint8(BodyPart.BACKGROUND), labels)
    image = image * np.exp(rng.normal(0, how.colour, 3)).astype(np.float32) * np.float32(np.exp(rng.normal(0, 0.1)))
    image = np.clip(image, 0, 1) ** np.float32(np.exp(rng.uniform(-how.gamma, how.gamma)))
    grey = np.float32(rng.uniform(0, how.grey) if rng.random() < 0.5 else 0)
    image = image + grey * (image.mean(axis=2, keepdims=True) - image)
    blur = rng.uniform(-how.blur / 2, how.blur)
    if blur > 0.2:
        image = cv2.GaussianBlur(image, (0, 0), blur)
    image = np.clip(image + np.float32(rng.uniform(0, how.noise)) * rng.standard_normal(image.shape, np.float32), 0, 1)
    if rng.random() < how.jpeg:
        pixels = np.rint(image * 255).astype(np.uint8)
        coded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 96))])[1]
        image = cv2.imdecode(coded, cv2.IMREAD_COLOR).astype(np.float32) / 255
    return image, labels


def _somewhere(pixels: np.ndarray, canvas: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Some part of a picture in the canvas' size."""
    height, width = pixels.shape[:2]
    scale = rng.uniform(0.3, 1.0) * min(height / canvas[0], width / canvas[1])
    h, w = (max(2, int(side * scale)) for side in canvas)
    top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    part = cv2.resize(pixels[top : top + h, left : left + w], canvas[::-1], interpolation=cv2.INTER_LINEAR)
    return (part[:, ::-1] if rng.random() < 0.5 else part).astype(np.float32) / 255


def _occluders(canvas: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Where up to three random polygons and ellipses lie, bool [H, W]."""
    drawn = np.zeros(canvas, np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        middle = rng.uniform(0, 1, 2) * canvas[::-1]
        reach = rng.uniform(0.03, 0.2, 2) * min(canvas)
        if rng.random() < 0.5:
            axes = tuple(int(r) for r in reach)
            cv2.ellipse(drawn, tuple(int(v) for v in middle), axes, rng.uniform(0, 180), 0, 360, 1, -1)
        else:
            angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 7))))
            corners = middle + 1.3 * reach * np.column_stack([np.cos(angles), np.sin(angles)])
            cv2.fillPoly(drawn, [np.rint(corners).astype(np.int32)], 1)
    return drawn > 0


def _finished(image: np.ndarray, labels: np.ndarray) -> Labelled:
    pixels = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    return Labelled(pixels.float(), torch.from_numpy(np.ascontiguousarray(labels)))
