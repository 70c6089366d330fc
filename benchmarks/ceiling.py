"""How far the unseen side of VALID's people could be improved, by true colours where no photo shows any.

    python benchmarks/ceiling.py [--people 12]

The texture of the whole system has its unseen texels replaced by what the true pictures show there: all of them, those
of one region, their slow or their fine part alone (a Gaussian of so many texels divides both), or each region's mean
colour alone. It is drawn as before. What is left with everything replaced is the renderer's, the body's and the
cameras' part. Two more rows have the generated channels of the person before in the list, and none: what encoder and
generator know of somebody is worth no more than the first of them costs. A row each: PSNR, LPIPS, DISTS of pictures
from behind (120 degrees off the chest's direction and more) and from the side.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import dinar  # noqa: F401  # isort: skip (before torch: threads that wait shall sleep)
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dinar import presets, texturing
from dinar.avatar import Avatar, open_body
from dinar.body.uv import PARTS, part_labels, texel_map
from dinar.evaluate.cases import PERSON, Case, Target
from dinar.evaluate.metrics import BACKGROUND, Judges
from dinar.evaluate.plan import networks, painter, parser
from dinar.evaluate.protocols import SHIPPED
from dinar.evaluate.rows import Material
from dinar.evaluate.sets import Sets
from dinar.store import Store
from dinar.train.fillings import true_colours

SLOW = 4, 16, 48      # texels of 512
REGIONS = {
    "head and hair": ("head",),
    "trunk": ("torso",),
    "arms": tuple(part for part in PARTS if part.endswith(" arm")),
    "hands": tuple(part for part in PARTS if part.endswith(" hand")),
    "legs": tuple(part for part in PARTS if part.endswith((" thigh", " calf"))),
    "feet": tuple(part for part in PARTS if part.endswith(" foot")),
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--people", type=int, default=12)
    people = Sets("valid", SHIPPED / "valid", options.parse_args().people, 4, False)
    judges, scores = Judges.load(Store()), defaultdict(list)
    cases = [people.case(person) for person in people.people]
    avatars = [whole(case) for case in cases]
    for case, avatar, other in zip(cases, avatars, avatars[-1:] + avatars[:-1], strict=True):
        targets = [target for target in case.targets if target.kind == PERSON]
        views = [replace(target.view, parts=None) for target in targets]
        true, shown = (found[None] for found in true_colours(avatar, views))
        for name, changed in chain(replaced(avatar, true, shown), generated(avatar, other)):
            for target in targets:
                view, off = target.view, abs(target.azimuth)
                if off < 60:
                    continue
                image, real = changed.render(view.camera, view.body).over(BACKGROUND)[0], _shown(target)
                found = judges.compare(judges.look(image, PERSON), judges.look(real, PERSON))
                scores[name, "back" if off >= 120 else "side"].append((found.psnr, found.lpips, found.dists))
    for (name, side), found in scores.items():
        print(f"{name:22} {side} {len(found):3}  {' '.join(f'{value:.4f}' for value in np.mean(found, axis=0))}")


def whole(case: Case) -> Avatar:
    """What the whole system makes of somebody."""
    material = Material(case.source, open_body(), networks(None), painter(None), parser())
    avatar = material.inpainted(material.refined)
    return texturing.settled(avatar, material.sights, material.filler, presets.SMALL.residuals.last)


def replaced(avatar: Avatar, true: Tensor, shown: Tensor) -> Iterator[tuple[str, Avatar]]:
    """Names, and the avatar with truths [1, 3, R, R] in unseen texels, where they are `shown` [1, 1, R, R]."""
    for name, colours in _colours(avatar, true, shown):
        yield name, replace(avatar, texture=replace(avatar.texture, rgb=colours), painted=colours[0])


def generated(avatar: Avatar, other: Avatar) -> Iterator[tuple[str, Avatar]]:
    """Names, and the avatar with generated channels that do not tell of it."""
    channels = other.texture.generated
    for name, values in {"another's generated": channels, "nothing generated": torch.zeros_like(channels)}.items():
        yield name, replace(avatar, texture=replace(avatar.texture, generated=values))


def _colours(avatar: Avatar, true: Tensor, shown: Tensor) -> Iterator[tuple[str, Tensor]]:
    ours = avatar.painted[None]
    unseen = shown * (avatar.texture.frontality == 0)
    yield "nothing replaced", ours
    yield "everything", torch.lerp(ours, true, unseen)
    for reach in SLOW:
        slow = _blurred((true - ours) * unseen, reach) / _blurred(unseen, reach).clamp(min=1e-4)
        yield f"slower than {reach} texels", (ours + slow * unseen).clamp(0, 1)
        yield f"finer than {reach} texels", torch.lerp(ours, (true - slow).clamp(0, 1), unseen)
    face = texel_map(avatar.layout, ours.shape[-1]).face.long()
    label, tones = part_labels(avatar.model)[face.clamp(min=0)], ours
    for name, parts in REGIONS.items():
        here = unseen * torch.tensor([part in parts for part in PARTS])[label]
        tones = tones + here * ((true - ours) * here).sum((2, 3), keepdim=True) / here.sum().clamp(min=1)
        yield name, torch.lerp(ours, true, here)
    yield "mean colours", tones.clamp(0, 1)


def _shown(target: Target) -> Tensor:
    return target.view.image * target.view.mask + BACKGROUND * (1 - target.view.mask)


def _blurred(image: Tensor, reach: float) -> Tensor:
    """An image [1, C, R, R] blurred by a Gaussian of so many texels."""
    room = round(3 * reach)
    line = torch.exp(-0.5 * (torch.arange(-room, room + 1) / reach).square())
    line = (line / line.sum()).expand(image.shape[1], 1, 1, -1)
    for kernel, pad in ((line, (0, room)), (line.mT, (room, 0))):
        image = functional.conv2d(image, kernel, padding=pad, groups=len(kernel))
    return image


if __name__ == "__main__":
    main()
