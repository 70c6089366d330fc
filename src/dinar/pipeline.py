"""From photos to an avatar: the one place that knows the order of the steps."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from dinar import presets
from dinar.avatar import Avatar, RendererName, Shot, open_body
from dinar.body.model import BodyModel
from dinar.body.uv import UVLayout, load_layout, mirror_map, texel_map
from dinar.camera import Camera
from dinar.errors import InputError
from dinar.fit.fit import Fit, fit
from dinar.fit.overlay import overlay
from dinar.networks.appearance import Appearance, shipped
from dinar.perceptual.lpips import LPIPS, load_lpips
from dinar.photo.photo import Photo, look
from dinar.progress import Progress
from dinar.store import Store
from dinar.texture import refinement
from dinar.texture.drawing import Rendering
from dinar.texture.filling import fill, guide_of
from dinar.texture.merging import merge
from dinar.texture.neural_texture import NeuralTexture
from dinar.texture.occlusion import occlusion_band
from dinar.texture.refinement import Target
from dinar.texture.sampling import sample_photo

TEXTURE_SIZE = 512   # texels a side of the colours


@dataclass(frozen=True)
class Source:
    """A photo, and what its owner says about it (see `photo.photo.look`)."""

    photo: Path
    person: int | None = None
    mask: Path | None = None
    keypoints: Path | None = None


def create(
    photos: Sequence[Path | str | Source],
    *,
    renderer: RendererName = "neural",     # "texture": no networks, the plain renderer
    refine: bool = True,                   # tune the colours until the drawing looks like the photos (appendix B)
    seed: int = 0,
    model: BodyModel | None = None,        # default: the open body
    appearance: Appearance | None = None,  # default: the weights that ship
    store: Store | None = None,            # where the networks that look at photos come from
    device: torch.device | str = "cpu",    # where textures are made
    progress: Progress | None = None,
) -> Avatar:
    """One avatar from one or more photos of the same person (sections 3.2 and 3.4).

    Raises InputError where a photo cannot be used or a network is not to be had.
    """
    if not photos:
        raise InputError("an avatar needs at least one photo")
    model, store, progress = model or open_body(), store or Store(), progress or Progress()
    layout = load_layout("front", model)
    with progress.stage("look"):
        views = [look_at(source, store) for source in photos]                           # mask, landmarks
        metric = load_lpips("alex", store) if refine else None        # before the long work: may not be to be had
        neural = (appearance or shipped()).to(device) if renderer == "neural" else None
    with progress.stage("fit"):
        fits = fit(views, model, progress=lambda part: progress.advance("fit", part))   # one shape, a pose for each
    with progress.stage("texture"):
        there, wear = copy.deepcopy(model).to(device), layout.to(device)
        parts = [texture_of(v, f, there, wear, appearance=neural) for v, f in zip(views, fits, strict=True)]
        texture = merge(parts)                                                          # eqs 2 and 5
    with progress.stage("fill"):
        painted = paint(texture, there, wear)
    avatar = Avatar(texture, painted, fits[0].body.shape[0].to(device), there, wear)
    if neural is not None:
        avatar = replace(avatar, weights=neural.name, renderer=neural.renderer)
    if metric is not None:
        with progress.stage("refine"):
            told = partial(progress.advance, "refine")
            avatar = refined(avatar, views, fits, parts, metric.to(device), seed=seed, progress=told)
    shots = tuple(_shot(v, f) for v, f in zip(views, fits, strict=True))
    return replace(avatar, shots=shots).to("cpu")


def overlay_of(
    source: Path | str | Source,
    *,
    model: BodyModel | None = None,
    store: Store | None = None,
    progress: Progress | None = None,
) -> tuple[Tensor, Shot]:
    """The fitted body drawn over the photo's crop [3, H, W], and how well it fits."""
    model, progress = model or open_body(), progress or Progress()
    with progress.stage("look"):
        view = look_at(source, store or Store())
    with progress.stage("fit"):
        (found,) = fit([view], model, progress=lambda part: progress.advance("fit", part))
    return overlay(view, found, model), _shot(view, found)


def look_at(source: Path | str | Source, store: Store) -> Photo:
    """What one photo tells."""
    if not isinstance(source, Source):
        source = Source(Path(source))
    return look(source.photo, person=source.person, mask=source.mask, keypoints=source.keypoints, store=store)


def texture_of(
    photo: Photo,
    found: Fit,
    model: BodyModel,
    layout: UVLayout,
    *,
    appearance: Appearance | None = None,  # makes the generated channels
    size: int = TEXTURE_SIZE,
) -> NeuralTexture:
    """What one photo shows of the body's surface (algorithm 1, section 3.5), on the model's device."""
    device = model.template.device
    camera = found.camera.to(device)
    image, mask = photo.image[None].to(device), photo.mask[None].to(device)
    with torch.no_grad():
        vertices = model(found.body.to(device)).vertices
    sure = mask * (1 - occlusion_band(vertices, model.faces, layout.part_colours, camera))
    texture = sample_photo(image, sure, vertices, model.faces, layout, camera, size)
    return texture if appearance is None else replace(texture, generated=appearance.generated(image, mask))


def paint(texture: NeuralTexture, model: BodyModel, layout: UVLayout) -> Tensor:
    """Colours without holes [3, R, R]: unseen texels take the mirrored side or their surroundings."""
    mirror = mirror_map(layout, model.faces, texel_map(layout, texture.rgb.shape[-1]))
    return fill(texture, model.faces, layout, mirror=mirror, guide=guide_of(model))[0]


def refined(
    avatar: Avatar,
    photos: Sequence[Photo],
    fits: Sequence[Fit],
    parts: Sequence[NeuralTexture],        # what each photo shows (`texture_of`)
    metric: LPIPS,
    *,
    seed: int = 0,
    progress: Callable[[float], None] = lambda _: None,
) -> Avatar:
    """The avatar with colours that make its drawing look like the photos (appendix B)."""
    model, layout, device = avatar.model, avatar.layout, avatar.shape.device
    targets = []
    for photo, found, part in zip(photos, fits, parts, strict=True):
        with torch.no_grad():
            vertices = model(found.body.to(device)).vertices
        image, mask = photo.image.to(device), photo.mask.to(device)
        targets.append(Target(image, mask, vertices, found.camera.to(device), part.frontality))

    def drawn(texture: NeuralTexture, painted: Tensor, vertices: Tensor, camera: Camera) -> Rendering:
        return replace(avatar, texture=texture).drawn(painted, vertices, camera)

    how = asdict(presets.SMALL.refinement)
    texture = refinement.refine(
        avatar.texture, avatar.painted[None], targets, drawn, metric, seed=seed, progress=progress, **how
    )
    return replace(avatar, texture=texture, painted=paint(texture, model, layout))


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
    )
