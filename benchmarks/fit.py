"""How well the fit recovers known bodies: dressed people are rendered, looked at and fitted.

    python benchmarks/fit.py --assets ../shared/assets --people 50

Prints a Markdown table: vertex error after alignment of the root, reprojection error, mask IoU, seconds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from dinar import images
from dinar.body.model import BodyModel
from dinar.errors import InputError
from dinar.fit.fit import fit
from dinar.fit.overlay import overlay
from dinar.photo.photo import look
from dinar.store import Store
from dinar.synth.sets import views


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=Path, required=True)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pictures", type=Path, help="a folder for the overlays, worst first")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model, store = BodyModel.open(), Store()
    rows, pictures, failed = [], [], 0
    with tempfile.TemporaryDirectory() as folder:
        for view in views(args.assets, args.people, args.seed):
            path = Path(folder) / "view.png"
            images.save(path, view.image)
            try:
                photo = look(path, store=store)
            except InputError as error:
                print(f"person {len(rows) + failed}: {error}")
                failed += 1
                continue
            start = time.perf_counter()
            found = fit([photo], model)[0]
            seconds = time.perf_counter() - start
            error = vertex_error(model, found, view)
            rows.append((error, found.reprojection, found.mask_iou, seconds))
            pictures.append(torch.cat([photo.image, overlay(photo, found, model)], dim=2))
            print("{:3d}: {:5.1f} mm, {:.2f} %, IoU {:.3f}, {:.1f} s".format(len(rows), *rows[-1]), flush=True)
    table = np.array(rows)
    print(f"\n{len(rows)} of {args.people} people fitted, {args.threads} threads, torch {torch.__version__}\n")
    print("| | mean | median | worst |\n|---|---|---|---|")
    names = ("vertex error, mm", "reprojection, % of the person's size", "mask IoU", "seconds")
    for name, column, worst in zip(names, table.T, (max, max, min, max), strict=True):
        print(f"| {name} | {column.mean():.3g} | {np.median(column):.3g} | {worst(column):.3g} |")
    if args.pictures:
        for rank, k in enumerate(np.argsort(-table[:, 0])):
            images.save(args.pictures / f"{rank:03d}.jpg", pictures[k])


def vertex_error(model: BodyModel, found, view) -> float:
    """Mean distance of the fitted from the true skin vertices in the camera's axes, roots aligned, millimetres."""
    with torch.no_grad():
        ours, true = model(found.body), model(view.body)
    a = (ours.vertices[0] - ours.joints[0, 0]) @ found.camera.R.T
    b = (true.vertices[0] - true.joints[0, 0]) @ view.camera.R.T
    return (a - b).norm(dim=1).mean().item() * 1000


if __name__ == "__main__":
    main()
