"""What no photo shows of an avatar, painted by diffusion (section 3.4)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from dinar import images
from dinar.avatar import Avatar
from dinar.body.layers import bare
from dinar.body.model import Body
from dinar.body.uv import head_texture, load_layout, texel_map
from dinar.camera import Camera
from dinar.inpainting import inpainter as inpainting
from dinar.inpainting.colours import Look, match_colours, shaded
from dinar.inpainting.details import FEATHER, Freedom
from dinar.inpainting.diffusion import Sampler
from dinar.inpainting.inpainter import Inpainter
from dinar.networks.detailer import Detailer
from dinar.texture.filling import Filler
from dinar.texture.islands import Islands, part_texels
from dinar.texture.layered import each, front_of, front_part, whole, with_front
from dinar.texture.merging import seen_part
from dinar.texture.neural_texture import NeuralTexture
from dinar.texture.trust import near

MATCHED = 256        # pixels of a photo's larger side when the painting's colours are compared with it (eq. 7)


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
    change: tuple[Tensor, Tensor] | None = None,          # what was `proposed` for `before`
) -> Avatar:
    """The avatar with what no photo shows painted by diffusion (section 3.4); what was painted is painted anew.

    Raises InputError for a part that the body does not have, or an avatar of other weights.
    """
    inpainting.check(inpainter, avatar.weights)
    if before is None:
        filler = _filler_of(avatar, filler)
    options = {"before": before, "looks": looks, "parts": parts, "seed": seed, "sampler": sampler, "change": change}
    if avatar.model.layers:
        found = _inpainted_under_layers(avatar, inpainter, filler, **options)
    else:
        found = _inpainted(avatar, inpainter, filler, **options)
    if inpainter.detailer is None:
        return found
    plain = _filler_of(avatar, filler)(seen_part(avatar.texture))[0] if before is None else before[1]
    return _detailed(found, inpainter.detailer, plain, _known(avatar, parts))


def _filler_of(avatar: Avatar, filler: Filler | None) -> Filler:
    return filler or Filler.of(avatar.model, avatar.layout, avatar.texture.rgb.shape[-1])


def _known(avatar: Avatar, parts: Collection[str]) -> NeuralTexture:
    """What of an avatar's texture stays as it is: all that a photo shows, and what is not of `parts` if there are any.
    """
    texture = avatar.texture
    if not parts:
        return seen_part(texture)
    return inpainting.cleared(texture, part_texels(avatar.layout, avatar.model, parts, texture.rgb.shape[-1]))


@torch.no_grad()
def _detailed(avatar: Avatar, detailer: Detailer, plain: Tensor, known: NeuralTexture) -> Avatar:
    """A painted avatar with what the detailer adds to its colours beside those that are `known`.

    plain  float32 [3, R, R]  its colours filled without networks
    """
    size = avatar.painted.shape[-1]
    islands = Islands.of(avatar.layout, size)
    change = detailer(*(whole(some, detailer.size)[None] for some in (plain, avatar.painted, known.filled[0])))
    edge = near(known.filled, islands.covered, reach=FEATHER)
    freedom = Freedom.of(avatar.model, avatar.layout, size)
    change = islands.extended(change[..., :size, :size])
    painted = freedom.changed(plain[None], avatar.painted[None], change, edge)[0]
    rgb = torch.where(known.filled > 0, avatar.texture.rgb, painted)
    return replace(avatar, texture=replace(avatar.texture, rgb=rgb), painted=painted)


def _inpainted(
    avatar: Avatar,
    inpainter: Inpainter,
    filler: Filler | None,
    *,
    before: tuple[NeuralTexture, Tensor] | None,
    looks: Sequence[Look],
    parts: Collection[str],
    seed: int,
    sampler: Sampler,
    change: tuple[Tensor, Tensor] | None,
    filled: Tensor | None = None,          # [1, 3, R, R] its colours without holes, where they are known
) -> Avatar:
    """`inpainted` of a person without layers, by autoencoder and denoiser alone."""
    texture, layout = avatar.texture, avatar.layout
    size, side = texture.rgb.shape[-1], texture.generated.shape[-1]
    head = filler.head if filler else head_texture(texel_map(layout, size), avatar.model)
    freedom = Freedom.of(avatar.model, layout, size)
    texture = _known(avatar, parts)
    if before is None:
        known, painted = texture, _filler_of(avatar, filler)(seen_part(texture)) if filled is None else filled
    else:
        known, painted = before[0], before[1][None]
    if parts:                                        # what stays of the painting is known as well
        painted = torch.where((texture.filled > 0) & (texture.frontality == 0), texture.rgb, painted)
    plain = painted if before is None else avatar.painted[None]

    shade = torch.maximum(1 - head, 1 - freedom.amount)       # alone, but for hair: other people's faces stay away

    def toned(proposal: NeuralTexture) -> NeuralTexture:
        return shaded(match_colours(proposal, texture, looks), plain, shade, freedom.held[None])

    found = inpainting.inpaint(
        inpainter,
        known,
        painted,
        Islands.of(layout, side),
        seed=seed,
        sampler=sampler,
        match=toned,
        tuned=(texture, plain),
        change=change,
    )
    return replace(avatar, texture=found.texture, painted=found.painted[0])


@torch.no_grad()
def proposed(
    avatar: Avatar,                        # whose texture and painted colours are those before refinement
    inpainter: Inpainter,                  # on the avatar's device
    seed: int = 0,
    sampler: Sampler = Sampler(),          # noqa: B008 (frozen)
) -> tuple[Tensor, Tensor]:
    """What the networks change of an avatar's texture to paint it, for `inpainted`."""
    texture, painted, layout = avatar.texture, avatar.painted, avatar.layout
    if avatar.model.layers:
        texture, painted, layout = front_of(texture), front_part(painted), load_layout("front", bare(avatar.model))
    islands = Islands.of(layout, texture.generated.shape[-1])
    return inpainting.proposed(inpainter, texture, painted[None], islands, seed=seed, sampler=sampler)


def _inpainted_under_layers(
    avatar: Avatar,
    inpainter: Inpainter,
    filler: Filler | None,
    *,
    before: tuple[NeuralTexture, Tensor] | None,
    looks: Sequence[Look],
    parts: Collection[str],
    **options: Any,
) -> Avatar:
    """`inpainted` of a person with layers: networks see the body's islands alone, layers stay filled plainly."""

    def around(texture: NeuralTexture) -> NeuralTexture:
        return each(avatar.texture, lambda name, values: with_front(values, getattr(texture, name)))

    def below(look: Look) -> Look:
        return replace(look, draw=lambda texture: look.draw(around(texture)))

    body = bare(avatar.model)
    inner = replace(
        avatar, model=body, layout=load_layout("front", body), texture=front_of(avatar.texture),
        painted=front_part(avatar.painted),
    )  # fmt: skip
    filled = None
    if before is None:
        filled = front_part(_filler_of(avatar, filler)(seen_part(_known(avatar, parts))))
    found = _inpainted(
        inner, inpainter, None, before=before and (front_of(before[0]), front_part(before[1])),
        looks=[below(look) for look in looks], parts=parts, filled=filled, **options,
    )  # fmt: skip
    texture, painted = around(found.texture), with_front(avatar.painted, found.painted)
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
