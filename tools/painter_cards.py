"""Model cards of what paints the unseen side: autoencoder, denoiser and detailer."""

from __future__ import annotations

from dinar import presets
from dinar.inpainting.inpainter import Inpainter

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
