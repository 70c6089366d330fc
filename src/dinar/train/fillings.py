"""Unseen sides as they are filled and painted, beside what is really there: what denoiser and detailer learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import Dataset

from dinar import texturing
from dinar.avatar import Avatar
from dinar.body.uv import texel_map
from dinar.data.dataset import Augmentation, Pair, augmented
from dinar.errors import InputError
from dinar.files import atomic_file
from dinar.inpainting.details import Freedom
from dinar.inpainting.inpainter import Inpainter
from dinar.networks.appearance import Appearance
from dinar.networks.parser import HumanParser
from dinar.painting import inpainted
from dinar.presets import Preset
from dinar.synth.view import View
from dinar.texture.layered import front_of, front_part, whole, whole_side
from dinar.texture.merging import merge, seen_part, shares
from dinar.texture.neural_texture import NeuralTexture
from dinar.texture.sampling import sample_photo
from dinar.train.avatars import avatar_of
from dinar.train.cached import CachedPeople
from dinar.train.lessons import Batch
from dinar.train.patterns import pattern, worn
from dinar.train.textures import Dressed, small_masks

GAIN = 0.25   # spread of the logarithm of each colour's gain, a lesson each: people wear more colours than learnt from
PATTERNED = 0.4   # of lessons wear a pattern over their clothes
TURNS = 4     # of a person's views that are photos, at most: the most frontal ones, as photos are
MERGED = 4    # views that the true generated channels come from: they are everywhere, and each takes a CPU long


@dataclass(frozen=True)
class Filled(Batch):
    """B textures of the atlas `clothed`, R texels a side, everything in [0, 1].

    plain    float32 [B, 3, R, R]  colours, filled without networks (`texture.filling`)
    painted  float32 [B, 3, R, R]  with what diffusion makes of them (section 3.4)
    known    float32 [B, 1, R, R]  1 where a photo shows them
    truth    float32 [B, 3, R, R]  what all views of the person show there
    shown    float32 [B, 1, R, R]  1 where any view does
    """

    plain: Tensor
    painted: Tensor
    known: Tensor
    truth: Tensor
    shown: Tensor


class Fillings(CachedPeople, Dataset):
    """`fillings[position]` is one texture, a function of seed and position alone, in colours of its own, and some of
    them with a pattern on its clothes.

    A view, worn as a photo is (`Augmentation`), becomes an avatar as `dinar create` makes it but for refinement, with
    its clothes and hair, and is painted. The truth lies on the same surface. Some 10 MB and 15 s of one core each.

    Raises InputError where the folder holds others.
    """

    MARKER = "fillings.json"
    OTHERS = "textures that others have filled"

    def __init__(
        self,
        places: Sequence[Path],                    # folders of shards
        cache: Path,                               # where they are kept
        preset: Preset,
        appearance: Appearance,
        inpainter: Inpainter,                      # of the same appearance; a detailer of its own is not asked
        *,
        parser: HumanParser | None = None,         # None: parts are those that the shards tell
        seed: int = 0,
        augmentation: Augmentation | None = Augmentation(),   # noqa: B008 (frozen); None: views are exact
        most: int | None = None,                   # people at the start of `places`; None: all
        turns: int = TURNS,                        # views of each that are photos
        ready: bool = False,                       # of these those only that are in the folder now
        gain: float = 0.0,                         # as GAIN
        patterned: float = 0.0,                    # as PATTERNED
    ) -> None:
        super().__init__(places, cache, preset, seed)
        inpainter = inpainter.detailed(None)
        self.appearance, self.inpainter, self.parser, self.augmentation = appearance, inpainter, parser, augmentation
        self.gain, self.patterned = gain, patterned
        self.claim(
            {
                "appearance": appearance.name,
                "inpainter": inpainter.name,
                "parser": parser and parser.name,
                "size": preset.colour_size,
                "seed": seed,
                "augmentation": repr(augmentation),
                "made": "with generated channels, painted over what is filled",
            }
        )
        count = min(len(self.people), most or len(self.people))
        every = [(number, turn) for turn in range(turns) for number in range(count)]
        self.members = [one for one in every if not ready or self.path(*one).exists()]
        if not self.members:
            raise InputError(f"nobody of {', '.join(map(str, places))} is in {cache} yet")

    def __len__(self) -> int:
        """The number of textures."""
        return len(self.members)

    def __getitem__(self, position: int) -> Filled:
        turn, place = divmod(position, len(self))
        rng = np.random.default_rng([self.seed, turn, 10])
        one = self.at(int(rng.permutation(len(self))[place]))
        rng = np.random.default_rng([self.seed, position, 11])
        gain = torch.from_numpy(np.exp(rng.normal(0, self.gain, 3)).astype(np.float32))[:, None, None]
        colours = [(some * gain).clamp(0, 1) for some in (one.plain, one.painted, one.truth)]
        if rng.random() < self.patterned:
            places, clothes = self._clothes
            colours = worn(colours, pattern(places, rng) * clothes, rng)
        plain, painted, truth = colours
        return replace(one, plain=plain, painted=painted, truth=truth)

    def at(self, number: int) -> Filled:
        """One of the textures as it is."""
        tensors = self._opened(number, *(field.name for field in fields(Filled)))
        return Filled(**{name: values[None].float() / 255 for name, values in tensors.items()})

    def dressed(self, number: int) -> list[Dressed]:
        """One of the textures on the body's own islands, before it is painted: the truth, and what the photo shows.

        The truth goes on as the plain filling where no view shows it.
        """
        names = ("plain", "truth", "shown", "masks", "true_masks", "generated", "true_generated")
        tensors = self._opened(number, *names)
        plain, truth, shown = (front_part(tensors[name]) for name in names[:3])
        truth = torch.where(shown > 0, truth, plain)
        nothing = torch.zeros(0), torch.zeros(0)
        return [
            Dressed(truth, tensors["true_masks"], *nothing, tensors["true_generated"], torch.zeros(0)),
            Dressed(plain, tensors["masks"], *nothing, tensors["generated"], torch.zeros(0)),
        ]

    def _opened(self, number: int, *names: str) -> dict[str, Tensor]:
        path = self.prepare(number)
        try:
            tensors = load_file(path)
            return {name: tensors[name] for name in names}
        except (SafetensorError, OSError, KeyError) as error:
            raise InputError(f"{path} is damaged; remove it and it is made anew") from error

    @cached_property
    def _clothes(self) -> tuple[Tensor, Tensor]:
        """Where on a body each texel of the atlas lies [R, R, 3], and 1 on clothes and limbs of it [R, R]."""
        model, side = self.tailor.model, whole_side(self.preset.colour_size)
        texels = texel_map(self.tailor.layout, self.preset.colour_size)
        places = texels.interpolate(model.template, model.faces)[0]
        clothes = texels.mask * (1 - Freedom.of(model, self.tailor.layout, self.preset.colour_size).hues)
        return whole(places, side).permute(1, 2, 0), whole(clothes, side).view(side, side)

    def path(self, number: int, turn: int) -> Path:
        """The file of a person's view; whoever has the same files in other places has the same one."""
        return self.cache / f"{self.digest(number)}-{turn}.safetensors"

    def prepare(self, number: int) -> Path:
        """The file of one of the textures, made if there is none."""
        path = self.path(*self.members[number])
        if not path.exists():
            with torch.no_grad():
                found = self._made(*self.members[number])
            with atomic_file(path) as temporary:
                save_file(found, temporary)
        return path

    def _made(self, number: int, turn: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([self.seed, turn, int(self.digest(number), 16), 12])
        views = [self.people.view(number, k) for k in range(self.people.views(number))]
        order = sorted(range(len(views)), key=lambda view: -self.people.frontality(number, view))
        photo = views[order[turn % len(order)]]
        if self.augmentation is not None:
            photo = augmented(Pair(photo, photo, ""), replace(self.augmentation, colour=0.0), rng).source
        avatar, filler, _ = avatar_of(photo, self.tailor, self.appearance, self.parser)
        before = avatar.texture, avatar.painted
        painted = inpainted(avatar, self.inpainter, filler, before=before, seed=int(rng.integers(1 << 31))).painted
        seen = sampled_from(avatar, views)
        merged, texture = merge(seen), seen_part(avatar.texture)
        found = {
            "plain": avatar.painted,
            "painted": painted,
            "known": texture.filled[0],
            "truth": merged.rgb[0],
            "shown": merged.sampled[0],
        }
        side = whole_side(self.preset.colour_size)
        found = {name: _bytes(whole(values, side)) for name, values in found.items()}
        some = order[:MERGED]
        channels = [self.appearance.generated(views[k].image[None], views[k].mask[None]) for k in some]
        true, partial = (self._of_body(one, avatar) for one in (merged, texture))
        seen = torch.stack([self._of_body(seen[k], avatar).frontality for k in some])
        share = shares(seen, self.preset.generator.size)
        return found | {
            "masks": small_masks(partial.sampled, partial.filled, self.preset.generator.size),
            "true_masks": small_masks(true.sampled, true.filled, self.preset.generator.size),
            "generated": partial.generated[0].half().contiguous(),
            "true_generated": (torch.stack(channels) * share).sum(0)[0].half(),
        }

    @staticmethod
    def _of_body(texture: NeuralTexture, avatar: Avatar) -> NeuralTexture:
        return front_of(texture) if avatar.model.layers else texture


def true_colours(avatar: Avatar, views: Sequence[View]) -> tuple[Tensor, Tensor]:
    """What true pictures of a person show on an avatar's surface: colours [3, R, R], and 1 where any does [1, R, R]."""
    merged = merge(sampled_from(avatar, views))
    return merged.rgb[0], merged.sampled[0]


def sampled_from(avatar: Avatar, views: Sequence[View]) -> list[NeuralTexture]:
    """What each of several true pictures of a person shows on an avatar's surface."""
    model, layout, seen = avatar.model, avatar.layout, []
    for view in views:
        with torch.no_grad():
            vertices = model(view.body).vertices
        stray = texturing.foreign_in(view.image, view.parts, view.body, view.camera, model)
        out = texturing.doubtful_in(view.body, view.camera, model, layout, stray)
        where = vertices, model.faces, layout, view.camera, avatar.painted.shape[-1]
        seen.append(sample_photo(view.image[None], view.mask[None], *where, without=out))
    return seen


def _bytes(values: Tensor) -> Tensor:
    return (values * 255).round().clamp(0, 255).to(torch.uint8).contiguous()
