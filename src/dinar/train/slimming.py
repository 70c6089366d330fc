"""Training of a small renderer, which learns from true pictures and from what the large one makes of people."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adam

from dinar.errors import InputError
from dinar.fit.objective import dice
from dinar.networks.appearance import Appearance
from dinar.networks.renderer import NeuralRendering
from dinar.perceptual.lpips import load_lpips
from dinar.presets import Preset, build_encoder, build_generator, build_slim
from dinar.store import Store
from dinar.train.loop import Stage, Turn
from dinar.train.losses import before, generator_loss, numbers, random_crops
from dinar.train.sittings import Drawn, Sittings

BLOCK = 8        # pixels a side
LOOKED_AT = 24   # people whose windows every examination draws
SHOWN = 8        # of them, that its picture shows


class SlimStage(Stage):
    """The small renderer's training. Encoder and generator stay, so textures that they made can be drawn by it.

    Eq. 4 compares with the true view, without an adversary. LPIPS and squares hardly feel that cloth is one or two of
    255 steps too grey, so means over blocks of BLOCK pixels are compared too.

    The noise of all that, since no body stands where the person did, is many times what two renderers differ by, so
    the large renderer's drawing before the same background is learnt from as well: the mean distance of colours and
    masks, that of means over blocks, and LPIPS of windows.

    Where the renderer that is learnt from is as small itself, training goes on from it, by the true view alone: it
    would teach that nothing is to change.

    precision  torch.bfloat16 or torch.float32 of the network's convolutions

    Raises InputError where encoder and generator are not those of the preset.
    """

    name = "slim"
    averaged = ("renderer",)

    def __init__(
        self,
        preset: Preset,
        data: Sittings,
        *,
        seed: int = 0,
        examples: Sittings | None = None,      # people who are not trained on; default: data
        perception: str = "alex",              # LPIPS' network: "alex" or "vgg"
        precision: torch.dtype = torch.float32,
        store: Store | None = None,
    ) -> None:
        self.preset, self.precision, self.how = preset, precision, preset.slimming
        self.data, self.examples, self.appearance = data, examples or data, data.appearance
        self.lpips = load_lpips(perception, store or Store()).requires_grad_(False)
        _check(self.appearance, preset)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            renderer = build_slim(preset)
        head = self.appearance.renderer.head
        if getattr(head, "shape", None) != getattr(renderer.head, "shape", None):
            raise InputError(f"the map of the head of {self.appearance.name} is not as large as preset {preset.name}'s")
        if head is not None:
            renderer.head.copy_(head)
        had = self.appearance.renderer.state_dict()
        self.goes_on = _sizes(had) == _sizes(renderer.state_dict())
        if self.goes_on:
            renderer.load_state_dict(had)
        self.networks = {"renderer": renderer}             # channels-last takes a fifth longer: blocks come unfolded
        self.optimizers = {"renderer": Adam(renderer.parameters(), self.how.learning_rate, preset.appearance.betas)}

    def collate(self, samples: list[Drawn]) -> Drawn:
        return Drawn.stacked(samples)

    def learn(self, batch: Drawn, turn: Turn) -> dict[str, float]:
        device = batch.truth.device
        backgrounds = torch.rand(len(batch.truth), 3, generator=turn.rng).to(device)
        self.lpips.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16):
            drawn = before(_draw(self.networks["renderer"], batch), backgrounds)
            truth = batch.target(backgrounds)
            terms = generator_loss(drawn, truth, None, self.lpips, self.preset.appearance, turn.rng)
        means = _apart_in_means(drawn.rgb, truth.image)
        with torch.set_grad_enabled(not self.goes_on):
            apart = self._apart(drawn, before(_taught(batch), backgrounds), turn.rng)
        total = terms.total + self.how.means * means
        if not self.goes_on:
            total = total + sum(getattr(self.how, name) * value for name, value in apart.items())
        self.update("renderer", total)
        more = {"total": total, "means": means, **apart}
        return numbers(terms) | {name: float(value.detach()) for name, value in more.items()}

    def _apart(self, drawn: NeuralRendering, taught: NeuralRendering, rng: torch.Generator) -> dict[str, Tensor]:
        """How far from the large renderer's drawing, by the fields of `SlimTraining` that weigh it."""
        rgb, mask = drawn.rgb.float(), drawn.mask.float()
        crops = random_crops(torch.cat([rgb, taught.rgb], dim=1), self.preset.appearance.lpips_crop, rng)
        return {
            "taught": functional.l1_loss(rgb, taught.rgb) + functional.l1_loss(mask, taught.mask),
            "taught_means": _apart_in_means(rgb, taught.rgb),
            "taught_lpips": self.lpips(*crops.split(3, dim=1)).mean(),
        }

    def examine(self, averaged: Mapping[str, nn.Module]) -> tuple[dict[str, float], Tensor]:
        """PSNR and LPIPS before grey of both renderers in windows of views of people in `examples`, Dice's distance
        of their masks from the truth, and PSNR of the small one to the large one. The picture has a row a person: for
        each window the large renderer's drawing, the small one's, the truth.
        """
        device = next(averaged["renderer"].parameters()).device
        self.lpips.to(device)
        names = ("psnr", "lpips", "dice", "large_psnr", "large_lpips", "large_dice", "apart_psnr")
        sums, rows = dict.fromkeys(names, 0.0), []
        for batch in (batch.to(device) for batch in self._looked_at):
            grey = torch.full((len(batch.truth), 3), 0.5, device=device)
            truth = batch.target(grey).image
            with torch.no_grad():
                small = before(_draw(averaged["renderer"], batch), grey)
                large = before(_taught(batch), grey)
                for name, drawn in (("", small), ("large_", large)):
                    found = {
                        "psnr": _psnr(drawn.rgb, truth),
                        "lpips": float(self.lpips(drawn.rgb, truth).mean()),
                        "dice": float(torch.stack(list(map(dice, drawn.mask, batch.person))).mean()),
                    }
                    for key, value in found.items():
                        sums[name + key] += value / len(self._looked_at)
                sums["apart_psnr"] += _psnr(small.rgb, large.rgb) / len(self._looked_at)
            if len(rows) < SHOWN:
                columns = [column for window in zip(large.rgb, small.rgb, truth, strict=True) for column in window]
                rows.append(torch.cat(columns, dim=2))
        return sums, torch.cat(rows, dim=1).cpu()

    def ship(self, averaged: Mapping[str, nn.Module], folder: Path) -> None:
        had = self.appearance
        parts = {"encoder": self.preset.encoder, "generator": self.preset.generator, "renderer": self.preset.slim}
        Appearance.named(self.preset.name, had.encoder, had.generator, averaged["renderer"]).save(folder, parts)

    @cached_property
    def _looked_at(self) -> list[Drawn]:
        count = min(LOOKED_AT, len(self.examples))
        return [self.examples.views(position) for position in range(count)]


def _draw(renderer: nn.Module, batch: Drawn) -> NeuralRendering:
    return renderer(batch.features, batch.uv, batch.body)


def _apart_in_means(image: Tensor, other: Tensor) -> Tensor:
    """The mean distance of the means over blocks."""
    means = (functional.avg_pool2d(picture.float(), BLOCK) for picture in (image, other))
    return functional.l1_loss(*means)


def _taught(batch: Drawn) -> NeuralRendering:
    return NeuralRendering(*batch.taught.split([3, 1], dim=1))


def _psnr(image: Tensor, truth: Tensor) -> float:
    """Mean over images; 80 dB at most."""
    error = (image - truth).square().mean((1, 2, 3))
    return float((-10 * error.clamp(min=1e-8).log10()).mean())


def _check(appearance: Appearance, preset: Preset) -> None:
    with torch.device("meta"):
        wanted = build_encoder(preset), build_generator(preset)
    for network, fresh in zip((appearance.encoder, appearance.generator), wanted, strict=True):
        if _sizes(network.state_dict()) != _sizes(fresh.state_dict()):
            raise InputError(f"the weights {appearance.name} are not of the preset {preset.name}")


def _sizes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: values.shape for name, values in state.items()}
