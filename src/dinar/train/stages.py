"""Which stage of training is wanted, and what it starts from: each takes what the one before has shipped, but the
parser's and the lifter's, which stand alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from dinar.errors import InputError
from dinar.inpainting.inpainter import Inpainter, check
from dinar.networks import parser
from dinar.networks.appearance import Appearance
from dinar.presets import Preset
from dinar.progress import Progress
from dinar.texture.islands import Islands
from dinar.train.appearance import AppearanceStage
from dinar.train.autoencoder import AutoencoderStage, load_coder
from dinar.train.detailing import DetailerStage
from dinar.train.fillings import GAIN, PATTERNED, TURNS, Fillings
from dinar.train.inpainting import InpaintingStage, LatentSets, encode
from dinar.train.lifting import LifterStage
from dinar.train.loop import Stage
from dinar.train.parsing import ParserStage
from dinar.train.sittings import Sittings
from dinar.train.slimming import SlimStage
from dinar.train.textures import VIEWS, TextureSets

StageName = Literal["appearance", "autoencoder", "detailer", "finetune", "inpainting", "lifter", "parser", "slim"]


@dataclass(frozen=True)
class Plan:
    """What a stage learns from.

    data      folders of shards
    examples  folders of shards of people who are not trained on; none: those that are
    after     weights/ of the run before: for the autoencoder the appearance's, then its own, then the finetuning's; for
              the small renderer and the detailer the appearance's
    textures  folder that keeps the people's textures, for all stages but the first; the small renderer's people, the
              detailer's fillings
    painter   weights/ of the inpainting, which paint every second person that the small renderer learns from, and all
              that the detailer does; what a denoiser that learns from the detailer's fillings starts from
    """

    data: tuple[Path, ...]
    examples: tuple[Path, ...]
    after: Path | None
    textures: Path
    painter: Path | None = None
    seed: int = 0
    least: int = VIEWS   # views that a truth is merged from
    inputs: int | None = None    # views of each person that are inputs too; None: all
    most: int | None = None      # people at the start of `data`; None: all
    looked_at: int | None = None  # people at the start of `examples`; None: all
    ready: bool = False          # only people who are kept in `textures` already (the small renderer's, the detailer's)
    keep: bool = False           # generated channels are made once and kept: for CPUs


def numbers(name: StageName, preset: Preset) -> tuple[int, int, int]:
    """Steps, batch and half-life of the average, samples."""
    if name == "inpainting":
        how = preset.inpainting
        return how.steps, how.batch, how.ema_half_life
    alone = {"appearance": preset.appearance, "parser": preset.parsing, "slim": preset.slimming}
    alone |= {"lifter": preset.lifting, "detailer": preset.detailing}
    if how := alone.get(name):
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


def sittings(preset: Preset, plan: Plan) -> tuple[Sittings, Sittings | None]:
    """The people whom the small renderer learns from, and the examples."""
    appearance = Appearance.load(plan.after)
    painter = None if plan.painter is None else Inpainter.load(plan.painter)
    if painter is not None:
        check(painter, appearance.name)
    options = {"inpainter": painter, "parser": parser.shipped(), "seed": plan.seed, "ready": plan.ready}
    data = Sittings(plan.data, plan.textures, preset, appearance, most=plan.most, **options)
    if not plan.examples:
        return data, None
    return data, Sittings(plan.examples, plan.textures, preset, appearance, most=plan.looked_at, **options)


def fillings(preset: Preset, plan: Plan, *, turns: int = TURNS) -> tuple[Fillings, Fillings | None]:
    """The unseen sides that detailer and denoiser learn from, and the examples; `plan` as for the small renderer."""
    if plan.after is None or plan.painter is None:
        raise InputError("fillings are made by weights; give them with --after and --painter")
    appearance, painter = Appearance.load(plan.after), Inpainter.load(plan.painter)
    check(painter, appearance.name)
    options = {"parser": parser.shipped(), "seed": plan.seed, "turns": turns, "ready": plan.ready}
    lessons = {"most": plan.most, "gain": GAIN, "patterned": PATTERNED}
    data = Fillings(plan.data, plan.textures, preset, appearance, painter, **lessons, **options)
    if not plan.examples:
        return data, None
    return data, Fillings(plan.examples, plan.textures, preset, appearance, painter, most=plan.looked_at, **options)


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
    if name == "lifter":
        return LifterStage(preset, plan.data, examples=plan.examples, seed=plan.seed)
    if plan.after is None:
        raise InputError(f"{name} starts from the weights of the stage before; give them with --after")
    if name == "slim":
        data, others = sittings(preset, plan)
        return SlimStage(preset, data, seed=plan.seed, examples=others, precision=precision)
    if name == "detailer":
        data, others = fillings(preset, plan)
        start = Inpainter.load(plan.painter).detailer
        return DetailerStage(preset, data, seed=plan.seed, examples=others, start=start, precision=precision)
    start = None
    if name == "inpainting" and plan.painter is not None:
        painter = Inpainter.load(plan.painter)
        appearance, autoencoder, start = Appearance.load(plan.after), painter.autoencoder, painter.denoiser
        sets, others = fillings(preset, plan)
    else:
        first = name == "autoencoder"
        appearance, autoencoder = (Appearance.load(plan.after), None) if first else load_coder(plan.after)
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
        preset, appearance, autoencoder, latents[0], islands, seed=plan.seed, examples=latents[1], start=start,
        precision=precision,
    )  # fmt: skip
