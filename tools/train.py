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
    python tools/train.py pack --stage slim --state state/slim --out src/dinar/weights --machine "2 CPU cores" \
        --learnt-from "..." --textures "..."

`--keep`, for CPUs, makes each texture's generated channels once instead of for every lesson, without colour shifts.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from functools import lru_cache
from pathlib import Path
from typing import Literal

import dinar  # isort: skip (before torch: threads that wait shall sleep)
import cards
import torch
import tyro
from PIL import Image
from torch import Tensor, nn

from dinar import presets
from dinar.errors import InputError
from dinar.files import atomic_file, atomic_folder
from dinar.inpainting.inpainter import Inpainter
from dinar.networks import pretrained
from dinar.networks.appearance import Appearance
from dinar.networks.denoiser import Denoiser
from dinar.networks.detailer import Detailer
from dinar.networks.lifter import LandmarkLifter
from dinar.networks.parser import HumanParser
from dinar.networks.pretrained import digest
from dinar.parallel import one_thread_processes
from dinar.synth.shards import Plan, write_shards
from dinar.terminal import Bars
from dinar.train import loop, stages
from dinar.train.fillings import Fillings
from dinar.train.sittings import Sittings

WEIGHTS = Path(dinar.__file__).parent / "weights"
VIEWS = 8
INPUTS = 4      # of them: views that are inpainted; the truth is merged from all
EXAMPLES = 12   # held-out people whose textures the later stages look at
FOLDERS = {"appearance": "run"} | {name: name for name in ("autoencoder", "finetune", "inpainting", "parser", "slim")}
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


def pack(
    state: Path,
    out: Path,
    machine: str,                         # that trained, for the model card
    stage: Literal["appearance", "denoiser", "detailer", "inpainting", "lifter", "parser", "slim"] = "appearance",
    extra: tuple[Path, ...] = (),         # as of `run`
    preset: str = "small",
    remark: str = "",                     # what else the card should say of the training
    learnt_from: str = "",                # all but appearance and inpainting: the data with their licences
    textures: str = "",                   # what its encoder and generator learnt from, with how many steps and hours
    measured: str = "",                   # what benchmarks/parser.py printed
    share: float = 1.0,                   # slim: of the new weights; the rest are those that it went on from
) -> None:
    """The averaged weights, with a model card, as they ship; with the inpainting's the appearance that it goes with.

    Of all but appearance and inpainting `state` is the run itself.
    """
    if stage == "slim":
        _pack_slim(state, out, machine, learnt_from, textures, preset, remark, share)
        return
    if stage in ("denoiser", "detailer", "lifter", "parser") and not learnt_from:
        raise InputError(f"a {stage} ships with what it learnt from; give --learnt-from")
    if stage == "denoiser":
        _pack_denoiser(state, out, machine, learnt_from, preset, remark)
        return
    if stage == "detailer":
        _pack_detailer(state, out, machine, learnt_from, preset, remark)
        return
    if stage == "lifter":
        _pack_lifter(state, out, machine, learnt_from, remark)
        return
    if stage == "parser":
        _pack_parser(state, out, machine, learnt_from, measured, remark)
        return
    if stage == "appearance":
        _pack_appearance(state, out, machine, extra, preset, remark)
        return
    found = Inpainter.load(state / FOLDERS[stage] / loop.WEIGHTS)
    tuned = state / FOLDERS["finetune"] / loop.WEIGHTS / "appearance"
    if tuned.exists() and Appearance.load(tuned).name == found.appearance:
        for path in sorted(tuned.rglob("*")):          # the card beside them stays
            if path.is_file():
                shutil.copyfile(path, out / "appearance" / path.relative_to(tuned))
    if Appearance.load(out / "appearance").name != found.appearance:
        raise InputError(f"{out} has other appearance weights than {found.appearance}; pack those first")
    logs = {}
    for name in ("autoencoder", "finetune", "inpainting"):
        path = state / FOLDERS[name] / loop.LOG
        if path.exists():
            logs[name] = _log(path.parent)
    with atomic_folder(out / "inpainting", marker="inpainting.json") as fresh:
        shutil.copytree(state / FOLDERS[stage] / loop.WEIGHTS, fresh, dirs_exist_ok=True)
        pretrained.save(fresh / "denoiser", found.denoiser, presets.PRESETS[preset].denoiser, eight_bits=True)
        for name in ("autoencoder", "inpainting"):
            _save_picture(sorted((state / FOLDERS[name] / loop.SAMPLES).iterdir())[-1], fresh / f"{name}.webp")
            losses = ("texture", "texture_lpips") if name == "autoencoder" else ("loss",)
            (fresh / f"{name}.svg").write_text(cards.curves(logs[name], losses), encoding="utf-8")
        card = cards.of_painter(found, presets.PRESETS[preset], machine, remark, logs)
        (fresh / "README.md").write_text(card, encoding="utf-8")


