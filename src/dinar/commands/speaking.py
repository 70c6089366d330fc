"""`dinar speak`: an avatar that says what a sound says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from dinar.commands.loading import load_avatar
from dinar.commands.options import AvatarPath, Background, Json, Positional, Renderer, Seed, Size, option, out_option
from dinar.commands.reporting import report_files
from dinar.commands.values import colour_of, pixels_of, positive
from dinar.errors import InputError


def speak(
    avatar: AvatarPath,
    sound: Annotated[Path, Positional, option("what is said: .wav, .mp3, .m4a, .ogg or .flac", "SOUND")],
    out: Annotated[
        Path, out_option("a video with the sound (.mp4, .webm), a folder for PNG frames, or an animated .glb")
    ],
    visemes: Annotated[
        Path | None, option("which viseme when, JSON (default: the mouth follows the sound)", "FILE")
    ] = None,
    shot: Annotated[Literal["face", "bust", "body"], option("what is in the picture (default: bust)")] = "bust",
    angle: Annotated[
        float, option("from so many degrees beside the front, towards the person's left (default: 0)", "N")
    ] = 0.0,
    size: Size = None,
    fps: Annotated[float, option("frames a second (default: 30)", "N")] = 30.0,
    background: Background = "white",
    still: Annotated[
        bool, tyro.conf.FlagCreatePairsOff, option("the mouth alone moves: no blinks, no moves of the head")
    ] = False,
    program: Annotated[
        Literal["talkinghead", "unity", "unreal", "godot", "vrchat", "web", "blender"] | None,
        option("of a .glb: what a program wants (docs/export.md)", name="for"),
    ] = None,
    renderer: Renderer = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Let an avatar speak: a video with the sound, or a GLB whose face moves."""
    from dinar.terminal import Bars

    with Bars() as progress:
        from dinar.avatar import speaking
        from dinar.export import gltf, profiles
        from dinar.files import check_file
        from dinar.speech import hearing, track
        from dinar.speech import sound as sounds
        from dinar.speech.acting import perform

        as_glb = out.suffix.lower() == ".glb"
        if program is not None and not as_glb:
            raise InputError(f"{out} is a film; --for belongs to a .glb")
        colour, pixels = colour_of(background, out), pixels_of(size)
        positive("--fps", fps)
        profile = profiles.profile(program)
        if out.suffix:
            check_file(out)
        with progress.stage("load"):
            said = sounds.read(sound)
            cues = None if visemes is None else track.read(visemes)
            person = load_avatar(avatar, renderer)
        with progress.stage("listen"):
            heard = hearing.heard(said) if cues is None else track.of_cues(cues, said.seconds)
            performance = perform(heard, person.model.expression_names, fps, seed=seed, still=still)
        with progress.stage("bake"):
            figure = person.figure(
                triangles=profile.triangles if as_glb else None, texture_size=profile.texture_size, progress=progress
            )
        if as_glb:
            with progress.stage("write"):
                gltf.write(out, figure, faces={sound.stem: performance}, profile=profile)
        else:
            speaking.film(
                person.wearing(figure, parts=True), performance, out, sound=said, shot=shot, size=pixels or (768, 768),
                azimuth=angle, background=colour, progress=progress,
            )  # fmt: skip
    report_files([out], progress, as_json, frames=len(performance), fps=fps)
