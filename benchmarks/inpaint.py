"""Steps against quality against seconds of the samplers that paint the unseen side.

    python benchmarks/inpaint.py --latents state/inpainting/examples.safetensors --out docs/pictures/samplers.svg

The latents are those that the training of the inpainting keeps of people it did not learn from. Each texture's unseen
part is painted from the same noise by every sampler, what a view shows is put back, and the colours are compared with
the truth's, decoded alike: so the autoencoder's own loss does not count. Seconds are those of one core for one person,
denoiser, codebook and decoder.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dinar  # noqa: F401  # isort: skip (before torch: threads that wait shall sleep)
import torch
from torch import Tensor
from torch.nn import functional

from dinar.avatar import open_body
from dinar.body.uv import load_layout
from dinar.inpainting import inpainter
from dinar.inpainting.diffusion import Sampler
from dinar.inpainting.inpainter import Condition, Inpainter, decoded, drawn
from dinar.inpainting.packing import unpack
from dinar.perceptual.lpips import load_lpips
from dinar.store import Store
from dinar.texture.islands import Islands
from dinar.train.inpainting import Latents, LatentSets

METHODS = ("ddpm", "ddim", "dpm")
COLOURS = {"ddpm": "#b03030", "ddim": "#2060a0", "dpm": "#208040"}
NAMES = {"ddpm": "DDPM (DDIM with eta 1 is the same)", "ddim": "DDIM, eta 0", "dpm": "DPM-Solver++"}
SIDE, MARGIN = 300, 50


@dataclass(frozen=True)
class Row:
    """What a sampler with so many steps does: means over the textures.

    unseen   difference of colours on islands that the view does not show, [0, 1]
    lpips    LPIPS(Alex) of the whole colours, what the view shows put back
    seconds  of one core a person
    """

    method: str
    steps: int
    unseen: float
    lpips: float
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latents", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="of the inpainting; default: those that ship")
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 2, 3, 5, 10, 20, 50])
    parser.add_argument("--temperature", type=float, default=Sampler().temperature)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    networks = Inpainter.load(args.weights) if args.weights else inpainter.shipped()
    sets = LatentSets(args.latents)
    stride = max(1, len(sets) // args.people)
    lessons = [sets.at(number) for number in range(0, len(sets), stride)][: args.people]
    islands = Islands.of(load_layout("front", open_body()), networks.autoencoder.size)
    lpips = load_lpips("alex", Store())
    rows = []
    print(f"{len(lessons)} textures, weights {networks.name}\n")
    print("| sampler | steps | unseen | LPIPS | s a person |\n|---|---|---|---|---|")
    for method in METHODS:
        for steps in args.steps:
            rows.append(measured(networks, Sampler(method, steps, 0.0, args.temperature), lessons, islands, lpips))
            numbers = f"{rows[-1].unseen:.4f} | {rows[-1].lpips:.4f} | {rows[-1].seconds:.2f}"
            print(f"| {NAMES[method]} | {steps} | {numbers} |", flush=True)
    args.out.write_text(plotted(rows), encoding="utf-8")


@torch.no_grad()
def measured(
    networks: Inpainter, sampler: Sampler, lessons: Sequence[Latents], islands: Islands, lpips: torch.nn.Module
) -> Row:
    unseen, whole, seconds = [], [], 0.0
    for number, lesson in enumerate(lessons):
        truth = colours(networks, lesson.truth, islands)
        began = time.process_time()
        known, rng = Condition(lesson.condition, lesson.mask), torch.Generator().manual_seed(number)
        latent = drawn(networks.denoiser, networks.autoencoder, known, sampler, rng)
        painted = colours(networks, latent, islands)
        seconds += time.process_time() - began
        hole = functional.interpolate(1 - lesson.mask, truth.shape[-2:], mode="bilinear")
        hole = hole * functional.interpolate(islands.covered, truth.shape[-2:])
        unseen.append(float(((painted - truth).abs().mean(1, keepdim=True) * hole).sum() / hole.sum().clamp(min=1)))
        whole.append(float(lpips(torch.lerp(truth, painted, hole), truth).mean()))
    count = len(lessons)
    return Row(sampler.method, sampler.steps, sum(unseen) / count, sum(whole) / count, seconds / count)


def colours(networks: Inpainter, latent: Tensor, islands: Islands) -> Tensor:
    """What latents decode to [B, 3, R, R]."""
    packed = decoded(networks.autoencoder, latent, islands)
    return unpack(packed, fold=networks.autoencoder.fold)[1].clamp(0, 1)


def plotted(rows: Sequence[Row]) -> str:
    """LPIPS over steps and over seconds, both logarithmic, as SVG."""
    low, high = min(r.lpips for r in rows), max(r.lpips for r in rows)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{2 * (SIDE + MARGIN) + 20}" height="{SIDE + 2 * MARGIN}" '
        'font-size="11" font-family="sans-serif"><rect width="100%" height="100%" fill="white"/>'
    ]
    for column, name in enumerate(("steps", "seconds")):
        values = [float(getattr(row, name)) for row in rows]
        left = MARGIN + column * (SIDE + MARGIN)
        ends = torch.tensor([min(values), max(values)]).log()
        places = {}
        for row, value in zip(rows, values, strict=True):
            x = left + float((torch.tensor(value).log() - ends[0]) / (ends[1] - ends[0]).clamp(min=1e-9)) * (SIDE - 20)
            y = MARGIN + (high - row.lpips) / max(high - low, 1e-9) * SIDE
            places.setdefault(row.method, []).append((x, y, value))
        size = f'width="{SIDE}" height="{SIDE + 16}"'
        parts.append(f'<rect x="{left - 8}" y="{MARGIN - 8}" {size} fill="none" stroke="#ccc"/>')
        parts.append(f'<text x="{left}" y="{SIDE + MARGIN + 36}">{name} a person, logarithmic</text>')
        for method, points in places.items():
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
            parts.append(f'<polyline points="{line}" fill="none" stroke="{COLOURS[method]}" stroke-width="2"/>')
            for x, y, value in points:
                parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[method]}"/>')
                place = f'x="{x - 6:.1f}" y="{SIDE + MARGIN + 20}"'
                parts.append(f'<text {place} fill="#888" font-size="9">{value:.3g}</text>')
    for number, (method, colour) in enumerate(COLOURS.items()):
        parts.append(f'<text x="{MARGIN + 210 * number}" y="20" fill="{colour}">{NAMES[method]}</text>')
    parts.append(f'<text x="4" y="{MARGIN + 4}">{high:.3f}</text><text x="4" y="{SIDE + MARGIN}">{low:.3f}</text>')
    parts.append('<text x="4" y="34">LPIPS</text></svg>')
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
