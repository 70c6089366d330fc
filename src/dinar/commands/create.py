"""`dinar create` and `dinar fit`: what photos become."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from dinar.commands.loading import load_body
from dinar.commands.options import (
    Age,
    Device,
    Held,
    Inpaint,
    Json,
    Layers,
    PartsKind,
    Positional,
    Refine,
    Seed,
    Seeds,
    Sex,
    Smplx,
    option,
    out_option,
)
from dinar.commands.reporting import fit_in_words, report_files, report_notes, residuals
from dinar.commands.saving import paths_of, save_all
from dinar.commands.values import check_picture, expanded, set_seed, usable_device, within
from dinar.errors import InputError
from dinar.photo.ahead import looking
from dinar.photo.source import Said, Source


def create(
    photos: Annotated[tuple[Path, ...], Positional, option("photos of one person, all of it in view", "PHOTO...")],
    out: Annotated[Path, out_option("the avatar: a folder, or a .zip; with --each: a folder of avatars")],
    person: Annotated[
        tuple[int, ...], option("whom, counted from the left (default: the largest); one number, or one a photo", "N")
    ] = (),
    mask: Annotated[tuple[Path, ...], option("your own masks, one a photo, white on the person", "FILE")] = (),
    keypoints: Annotated[tuple[Path, ...], option("your own landmarks, one OpenPose JSON a photo", "FILE")] = (),
    parts: Annotated[tuple[Path, ...], option("your own label maps, one a photo", "FILE")] = (),
    parts_kind: PartsKind = "dinar",
    held: Held = None,
    sex: Sex = None,
    age: Age = "adult",
    renderer: Annotated[
        Literal["neural", "texture"], option("who draws it: the networks (default), or the plain texture", "NAME")
    ] = "neural",
    refine: Refine = "residuals",
    inpaint: Inpaint = True,
    layers: Layers = True,
    seed: Seed = 0,
    seeds: Seeds = 1,
    device: Device = "cpu",
    same: Annotated[
        bool, tyro.conf.FlagCreatePairsOff, option("several photos show one person, though their clothes differ")
    ] = False,
    each: Annotated[bool, tyro.conf.FlagCreatePairsOff, option("an avatar of each photo, in the folder -o")] = False,
    jobs: Annotated[int, option("with --each: processes that work at a time (default: 1)", "N")] = 1,
    ray: Annotated[
        str | None, option("with --each: address of a Ray cluster to work on, or local", "ADDRESS")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make an avatar from one or more photos of a person, or one from each of many photos."""
    from dinar.terminal import Bars

    photos, mask, keypoints, parts = (expanded(paths) for paths in (photos, mask, keypoints, parts))
    about = {"label_maps": parts, "parts_kind": parts_kind, "held": held, "sex": sex, "age": age}
    if each:
        if seeds != 1 or same:
            raise InputError("--each makes an avatar of each photo; --seeds and --same are for one person")
        options = {"renderer": renderer, "refine": refine, "inpaint": inpaint, "layers": layers, "seed": seed}
        sources, where = sources_of(photos, person, mask, keypoints, **about), usable_device(device)
        _create_each(sources, out, options | {"device": where}, jobs, ray, as_json)
        return
    if jobs != 1 or ray is not None:
        raise InputError("--jobs and --ray are for an avatar of each photo; for that give --each")
    sources = sources_of(photos, person, mask, keypoints, **about)
    with looking(sources) as seen, Bars() as progress:
        from dinar import pipeline

        paths = paths_of(out, seeds)
        where = usable_device(device)
        set_seed(seed)
        avatars = pipeline.create_several(
            sources,
            range(seed, seed + seeds),
            renderer=renderer,
            refine=refine,
            inpaint=inpaint,
            layers=layers,
            device=where,
            progress=progress,
            one=same,
            seen=seen,
        )
        files = save_all(avatars, paths, progress)
    report_notes(note for shot in avatars[0].shots for note in shot.notes)
    fits = [residuals(photo, shot) for photo, shot in zip(photos, avatars[0].shots, strict=True)]
    report_files(files, progress, as_json, fits=fits)


