"""From photos to an avatar: the one place that knows the order of the steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from dinar import presets
from dinar.avatar import Avatar, RendererName, Shot, open_body
from dinar.body.layers import BOXES, Layer
from dinar.body.model import BodyModel
from dinar.body.uv import UVLayout, load_layout, texel_map
from dinar.dressing import dressed
from dinar.errors import InputError
from dinar.fit.fit import Fit, fit
from dinar.fit.overlay import overlay
from dinar.inpainting import inpainter as inpainting
from dinar.inpainting.inpainter import Inpainter
from dinar.networks.appearance import Appearance, shipped
from dinar.networks.parser import shipped as shipped_parser
from dinar.networks.pretrained import moved
from dinar.painting import inpainted, look_of, proposed
from dinar.parallel import beside
from dinar.perceptual.lpips import load_lpips
from dinar.photo.parsing import shown
from dinar.photo.photo import Photo, look
from dinar.photo.sameness import require_one
from dinar.photo.sighting import Sighting
from dinar.photo.source import Source
from dinar.photo.understanding import understood
from dinar.progress import Progress
from dinar.store import Store
from dinar.texture.filling import Filler
from dinar.texture.merging import merge
from dinar.texture.part_colours import Places
from dinar.texture.residuals import Sight
from dinar.texture.warming import warm_up
from dinar.texturing import (
    TEXTURE_SIZE,
    doubtful_in,
    foreign_in,
    headwear_in,
    pictures,
    refined,
    settled,
    side_of,
    sight_of,
    texture_of,
    tuned,
)

RefineName = Literal["residuals", "paper", "none"]


def create(
    photos: Path | str | Source | Sequence[Path | str | Source],    # one, or several of the same person
    *,
    renderer: RendererName = "neural",     # "texture": no networks, the plain renderer
    refine: RefineName = "residuals",      # bring the drawing to the photos: by what is left, by appendix B, not at all
    inpaint: bool = True,                  # paint what no photo shows by diffusion, where there are weights for it
    layers: bool = True,                   # skirts as geometry, where parts of the photos are known and show one
    seed: int = 0,
    model: BodyModel | None = None,        # default: the open body
    appearance: Appearance | None = None,  # default: the weights that ship
    inpainter: Inpainter | None = None,    # default: the weights that ship, if they go with the appearance's
    store: Store | None = None,            # where the networks that look at photos come from
    device: torch.device | str = "cpu",    # where textures are made
    progress: Progress | None = None,
) -> Avatar:
    """One avatar from one or more photos of the same person (sections 3.2 and 3.4).

    Raises InputError where a photo cannot be used or a network is not to be had.
    """
    photos = [photos] if isinstance(photos, Path | str | Source) else photos
    options = {"renderer": renderer, "refine": refine, "inpaint": inpaint, "model": model, "appearance": appearance}
    options |= {"layers": layers, "inpainter": inpainter, "store": store, "device": device, "progress": progress}
    return create_several(photos, (seed,), **options)[0]


def create_several(
    photos: Sequence[Path | str | Source],
    seeds: Sequence[int],                  # of an avatar each; refinement takes the first
    *,
    renderer: RendererName = "neural",
    refine: RefineName = "residuals",
    inpaint: bool = True,
    layers: bool = True,
    model: BodyModel | None = None,
    appearance: Appearance | None = None,
    inpainter: Inpainter | None = None,
    store: Store | None = None,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
    one: bool = True,                      # the photos show one person, whatever they look like
    seen: Iterable[Sighting | None] = repeat(None),   # of each photo, where networks have looked already
) -> list[Avatar]:
    """Avatars of one person that differ in what no photo shows; the options are those of `create`.

    Raises InputError where a photo cannot be used, a network is not to be had, several are wanted and none paints, or
    photos seem to show several people and are not said to show `one`.
    """
    if not photos:
        raise InputError("an avatar needs at least one photo")
    model, store, progress = model or open_body(), store or Store(), progress or Progress()
    layout = load_layout("front", model)
    with progress.stage("look"):
        with beside(partial(warm_up, model, layout)):
            neural = (appearance or shipped()).to(device) if renderer == "neural" else None
            painter = _painter(neural, inpainter) if inpaint else None
            drawer = None if neural is None else moved(neural.renderer, "cpu")          # of the preview, in the end
            ready = partial(warm_up, model, layout, drawer)
            views = [look_at(source, store, s) for source, s in zip(photos, seen, strict=False)]   # mask, landmarks
        if not one:
            notes = require_one(views, [_photo(source) for source in photos], store)
            views[0] = replace(views[0], notes=views[0].notes + notes)
        metric = load_lpips("alex", store) if refine == "paper" else None   # before the long work: may not be to be had
    if painter is None and len(seeds) > 1:
        raise InputError("several backs take weights of the inpainting, and there are none for these avatars")
    wear = layout.to(device)

    def others(bare_body: BodyModel, skin: UVLayout) -> tuple[list[Tensor | None], Places | None]:
        """What needs no body is made beside the body's fit, which keeps one core busy; first what dressing asks for."""
        places = None if all(view.parts is None for view in views) else Places.on(bare_body)
        if places is not None and layers and bare_body.name == "open":
            for name in BOXES:
                Layer.load(name)
        texel_map(skin, TEXTURE_SIZE)
        ready()
        if painter is not None:
            painter()
        return [None if neural is None else neural.generated(*pictures(view, device)) for view in views], places

    with beside(partial(others, model, wear)) as made:     # as they are now: dressing gives both names to others
        with progress.stage("fit"):
            fits = fit(views, model, progress=lambda part: progress.advance("fit", part))   # one shape, poses
        with progress.stage("dress"):
            model = dressed(model, views, fits, layers=layers)                              # clothes, hair
    if model.layers:
        layout = load_layout("clothed", model)
        wear = layout.to(device)
    there, side = moved(model, device), side_of(model)
    with beside(partial(Filler.of, there, wear, side)) as filling, progress.stage("texture"):
        generated, places = made.result()
        doubtful = [
            doubtful_in(
                f.body, f.camera, there, wear, foreign_in(v.image, v.parts, f.body, f.camera, there, places)
            )
            for v, f in zip(views, fits, strict=True)
        ]
        parts = [
            texture_of(v, f, there, wear, g, without=out)
            for v, f, g, out in zip(views, fits, generated, doubtful, strict=True)
        ]
        texture = merge(parts)                                                              # eqs 2 and 5
        hat = headwear_in(views, fits, there, wear)
    with progress.stage("fill"):
        filler = replace(filling.result(), hat=hat)
        painted = filler(texture)[0]
    avatar = Avatar(texture, painted, fits[0].body.shape[0].to(device), there, wear)
    if neural is not None:
        avatar = replace(avatar, weights=neural.name, renderer=neural.renderer)
    networks = None if painter is None else painter().to(device)

    def ideas(plain: Avatar) -> list[tuple[Tensor, Tensor]]:
        """What the networks would paint, which needs nothing of the refinement that it is made beside."""
        return [] if networks is None else [proposed(plain, networks, seed) for seed in seeds]

    sights: list[Sight] = []
    with beside(partial(ideas, avatar)) as changes:
        if refine != "none":
            with progress.stage("refine"):
                told = partial(progress.advance, "refine")
                if metric is not None:
                    avatar = tuned(avatar, views, fits, parts, metric.to(device), filler, seed=seeds[0], progress=told)
                else:
                    sights = [
                        sight_of(filler, part, v.image, v.mask, f.body, f.camera, without=out)
                        for v, f, part, out in zip(views, fits, parts, doubtful, strict=True)
                    ]
                    avatar = refined(avatar, sights, filler, seed=seeds[0], progress=told)
    avatars = [avatar] * len(seeds)
    if networks is not None:
        with progress.stage("inpaint"):
            looks = [look_of(avatar, v.image, v.mask, f.body, f.camera) for v, f in zip(views, fits, strict=True)]
            for done, (seed, change) in enumerate(zip(seeds, changes.result(), strict=True)):
                progress.advance("inpaint", done / len(seeds))
                before = texture, painted
                options = {"before": before, "looks": looks, "seed": seed, "change": change}
                avatars[done] = inpainted(avatar, networks, filler, **options)
    if sights:
        with progress.stage("refine"):
            avatars = [settled(person, sights, filler, presets.SMALL.residuals.last) for person in avatars]
    shots = tuple(_shot(v, f) for v, f in zip(views, fits, strict=True))
    return [replace(avatar, shots=shots).to("cpu") for avatar in avatars]


