from __future__ import annotations

import pytest
import torch
from train.sets import write_set
from train.test_fillings import painter
from train.test_slimming import appearance

from dinar.avatar import Avatar
from dinar.body.uv import PARTS, part_weights, texel_map
from dinar.data.dataset import MultiView
from dinar.inpainting.colours import MEAN_SHADES, luminance
from dinar.inpainting.details import BARE, LIGHTER
from dinar.inpainting.inpainter import Inpainter
from dinar.painting import inpainted
from dinar.presets import TINY, build_detailer
from dinar.texture.filling import Filler, face_of, scalp_of
from dinar.texture.islands import part_texels
from dinar.texture.merging import seen_part
from dinar.train.avatars import avatar_of
from dinar.train.lessons import Tailor

ADDED = 0.1


@pytest.fixture(scope="module")
def person(tmp_path_factory) -> tuple[Avatar, Filler]:
    view = MultiView(write_set(tmp_path_factory.mktemp("painted"), people=1, parts=True)).view(0, 0)
    return avatar_of(view, Tailor(TINY.colour_size), appearance())[:2]


@pytest.fixture(scope="module")
def detailed() -> Inpainter:
    """Adds the same to all colours."""
    detailer = build_detailer(TINY).eval()
    torch.nn.init.constant_(detailer.conv_out.bias, ADDED)
    return painter().detailed(detailer)


def test_details_are_added_to_what_is_painted_and_to_nothing_else(person, detailed) -> None:
    avatar, filler = person
    plain, found = (inpainted(avatar, some, filler, seed=1) for some in (painter(), detailed))
    seen = avatar.texture.frontality[0, 0] > 0
    assert torch.equal(found.texture.rgb[0][:, seen], plain.texture.rgb[0][:, seen])
    assert torch.equal(found.painted[:, seen], plain.painted[:, seen])
    assert torch.equal(found.texture.rgb[0][:, ~seen], found.painted[:, ~seen])
    change = found.painted - plain.painted
    room = plain.painted < 1 - ADDED
    texels = texel_map(avatar.layout, seen.shape[-1])
    face = texels.interpolate(face_of(avatar.model)[:, None], avatar.model.faces)[0, 0]
    body = (texels.covered[0, 0] > 0) & ~seen
    assert not change[:, body & (face == 1)].any() and (body & (face == 1)).any()
    told = part_weights(avatar.model)[:, [PARTS.index(part) for part in BARE]].sum(1, keepdim=True)
    free = texels.interpolate(told, avatar.model.faces)[0, 0]
    hands = body & (face == 0) & (free > 0.9)
    assert (change[:, hands] >= 0).all()
    whole = change[:, hands][room[:, hands]]
    assert whole.max() > 0.95 * ADDED and whole.median() > 0.7 * ADDED     # less of it beside what is seen
    clothes = body & (free == 0) & (plain.painted > 0.2).all(0) & (plain.painted < 0.8).all(0)
    had, now = (luminance(some)[0, clothes] for some in (avatar.painted, found.painted))
    added = (found.painted - avatar.painted)[:, clothes][:, now > had]
    assert (added - added[:1]).abs().max() < 1e-4                          # grey
    light = float((now / had).mean())
    assert (now - had).max() <= LIGHTER + 1e-4 and 1 < light < MEAN_SHADES[1] + 0.03      # held, for all that is added


def test_faces_keep_the_hues_that_they_are_filled_with(person) -> None:
    """They are shaded like cloth: hair that other people have there does not grow on cheeks."""
    avatar, filler = person
    found = inpainted(avatar, painter(), filler, seed=1, before=(avatar.texture, avatar.painted))
    texels = texel_map(avatar.layout, found.painted.shape[-1])
    told = torch.stack([face_of(avatar.model), scalp_of(avatar.model)], dim=1)
    unseen = (texels.face >= 0) & (avatar.texture.frontality[0, 0] == 0)
    face, scalp = (texels.interpolate(told, avatar.model.faces)[0] == 1) & unseen
    had, now = (colours / luminance(colours).clamp(min=0.02) for colours in (avatar.painted, found.painted))
    inside = (avatar.painted > 0.05).all(0) & (found.painted < 0.99).all(0)
    differ = (now - had).abs().amax(0)
    assert differ[face & inside].max() < 1e-3 < differ[scalp & inside].max()


def test_of_a_part_alone(person, detailed) -> None:
    avatar, filler = person
    whole = inpainted(avatar, painter(), filler, seed=1)
    found = inpainted(whole, detailed, filler, seed=2, parts=["head"])
    size = whole.painted.shape[-1]
    head = part_texels(avatar.layout, avatar.model, ["head"], size)[0, 0] > 0
    others = ~head & (part_texels(avatar.layout, avatar.model, [], size)[0, 0] == 0)
    assert torch.equal(found.texture.rgb[0][:, others], whole.texture.rgb[0][:, others])
    unseen = head & (whole.texture.frontality[0, 0] == 0)
    assert (found.texture.rgb[0][:, unseen] != whole.texture.rgb[0][:, unseen]).any()


def test_weights_with_details_on_disk(detailed, tmp_path) -> None:
    configs = {part: getattr(TINY, part) for part in ("autoencoder", "denoiser", "detailer")}
    detailed.save(tmp_path / "with", configs)
    found = Inpainter.load(tmp_path / "with")
    assert found.name == detailed.name != painter().name and found.plain == painter().name
    assert (found.detailer.conv_out.bias - ADDED).abs().max() < 1e-3
    bare = found.detailed(None)
    assert bare.name == painter().name and bare.detailer is None and not bare.plain
    bare.save(tmp_path / "without", configs)
    assert Inpainter.load(tmp_path / "without").detailer is None
    assert found.detailed(found.detailer).plain == painter().name


def test_who_wears_layers_is_painted_over_what_is_filled_with_them(person) -> None:
    """As where that is given."""
    avatar, filler = person
    assert avatar.model.layers
    given = inpainted(avatar, painter(), filler, before=(seen_part(avatar.texture), avatar.painted), seed=1)
    assert torch.equal(inpainted(avatar, painter(), filler, seed=1).painted, given.painted)
