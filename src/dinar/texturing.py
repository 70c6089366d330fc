"""A photo on the surface, and textures that bring the drawing to the photos (algorithm 1, section 3.5, appendix B)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

import torch
from torch import Tensor

from dinar import presets
from dinar.avatar import Avatar
from dinar.body.layers import vertices_of
from dinar.body.model import Body, BodyModel
from dinar.body.uv import UVLayout
from dinar.camera import Camera
from dinar.fit.fit import Fit
from dinar.parts import BodyPart
from dinar.perceptual.lpips import LPIPS
from dinar.photo.photo import Photo
from dinar.texture import generated_tuning, refinement, residuals
from dinar.texture.drawing import Rendering
from dinar.texture.filling import Filler, continued
from dinar.texture.layered import on_layers, whole_side
from dinar.texture.neural_texture import NeuralTexture
from dinar.texture.occlusion import occlusion_band
from dinar.texture.part_colours import Places, foreign
from dinar.texture.refinement import Draw, Target
from dinar.texture.residuals import Sight
from dinar.texture.sampling import sample_photo

TEXTURE_SIZE = 512   # texels a side of the colours


def texture_of(
    photo: Photo,
    found: Fit,
    model: BodyModel,
    layout: UVLayout,
    generated: Tensor | None = None,       # [1, 16, S, S] its generated channels (`Appearance.generated`)
    *,
    without: Tensor | None = None,         # [1, 1, H, W] 1 where it is not to be sampled (`doubtful_in`)
    size: int | None = None,               # texels a side; default: `side_of`
) -> NeuralTexture:
    """What one photo shows of the body's surface (algorithm 1, section 3.5), on the model's device."""
    device = model.template.device
    camera = found.camera.to(device)
    image, mask = pictures(photo, device)
    with torch.no_grad():
        vertices = model(found.body.to(device)).vertices
    seen = vertices, model.faces, layout, camera, size or side_of(model)
    texture = sample_photo(image, mask, *seen, without=without)
    if generated is not None and model.layers:
        generated = on_layers(generated, model, layout)
    return replace(texture, generated=generated)


def headwear_in(
    photos: Sequence[Photo], fits: Sequence[Fit], model: BodyModel, layout: UVLayout, size: int | None = None
) -> Tensor | None:
    """Share of headwear in each texel that photos show, float32 [1, 1, S, S]; None where they show none, or the body
    wears no hair that could be a hat.

    size  texels a side; default: `side_of`
    """
    found = None
    for photo, fitted in zip(photos, fits, strict=True):
        if "hair" not in model.layers or photo.parts is None or not bool((photo.parts == BodyPart.HEADWEAR).any()):
            continue
        worn = (photo.parts == BodyPart.HEADWEAR).float().expand(3, -1, -1)
        shown = texture_of(replace(photo, image=worn), fitted, model, layout, size=size).rgb[:, :1]
        found = shown if found is None else torch.maximum(found, shown)
    return found


def side_of(model: BodyModel) -> int:
    """Texels a side of a model's textures."""
    return whole_side(TEXTURE_SIZE) if model.layers else TEXTURE_SIZE


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


def doubtful_in(
    body: Body, camera: Camera, model: BodyModel, layout: UVLayout, foreign: Tensor | None = None
) -> Tensor:
    """Pixels that are not to be sampled: beside limbs that hide another part (section 3.5), and those of another part
    than the body has there (`foreign_in`). Where these are known they tell hair from what it hangs before.

    Returns [1, 1, H, W] in {0, 1}.
    """
    with torch.no_grad():
        vertices = model(body.to(model.template.device)).vertices
    seen = vertices, model.faces, layout.part_colours, camera.to(vertices.device)
    if foreign is None:
        return occlusion_band(*seen)
    hair = torch.zeros(len(model.layer), dtype=torch.bool, device=vertices.device)
    if "hair" in model.layers:
        hair[vertices_of(model, "hair")] = True
    return torch.maximum(occlusion_band(*seen, told=hair), foreign)


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
    """A photo [3, H, W] with its mask [1, H, W] as texels see it; `part` is what it shows of them and `without` what
    was not sampled (`texture_of`).
    """
    model, device = filler.model, filler.mirror.device
    with torch.no_grad():
        vertices = model(body.to(device)).vertices
    seen = image.to(device), mask.to(device), vertices, model.faces, camera.to(device)
    return Sight.of(*seen, filler.texels, part.frontality, without)


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
            how,
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


def pictures(photo: Photo, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """A photo [1, 3, H, W] and its mask [1, 1, H, W] on a device."""
    return photo.image[None].to(device), photo.mask[None].to(device)
