"""Makes the tables of `docs/results/` with the weights that ship.

    python tools/build_results.py [NAME...] [--people N] [--photos DIR] [--reid FILE]

All of them without names, those first that tell most. Each says of which commit the program is. The runs are kept in
`state/results`, a folder for all tables of a protocol, and go on there, so a killed one loses nothing and no row is
measured twice; with other weights only the rows that use them are made again.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from dinar.files import atomic_file

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
TITLES = {
    "valid": "VALID people that were not trained on",
    "valid-ablation": "Ablation on VALID people: the steps of the paper's table 2, parts and layers",
    "valid-baselines": "What else could paint the unseen side, on VALID people",
    "valid-layouts": "The two UV layouts on VALID people",
    "synthetic": "Made-up people that were not trained on",
    "synthetic-baselines": "What else could paint the unseen side, on made-up people",
    "synthetic-ablation": "Ablation on made-up people: the steps of the paper's table 2, parts and layers",
    "pose2sim": "A real man from four sides",
    "photos": "Photos in their own view",
}


def command(name: str, people: int, photos: Path, reid: Path | None) -> list[str]:
    """`dinar evaluate` for a table."""
    protocol, _, rows = name.partition("-")
    words = ["dinar", "evaluate", protocol, "--people", str(people)]
    if protocol == "photos":
        words += ["--data", str(photos)]
    if protocol in ("photos", "pose2sim"):
        words += ["--rows", "texture,neural,neural+inpainting+tuning"]
    if rows:
        words += ["--rows", rows]
    if reid is not None:
        words += ["--reid", str(reid)]
    return [*words, "--no-walk", "--out", f"state/results/{protocol}"]


def commit() -> str:
    """Which the program is, as a table says it."""
    git = ["git", "-C", str(ROOT)]
    found = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True).stdout
    changed = subprocess.run([*git, "status", "--porcelain", "--", "src"], capture_output=True, text=True, check=True)
    return f"commit {found.strip()}{', changed since' if changed.stdout.strip() else ''}"


def build(name: str, people: int, photos: Path, reid: Path | None) -> None:
    words = command(name, people, photos, reid)
    program = [sys.executable, "-m", "dinar", *words[1:]]
    subprocess.run(program, cwd=ROOT, check=True)
    tables = (ROOT / words[-1] / "tables.md").read_text(encoding="utf-8")
    body = tables.split("\n", 1)[1]                   # its first line is the command in another form
    with atomic_file(RESULTS / f"{name}.md") as temporary:
        text = f"# {TITLES[name]}\n\n```sh\n{shlex.join(words)}\n```\n\nProgram of {commit()}.\n{body}"
        temporary.write_text(text, encoding="utf-8")
    print(RESULTS / f"{name}.md")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TITLES))
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--photos", type=Path, default=Path("../shared/photos"))
    parser.add_argument("--reid", type=Path, help="a network for re-identification: one column more")
    options = parser.parse_args()
    names = options.names or list(TITLES)
    if unknown := set(names) - set(TITLES):
        parser.error(f"no table is called {', '.join(sorted(unknown))}; there are {', '.join(TITLES)}")
    for name in names:
        build(name, options.people, options.photos, options.reid)


if __name__ == "__main__":
    main()
