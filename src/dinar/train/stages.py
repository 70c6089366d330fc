"""Which stage of training is wanted, and what it starts from: each takes what the one before has shipped, but the
parser's, which stands alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from dinar.errors import InputError
from dinar.networks.appearance import Appearance
from dinar.presets import Preset
from dinar.progress import Progress
from dinar.texture.islands import Islands
from dinar.train.appearance import AppearanceStage
from dinar.train.autoencoder import AutoencoderStage, load_coder
from dinar.train.inpainting import InpaintingStage, LatentSets, encode
from dinar.train.loop import Stage
from dinar.train.parsing import ParserStage
from dinar.train.textures import VIEWS, TextureSets

StageName = Literal["appearance", "autoencoder", "finetune", "inpainting", "parser"]


@dataclass(frozen=True)
class Plan:
    """What a stage learns from.

    data      folders of shards
    examples  folders of shards of people who are not trained on; none: those that are
    after     weights/ of the run before: for the autoencoder the appearance's, then its own, then the finetuning's
    textures  folder that keeps the people's textures, for all stages but the first
    """

    data: tuple[Path, ...]
    examples: tuple[Path, ...]
    after: Path | None
    textures: Path
    seed: int = 0
    least: int = VIEWS   # views that a truth is merged from
    inputs: int | None = None    # views of each person that are inputs too; None: all
    most: int | None = None      # people at the start of `data`; None: all
    looked_at: int | None = None  # people at the start of `examples`; None: all
    keep: bool = False           # generated channels are made once and kept: for CPUs


def numbers(name: StageName, preset: Preset) -> tuple[int, int, int]:
    """Steps, batch and half-life of the average, samples."""
    if name == "inpainting":
        how = preset.inpainting
        return how.steps, how.batch, how.ema_half_life
    if name == "parser":
        how = preset.parsing
        return how.steps, how.batch, how.ema_half_life
    if name == "appearance":
        how = preset.appearance
        return how.steps, how.batch, how.ema_half_life
    how = preset.autoencoding
    return how.finetune_steps if name == "finetune" else how.steps, how.batch, preset.appearance.ema_half_life


def textures(
    preset: Preset, plan: Plan, appearance: Appearance | None = None
) -> tuple[TextureSets, TextureSets | None]:
    """The textures of the people to learn from, and of the examples; `appearance` makes the channels that are kept."""
    options = {
        "seed": plan.seed,
        "least": plan.least,
        "inputs": plan.inputs,
        "appearance": appearance if plan.keep else None,
    }
    sets = TextureSets(plan.data, plan.textures, preset, most=plan.most, **options)
    if not plan.examples:
        return sets, None
    folder = plan.textures.with_name(f"{plan.textures.name}-examples")
    return sets, TextureSets(plan.examples, folder, preset, most=plan.looked_at, **options)


def opened(
    name: StageName,
    preset: Preset,
    plan: Plan,
    out: Path,                                # the run; inpainting keeps its latents there
    *,
    precision: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",       # that latents are made on
    progress: Progress | None = None,
) -> Stage:
    """A stage, ready for `loop.train`. Raises InputError where what it starts from is missing or damaged."""
    if name == "appearance":
        return AppearanceStage(
            preset, plan.data, examples=plan.examples, seed=plan.seed, precision=precision
        )
    if name == "parser":
        return ParserStage(preset, plan.data, examples=plan.examples, seed=plan.seed, precision=precision)
    if plan.after is None:
        raise InputError(f"{name} starts from the weights of the stage before; give them with --after")
    appearance, autoencoder = (Appearance.load(plan.after), None) if name == "autoencoder" else load_coder(plan.after)
    sets, others = textures(preset, plan, appearance)
    if name != "inpainting":
        return AutoencoderStage(
            sets, appearance, autoencoder, finetune=name == "finetune", seed=plan.seed, examples=others,
            precision=precision,
        )  # fmt: skip
    latents = []
    for some, file in ((sets, "latents.safetensors"), (others, "examples.safetensors")):
        path = out / file
        if some is not None and not path.exists():
            encode(some, appearance, autoencoder, path, seed=plan.seed, device=device, progress=progress)
        shifts = preset.autoencoder.tones and some is sets
        latents.append(LatentSets(path, plan.seed, tones=shifts) if some is not None else None)
    islands = Islands.of(sets.tailor.layout, preset.generator.size)
    appearance, autoencoder = appearance.to("cpu"), autoencoder.to("cpu")
    return InpaintingStage(
        preset, appearance, autoencoder, latents[0], islands, seed=plan.seed, examples=latents[1], precision=precision
    )
