"""Training of the VQGAN, and the finetuning with it in the loop (sections 3.3 and 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Adam

from dinar.inpainting.packing import unpack
from dinar.networks import pretrained
from dinar.networks.appearance import Appearance
from dinar.networks.autoencoder import Autoencoder, CodebookUse, Quantized
from dinar.networks.renderer import NeuralRendering
from dinar.perceptual.adversarial import discriminator_loss
from dinar.perceptual.lpips import load_lpips
from dinar.presets import build_autoencoder, build_discriminator
from dinar.store import Store
from dinar.texture.islands import Islands
from dinar.train.loop import Stage, Turn
from dinar.train.losses import generator_loss, numbers
from dinar.train.textures import TextureLesson, TextureLessons, TextureSets

LOOKED_AT = 6   # lessons that every examination draws


@dataclass(frozen=True)
class Recoded:
    """A texture and what is left of it after the codebook.

    packed     float32 [B, C, S, S]  T, islands extended
    decoded    float32 [B, C, S, S]  T_res, islands extended
    latent     float32 [B, L, s, s]  before the codebook
    quantized  Quantized
    """

    packed: Tensor
    decoded: Tensor
    latent: Tensor
    quantized: Quantized


class Coder(nn.Module):
    """The autoencoder with the account of its codebook: what a checkpoint of its training holds."""

    def __init__(self, autoencoder: Autoencoder, patience: int) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.use = CodebookUse(len(autoencoder.codebook), patience=patience)

    def forward(self, packed: Tensor, islands: Islands) -> Recoded:
        packed = islands.extended(packed)
        latent = self.autoencoder.encode(packed)
        quantized = self.autoencoder.quantize(latent)
        return Recoded(packed, islands.extended(self.autoencoder.decode(quantized.latent)), latent, quantized)


class Redrawer(nn.Module):
    """Autoencoder and renderer in a row: the VQGAN branch of figure 2."""

    def __init__(self, coder: Coder, renderer: nn.Module) -> None:
        super().__init__()
        self.coder, self.renderer = coder, renderer

    def forward(self, lesson: TextureLesson, packed: Tensor, islands: Islands) -> tuple[Recoded, NeuralRendering]:
        recoded = self.coder(packed, islands)
        return recoded, drawn(self.renderer, lesson, recoded.decoded, self.coder.autoencoder.fold)


class AutoencoderStage(Stage):
    """The second stage of training, and with `finetune` the third: then the renderer learns too (section 3.3).

    Encoder and generator stay as they are, so that latents keep their meaning while the renderer gets used to them.
    The discriminator starts anew: the appearance's is not kept.

    precision  torch.bfloat16 or torch.float32 of the networks' convolutions
    """

    def __init__(
        self,
        sets: TextureSets,
        appearance: Appearance,
        autoencoder: Autoencoder | None = None,      # to go on from; needed to finetune
        *,
        finetune: bool = False,
        seed: int = 0,
        examples: TextureSets | None = None,         # people that are not trained on; default: those that are
        perception: str = "alex",                    # LPIPS' network: "alex" or "vgg"
        precision: torch.dtype = torch.float32,
        store: Store | None = None,
    ) -> None:
        if finetune and autoencoder is None:
            raise ValueError("there is no autoencoder to finetune")
        preset = sets.preset
        self.name, self.preset, self.precision = "finetune" if finetune else "autoencoder", preset, precision
        self.how, self.finetune, self.appearance = preset.autoencoding, finetune, appearance
        self.data = TextureLessons(sets, seed, partial=self.how.partial)
        self.examples = TextureLessons(examples or sets, seed + 1, partial=0.0, colours=False)
        self.lpips = load_lpips(perception, store or Store()).requires_grad_(False)
        self.islands = Islands.of(sets.tailor.layout, preset.generator.size)
        self.measured = autoencoder is not None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            coder = Coder(autoencoder or build_autoencoder(preset), self.how.patience)
            for network in (appearance.encoder, appearance.generator, appearance.renderer):
                network.requires_grad_(False).eval()
            redrawer = Redrawer(coder, appearance.renderer.requires_grad_(finetune))
            self.networks = {"redrawer": redrawer, "discriminator": build_discriminator(preset)}
        self.averaged = ("redrawer",)
        rate = self.how.finetune_learning_rate if finetune else self.how.learning_rate
        self.optimizers = {
            name: Adam([p for p in network.parameters() if p.requires_grad], rate, self.how.betas)
            for name, network in self.networks.items()
        }

    def collate(self, samples: list[TextureLesson]) -> TextureLesson:
        return TextureLesson.stacked(samples)

    def learn(self, batch: TextureLesson, turn: Turn) -> dict[str, float]:
        """Eq. 4 on what is drawn with the decoded textures, L2 between textures, and the codebook's own loss."""
        device, how, islands = batch.painted.device, self.how, self._islands(batch.painted.device)
        redrawer = self.accelerator.unwrap_model(self.networks["redrawer"])
        redrawer.renderer.train(self.finetune)
        autoencoder, use = redrawer.coder.autoencoder, redrawer.coder.use
        backgrounds = torch.rand(len(batch.painted), 3, generator=turn.rng).to(device)
        truth = batch.target(backgrounds)
        adversary = self.networks["discriminator"] if turn.step >= how.adversarial_from or self.finetune else None
        self.lpips.to(device)
        with self._mixed(device):
            packed = self._packed(batch)
            if turn.step == 0 and not self.measured:
                autoencoder.measure_channels(packed, islands.covered)
            recoded, rendering = self.networks["redrawer"](batch, packed, islands)
            image = before(rendering, backgrounds)
            logits = None
            if adversary is not None:
                adversary.requires_grad_(False)
                logits = adversary(image.rgb)
                adversary.requires_grad_(True)
        terms = generator_loss(image, truth, logits, self.lpips, self.preset.appearance, turn.rng)
        texture = texture_loss(autoencoder, recoded, islands)
        commitment = recoded.quantized.commitment
        self.update("redrawer", terms.total + how.texture * texture + how.commitment * commitment)
        self._revive(autoencoder, use, recoded, islands, turn)
        found = numbers(terms) | {
            "texture": float(texture.detach()),
            "commitment": float(commitment.detach()),
            "codebook/used": use.used,
            "codebook/perplexity": use.perplexity,
        }
        if adversary is not None:
            weights = self.preset.appearance
            with self._mixed(device):
                terms = discriminator_loss(
                    adversary,
                    image.rgb,
                    truth.image,
                    step=turn.step,
                    weight=weights.adversarial,
                    r1_weight=weights.r1,
                    r1_every=weights.r1_every,
                )
            self.update("discriminator", terms.total)
            found |= {f"discriminator/{name}": value for name, value in numbers(terms).items()}
        return found

    def examine(self, averaged: Mapping[str, nn.Module]) -> tuple[dict[str, float], Tensor]:
        """What is left of whole textures of people at the start of `examples`: in the texture, and when drawn.

        texture_psnr is that of the colours on the islands; sharpness is the mean gradient of the decoded colours there
        to that of the true ones, 1 where nothing is lost; `direct_` numbers are of drawings without the autoencoder.
        The picture has a row a person: colours before and after, then drawn with those before and after, and the photo.
        """
        redrawer = averaged["redrawer"]
        autoencoder = redrawer.coder.autoencoder
        device = autoencoder.codebook.device
        islands = self._islands(device)
        self.lpips.to(device)
        names = ("texture_psnr", "sharpness", "psnr", "lpips", "direct_psnr", "direct_lpips")
        sums, rows, codes = dict.fromkeys(names, 0.0), [], []
        for lesson in (lesson.to(device) for lesson in self._looked_at):
            grey = torch.full((1, 3), 0.5, device=device)
            truth = lesson.target(grey)
            with torch.no_grad():
                recoded, rendering = redrawer(lesson, self._packed(lesson), islands)
                direct = before(drawn(redrawer.renderer, lesson, recoded.packed, autoencoder.fold), grey).rgb
                image = before(rendering, grey).rgb
                colours = [unpack(t, fold=autoencoder.fold)[1].clamp(0, 1) for t in (recoded.packed, recoded.decoded)]
                weight = functional.interpolate(islands.covered, colours[0].shape[-2:])
                error = ((colours[0] - colours[1]).square().mean(1, keepdim=True) * weight).sum() / weight.sum()
                found = {
                    "texture_psnr": -10 * error.log10(),
                    "sharpness": _detail(colours[1], weight) / _detail(colours[0], weight),
                }
                for name, drawing in (("", image), ("direct_", direct)):
                    found[f"{name}psnr"] = -10 * (drawing - truth.image).square().mean().log10()
                    found[f"{name}lpips"] = self.lpips(drawing, truth.image).mean()
            for name, value in found.items():
                sums[name] += float(value) / len(self._looked_at)
            codes.append(recoded.quantized.codes.unique())
            side = truth.image.shape[-1]
            small = [functional.interpolate(c, (side, side), mode="bilinear", antialias=True) for c in colours]
            rows.append(torch.cat([part[0] for part in (*small, direct, image, truth.image)], dim=2))
        sums["codes"] = float(len(torch.cat(codes).unique()))
        return sums, torch.cat(rows, dim=1).cpu()

    def ship(self, averaged: Mapping[str, nn.Module], folder: Path) -> None:
        """`load_coder` reads it: the appearance, with what finetuning made of its renderer, and the autoencoder."""
        redrawer, parts = averaged["redrawer"], self.appearance
        networks = Appearance.named(self.preset.name, parts.encoder, parts.generator, redrawer.renderer)
        configs = {part: getattr(self.preset, part) for part in ("encoder", "generator", "renderer")}
        networks.save(folder / "appearance", configs)
        pretrained.save(folder / "autoencoder", redrawer.coder.autoencoder, self.preset.autoencoder)

    def _packed(self, lesson: TextureLesson) -> Tensor:
        parts, device = self.appearance, lesson.painted.device
        return lesson.packed(parts.encoder.to(device), parts.generator.to(device), self.preset.autoencoder.fold)

    def _revive(
        self, autoencoder: Autoencoder, use: CodebookUse, recoded: Recoded, islands: Islands, turn: Turn
    ) -> None:
        """Counts the codes on islands, and moves the dead ones."""
        shown = islands.latent_weight(autoencoder.shrinkage)[0, 0] > 0
        use.update(recoded.quantized.codes[:, shown])
        latents = recoded.latent.detach().permute(0, 2, 3, 1)[:, shown].flatten(0, 1)
        moved = use.revive(autoencoder.codebook.data, latents, turn.rng)
        if self.accelerator.num_processes > 1:
            from accelerate.utils import broadcast

            broadcast(autoencoder.codebook.data)
        state = self.optimizers["redrawer"].state.get(autoencoder.codebook, {})
        for name in ("exp_avg", "exp_avg_sq"):
            if name in state:
                state[name][moved] = 0

    def _islands(self, device: torch.device) -> Islands:
        if self.islands.covered.device != device:
            self.islands = self.islands.to(device)
        return self.islands

    @cached_property
    def _looked_at(self) -> list[TextureLesson]:
        return [TextureLesson.stacked([self.examples[position]]) for position in range(LOOKED_AT)]

    def _mixed(self, device: torch.device) -> torch.autocast:
        return torch.autocast(device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16)


