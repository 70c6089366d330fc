"""Frames a second of an avatar in motion, the milliseconds of each step, and seconds of `import dinar`.

    dinar create examples/person.jpg -o out/person
    python benchmarks/animate.py out/person
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dinar  # noqa: F401  # isort: skip (before torch: threads that wait shall sleep)
import torch

from dinar.avatar import Avatar
from dinar.export.video import to_bytes
from dinar.motion import retarget
from dinar.motion.motion import Motion
from dinar.raster.rasterize import rasterize
from dinar.texture.neural_drawing import Artist, surroundings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("avatar", type=Path)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2.0, help="of the walk")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    avatar, walk = Avatar.load(args.avatar), Motion.load("walk").looped(args.seconds)
    size = (args.side, args.side)
    print(f"{args.side} x {args.side}, {args.threads} threads, torch {torch.__version__}, {len(walk)} frames")
    people = {"plain": avatar.drawn_by("texture")}
    if avatar.renderer is not None:
        people = {"neural": avatar, **people}
    print("\n| renderer | drawn, frames/s | drawn and written as MP4, frames/s |\n|---|---|---|")
    for name, person in people.items():
        drawn, written = rates(person, walk, size)
        print(f"| {name} | {drawn:.1f} | {written:.1f} |", flush=True)
    if avatar.renderer is not None:
        print("\n| step of a neural frame, alone on all threads | least, ms | median, ms | of the processor, ms |")
        print("|---|---|---|---|")
        for name, times in steps(avatar, walk, size).items():
            clock, processor = zip(*times, strict=True)
            print(f"| {name} | {min(clock):.1f} | {statistics.median(clock):.1f} | {min(processor):.1f} |")
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import dinar"], check=True)
    print(f"\n`python -c 'import dinar'`: {time.perf_counter() - start:.2f} s")


def rates(avatar: Avatar, walk: Motion, size: tuple[int, int]) -> tuple[float, float]:
    """Frames a second, drawn and with the video's encoding."""
    for _ in avatar.moving(walk.clipped(0, 0.2), size):
        pass                                    # compiles the rasteriser
    start = time.perf_counter()
    frames = sum(1 for _ in avatar.moving(walk, size))
    drawn = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        avatar.animate(walk, Path(folder) / "walk.mp4", size=size, background=torch.ones(3))
        written = time.perf_counter() - start
    return frames / drawn, frames / written


@torch.no_grad()
def steps(avatar: Avatar, walk: Motion, size: tuple[int, int]) -> dict[str, list[tuple[float, float]]]:
    """Milliseconds, of the clock and of the processor, of what a neural frame consists of, for every frame."""
    bodies = retarget.apply(walk, avatar.model, avatar.shape)
    model = avatar.model.only_posed(avatar.shape, bodies.expression[0])
    bodies = replace(bodies, shape=bodies.shape[:, :0], expression=bodies.expression[:, :0])
    camera, faces = avatar.camera(0.0, size), avatar.model.faces
    artist = Artist.of(avatar.renderer, avatar.texture, avatar.painted, avatar.layout)
    found: dict[str, list[tuple[float, float]]] = {}

    def timed(name: str, step: Callable[[], object]) -> object:
        start = time.perf_counter(), time.process_time()
        result = step()
        took = 1000 * (time.perf_counter() - start[0]), 1000 * (time.process_time() - start[1])
        found.setdefault(name, []).append(took)
        return result

    for k in range(len(bodies)):
        vertices = timed("pose", lambda k=k: model(bodies[k : k + 1]).vertices)
        vertices = vertices - bodies[k : k + 1].translation[:, None]
        there, _ = surroundings(vertices, camera, artist.stride)
        timed("rasterise, once", lambda v=vertices, c=there: rasterize(c.project(v), faces, c.size))
        seen = timed(
            "surface: both samplings, and colours", lambda v=vertices, c=there: artist.surface(v, faces, c)
        )
        tensors = torch.from_numpy(seen.values), torch.from_numpy(seen.place)
        timed("network", lambda t=tensors: artist.renderer(*t))
        timed("colours beyond the outline", lambda t=tensors: artist.renderer.continued(*t))
        frame = timed("whole frame but pose", lambda v=vertices: artist.draw(v, faces, camera))
        timed("the same by `draw_neural`", lambda v=vertices: avatar.drawn(avatar.painted[None], v, camera))
        timed("compose and bytes", lambda f=frame: to_bytes(f.over(1.0)[0]))
    return found


if __name__ == "__main__":
    main()
