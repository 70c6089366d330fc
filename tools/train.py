"""Makes the weights that ship: data, training, packing, in runs of minutes that go on where the last one ended.

    python tools/train.py run --assets ../shared/assets --state state/small --seconds 540
    python tools/train.py pack --state state/small --out src/dinar/weights --machine "2 CPU cores"

`run` first makes what is missing of the data (about 40 MB a hundred people), then trains until the time is over. On a
lent GPU: carry the assets, the wheels of the `train` extra and, from the second call on, nothing else if the folder of
the state stays there; `--bf16 --batch 16 --workers 14 --people 4000` suits one H100 with 16 cores.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import torch
import tyro
from PIL import Image

from dinar import presets
from dinar.data.dataset import MultiView
from dinar.files import atomic_folder
from dinar.synth.shards import Plan, write_shards
from dinar.terminal import Bars
from dinar.train import loop
from dinar.train.appearance import LOOKED_AT, AppearanceStage

VIEWS = 8
LIMITS = """\
- Trained on made-up people only: real cloth, hair and light differ. What a photo shows is copied from it, so faces and
  prints survive; what lies beyond the body's outline (long hair, skirts, wide trousers) is drawn too narrow.
- Unseen sides are as plain as the colours that were filled in there.
- Hands with bent fingers and feet seen from below are blurred.
- Bags, hats with wide brims, capes and whatever else stands off the body are lost.
"""


def run(
    assets: Path,
    state: Path,
    people: int = 640,
    heldout: int = 48,
    extra: tuple[Path, ...] = (),         # more shards to train on
    preset: str = "small",
    seconds: float = 540.0,               # of this run, data included
    batch: int = 0,
    workers: int = 1,
    save_every: int = 50,
    look_every: int = 400,
    rate: float = 1.0,                    # factor on the learning rates, for the end
    bf16: bool = False,
) -> None:
    """Data and training for so many seconds."""
    began = time.monotonic()
    sizes = presets.PRESETS[preset]
    with Bars() as progress:
        for name, seed, count in (("heldout", 1000, heldout), ("people", 1, people)):
            plan = Plan(count, VIEWS, seed)
            write_shards(assets, state / name, plan, workers=os.cpu_count() or 1, progress=progress)
        stage = AppearanceStage(
            sizes,
            [state / "people", *extra],
            examples=[state / "heldout"],
            precision=torch.bfloat16 if bf16 else torch.float32,
        )
        options = loop.Options(
            steps=sizes.appearance.steps,
            batch=batch or sizes.appearance.batch,
            half_life=sizes.appearance.ema_half_life,
            seconds=max(seconds - (time.monotonic() - began), 1.0),
            save_every=save_every,
            look_every=look_every,
            workers=workers,
            rate=rate,
        )
        with progress.stage("train"):
            step = loop.train(stage, state / "run", options, resume=True, progress=progress)
    print(f"step {step}")


def pack(
    state: Path,
    out: Path,
    machine: str,                         # that trained, for the model card
    extra: tuple[Path, ...] = (),         # as of `run`
    preset: str = "small",
) -> None:
    """The averaged weights, with a model card, as they ship."""
    run = state / "run"
    lines = [json.loads(line) for line in (run / loop.LOG).read_text(encoding="utf-8").splitlines()]
    looked = [line for line in lines if "examined/psnr" in line]
    picture = sorted((run / loop.SAMPLES).iterdir())[-1]
    with atomic_folder(out / "appearance", marker="appearance.json") as fresh:
        shutil.copytree(run / loop.WEIGHTS, fresh, dirs_exist_ok=True)
        grid = Image.open(picture)
        grid = grid.resize((grid.width // 2, grid.height // 2), Image.Resampling.LANCZOS)
        grid.save(fresh / "samples.webp", quality=80)
        (fresh / "curves.svg").write_text(_curves(lines, ("total", "lpips", "l2", "dice")), encoding="utf-8")
        (fresh / "README.md").write_text(_card(state, preset, machine, extra, lines, looked), encoding="utf-8")


def _card(
    state: Path, preset: str, machine: str, extra: tuple[Path, ...], lines: list[dict], looked: list[dict]
) -> str:
    sizes, last = presets.PRESETS[preset], lines[-1]
    name = json.loads((state / "run" / loop.WEIGHTS / "appearance.json").read_text(encoding="utf-8"))["name"]
    hours = sum(line["seconds"] for line in lines) / 3600
    people = len(MultiView(state / "people"))
    others = "".join(f"; {len(MultiView(folder))} people of `{folder.name}`" for folder in extra)
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
    tyro.extras.subcommand_cli_from_dict({"run": run, "pack": pack})
