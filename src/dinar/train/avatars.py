"""Avatars of people who are learnt from, as `dinar create` makes them but for refinement."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from dinar.avatar import Avatar
from dinar.body.uv import load_layout
from dinar.dressing import dressed
from dinar.networks.appearance import Appearance
from dinar.networks.parser import HumanParser
from dinar.photo.parsing import parse
from dinar.synth.view import View
from dinar.texture.filling import Filler
from dinar.texture.layered import whole_side
from dinar.texturing import doubtful_in, foreign_in, texture_of
from dinar.train.lessons import Tailor


def avatar_of(
    photo: View,
    tailor: Tailor,
    appearance: Appearance,
    parser: HumanParser | None = None,     # None: parts are those that the shards tell
) -> tuple[Avatar, Filler, Tensor]:
    """What a view shows, clothes and hair on the body, filled plainly; what filled it; and [1, 1, H, W] 1 where the
    view was not sampled.
    """
    parts = photo.parts if parser is None else parse(parser.network, photo.image, photo.mask)
    photo = replace(photo, parts=parts)
    model = dressed(tailor.model, [photo], [photo])
    layout = load_layout("clothed", model) if model.layers else tailor.layout
    side = whole_side(tailor.size) if model.layers else tailor.size
    generated = appearance.generated(photo.image[None], photo.mask[None])
    stray = foreign_in(photo.image, photo.parts, photo.body, photo.camera, model)
    out = doubtful_in(photo.body, photo.camera, model, layout, stray)
    texture = texture_of(photo, photo, model, layout, generated, without=out, size=side)
    filler = Filler.of(model, layout, side)
    avatar = Avatar(texture, filler(texture)[0], photo.body.shape[0], model, layout, appearance.name)
    return avatar, filler, out
