"""From photos to an avatar: the one place that knows the order of the steps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from dinar import images, presets
from dinar.avatar import Avatar, RendererName, Shot, open_body
from dinar.body.layers import bare, tucked, wearing
from dinar.body.model import Body, BodyModel
from dinar.body.uv import UVLayout, load_layout, texel_map
from dinar.camera import Camera
from dinar.errors import InputError
from dinar.fit import outline, skirt
from dinar.fit.fit import Fit, fit
from dinar.fit.overlay import overlay
from dinar.inpainting import inpainter as inpainting
from dinar.inpainting.colours import Look, match_colours, shaded
from dinar.inpainting.diffusion import Sampler
from dinar.inpainting.inpainter import Inpainter
from dinar.networks.appearance import Appearance, shipped
from dinar.networks.parser import shipped as shipped_parser
from dinar.networks.pretrained import moved
from dinar.parallel import beside
from dinar.perceptual.lpips import LPIPS, load_lpips
from dinar.photo.parsing import shown
from dinar.photo.photo import Photo, look
from dinar.photo.sameness import strangers
from dinar.photo.understanding import Said, understood
from dinar.progress import Progress
from dinar.store import Store
from dinar.texture import generated_tuning, refinement, residuals
from dinar.texture.drawing import Rendering
from dinar.texture.filling import Filler, continued
from dinar.texture.islands import Islands, part_texels
from dinar.texture.layered import each, front_of, front_part, on_layers, whole_side, with_front
from dinar.texture.merging import merge, seen_part
from dinar.texture.neural_texture import NeuralTexture
from dinar.texture.occlusion import occlusion_band
from dinar.texture.part_colours import Places, foreign
from dinar.texture.refinement import Draw, Target
from dinar.texture.residuals import Sight
from dinar.texture.sampling import sample_photo
from dinar.texture.warming import warm_up

RefineName = Literal["residuals", "paper", "none"]
TEXTURE_SIZE = 512   # texels a side of the colours
MATCHED = 256        # pixels of a photo's larger side when the painting's colours are compared with it (eq. 7)


@dataclass(frozen=True)
class Source:
    """A photo, and what its owner says about it (see `photo.photo.look` and `photo.understanding.understood`)."""

    photo: Path
    person: int | None = None
    mask: Path | None = None
    keypoints: Path | None = None
    said: Said = Said()    # noqa: RUF009 (frozen)


@dataclass(frozen=True)
class _Seen:
    """A photo as `outline.fit` looks at it."""

    mask: Tensor
    body: Body
    camera: Camera


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
        neural = (appearance or shipped()).to(device) if renderer == "neural" else None
        painter = _painter(neural, inpainter) if inpaint else None
        drawer = None if neural is None else moved(neural.renderer, "cpu")              # of the preview, in the end
        with beside(partial(warm_up, model, layout, drawer)):
            views = [look_at(source, store) for source in photos]                       # mask, landmarks
        if not one and (found := strangers(views)) is not None:
            first, second = (str(_photo(photos[k])) for k in found)
            raise InputError(
                f"{first} and {second} show other clothes, so perhaps two people; --each makes an avatar of each "
                "photo, --same makes one of them all"
            )
        metric = load_lpips("alex", store) if refine == "paper" else None   # before the long work: may not be to be had
    if painter is None and len(seeds) > 1:
        raise InputError("several backs take weights of the inpainting, and there are none for these avatars")
    wear = layout.to(device)

    def others(bare_body: BodyModel, skin: UVLayout) -> tuple[list[Tensor | None], Places | None]:
        """What needs no body is made beside the body's fit, which keeps one core busy."""
        texel_map(skin, TEXTURE_SIZE)
        if painter is not None:
            painter()
        places = None if all(view.parts is None for view in views) else Places.on(bare_body)
        return [None if neural is None else neural.generated(*_pictures(view, device)) for view in views], places

    with beside(partial(others, model, wear)) as made:     # as they are now: dressing gives both names to others
        with progress.stage("fit"):
            fits = fit(views, model, progress=lambda part: progress.advance("fit", part))   # one shape, poses
        with progress.stage("dress"):
            model = dressed(model, views, fits, layers=layers)                              # clothes, hair
    if model.layers:
        layout = load_layout("clothed", model)
        wear = layout.to(device)
    with progress.stage("texture"):
        there = moved(model, device)
        generated, places = made.result()
        strays = [
            foreign_in(v.image, v.parts, f.body, f.camera, there, places) for v, f in zip(views, fits, strict=True)
        ]
        parts = [
            texture_of(v, f, there, wear, g, without=stray)
            for v, f, g, stray in zip(views, fits, generated, strays, strict=True)
        ]
        texture = merge(parts)                                                              # eqs 2 and 5
    with progress.stage("fill"):
        filler = Filler.of(there, wear, texture.rgb.shape[-1])
        painted = filler(texture)[0]
    avatar = Avatar(texture, painted, fits[0].body.shape[0].to(device), there, wear)
    if neural is not None:
        avatar = replace(avatar, weights=neural.name, renderer=neural.renderer)
    sights: list[Sight] = []
    if refine != "none":
        with progress.stage("refine"):
            told = partial(progress.advance, "refine")
            if metric is not None:
                avatar = tuned(avatar, views, fits, parts, metric.to(device), filler, seed=seeds[0], progress=told)
            else:
                sights = [
                    sight_of(filler, part, v.image, v.mask, f.body, f.camera, without=stray)
                    for v, f, part, stray in zip(views, fits, parts, strays, strict=True)
                ]
                avatar = refined(avatar, sights, filler, seed=seeds[0], progress=told)
    avatars = [avatar] * len(seeds)
    if painter is not None:
        with progress.stage("inpaint"):
            networks = painter().to(device)
            looks = [look_of(avatar, v.image, v.mask, f.body, f.camera) for v, f in zip(views, fits, strict=True)]
            for done, seed in enumerate(seeds):
                progress.advance("inpaint", done / len(seeds))
                avatars[done] = inpainted(avatar, networks, filler, before=(texture, painted), looks=looks, seed=seed)
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


