"""How close the first frame of a photo that comes alive is to the photo, and how long its parts take.

    python benchmarks/alive.py photos/*.jpg
    python benchmarks/alive.py photos/*.jpg --avatars people    # what `dinar create photos/*.jpg -o people/` made
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import dinar  # noqa: F401  # isort: skip (before torch: threads that wait shall sleep)
import torch

from dinar import pipeline
from dinar.avatar import Avatar
from dinar.motion.motion import Motion
from dinar.perceptual.lpips import load_lpips
from dinar.pipeline import Source
from dinar.scene import place
from dinar.scene.alive import scene_of
from dinar.store import Store

FRAMES = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--avatars", type=Path, help="a folder with avatars of the photos' names")
    parser.add_argument("--size", type=int, default=1280, help="pixels of the larger side at most")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    metric = load_lpips("alex", Store())
    print("| photo | pixels | hole, % | LPIPS, drawn | LPIPS, faded | PSNR, dB | removed, s | drawn, frames/s |")
    print("|---|---|---|---|---|---|---|---|")
    for path in args.photos:
        avatar = Avatar.load(args.avatars / path.stem) if args.avatars else pipeline.create(path)
        start = time.perf_counter()
        scene, person = scene_of(Source(path), avatar, longest=args.size)
        removed = time.perf_counter() - start
        course = place.course(Motion.load("wave"), person.model, scene.start)
        first = next(scene.play(person, course))
        with torch.no_grad():
            vertices = person.model(scene.start).vertices[0]
            drawn = scene.composed(person.render(scene.camera, scene.start), vertices, 0)
            near = [float(metric(image[None], scene.photo[None])) for image in (drawn, first)]
        psnr = -10 * float((drawn - scene.photo).square().mean().log10())
        middle = len(course.bodies) // 2
        part = place.Course(course.bodies[middle : middle + FRAMES], course.photo[middle : middle + FRAMES])
        start = time.perf_counter()
        count = sum(1 for _ in scene.play(person, part))
        rate = count / (time.perf_counter() - start)
        height, width = scene.camera.size
        print(
            f"| {path.stem} | {width} x {height} | {100 * float(scene.removed.mean()):.1f} | {near[0]:.4f} | "
            f"{near[1]:.4f} | {psnr:.1f} | {removed:.1f} | {rate:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
