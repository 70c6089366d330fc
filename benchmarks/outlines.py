"""Where a dressed body's outline leaves the mask that the program has found, photo by photo.

    python benchmarks/outlines.py ../shared/photos [--show state/outlines]

A row a photo: the overlap of both (soft intersection over union), the same with the mask's soft edge as a line at its
half, what such a line and the mask have in common itself, what of the mask the body misses and what it has beyond it,
and the shares of the union in which they disagree nearest to the head, the hands, the feet and the trunk.
`--show` writes a picture each: red is missed, blue beyond the mask.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median

import dinar  # noqa: F401  # isort: skip (before torch: threads that wait shall sleep)
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from dinar import images
from dinar.avatar import open_body
from dinar.body.model import Body, BodyModel
from dinar.body.uv import PARTS, part_labels
from dinar.camera import Camera
from dinar.dressing import dressed
from dinar.errors import InputError
from dinar.evaluate.outlines import overlap
from dinar.evaluate.photos import PICTURES
from dinar.fit.fit import fit
from dinar.pipeline import look_at
from dinar.raster.rasterize import rasterize
from dinar.store import Store

FINE = 3     # samples a pixel and side
REGIONS = "head", "hand", "foot", "torso"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("photos", type=Path, nargs="+", help="photos, or folders of them")
    options.add_argument("--show", type=Path)
    given = options.parse_args()
    folders = [sorted(path.iterdir()) if path.is_dir() else [path] for path in given.photos]
    paths = [path for folder in folders for path in folder if path.suffix.lower() in PICTURES]
    model, found = open_body(), []
    names = "photo", "overlap", "with a line", "of a line", "missed", "beyond", *REGIONS
    print(f"| {' | '.join(names)} |\n|{'---|' * len(names)}")
    for path in paths:
        try:
            photo = look_at(path, Store())
        except InputError as error:
            print(f"| {path.name} | {error} |")
            continue
        pose = fit([photo], model)[0]
        mask, person = photo.mask, dressed(model, [photo], [pose])
        with torch.no_grad():
            covered, label = drawn(person, pose.body, pose.camera)
        covered = covered * photo.inside                        # nobody knows what is beyond a picture's edge
        union = float(torch.maximum(mask, covered).sum())
        missed, beyond = (mask - covered).clamp(min=0), (covered - mask).clamp(min=0)
        line = avg_pool2d((interpolate(mask[None], scale_factor=4, mode="bilinear") > 0.5).float(), 4)[0]
        found.append((overlap(covered, mask), overlap(covered, line), overlap(line, mask)))
        apart = (missed + beyond)[0]
        shares = [
            float(apart[torch.isin(label, torch.tensor([k for k, name in enumerate(PARTS) if region in name]))].sum())
            for region in REGIONS
        ]
        numbers = [*found[-1], float(missed.sum()) / union, float(beyond.sum()) / union, *(s / union for s in shares)]
        print(f"| {path.name} | {' | '.join(f'{number:.4f}' for number in numbers)} |", flush=True)
        if given.show:
            given.show.mkdir(parents=True, exist_ok=True)
            marks = torch.cat([missed, torch.zeros_like(missed), beyond])
            images.save(given.show / f"{path.stem}.png", torch.lerp(0.5 * photo.image + 0.25, marks.sign(), apart))
    if found:
        for name, values in zip(names[1:4], zip(*found, strict=True), strict=True):
            print(f"{name}: median {median(values):.4f}, worst {min(values):.4f}")


def drawn(model: BodyModel, body: Body, camera: Camera) -> tuple[Tensor, Tensor]:
    """How much of each pixel a body covers [1, H, W], and the part [H, W] that is nearest to it."""
    camera = camera.resized(tuple(side * FINE for side in camera.size))
    face = rasterize(camera.project(model(body).vertices), model.faces, camera.size).face[0].long()
    label = torch.where(face >= 0, part_labels(model)[face.clamp(min=0)], -1)[FINE // 2 :: FINE, FINE // 2 :: FINE]
    nearest = distance_transform_edt(label < 0, return_distances=False, return_indices=True)
    return avg_pool2d((face >= 0).float()[None], FINE), label[tuple(torch.from_numpy(nearest))]


if __name__ == "__main__":
    main()
