"""How well the fit recovers known bodies: dressed people are rendered, looked at and fitted.

    python benchmarks/fit.py --assets ../shared/assets --people 50

Prints a Markdown table: vertex errors, reprojection error, mask IoU, seconds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import dinar  # noqa: F401  # isort: skip (before torch: threads that wait shall sleep)
import numpy as np
import torch

from dinar import images
from dinar.body.model import BodyModel
from dinar.errors import InputError
from dinar.fit.fit import Fit, fit
from dinar.fit.overlay import overlay
from dinar.fit.shape_prior import ShapePrior
from dinar.photo.photo import look
from dinar.store import Store
from dinar.synth.sets import views
from dinar.synth.view import View


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=Path, required=True)
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sex", choices=("told", "unsure"), default="told", help="what the fit knows of it")
    parser.add_argument("--children", action="store_true", help="of children, which the fit is told")
    parser.add_argument("--age", choices=("told", "adult"), default="told", help="what the fit knows of children")
    parser.add_argument("--pictures", type=Path, help="a folder for the overlays, worst first")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    model, store = BodyModel.open(), Store()
    rows, pictures, failed = [], [], 0
    with tempfile.TemporaryDirectory() as folder:
        for view in views(args.assets, args.people, args.seed, children=args.children):
            path = Path(folder) / "view.png"
            images.save(path, view.image)
            try:
                photo = look(path, store=store)
            except InputError as error:
                print(f"person {len(rows) + failed}: {error}")
                failed += 1
                continue
            start = time.perf_counter()
            female = sex_of(view, model) if args.sex == "told" else 0.5
            found = fit([replace(photo, female=female, child=args.children and args.age == "told")], model)[0]
            seconds = time.perf_counter() - start
            rows.append((*vertex_errors(model, found, view), found.reprojection, found.mask_iou, seconds))
            pictures.append(torch.cat([photo.image, overlay(photo, found, model)], dim=2))
            print("{:3d}: {:5.1f} mm ({:.1f}), {:.2f} %, IoU {:.3f}, {:.1f} s".format(len(rows), *rows[-1]), flush=True)
    table = np.array(rows)
    print(f"\n{len(rows)} of {args.people} people fitted, {args.threads} threads, torch {torch.__version__}\n")
    print("| | mean | median | worst |\n|---|---|---|---|")
    names = ("vertex error, roots aligned, mm", "the same after a similarity, mm", "reprojection, % of the size",
             "mask IoU", "seconds")  # fmt: skip
    for name, column, worst in zip(names, table.T, (max, max, max, min, max), strict=True):
        print(f"| {name} | {column.mean():.3g} | {np.median(column):.3g} | {worst(column):.3g} |")
    if args.pictures:
        for rank, k in enumerate(np.argsort(-table[:, 0])):
            images.save(args.pictures / f"{rank:03d}.jpg", pictures[k])


def sex_of(view: View, model: BodyModel) -> float:
    """1 where the made-up person's shape is rather a woman's, else 0."""
    man, woman = (ShapePrior.of(model, sex).departure(view.body.shape[0].double()).norm() for sex in (0.0, 1.0))
    return float(woman < man)


def vertex_errors(model: BodyModel, found: Fit, view: View) -> tuple[float, float]:
    """Mean distance of the fitted from the true skin vertices in the camera's axes, millimetres.

    Root joints aligned; and aligned by the best rotation, scale and shift, which leaves shape and posture.
    """
    with torch.no_grad():
        ours, true = model(found.body), model(view.body)
    a = (ours.vertices[0] - ours.joints[0, 0]) @ found.camera.R.T
    b = (true.vertices[0] - true.joints[0, 0]) @ view.camera.R.T
    middle_a, middle_b = a - a.mean(0), b - b.mean(0)
    u, s, v = torch.linalg.svd(middle_a.T @ middle_b)
    aligned = middle_a @ (u @ v) * (s.sum() / middle_a.square().sum())
    return tuple((error.norm(dim=1).mean() * 1000).item() for error in (a - b, aligned - middle_b))


if __name__ == "__main__":
    main()
