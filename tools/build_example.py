"""Renders `examples/person.jpg`, a picture of somebody who never was, from MakeHuman's CC0 assets.

    .venv/bin/python tools/build_example.py --assets ../shared/assets

`--sheet N` writes `examples/people.jpg` as well, N random people as the fit is measured on.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from dinar import images
from dinar.synth.lens import Lens
from dinar.synth.people import Person, dress
from dinar.synth.places import Background, Light
from dinar.synth.sets import random_background, views
from dinar.synth.studio import arrange, contact_sheet, expose, frame_camera
from dinar.synth.view import View
from dinar.synth.wardrobe import Wardrobe

ROOT = Path(__file__).parents[1]
SIZE = (1024, 768)
SHAPE = 2  # of the shipped people
COLOURS = 16  # the clothes' seed
PLACE = 154  # the room's

# degrees, the left side's; the right mirrors it
POSE = {"upperarm01": (2, 0, -22), "lowerarm01": (-8, -8, 0), "upperleg01": (-1, 0, -3), "lowerleg01": (3, 0, 0)}


def somebody(wardrobe: Wardrobe, colours: int = COLOURS) -> Person:
    with np.load(ROOT / "src/dinar/synth/data/people.npz") as people:
        men = np.flatnonzero(~people["female"] & (people["years"] < 40) & (people["race"][:, 2] > 0.5))
        shape = torch.from_numpy(people["shape"][men[SHAPE]].astype(np.float32))[None]
    return dress(
        wardrobe, np.random.default_rng(colours), female=False, years=28, tone=0.25, shape=shape,
        outfit="male_casualsuit06", shoes="shoes06", hair="short02", brow="eyebrow008", lash="eyelashes04",
        texture=2048,
    )  # fmt: skip


def window_light() -> Light:
    """A window to the left, pale walls."""
    return Light(
        sky=np.float32([0.34, 0.35, 0.37]),
        ground=np.float32([0.20, 0.17, 0.14]),
        lobes=np.float32([[-0.62, 0.35, 0.70, 0.95, 0.96, 1.0, 3.0], [0.9, 0.2, -0.3, 0.30, 0.27, 0.24, 4.0]]),
        lamp=np.float32([-0.52, 0.53, 0.67]),
        colour=np.float32([0.46, 0.45, 0.44]),
        softness=0.05,
    )


def example(wardrobe: Wardrobe, place: int = PLACE, colours: int = COLOURS) -> View:
    person = somebody(wardrobe, colours)
    pose = np.zeros((1, len(person.model.joint_names), 3), np.float32)
    for name, angles in POSE.items():
        for side, mirror in ((".L", (1, 1, 1)), (".R", (1, -1, -1))):
            pose[0, person.model.joint_names.index(name + side)] = np.radians(np.array(angles) * mirror)
    pose[0, person.model.joint_names.index("head")] = np.radians((2, 5, -1))
    body = replace(person.model.neutral(), shape=person.shape, pose=torch.from_numpy(pose))
    scene = arrange(person, body)
    camera = frame_camera(scene, SIZE, azimuth=-4, height=1.35, fov=26, margin=0.07)
    background: Background = random_background(np.random.default_rng(place), wardrobe)
    return expose(scene, camera, window_light(), background, lens=Lens(blur=0.4, noise=0.005, exposure=1.3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--assets", type=Path, default=ROOT.parent / "shared/assets")
    parser.add_argument("--sheet", type=int, default=0)
    args = parser.parse_args()
    images.save(ROOT / "examples/person.jpg", example(Wardrobe(args.assets)).image)
    if args.sheet:
        sheet = contact_sheet(list(views(args.assets, args.sheet, size=(512, 512))), columns=8, height=192)
        images.save(ROOT / "examples/people.jpg", sheet)


if __name__ == "__main__":
    main()
