"""dinar in other Pythons: `python tools/pythons.py FOLDER PYTHON...`, e.g. `... /tmp/pythons python3.12 python3.13`.

Each PYTHON gets an environment below FOLDER (one that is there is used again), this checkout is installed into it with
the versions that the tests passed with, as far as there are wheels, and the tests that need no training are run. What
they print goes to FOLDER/VERSION.log while they run. A row for each; exit code 1 where one fails. Options after `--` go
to pip, such as `--find-links` or an index of torch without CUDA.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

TOP = Path(__file__).parents[1]
TESTED = ["pytest>=8", "pytest-xdist>=3.6", "diffusers", "trimesh", "h5py", "pillow-heif"]    # beside dinar itself
TRAINING = ("tests/train", "tests/networks", "tests/synth", "tests/evaluate", "tests/perceptual")


def version_of(python: str | Path) -> str:
    """Such as 3.13. Raises OSError or CalledProcessError where it does not run."""
    words = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def installed(python: str, folder: Path, options: list[str]) -> Path:
    """The Python of an environment that has this checkout. Raises CalledProcessError where pip does not make it."""
    version = version_of(python)
    own = folder / version / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not own.exists():
        subprocess.run([python, "-m", "venv", folder / version], check=True)
    command = [own, "-m", "pip", "install", "-q", "--no-compile", "-c", TOP / "constraints.txt", *options]
    subprocess.run([*command, f"{TOP}[meshopt]", *TESTED], check=True)
    return own


def tested(python: Path, selection: list[str], workers: int, log: Path) -> tuple[str, bool]:
    """The last line of pytest's report, and whether all that ran passed; a thread a process of tests."""
    left_out = [f"--ignore={TOP / folder}" for folder in TRAINING] if not selection else []
    command = [python, "-m", "pytest", "-v", "-rfE", "--tb=short", "-p", "no:cacheprovider", *left_out]
    if workers > 1:
        command += ["-n", str(workers), "--dist", "loadfile"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    with log.open("wb") as file:
        run = subprocess.run(
            [*command, *(selection or [TOP / "tests"])], cwd=TOP, env=environment, stdout=file, stderr=file
        )
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    for line in lines:
        if re.match("(FAILED|ERROR)", line):
            print(line, file=sys.stderr)
    return lines[-1].strip("= ") if lines else "nothing", run.returncode == 0


def main() -> None:
    own, _, options = (sys.argv[1:], "", []) if "--" not in sys.argv else (
        sys.argv[1 : sys.argv.index("--")], "--", sys.argv[sys.argv.index("--") + 1 :])  # fmt: skip
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("pythons", nargs="+", metavar="PYTHON")
    parser.add_argument("--tests", action="append", default=[], help="a file or folder of tests; may be repeated")
    parser.add_argument("--workers", type=int, default=1, help="processes of tests at a time")
    parser.add_argument("--as-it-is", action="store_true", help="install nothing into environments that are there")
    args = parser.parse_args(own)
    fine = True
    print("| Python | tests | right |\n|---|---|---|")
    for python in args.pythons:
        try:
            start = time.monotonic()
            environment = Path(python) if args.as_it_is else installed(python, args.folder, options)
            print(f"{python} is ready after {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
            log = args.folder / f"{version_of(environment)}.log"
            told, right = tested(environment, args.tests, args.workers, log)
        except (OSError, subprocess.CalledProcessError) as error:
            told, right = str(error), False
        fine &= right
        print(f"| {python} | {told} | {'yes' if right else 'no'} |", flush=True)
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
