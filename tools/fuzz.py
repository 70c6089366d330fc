"""Damaged files for every reader: `python tools/fuzz.py --runs 10000 --seed 0 [--inputs FOLDER]...`.

Each run takes a sound file (small ones of our own, and those of the folders), damages it by the run's own random
numbers, and reads it in a worker process. A reader may read it or raise InputError; anything else, a warning of
Python's too, is written down with the run's number, which makes the same file again: `--only NUMBER --keep FOLDER`
keeps it. A run that takes more than 20 seconds, or brings its worker above 4 GB, counts as well. Exit code 1 where
anything was found.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from fuzz_inputs import Damaged, Input, damaged, inputs

from dinar.errors import InputError

FINE = "read", "refused"
READY = "ready"
HANG = 20.0               # seconds
MOST_MEMORY = 4.0         # GB of one worker
CEILING = 12 * 2**30      # bytes of addresses that a worker may take: torch reserves several without using them


@dataclass(frozen=True)
class Finding:
    """What a run showed: "read", "refused", or what is wrong, and how."""

    run: int
    name: str
    kind: str
    how: str = ""


def read(path: Path, reader: str) -> None:
    """Reads a file as the program does. Raises what its reader raises."""
    READERS[reader](path)


def _motion(path: Path) -> None:
    from dinar.motion.motion import Motion, parts_of

    parts_of(path)
    Motion.load(path)


def _avatar(path: Path) -> None:
    from dinar.avatar import Avatar

    Avatar.load(path)


def _picture(path: Path) -> None:
    from dinar import images

    images.read(path)


def _mask(path: Path) -> None:
    from dinar.photo import given_mask

    given_mask.read(path, (120, 80), Path("photo.jpg"))


def _keypoints(path: Path) -> None:
    from dinar.photo import openpose

    openpose.read(path, (400, 300), Path("photo.jpg"))


READERS: dict[str, Callable[[Path], None]] = {
    "motion": _motion,
    "avatar": _avatar,
    "picture": _picture,
    "mask": _mask,
    "keypoints": _keypoints,
}


def work(pipe: Connection, seed: int, sound: Sequence[Input], scratch: Path) -> None:
    """A worker: says READY, takes numbers of runs, answers with (kind, how, megabytes)."""
    _limit()
    import torch

    from dinar import avatar, images  # noqa: F401  (loaded before any run's time is taken, as what follows)
    from dinar.motion import motion  # noqa: F401
    from dinar.photo import given_mask, openpose  # noqa: F401

    torch.set_num_threads(1)
    pipe.send(READY)
    while (run := pipe.recv()) is not None:
        made = damaged(sound, seed, run)
        path = _written(made, scratch)
        with warnings.catch_warnings(record=True) as warned:
            for category in (RuntimeWarning, UserWarning):
                warnings.simplefilter("always", category)
            try:
                read(path, made.reader)
                kind, how = "read", ""
            except InputError as error:
                one = str(error).count("\n") == 0
                kind, how = ("refused", "") if one else ("more than one line", repr(str(error)))
            except BaseException:
                kind, how = "traceback", traceback.format_exc()
        if warned and kind in FINE:
            kind, how = "warning", f"{warned[0].filename}:{warned[0].lineno}: {warned[0].message}"
        pipe.send((kind, how, _megabytes()))


def _limit() -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (CEILING, CEILING))


def _megabytes() -> float:
    """The most memory that this process itself has had; on Linux `ru_maxrss` may be its parent's from before that."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text(encoding="utf-8").splitlines() if ":" in line)
        return int(lines["VmHWM"].split()[0]) / 2**10
    if sys.platform == "win32":
        return 0.0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _written(made: Damaged, scratch: Path) -> Path:
    """The damaged files, in place of the last run's; the path that is read."""
    folder = scratch / "run"
    if folder.exists():
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
    for name, content in made.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / made.entry


class Worker:
    """A process that reads damaged files one after the other, and is replaced where it hangs or dies."""

    def __init__(self, seed: int, sound: Sequence[Input], scratch: Path) -> None:
        self.parts = seed, sound, scratch
        scratch.mkdir(exist_ok=True)
        self.run: int | None = None
        self._begin()

    def _begin(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs, *self.parts), daemon=True)
        self.process.start()
        theirs.close()
        self.ready = False

    def start(self, run: int) -> None:
        if not self.ready:
            self.ready = self.pipe.recv() == READY
        self.run, self.since = run, time.monotonic()
        self.pipe.send(run)

    def result(self) -> tuple[str, str] | None:
        """(kind, how) once the run is over."""
        if self.pipe.poll(0.002):
            try:
                kind, how, megabytes = self.pipe.recv()
            except (EOFError, OSError):
                self.process.join()
                self._begin()
                return "died", f"the worker ended with {self.process.exitcode}"
            if megabytes > MOST_MEMORY * 1000:
                self._end()
                return "memory", f"{megabytes:.0f} MB"
            return kind, how
        if time.monotonic() - self.since > HANG:
            self._end()
            return "hang", f"more than {HANG:.0f} s"
        return None

    def _end(self) -> None:
        self.process.kill()
        self.process.join()
        self._begin()

    def close(self) -> None:
        self.process.kill()
        self.process.join()


def fuzz(
    runs: Sequence[int],
    seed: int,
    sound: Sequence[Input],
    *,
    workers: int = 2,
    told: Callable[[Finding], None] = lambda _: None,     # each finding as soon as there is one
) -> list[Finding]:
    """Every run's finding."""
    found: list[Finding] = []
    with tempfile.TemporaryDirectory(prefix="dinar-fuzz-") as scratch:
        crew = [Worker(seed, sound, Path(scratch) / str(k)) for k in range(min(workers, len(runs)))]
        waiting = list(reversed(runs))
        try:
            while waiting or any(worker.run is not None for worker in crew):
                for worker in crew:
                    if worker.run is None and waiting:
                        worker.start(waiting.pop())
                    if worker.run is not None and (result := worker.result()) is not None:
                        name = damaged(sound, seed, worker.run).name
                        found.append(Finding(worker.run, name, *result))
                        told(found[-1])
                        worker.run = None
        finally:
            for worker in crew:
                worker.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first run")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--inputs", type=Path, action="append", default=[], help="a folder with more sound files")
    parser.add_argument("--only", type=int, help="one run, in this process")
    parser.add_argument("--keep", type=Path, help="with --only: where its file goes")
    args = parser.parse_args()
    start = time.monotonic()
    sound = inputs(args.inputs)
    if args.only is not None:
        made = damaged(sound, args.seed, args.only)
        print(made.name, made.how)
        with tempfile.TemporaryDirectory() as scratch:
            read(_written(made, args.keep or Path(scratch)), made.reader)
        return
    runs = range(args.first, args.first + args.runs)
    found = fuzz(runs, args.seed, sound, workers=args.workers, told=_tell)
    kinds = Counter(one.kind for one in found)
    facts = {"runs": len(found), "inputs": len(sound), "seconds": round(time.monotonic() - start), **kinds}
    print(json.dumps(facts))
    sys.exit(0 if kinds.keys() <= set(FINE) else 1)


def _tell(one: Finding) -> None:
    if one.kind not in FINE:
        print(f"run {one.run}, {one.name}: {one.kind}\n{one.how}", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
