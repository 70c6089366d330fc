"""The command line: it parses, calls and prints; everything heavy is imported by the command that needs it."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import tyro

from dinar.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from dinar.avatar import Avatar, Shot
    from dinar.body.model import BodyModel
    from dinar.motion.motion import Motion
    from dinar.pipeline import Source
    from dinar.progress import Progress


def _option(what: str, metavar: str | None = None, *, name: str | None = None, short: str | None = None) -> Any:
    """An option's help; defaults that say something stand in it."""
    aliases = [short] if short else None
    return tyro.conf.arg(help=what, metavar=metavar, name=name, aliases=aliases, help_behavior_hint="")


def _out(what: str) -> Any:
    return _option(what, "PATH", short="-o")


_Positional = tyro.conf.Positional
_AvatarPath = Annotated[Path, _Positional, _option("what `dinar create` made: a folder or a .zip", "AVATAR")]
_MOTIONS = "walk, turn, wave, dance, or a .bvh, .npz (AMASS too), .smpl, .glb (.glb#clip), .vrma or .json"
_Smplx = Annotated[Path | None, _option("your own SMPLX_*.npz in place of the open body", "FILE")]
_Seed = Annotated[int, _option("the same seed gives the same result (default: 0)", "N")]
_Inpaint = Annotated[bool, _option("paint what no photo shows by diffusion (default: where there are weights for it)")]
_Seeds = Annotated[
    int, _option("so many avatars with other unseen sides, and a picture of their backs (default: 1)", "N")
]
_Device = Annotated[str, _option("cpu (default), or cuda where there is one", "NAME")]
_Size = Annotated[str | None, _option("image size in pixels (default: 768, for the photo view the photo's)", "N|WxH")]
_Background = Annotated[str, _option("white (default), #rrggbb, ..., or transparent (not in .mp4 and .jpg)", "COLOUR")]
_Renderer = Annotated[
    Literal["neural", "texture"] | None,
    _option("neural (default where the avatar's weights are at hand), or the plain texture", "NAME"),
]
_Json = Annotated[
    bool, tyro.conf.FlagCreatePairsOff, _option("print one JSON object on stdout and nothing else there", name="json")
]