def _painter(appearance: Appearance | None, inpainter: Inpainter | None) -> Callable[[], Inpainter] | None:
    """What loads the networks that paint textures of these weights; None where there are none."""
    if appearance is None:
        return None
    if inpainter is not None:
        inpainting.check(inpainter, appearance.name)
        return lambda: inpainter
    if not inpainting.ships_for(appearance.name):
        return None
    return inpainting.shipped


def overlay_of(
    source: Path | str | Source,
    *,
    model: BodyModel | None = None,
    store: Store | None = None,
    progress: Progress | None = None,
    seen: Sighting | None = None,          # where networks have looked already
) -> tuple[Tensor, Shot]:
    """The fitted body drawn over the photo's crop [3, H, W], beside it the parts where they are known, and how well it
    fits.
    """
    model, progress = model or open_body(), progress or Progress()
    with progress.stage("look"):
        view = look_at(source, store or Store(), seen)
    with progress.stage("fit"):
        (found,) = fit([view], model, progress=lambda part: progress.advance("fit", part))
    picture = overlay(view, found, model)
    if view.parts is not None:
        picture = torch.cat([picture, shown(view.image, view.parts)], dim=2)
    return picture, _shot(view, found)


def look_at(source: Path | str | Source, store: Store, sighting: Sighting | None = None) -> Photo:
    """What one photo tells; `sighting` where networks have looked already."""
    if not isinstance(source, Source):
        source = Source(Path(source))
    given = {"person": source.person, "mask": source.mask, "keypoints": source.keypoints}
    seen = look(source.photo, **given, store=store, seen=sighting)
    own = source.keypoints is not None                                 # then no network need be at hand
    return understood(seen, source.said, shipped_parser(), None if own else store)


def _photo(source: Path | str | Source) -> Path:
    return source.photo if isinstance(source, Source) else Path(source)


def _shot(photo: Photo, found: Fit) -> Shot:
    """A fit in the frame of the whole photo."""
    x, y, scale = photo.window
    whole = tuple(round(side / scale) for side in found.camera.size)
    body = found.body
    return Shot(
        pose=body.pose[0],
        expression=body.expression[0],
        translation=body.translation[0],
        camera=found.camera.resized(whole).cropped(-x, -y, photo.source_size),
        reprojection=found.reprojection,
        mask_iou=found.mask_iou,
        unseen=found.unseen,
        notes=photo.notes,
    )
