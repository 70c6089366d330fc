"""Milliseconds of one core for a view of made-up people, whole and stage by stage.

    python benchmarks/synth.py --assets assets --people 24

Processor time, not seconds on the clock: `dinar synth` runs one such process a core. Each process reads garments,
skins and motions when it first meets them; --warm people come before the measured ones, so that most of that is done.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch

from dinar.synth import shards
from dinar.synth.people import random_person
from dinar.synth.poses import random_body
from dinar.synth.sets import random_background, random_lens, random_light
from dinar.synth.studio import arrange, frame_camera, illuminate, take
from dinar.synth.wardrobe import Wardrobe

T = TypeVar("T")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=Path, required=True)
    parser.add_argument("--built", type=Path, help="as of `dinar synth`")
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--warm", type=int, default=40)
    parser.add_argument("--views", type=int, default=8)
    parser.add_argument("--size", type=int, default=512)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    plan = shards.Plan(people=args.warm + args.people, views=args.views, size=args.size)
    start = time.process_time()
    wardrobe = Wardrobe(args.assets, args.built)
    for number in range(args.warm):
        shards.make_sample(wardrobe, plan, number)
    warmed = time.process_time() - start

    start = time.process_time()
    for number in range(args.warm, plan.people):
        shards.make_sample(wardrobe, plan, number)
    whole = (time.process_time() - start) / (args.people * plan.views)
    print(
        f"{args.people} people, {plan.views} views of {args.size} px each, {plan.poses} poses; numpy {np.__version__}, "
        f"OpenCV {cv2.__version__}; the {args.warm} people before them: "
        f"{warmed / max(args.warm * plan.views, 1) * 1e3:.1f} ms a view\n"
    )
    print("| | ms a view | times a person |\n|---|---|---|")
    print(f"| a person's sample, {1 / whole:.1f} views/s on a core | {whole * 1e3:.1f} | 1 |")
    for name, (seconds, calls) in _stages(wardrobe, plan, args.people).items():
        print(f"| {name} | {seconds / (args.people * plan.views) * 1e3:.1f} | {calls / args.people:.0f} |")


def _stages(wardrobe: Wardrobe, plan: shards.Plan, people: int) -> dict[str, tuple[float, int]]:
    """Seconds and calls of each of `make_sample`'s stages, for other people of the same kind."""
    spent: dict[str, list[float]] = defaultdict(list)

    def timed(name: str, work: Callable[[], T]) -> T:
        start = time.process_time()
        result = work()
        spent[name].append(time.process_time() - start)
        return result

    motions = tuple(sorted((wardrobe.root / "poses").glob("*.bvh")))
    texture = 512 if plan.size <= 640 else 1024
    for number in range(people):
        rng = np.random.default_rng(number)
        person = timed("dressing", lambda n=number: random_person(wardrobe, 10_000 + n, texture=texture))
        light, lens = random_light(rng), random_lens(rng)
        for _ in range(plan.poses):
            body = timed("pose", lambda p=person, r=rng: random_body(p, r, lively=0.5, motions=motions))
            scene = timed("arranging: what sees what", lambda p=person, b=body: arrange(p, b))
            lit = timed("light and shadow map", lambda s=scene, x=light: illuminate(s, x))
            place = timed("background", lambda r=rng: random_background(r, wardrobe))
            for _ in range(plan.views // plan.poses):
                turn = rng.uniform(0, 360)
                camera = timed(
                    "camera", lambda s=scene, a=turn: frame_camera(s, (plan.size, plan.size), azimuth=a, fov=30)
                )
                view = timed("picture", lambda a=(lit, camera, place), x=lens: take(*a, lens=x, meter=a[0].meter))
                image, mask = view.image.permute(1, 2, 0).numpy(), view.mask[0].numpy()
                timed("JPEG", lambda i=image: shards._jpeg(i))
                timed("PNG", lambda m=mask: shards._png(m))
    return {name: (sum(seconds), len(seconds)) for name, seconds in spent.items()}


if __name__ == "__main__":
    main()
