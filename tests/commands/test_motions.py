from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from commands.program import Run, refused


def test_a_motion_goes_through_every_kind_of_file(dinar: Callable[..., Run], made: Path) -> None:
    kinds = ["walk", "a.bvh", "a.amass.npz", "a.smpl", "a.json", "a.npz"]
    for motion, out in pairwise(kinds):
        run = dinar("motion", motion, "-o", out, "--seconds", "0.5", "--fps", "8", "--json")
        assert run.code == 0 and json.loads(run.stdout)["files"] == [out] and json.loads(run.stdout)["frames"] == 4
    for motion in kinds[1:]:
        assert dinar("animate", made, motion, "-o", f"{motion}.mp4", "--size", "64").code == 0


def test_bad_options(dinar: Callable[..., Run], bad: Path) -> None:
    refused(dinar("motion", "moonwalk", "-o", "a.bvh"), "moonwalk", "walk")
    refused(dinar("motion", "walk", "-o", "a.fbx"), "a.fbx", ".bvh")
    refused(dinar("motion", "walk", "-o", bad / "text.jpg" / "a.bvh"), "cannot be written")
    refused(dinar("motion", "walk#fast", "-o", "a.bvh"), "walk#fast")
