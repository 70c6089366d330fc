"""Training of the denoiser on latents of textures (eq. 1, sections 3.3 and 4.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW
from torch.utils.data import Dataset

from dinar.errors import InputError
from dinar.files import atomic_file
from dinar.inpainting.diffusion import STEPS, Sampler, importance, noise_in, noised
from dinar.inpainting.inpainter import Condition, Inpainter, decoded, drawn, latent_mask
from dinar.inpainting.packing import unpack
from dinar.networks import pretrained
from dinar.networks.appearance import Appearance
from dinar.networks.autoencoder import HUES, Autoencoder, turned
from dinar.networks.denoiser import Denoiser
from dinar.presets import Preset, build_denoiser
from dinar.progress import Progress
from dinar.texture.islands import Islands
from dinar.train.fillings import Fillings
from dinar.train.lessons import Batch
from dinar.train.loop import Stage, Turn
from dinar.train.texture_lessons import GAIN, TextureLesson
from dinar.train.textures import Dressed, TextureSets

VARIANTS = 4      # of each person's colours: a latent cannot be recoloured
LOOKED_AT = 6     # textures that the picture of an examination shows
MEASURED = 64     # textures that it measures
GUESSED = 0.1     # what latents count of which no view tells the truth
TONES_GAIN = 0.2  # spread of the logarithm of the gain of red, green and blue, where tones are channels of their own
_CHUNK = 8        # textures that are encoded at once


@dataclass(frozen=True)
class Latents(Batch):
    """B textures as diffusion sees them, standardised.

    truth      float32 [B, L, s, s]  T_c, of the merged texture
    condition  float32 [B, L, s, s]  T_c^j, of the texture that one view shows
    mask       float32 [B, 1, s, s]  b(B_fill^j)
    shown      float32 [B, 1, s, s]  the same of the merged texture: beyond it no view tells the truth
    """

    truth: Tensor
    condition: Tensor
    mask: Tensor
    shown: Tensor


class LatentSets(Dataset):
    """The latents of all people, made by `encode`: `latents[position]` is a truth and one of its conditions.

    A function of seed and position alone. Raises InputError where the file is missing or damaged.

    tones  whether the last three channels are colours (`Autoencoder`): each position then has them in shifts of its own
    """

    def __init__(self, path: Path, seed: int = 0, *, tones: bool = False) -> None:
        self.path, self.seed, self.tones = Path(path), seed, tones
        self._facts  # noqa: B018 (the file is sound, and says so now)

    @cached_property
    def _facts(self) -> dict[str, Tensor]:
        try:
            with safe_open(self.path, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}   # noqa: SIM118 (no mapping)
            lengths = {len(tensors.get(name, ())) for name in (f.name for f in fields(Latents))}
            if not {"mean", "deviation"} <= set(tensors) or len(lengths) > 1 or 0 in lengths:
                raise ValueError("its tensors are others")
        except FileNotFoundError as error:
            raise InputError(f"{self.path} is missing") from error
        except (SafetensorError, OSError, ValueError) as error:
            raise InputError(f"{self.path} is damaged ({error})") from error
        return tensors

    def __getstate__(self) -> dict:
        return {"path": self.path, "seed": self.seed, "tones": self.tones}   # each process reads the file itself

    def __len__(self) -> int:
        """The number of conditions."""
        return len(self._facts["condition"])

    def __getitem__(self, position: int) -> Latents:
        rng = torch.Generator().manual_seed(self.seed * 1_000_003 + position)
        one = self.at(int(torch.randint(len(self), (), generator=rng)))
        if not self.tones:
            return one
        gain = torch.exp(TONES_GAIN * torch.randn(len(HUES), generator=rng))
        return replace(one, truth=self._shifted(one.truth, gain), condition=self._shifted(one.condition, gain))

    def at(self, number: int) -> Latents:
        """The latents of one condition, batch 1."""
        return Latents(*(self._facts[f.name][number][None].float() for f in fields(Latents)))

    def _shifted(self, latent: Tensor, gain: Tensor) -> Tensor:
        """Latents [1, L, s, s] with the red, green and blue of their tones times a gain [3]."""
        hues = torch.tensor(HUES)
        mean, deviation = (part[-len(HUES) :] for part in self.scale)
        codes, tones = latent[:, : -len(HUES)], latent[:, -len(HUES) :] * deviation + mean
        tones = turned(turned(tones, hues.T) * gain[:, None, None], hues)
        return torch.cat([codes, (tones - mean) / deviation], dim=1)

    def spread(self) -> Tensor:
        """Deviation of truths from their conditions [2, L, 1, 1], where no photo shows them and where one does."""
        sums, weights = 0, 0
        for number in range(len(self)):
            one = self.at(number)
            shares = torch.cat([1 - one.mask, one.mask]).double() * one.shown
            sums = sums + ((one.truth - one.condition).square() * shares).sum((2, 3), keepdim=True)
            weights = weights + shares.sum((2, 3), keepdim=True)
        return (sums / weights.clamp(min=1e-6)).sqrt().clamp(min=1e-3).float()

    @property
    def scale(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation [L, 1, 1] of the latents, which are standardised with them."""
        return self._facts["mean"], self._facts["deviation"]


