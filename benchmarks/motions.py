"""What becomes of a folder of motion files: `python benchmarks/motions.py FOLDER`.

FOLDER holds `motions/motions.tsv` (file, what it is, what is right) with its files, `reference.bvh` and
`p01_smplh_2019.npz` among them, and `files/motion/` with real files. A table of Markdown goes to stdout, a row a file:
what is right, what came of it, the worst angle between the same bones at the same times (heading of the hips left out)
to the reference (of BVH and glTF the one, of the SMPL family the other), and whether that is right: within 3 degrees,
or a sentence where one is right; `told` where it is read, farther off, and a line on stderr says so: nobody can read
out of such a file what its rest pose would have said (tests/motion/test_kinds.py has two walks that are one file).
"""

from __future__ import annotations

import argparse
import csv
import sys
from dataclasses import replace
from pathlib import Path

import roma
import torch
from torch import Tensor

from dinar.errors import InputError
from dinar.motion.motion import Motion

SAME = 3.0      # degrees
OF_SMPL = (".npz", ".npy", ".smpl", ".pkl")
# What the table does not ask of a plain `FILE`: which of several clips is the walk; and what is right otherwise: files
# that hold a pose or key poses, and steps, whose moments fall on either side of a frame.
PARTS = {"g20_odd_clip_names.glb": "walk #2 (歩く)", "g21_nameless_clips.glb": "2"}
OTHERWISE = ("pose held", "slow key poses", "in steps", "on the spot")
# 1000 frames a second that hold each of the reference's thirtieths for 33 thousandths: the file is 1 % shorter than the
# reference, which is compared at the file's own 1000 / 33 frames a second.
STRETCHED = {"b37_1000fps.bvh": 1000 / 33}


def worst_angle(reference: Motion, motion: Motion) -> float:
    """Degrees between the same bones at the reference's frames, at most over both motions' time."""
    end = min(reference.seconds, motion.seconds) - 1e-6
    times = torch.arange(0, end, 1 / reference.fps, dtype=torch.float64)
    worst = 0.0
    for bone in set(reference.names) & set(motion.names):
        turns = [_turns(m, bone, times) for m in (reference, motion)]
        worst = max(worst, float(roma.rotmat_geodesic_distance(*turns).max()))
    return worst * 180 / torch.pi


def _turns(motion: Motion, bone: str, times: Tensor) -> Tensor:
    frames = (times * motion.fps).round().long().clamp(max=len(motion) - 1)
    turns = roma.rotvec_to_rotmat(motion.rotations[frames, motion.names.index(bone)].double())
    if bone == "hips":
        heading = torch.atan2(turns[0, 0, 2], turns[0, 2, 2])
        turns = roma.rotvec_to_rotmat(torch.stack([heading * 0, -heading, heading * 0])) @ turns
    return turns


def result(path: Path, right: str, reference: Motion) -> tuple[str, str, str]:
    """What came of a file, the worst angle, and whether it is right."""
    part = PARTS.get(path.name)
    try:
        motion = Motion.load(path if part is None else f"{path}#{part}")
    except InputError as error:
        said = str(error).replace(f"{path.parent}/", "")
        return said, "", "" if not right else "yes" if "sentence" in right else "no"
    said = f"{len(motion)} frames at {motion.fps:g}"
    notes = " ".join(motion.notes).replace(f"{path.parent}/", "")
    if not right:
        return f"{said}; {notes}" if notes else said, "", ""
    angle = worst_angle(replace(reference, fps=STRETCHED.get(path.name, reference.fps)), motion)
    same = angle <= SAME or any(words in right for words in OTHERWISE)
    verdict = "yes" if same else "told" if "no standing person" in notes else "no"
    return f"{said}; {notes}" if notes else said, f"{angle:.1f}", verdict


def rows(folder: Path) -> list[tuple[Path, str]]:
    with (folder / "motions" / "motions.tsv").open(encoding="utf-8", newline="") as file:
        table = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    found = [(folder / "motions" / row[0], row[2]) for row in table]
    return found + [(path, "") for path in sorted((folder / "files" / "motion").glob("*"))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    torch.set_num_threads(1)
    walks = {smpl: Motion.load(folder / "motions" / name) for smpl, name in
             ((False, "reference.bvh"), (True, "p01_smplh_2019.npz"))}  # fmt: skip
    print("| file | right | got | degrees | so |\n|---|---|---|---|---|")
    verdicts: list[str] = []
    for path, right in rows(folder):
        said, angle, verdict = result(path, right, walks[path.suffix in OF_SMPL])
        verdicts.append(verdict)
        print(f"| {path.name} | {right} | {said.replace('|', '/')} | {angle} | {verdict} |", flush=True)
    counts = ", ".join(f"{verdicts.count(word)} {word or 'not judged'}" for word in ("yes", "told", "no", ""))
    print(f"{len(verdicts)} files: {counts}", file=sys.stderr)


if __name__ == "__main__":
    main()