def load_coder(folder: Path) -> tuple[Appearance, Autoencoder]:
    """What `AutoencoderStage` ships. Raises InputError where something is missing or damaged."""
    folder = Path(folder)
    return Appearance.load(folder / "appearance"), pretrained.load(folder / "autoencoder", Autoencoder)


def texture_loss(autoencoder: Autoencoder, recoded: Recoded, islands: Islands) -> Tensor:
    """||T - T_res||^2 of section 3.3 on the islands alone, the mean over channels of deviation 1."""
    error = (autoencoder.scaled(recoded.decoded) - autoencoder.scaled(recoded.packed)).square().mean(1, keepdim=True)
    return (error * islands.covered).sum() / (len(error) * islands.covered.sum())


def drawn(renderer: nn.Module, lesson: TextureLesson, packed: Tensor, fold: int) -> NeuralRendering:
    """What the renderer makes of packed textures [B, C, S, S] in the lesson's windows."""
    generated, painted, masks = unpack(packed, fold=fold)
    seen = lesson.surface(painted.clamp(0, 1), masks.clamp(0, 1))
    return renderer(seen.features(generated), seen.uv, seen.mask)


def before(rendering: NeuralRendering, backgrounds: Tensor) -> NeuralRendering:
    """A rendering of B people before plain colours [B, 3]."""
    mask = rendering.mask
    return NeuralRendering(rendering.rgb * mask + backgrounds[:, :, None, None] * (1 - mask), mask)


def _detail(colours: Tensor, weight: Tensor) -> Tensor:
    """The mean step between neighbours on the islands."""
    across, down = colours.diff(dim=3).abs().mean(1), colours.diff(dim=2).abs().mean(1)
    return (across * weight[:, 0, :, 1:]).sum() + (down * weight[:, 0, 1:]).sum()
