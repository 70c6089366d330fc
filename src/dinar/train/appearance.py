"""Training of encoder, generator and renderer, with a discriminator (sections 3.1 and 4.1, eq. 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adam

from dinar.body.model import BodyModel
from dinar.body.uv import head_texture, load_layout, texel_map
from dinar.data.dataset import Augmentation
from dinar.networks.appearance import Appearance
from dinar.networks.encoder import Encoder
from dinar.networks.renderer import NeuralRendering, Renderer
from dinar.networks.texture_generator import TextureGenerator
from dinar.perceptual.lpips import load_lpips
from dinar.presets import Preset, build_discriminator, build_encoder, build_generator, build_renderer
from dinar.store import Store
from dinar.train.adversary import judged, taught
from dinar.train.lessons import Lesson, Lessons
from dinar.train.loop import Stage, Turn
from dinar.train.losses import before, generator_loss, numbers

LOOKED_AT = 6   # lessons that every examination draws


class Drawer(nn.Module):
    """Encoder, generator and renderer in a row (figure 2)."""

    def __init__(self, encoder: Encoder, generator: TextureGenerator, renderer: Renderer) -> None:
        super().__init__()
        self.encoder, self.generator, self.renderer = encoder, generator, renderer

    def forward(self, lesson: Lesson, rng: torch.Generator | None = None) -> NeuralRendering:
        """A lesson of B people and W windows -> B * W drawings; `rng` on the lesson's device frees the latents."""
        noise = None
        if rng is not None:
            noise = torch.randn(lesson.mask.shape, generator=rng, device=lesson.mask.device)
        generated = self.generator(self.encoder(lesson.image, lesson.mask, noise), rng)
        generated = generated.repeat_interleave(lesson.colours.shape[1], dim=0)
        seen = lesson.surface
        return self.renderer(seen.features(generated), seen.uv, seen.mask)


class AppearanceStage(Stage):
    """The first stage of training.

    precision  torch.bfloat16 or torch.float32 of the networks' convolutions
    """

    name = "appearance"
    averaged = ("drawer",)

    def __init__(
        self,
        preset: Preset,
        data: Sequence[Path],                              # folders of shards
        *,
        seed: int = 0,
        examples: Sequence[Path] = (),                     # shards of people that are not trained on; default: data
        augmentation: Augmentation | None = Augmentation(),  # noqa: B008 (frozen)
        perception: str = "alex",                          # LPIPS' network: "alex" or "vgg"
        precision: torch.dtype = torch.float32,
        store: Store | None = None,
    ) -> None:
        self.preset, self.precision, self.how = preset, precision, preset.appearance
        self.data = Lessons(data, preset, seed, augmentation)
        self.examples = Lessons(examples or data, preset, seed + 1, None)
        self.lpips = load_lpips(perception, store or Store()).requires_grad_(False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            drawer = Drawer(build_encoder(preset), build_generator(preset), build_renderer(preset))
            self.networks = {"drawer": drawer, "discriminator": build_discriminator(preset)}
        if preset.renderer.identity:
            model = BodyModel.open()
            layout = load_layout("front", model)
            drawer.renderer.head.copy_(head_texture(texel_map(layout, preset.renderer.identity), model))
        for network in (drawer.encoder, drawer.generator, self.networks["discriminator"]):
            network.to(memory_format=torch.channels_last)   # a third to two thirds of the time on a CPU
        self.optimizers = {
            name: Adam(network.parameters(), self.how.learning_rate, self.how.betas)
            for name, network in self.networks.items()
        }

    def collate(self, samples: list[Lesson]) -> Lesson:
        return Lesson.stacked(samples)

    def learn(self, batch: Lesson, turn: Turn) -> dict[str, float]:
        device, how = batch.image.device, self.how
        rng = torch.Generator(device).manual_seed(int(torch.randint(1 << 62, (), generator=turn.rng)))
        backgrounds = torch.rand(batch.truth.shape[:2].numel(), 3, generator=turn.rng).to(device)
        truth = batch.target(backgrounds)
        discriminator = self.networks["discriminator"] if turn.step >= how.adversarial_from else None
        self.lpips.to(device)
        with self._mixed(device):
            drawn = before(self.networks["drawer"](batch, rng), backgrounds)
            logits = judged(discriminator, drawn.rgb)
        terms = generator_loss(drawn, truth, logits, self.lpips, how, turn.rng)
        self.update("drawer", terms.total)
        found = numbers(terms)
        if discriminator is not None:
            found |= taught(self, drawn.rgb, truth.image, how, turn.step, self._mixed(device))
        return found

    def examine(self, averaged: Mapping[str, nn.Module]) -> tuple[dict[str, float], Tensor]:
        """PSNR and LPIPS before grey in windows of people at the start of `examples`, beside those of plain drawing.

        The picture has a row a person: the source, then for each window the plain drawing, the neural one, the truth.
        """
        lessons = self._looked_at
        device = next(averaged["drawer"].parameters()).device
        self.lpips.to(device)
        sums, rows = dict.fromkeys(("psnr", "lpips", "plain_psnr", "plain_lpips"), 0.0), []
        for lesson in (lesson.to(device) for lesson in lessons):
            grey = torch.full((lesson.truth.shape[1], 3), 0.5, device=device)
            truth = lesson.target(grey)
            with torch.no_grad():
                drawn = before(averaged["drawer"](lesson), grey).rgb
                seen = lesson.surface
                plain = seen.colours[:, :3] * seen.mask + 0.5 * (1 - seen.mask)
                for name, image in (("", drawn), ("plain_", plain)):
                    error = (image - truth.image).square().mean((1, 2, 3))
                    psnr = -10 * error.clamp(min=1e-8).log10()    # 80 dB where nobody is to be seen
                    sums[f"{name}psnr"] += float(psnr.mean()) / len(lessons)
                    sums[f"{name}lpips"] += float(self.lpips(image, truth.image).mean()) / len(lessons)
            side = lesson.truth.shape[-1]
            source = functional.interpolate(lesson.image, (side, side), mode="bilinear", antialias=True)
            columns = [c for window in zip(plain, drawn, truth.image, strict=True) for c in window]
            rows.append(torch.cat([source[0], *columns], dim=2))
        return sums, torch.cat(rows, dim=1).cpu()

    def ship(self, averaged: Mapping[str, nn.Module], folder: Path) -> None:
        drawer = averaged["drawer"]
        parts = {part: getattr(self.preset, part) for part in ("encoder", "generator", "renderer")}
        networks = Appearance.named(self.preset.name, drawer.encoder, drawer.generator, drawer.renderer)
        networks.save(folder, parts)

    @cached_property
    def _looked_at(self) -> list[Lesson]:
        return [self.examples[position] for position in range(LOOKED_AT)]

    def _mixed(self, device: torch.device) -> torch.autocast:
        return torch.autocast(device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16)
