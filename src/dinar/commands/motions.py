"""`dinar motion`: one kind of motion file to another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import tyro

from dinar.commands.loading import load_clip
from dinar.commands.options import MOTIONS, Json, Positional, option, out_option
from dinar.commands.reporting import report_files


def convert(
    motion: Annotated[str, Positional, option(MOTIONS, "MOTION")],
    out: Annotated[
        Path | None,
        out_option("the motion (.bvh, .npz, .json, .smpl; .amass.npz in AMASS's layout); without: what the file holds"),
    ] = None,
    fps: Annotated[float | None, option("frames a second (default: the motion's)", "N")] = None,
    seconds: Annotated[float | None, option("repeat or cut the motion to last so long", "N")] = None,
    in_place: Annotated[
        bool, tyro.conf.FlagCreatePairsOff, option("take the travel over the ground out")
    ] = False,
    as_json: Json = False,
) -> None:
    """Turn a motion into another kind of file, or list the motions of a file."""
    from dinar.terminal import Bars

    if out is None:
        _list(motion, as_json)
        return
    with Bars() as progress:
        from dinar.files import check_file
        from dinar.motion.motion import check_name

        check_name(out)
        check_file(out)
        with progress.stage("load"):
            clip = load_clip(motion, fps, seconds)
        with progress.stage("save"):
            (clip.in_place() if in_place else clip).save(out)
    report_files([out], progress, as_json, frames=len(clip), fps=clip.fps)


def _list(motion: str, as_json: bool) -> None:
    """The motions of a file, on stdout."""
    from dinar.motion.motion import parts_of

    parts = parts_of(motion)
    if as_json:
        print(json.dumps({"motions": [{"name": part.name, "seconds": round(part.seconds, 3)} for part in parts]}))
        return
    for part in parts:
        called = f"{motion}#{part.name}" if len(parts) > 1 else motion
        print(f"{called} ({part.seconds:.1f} s)")
