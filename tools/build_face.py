"""Builds `src/dinar/body/data/face.npz`, the mean face that those get whose face no photo shows.

    dinar synth --rigged ../shared/assets/valid/train --views 8 --seed 3 -o state/paint/valid
    dinar train inpainting --data state/paint/valid --textures state/paint/fillings ...
    python tools/build_face.py state/paint/valid --textures state/paint/fillings

Of each person's texture, as all views of them show it (`train.fillings`), are taken the logarithms of a face's colours
over their mean. Their mean over people, and over both halves of a face, is what lies on everybody's: lids, brows, lips
and light from above. The file holds

    ratio  int8 [3, 512, 512]  such logarithms in the layout `front`, in steps of 1 / `texture.faces.STEPS`
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn import functional

from dinar.body.model import BodyModel
from dinar.body.uv import load_layout, mirror_map, texel_map
from dinar.data.dataset import MultiView
from dinar.files import atomic_file
from dinar.raster.nearest import nearest
from dinar.texture.faces import STEPS, oval_of
from dinar.texture.layered import front_part

OUTPUT = Path(__file__).parents[1] / "src/dinar/body/data/face.npz"
SIDE = 512
WHOLE = 0.5   # share of a face's front that a person's views have to show
PEOPLE = 3    # who have to show a texel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="shards of the people")
    parser.add_argument("--textures", type=Path, required=True, help="folder of `train.fillings` that has them")
    options = parser.parse_args()
    model = BodyModel.open()
    layout = load_layout("front", model)
    texels = texel_map(layout, SIDE)
    oval = oval_of(model, texels)
    sums, seen, people = torch.zeros(3, SIDE, SIDE), torch.zeros(1, SIDE, SIDE), MultiView(options.data)
    count = 0
    for number in range(len(people)):
        path = options.textures / f"{people.digest(number)}-0.safetensors"
        if not path.is_file():
            continue
        made = load_file(path)
        truth, shown = (front_part(made[name].float() / 255).view(-1, SIDE, SIDE) for name in ("truth", "shown"))
        weight = oval * (shown > 0.5)
        if weight.sum() < WHOLE * oval.sum():
            continue
        tone = (truth * weight).flatten(1).sum(1) / weight.sum()
        there = ((shown > 0.5) & (oval > 0)).float()
        sums += (truth.clamp(min=0.01) / tone[:, None, None]).log() * there
        seen, count = seen + there, count + 1
    both = torch.cat([sums, seen])[None]
    mirror = mirror_map(layout, model.faces, texels)
    grid = (mirror * 2 - 1).nan_to_num(-9)[None]
    both = (both + functional.grid_sample(both, grid, align_corners=False))[0]
    known = (both[3] >= 2 * PEOPLE).numpy()
    ratio = (both[:3] / both[3:].clamp(min=1)).flatten(1)[:, torch.from_numpy(nearest(known)).flatten()]
    ratio = ratio.view(3, SIDE, SIDE) * (functional.max_pool2d(oval[None], 5, 1, 2)[0] > 0)
    with atomic_file(OUTPUT) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, ratio=(ratio * STEPS).round().clamp(-127, 127).to(torch.int8).numpy())
    print(f"{OUTPUT.name}: {OUTPUT.stat().st_size / 1e3:.0f} kB, of {count} faces")


if __name__ == "__main__":
    main()
