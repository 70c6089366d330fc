"""What rows make of a view is what `create` makes of a photo: parts, layers and all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dinar import pipeline, presets
from dinar.avatar import open_body
from dinar.body.layers import wearing
from dinar.camera import framing
from dinar.evaluate import rows
from dinar.evaluate.parts import strayed
from dinar.evaluate.rows import FOREIGN, LAYERS, Material
from dinar.fit.fit import Fit
from dinar.inpainting.inpainter import Inpainter
from dinar.networks.appearance import Appearance
from dinar.networks.parser import HumanParser, Parser
from dinar.parts import BodyPart
from dinar.photo import parsing, understanding
from dinar.photo.landmarks import Landmarks
from dinar.photo.photo import Photo
from dinar.raster.rasterize import rasterize
from dinar.synth.view import View
from dinar.texturing import TEXTURE_SIZE

SIDE = 256
NOBODY = Landmarks((), torch.zeros(0, 2), torch.zeros(0), torch.zeros(0, 3))
SKIRT = torch.tensor([-1.0, 0.0, 0.0, 1.0, 0.6, 0.6])
COLOURS = {BodyPart.SKIN: (0.8, 0.6, 0.5), BodyPart.UPPER: (0.7, 0.1, 0.1), BodyPart.DRESS: (0.1, 0.2, 0.6)}
PARSER = HumanParser("known", Parser(scale=0.25))


@pytest.fixture
def view(monkeypatch: pytest.MonkeyPatch) -> View:
    """Somebody in a red shirt and a blue skirt of noisy cloth, a patch of which lies on the chest; the parser sees it
    all.
    """
    model = open_body()
    worn = wearing(model, {"skirt": SKIRT})
    body = model.neutral()
    vertices = worn(body).vertices
    camera = framing(vertices[0], 0.0, 0.0, (SIDE, SIDE))
    face = rasterize(camera.project(vertices), worn.faces, (SIDE, SIDE)).face[0].long()
    height = vertices[0, worn.faces[face.clamp(min=0)]].mean(2)[..., 1]
    trunk = (height > 0.05) & (height < 0.45)
    parts = torch.where(trunk, BodyPart.UPPER, BodyPart.SKIN)
    parts[worn.layer[worn.faces[face.clamp(min=0), 0]] > 0] = BodyPart.DRESS
    parts[face < 0] = BodyPart.BACKGROUND
    image = torch.full((3, SIDE, SIDE), 0.9)
    for part, colour in COLOURS.items():
        image[:, parts == part] = torch.tensor(colour)[:, None]
    image = (image + 0.02 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    parts = parts.to(torch.uint8)
    for module in (parsing, understanding.parsing):
        monkeypatch.setattr(module, "parse", lambda *_: parts)
    return View(image, (face >= 0).float()[None], camera, body)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets, "SMALL", presets.TINY)


def test_a_skirt_is_worn_where_it_is_seen(view: View) -> None:
    material = Material(view, open_body(), parser=PARSER, size=128)
    assert list(material.model.layers) == ["skirt"] and material.layout.name == "clothed"
    assert material.texture.rgb.shape[-1] == material.painted.shape[-1] == 160
    for off in (replace(material, without=LAYERS), replace(material, parser=None), replace(material, dressed=False)):
        assert not off.model.layers and off.layout.name == "front" and off.painted.shape[-1] == 128
    known = {row.name: row for row in rows.ROWS}
    drawn = {
        name: known[name].make(material)(view.body, view.camera)
        for name in ("texture", "texture-front", "texture-anny", "texture-body", "mirrored-front", "telea")
    }
    skirt = (material.known.parts == BodyPart.DRESS)[None, None]
    shown = {name: float(one.mask[skirt].mean()) for name, one in drawn.items()}
    assert min(shown[name] for name in ("texture", "mirrored-front", "telea")) > 0.95
    assert max(shown[name] for name in ("texture-front", "texture-anny", "texture-body")) < shown["texture"] - 0.01
    true = replace(view, parts=torch.full((SIDE, SIDE), int(BodyPart.DRESS), dtype=torch.uint8))
    assert Material(true, open_body(), size=128).known.parts is None            # a set's labels are not for rows


def test_pixels_of_another_part_are_not_sampled(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    there = torch.zeros(1, 1, SIDE, SIDE)
    there[..., 90:130, 100:150] = 1
    monkeypatch.setattr(rows.texturing, "foreign_in", lambda *_: there)
    material = Material(view, open_body(), parser=PARSER, size=128)
    without = replace(material, without=frozenset({FOREIGN}))
    assert without.foreign is None and material.foreign is there
    assert material.texture.sampled.sum() < 0.98 * without.texture.sampled.sum()
    assert float(material.sights[0].weight.sum()) < float(without.sights[0].weight.sum())


def test_what_is_of_no_use_is_not_made_twice(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[frozenset[str]] = []
    monkeypatch.setattr(Material, "whole", property(lambda self: made.append(self.without)))
    known = {row.name: row for row in rows.ROWS}
    material = Material(view, open_body(), parser=PARSER, size=128)
    for name in ("without-layers", "without-foreign"):
        known[name].make(material)
    foreign = material.foreign is not None and bool(material.foreign.any())
    assert made == [LAYERS, frozenset({FOREIGN}) if foreign else frozenset()]
    known["without-layers"].make(replace(material, parser=None))
    assert made[2] == frozenset()


@pytest.mark.usefixtures("small")
def test_the_whole_system_is_what_create_makes(
    view: View, appearance: Appearance, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    painters = presets.build_autoencoder(presets.TINY).eval(), presets.build_denoiser(presets.TINY).eval()
    inpainter = Inpainter.named("tiny", appearance.name, *painters)
    photo = Photo(view.image, view.mask, NOBODY, None, (SIDE, SIDE), (0.0, 0.0, 1.0))
    monkeypatch.setattr(pipeline, "look", lambda *_, **__: photo)
    monkeypatch.setattr(pipeline, "fit", lambda *_, **__: [Fit(view.body, view.camera, 1.0, 0.9, ())])
    monkeypatch.setattr(pipeline, "shipped_parser", lambda: PARSER)
    source = pipeline.Source(Path("she.png"), keypoints=Path("known.json"))
    found = pipeline.create(source, appearance=appearance, inpainter=inpainter)
    assert list(found.model.layers) == ["skirt"]
    material = Material(view, open_body(), appearance, inpainter, PARSER)
    assert material.size == TEXTURE_SIZE
    drawn, wanted = material.whole(view.body, view.camera), found.render(view.camera, view.body)
    for one, other in ((drawn.rgb, wanted.rgb), (drawn.mask, wanted.mask)):
        assert (one - other).abs().max() < 1e-4                    # sums in another order on other threads
    bare = replace(material, without=LAYERS).whole(view.body, view.camera)
    assert (bare.mask - wanted.mask).abs().max() > 0.5


def test_a_shirt_put_on_the_skirt_is_astray(view: View) -> None:
    material = Material(view, open_body(), parser=PARSER, size=256)
    parts = material.known.parts

    def measured(painted: Tensor) -> float:
        drawn = material.plain(painted)(view.body, view.camera)
        return strayed(drawn.rgb[0], drawn.mask[0], view.image, view.mask, parts)

    sound = measured(material.painted)
    swapped = material.painted.clone()
    top, left = (round(side * material.side) for side in (0.8, 0.0))     # the skirt's islands take the shirt's colour
    swapped[..., top:, left : round(0.8 * material.side)] = torch.tensor(COLOURS[BodyPart.UPPER])[:, None, None]
    wrong = measured(swapped)
    skirt = float(np.mean(parts.numpy()[parts.numpy() > 0] == BodyPart.DRESS))
    assert sound < 0.05 and wrong > sound + 0.7 * skirt
