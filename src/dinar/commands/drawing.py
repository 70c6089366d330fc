"""`dinar animate`, `dinar render` and `dinar alive`: pictures and films."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from dinar.commands.loading import load_avatar, load_clip
from dinar.commands.options import (
    MOTIONS,
    AvatarPath,
    Background,
    Device,
    Inpaint,
    Json,
    Positional,
    Refine,
    Renderer,
    Seed,
    Size,
    Stiff,
    option,
    out_option,
)
from dinar.commands.reporting import report_files
from dinar.commands.values import check_picture, colour_of, pixels_of, positive, set_seed, usable_device, within


def animate(
    avatar: AvatarPath,
    motion: Annotated[str, Positional, option(MOTIONS, "MOTION")],
    out: Annotated[Path, out_option("the video (.mp4, .webm), or a folder for PNG frames")],
    view: Annotated[Literal["front", "back", "left", "right"], option("from where (default: front)")] = "front",
    size: Size = None,
    fps: Annotated[float | None, option("frames a second (default: the motion's)", "N")] = None,
    seconds: Annotated[float | None, option("repeat or cut the motion to last so long", "N")] = None,
    background: Background = "white",
    stiff: Stiff = False,
    renderer: Renderer = None,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Move an avatar and write a video."""
    from dinar.terminal import Bars

    with Bars() as progress:
        from dinar.avatar import VIEWS

        colour, pixels, where = colour_of(background, out), pixels_of(size), usable_device(device)
        with progress.stage("load"):
            clip = load_clip(motion, fps, seconds)
            person = load_avatar(avatar, renderer).to(where)
        person.animate(
            clip, out, size=pixels or (768, 768), azimuth=VIEWS[view], background=colour, stiff=stiff, progress=progress
        )  # fmt: skip
    report_files([out], progress, as_json, frames=len(clip), fps=clip.fps)


def render(
    avatar: AvatarPath,
    out: Annotated[Path, out_option("a picture (.png, .jpg, .webp); of a turntable what `animate` writes")],
    view: Annotated[
        Literal["front", "back", "left", "right", "photo", "turntable"],
        option("from where (default: front); photo: in the pose, from the camera and in the size of the photo"),
    ] = "front",
    size: Size = None,
    fps: Annotated[float, option("frames a second of the turntable (default: 30)", "N")] = 30.0,
    seconds: Annotated[float, option("how long one turn takes (default: 4)", "N")] = 4.0,
    background: Background = "white",
    renderer: Renderer = None,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Draw an avatar from one side, as in its photo, or on a turntable."""
    from dinar.terminal import Bars

    with Bars() as progress:
        from dinar import images
        from dinar.avatar import composed
        from dinar.export import video

        colour, pixels, where = colour_of(background, out), pixels_of(size), usable_device(device)
        count = max(1, round(positive("--fps", fps) * positive("--seconds", seconds)))
        if view != "turntable":
            check_picture(out)
        with progress.stage("load"):
            person = load_avatar(avatar, renderer).to(where)
        if view == "turntable":
            frames = (composed(drawn, colour) for drawn in person.turntable(count, pixels or (768, 768)))
            video.write(out, progress.track(frames, count, "draw"), fps)
        else:
            with progress.stage("draw"):
                images.save(out, composed(person.view(view, pixels), colour))
    report_files([out], progress, as_json)


def alive(
    photo: Annotated[Path, Positional, option("a photo of a person, the whole body in view", "PHOTO")],
    motion: Annotated[str, Positional, option(MOTIONS, "MOTION")],
    out: Annotated[Path, out_option("the video (.mp4, .webm), or a folder for PNG frames")],
    avatar: Annotated[
        Path | None, option("an avatar of this photo, which is made otherwise: a folder or a .zip", "AVATAR")
    ] = None,
    person: Annotated[int | None, option("whom, counted from the left (default: the largest)", "N")] = None,
    mask: Annotated[Path | None, option("your own mask, white on the person", "FILE")] = None,
    keypoints: Annotated[Path | None, option("your own landmarks, OpenPose JSON", "FILE")] = None,
    renderer: Renderer = None,
    refine: Refine = "residuals",
    inpaint: Inpaint = True,
    size: Annotated[int, option("pixels of the video's larger side at most (default: 1280)", "N")] = 1280,
    fps: Annotated[float | None, option("frames a second (default: the motion's)", "N")] = None,
    seconds: Annotated[float | None, option("repeat or cut the motion to last so long", "N")] = None,
    in_place: Annotated[
        Literal["auto", "yes", "no"],
        option("take the travel over the ground out (default: where the motion ends away from its start)"),
    ] = "auto",
    stiff: Stiff = False,
    seed: Seed = 0,
    device: Device = "cpu",
    as_json: Json = False,
) -> None:
    """Make a photo come alive: its person moves in their place."""
    from dinar.terminal import Bars

    with Bars() as progress:
        from dinar.pipeline import Source
        from dinar.scene.alive import alive as come_alive

        within("--size", size, 64, 8192)
        where = usable_device(device)
        set_seed(seed)
        with progress.stage("load"):
            clip = load_clip(motion, fps, seconds)
            known = None if avatar is None else load_avatar(avatar, renderer)
        made = come_alive(
            Source(photo, person, mask, keypoints),
            clip,
            out,
            avatar=known,
            longest=size,
            in_place={"auto": None, "yes": True, "no": False}[in_place],
            stiff=stiff,
            seed=seed,
            progress=progress,
            renderer=renderer or "neural",
            refine=refine,
            inpaint=inpaint,
            device=where,
        )
    report_files([out], progress, as_json, frames=made.frames, fps=made.fps)