def _log(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / loop.LOG).read_text(encoding="utf-8").splitlines()]


def _pack_lifter(run: Path, out: Path, machine: str, learnt_from: str, remark: str) -> None:
    lines = _log(run)
    found = LandmarkLifter.load(run / loop.WEIGHTS)
    with atomic_folder(out / "lifter", marker="lifter.json") as fresh:
        shutil.copytree(run / loop.WEIGHTS, fresh, dirs_exist_ok=True)
        _save_picture(sorted((run / loop.SAMPLES).iterdir())[-1], fresh / "samples.webp")
        (fresh / "curves.svg").write_text(cards.curves(lines, ("apart_mm",)), encoding="utf-8")
        card = cards.of_lifter(found, lines, machine, learnt_from, remark)
        (fresh / "README.md").write_text(card, encoding="utf-8")


def _pack_parser(run: Path, out: Path, machine: str, learnt_from: str, measured: str, remark: str) -> None:
    lines = _log(run)
    found = HumanParser.load(run / loop.WEIGHTS)
    with atomic_folder(out / "parser", marker="parser.json") as fresh:
        shutil.copytree(run / loop.WEIGHTS, fresh, dirs_exist_ok=True)
        (fresh / "curves.svg").write_text(cards.curves(lines, ("loss",)), encoding="utf-8")
        card = cards.of_parser(found, lines, machine, learnt_from, remark, measured)
        (fresh / "README.md").write_text(card, encoding="utf-8")


def _pack_denoiser(run: Path, out: Path, machine: str, learnt_from: str, preset: str, remark: str) -> None:
    """It takes the place of the one that ships, beside the same autoencoder; a detailer stays."""
    painter, lines = out / "inpainting", _log(run)
    had, found = Inpainter.load(painter), Inpainter.load(run / loop.WEIGHTS)
    if digest(found.autoencoder) != digest(had.autoencoder):
        raise InputError(f"{run} has another autoencoder than {painter}; pack both with --stage inpainting")
    with atomic_folder(painter / "denoiser", marker="config.json") as fresh:
        pretrained.save(fresh, found.denoiser, presets.PRESETS[preset].denoiser, eight_bits=True)
        packed = pretrained.load(fresh, Denoiser)
        plain = Inpainter.named(preset, had.appearance, had.autoencoder, packed)
        with_it = plain if had.detailer is None else plain.detailed(had.detailer)
        _save_picture(sorted((run / loop.SAMPLES).iterdir())[-1], fresh / "samples.webp")
        (fresh / "curves.svg").write_text(cards.curves(lines, ("loss",)), encoding="utf-8")
        card = cards.of_denoiser(with_it, presets.PRESETS[preset], machine, learnt_from, remark, lines)
        (fresh / "README.md").write_text(card, encoding="utf-8")
    _rename(painter, had, with_it)


def _pack_detailer(run: Path, out: Path, machine: str, learnt_from: str, preset: str, remark: str) -> None:
    """It joins the painter that ships, whose name changes with it."""
    painter, lines = out / "inpainting", _log(run)
    had, found = Inpainter.load(painter), pretrained.load(run / loop.WEIGHTS, Detailer)
    with_it = had.detailed(found)
    with atomic_folder(painter / "detailer", marker="config.json") as fresh:
        pretrained.save(fresh, found, presets.PRESETS[preset].detailer, eight_bits=True)
        _save_picture(sorted((run / loop.SAMPLES).iterdir())[-1], fresh / "samples.webp")
        (fresh / "curves.svg").write_text(cards.curves(lines, ("total", "l1", "means", "lpips")), encoding="utf-8")
        card = cards.of_detailer(with_it, presets.PRESETS[preset], machine, learnt_from, remark, lines)
        (fresh / "README.md").write_text(card, encoding="utf-8")
    _rename(painter, had, with_it)


