"""Training of the VQGAN, and the finetuning with it in the loop (sections 3.3 and 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
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
from dinar.networks.renderer import NeuralRendering, Renderer
from dinar.perceptual.lpips import load_lpips
from dinar.presets import build_autoencoder, build_discriminator
from dinar.store import Store
from dinar.texture.islands import Islands
from dinar.train.adversary import judged, taught
from dinar.train.loop import Stage, Turn
from dinar.train.losses import before, generator_loss, numbers, random_crops
from dinar.train.texture_lessons import TextureLesson, TextureLessons
from dinar.train.textures import TextureSets

LOOKED_AT = 6   # lessons that every examination draws
MEASURED = 24   # textures that the channels' scale is measured on


@dataclass(frozen=True)
class Recoded:
    """Textures, or parts of them, and what is left of them after the codebook.

    packed     float32 [B, C, S, S]       T, islands extended
    decoded    float32 [B, C, S, S]       T_res
    covered    float32 [1 or B, 1, S, S]  1 on islands
    latent     float32 [B, L, s, s]       before the codebook
    quantized  Quantized
    """

    packed: Tensor
    decoded: Tensor
    covered: Tensor
    latent: Tensor
    quantized: Quantized

    @property
    def shown(self) -> Tensor:
        """Whether each latent holds a covered texel: bool [B, s, s]."""
        shown = functional.max_pool2d(self.covered, self.packed.shape[-1] // self.latent.shape[-1])[:, 0] > 0
        return shown.expand(len(self.latent), -1, -1)


class Coder(nn.Module):
    """The autoencoder with the account of its codebook: what a checkpoint of its training holds."""

    def __init__(self, autoencoder: Autoencoder, patience: int) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.use = CodebookUse(len(autoencoder.codebook), patience=patience)

    def forward(
        self, packed: Tensor, covered: Tensor, common: Tensor | None = None, *, snap: bool = True
    ) -> Recoded:
        """Extended textures or parts of them, with what is `common` there (`Autoencoder.encode`).

        Without `snap` they are decoded from latents that are no codes.
        """
        latent = self.autoencoder.encode(packed, common)
        quantized = self.autoencoder.quantize(latent)
        decoded = self.autoencoder.decode(quantized.latent if snap else latent, common)
        return Recoded(packed, decoded, covered, latent, quantized)

    def whole(self, packed: Tensor, islands: Islands, *, snap: bool = True) -> Recoded:
        """Textures [B, C, S, S] of any content off the islands; decoded, they are extended as well."""
        recoded = self(islands.extended(packed), islands.covered, snap=snap)
        return replace(recoded, decoded=islands.extended(recoded.decoded))


class Redrawer(nn.Module):
    """Autoencoder and renderer in a row: the VQGAN branch of figure 2.

    A renderer that does not learn is no part of its state: a run goes on with that of newer appearance weights.
    """

    def __init__(self, coder: Coder, renderer: Renderer, *, learns: bool) -> None:
        super().__init__()
        self.coder = coder
        self.learnt, self._still = (renderer, []) if learns else (None, [renderer.eval()])

    @property
    def renderer(self) -> Renderer:
        if self.learnt is not None:
            return self.learnt
        return self._still[0].to(self.coder.autoencoder.codebook.device)

    def forward(
        self,
        lesson: TextureLesson,
        packed: Tensor,                          # [B, C, S, S]
        islands: Islands,
        corners: list[tuple[int, int]] | None,   # first row and column of the part of each texture that is compared
        crop: int,                               # its side
        *,
        snap: bool = True,
    ) -> tuple[Recoded, NeuralRendering | None]:
        """The recoded parts, or whole textures without `corners`, and the lesson's windows if it has any."""
        autoencoder = self.coder.autoencoder
        if corners is None:
            recoded = whole = self.coder.whole(packed, islands, snap=snap)
        else:
            cuts = [(..., slice(y, y + crop), slice(x, x + crop)) for y, x in corners]
            parts = torch.stack([t[cut] for t, cut in zip(islands.extended(packed), cuts, strict=True)])
            covered, common = (torch.stack([t[cut] for cut in cuts]) for t in (islands.covered[0], autoencoder.common))
            recoded, which = self.coder(parts, covered, common, snap=snap), lesson.drawn
            whole = self.coder.whole(packed[which], islands, snap=snap) if len(which) else None
        if not len(lesson.drawn):
            return recoded, None
        chosen = whole.decoded if corners is not None else whole.decoded[lesson.drawn]
        return recoded, drawn(self.renderer, lesson, chosen, autoencoder.fold)


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
        self.crop = None if finetune else self.how.crop
        self.data = TextureLessons(sets, seed, partial=self.how.partial, every=1 if finetune else self.how.every)
        self.examples = TextureLessons(examples or sets, seed + 1, partial=0.0, colours=False)
        self.lpips = load_lpips(perception, store or Store()).requires_grad_(False)
        self.islands = Islands.of(sets.tailor.layout, preset.generator.size)
        self.measured = autoencoder is not None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            coder = Coder(autoencoder or build_autoencoder(preset), self.how.patience)
            for network in (appearance.encoder, appearance.generator, appearance.renderer):
                network.requires_grad_(False).eval()
            redrawer = Redrawer(coder, appearance.renderer.requires_grad_(finetune), learns=finetune)
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
        """Eq. 4 on what is drawn with decoded textures, L2 and LPIPS between textures, the codebook's own loss."""
        device, how, islands = batch.painted.device, self.how, self._islands(batch.painted.device)
        redrawer = self.accelerator.unwrap_model(self.networks["redrawer"])
        autoencoder, use = redrawer.coder.autoencoder, redrawer.coder.use
        self.lpips.to(device)
        snap = self.finetune or turn.step >= how.snapped_from
        backgrounds = torch.rand(len(batch.drawn), 3, generator=turn.rng).to(device)
        truth = batch.target(backgrounds)
        with self._mixed(device):
            packed = self._packed(batch)
            if turn.step == 0 and not self.measured:
                autoencoder.measure_channels(*self._some(islands))
            corners = self._corners(len(packed), autoencoder.shrinkage, turn.rng)
            recoded, rendering = self.networks["redrawer"](
                batch, packed, islands, corners, self.crop or islands.size, snap=snap
            )
        texture = texture_loss(autoencoder, recoded)
        commitment = recoded.quantized.commitment
        total = how.texture * texture + how.commitment * snap * commitment
        found = {"texture": float(texture.detach()), "commitment": float(commitment.detach())}
        if how.lpips:
            alike = self._colours_alike(recoded, autoencoder.fold, turn.rng)
            total = total + how.lpips * alike
            found["texture_lpips"] = float(alike.detach())
        adversary, image = None, None
        if rendering is not None:
            if turn.step >= how.adversarial_from or self.finetune:
                adversary = self.networks["discriminator"]
            with self._mixed(device):
                image = before(rendering, backgrounds)
                logits = judged(adversary, image.rgb)
            terms = generator_loss(image, truth, logits, self.lpips, self.preset.appearance, turn.rng)
            total = total + terms.total
            found |= numbers(terms)
        self.update("redrawer", total)
        if snap or turn.step + 1 == how.snapped_from:
            self._revive(autoencoder, use, recoded, turn)
            found |= {"codebook/used": use.used, "codebook/perplexity": use.perplexity}
        if adversary is not None:
            weights = self.preset.appearance
            found |= taught(self, image.rgb, truth.image, weights, turn.step, self._mixed(device))
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
                recoded, rendering = redrawer(lesson, self._packed(lesson), islands, None, islands.size)
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

    def _some(self, islands: Islands) -> tuple[Tensor, Tensor]:
        """Textures to measure the channels' scale on, and where they count: the same in all processes."""
        lesson = self.collate([self.data[position] for position in range(MEASURED)]).to(islands.covered.device)
        return islands.extended(self._packed(lesson)), islands.covered

    def _corners(self, count: int, step: int, rng: torch.Generator) -> list[tuple[int, int]] | None:
        """Where the part of each texture begins that is compared: on whole latents, about a texel of an island."""
        if self.crop is None or self.crop >= self.islands.size:
            return None
        inside = self.islands.covered[0, 0].nonzero()
        chosen = inside[torch.randint(len(inside), (count,), generator=rng).to(inside.device)]
        first = (chosen - self.crop // 2).clamp(0, self.islands.size - self.crop) // step * step
        return [(int(y), int(x)) for y, x in first]

    def _colours_alike(self, recoded: Recoded, fold: int, rng: torch.Generator) -> Tensor:
        """LPIPS of a random part of the colours on islands."""
        decoded = torch.where(recoded.covered > 0, recoded.decoded, recoded.packed)
        both = torch.cat([unpack(packed.float(), fold=fold)[1] for packed in (decoded, recoded.packed)], dim=1)
        return self.lpips(*random_crops(both, self.preset.appearance.lpips_crop, rng).split(3, dim=1)).mean()

    def _revive(self, autoencoder: Autoencoder, use: CodebookUse, recoded: Recoded, turn: Turn) -> None:
        """Counts the codes on islands, and moves the dead ones."""
        use.update(recoded.quantized.codes[recoded.shown])
        latents = recoded.latent.detach() * autoencoder.latent_deviation + autoencoder.latent_mean
        latents = latents[:, : autoencoder.latent]
        moved = use.revive(autoencoder.codebook.data, latents.permute(0, 2, 3, 1)[recoded.shown], turn.rng)
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


def texture_loss(autoencoder: Autoencoder, recoded: Recoded) -> Tensor:
    """||T - T_res||^2 of section 3.3 on the islands alone, the mean over channels of deviation 1."""
    scaled = (autoencoder.scaled(texture) for texture in (recoded.decoded, recoded.packed))
    error = functional.mse_loss(*scaled, reduction="none").mean(1, keepdim=True)
    covered = recoded.covered.expand_as(error)
    return (error * covered).sum() / covered.sum().clamp(min=1)


def drawn(renderer: nn.Module, lesson: TextureLesson, packed: Tensor, fold: int) -> NeuralRendering:
    """What the renderer makes of packed textures [W, C, S, S] in the lesson's windows, a texture each."""
    generated, painted, masks = unpack(packed, fold=fold)
    seen = lesson.surface(painted.clamp(0, 1), masks.clamp(0, 1))
    return renderer(seen.features(generated), seen.uv, seen.mask)


def _detail(colours: Tensor, weight: Tensor) -> Tensor:
    """The mean step between neighbours on the islands."""
    across, down = colours.diff(dim=3).abs().mean(1), colours.diff(dim=2).abs().mean(1)
    return (across * weight[:, 0, :, 1:]).sum() + (down * weight[:, 0, 1:]).sum()
