"""kill -9 at random moments: `python tools/kills.py [--times 50] [--seed 0]`.

`create` and `export` are started and killed, each so many times, at moments spread evenly over the time that a whole
run takes. Afterwards the result is absent or whole (it is read), what was there before is still whole, and the next run
ends well. What a killed process cannot remove, its hidden scratch folder, is counted. Exit code 1 where something was
half-written.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from dinar.avatar import Avatar
from dinar.errors import InputError

PHOTO = Path(__file__).parents[1] / "examples" / "person.jpg"
CREATE = ("create", str(PHOTO), "--renderer", "texture", "--refine", "none", "--no-inpaint", "-o")


def started(*arguments: str) -> subprocess.Popen:
    words = [sys.executable, "-m", "dinar", *arguments]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def killed(moment: float, *arguments: str) -> bool:
    """Starts a command and kills it after so many seconds; whether it had ended before."""
    process = started(*arguments)
    try:
        process.wait(moment)
        return True
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False


def sound(path: Path) -> bool:
    """Whether a result is absent or whole."""
    if not path.exists():
        return True
    if path.suffix == ".glb":
        data = path.read_bytes()
        return int.from_bytes(data[8:12], "little") == len(data)
    try:
        Avatar.load(path)
    except InputError:
        return False
    return True


def trial(name: str, place: Path, out: Path, times: int, rng: np.random.Generator, *arguments: str) -> dict:
    """Kills a command at random moments of its run; the facts."""
    start = time.monotonic()
    if started(*arguments, str(out)).wait() != 0:
        raise SystemExit(f"{name} does not end well even when it is left alone")
    seconds = time.monotonic() - start
    facts = {"command": name, "seconds": round(seconds, 1), "kills": 0, "ended before": 0, "not whole": 0, "scratch": 0}
    for moment in (np.arange(times) + rng.random(times)) / times * seconds:
        if rng.random() < 0.5 and out.exists():                   # into an empty place, and over an earlier result
            shutil.rmtree(out) if out.is_dir() else out.unlink()
        if killed(float(moment), *arguments, str(out)):
            facts["ended before"] += 1
        else:
            facts["kills"] += 1
        facts["not whole"] += not sound(out)
    facts["scratch"] = sum(path.name.startswith(".") for path in place.iterdir())
    if started(*arguments, str(out)).wait() != 0 or not sound(out):
        facts["not whole"] += 1
    return facts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    with tempfile.TemporaryDirectory(prefix="dinar-kills-") as scratch:
        place = Path(scratch)
        avatar = place / "avatars" / "me"
        (place / "files").mkdir()
        found = [trial("create", avatar.parent, avatar, args.times, rng, *CREATE)]
        words = ("export", str(avatar), "--texture", "plain", "-o")
        found.append(trial("export", place / "files", place / "files" / "me.glb", args.times, rng, *words))
    for facts in found:
        print(json.dumps(facts))
    sys.exit(1 if any(facts["not whole"] for facts in found) else 0)


if __name__ == "__main__":
    main()
