"""Lessons of whole textures: how the autoencoder sees them, and windows of views that they belong to (section 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from dinar.body.uv import UVLayout
from dinar.camera import Camera
from dinar.errors import InputError
from dinar.inpainting.packing import pack
from dinar.raster.rasterize import interpolate, rasterize
from dinar.synth.view import View
from dinar.texture.drawing import sampled_at
from dinar.texture.neural_drawing import Surface
from dinar.texture.neural_texture import window
from dinar.train.lessons import Batch
from dinar.train.losses import Truth

if TYPE_CHECKING:
    from dinar.networks.encoder import Encoder
    from dinar.networks.texture_generator import TextureGenerator
    from dinar.train.textures import TextureSets

SAMPLES = 2          # a pixel and side, in which colours are looked up: as `texture.drawing` does
GAIN = 0.12          # spread of the logarithm of each channel's gain: the colour shifts of section 4.2


@dataclass(frozen=True)
class TextureLesson(Batch):
    """B textures, and for W of them a window of a view that they belong to.

    photos   uint8 [P, 4, E, E]      all photos of all textures, framed for the encoder
    shares   float32 [P, 1, S, S]    how much each counts in its texture's generated channels
    owners   int64 [P]               the texture that it belongs to
    painted  uint8 [B, 3, R, R]      colours without holes
    masks    uint8 [B, 2, S, S]      sampled and filled
    generated  float16 [B, C, S, S]  generated channels; none of them where they come from the photos
    gain     float32 [B, 3]          of the colours, the photos' and the truth's as well
    drawn    int64 [W]               the texture that each window shows
    uv       float32 [W, 3, H, W']   the UV image and its mask at the pixels' centres
    fine     float32 [W, 3, 2H, 2W'] the same at four points a pixel
    truth    float32 [W, 3, H, W']   the view, [0, 1]
    person   float32 [W, 1, H, W']   its mask
    face     float32 [W, 4]          box of the face: left, top, right, bottom in pixels; NaN where it is not seen
    """

    photos: Tensor
    shares: Tensor
    owners: Tensor
    painted: Tensor
    masks: Tensor
    generated: Tensor
    gain: Tensor
    drawn: Tensor
    uv: Tensor
    fine: Tensor
    truth: Tensor
    person: Tensor
    face: Tensor

    @classmethod
    def stacked(cls, some: Sequence[Self]) -> Self:
        """One lesson of several of one texture each."""
        numbers = {}
        for name in ("owners", "drawn"):
            counts = torch.tensor([len(getattr(lesson, name)) for lesson in some])
            numbers[name] = torch.arange(len(some)).repeat_interleave(counts)
        return replace(super().stacked(some), **numbers)

    def packed(self, encoder: Encoder, generator: TextureGenerator, fold: int) -> Tensor:
        """The whole textures as the autoencoder sees them [B, C, S, S]; no gradient passes."""
        with torch.no_grad():
            gain, generated = self.gain[:, :, None, None], self.generated.float()
            if not generated.shape[1]:
                photos = self.photos.float() / 255
                mask = photos[:, 3:]
                image = (photos[:, :3] * gain[self.owners]).clamp(0, 1) * mask + photos[:, :3] * (1 - mask)
                each = generator(encoder(image, mask)).float() * self.shares
                generated = each.new_zeros(len(self.painted), *each.shape[1:]).index_add_(0, self.owners, each)
            painted = (self.painted.float() / 255 * gain).clamp(0, 1)
            return pack(generated, painted, *self.masks.float().split(1, dim=1), fold=fold)

    def surface(self, painted: Tensor, masks: Tensor) -> Surface:
        """The bodies in their windows in colours [W, 3, R, R] and masks [W, 2, S, S]; differentiable in both."""
        uv, hit = self.fine.split([2, 1], dim=1)
        values = torch.cat([sampled_at(painted, uv), sampled_at(masks, uv)], dim=1) * hit
        values, share = (functional.avg_pool2d(part, SAMPLES) for part in (values, hit))
        return Surface(values / torch.where(share > 0, share, 1), self.uv[:, :2], share)

    def target(self, backgrounds: Tensor) -> Truth:
        """The view's windows before plain colours [W, 3]."""
        image = (self.truth * self.gain[self.drawn][:, :, None, None]).clamp(0, 1)
        image = image * self.person + backgrounds[:, :, None, None] * (1 - self.person)
        return Truth(image, self.person, self.face)


class TextureLessons(Dataset):
    """`lessons[position]` is a `TextureLesson` of one texture, a function of seed and position alone.

    partial  share of the textures that one photo shows, which is drawn as that photo; the others are merged, and drawn
             as any view
    colours  whether each lesson has its own gain
    every    positions from one lesson with a window to the next
    """

    def __init__(
        self, sets: TextureSets, seed: int, *, partial: float, colours: bool = True, every: int = 1
    ) -> None:
        self.sets, self.seed, self.share, self.every = sets, seed, partial, every
        self.colours = colours and sets.appearance is None

    def __len__(self) -> int:
        """The number of people."""
        return len(self.sets)

    def __getitem__(self, position: int) -> TextureLesson:
        rng = np.random.default_rng([self.seed, position, 4])
        sets, how = self.sets, self.sets.preset.appearance
        number = int(rng.integers(len(sets)))
        gain = torch.from_numpy(np.exp(rng.normal(0, GAIN * self.colours, (1, 3))).astype(np.float32))
        if rng.random() < self.share:
            view = int(rng.choice(sets.views(number)))
            dressed, seen = sets.partial(number, view), partial(sets.source, number, view)
        else:
            view = int(rng.integers(sets.people.views(number)))
            dressed, seen = sets.merged(number), partial(sets.people.view, number, view)
        count = int(position % self.every == 0)
        return TextureLesson(
            photos=dressed.photos,
            shares=dressed.shares,
            owners=torch.zeros(len(dressed.photos), dtype=torch.long),
            painted=dressed.painted[None],
            masks=dressed.masks[None],
            generated=dressed.generated[None],
            gain=gain,
            drawn=torch.zeros(count, dtype=torch.long),
            **self._window(seen(), dressed.offsets, rng) if count else _no_window(how.window),
        )

    def _window(self, seen: View, offsets: Tensor, rng: np.random.Generator) -> dict[str, Tensor]:
        """A window of a view of the body in an outline [V, 3], placed by `rng`."""
        tailor, side = self.sets.tailor, self.sets.preset.appearance.window
        with torch.no_grad():
            vertices = tailor.model.moved(offsets.float())(seen.body).vertices
            face = tailor.face(vertices, seen.camera)
        x, y = _place(window(vertices, seen.camera), seen.camera.size, side, rng)
        camera = seen.camera.cropped(x, y, (side, side))
        cut = (..., slice(y, y + side), slice(x, x + side))
        box = face - torch.tensor([x, y, x, y])
        inside = bool(((box >= 0) & (box <= side)).all())
        layout, faces = tailor.layout, tailor.model.faces
        return {
            "uv": _looked_up(vertices, faces, layout, camera),
            "fine": _looked_up(vertices, faces, layout, camera.resized((side * SAMPLES,) * 2)),
            "truth": seen.image[cut][None],
            "person": seen.mask[cut][None],
            "face": torch.where(torch.tensor(inside), box, torch.nan)[None],
        }


def _no_window(side: int) -> dict[str, Tensor]:
    channels = {"uv": (3, side), "fine": (3, side * SAMPLES), "truth": (3, side), "person": (1, side)}
    return {name: torch.zeros(0, count, size, size) for name, (count, size) in channels.items()} | {
        "face": torch.zeros(0, 4)
    }


def _looked_up(vertices: Tensor, faces: Tensor, layout: UVLayout, camera: Camera) -> Tensor:
    """The UV image and its mask [1, 3, H, W]."""
    fragments = rasterize(camera.project(vertices), faces, camera.size)
    uv = interpolate(fragments, layout.uv[None], layout.faces)
    return torch.cat([uv, fragments.mask], dim=1).contiguous()


def _place(
    person: tuple[int, int, int, int], size: tuple[int, int], side: int, rng: np.random.Generator
) -> tuple[int, int]:
    """The top left corner of a window with its middle on the person's box, inside the image."""
    if min(size) < side:
        raise InputError(f"these views are smaller than {side} pixels; make them anew with `dinar synth --size {side}`")
    x, y, width, height = person
    left, top = x + rng.uniform() * width - side / 2, y + rng.uniform() * height - side / 2
    return int(np.clip(left, 0, size[1] - side)), int(np.clip(top, 0, size[0] - side))
