"""Textures to learn from: each person's merged one, which is the truth, and those of single photos (section 3.3)."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dinar.data.dataset import Augmentation, Pair, augmented
from dinar.errors import InputError
from dinar.files import atomic_file
from dinar.networks import pretrained
from dinar.networks.appearance import framed
from dinar.presets import Preset
from dinar.synth.view import View
from dinar.texture.merging import merge, shares
from dinar.train.cached import CachedPeople

if TYPE_CHECKING:
    from dinar.networks.appearance import Appearance

VIEWS = 8            # that a truth is merged from at least (sections 3.3 and 4.2)


@dataclass(frozen=True)
class Dressed:
    """A texture as it is kept, and its generated channels or the photos those come from.

    painted    uint8 [3, R, R]      colours without holes
    masks      uint8 [2, S, S]      sampled and filled, {0, 1}
    photos     uint8 [P, 4, E, E]   colours and mask, framed for the encoder; none where the channels are kept
    shares     float32 [P, 1, S, S] how much the generated channels of each photo count (eq. 5)
    generated  float16 [C, S, S]    no channels where they are to be made of the photos
    offsets    float16 [V, 3]       the clothed outline that the colours lie on, metres (`fit.outline`)
    """

    painted: Tensor
    masks: Tensor
    photos: Tensor
    shares: Tensor
    generated: Tensor
    offsets: Tensor


class TextureSets(CachedPeople):
    """The textures of the people of some shards, made when first asked for and kept in a folder.

    A person's truth is the merge of all views (eq. 5), the bodies and masks exact, on the body in the outline of all
    masks. A person's input from a view is what `dinar create` would make of it: the body a little off, in the outline
    of this one mask, the picture worn as `Augmentation` says, the occlusion detector on. Poses may differ between
    views: the texture does not know them.

    With `appearance` the generated channels are kept as well, and each texture has its own colours only: making them
    for every lesson takes a CPU longer than all else that happens to it.

    Raises InputError where the folder holds other textures, or a person has fewer views than `least`.
    """

    MARKER = "textures.json"
    OTHERS = "other textures"

    def __init__(
        self,
        places: Sequence[Path],                    # folders of shards
        cache: Path,                               # where textures are kept
        preset: Preset,
        *,
        seed: int = 0,
        augmentation: Augmentation | None = Augmentation(),   # noqa: B008 (frozen); None: inputs are exact
        least: int = VIEWS,
        inputs: int | None = None,                 # views of each person that are inputs too; None: all
        most: int | None = None,                   # people at the start of `places`; None: all
        appearance: Appearance | None = None,      # whose generated channels are kept; None: made for each lesson
    ) -> None:
        super().__init__(places, cache, preset, seed)
        self.least, self.inputs, self.most, self.appearance = least, inputs, most, appearance
        self.augmentation = augmentation and replace(augmentation, colour=0.0)   # that is cheap enough for every lesson
        facts = {
            "places": [str(Path(place).resolve()) for place in places],
            "sizes": [preset.colour_size, preset.generator.size, preset.encoder.resolution],
            "seed": seed,
            "augmentation": repr(self.augmentation),
            "inputs": inputs,
            "made": "clothed bodies, outlines go on, opposite sides where the trunk's sides agree",
        }
        self.claim(facts)

    @cached_property
    def _maker(self) -> str:
        """Names what the generated channels depend on, which the renderer is no part of."""
        return pretrained.digest(self.appearance.encoder, self.appearance.generator)

    def __len__(self) -> int:
        """The number of people."""
        return min(len(self.people), self.most or len(self.people))

    def views(self, number: int) -> list[int]:
        """The views of person `number` that are inputs: the most frontal ones, as photos are, and one of the others."""
        count = self.people.views(number)
        if not self.inputs or self.inputs >= count:
            return list(range(count))
        order = sorted(range(count), key=lambda view: -self.people.frontality(number, view))
        rng = np.random.default_rng([self.seed, number, 6])
        return sorted([*order[: self.inputs - 1], int(rng.choice(order[self.inputs - 1 :]))])

    def source(self, number: int, view: int) -> View:
        """A view as a photo of it would be seen, segmented and fitted."""
        clean = self.people.view(number, view)
        if self.augmentation is None:
            return clean
        rng = np.random.default_rng([self.seed, number, view, 5])
        return augmented(Pair(clean, clean, ""), self.augmentation, rng).source

    def partial(self, number: int, view: int) -> Dressed:
        """What one view shows of person `number`; the view is one of `views`."""
        with self._opened(number) as kept:
            names = ("painted", "masks", "photo", "offsets")
            painted, masks, photo, offsets = (torch.from_numpy(kept[f"{name}{view}"]) for name in names)
        side = self.preset.generator.size
        return self._dressed(number, view, painted, masks, photo[None], torch.ones(1, 1, side, side), offsets)

    def merged(self, number: int) -> Dressed:
        """What all views show of person `number`: the truth."""
        with self._opened(number) as kept:
            painted, masks, offsets = (torch.from_numpy(kept[name]) for name in ("painted", "masks", "offsets"))
            photos, share = self._photos(kept, number) if self.appearance is None else (None, None)
        return self._dressed(number, None, painted, masks, photos, share, offsets)

    def dressed(self, number: int) -> list[Dressed]:
        """The truth of person `number` and what each input shows of it."""
        return [self.merged(number), *(self.partial(number, view) for view in self.views(number))]

    def prepare(self, number: int) -> None:
        """Makes and keeps what is not kept yet of person `number`."""
        self._opened(number).close()
        if self.appearance is not None:
            self._generated(number)

    def _dressed(
        self,
        number: int,
        view: int | None,
        painted: Tensor,
        masks: Tensor,
        photos: Tensor,
        share: Tensor,
        offsets: Tensor,
    ) -> Dressed:
        side, framed = self.preset.generator.size, self.preset.encoder.resolution
        if self.appearance is None:
            return Dressed(painted, masks, photos, share, torch.zeros(0, side, side, dtype=torch.half), offsets)
        nothing = torch.zeros(0, 4, framed, framed, dtype=torch.uint8), torch.zeros(0, 1, side, side)
        which = 0 if view is None else 1 + self.views(number).index(view)
        return Dressed(painted, masks, *nothing, torch.from_numpy(self._generated(number)[which].copy()), offsets)

    def _photos(self, kept: np.lib.npyio.NpzFile, number: int) -> tuple[Tensor, Tensor]:
        photos = torch.stack([torch.from_numpy(kept[f"photo{k}"]) for k in range(self.people.views(number))])
        return photos, torch.from_numpy(kept["shares"]).float()

    def _generated(self, number: int) -> np.ndarray:
        """Generated channels of the truth and of each input, float16 [1 + inputs, C, S, S].

        The truth's are merged from the inputs' alone: they are everywhere, and each photo takes a CPU a quarter second.
        """
        path = self.cache / self._maker / f"{number:06d}.npy"
        if not path.exists():
            inputs = self.views(number)
            with self._opened(number) as kept:
                photos, share = (part[inputs] for part in self._photos(kept, number))
            share = (share + 1e-3) / (share + 1e-3).sum(0)
            with torch.no_grad():
                each = torch.cat([self.appearance.of_framed(photo[None].float() / 255) for photo in photos])
            found = torch.cat([(each * share).sum(0)[None], each])
            with atomic_file(path) as temporary, temporary.open("wb") as file:
                np.save(file, found.half().numpy())
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise InputError(f"{path} is damaged; remove it and it is made anew") from error

    def _opened(self, number: int) -> np.lib.npyio.NpzFile:
        path = self.cache / f"{number:06d}.npz"
        if not path.exists():
            with atomic_file(path) as temporary, torch.no_grad():
                np.savez_compressed(temporary, **self._made(number))
        try:
            return np.load(path, allow_pickle=False)
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise InputError(f"{path} is damaged; remove it and it is made anew") from error

    def _made(self, number: int) -> dict[str, np.ndarray]:
        count, tailor, side = self.people.views(number), self.tailor, self.preset.generator.size
        if count < self.least:
            raise InputError(
                f"person {number} of {self.places[0]} has {count} views; textures are merged from {self.least} or more "
                f"(`dinar synth --views {self.least}`)"
            )
        views, inputs = [self.people.view(number, k) for k in range(count)], self.views(number)
        model = tailor.clothed(*views)
        exact = [tailor.sampled(view, model) for view in views]
        found = {"offsets": _halves(model.offsets)}
        for k in range(count):
            view = self.source(number, k)
            photo = torch.cat(framed(view.image[None], view.mask[None], self.preset.encoder.resolution), dim=1)
            found[f"photo{k}"] = _bytes(photo[0])
            if k in inputs:
                model = tailor.clothed(view)
                texture, painted = tailor.dress(view, model)
                found[f"offsets{k}"] = _halves(model.offsets)
                found[f"painted{k}"] = _bytes(painted[0])
                found[f"masks{k}"] = small_masks(texture.sampled, texture.filled, side).numpy()
        truth = merge(exact)
        found["painted"] = _bytes(tailor.filled(truth)[0])
        found["masks"] = small_masks(truth.sampled, truth.filled, side).numpy()
        found["shares"] = shares(torch.stack([t.frontality for t in exact]), side)[:, 0].half().numpy()
        return found


def _halves(offsets: Tensor) -> np.ndarray:
    return offsets.half().numpy()     # to a tenth of a millimetre


def _bytes(image: Tensor) -> np.ndarray:
    return (image * 255).round().clamp(0, 255).to(torch.uint8).numpy()


def small_masks(sampled: Tensor, filled: Tensor, side: int) -> Tensor:
    """Masks [1, 1, R, R] of a texture as `Dressed` keeps them: uint8 [2, side, side]."""
    return functional.adaptive_max_pool2d(torch.cat([sampled, filled], dim=1), side)[0].to(torch.uint8)