@torch.no_grad()
def encode(
    sets: TextureSets | Fillings,
    appearance: Appearance,
    autoencoder: Autoencoder,              # its latents not scaled yet, or scaled already as these shall be
    path: Path,
    *,
    variants: int = VARIANTS,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> None:
    """Writes the latents of all people's textures, each view beside the truth, in so many colours where their generated
    channels are not kept.

    Measures the latents' scale on the truths where the autoencoder has none. The networks stay on `device`.
    """
    islands = Islands.of(sets.tailor.layout, sets.preset.generator.size).to(device)
    autoencoder.to(device).eval()
    parts: dict[str, list[Tensor]] = {f.name: [] for f in fields(Latents)}
    rng = torch.Generator().manual_seed(seed)
    fresh = bool((autoencoder.latent_deviation == 1).all())
    for number in (progress or Progress()).track(range(len(sets)), len(sets), "encode"):
        dressed = sets.dressed(number)
        for variant in range(variants if sets.appearance is None else 1):
            gain = torch.exp(GAIN * bool(variant) * torch.randn(3, generator=rng))    # the first as they are
            packed = _packed(dressed, gain, appearance, autoencoder, islands, device)
            latent = autoencoder.encode(packed).half().cpu()
            parts["truth"].append(latent[:1].expand_as(latent[1:]))
            parts["condition"].append(latent[1:])
            masks = latent_mask(packed[:, -1:], islands, autoencoder.shrinkage).half().cpu()
            parts["mask"].append(masks[1:])
            parts["shown"].append(masks[:1].expand_as(masks[1:]))
    tensors = {name: torch.cat(part) for name, part in parts.items()}
    if fresh:
        shown = islands.latent_weight(autoencoder.shrinkage).cpu()
        autoencoder.cpu().measure_latents(tensors["truth"].float(), shown)
        for name in ("truth", "condition"):
            scaled = (tensors[name].float() - autoencoder.latent_mean) / autoencoder.latent_deviation
            tensors[name] = scaled.half()
        autoencoder.to(device)
    tensors |= {"mean": autoencoder.latent_mean.cpu(), "deviation": autoencoder.latent_deviation.cpu()}
    with atomic_file(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)


def _packed(
    dressed: Iterable[Dressed],
    gain: Tensor,
    appearance: Appearance,
    autoencoder: Autoencoder,
    islands: Islands,
    device: torch.device | str,
) -> Tensor:
    """Textures of one person in one colouring, packed and extended [N, C, S, S]."""
    packed = []
    encoder, generator = appearance.encoder.to(device), appearance.generator.to(device)
    for one in dressed:
        lesson = _bare(one, gain).to(device)
        packed.append(islands.extended(lesson.packed(encoder, generator, autoencoder.fold)))
    return torch.cat(packed)


def _bare(dressed: Dressed, gain: Tensor) -> TextureLesson:
    """A texture as a lesson of which nothing is drawn."""
    nothing = torch.zeros(0, dtype=torch.long)
    return TextureLesson(
        dressed.photos, dressed.shares, torch.zeros(len(dressed.photos), dtype=torch.long), dressed.painted[None],
        dressed.masks[None], dressed.generated[None], gain[None], *([nothing] * 6),
    )  # fmt: skip


class InpaintingStage(Stage):
    """The last stage of training.

    Raises InputError where what it starts from has other sizes than the preset.

    precision  torch.bfloat16 or torch.float32 of the denoiser's convolutions
    """

    name = "inpainting"
    averaged = ("denoiser",)

    def __init__(
        self,
        preset: Preset,
        appearance: Appearance,
        autoencoder: Autoencoder,
        latents: LatentSets,
        islands: Islands,                            # as large as the generated channels
        *,
        seed: int = 0,
        examples: LatentSets | None = None,          # people that are not trained on; default: those that are
        start: Denoiser | None = None,               # that goes on learning; default: random weights
        sampler: Sampler = Sampler(),                # noqa: B008 (frozen); what examinations paint with
        precision: torch.dtype = torch.float32,
    ) -> None:
        self.preset, self.precision, self.appearance = preset, precision, appearance
        self.data, self.examples, self.sampler = latents, examples or latents, sampler
        self.autoencoder, self.islands = autoencoder.requires_grad_(False).eval(), islands
        mean, deviation = latents.scale
        autoencoder.latent_mean.copy_(mean)
        autoencoder.latent_deviation.copy_(deviation)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            denoiser = build_denoiser(preset)
        if start is not None:
            pretrained.take_over(denoiser, start, preset.name)
        elif denoiser.spread is not None:
            denoiser.spread.copy_(latents.spread())
        self.networks = {"denoiser": denoiser}
        self.optimizers = {"denoiser": AdamW(denoiser.parameters(), preset.inpainting.learning_rate)}

    def collate(self, samples: list[Latents]) -> Latents:
        return Latents.stacked(samples)

    def learn(self, batch: Latents, turn: Turn) -> dict[str, float]:
        device = batch.truth.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(int(torch.randint(1 << 62, (), generator=turn.rng)))   # dropout asks nobody else
            loss = self._loss(self.networks["denoiser"], batch, turn.rng)
        self.update("denoiser", loss)
        return {"loss": float(loss.detach())}

    def examine(self, averaged: Mapping[str, nn.Module]) -> tuple[dict[str, float], Tensor]:
        """Eq. 1's loss on people at the start of `examples`, and how far what is painted is from the truth.

        `unseen` is the mean difference of colours on islands where other views alone reach, `plain` that of the plain
        filling. The picture has a row a texture: plain filling, painting and truth, all decoded; the photo's part is
        not put back.
        """
        denoiser = averaged["denoiser"]
        device = next(denoiser.parameters()).device
        rng = torch.Generator().manual_seed(0)
        numbers, apart = {"loss": 0.0}, {"unseen": [], "plain": []}
        count, rows = min(MEASURED, len(self.examples)), []
        for first in range(0, count, _CHUNK):
            some = range(first, min(first + _CHUNK, count))
            batch = self.collate([self.examples[k] for k in some]).to(device)
            known = Condition(batch.condition, batch.mask)
            with torch.no_grad():
                numbers["loss"] += float(self._loss(denoiser, batch, rng)) * len(some) / count
                sample = drawn(denoiser, self.autoencoder.to(device), known, self.sampler, rng)
                plain, painted, truth = (self._colours(one) for one in (known.latent, sample, batch.truth))
            size = truth.shape[-2:]
            unseen = functional.interpolate((1 - batch.mask) * batch.shown, size)
            unseen = unseen * functional.interpolate(self.islands.covered, size).to(device)
            for name, colours in {"unseen": painted, "plain": plain}.items():
                difference = ((colours - truth).abs().mean(1, keepdim=True) * unseen).sum((1, 2, 3))
                apart[name] += (difference / unseen.sum((1, 2, 3)).clamp(min=1)).tolist()
            rows += [torch.cat(row, dim=2) for row in zip(plain, painted, truth, strict=True)]
        numbers |= {name: sum(values) / len(values) for name, values in apart.items()}
        return numbers, torch.cat(rows[:LOOKED_AT], dim=1).cpu()

    def ship(self, averaged: Mapping[str, nn.Module], folder: Path) -> None:
        networks = Inpainter.named(
            self.preset.name, self.appearance.name, self.autoencoder, averaged["denoiser"]
        )
        networks.save(folder, {part: getattr(self.preset, part) for part in ("autoencoder", "denoiser")})

    def _loss(self, denoiser: nn.Module, batch: Latents, rng: torch.Generator) -> Tensor:
        """Eq. 1, beside islands too: there each step of a sampler builds on the one before as well."""
        device = batch.truth.device
        step = torch.randint(STEPS, (len(batch.truth),), generator=rng).to(device)
        noise = torch.randn(batch.truth.shape, generator=rng).to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.precision == torch.bfloat16):
            found = noise_in(denoiser, noised(batch.truth, noise, step), batch.condition, batch.mask, step)
        weight = noise.new_ones(noise.shape[1], 1, 1)
        if self.preset.autoencoder.tones:
            weight[: self.preset.autoencoder.latent] = self.preset.inpainting.codes
        share = GUESSED + (1 - GUESSED) * batch.shown
        error = (found - noise).square() * importance(denoiser, batch.mask, step) * share
        return (error * weight).mean() / (weight.mean() * share.mean())

    def _colours(self, latent: Tensor) -> Tensor:
        """What latents decode to: colours [B, 3, R, R]."""
        autoencoder = self.autoencoder.to(latent.device)
        packed = decoded(autoencoder, latent, self.islands.to(latent.device))
        return unpack(packed, fold=autoencoder.fold)[1].clamp(0, 1)