def fit(
    photo: Annotated[Path, Positional, option("a photo of a person, the whole body in view", "PHOTO")],
    out: Annotated[Path, out_option("the picture of the fit (.png, .jpg or .webp)")],
    person: Annotated[int | None, option("whom, counted from the left (default: the largest)", "N")] = None,
    mask: Annotated[Path | None, option("your own mask, white on the person", "FILE")] = None,
    keypoints: Annotated[Path | None, option("your own landmarks, OpenPose JSON", "FILE")] = None,
    parts: Annotated[Path | None, option("your own label map", "FILE")] = None,
    parts_kind: PartsKind = "dinar",
    held: Held = None,
    sex: Sex = None,
    age: Age = "adult",
    smplx: Smplx = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Draw the body that fits a photo over it, and beside it the parts of the person."""
    from dinar.terminal import Bars

    check_picture(out)
    if smplx is not None and age == "child":
        raise InputError("--age child is for the body that ships: how likely shapes of SMPL-X are is not known by age")
    said = Said(held, None if parts is None else (parts, parts_kind), sex, age)
    source = Source(photo, person, mask, keypoints, said)
    with looking([source]) as seen, Bars() as progress:
        from dinar import images, pipeline

        model = load_body(smplx)
        set_seed(seed)
        picture, shot = pipeline.overlay_of(source, model=model, progress=progress, seen=next(seen))
        images.save(out, picture)
    report_notes(shot.notes)
    report_files([out], progress, as_json, fits=[residuals(photo, shot)])


def _create_each(
    sources: Sequence[Source], out: Path, options: dict[str, Any], jobs: int, ray: str | None, as_json: bool
) -> None:
    """An avatar from each photo, told as they are made; exit code 2 where one could not be."""
    from dinar import batch
    from dinar.terminal import Bars

    within("--jobs", jobs, 1, 256)
    avatars, failures = [], []
    with Bars() as progress:
        tasks = batch.planned(sources, out)
        for done in batch.run(tasks, options, jobs=jobs, cluster=ray, progress=progress):
            seconds = {"photo": str(done.photo), "seconds": round(done.seconds, 3)}
            if done.error is not None:
                failures.append(seconds | {"error": done.error})
                print(f"dinar: {done.error}", file=sys.stderr)
                continue
            report_notes(done.notes)
            avatars.append(seconds | {"avatar": str(done.avatar), **done.fit})
            if not as_json:
                print(f"{done.photo} -> {done.avatar} ({fit_in_words(done.fit)}, {done.seconds:.1f} s)", flush=True)
    if as_json:
        print(json.dumps({"files": [found["avatar"] for found in avatars], "avatars": avatars, "failures": failures}))
    else:
        print(f"{out}: {len(avatars)} of {len(sources)} photos became avatars in {progress.seconds['avatars']:.1f} s")
    if failures:
        sys.exit(2)


def sources_of(
    photos: Sequence[Path],
    persons: Sequence[int],
    masks: Sequence[Path],
    keypoints: Sequence[Path],
    *,
    label_maps: Sequence[Path] = (),
    parts_kind: str = "dinar",
    held: Literal["keep", "cut"] | None = None,
    sex: Literal["f", "m", "unsure"] | None = None,
    age: Literal["adult", "child"] = "adult",
) -> list[Source]:
    """Each photo with what belongs to it. Raises InputError where the numbers differ."""
    if not photos:
        raise InputError("create needs a photo")
    if len(persons) == 1:
        persons = [persons[0]] * len(photos)
    given = {"--person": persons, "--mask": masks, "--keypoints": keypoints, "--parts": label_maps}
    for name, values in given.items():
        if len(values) not in (0, len(photos)):
            raise InputError(f"{name} needs one value a photo: there are {len(values)} for {len(photos)} photos")
    columns = ((values or [None] * len(photos)) for values in given.values())
    return [
        Source(photo, person, mask, points, Said(held, None if labels is None else (labels, parts_kind), sex, age))
        for photo, person, mask, points, labels in zip(photos, *columns, strict=True)
    ]
