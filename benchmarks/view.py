"""Pictures a second that `dinar view` can make while somebody turns an avatar, by their height, and the sharp one.

    dinar create examples/person.jpg -o out/person
    python benchmarks/view.py out/person

Each is posed, drawn from the next camera of an orbit and encoded as the page gets it. Beside seconds of the clock stand
those of the processor, which other work on the machine hardly changes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import dinar  # noqa: F401  # isort: skip (before torch: threads that wait shall sleep)
import cv2
import torch

from dinar.avatar import Avatar
from dinar.camera import framing
from dinar.viewer.pictures import HEIGHTS, SHARP, picture
from dinar.viewer.puppet import Puppet

PAPER = torch.full((3,), 0.95)
WIDE = 1.5            # the page's width by its height


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("avatar", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=36, help="of one turn")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    puppet = Puppet(Avatar.load(args.avatar))
    with torch.no_grad():
        points = puppet.avatar.model(puppet.body()).vertices[0]
    print(f"{args.threads} threads, torch {torch.__version__}, one turn in {args.steps} steps\n")
    print("| height, px | median, ms | least, ms | of the processor, ms | pictures/s |\n|---|---|---|---|---|")
    for height in (*HEIGHTS, SHARP):
        size = (height, round(height * WIDE))
        clock, processor = [], []
        for turn in range(2):                     # the first one prepares
            for k in range(args.steps if height != SHARP else args.steps // 6):
                camera = framing(points, 360 * (k + turn / 2) / args.steps, 3.0, size, margin=0.08)
                start = time.perf_counter(), time.process_time()
                found = picture(puppet.avatar, puppet.body(), camera, PAPER)
                cv2.imencode(".jpg", found[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
                if turn:
                    clock.append(1000 * (time.perf_counter() - start[0]))
                    processor.append(1000 * (time.process_time() - start[1]))
        middle = statistics.median(clock)
        times = f"{middle:.0f} | {min(clock):.0f} | {statistics.median(processor):.0f}"
        print(f"| {height} | {times} | {1000 / middle:.1f} |", flush=True)


if __name__ == "__main__":
    main()
