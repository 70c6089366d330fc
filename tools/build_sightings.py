"""What BlazePose sees of made-up people, beside where their points truly are: what the lifter learns from.

    python tools/build_sightings.py --assets ../shared/assets --out state/sightings --seed 1 --seconds 1500

One process, one file; processes with other seeds fill the same folder side by side. Each person takes three poses
before three cameras. A point of the truth lies where the body model has BlazePose's landmark (`body/anatomy.py`).
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dinar  # noqa: F401  # isort: skip (before torch: threads that wait shall sleep)
import numpy as np
import torch

from dinar import images
from dinar.body.model import Body, BodyModel
from dinar.data.sightings import SUFFIX, write
from dinar.photo.landmarks import BODY, Landmarks
from dinar.photo.sighting import Perception, landmarks_of
from dinar.store import Store
from dinar.synth.people import random_person
from dinar.synth.poses import random_body
from dinar.synth.sets import random_background, random_lens, random_light
from dinar.synth.studio import arrange, expose, frame_camera
from dinar.synth.view import View
from dinar.synth.wardrobe import Wardrobe

POSES = 3
SIDE = 768          # pixels
LIVELY = 0.35       # share of people in motion; half of all others take a frame of a motion file,
ANY = 0.4           # which for this share may also be a fight, a run, a jump or a seat
STRETCHED = 0.4    # share of people who spread their arms, up to over their heads, and their legs
BEHIND, ANYHOW = 1 / 7, 0.12   # seen from behind, and from any side at all
CUT = 0.12          # of pictures that end between the person's thighs and feet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1, help="0 is for people who are not trained on")
    parser.add_argument("--seconds", type=float, default=1500)
    args = parser.parse_args()
    torch.set_num_threads(1)
    found, began, unseen = [], time.monotonic(), 0
    for view, landmarks in looked_at(args.assets, args.seed):
        if landmarks is None:
            unseen += 1
        else:
            found.append(sighting(view, landmarks))
        if time.monotonic() - began > args.seconds:
            break
    args.out.mkdir(parents=True, exist_ok=True)
    write(args.out / f"{args.seed:03d}{SUFFIX}", found)
    print(f"{len(found)} sightings of seed {args.seed}, {unseen} pictures in which nobody was seen")


def looked_at(assets: Path, seed: int) -> Iterator[tuple[View, Landmarks | None]]:
    """Views without end and what BlazePose sees in them."""
    wardrobe, perception = Wardrobe(assets), Perception.load(Store())
    poses = wardrobe.root / "poses"
    quiet, all_motions = (tuple(sorted(poses.glob(pattern))) for pattern in ("standing*.bvh", "*.bvh"))
    number = 0
    while True:
        person = random_person(wardrobe, 88_000_000 + seed * 100_003 + number, texture=512)
        for pose in range(POSES):
            rng = np.random.default_rng([seed, number, pose, 13])
            motions = all_motions if rng.random() < ANY else quiet
            body = random_body(person, rng, lively=LIVELY, motions=motions)
            scene = arrange(person, _stretched(body, rng) if rng.random() < STRETCHED else body)
            azimuth = _azimuth(rng)
            camera = frame_camera(
                scene,
                (SIDE, SIDE),
                azimuth=azimuth,
                height=rng.uniform(0.5, 2.2),
                fov=math.exp(rng.uniform(math.log(15), math.log(50))),
                margin=rng.uniform(0.04, 0.15),
                roll=rng.normal(0, 1.2),
            )
            background, lens = random_background(rng, wardrobe), random_lens(rng)
            light = random_light(rng, azimuth)
            view = expose(scene, camera, light, background, lens=lens, seed=seed * 7 + number)
            yield view, _seen(perception, _cut(images.to_bytes(view.image), view, rng))
        number += 1


def sighting(view: View, landmarks: Landmarks) -> dict[str, np.ndarray]:
    """One person's arrays, named as `Sightings`' fields."""
    model = BodyModel.open()
    with torch.no_grad():
        places = model.landmarks(model(view.body))[0, [model.landmark_names.index(name) for name in BODY]]
    body = landmarks.select(BODY)
    return {
        "xy": body.xy,
        "world": body.world,
        "confidence": body.confidence,
        "points": view.camera.to_camera(places).numpy(),
    }


def _stretched(body: Body, rng: np.random.Generator) -> Body:
    """The same standing with arms and legs apart, as people do before a camera that shall measure them."""
    model, pose = BodyModel.open(), body.pose.clone()
    both = rng.uniform(-30, 135), rng.normal(0, 15), rng.uniform(-3, 20), abs(rng.normal(0, 12))
    for side, sign in (("L", 1), ("R", -1)):
        raised, forwards, apart, bent = np.array(both) + rng.normal(0, (8, 8, 3, 5)) * (1 + 3 * (rng.random() < 0.3))
        turns = {
            "clavicle": (0, 0, 0.25 * max(0.0, raised - 45)),
            "upperarm01": (rng.normal(0, 12), forwards, raised),
            "lowerarm01": (-abs(bent), -abs(bent), 0),
            "upperleg01": (rng.normal(-3, 6), rng.normal(0, 5), apart),
            "lowerleg01": (abs(rng.normal(0, 8)), 0, 0),
        }
        for joint, degrees in turns.items():
            vector = np.radians(np.array(degrees) * (1, sign, sign)).astype(np.float32)
            pose[0, model.joint_names.index(f"{joint}.{side}")] = torch.from_numpy(vector)
    return replace(body, pose=pose)


def _azimuth(rng: np.random.Generator) -> float:
    if rng.random() < ANYHOW:
        return rng.uniform(-180, 180)
    return 180 + rng.normal(0, 25) if rng.random() < BEHIND else float(np.clip(rng.normal(0, 28), -80, 80))


def _cut(pixels: np.ndarray, view: View, rng: np.random.Generator) -> np.ndarray:
    if rng.random() > CUT:
        return pixels
    model = BodyModel.open()
    with torch.no_grad():
        rows = view.camera.project(model.landmarks(model(view.body))[0])[:, 1]
    top, bottom = float(rows.min()), float(rows.max())
    return np.ascontiguousarray(pixels[: max(SIDE // 3, int(top + rng.uniform(0.6, 1.0) * (bottom - top)))])


def _seen(perception: Perception, pixels: np.ndarray) -> Landmarks | None:
    """Of the largest person, as `photo.look` would have it."""
    people = perception.pose(pixels)
    if not people:
        return None
    person = max(people, key=lambda p: float(np.ptp(p.box.reshape(2, 2), axis=0).max()))
    others = [p for p in people if p is not person]
    return landmarks_of(pixels, perception.pose.steadied(pixels, person), others, perception)


if __name__ == "__main__":
    main()
