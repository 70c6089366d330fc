"""How visible the edge between what a photo shows and what is painted is in avatars' colours.

    python benchmarks/seam.py people/*

Steps of colour, mean difference over red, green and blue of two texels in 255 levels. `at the edge`: from a texel of
the photo to the painted one beside it. `in the photo`, `in the painting`: between neighbours on either side, a
centimetre or two from the edge at most. `across`: between the mean colours of one part of the body so far on both
sides. An edge whose steps are those of its surroundings cannot be seen.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from dinar.avatar import Avatar
from dinar.body.uv import PARTS, part_labels, texel_map
from dinar.texture.merging import seen_part

NEAR = 8      # texels from the edge
AROUND = 15   # texels a side of the squares whose means are compared


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("avatars", type=Path, nargs="+")
    rows = []
    print("| avatar | at the edge | in the photo | in the painting | across |\n|---|---|---|---|---|")
    for path in parser.parse_args().avatars:
        rows.append(steps(Avatar.load(path)))
        print(f"| {path.stem} | {' | '.join(f'{value:.2f}' for value in rows[-1])} |", flush=True)
    print(f"| median | {' | '.join(f'{value:.2f}' for value in torch.tensor(rows).median(0).values.tolist())} |")


def steps(avatar: Avatar) -> tuple[float, float, float, float]:
    """At the edge, in the photo, in the painting, across; 0 to 255."""
    colours = avatar.painted[None] * 255
    size = colours.shape[-1]
    face = texel_map(avatar.layout, size).face.long()
    inside = (face >= 0)[None, None]
    seen = (seen_part(avatar.texture).filled > 0.5) & inside
    near = reached(seen, NEAR) & reached(inside & ~seen, NEAR)
    found = []
    for one, other in ((True, False), (True, True), (False, False)):
        jumps = []
        for axis in (2, 3):
            ends = [part.narrow(axis, k, size - 1) for part in (seen, inside & near, colours) for k in (0, 1)]
            pair = (ends[0] == one) & (ends[1] == other) | (ends[0] == other) & (ends[1] == one)
            jumps.append((ends[4] - ends[5]).abs().mean(1, keepdim=True)[pair & ends[2] & ends[3]])
        found.append(float(torch.cat(jumps).mean()))
    edge = reached(seen, 1) & reached(inside & ~seen, 1) & inside
    gaps = []
    parts = part_labels(avatar.model)[face.clamp(min=0)]
    for part in range(len(PARTS)):
        here = parts == part
        means = [mean_of(colours, mask & here) for mask in (seen, inside & ~seen)]
        at = edge & here & (means[0][1] > 0.1) & (means[1][1] > 0.1)
        gaps.append((means[0][0] - means[1][0]).abs().mean(1, keepdim=True)[at])
    return found[0], found[1], found[2], float(torch.cat(gaps).mean())


def reached(mask: Tensor, texels: int) -> Tensor:
    """Within so many texels of a mask [1, 1, R, R]."""
    return functional.max_pool2d(mask.float(), 2 * texels + 1, 1, texels) > 0


def mean_of(colours: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean colours of a mask's texels in squares about each texel, and the share of the square that they are."""
    mask = mask.float()
    both = functional.avg_pool2d(torch.cat([colours * mask, mask], dim=1), AROUND, 1, AROUND // 2)
    return both[:, :3] / both[:, 3:].clamp(min=1e-6), both[:, 3:]


if __name__ == "__main__":
    main()
