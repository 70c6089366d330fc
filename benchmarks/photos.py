"""Every picture of a folder through `create`: how well the body fits, and seconds a stage.

    python benchmarks/photos.py ../shared/photos

Pictures that are refused are listed with the sentence. The largest person of each picture is taken.
"""

from __future__ import annotations

import argparse
import resource
import statistics
from pathlib import Path

import dinar  # noqa: F401  # isort: skip (before torch: threads that wait shall sleep)
import torch

from dinar import images, pipeline
from dinar.avatar import composed
from dinar.errors import InputError
from dinar.motion.motion import Motion
from dinar.progress import Progress

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pictures", type=Path, help="a folder for the four views and a walk's strip of each person")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print("| photo | reprojection, % | mask IoU | unseen | look s | fit s | dress s | texture s | fill s |")
    print("|---" * 9 + "|")
    rows = []
    for path in sorted(p for p in args.folder.iterdir() if p.suffix.lower() in SUFFIXES):
        progress = Progress()
        try:
            avatar = pipeline.create([path], progress=progress)
        except InputError as error:
            print(f"| {path.name} | {error} |")
            continue
        shot, seconds = avatar.shots[0], progress.seconds
        stages = ("look", "fit", "dress", "texture", "fill")
        rows.append((shot.reprojection, shot.mask_iou, *(seconds[k] for k in stages)))
        numbers = " | ".join(f"{s:.1f}" for s in rows[-1][2:])
        unseen = ", ".join(shot.unseen) or "-"
        print(f"| {path.name} | {shot.reprojection:.2f} | {shot.mask_iou:.3f} | {unseen} | {numbers} |", flush=True)
        if args.pictures:
            views = [avatar.view(name, (640, 448)).over(1.0)[0] for name in ("front", "left", "back", "right")]
            images.save(args.pictures / f"{path.stem}_views.jpg", torch.cat(views, dim=2))
            walk = Motion.load("walk").resampled(4)
            frames = [composed(frame, torch.ones(3)) for frame in avatar.moving(walk, (448, 320), azimuth=30)]
            images.save(args.pictures / f"{path.stem}_walk.jpg", torch.cat(frames, dim=2))
    middle = [statistics.median(column) for column in zip(*rows, strict=True)]
    print("| median | {:.2f} | {:.3f} | | {:.1f} | {:.1f} | {:.1f} | {:.1f} | {:.1f} |".format(*middle))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\n{args.threads} threads, torch {torch.__version__}, peak memory {peak:.1f} GiB")


if __name__ == "__main__":
    main()
