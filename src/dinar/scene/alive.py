"""A photo that comes alive (figure 13): the one place that knows the order of the steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from dinar import images, pipeline
from dinar.avatar import Avatar, Shot
from dinar.body.model import Body
from dinar.errors import InputError
from dinar.export import video
from dinar.motion.motion import Motion
from dinar.photo.photo import Perception, Photo
from dinar.pipeline import Source
from dinar.progress import Progress
from dinar.raster.rasterize import rasterize
from dinar.scene import hole, place
from dinar.scene.scene import Scene, scaled
from dinar.store import Store

LONGEST = 1280      # pixels of a video's larger side, where the photo has more
OVERLAP = 0.5       # of avatar and person in the photo, from which on they are the same


@dataclass(frozen=True)
class Alive:
    """What was made: so many frames a second, and the scene that they are of."""

    frames: int
    fps: float
    scene: Scene


def alive(
    photo: Path | str | Source,
    motion: Motion | str | Path,           # a clip by its name, or what `Motion.load` reads
    path: Path | str,                      # .mp4, or what `export.video.write` writes
    *,
    avatar: Avatar | None = None,          # of this photo; default: made from it with `options`
    longest: int = LONGEST,                # pixels of the video's larger side at most
    fps: float | None = None,              # default: the motion's
    in_place: bool | None = None,          # no travel over the ground; default: where the motion ends somewhere else
    stiff: bool = False,                   # a skirt does not swing
    seed: int = 0,
    store: Store | None = None,
    progress: Progress | None = None,
    **options: object,                     # of `pipeline.create`
) -> Alive:
    """A video in which the person of a photo moves in their place (figure 13).

    Raises InputError where the photo or `motion` cannot be used, `path` cannot be written, or `avatar` was not made
    of this photo.
    """
    progress, store = progress or Progress(), store or Store()
    motion = motion if isinstance(motion, Motion) else Motion.load(motion)
    motion = motion.resampled(fps) if fps else motion
    if in_place or (in_place is None and not place.stays(motion)):
        motion = motion.in_place()
    source = photo if isinstance(photo, Source) else Source(Path(photo))
    made: list[Alive] = []

    def frames() -> Iterator[Tensor]:
        person = avatar or pipeline.create(source, seed=seed, store=store, progress=progress, **options)
        scene, there = scene_of(source, person, longest=longest, seed=seed, store=store, progress=progress)
        course = place.course(motion, there.model, scene.start)
        made.append(Alive(len(course.bodies), motion.fps, scene))
        yield from progress.track(scene.play(there, course, stiff=stiff), len(course.bodies), "draw")

    video.write(path, frames(), motion.fps)      # what is wrong with `path` is said before the first frame is asked for
    return made[0]


def scene_of(
    source: Source,
    avatar: Avatar,
    *,
    longest: int = LONGEST,
    seed: int = 0,
    store: Store | None = None,
    progress: Progress | None = None,
) -> tuple[Scene, Avatar]:
    """The photo without its person, and the avatar that goes into it, on the CPU.

    Raises InputError where the photo cannot be used or the avatar was not made of it.
    """
    progress, store = progress or Progress(), store or Store()
    with progress.stage("remove"):
        view, picture, person = pipeline.look_at(source, store), images.read(source.photo), avatar.to("cpu")
        shot = shot_of(source, person, view)
        whole = scaled(images.from_bytes(picture.pixels), longest)
        mask = hole.mask_in_picture(view, tuple(whole.shape[1:]))
        told = source.mask is not None and source.keypoints is not None      # then no network is asked, nor has to be
        people = [] if told else Perception.load(store).pose(picture.pixels)
        others, before = hole.others_in_picture(people, mask, picture.size)
        return Scene.of(whole, mask, others, before, person, shot, seed=seed), person


def shot_of(source: Source, avatar: Avatar, view: Photo) -> Shot:
    """How the person stands in a photo, of which the avatar was made. Raises InputError where it was not."""
    height, width = view.source_size
    scale = min(1.0, 256 / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    mask = hole.mask_in_picture(view, size)[0] > 0.5
    best, found = OVERLAP, None
    for shot in avatar.shots:
        if tuple(shot.camera.size) != view.source_size:
            continue
        body = Body(avatar.shape[None], shot.pose[None], shot.expression[None], shot.translation[None])
        with torch.no_grad():
            vertices = avatar.model(body).vertices
        camera = shot.camera.resized(size)
        drawn = rasterize(camera.project(vertices), avatar.model.faces, size).mask[0, 0] > 0.5
        overlap = float((drawn & mask).sum() / (drawn | mask).sum().clamp(min=1))
        if overlap > best:
            best, found = overlap, shot
    if found is None:
        raise InputError(f"the avatar was not made of {source.photo}, or of another person in it (--person)")
    return replace(found)