def inpainted(
    avatar: Avatar,
    inpainter: Inpainter,                  # on the avatar's device
    filler: Filler | None = None,          # of the avatar's body, layout and size; default: it is made
    *,
    before: tuple[NeuralTexture, Tensor] | None = None,   # texture and painted before refinement; default: filled anew
    looks: Sequence[Look] = (),            # photos that say what the painted colours should be (eq. 7)
    parts: Collection[str] = (),           # of the body (`body.uv.PARTS`), to be painted anew; others stay as they are
    seed: int = 0,
    sampler: Sampler = Sampler(),          # noqa: B008 (frozen)
) -> Avatar:
    """The avatar with what no photo shows painted by diffusion (section 3.4); what was painted is painted anew.

    Raises InputError for a part that the body does not have, or an avatar of other weights.
    """
    inpainting.check(inpainter, avatar.weights)
    if avatar.model.layers:
        options = {"before": before, "looks": looks, "parts": parts, "seed": seed, "sampler": sampler}
        return _inpainted_under_layers(avatar, inpainter, **options)
    texture, layout = avatar.texture, avatar.layout
    size, side = texture.rgb.shape[-1], texture.generated.shape[-1]
    filler = filler or Filler.of(avatar.model, layout, size)
    if parts:
        texture = inpainting.cleared(texture, part_texels(layout, avatar.model, parts, size))
    else:
        texture = seen_part(texture)
    known, painted = before or (texture, filler(seen_part(texture))[0])
    painted = painted[None]
    if parts:                                        # what stays of the painting is known as well
        painted = torch.where((texture.filled > 0) & (texture.frontality == 0), texture.rgb, painted)
    plain = avatar.painted[None] if before else painted
    found = inpainting.inpaint(
        inpainter,
        known,
        painted,
        Islands.of(layout, side),
        seed=seed,
        sampler=sampler,
        match=lambda proposal: shaded(match_colours(proposal, texture, looks), plain, 1 - filler.head),
        tuned=(texture, plain),
    )
    return replace(avatar, texture=found.texture, painted=found.painted[0])


def _inpainted_under_layers(
    avatar: Avatar,
    inpainter: Inpainter,
    *,
    before: tuple[NeuralTexture, Tensor] | None,
    looks: Sequence[Look],
    **options: Any,
) -> Avatar:
    """`inpainted` of a person with layers: networks see the body's islands alone, layers stay filled plainly."""

    def whole(texture: NeuralTexture) -> NeuralTexture:
        return each(avatar.texture, lambda name, values: with_front(values, getattr(texture, name)))

    def below(look: Look) -> Look:
        return replace(look, draw=lambda texture: look.draw(whole(texture)))

    body = bare(avatar.model)
    inner = replace(
        avatar, model=body, layout=load_layout("front", body), texture=front_of(avatar.texture),
        painted=front_part(avatar.painted),
    )  # fmt: skip
    found = inpainted(
        inner, inpainter, before=before and (front_of(before[0]), front_part(before[1])),
        looks=[below(look) for look in looks], **options,
    )  # fmt: skip
    texture, painted = whole(found.texture), with_front(avatar.painted, found.painted)
    ones, seen = torch.ones_like(texture.filled), texture.filled > 0
    rgb = torch.where(seen, texture.rgb, painted[None])
    texture = replace(texture, rgb=rgb, sampled=torch.where(seen, texture.sampled, ones), filled=ones)
    return replace(avatar, texture=texture, painted=painted)


