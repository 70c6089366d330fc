"""Makes the weights that ship: data, training, packing, in runs of minutes that go on where the last one ended.

    python tools/train.py run --assets ../shared/assets --state state/small --seconds 540
    python tools/train.py pack --state state/small --out src/dinar/weights --machine "2 CPU cores"

`run` first makes what is missing of the data (about 40 MB a hundred people), then trains until the time is over. On a
machine with a GPU that is lent for minutes `tools/gpu.sh` does all of it.

The networks of the inpainting come after the appearance, each stage from the weights of the one before; `finetune` can
be left out, and changes the appearance weights where it is not:

    python tools/train.py textures --state state/small --seconds 540                  (nothing in it depends on weights)
    python tools/train.py run --stage autoencoder --keep --assets ../shared/assets --state state/small
    python tools/train.py run --stage finetune --keep --batch 2 --assets ../shared/assets --state state/small
    python tools/train.py run --stage inpainting --keep --batch 8 --assets ../shared/assets --state state/small
    python tools/train.py pack --stage inpainting --state state/small --out src/dinar/weights --machine "2 CPU cores"

The detailer adds to what is painted (docs/train.md):

    python tools/train.py fillings --data state/small/people --cache state/fillings --workers 2
    dinar train detailer --data state/small/people --ready --after src/dinar/weights/appearance \
        --painter src/dinar/weights/inpainting --textures state/fillings --examples state/small/heldout \
        --out state/detailer
    python tools/train.py pack --stage detailer --state state/detailer --out src/dinar/weights --machine "2 CPU cores" \
        --learnt-from "..."

A denoiser learns from the same textures, and ships in the place of the one before (`--stage denoiser`):

    dinar train inpainting --data state/small/people --ready --after src/dinar/weights/appearance \
        --painter src/dinar/weights/inpainting --textures state/fillings --examples state/small/heldout \
        --out state/denoiser

The small renderer, which ships in the large one's place, learns from it (docs/train.md):

    python tools/train.py sittings --data state/small/people --cache state/sittings --seconds 540
    dinar train slim --data state/small/people --after src/dinar/weights/appearance \
        --painter src/dinar/weights/inpainting --textures state/sittings --examples state/small/heldout --out state/slim
    python tools/train.py retune --data state/small/people --cache state/sittings --by state/slim/weights  (and go on)
    python tools/train.py pack --stage slim --state state/slim --out src/dinar/weights --machine "2 CPU cores" \
        --learnt-from "..." --textures "..."

`--keep`, for CPUs, makes each texture's generated channels once instead of for every lesson, without colour shifts.
"""

from __future__ import annotations

import os
import time
from functools import lru_cache
from pathlib import Path

import dinar  # isort: skip (before torch: threads that wait shall sleep)
import torch
import tyro
from packing import FOLDERS, VIEWS, pack

from dinar import presets
from dinar.networks.appearance import Appearance
from dinar.networks.renderer import Renderer
from dinar.parallel import one_thread_processes
from dinar.synth.shards import Plan, write_shards
from dinar.terminal import Bars
from dinar.train import loop, stages
from dinar.train.fillings import Fillings
from dinar.train.sittings import Sittings

WEIGHTS = Path(dinar.__file__).parent / "weights"
INPUTS = 4      # of them: views that are inpainted; the truth is merged from all
EXAMPLES = 12   # held-out people whose textures the later stages look at
BEFORE = {"slim": "appearance", "autoencoder": "appearance", "finetune": "autoencoder", "inpainting": "finetune"}


def run(
    assets: Path,
    state: Path,
    stage: stages.StageName = "appearance",
    people: int = 640,
    heldout: int = 48,
    extra: tuple[Path, ...] = (),         # more shards to train on
    preset: str = "small",
    seconds: float = 540.0,               # of this run, data included
    steps: int = 0,                       # to stop at; 0: the preset's
    batch: int = 0,
    workers: int = 1,
    save_every: int = 50,
    look_every: int = 400,
    rate: float = 1.0,                    # factor on the learning rates, for the end
    bf16: bool = False,
    textured: int = 0,                    # people that the later stages learn from, those of `extra` first; 0: all
    keep: bool = False,                   # generated channels are made once for each person: on a CPU
) -> None:
    """Data and training for so many seconds."""
    began = time.monotonic()
    sizes = presets.PRESETS[preset]
    with Bars() as progress:
        for name, seed, count in (("heldout", 1000, heldout), ("people", 1, people)):
            plan = Plan(count, VIEWS, seed)
            write_shards(assets, state / name, plan, workers=os.cpu_count() or 1, progress=progress)
        preset_steps, preset_batch, half_life = stages.numbers(stage, sizes)
        out = state / FOLDERS[stage]
        with progress.stage("open"):
            found = stages.opened(
                stage,
                sizes,
                _plan(state, stage, extra, textured, keep),
                out,
                precision=torch.bfloat16 if bf16 else torch.float32,
                device="cuda" if torch.cuda.is_available() else "cpu",
                progress=progress,
            )
        options = loop.Options(
            steps=steps or preset_steps,
            batch=batch or preset_batch,
            half_life=half_life,
            seconds=max(seconds - (time.monotonic() - began), 1.0),
            save_every=save_every,
            look_every=look_every,
            workers=workers,
            rate=rate,
        )
        with progress.stage("train"):
            step = loop.train(found, out, options, resume=True, progress=progress)
    print(f"step {step}")


