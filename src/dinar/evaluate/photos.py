"""Photos of which nothing is known but what the program finds, and perhaps where the person is in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dinar import images, pipeline
from dinar.avatar import open_body
from dinar.errors import InputError
from dinar.evaluate.cases import PHOTO_SIDE, Case, Cases, Target, azimuth_of, digest_of
from dinar.fit.fit import Fit, fit
from dinar.photo.cutout import TRANSPARENT, own_colours
from dinar.photo.photo import Photo
from dinar.store import Store
from dinar.synth.view import View

if TYPE_CHECKING:
    from dinar.camera import Camera

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".avif")


@dataclass(frozen=True)
class Photos(Cases):
    """A folder of photos, each of another person: the same view alone can be judged.

    data   the folder
    most   photos at most, the first by name
    masks  a folder of true masks by the photos' names without suffix, as large as the photos; the program does not see
           them. Without it a cut-out's transparency is its true mask; that the program does see.
    """

    data: Path
    most: int = 1_000_000
    masks: Path | None = None
    name = "photos"

    @property
    def people(self) -> tuple[str, ...]:
        if not self.data.is_dir():
            raise InputError(f"{self.data} is no folder")
        found = [path.name for path in sorted(self.data.iterdir()) if path.suffix.lower() in PICTURES]
        if not found:
            raise InputError(f"{self.data} holds no pictures ({', '.join(PICTURES)})")
        return tuple(found[: self.most])

    @property
    def facts(self) -> dict[str, str]:
        return {"masks": "given" if self.masks else "none"}

    def digest(self, person: str) -> str:
        if not (self.data / person).is_file():
            raise InputError(f"{self.data} has no {person}")
        mask = self._mask_of(person)
        return digest_of([self.data / person, *([mask] if mask else [])])

    @property
    def says(self) -> tuple[str, ...]:
        told = "as --masks tells" if self.masks else "where the photo is a cut-out its transparency"
        return (
            "Input and target: the crop of the photo about the largest person; mask, body and camera are found by the "
            f"program. The avatar is made of the crop as it is and judged in {PHOTO_SIDE} x {PHOTO_SIDE} pixels.",
            f"The true outline: {told}; photos without any have no outline to compare with.",
        )

    def case(self, person: str) -> Case:
        photo, found = _fitted(self.data / person)
        crop = View(photo.image, photo.mask, found.camera, found.body)
        image, mask, cut_out = self._truth(person, photo)
        side = (PHOTO_SIDE, PHOTO_SIDE)
        view = View(images.resize(image, side), images.resize(mask, side), crop.camera.resized(side), crop.body)
        azimuth = azimuth_of(view, open_body())
        return Case(person, crop, (Target("photo", view, azimuth, same=True, moved=False, cut_out=cut_out),))

    def _truth(self, person: str, photo: Photo) -> tuple[Tensor, Tensor, bool]:
        """Colours [3, S, S] and mask [1, S, S] of the crop to judge by, and whether the mask is a true one."""
        path = self._mask_of(person)
        picture = images.read(self.data / person)
        if path is not None:
            mask = images.read_mask(path)
            if tuple(mask.shape[1:]) != picture.size:
                raise InputError(f"{path} has another size than {self.data / person}; a mask has that of its photo")
            return photo.image, cropped(mask, photo), True
        if self.masks is not None or picture.alpha is None or (picture.alpha < 128).mean() <= TRANSPARENT:
            return photo.image, photo.mask, False
        mask = cropped(torch.from_numpy(picture.alpha)[None].float() / 255, photo)
        return own_colours(cropped(images.from_bytes(picture.pixels), photo), mask), mask, True

    def _mask_of(self, person: str) -> Path | None:
        if self.masks is None:
            return None
        if not self.masks.is_dir():
            raise InputError(f"{self.masks}, given as --masks, is no folder")
        found = [self.masks / f"{Path(person).stem}{suffix}" for suffix in PICTURES]
        return next((path for path in found if path.is_file()), None)


def cropped(mask: Tensor, photo: Photo) -> Tensor:
    """A mask [1, H, W] of the whole picture, in the photo's crop [1, S, S]; 0 beyond the picture."""
    x, y, scale = photo.window
    side = photo.image.shape[-1]
    window = round(side / scale)
    cut = images.crop(mask, round(x), round(y), (window, window), outside=0.0)
    return images.resize(cut, (side, side)).clamp(0, 1)


def looked_at(path: Path) -> tuple[View, Camera]:
    """A photo's crop as the program understands it, and the camera of the whole photo."""
    photo, found = _fitted(path)
    x, y, scale = photo.window
    whole = found.camera.resized(tuple(round(side / scale) for side in found.camera.size))
    return View(photo.image, photo.mask, found.camera, found.body), whole.cropped(-x, -y, photo.source_size)


def _fitted(path: Path) -> tuple[Photo, Fit]:
    photo = pipeline.look_at(path, Store())
    (found,) = fit([photo], open_body())
    return photo, found