def create(
    photos: Annotated[tuple[Path, ...], _Positional, _option("photos of one person, all of it in view", "PHOTO...")],
    out: Annotated[
        str, _out("the avatar: a folder, or a .zip; with a slash at its end: a folder of avatars, one a photo")
    ],
    person: Annotated[
        tuple[int, ...], _option("whom, counted from the left (default: the largest); one number, or one a photo", "N")
    ] = (),
    mask: Annotated[tuple[Path, ...], _option("your own masks, one a photo, white on the person", "FILE")] = (),
    keypoints: Annotated[tuple[Path, ...], _option("your own landmarks, one OpenPose JSON a photo", "FILE")] = (),
    renderer: Annotated[
        Literal["neural", "texture"], _option("who draws it: the networks (default), or the plain texture", "NAME")
    ] = "neural",
    refine: Annotated[bool, _option("tune the colours until the drawing looks like the photos (default: yes)")] = True,
    inpaint: _Inpaint = True,
    seed: _Seed = 0,
    seeds: _Seeds = 1,
    device: _Device = "cpu",
    jobs: Annotated[int, _option("with a slash at the end of -o: processes that work at a time (default: 1)", "N")] = 1,
    ray: Annotated[
        str | None, _option("with a slash at the end of -o: address of a Ray cluster to work on, or local", "ADDRESS")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Make an avatar from one or more photos of a person, or one from each of many photos."""
    from dinar.terminal import Bars

    if out.endswith(("/", os.sep)):
        if seeds != 1:
            raise InputError("--seeds shows several backs of one person; leave it, or give -o without the slash")
        options = {"renderer": renderer, "refine": refine, "inpaint": inpaint, "seed": seed}
        _batch(_sources(photos, person, mask, keypoints), Path(out), options, _device(device), jobs, ray, as_json)
        return
    if jobs != 1 or ray is not None:
        raise InputError(f"--jobs and --ray are for an avatar from each photo; for that give -o {out}/ with the slash")
    with Bars() as progress:
        from dinar import pipeline

        paths = _backs(Path(out), seeds)
        sources = _sources(photos, person, mask, keypoints)
        where = _device(device)
        _seed(seed)
        avatars = pipeline.create_several(
            sources,
            range(seed, seed + seeds),
            renderer=renderer,
            refine=refine,
            inpaint=inpaint,
            device=where,
            progress=progress,
        )
        files = _saved(avatars, paths, progress)
    fits = [_residuals(photo, shot) for photo, shot in zip(photos, avatars[0].shots, strict=True)]
    _report(files, progress, as_json, fits=fits)


def repaint(
    avatar: _AvatarPath,
    out: Annotated[Path, _out("the avatar: a folder, or a .zip")],
    repaint: Annotated[
        tuple[str, ...], _option("parts of the body to paint anew, such as head (default: all that is unseen)", "PART")
    ] = (),
    seed: _Seed = 0,
    seeds: _Seeds = 1,
    device: _Device = "cpu",
    as_json: _Json = False,
) -> None:
    """Paint anew what no photo showed of an avatar."""
    from dinar.terminal import Bars

    with Bars() as progress:
        from dinar import pipeline
        from dinar.avatar import Avatar
        from dinar.inpainting.inpainter import shipped

        paths = _backs(out, seeds)
        with progress.stage("load"):
            where = _device(device)
            person, painter = Avatar.load(avatar).to(where), shipped().to(where)
        avatars = [
            pipeline.inpainted(person, painter, parts=repaint, seed=number).to("cpu")
            for number in progress.track(range(seed, seed + seeds), seeds, "inpaint")
        ]
        files = _saved(avatars, paths, progress)
    _report(files, progress, as_json)


def fit(
    photo: Annotated[Path, _Positional, _option("a photo of a person, the whole body in view", "PHOTO")],
    out: Annotated[Path, _out("the picture of the fit (.png, .jpg or .webp)")],
    person: Annotated[int | None, _option("whom, counted from the left (default: the largest)", "N")] = None,
    mask: Annotated[Path | None, _option("your own mask, white on the person", "FILE")] = None,
    keypoints: Annotated[Path | None, _option("your own landmarks, OpenPose JSON", "FILE")] = None,
    smplx: _Smplx = None,
    seed: _Seed = 0,
    as_json: _Json = False,
) -> None:
    """Draw the body that fits a photo over it."""
    from dinar.terminal import Bars

    with Bars() as progress:
        from dinar import images, pipeline

        _check_picture(out)
        source, model = pipeline.Source(photo, person, mask, keypoints), _body(smplx)
        _seed(seed)
        picture, shot = pipeline.overlay_of(source, model=model, progress=progress)
        images.save(out, picture)
    _report([out], progress, as_json, fits=[_residuals(photo, shot)])


def merge(
    avatars: Annotated[tuple[Path, ...], _Positional, _option("avatars of one person, of other photos", "AVATAR...")],
    out: Annotated[Path, _out("the avatar: a folder, or a .zip")],
    inpaint: _Inpaint = True,
    seed: _Seed = 0,
    as_json: _Json = False,
) -> None:
    """Make one avatar of several that show the same person from different sides."""
    from dinar.terminal import Bars

    with Bars() as progress:
        from dinar import merge as merging
        from dinar.avatar import PREVIEW, Avatar, check_output

        check_output(out)
        with progress.stage("load"):
            people = [Avatar.load(path) for path in avatars]
        merged = merging.merge(people, inpaint=inpaint, seed=seed, progress=progress)
        with progress.stage("save"):
            merged.save(out)
    files = [out] if out.is_file() else [out, out / PREVIEW]
    _report(files, progress, as_json, photos=len(merged.shots))


def animate(
    avatar: _AvatarPath,
    motion: Annotated[str, _Positional, _option(_MOTIONS, "MOTION")],
    out: Annotated[Path, _out("the video (.mp4, .webm), or a folder for PNG frames")],
    view: Annotated[Literal["front", "back", "left", "right"], _option("from where (default: front)")] = "front",
    size: _Size = None,
    fps: Annotated[float | None, _option("frames a second (default: the motion's)", "N")] = None,
    seconds: Annotated[float | None, _option("repeat or cut the motion to last so long", "N")] = None,
    background: _Background = "white",
    renderer: _Renderer = None,
    device: _Device = "cpu",
    as_json: _Json = False,
) -> None:
    """Move an avatar and write a video."""
    from dinar.terminal import Bars

    with Bars() as progress:
        from dinar.avatar import VIEWS

        colour, pixels, where = _colour(background, out), _size(size), _device(device)
        with progress.stage("load"):
            clip = _clip(motion, fps, seconds)
            person = _load(avatar, renderer).to(where)
        person.animate(clip, out, size=pixels or (768, 768), azimuth=VIEWS[view], background=colour, progress=progress)
    _report([out], progress, as_json, frames=len(clip), fps=clip.fps)


def alive(
    photo: Annotated[Path, _Positional, _option("a photo of a person, the whole body in view", "PHOTO")],
    motion: Annotated[str, _Positional, _option(_MOTIONS, "MOTION")],
    out: Annotated[Path, _out("the video (.mp4, .webm), or a folder for PNG frames")],
    avatar: Annotated[
        Path | None, _option("an avatar of this photo, which is made otherwise: a folder or a .zip", "AVATAR")
    ] = None,
    person: Annotated[int | None, _option("whom, counted from the left (default: the largest)", "N")] = None,
    mask: Annotated[Path | None, _option("your own mask, white on the person", "FILE")] = None,
    keypoints: Annotated[Path | None, _option("your own landmarks, OpenPose JSON", "FILE")] = None,
    renderer: _Renderer = None,
    refine: Annotated[bool, _option("tune the colours until the drawing looks like the photo (default: yes)")] = True,
    inpaint: _Inpaint = True,
    size: Annotated[int, _option("pixels of the video's larger side at most (default: 1280)", "N")] = 1280,
    fps: Annotated[float | None, _option("frames a second (default: the motion's)", "N")] = None,
    seconds: Annotated[float | None, _option("repeat or cut the motion to last so long", "N")] = None,
    in_place: Annotated[
        Literal["auto", "yes", "no"],
        _option("take the travel over the ground out (default: where the motion ends away from its start)"),
    ] = "auto",
    seed: _Seed = 0,
    device: _Device = "cpu",
    as_json: _Json = False,
) -> None:
    """Make a photo come alive: its person moves in their place."""
    from dinar.terminal import Bars

    with Bars() as progress:
        from dinar.pipeline import Source
        from dinar.scene.alive import alive as come_alive

        if not 64 <= size <= 8192:
            raise InputError(f"--size {size} is not possible; give a number from 64 to 8192")
        where = _device(device)
        _seed(seed)
        with progress.stage("load"):
            clip = _clip(motion, fps, seconds)
            known = None if avatar is None else _load(avatar, renderer)
        made = come_alive(
            Source(photo, person, mask, keypoints),
            clip,
            out,
            avatar=known,
            longest=size,
            in_place={"auto": None, "yes": True, "no": False}[in_place],
            seed=seed,
            progress=progress,
            renderer=renderer or "neural",
            refine=refine,
            inpaint=inpaint,
            device=where,
        )
    _report([out], progress, as_json, frames=made.frames, fps=made.fps)


def convert(
    motion: Annotated[str, _Positional, _option(_MOTIONS, "MOTION")],
    out: Annotated[
        Path | None,
        _out("the motion (.bvh, .npz, .json, .smpl; .amass.npz in AMASS's layout); without: what the file holds"),
    ] = None,
    fps: Annotated[float | None, _option("frames a second (default: the motion's)", "N")] = None,
    seconds: Annotated[float | None, _option("repeat or cut the motion to last so long", "N")] = None,
    in_place: Annotated[
        bool, tyro.conf.FlagCreatePairsOff, _option("take the travel over the ground out")
    ] = False,
    as_json: _Json = False,
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
            clip = _clip(motion, fps, seconds)
        with progress.stage("save"):
            (clip.in_place() if in_place else clip).save(out)
    _report([out], progress, as_json, frames=len(clip), fps=clip.fps)


def render(
    avatar: _AvatarPath,
    out: Annotated[Path, _out("a picture (.png, .jpg, .webp); of a turntable what `animate` writes")],
    view: Annotated[
        Literal["front", "back", "left", "right", "photo", "turntable"],
        _option("from where (default: front); photo: in the pose, from the camera and in the size of the photo"),
    ] = "front",
    size: _Size = None,
    fps: Annotated[float, _option("frames a second of the turntable (default: 30)", "N")] = 30.0,
    seconds: Annotated[float, _option("how long one turn takes (default: 4)", "N")] = 4.0,
    background: _Background = "white",
    renderer: _Renderer = None,
    device: _Device = "cpu",
    as_json: _Json = False,
) -> None:
    """Draw an avatar from one side, as in its photo, or on a turntable."""
    from dinar.terminal import Bars

    with Bars() as progress:
        from dinar import images
        from dinar.avatar import composed
        from dinar.export import video

        colour, pixels, where = _colour(background, out), _size(size), _device(device)
        count = max(1, round(_positive("--fps", fps) * _positive("--seconds", seconds)))
        if view != "turntable":
            _check_picture(out)
        with progress.stage("load"):
            person = _load(avatar, renderer).to(where)
        if view == "turntable":
            frames = (composed(drawn, colour) for drawn in person.turntable(count, pixels or (768, 768)))
            video.write(out, progress.track(frames, count, "draw"), fps)
        else:
            with progress.stage("draw"):
                images.save(out, composed(person.view(view, pixels), colour))
    _report([out], progress, as_json)


def export(
    avatar: _AvatarPath,
    out: Annotated[Path, _out("the person for other programs (.glb, .vrm, .fbx, .usdz, .obj, .ply)")],
    motion: Annotated[
        tuple[str, ...],
        tyro.conf.UseAppendAction,
        _option("an animation of the file: a clip or a file as for animate; may be given again", "MOTION"),
    ] = (),
    texture: Annotated[
        Literal["auto", "baked", "plain"],
        _option("what the networks draw, baked, or the avatar's plain colours (default: baked where networks draw it)"),
    ] = "auto",
    outline: Annotated[bool, _option("clothes and hair as geometry, where networks draw it (default: yes)")] = True,
    triangles: Annotated[int | None, _option("so many at most, 1000 or more (default: all, 27420)", "N")] = None,
    texture_size: Annotated[int | None, _option("texels a side (default: 2048 baked, else the avatar's)", "N")] = None,
    picture: Annotated[Literal["png", "jpeg"], _option("what the texture is stored as (default: png)")] = "png",
    influences: Annotated[Literal[4, 8], _option("joints a vertex follows (default: 4, which all programs read)")] = 4,
    lit: Annotated[bool, tyro.conf.FlagCreatePairsOff, _option("let lamps shade it, once more")] = False,
    author: Annotated[
        tuple[str, ...], tyro.conf.UseAppendAction, _option("of a .vrm: who made it; may be given again", "NAME")
    ] = (),
    title: Annotated[str | None, _option("of a .vrm: its name (default: the file's)", "NAME")] = None,
    licence: Annotated[str | None, _option("of a .vrm: address of a licence beside VRM's own", "URL")] = None,
    who: Annotated[
        Literal["author", "licensed", "everyone"], _option("of a .vrm: who may act as this person (default: author)")
    ] = "author",
    commerce: Annotated[
        Literal["none", "personal", "corporate"], _option("of a .vrm: what it may earn (default: none)")
    ] = "none",
    modify: Annotated[
        bool, tyro.conf.FlagCreatePairsOff, _option("of a .vrm: others may change it (default: they may not)")
    ] = False,
    redistribute: Annotated[
        bool, tyro.conf.FlagCreatePairsOff, _option("of a .vrm: others may pass it on (default: they may not)")
    ] = False,
    preview: Annotated[
        bool, tyro.conf.FlagCreatePairsOff, _option("then show it in the viewer as other programs do: move it, turn it")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Write an avatar as a rigged or plain mesh for engines, viewers and Blender."""
    from dinar.terminal import Bars

    with Bars() as progress:
        from dinar.export import vrm, writing
        from dinar.files import check_file
        from dinar.motion.motion import Motion, name_of

        if preview:
            from dinar.viewer import viewer
        check_file(out)
        terms = None
        if out.suffix.lower() == ".vrm":
            allowed = "allowModificationRedistribution" if modify and redistribute else "allowModification"
            terms = vrm.Licence(
                title=title or out.stem,
                authors=author,
                avatar=vrm.WHO[who],
                commerce=vrm.COMMERCE[commerce],
                modification=allowed if modify else "prohibited",
                redistribution=redistribute,
                url=licence,
            )
        elif author or title or licence or who != "author" or commerce != "none" or modify or redistribute:
            raise InputError(f"{out} has no place for an author or a licence; export a .vrm")
        with progress.stage("load"):
            names = [name_of(one) for one in motion]
            if twice := [name for name in names if names.count(name) > 1]:
                raise InputError(f"two motions are called {twice[0]}; animations need different names")
            motions = {name: Motion.load(one) for name, one in zip(names, motion, strict=True)}
            person = _load(avatar, None)
        writing.check(out, motions=motions, licence=terms)
        with progress.stage("export"):
            figure = person.figure(
                texture=None if texture == "auto" else texture,
                outline=None if outline else False,
                triangles=triangles,
                texture_size=texture_size,
                progress=progress,
            )
            files = writing.write(
                out,
                figure,
                motions=motions,
                texture_size=texture_size,
                picture=picture,
                influences=influences,
                lit=lit,
                licence=terms,
            )
    if not preview:
        return _report(list(files), progress, as_json)
    page = viewer.Viewer(person.wearing(figure), out.name)
    for name in reversed(motions):
        page.move(name, motions[name])
    _report(list(files), progress, as_json, url=page.url)
    if not as_json:
        print(f"{page.url} (Ctrl-C ends it)", flush=True)
    viewer.serve(page, browser=not as_json)


def view(
    avatar: Annotated[
        Path | None, _Positional, _option("what `dinar create` made (default: the page asks for a photo)", "AVATAR")
    ] = None,
    host: Annotated[
        str, _option("address to serve the page at (default: this computer alone)", "ADDRESS")
    ] = "127.0.0.1",
    port: Annotated[int, _option("port of the page (default: 8765; 0: any that is free)", "N")] = 8765,
    browser: Annotated[bool, _option("open the page in a browser (default: yes)")] = True,
    device: _Device = "cpu",
    as_json: _Json = False,
) -> None:
    """Turn, move, pose and save an avatar in the browser; without one drop a photo there."""
    from dinar.terminal import Bars

    with Bars() as progress:
        from dinar.viewer import viewer

        if not 0 <= port <= 65535:
            raise InputError(f"--port {port} is no port; give a number from 0 to 65535")
        where = _device(device)
        with progress.stage("load"):
            person = None if avatar is None else _load(avatar, None)
        page = viewer.Viewer(person, "avatar" if avatar is None else avatar.stem, host=host, port=port, device=where)
    print(json.dumps({"url": page.url}) if as_json else f"{page.url} (Ctrl-C ends it)", flush=True)
    if not viewer.is_local(host):
        print("dinar: everybody who can reach this address can use the page", file=sys.stderr)
    viewer.serve(page, browser=browser and not as_json)


def synth(
    assets: Annotated[Path, _option("the folder that holds makehuman_cc0/ and fabric/", "DIR")],
    views: Annotated[int, _option("how many views of each, several poses among them", "V")],
    out: Annotated[Path, _option("the folder of shards; what is finished there is not made again", "DIR", short="-o")],
    people: Annotated[int | None, _option("how many people (of rigged ones default: all)", "N")] = None,
    rigged: Annotated[Path | None, _option("people out of this folder's .glb files instead", "DIR")] = None,
    seed: _Seed = 0,
    size: Annotated[int, _option("image size in pixels (default: 512)", "N")] = 512,
    workers: Annotated[int, _option("processes (default, and 0: one a core)", "N")] = 0,
    as_json: _Json = False,
) -> None:
    """Make training data: photos of people that never were, or of rigged ones."""
    from dinar.terminal import Bars

    with Bars() as progress:
        from dinar.synth.rigged import rigged_files
        from dinar.synth.shards import SHEET, Plan, write_shards

        if people is None:
            if rigged is None:
                raise InputError("how many people? give --people")
            people = len(rigged_files(rigged))
        given = {"--people": people, "--views": views, "--seed": seed, "--size": size, "--workers": workers}
        ranges = ((1, 10**6), (1, 1000), (0, 10**9), (64, 2048), (0, 512))
        for (option, value), (least, most) in zip(given.items(), ranges, strict=True):
            if not least <= value <= most:
                raise InputError(f"{option} {value} is not possible; give a number from {least} to {most}")
        plan = Plan(people, views, seed, size)
        workers = workers or os.cpu_count() or 1
        shards = write_shards(assets, out, plan, rigged=rigged, workers=workers, progress=progress)
    _report([out, *shards, out / SHEET], progress, as_json, people=people, views=people * views)


def train(
    stage: Annotated[
        Literal["appearance", "autoencoder", "finetune", "inpainting"],
        _Positional,
        _option("what to train; each starts from what the one before it has shipped", "STAGE"),
    ],
    data: Annotated[tuple[Path, ...], _option("folders of shards (`dinar synth`)", "DIR...")],
    out: Annotated[Path, _option("the run: checkpoint, log, pictures, weights", "DIR", short="-o")],
    preset: Annotated[Literal["paper", "small", "tiny"], _option("the networks' sizes (default: small)")] = "small",
    after: Annotated[Path | None, _option("weights/ of the run of the stage before", "DIR")] = None,
    textures: Annotated[Path | None, _option("where people's textures are kept (default: in --out)", "DIR")] = None,
    examples: Annotated[tuple[Path, ...], _option("shards of people to look at who are not trained on", "DIR...")] = (),
    resume: Annotated[bool, tyro.conf.FlagCreatePairsOff, _option("go on with the run in --out, if any")] = False,
    steps: Annotated[int, _option("updates of the weights in all (default, and 0: the preset's)", "N")] = 0,
    seconds: Annotated[float | None, _option("stop after so long, ready to be resumed", "N")] = None,
    batch: Annotated[int, _option("people a step and process (default, and 0: the preset's)", "N")] = 0,
    accumulate: Annotated[int, _option("batches whose gradients are summed for a step (default: 1)", "N")] = 1,
    save_every: Annotated[int, _option("steps between two checkpoints (default: 200)", "N")] = 200,
    look_every: Annotated[int, _option("steps between two pictures (default: 1000)", "N")] = 1000,
    workers: Annotated[int, _option("processes that prepare samples (default: 1)", "N")] = 1,
    rate: Annotated[float, _option("factor on the learning rates, for the end of a run (default: 1)", "X")] = 1.0,
    bf16: Annotated[bool, tyro.conf.FlagCreatePairsOff, _option("compute in bfloat16, on a GPU")] = False,
    seed: _Seed = 0,
    as_json: _Json = False,
) -> None:
    """Train networks of your own; with torchrun or accelerate on several GPUs."""
    from dinar.terminal import Bars

    with Bars() as progress:
        import torch

        from dinar.presets import PRESETS
        from dinar.train import loop, stages

        sizes = PRESETS[preset]
        usual = stages.numbers(stage, sizes)
        how = loop.Options(
            steps=steps or usual[0],
            batch=batch or usual[1],
            accumulate=accumulate,
            half_life=usual[2],
            seed=seed,
            seconds=seconds,
            save_every=save_every,
            look_every=look_every,
            workers=workers,
            rate=rate,
        )
        precision = torch.bfloat16 if bf16 else torch.float32
        device = "cuda" if torch.cuda.is_available() else "cpu"
        plan = stages.Plan(data, examples, after, textures or out / "textures", seed)
        lessons = stages.opened(stage, sizes, plan, out, precision=precision, device=device, progress=progress)
        with progress.stage("train"):
            reached = loop.train(lessons, out, how, resume=resume, progress=progress)
    _report([out], progress, as_json, step=reached)


def evaluate(
    protocol: Annotated[
        Literal["synthetic", "valid", "photos", "people-snapshot", "thuman2"],
        _Positional,
        _option("made-up people, rigged people, your own photos, or a published benchmark", "PROTOCOL"),
    ],
    out: Annotated[Path, _option("the folder of results; what is finished there is not done again", "DIR", short="-o")],
    data: Annotated[
        Path | None,
        _option("the people, photos or benchmark (synthetic and valid: default some that ship)", "DIR"),
    ] = None,
    rows: Annotated[
        str, _option("system (default), ablation, layouts, baselines, all, or names with commas between them", "NAMES")
    ] = "system",
    weights: Annotated[Path | None, _option("trained weights (default: those that ship)", "DIR")] = None,
    people: Annotated[int, _option("the first N people at most (default: 50)", "N")] = 50,
    views: Annotated[int, _option("pictures in other poses a person at most (default: 4)", "N")] = 4,
    fitted: Annotated[
        bool, tyro.conf.FlagCreatePairsOff, _option("find mask, body and camera of the input instead of being told")
    ] = False,
    walk: Annotated[bool, _option("measure flicker as well")] = True,
    reid: Annotated[Path | None, _option("your own ONNX network for re-identification", "FILE")] = None,
    inception: Annotated[Path | None, _option("your own ONNX network for KID, such as Inception", "FILE")] = None,
    ray: Annotated[str | None, _option("address of a Ray cluster to work on, or local", "ADDRESS")] = None,
    workers: Annotated[int, _option("processes (default, and 0: one a core)", "N")] = 0,
    as_json: _Json = False,
) -> None:
    """Measure avatars against true pictures; write tables and a report."""
    from dinar.terminal import Bars

    with Bars() as progress:
        from dinar.evaluate import report, run
        from dinar.evaluate.protocols import opened

        given = {"--people": people, "--views": views, "--workers": workers}
        for (option, value), (least, most) in zip(given.items(), ((1, 10**6), (1, 1000), (0, 512)), strict=True):
            if not least <= value <= most:
                raise InputError(f"{option} {value} is not possible; give a number from {least} to {most}")
        cases = opened(protocol, data, out / run.MADE, people=people, views=views, fitted=fitted, progress=progress)
        plan = run.planned(cases, rows, weights, walk=walk, reid=reid, inception=inception)
        findings = run.run(plan, out, workers=workers or os.cpu_count() or 1, cluster=ray, progress=progress)
        command = f"dinar evaluate {protocol} --rows {rows} --people {people} --views {views}{' --fitted' * fitted}"
        named = {"data": data, "weights": weights, "reid": reid, "inception": inception, "out": out}
        command += "" if walk else " --no-walk"
        command += "".join(f" --{name} {path}" for name, path in named.items() if path)
        files = report.write(findings, cases, out, command)
    facts = {"people": len({result.person for result in findings.results}), "failures": len(findings.failures)}
    _report([*files, out / run.RESULTS], progress, as_json, **facts)


def examine(
    fetch: Annotated[
        Literal["nothing", "needed", "all"], _option("download missing model files: those that are needed, or all")
    ] = "nothing",
    as_json: _Json = False,
) -> None:
    """Say what is installed: versions, device, model files and their licences."""
    from dinar import doctor
    from dinar.store import Store

    store = Store()
    if fetch != "nothing":
        doctor.fetch(store, optional=fetch == "all")
    found = doctor.examine(store)
    print(json.dumps(found.as_dict()) if as_json else found.as_text())


COMMANDS: dict[str, Callable[..., None]] = {
    "create": create,
    "fit": fit,
    "merge": merge,
    "inpaint": repaint,
    "animate": animate,
    "alive": alive,
    "motion": convert,
    "render": render,
    "export": export,
    "view": view,
    "synth": synth,
    "evaluate": evaluate,
    "train": train,
    "doctor": examine,
}


def main() -> NoReturn:
    """The program: exit code 0; 2 for a user's mistake, with one line on stderr; 130 after Ctrl-C."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))     # an exception, so that half-written files are removed
    try:
        if sys.argv[1:] == ["--version"]:
            print(f"dinar {version('dinar')}")
            sys.exit(0)
        tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog="dinar", description="One photo of a person in, an animatable full-body avatar out."
        )
        sys.stdout.flush()
    except InputError as error:
        print(f"dinar: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("dinar: interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:                                     # `dinar doctor | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    sys.exit(0)


def _report(files: Sequence[Path], progress: Progress, as_json: bool, **facts: Any) -> None:
    """What was made, on stdout: one JSON object, or lines for people."""
    seconds = {name: round(value, 3) for name, value in progress.seconds.items()}
    if as_json:
        print(json.dumps({"files": [str(file) for file in files], "seconds": seconds, **facts}))
        return
    for found in facts.get("fits", ()):
        print(f"{found['photo']}: {_fit(found)}")
    print(f"{files[0]} ({', '.join(f'{name} {value:.1f} s' for name, value in seconds.items())})")


def _batch(
    sources: Sequence[Source],
    out: Path,
    options: dict[str, Any],
    device: str,
    jobs: int,
    ray: str | None,
    as_json: bool,
) -> None:
    """An avatar from each photo, told as they are made; exit code 2 where one could not be."""
    from dinar import batch
    from dinar.terminal import Bars

    if not 1 <= jobs <= 256:
        raise InputError(f"--jobs {jobs} is not possible; give a number from 1 to 256")
    avatars, failures = [], []
    with Bars() as progress:
        tasks = batch.planned(sources, out)
        for done in batch.run(tasks, options | {"device": device}, jobs=jobs, cluster=ray, progress=progress):
            seconds = {"photo": str(done.photo), "seconds": round(done.seconds, 3)}
            if done.error is not None:
                failures.append(seconds | {"error": done.error})
                print(f"dinar: {done.error}", file=sys.stderr)
                continue
            avatars.append(seconds | {"avatar": str(done.avatar), **done.fit})
            if not as_json:
                print(f"{done.photo} -> {done.avatar} ({_fit(done.fit)}, {done.seconds:.1f} s)", flush=True)
    if as_json:
        print(json.dumps({"files": [found["avatar"] for found in avatars], "avatars": avatars, "failures": failures}))
    else:
        print(f"{out}: {len(avatars)} of {len(sources)} photos became avatars in {progress.seconds['avatars']:.1f} s")
    if failures:
        sys.exit(2)


def _fit(found: dict[str, Any]) -> str:
    """How well a body fits, for people."""
    unseen = f", not seen: {', '.join(found['unseen'])}" if found["unseen"] else ""
    return f"landmarks {found['reprojection']:.2f} % off, mask overlap {found['mask_iou']:.2f}{unseen}"


def _residuals(photo: Path, shot: Shot) -> dict[str, Any]:
    return {
        "photo": str(photo),
        "reprojection": round(shot.reprojection, 4),
        "mask_iou": round(shot.mask_iou, 4),
        "unseen": list(shot.unseen),
    }


def _sources(
    photos: Sequence[Path], persons: Sequence[int], masks: Sequence[Path], keypoints: Sequence[Path]
) -> list[Source]:
    """Each photo with what belongs to it. Raises InputError where the numbers differ."""
    from dinar.pipeline import Source

    if not photos:
        raise InputError("create needs a photo")
    if len(persons) == 1:
        persons = [persons[0]] * len(photos)
    for option, values in {"--person": persons, "--mask": masks, "--keypoints": keypoints}.items():
        if len(values) not in (0, len(photos)):
            raise InputError(f"{option} needs one value a photo: there are {len(values)} for {len(photos)} photos")
    columns = ((values or [None] * len(photos)) for values in (persons, masks, keypoints))
    return [Source(*row) for row in zip(photos, *columns, strict=True)]


def _backs(out: Path, count: int) -> list[Path]:
    """Where that many avatars go: me.zip, me-2.zip, ... Raises InputError where one cannot be written."""
    from dinar.avatar import check_output
    from dinar.files import check_file

    if not 1 <= count <= 64:
        raise InputError(f"--seeds {count} is not possible; give a number from 1 to 64")
    paths = [out, *(out.with_name(f"{out.stem}-{k}{out.suffix}") for k in range(2, count + 1))]
    for path in paths:
        check_output(path)
    if count > 1:
        check_file(_sheet(out))
    return paths


def _sheet(out: Path) -> Path:
    return out.with_name(f"{out.stem}-backs.png")


def _saved(avatars: Sequence[Avatar], paths: Sequence[Path], progress: Progress) -> list[Path]:
    """Writes avatars, and of several a picture of their backs, first to last from the left; the files."""
    import torch

    from dinar import images
    from dinar.avatar import PREVIEW, composed

    out = paths[0]
    with progress.stage("save"):
        for avatar, path in zip(avatars, paths, strict=True):
            avatar.save(path)
        files = [*paths] if out.is_file() else [*paths, out / PREVIEW]
        if len(avatars) > 1:
            white = torch.ones(3)
            backs = [composed(avatar.view("back", (512, 320)), white) for avatar in avatars]
            images.save(_sheet(out), torch.cat(backs, dim=2))
            files.append(_sheet(out))
    return files


def _load(path: Path, renderer: Literal["neural", "texture"] | None) -> Avatar:
    """An avatar, to be drawn by that renderer; says so where its weights are missing and nobody asked for another."""
    from dinar.avatar import Avatar

    avatar = Avatar.load(path)
    if renderer is not None:
        return avatar.drawn_by(renderer)
    if avatar.weights is not None and avatar.renderer is None:
        note = f"{path} was made with the weights {avatar.weights}, which this version does not have"
        print(f"dinar: {note}; the plain renderer draws it", file=sys.stderr)
    return avatar


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


def _clip(motion: str, fps: float | None, seconds: float | None) -> Motion:
    """A motion, repeated or cut and resampled where asked for."""
    from dinar.motion.motion import Motion

    clip = Motion.load(motion, fps=None if fps is None else _positive("--fps", fps))
    for note in clip.notes:
        print(f"dinar: {note}", file=sys.stderr)
    if seconds is not None:
        clip = clip.looped(_positive("--seconds", seconds))
    if fps is not None:
        clip = clip.resampled(_positive("--fps", fps))
    return clip


def _body(smplx: Path | None) -> BodyModel | None:
    """The user's own body model, None for the open body."""
    if smplx is None:
        return None
    from dinar.body.model import BodyModel

    return BodyModel.smplx(smplx)


def _seed(seed: int) -> None:
    import torch

    torch.manual_seed(seed)


def _device(name: str) -> str:
    """A device that torch can use. Raises InputError for another."""
    import torch

    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise InputError(f"there is no device {name} here; `dinar doctor` says what there is") from error
    return name


def _check_picture(out: Path) -> None:
    """InputError now rather than after the work, where `images.save` would not write `out`."""
    from dinar.files import check_file

    if out.suffix.lower() not in (".png", ".jpg", ".jpeg", ".webp"):
        raise InputError(f"{out} has no known suffix; pictures are written as .png, .jpg or .webp")
    check_file(out)


def _size(text: str | None) -> tuple[int, int] | None:
    """512 or 640x960 (width x height) as (H, W)."""
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and 16 <= int(side) <= 8192 for side in sides):
        raise InputError(f"--size {text} is no image size; give 512 or 640x960, each side from 16 to 8192")
    return int(sides[-1]), int(sides[0])


def _colour(name: str, out: Path) -> Tensor | None:
    """A background [3] in [0, 1], None for a transparent one. Raises InputError for what is no colour."""
    import torch
    from PIL import ImageColor

    if name == "transparent":
        if out.suffix.lower() in (".mp4", ".jpg", ".jpeg"):
            raise InputError(f"{out} cannot be transparent; write a .png, a .webp, a .webm or a folder")
        return None
    try:
        return torch.tensor(ImageColor.getrgb(name)[:3]) / 255
    except ValueError as error:
        raise InputError(f"--background {name} is no colour; give white, #rrggbb or transparent") from error


def _positive(option: str, value: float) -> float:
    if not 0 < value <= 3600:
        raise InputError(f"{option} {value:g} is not possible; give a number above 0 and at most 3600")
    return value
