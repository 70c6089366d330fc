"""`dinar synth` and `dinar train`: networks of your own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import tyro

from dinar.commands.options import Json, Positional, Seed, option
from dinar.commands.reporting import report_files
from dinar.commands.values import within
from dinar.errors import InputError


def synth(
    assets: Annotated[Path, option("the folder that holds makehuman_cc0/ and fabric/", "DIR")],
    views: Annotated[int, option("how many views of each, several poses among them", "V")],
    out: Annotated[Path, option("the folder of shards; what is finished there is not made again", "DIR", short="-o")],
    people: Annotated[int | None, option("how many people (of rigged ones default: all)", "N")] = None,
    built: Annotated[Path | None, option("what tools built: hair (default: --assets' folder built/)", "DIR")] = None,
    rigged: Annotated[Path | None, option("people out of this folder's .glb files instead", "DIR")] = None,
    seed: Seed = 0,
    size: Annotated[int, option("image size in pixels (default: 512)", "N")] = 512,
    workers: Annotated[int, option("processes (default, and 0: one a core)", "N")] = 0,
    as_json: Json = False,
) -> None:
    """Make training data: photos of people that never were, or of rigged ones."""
    from dinar.terminal import Bars

    with Bars() as progress:
        from dinar.synth.rigged import rigged_files
        from dinar.synth.shards import LABELS, SHEET, Plan, write_shards

        if people is None:
            if rigged is None:
                raise InputError("how many people? give --people")
            people = len(rigged_files(rigged))
        within("--people", people, 1, 10**6)
        within("--views", views, 1, 1000)
        within("--seed", seed, 0, 10**9)
        within("--size", size, 64, 2048)
        within("--workers", workers, 0, 512)
        plan = Plan(people, views, seed, size)
        workers = workers or os.cpu_count() or 1
        shards = write_shards(assets, out, plan, built=built, rigged=rigged, workers=workers, progress=progress)
    report_files([out, *shards, out / SHEET, out / LABELS], progress, as_json, people=people, views=people * views)


def train(
    stage: Annotated[
        Literal["appearance", "autoencoder", "detailer", "finetune", "inpainting", "lifter", "parser", "slim"],
        Positional,
        option("what to train; each but lifter and parser starts from what another one has shipped", "STAGE"),
    ],
    data: Annotated[tuple[Path, ...], option("folders of shards (`dinar synth`); the lifter's of sightings", "DIR...")],
    out: Annotated[Path, option("the run: checkpoint, log, pictures, weights", "DIR", short="-o")],
    preset: Annotated[Literal["paper", "small", "tiny"], option("the networks' sizes (default: small)")] = "small",
    after: Annotated[Path | None, option("weights/ of the run of the stage before", "DIR")] = None,
    textures: Annotated[Path | None, option("where people's textures are kept (default: in --out)", "DIR")] = None,
    painter: Annotated[Path | None, option("detailer, slim, inpainting: weights that paint people", "DIR")] = None,
    ready: Annotated[bool, tyro.conf.FlagCreatePairsOff, option("those: of what --textures has")] = False,
    examples: Annotated[tuple[Path, ...], option("shards of people to look at who are not trained on", "DIR...")] = (),
    resume: Annotated[bool, tyro.conf.FlagCreatePairsOff, option("go on with the run in --out, if any")] = False,
    steps: Annotated[int, option("updates of the weights in all (default, and 0: the preset's)", "N")] = 0,
    seconds: Annotated[float | None, option("stop after so long, ready to be resumed", "N")] = None,
    batch: Annotated[int, option("people a step and process (default, and 0: the preset's)", "N")] = 0,
    accumulate: Annotated[int, option("batches whose gradients are summed for a step (default: 1)", "N")] = 1,
    save_every: Annotated[int, option("steps between two checkpoints (default: 200)", "N")] = 200,
    look_every: Annotated[int, option("steps between two pictures (default: 1000)", "N")] = 1000,
    workers: Annotated[int, option("processes that prepare samples (default: 1)", "N")] = 1,
    rate: Annotated[float, option("factor on the learning rates, for the end of a run (default: 1)", "X")] = 1.0,
    bf16: Annotated[bool, tyro.conf.FlagCreatePairsOff, option("compute in bfloat16, on a GPU")] = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Train networks of your own; with torchrun or accelerate on several GPUs."""
    from dinar.terminal import Bars

    with Bars() as progress:
        import torch

        from dinar.presets import PRESETS
        from dinar.train import loop, stages

        sizes = PRESETS[preset]
        usual = stages.numbers(stage, sizes)
        how = loop.Options(
            steps=steps or usual[0],
            batch=batch or usual[1],
            accumulate=accumulate,
            half_life=usual[2],
            seed=seed,
            seconds=seconds,
            save_every=save_every,
            look_every=look_every,
            workers=workers,
            rate=rate,
        )
        precision = torch.bfloat16 if bf16 else torch.float32
        device = "cuda" if torch.cuda.is_available() else "cpu"
        plan = stages.Plan(data, examples, after, textures or out / "textures", painter, seed, ready=ready)
        lessons = stages.opened(stage, sizes, plan, out, precision=precision, device=device, progress=progress)
        with progress.stage("train"):
            reached = loop.train(lessons, out, how, resume=resume, progress=progress)
    report_files([out], progress, as_json, step=reached)
