"""Training of the detailer, on the unseen sides of people of whom there are pictures from behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adam

from dinar.body.model import BodyModel
from dinar.inpainting.details import FEATHER, Freedom
from dinar.networks import pretrained
from dinar.networks.detailer import Detailer
from dinar.perceptual.lpips import LPIPS, load_lpips, unit
from dinar.presets import Preset, build_detailer
from dinar.store import Store
from dinar.texture.trust import near
from dinar.train.fillings import Filled, Fillings
from dinar.train.loop import Stage, Turn

BLOCK = 16       # texels a side
LOOKED_AT = 24   # textures that every examination measures
SHOWN = 6        # of them, that its picture shows


class DetailerStage(Stage):
    """The detailer's training: the mean distance of colours from the true ones where only other views show them, that
    of means over blocks of BLOCK texels, and on parts of textures of half the side, about what a drawing shows, LPIPS
    and what its features vary by (`contrast`): distances alone ask for less of that wherever folds are not foreseen.

    What it may change is what counts when people are painted (`inpainting.details`).

    Raises InputError where what it starts from has other sizes than the preset.

    precision  torch.bfloat16 or torch.float32 of the network's convolutions
    """

    name = "detailer"
    averaged = ("detailer",)

    def __init__(
        self,
        preset: Preset,
        data: Fillings,
        *,
        seed: int = 0,
        examples: Fillings | None = None,      # people who are not trained on; default: data
        start: Detailer | None = None,         # that goes on learning; default: one that adds nothing yet
        perception: str = "vgg",               # LPIPS' network: "alex" or "vgg"
        precision: torch.dtype = torch.float32,
        store: Store | None = None,
    ) -> None:
        self.preset, self.precision, self.how = preset, precision, preset.detailing
        self.data, self.examples = data, examples or data
        self.freedom = Freedom.everywhere(BodyModel.open(), preset.detailer.size)
        self.lpips = load_lpips(perception, store or Store()).requires_grad_(False) if self.how.lpips else None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            detailer = build_detailer(preset)
        if start is not None:
            pretrained.take_over(detailer, start, preset.name)
        self.networks = {"detailer": detailer}
        self.optimizers = {"detailer": Adam(detailer.parameters(), self.how.learning_rate, (0.9, 0.99))}

    def collate(self, samples: list[Filled]) -> Filled:
        return Filled.stacked(samples)

    def learn(self, batch: Filled, turn: Turn) -> dict[str, float]:
        device, how = batch.truth.device, self.how
        with torch.autocast(device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16):
            change = self.networks["detailer"](batch.plain, batch.painted, batch.known)
        changed = self._changed(batch, change)
        weight = unseen(batch)
        found = distances(changed, batch, weight)
        total = how.l1 * found["l1"] + how.means * found["means"]
        if self.lpips is not None:
            both = [torch.lerp(batch.painted, some, weight) for some in (changed, batch.truth)]
            half = functional.avg_pool2d(torch.cat([*both, weight], dim=1), 2)
            found |= self._perceived(self.lpips.to(device), cropped_about(half, half[:, 6:], how.crop, turn.rng))
            total = total + how.lpips * found["lpips"] + how.contrast * found["contrast"]
        self.update("detailer", total)
        return {name: float(value.detach()) for name, value in {"total": total, **found}.items()}

    def examine(self, averaged: Mapping[str, nn.Module]) -> tuple[dict[str, float], Tensor]:
        """`l1` and `means` of unseen colours of textures at the start of `examples`, LPIPS and `contrast` of whole
        textures of half the side, and the same of what is only `painted` and only `plain`. The picture has a row a
        texture: plain, painted, detailed, the truth.
        """
        detailer = averaged["detailer"]
        device = next(detailer.parameters()).device
        sums, rows = {}, []
        for batch in (batch.to(device) for batch in self._looked_at):
            weight = unseen(batch)
            with torch.no_grad():
                detailed = self._changed(batch, detailer(batch.plain, batch.painted, batch.known))
                for name, colours in {"": detailed, "painted_": batch.painted, "plain_": batch.plain}.items():
                    found = distances(colours, batch, weight)
                    if self.lpips is not None:
                        both = [torch.lerp(colours, batch.truth, 1 - weight) * batch.shown, batch.truth * batch.shown]
                        half = functional.avg_pool2d(torch.cat([*both, weight], dim=1), 2)
                        found |= self._perceived(self.lpips.to(device), half)
                    for key, value in found.items():
                        sums[f"{name}{key}"] = sums.get(f"{name}{key}", 0.0) + float(value) / len(self._looked_at)
            if len(rows) < SHOWN:
                shown = torch.where(batch.shown > 0, batch.truth, 0.5)
                parts = (batch.plain, batch.painted, torch.lerp(batch.painted, detailed, 1 - batch.known), shown)
                rows.append(torch.cat([functional.avg_pool2d(part[0], 2) for part in parts], dim=2))
        return sums, torch.cat(rows, dim=1).cpu()

    def ship(self, averaged: Mapping[str, nn.Module], folder: Path) -> None:
        pretrained.save(folder, averaged["detailer"], self.preset.detailer)

    @staticmethod
    def _perceived(lpips: LPIPS, both: Tensor) -> dict[str, Tensor]:
        """LPIPS and `contrast` of colours and true ones, and where that counts [B, 3 + 3 + 1, H, W]."""
        mine, true = (lpips.layers(some) for some in both[:, :6].split(3, dim=1))
        return {"lpips": lpips.compare(unit(mine), unit(true)).mean(), "contrast": contrast(mine, true, both[:, 6:])}

    def _changed(self, batch: Filled, change: Tensor) -> Tensor:
        edge = near(batch.known, torch.ones_like(batch.known), reach=FEATHER)
        return self.freedom.changed(batch.plain, batch.painted, change, edge)

    @cached_property
    def _looked_at(self) -> list[Filled]:
        return [self.examples.at(number) for number in range(min(LOOKED_AT, len(self.examples)))]


def unseen(batch: Filled) -> Tensor:
    """1 where the truth is known and no photo shows it [B, 1, R, R]."""
    return batch.shown * (1 - batch.known)


def distances(colours: Tensor, batch: Filled, weight: Tensor) -> dict[str, Tensor]:
    """Mean distances of colours [B, 3, R, R] from the true ones where `weight` [B, 1, R, R] says so, and of their means
    over blocks.
    """
    apart = (colours - batch.truth) * weight
    share = functional.avg_pool2d(weight, BLOCK)
    means = functional.avg_pool2d(apart, BLOCK)
    return {
        "l1": apart.abs().mean(1, keepdim=True).sum() / weight.sum().clamp(min=1),
        "means": means.abs().mean(1, keepdim=True).sum() / share.sum().clamp(min=1e-6),
    }


def contrast(layers: Sequence[Tensor], others: Sequence[Tensor], weight: Tensor) -> Tensor:
    """How different two images are in what features [B, C_i, H_i, W_i] are on average and how far they vary about that,
    wherever they do so: squared distances of these, parts of their squares, a mean over layers.

    weight  [B, 1, H, W]  the pixels that count
    """
    found = []
    for a, b in zip(layers, others, strict=True):
        where = functional.adaptive_avg_pool2d(weight, a.shape[-2:])
        for mine, true in zip(_moments(a, where), _moments(b, where), strict=True):
            size = (mine.square() + true.square()).sum(1).clamp(min=1e-6)
            found.append((mine - true).square().sum(1) / size)
    return torch.stack(found).mean()


def _moments(features: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    total = weight.sum((2, 3)).clamp(min=1e-6)
    mean = (features * weight).sum((2, 3)) / total
    about = ((features - mean[..., None, None]).square() * weight).sum((2, 3)) / total
    return mean, (about + 1e-8).sqrt()


def cropped_about(images: Tensor, weight: Tensor, side: int, rng: torch.Generator) -> Tensor:
    """A window of each of images [B, C, R, R] about a texel where `weight` [B, 1, R, R] is not 0, inside the image."""
    windows, most = [], images.shape[-1] - side
    for image, where in zip(images, weight[:, 0], strict=True):
        places = where.nonzero()
        middle = places[int(torch.randint(len(places), (), generator=rng))] if len(places) else torch.zeros(2)
        y, x = (min(max(int(m) - side // 2, 0), most) for m in middle)
        windows.append(image[:, y : y + side, x : x + side])
    return torch.stack(windows)