def _rename(painter: Path, had: Inpainter, found: Inpainter) -> None:
    """The painter's name is that of other weights from now on."""
    facts = {"name": found.name, "appearance": found.appearance} | ({"plain": found.plain} if found.plain else {})
    with atomic_file(painter / "inpainting.json") as temporary:
        temporary.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    card = (painter / "README.md").read_text(encoding="utf-8").replace(f"# {had.name}:", f"# {found.name}:")
    with atomic_file(painter / "README.md") as temporary:
        temporary.write_text(card, encoding="utf-8")


def _pack_slim(
    run: Path, out: Path, machine: str, learnt_from: str, textures: str, preset: str, remark: str, share: float
) -> None:
    """The small renderer takes the place of that in `out`. Textures stay, and so does what paints them."""
    if not learnt_from or not textures:
        raise InputError("a small renderer ships with what it and its textures learnt from; give both")
    had, found = (Appearance.load(folder) for folder in (out / "appearance", run / loop.WEIGHTS))
    if digest(had.encoder, had.generator) != digest(found.encoder, found.generator):
        raise InputError(f"{run} learnt from other textures than those of {had.name}")
    lines = _log(run)
    sizes, theirs = presets.PRESETS[preset], f"; they learnt from {textures}"
    if share < 1:
        found.renderer.load_state_dict(_between(had.renderer, found.renderer, share))
        found = Appearance.named(preset, found.encoder, found.generator, found.renderer)
    first = (had.follows or (had.name,))[-1]    # the large one, even if small ones took its place before
    card = cards.of_slim(found, first, had.name, share, sizes, machine, learnt_from, remark, lines, theirs)
    with atomic_folder(out / "appearance", marker="appearance.json") as fresh:
        follows = tuple(dict.fromkeys([had.name, *had.follows]))
        for part, config in (("encoder", sizes.encoder), ("generator", sizes.generator), ("renderer", sizes.slim)):
            pretrained.save(fresh / part, getattr(found, part), config)
        facts = {"name": found.name, "follows": " ".join(follows)}
        (fresh / "appearance.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        _save_picture(sorted((run / loop.SAMPLES).iterdir())[-1], fresh / "samples.webp")
        (fresh / "curves.svg").write_text(cards.curves(lines, ("total", "taught", "lpips", "l2")), encoding="utf-8")
        (fresh / "README.md").write_text(card, encoding="utf-8")
    marker = out / "inpainting" / "inpainting.json"
    facts = json.loads(marker.read_text(encoding="utf-8")) if marker.exists() else {}
    if facts.get("appearance") == had.name:
        with atomic_file(marker) as temporary:
            temporary.write_text(json.dumps(facts | {"appearance": found.name}, indent=2) + "\n", encoding="utf-8")
        card = marker.with_name("README.md")
        lines = card.read_text(encoding="utf-8").splitlines()
        lines = [cards.goes_with(found.name, first) if line.startswith(cards.GOES) else line for line in lines]
        with atomic_file(card) as temporary:
            temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _between(before: nn.Module, after: nn.Module, share: float) -> dict[str, Tensor]:
    """Weights between those of two networks, `share` of the way."""
    had, found = before.state_dict(), after.state_dict()
    if [values.shape for values in had.values()] != [values.shape for values in found.values()]:
        raise InputError("only weights of the same sizes can be mixed")
    return {n: torch.lerp(had[n], v, share) if v.is_floating_point() else v for n, v in found.items()}


def _pack_appearance(
    state: Path, out: Path, machine: str, extra: tuple[Path, ...], preset: str, remark: str
) -> None:
    run = state / "run"
    lines = _log(run)
    looked = [line for line in lines if "examined/psnr" in line]
    with atomic_folder(out / "appearance", marker="appearance.json") as fresh:
        shutil.copytree(run / loop.WEIGHTS, fresh, dirs_exist_ok=True)
        _save_picture(sorted((run / loop.SAMPLES).iterdir())[-1], fresh / "samples.webp")
        (fresh / "curves.svg").write_text(cards.curves(lines, ("total", "lpips", "l2", "dice")), encoding="utf-8")
        card = cards.of_appearance(state, VIEWS, preset, machine, extra, remark, lines, looked)
        (fresh / "README.md").write_text(card, encoding="utf-8")


def _save_picture(source: Path, path: Path) -> None:
    grid = Image.open(source)
    grid = grid.resize((grid.width // 2, grid.height // 2), Image.Resampling.LANCZOS)
    grid.save(path, quality=80)


if __name__ == "__main__":
    commands = {"run": run, "textures": textures, "sittings": sittings, "fillings": fillings, "pack": pack}
    tyro.extras.subcommand_cli_from_dict(commands)
