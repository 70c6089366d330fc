"""`dinar export`: files for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import tyro

from dinar.commands.loading import load_avatar
from dinar.commands.options import AvatarPath, Json, option, out_option
from dinar.commands.reporting import report_files, report_notes
from dinar.errors import InputError


def export(
    avatar: AvatarPath,
    out: Annotated[Path, out_option("the person (.glb, .html, .vrm, .fbx, .blend, .usdz, .obj, .ply)")],
    motion: Annotated[
        tuple[str, ...],
        tyro.conf.UseAppendAction,
        option("an animation of the file: a clip or a file as for animate; may be given again", "MOTION"),
    ] = (),
    texture: Annotated[
        Literal["auto", "baked", "plain"],
        option("what the networks draw, baked, or the avatar's plain colours (default: baked where networks draw it)"),
    ] = "auto",
    outline: Annotated[bool, option("clothes and hair as geometry, where networks draw it (default: yes)")] = True,
    program: Annotated[
        Literal["talkinghead", "unity", "unreal", "godot", "vrchat", "web", "blender", "mixamo"] | None,
        option("what a program wants (docs/export.md); the options below change single things of it", name="for"),
    ] = None,
    triangles: Annotated[int | None, option("so many at most, 1000 or more (default: all, 27420)", "N")] = None,
    texture_size: Annotated[int | None, option("texels a side (default: 2048 baked, else the avatar's)", "N")] = None,
    picture: Annotated[
        Literal["png", "jpeg", "webp"] | None, option("what the texture is stored as (default: png)")
    ] = None,
    influences: Annotated[
        Literal[4, 8] | None, option("joints a vertex follows (default: 4, which all programs read)")
    ] = None,
    axes: Annotated[
        Literal["world", "bones"] | None,
        option("joints' frames: along the world's axes (default), or y along the bone as Mixamo's"),
    ] = None,
    rest: Annotated[Literal["a", "t"] | None, option("the pose at rest: A (default) or T")] = None,
    root: Annotated[str | None, option("a node of this name above the hips (default: none)", "NAME")] = None,
    prefix: Annotated[str | None, option("before joints' names, such as mixamorig: (default: none)", "TEXT")] = None,
    speech: Annotated[bool | None, option("morph targets for speech (default: yes)")] = None,
    shading: Annotated[bool | None, option("normals in morph targets (default: yes)")] = None,
    parts: Annotated[bool | None, option("eyes and tongue as nodes of their own (default: no)")] = None,
    packed: Annotated[bool | None, option("numbers of 8 and 16 bits, packed by meshopt (default: no)")] = None,
    lit: Annotated[bool, option("let lamps shade it, once more")] = False,
    levels: Annotated[
        int, option("of a .glb: so many files, each with half the triangles of the one before", "N", name="lods")
    ] = 1,
    vrm_version: Annotated[
        Literal[0, 1], option("of a .vrm: 1.0 (default), or 0.x for older programs", name="vrm")
    ] = 1,
    author: Annotated[
        tuple[str, ...], tyro.conf.UseAppendAction, option("of a .vrm: who made it; may be given again", "NAME")
    ] = (),
    title: Annotated[str | None, option("of a .vrm: its name (default: the file's)", "NAME")] = None,
    licence: Annotated[str | None, option("of a .vrm: address of a licence beside VRM's own", "URL")] = None,
    who: Annotated[
        Literal["author", "licensed", "everyone"], option("of a .vrm: who may act as this person (default: author)")
    ] = "author",
    commerce: Annotated[
        Literal["none", "personal", "corporate"], option("of a .vrm: what it may earn (default: none)")
    ] = "none",
    modify: Annotated[
        bool, tyro.conf.FlagCreatePairsOff, option("of a .vrm: others may change it (default: they may not)")
    ] = False,
    redistribute: Annotated[
        bool, tyro.conf.FlagCreatePairsOff, option("of a .vrm: others may pass it on (default: they may not)")
    ] = False,
    preview: Annotated[
        bool, tyro.conf.FlagCreatePairsOff, option("then show it in the viewer as other programs do: move it, turn it")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write an avatar as a rigged or plain mesh for engines, viewers and Blender."""
    from dinar.terminal import Bars

    with Bars() as progress:
        from dinar.export import licence as licences
        from dinar.export import lods, profiles, writing
        from dinar.export.webpage import CLIPS
        from dinar.files import check_file
        from dinar.motion.motion import Motion, name_of

        if preview:
            from dinar.viewer import viewer
        check_file(out)
        terms = None
        if out.suffix.lower() == ".vrm":
            allowed = "allowModificationRedistribution" if modify and redistribute else "allowModification"
            terms = licences.Licence(
                title=title or out.stem,
                authors=author,
                avatar=licences.WHO[who],
                commerce=licences.COMMERCE[commerce],
                modification=allowed if modify else "prohibited",
                redistribution=redistribute,
                url=licence,
            )
        elif author or title or licence or who != "author" or commerce != "none" or modify or redistribute:
            raise InputError(f"{out} has no place for an author or a licence; export a .vrm")
        profile = profiles.profile(program, out).having(
            triangles=triangles, texture_size=texture_size, picture=picture, influences=influences, axes=axes,
            rest=rest, root=root, prefix=prefix, speech=speech, shading=shading, parts=parts, packed=packed,
            lit=lit or None,
        )  # fmt: skip
        if not motion and out.suffix.lower() in profiles.PAGES:
            motion = CLIPS
        with progress.stage("load"):
            names = [name_of(one) for one in motion]
            if twice := [name for name in names if names.count(name) > 1]:
                raise InputError(f"two motions are called {twice[0]}; animations need different names")
            motions = {name: Motion.load(one) for name, one in zip(names, motion, strict=True)}
            report_notes(note for clip in motions.values() for note in clip.notes)
            person = load_avatar(avatar, None)
        writing.check(out, motions=motions, licence=terms, profile=profile)
        lods.check(out, levels)
        with progress.stage("export"):
            figure = person.figure(
                texture=None if texture == "auto" else texture,
                outline=None if outline else False,
                triangles=profile.triangles,
                texture_size=profile.texture_size,
                progress=progress,
            )
            if levels > 1:
                files = lods.write(out, figure, levels, motions=motions, profile=profile)
            else:
                files = writing.write(
                    out, figure, motions=motions, profile=profile, licence=terms, version=vrm_version
                )
    if not preview:
        return report_files(list(files), progress, as_json)
    page = viewer.Viewer(person.wearing(figure), out.name)
    for name in reversed(motions):
        page.move(name, motions[name])
    report_files(list(files), progress, as_json, url=page.url)
    if not as_json:
        print(f"{page.url} (Ctrl-C ends it)", flush=True)
    viewer.serve(page, browser=not as_json)
