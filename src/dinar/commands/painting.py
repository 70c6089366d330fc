"""`dinar inpaint` and `dinar merge`: avatars out of avatars."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from dinar.commands.options import AvatarPath, Device, Inpaint, Json, Positional, Seed, Seeds, option, out_option
from dinar.commands.reporting import report_files
from dinar.commands.saving import paths_of, save_all
from dinar.commands.values import usable_device


def repaint(
    avatar: AvatarPath,
    out: Annotated[Path, out_option("the avatar: a folder, or a .zip")],
    repaint: Annotated[
        tuple[str, ...], option("parts of the body to paint anew, such as head (default: all that is unseen)", "PART")
    ] = (),
    seed: Seed = 0,
    seeds: Seeds = 1,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Paint anew what no photo showed of an avatar."""
    from dinar.terminal import Bars

    with Bars() as progress:
        from dinar import painting
        from dinar.avatar import Avatar
        from dinar.inpainting.inpainter import shipped

        paths = paths_of(out, seeds)
        with progress.stage("load"):
            where = usable_device(device)
            person, painter = Avatar.load(avatar).to(where), shipped().to(where)
        avatars = [
            painting.inpainted(person, painter, parts=repaint, seed=number).to("cpu")
            for number in progress.track(range(seed, seed + seeds), seeds, "inpaint")
        ]
        files = save_all(avatars, paths, progress)
    report_files(files, progress, as_json)


def merge(
    avatars: Annotated[tuple[Path, ...], Positional, option("avatars of one person, of other photos", "AVATAR...")],
    out: Annotated[Path, out_option("the avatar: a folder, or a .zip")],
    inpaint: Inpaint = True,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Make one avatar of several that show the same person from different sides."""
    from dinar.terminal import Bars

    with Bars() as progress:
        from dinar import merge as merging
        from dinar.avatar import Avatar

        paths = paths_of(out, 1)
        with progress.stage("load"):
            people = [Avatar.load(path) for path in avatars]
        merged = merging.merge(people, inpaint=inpaint, seed=seed, progress=progress)
        files = save_all([merged], paths, progress)
    report_files(files, progress, as_json, photos=len(merged.shots))
