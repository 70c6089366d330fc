"""Seconds of each stage of `create`, and how alike the same view is, for every photo of a folder.

    python benchmarks/create.py ../shared/photos
    python benchmarks/create.py ../shared/photos --weights run/weights

The same view is compared in 512 x 512 pixels of the crop about the person, photo and drawing on mid-grey, each with its
own mask: PSNR in dB, LPIPS on AlexNet; for the plain renderer and for the neural one, before and after refinement.
"""

from __future__ import annotations

import argparse
import resource
import statistics
from dataclasses import replace
from pathlib import Path

import dinar  # noqa: F401  # isort: skip (before torch: threads that wait shall sleep)
import torch

from dinar import images, pipeline
from dinar.avatar import Avatar, open_body
from dinar.body.uv import load_layout
from dinar.errors import InputError
from dinar.fit.fit import Fit, fit
from dinar.networks.appearance import Appearance, shipped
from dinar.perceptual.lpips import LPIPS, load_lpips
from dinar.photo.photo import Photo
from dinar.progress import Progress
from dinar.store import Store
from dinar.texture.filling import Filler

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
STAGES = ("look", "fit", "dress", "texture", "fill", "refine")
SIDE = 512


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--weights", type=Path, help="trained weights (default: those that ship)")
    parser.add_argument("--pictures", type=Path, help="a folder for photo, plain, neural, refined, side by side")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    appearance = shipped() if args.weights is None else Appearance.load(args.weights)
    metric = load_lpips("alex", Store())
    print(f"{args.threads} threads, torch {torch.__version__}, weights {appearance.name}, PSNR / LPIPS\n")
    print("| photo | plain | neural | refined |", *(f"{stage} s |" for stage in STAGES), "all s |")
    print("|---" * (5 + len(STAGES)) + "|")
    rows = []
    for path in sorted(p for p in args.folder.iterdir() if p.suffix.lower() in SUFFIXES):
        try:
            photo, found, people, progress = made(path, appearance, metric)
        except InputError as error:
            print(f"| {path.name} | {error} |")
            continue
        scores = [score(person, photo, found, metric) for person in people]
        seconds = [progress.seconds[stage] for stage in STAGES]
        rows.append((*(number for pair in scores for number in pair), *seconds, sum(seconds)))
        cells = [f"{psnr:.2f} / {lpips:.4f}" for psnr, lpips in scores] + [f"{s:.1f}" for s in rows[-1][6:]]
        print(f"| {path.stem} |", " | ".join(cells), "|", flush=True)
        if args.pictures:
            drawn = [person.render(found.camera, found.body).over(0.5)[0] for person in people]
            images.save(args.pictures / f"{path.stem}.png", torch.cat([_on_grey(photo), *drawn], dim=2))
    for name, of in {"median": statistics.median, "lowest": min, "highest": max}.items():
        numbers = [of(column) for column in zip(*rows, strict=True)]
        cells = [f"{numbers[i]:.2f} / {numbers[i + 1]:.4f}" for i in (0, 2, 4)] + [f"{s:.1f}" for s in numbers[6:]]
        print(f"| {name} |", " | ".join(cells), "|")
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB")


def made(
    path: Path, appearance: Appearance, metric: LPIPS
) -> tuple[Photo, Fit, tuple[Avatar, Avatar, Avatar], Progress]:
    """The steps of `pipeline.create` for a photo: who comes of it plain, neural, and neural with refined colours."""
    progress, model = Progress(), open_body()
    layout = load_layout("front", model)
    with progress.stage("look"):
        photo = pipeline.look_at(path, Store())
    with progress.stage("fit"):
        (found,) = fit([photo], model)
    with progress.stage("dress"):
        model = pipeline.dressed(model, [photo], [found])
    with progress.stage("texture"):
        texture = pipeline.texture_of(photo, found, model, layout, appearance=appearance)
    with progress.stage("fill"):
        filler = Filler.of(model, layout, pipeline.TEXTURE_SIZE)
        painted = filler(texture)[0]
    plain = Avatar(texture, painted, found.body.shape[0], model, layout)
    neural = replace(plain, weights=appearance.name, renderer=appearance.renderer)
    with progress.stage("refine"):
        refined = pipeline.refined(neural, [photo], [found], [texture], metric, filler)
    return photo, found, (plain, neural, refined), progress


def score(avatar: Avatar, photo: Photo, found: Fit, metric: LPIPS) -> tuple[float, float]:
    """PSNR in dB and LPIPS of the same view."""
    drawn = avatar.render(found.camera, found.body).over(0.5)
    a, b = (images.resize(image, (SIDE, SIDE)) for image in (drawn, _on_grey(photo)[None]))
    return float(-10 * (a - b).square().mean().log10()), float(metric(a, b))


def _on_grey(photo: Photo) -> torch.Tensor:
    return photo.image * photo.mask + 0.5 * (1 - photo.mask)


if __name__ == "__main__":
    main()
