"""`dinar motion`: one kind of motion file to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from dinar.commands.loading import load_clip
from dinar.commands.options import MOTIONS, Json, Positional, option, out_option
from dinar.commands.reporting import report_files


def convert(
    motion: Annotated[str, Positional, option(MOTIONS, "MOTION")],
    out: Annotated[Path, out_option("the motion (.bvh, .npz, .json, .smpl; .amass.npz in AMASS's layout)")],
    fps: Annotated[float | None, option("frames a second (default: the motion's)", "N")] = None,
    seconds: Annotated[float | None, option("repeat or cut the motion to last so long", "N")] = None,
    in_place: Annotated[
        bool, tyro.conf.FlagCreatePairsOff, option("take the travel over the ground out")
    ] = False,
    as_json: Json = False,
) -> None:
    """Turn a motion into another kind of file."""
    from dinar.terminal import Bars

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
