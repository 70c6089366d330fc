"""How well people's masks are found in labelled street photos, and in how much time.

    git clone https://github.com/bearpaw/clothing-co-parsing
    python benchmarks/masks.py clothing-co-parsing
    python benchmarks/masks.py clothing-co-parsing --every 33     # of every 11th photo each third
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import dinar  # noqa: F401  # isort: skip (before torch: threads that wait shall sleep)
import cv2
import numpy as np
import torch
from street import EVERY, Street, StreetPhotos, overlap

from dinar import images
from dinar.errors import InputError
from dinar.parts import BodyPart
from dinar.photo.photo import Photo, look
from dinar.store import Store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a copy of the repository")
    parser.add_argument("--every", type=int, default=EVERY, help="photos whose index is a multiple of it; of 11 itself")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save", type=Path, help="a folder for masks: to look at, not to pass on")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(args.threads)
    photos, store, rows = StreetPhotos(args.data), Store(), []
    names = photos.measured[:: max(1, args.every // EVERY)]
    print("| photo | IoU | without bags | bags kept | seconds of the processor |")
    print("|---|---|---|---|---|")
    for name in names:
        street = photos.read(name)
        start = time.process_time()
        try:
            seen = look(photos.path(name), store=store)
        except InputError as error:
            print(f"| {name} | {error} | | | |", flush=True)
            continue
        seconds = time.process_time() - start
        mask = to_picture(seen.mask[0].numpy(), seen)
        row = measured(mask > 0.5, street)
        rows.append((*row, seconds))
        cells = ["" if np.isnan(value) else f"{value:.3f}" for value in row]
        print("| " + " | ".join([name, *cells, f"{seconds:.2f}"]) + " |", flush=True)
        if args.save:
            images.save(args.save / f"{name}.png", torch.from_numpy(mask)[None])
    table = np.array(rows)
    mean, worst = np.nanmean(table, axis=0), np.nanmin(table, axis=0)
    print(f"| mean of {len(rows)} of {len(names)} | " + " | ".join(f"{v:.3f}" for v in mean) + " |")
    print(f"| worst | {worst[0]:.3f} | {worst[1]:.3f} | {worst[2]:.3f} | |")


def to_picture(values: np.ndarray, seen: Photo, kind: int = cv2.INTER_LINEAR) -> np.ndarray:
    """Something of a crop [S, S] in pixels of the picture [H, W]."""
    x, y, scale = seen.window
    height, width = seen.source_size
    matrix = np.array([[1 / scale, 0, x + 0.5 / scale - 0.5], [0, 1 / scale, y + 0.5 / scale - 0.5]])
    return cv2.warpAffine(values, matrix, (width, height), flags=kind)


def measured(mask: np.ndarray, street: Street) -> tuple[float, float, float]:
    """Overlap with everybody's labels, with those but bags, and the share of bags that is in the mask."""
    person, bag = street.labels > 0, street.labels == BodyPart.BAG
    without = overlap(mask & ~bag, person & ~bag)
    return overlap(mask, person), without, float((mask & bag).sum() / bag.sum()) if bag.any() else float("nan")


if __name__ == "__main__":
    main()
