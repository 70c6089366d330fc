"""Seconds of `dinar create` by stage: alone, beside one and beside two processes that keep a core busy each.

    python benchmarks/busy.py examples/person.jpg
    python benchmarks/busy.py examples/person.jpg --runs 3 -- --refine none

The ratios of one run say how well the program lives with others; on two cores one busy process leaves three quarters of
the time to two threads. What follows `--` goes to `dinar create`. Model files have to be there, and compiled loops: the
first of all runs is not counted.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

OTHERS = (0, 1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--runs", type=int, default=1, help="of which the quickest counts")
    parser.add_argument("options", nargs="*", help="of `dinar create`, after --")
    args = parser.parse_args()
    created(args.photo, args.options)
    found = []
    for others in OTHERS:
        with busy(others):
            found.append(min((created(args.photo, args.options) for _ in range(args.runs)), key=lambda run: run["all"]))
    print("| seconds | " + " | ".join(("alone", "beside one", "beside two")) + " | ratios |")
    print("|---" * (len(OTHERS) + 2) + "|")
    for stage in found[0]:
        seconds = [run[stage] for run in found]
        ratios = ", ".join(f"{s / seconds[0]:.2f}" for s in seconds[1:]) if seconds[0] >= 0.1 else ""
        print(f"| {stage} | " + " | ".join(f"{s:.1f}" for s in seconds) + f" | {ratios} |")


def created(photo: Path, options: Sequence[str]) -> dict[str, float]:
    """Seconds of every stage of one `dinar create`, what lies between them (start, imports), and of all of it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", "from dinar.cli import main; main()", "create", str(photo), "--json", *options]
        start = time.perf_counter()
        run = subprocess.run([*command, "-o", f"{folder}/person"], stdout=subprocess.PIPE, text=True, check=True)
        passed = time.perf_counter() - start
    stages = json.loads(run.stdout)["seconds"]
    return stages | {"start and imports": passed - sum(stages.values()), "all": passed}


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that compute all the time."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


if __name__ == "__main__":
    main()