def look_of(avatar: Avatar, image: Tensor, mask: Tensor, body: Body, camera: Camera) -> Look:
    """What eq. 7 compares: a photo [3, H, W] with its mask [1, H, W], and how the avatar's renderer draws it, small."""
    device, (height, width) = avatar.shape.device, image.shape[1:]
    scale = min(1.0, MATCHED / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    both = images.resize(torch.cat([image, mask]).to(device), size)[None].clamp(0, 1)
    with torch.no_grad():
        vertices = avatar.model(body.to(device)).vertices
    camera = camera.to(device).resized(size)

    def drawn(texture: NeuralTexture) -> Tensor:
        return replace(avatar, texture=texture).drawn(texture.rgb, vertices, camera).rgb

    return Look(drawn, both[:, :3], both[:, 3:])


def overlay_of(
    source: Path | str | Source,
    *,
    model: BodyModel | None = None,
    store: Store | None = None,
    progress: Progress | None = None,
) -> tuple[Tensor, Shot]:
    """The fitted body drawn over the photo's crop [3, H, W], beside it the parts where they are known, and how well it
    fits.
    """
    model, progress = model or open_body(), progress or Progress()
    with progress.stage("look"):
        view = look_at(source, store or Store())
    with progress.stage("fit"):
        (found,) = fit([view], model, progress=lambda part: progress.advance("fit", part))
    picture = overlay(view, found, model)
    if view.parts is not None:
        picture = torch.cat([picture, shown(view.image, view.parts)], dim=2)
    return picture, _shot(view, found)


def look_at(source: Path | str | Source, store: Store) -> Photo:
    """What one photo tells."""
    if not isinstance(source, Source):
        source = Source(Path(source))
    seen = look(source.photo, person=source.person, mask=source.mask, keypoints=source.keypoints, store=store)
    own = source.keypoints is not None                                 # then no network need be at hand
    return understood(seen, source.said, shipped_parser(), None if own else store)


def _photo(source: Path | str | Source) -> Path:
    return source.photo if isinstance(source, Source) else Path(source)


def dressed(model: BodyModel, photos: Sequence[Photo], fits: Sequence[Fit], *, layers: bool = True) -> BodyModel:
    """The body with the outlines of clothes and hair that the photos' masks show; a skirt is a layer of its own."""
    if layers:
        model = wearing(model, worn_layers(model, photos, fits))
    seen = [_Seen(photo.mask, found.body, found.camera) for photo, found in zip(photos, fits, strict=True)]
    shape = fits[0].body.shape[0]
    return tucked(model.moved(outline.fit(model, shape, seen)), shape)


def worn_layers(model: BodyModel, photos: Sequence[Photo], fits: Sequence[Fit]) -> dict[str, Tensor]:
    """Coefficients of the layers (`body.layers`) that photos with known parts show."""
    if model.name != "open":
        return {}
    looks = [
        skirt.Look(photo.parts, found.body, found.camera)
        for photo, found in zip(photos, fits, strict=True)
        if photo.parts is not None
    ]
    found = skirt.fit(model, looks) if looks else None
    return {"skirt": found.coefficients} if found is not None and found.worn else {}


def texture_of(
    photo: Photo,
    found: Fit,
    model: BodyModel,
    layout: UVLayout,
    generated: Tensor | None = None,       # [1, 16, S, S] its generated channels (`Appearance.generated`)
    *,
    without: Tensor | None = None,         # [1, 1, H, W] 1 where it shows something else (`foreign_in`)
    size: int | None = None,               # texels a side; default: TEXTURE_SIZE where there are no layers
) -> NeuralTexture:
    """What one photo shows of the body's surface (algorithm 1, section 3.5), on the model's device."""
    device = model.template.device
    camera = found.camera.to(device)
    image, mask = _pictures(photo, device)
    with torch.no_grad():
        vertices = model(found.body.to(device)).vertices
    sure = mask * (1 - occlusion_band(vertices, model.faces, layout.part_colours, camera))
    sure = sure if without is None else sure * (1 - without)
    if size is None:
        size = whole_side(TEXTURE_SIZE) if model.layers else TEXTURE_SIZE
    texture = sample_photo(image, sure, vertices, model.faces, layout, camera, size)
    if generated is not None and model.layers:
        generated = on_layers(generated, model, layout)
    return replace(texture, generated=generated)


def foreign_in(
    image: Tensor, parts: Tensor | None, body: Body, camera: Camera, model: BodyModel, places: Places | None = None
) -> Tensor | None:
    """Pixels that show another part than the body has there, [1, 1, H, W] in {0, 1}; None where no parts are known.

    image   float32 [3, H, W], the photo, in [0, 1]
    parts   uint8 [H, W], `parts.BodyPart`
    places  of the model without its layers, made where they are not given
    """
    if parts is None:
        return None
    with torch.no_grad():
        vertices = model(body.to(model.template.device)).vertices
    places = (places or Places.on(model)).with_layers(model)
    return foreign(image, parts, vertices, model.faces, places, camera.to(vertices.device))


def _pictures(photo: Photo, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """A photo [1, 3, H, W] and its mask [1, 1, H, W] on a device."""
    return photo.image[None].to(device), photo.mask[None].to(device)


def sight_of(
    filler: Filler,
    part: NeuralTexture,
    image: Tensor,
    mask: Tensor,
    body: Body,
    camera: Camera,
    *,
    without: Tensor | None = None,
) -> Sight:
    """A photo [3, H, W] with its mask [1, H, W] as texels see it; `part` is what it shows of them (`texture_of`), and
    `without` as there.
    """
    model, device = filler.model, filler.mirror.device
    with torch.no_grad():
        vertices = model(body.to(device)).vertices
    seen = image.to(device), mask.to(device), vertices, model.faces, camera.to(device)
    return Sight.of(*seen, filler.layout.part_colours, filler.texels, part.frontality, without)


def refined(
    avatar: Avatar,
    sights: Sequence[Sight],
    filler: Filler,                        # of the avatar's body, layout and size
    *,
    seed: int = 0,
    progress: Callable[[float], None] = lambda _: None,
) -> Avatar:
    """The avatar with colours, and generated channels where it has them, that bring its drawing to the photos.

    What changes at the edge of what is seen goes on beyond it. Once the unseen side is painted it is to be `settled`.
    """
    how = presets.SMALL.residuals
    found = settled(avatar, sights, filler, how.passes)
    texture = found.texture
    if found.renderer is not None:
        texture = generated_tuning.tune(
            found.renderer,
            texture,
            found.painted[None],
            sights,
            found.model.faces,
            found.layout,
            steps=how.steps,
            learning_rate=how.learning_rate,
            betas=how.betas,
            window=how.window,
            seed=seed,
            progress=progress,
        )
    return _carried(avatar, texture, filler)


def settled(avatar: Avatar, sights: Sequence[Sight], filler: Filler, passes: int) -> Avatar:
    """The avatar after so many passes of adding what is left of the photos to its colours (`texture.residuals`)."""
    texture, painted = residuals.settle(
        avatar.texture, avatar.painted[None], sights, _draw(avatar), passes=passes, head=filler.head
    )
    return replace(avatar, texture=texture, painted=painted[0])


def tuned(
    avatar: Avatar,
    photos: Sequence[Photo],
    fits: Sequence[Fit],
    parts: Sequence[NeuralTexture],        # what each photo shows (`texture_of`)
    metric: LPIPS,
    filler: Filler,                        # of the avatar's body, layout and size
    *,
    seed: int = 0,
    progress: Callable[[float], None] = lambda _: None,
) -> Avatar:
    """The avatar with colours that make its drawing look like the photos, by gradients as in appendix B."""
    device = avatar.shape.device
    targets = []
    for photo, found, part in zip(photos, fits, parts, strict=True):
        with torch.no_grad():
            vertices = avatar.model(found.body.to(device)).vertices
        image, mask = photo.image.to(device), photo.mask.to(device)
        targets.append(Target(image, mask, vertices, found.camera.to(device), part.frontality))
    how = asdict(presets.SMALL.refinement)
    texture = refinement.refine(
        avatar.texture, avatar.painted[None], targets, _draw(avatar), metric, seed=seed, progress=progress, **how
    )
    return _carried(avatar, texture, filler)


def _draw(avatar: Avatar) -> Draw:
    """Draws textures as the avatar is drawn."""

    def drawn(texture: NeuralTexture, painted: Tensor, vertices: Tensor, camera: Camera) -> Rendering:
        return replace(avatar, texture=texture).drawn(painted, vertices, camera)

    return drawn


def _carried(avatar: Avatar, texture: NeuralTexture, filler: Filler) -> Avatar:
    """The avatar with another texture, of which unseen texels take what changes at the edge of what is seen."""
    change = continued(texture.rgb - avatar.texture.rgb, texture.filled, filler.texels.covered)
    painted = torch.where(texture.filled > 0, texture.rgb, (avatar.painted + change).clamp(0, 1))
    return replace(avatar, texture=texture, painted=painted[0])


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