def textures(
    state: Path,
    extra: tuple[Path, ...] = (),         # as of `run`
    preset: str = "small",
    textured: int = 0,                    # as of `run`
    seconds: float = 540.0,
) -> None:
    """What the later stages keep of each person, as far as it does not depend on weights: ahead of them."""
    began = time.monotonic()
    with torch.no_grad(), Bars() as progress:
        sets = stages.textures(presets.PRESETS[preset], _plan(state, "autoencoder", extra, textured, keep=False))
        for some in sets[::-1]:
            for number in progress.track(range(len(some)), len(some), "textures"):
                some.prepare(number)
                if time.monotonic() - began > seconds:
                    return


def sittings(
    data: tuple[Path, ...],               # folders of shards
    cache: Path,                          # as `--textures` of `dinar train slim`
    after: Path = WEIGHTS / "appearance",
    painter: Path | None = WEIGHTS / "inpainting",
    preset: str = "small",
    seconds: float = 540.0,
    workers: int = 1,                     # processes
) -> None:
    """People as the large renderer draws them, kept ahead of the small one's training: 10 s each on one core."""
    began = time.monotonic()
    plan = stages.Plan(data, (), after, cache, painter=painter)
    with Bars() as progress, one_thread_processes(workers) as pool:
        jobs = [(plan, preset, number) for number in _sitters(plan, preset).numbers]
        for _ in progress.track(pool.imap_unordered(_sit, jobs), len(jobs), "draw"):
            if time.monotonic() - began > seconds:
                return


def retune(
    data: tuple[Path, ...],               # folders of shards
    cache: Path,                          # of sittings
    by: Path,                             # appearance weights: those of a run of `dinar train slim` on these sittings
    after: Path = WEIGHTS / "appearance",     # what the sittings were made with
    painter: Path | None = WEIGHTS / "inpainting",
    preset: str = "small",
    workers: int = 1,                     # processes
) -> None:
    """Sittings' generated channels tuned anew, for the renderer that learns from them: 2 s each on one core."""
    plan = stages.Plan(data, (), after, cache, painter=painter, ready=True)
    with Bars() as progress, one_thread_processes(workers) as pool:
        jobs = [(plan, preset, by, number) for number in _sitters(plan, preset).numbers]
        for _ in progress.track(pool.imap_unordered(_retune, jobs), len(jobs), "tune"):
            pass


def fillings(
    data: tuple[Path, ...],               # folders of shards
    cache: Path,                          # as `--textures` of `dinar train detailer`
    after: Path = WEIGHTS / "appearance",
    painter: Path = WEIGHTS / "inpainting",
    preset: str = "small",
    turns: int = 1,                       # views of each person that are photos
    people: int = 0,                      # at the start of `data`; 0: all
    seconds: float = 540.0,
    workers: int = 1,                     # processes
) -> None:
    """Unseen sides as they are filled and painted, beside the truth, ahead of training: 15 s each on one core."""
    began = time.monotonic()
    plan = stages.Plan(data, (), after, cache, painter=painter, most=people or None)
    with Bars() as progress, one_thread_processes(workers) as pool:
        jobs = [(plan, preset, turns, number) for number in range(len(_fillings(plan, preset, turns)))]
        for _ in progress.track(pool.imap_unordered(_fill, jobs), len(jobs), "fill"):
            if time.monotonic() - began > seconds:
                return


@lru_cache(maxsize=1)
def _fillings(plan: stages.Plan, preset: str, turns: int) -> Fillings:
    return stages.fillings(presets.PRESETS[preset], plan, turns=turns)[0]


def _fill(job: tuple[stages.Plan, str, int, int]) -> None:
    plan, preset, turns, number = job
    _fillings(plan, preset, turns).prepare(number)


@lru_cache(maxsize=1)
def _sitters(plan: stages.Plan, preset: str) -> Sittings:
    return stages.sittings(presets.PRESETS[preset], plan)[0]


def _sit(job: tuple[stages.Plan, str, int]) -> None:
    plan, preset, number = job
    _sitters(plan, preset).prepare(number)


@lru_cache(maxsize=1)
def _renderer(weights: Path) -> Renderer:
    return Appearance.load(weights).renderer


def _retune(job: tuple[stages.Plan, str, Path, int]) -> None:
    plan, preset, by, number = job
    _sitters(plan, preset).retune(number, _renderer(by))


def _plan(state: Path, stage: stages.StageName, extra: tuple[Path, ...], textured: int, keep: bool) -> stages.Plan:
    before = FOLDERS.get(BEFORE.get(stage, ""), "")
    if stage == "inpainting" and not (state / before).exists():
        before = FOLDERS["autoencoder"]                       # nobody need finetune
    return stages.Plan(
        data=(*extra, state / "people") if stage != "appearance" else (state / "people", *extra),
        examples=(state / "heldout",),
        after=state / before / loop.WEIGHTS if before else None,
        textures=state / "textures",
        inputs=INPUTS,
        most=textured or None,
        looked_at=EXAMPLES,
        keep=keep,
    )


if __name__ == "__main__":
    commands = (run, textures, sittings, retune, fillings, pack)
    tyro.extras.subcommand_cli_from_dict({command.__name__: command for command in commands})
