"""Frames a second of an avatar in motion, and seconds of `import dinar`.

    dinar create examples/person.jpg -o out/person
    python benchmarks/animate.py out/person
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from dinar.avatar import Avatar
from dinar.motion.motion import Motion


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("avatar", type=Path)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    avatar, walk = Avatar.load(args.avatar), Motion.load("walk")
    size = (args.side, args.side)
    for _ in avatar.moving(walk.clipped(0, 0.2), size):
        pass                                    # compiles the rasteriser
    start = time.perf_counter()
    frames = sum(1 for _ in avatar.moving(walk, size))
    drawn = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        avatar.animate(walk, Path(folder) / "walk.mp4", size=size, background=torch.ones(3))
        written = time.perf_counter() - start
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import dinar"], check=True)
    imported = time.perf_counter() - start
    print(f"{args.side} x {args.side}, {args.threads} threads, torch {torch.__version__}, {frames} frames\n")
    print("| | |\n|---|---|")
    print(f"| drawn, frames/s | {frames / drawn:.1f} |")
    print(f"| drawn and written as MP4, frames/s | {frames / written:.1f} |")
    print(f"| `python -c 'import dinar'`, s | {imported:.2f} |")


if __name__ == "__main__":
    main()
