"""Seconds of each stage of `create`, from the shell and within a process, and how alike the same view is.

    python benchmarks/create.py ../shared/photos
    python benchmarks/create.py ../shared/photos --refine paper
    python benchmarks/create.py ../shared/photos --weights run/weights

The same view is compared in 512 x 512 pixels of the crop about the person, photo and drawing on mid-grey, each with its
own mask: PSNR in dB, LPIPS on AlexNet, and the distance of SFace's features of the face where it looks at the camera.
"Plain" is the plain renderer, "neural" the neural one, "made" what `create` makes: refined and painted. "Shell" is the
clock from the start of `dinar create` to its end, imports and saving included.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import dinar  # noqa: F401  # isort: skip (before torch: threads that wait shall sleep)
import torch

from dinar import dressing, images, painting, pipeline, texturing
from dinar.avatar import Avatar, open_body
from dinar.body.uv import load_layout
from dinar.errors import InputError
from dinar.evaluate import identity
from dinar.fit.fit import Fit, fit
from dinar.inpainting.inpainter import shipped as shipped_painter
from dinar.networks.appearance import Appearance, shipped
from dinar.perceptual.lpips import LPIPS, load_lpips
from dinar.photo import recognition
from dinar.photo.photo import Photo
from dinar.pipeline import RefineName
from dinar.presets import SMALL
from dinar.progress import Progress
from dinar.store import Store
from dinar.texture.filling import Filler

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
STAGES = ("look", "fit", "dress", "texture", "fill", "refine", "inpaint")
SIDE = 512


@dataclass(frozen=True)
class Judges:
    """The networks that compare pictures."""

    alex: LPIPS
    face: recognition.Network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--refine", choices=("residuals", "paper", "none"), default="residuals")
    parser.add_argument("--weights", type=Path, help="trained weights, that paint nothing (default: what ships)")
    parser.add_argument("--no-shell", action="store_true", help="leave out the clock from the shell")
    parser.add_argument("--pictures", type=Path, help="a folder for photo, plain, neural, made, side by side")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    appearance = shipped() if args.weights is None else Appearance.load(args.weights)
    judges = Judges(load_lpips("alex", Store()), recognition.load_face(Store()))
    print(f"{args.threads} threads, torch {torch.__version__}, weights {appearance.name}, PSNR / LPIPS / face\n")
    print("| photo | plain | neural | made |", *(f"{stage} s |" for stage in STAGES), "all s | shell s |")
    print("|---" * (6 + len(STAGES)) + "|")
    rows = []
    for path in sorted(p for p in args.folder.iterdir() if p.suffix.lower() in SUFFIXES):
        try:
            paint = args.weights is None
            photo, found, people, progress = made(path, appearance, judges.alex, args.refine, paint=paint)
        except InputError as error:
            print(f"| {path.name} | {error} |")
            continue
        scores = [score(person, photo, found, judges) for person in people]
        seconds = [progress.seconds.get(stage, 0.0) for stage in STAGES]
        shell = float("nan") if args.no_shell or args.weights else from_the_shell(path, args.refine)
        rows.append((*(number for triple in scores for number in triple), *seconds, sum(seconds), shell))
        print(f"| {path.stem} |", " | ".join(_cells(rows[-1])), "|", flush=True)
        if args.pictures:
            drawn = [person.render(found.camera, found.body).over(0.5)[0] for person in people]
            images.save(args.pictures / f"{path.stem}.png", torch.cat([_on_grey(photo), *drawn], dim=2))
    for name, of in {"mean": statistics.fmean, "median": statistics.median, "lowest": min, "highest": max}.items():
        columns = ([v for v in column if v == v] for column in zip(*rows, strict=True))
        print(f"| {name} |", " | ".join(_cells([of(column) if column else float("nan") for column in columns])), "|")
    print(f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB")


def made(
    path: Path, appearance: Appearance, metric: LPIPS, refine: RefineName, *, paint: bool
) -> tuple[Photo, Fit, tuple[Avatar, Avatar, Avatar], Progress]:
    """The steps of `pipeline.create` for a photo: who comes of it plain, neural, and refined and painted."""
    progress, model = Progress(), open_body()
    with progress.stage("look"):
        photo = pipeline.look_at(path, Store())
    with progress.stage("fit"):
        (found,) = fit([photo], model)
    with progress.stage("dress"):
        model = dressing.dressed(model, [photo], [found])
    layout = load_layout("clothed" if model.layers else "front", model)
    with progress.stage("texture"):
        generated = appearance.generated(photo.image[None], photo.mask[None])
        foreign = texturing.foreign_in(photo.image, photo.parts, found.body, found.camera, model)
        doubtful = texturing.doubtful_in(found.body, found.camera, model, layout, foreign)
        texture = texturing.texture_of(photo, found, model, layout, generated, without=doubtful)
        hat = texturing.headwear_in([photo], [found], model, layout)
    with progress.stage("fill"):
        filler = replace(Filler.of(model, layout, texturing.side_of(model)), hat=hat)
        painted = filler(texture)[0]
    plain = Avatar(texture, painted, found.body.shape[0], model, layout)
    avatar = neural = replace(plain, weights=appearance.name, renderer=appearance.renderer)
    sights = []
    with progress.stage("refine"):
        if refine == "paper":
            avatar = texturing.tuned(neural, [photo], [found], [texture], metric, filler)
        elif refine == "residuals":
            seen = photo.image, photo.mask, found.body, found.camera
            sights = [texturing.sight_of(filler, texture, *seen, without=doubtful)]
            avatar = texturing.refined(neural, sights, filler)
    if paint:
        with progress.stage("inpaint"):
            looks = [painting.look_of(avatar, photo.image, photo.mask, found.body, found.camera)]
            avatar = painting.inpainted(avatar, shipped_painter(), filler, before=(texture, painted), looks=looks)
    if sights:
        with progress.stage("refine"):
            avatar = texturing.settled(avatar, sights, filler, SMALL.residuals.last)
    return photo, found, (plain, neural, avatar), progress


def from_the_shell(path: Path, refine: RefineName) -> float:
    """Seconds of `dinar create` on the clock."""
    program = [sys.executable, "-c", "from dinar.cli import main; main()", "create", str(path), "--refine", refine]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run([*program, "-o", str(Path(folder) / "made")], check=True, capture_output=True)
        return time.perf_counter() - start


def score(avatar: Avatar, photo: Photo, found: Fit, judges: Judges) -> tuple[float, float, float]:
    """PSNR in dB, LPIPS, and the face's distance (NaN where none looks at the camera), of the same view."""
    drawn = avatar.render(found.camera, found.body).over(0.5)
    a, b = (images.resize(image, (SIDE, SIDE)) for image in (drawn, _on_grey(photo)[None]))
    points = identity.face_points(open_body(), found.body, found.camera.resized((SIDE, SIDE)))
    face = float("nan")
    if points is not None:
        seen = (recognition.face_features(judges.face, picture[0], points) for picture in (a, b))
        face = recognition.cosine_distance(*seen)
    return float(-10 * (a - b).square().mean().log10()), float(judges.alex(a, b)), face


def _cells(row: tuple[float, ...] | list[float]) -> list[str]:
    scores = [f"{row[i]:.2f} / {row[i + 1]:.4f} / {row[i + 2]:.3f}" for i in (0, 3, 6)]
    return scores + [f"{seconds:.1f}" for seconds in row[9:]]


def _on_grey(photo: Photo) -> torch.Tensor:
    return photo.image * photo.mask + 0.5 * (1 - photo.mask)


if __name__ == "__main__":
    main()
