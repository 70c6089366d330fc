"""Skirts found in label maps: the hem and flare that made them, and none on who wears trousers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dinar.body.layers import wearing
from dinar.body.model import BodyModel
from dinar.body.uv import PARTS, part_labels
from dinar.camera import Camera, framing
from dinar.fit import skirt
from dinar.fit.look import Look
from dinar.parts import BodyPart
from dinar.raster.rasterize import rasterize

SIZE = (384, 288)


@pytest.fixture(scope="module")
def model() -> BodyModel:
    return BodyModel.open()


def seen(model: BodyModel, cloth: BodyPart, azimuth: float, *, trousers: bool = False) -> tuple[Tensor, Camera]:
    """Label map and camera of a standing person: the skirt, or else the legs, in cloth, the trunk in a shirt."""
    vertices = model(model.neutral()).vertices
    camera = framing(vertices[0], azimuth, 0.0, SIZE)
    face = rasterize(camera.project(vertices), model.faces, SIZE).face[0].long()
    layer = model.layer[model.faces[:, 0]]
    bare_labels = part_labels(model)
    labels = torch.full((len(model.faces),), int(BodyPart.SKIN), dtype=torch.uint8)
    labels[(layer == 0) & (bare_labels == PARTS.index("torso"))] = int(BodyPart.UPPER)
    if trousers:
        legs = torch.tensor([part.endswith(("thigh", "calf")) for part in PARTS])
        labels[(layer == 0) & legs[bare_labels]] = int(BodyPart.LOWER)
    labels[layer == 1] = int(cloth)
    return torch.where(face >= 0, labels[face.clamp(min=0)], torch.zeros((), dtype=torch.uint8)), camera


@pytest.mark.parametrize("cloth", [BodyPart.DRESS, BodyPart.OUTER])
@pytest.mark.parametrize(("hem", "flare", "azimuth"), [(-1.5, 0.0, 0.0), (1.5, 2.0, 20.0)])
def test_hem_and_flare_are_found(model: BodyModel, cloth: BodyPart, hem: float, flare: float, azimuth: float) -> None:
    worn = torch.tensor([hem, 0.0, 0.0, flare, 0.6 * flare, 0.6 * flare])
    with torch.no_grad():
        parts, camera = seen(wearing(model, {"skirt": worn}), cloth, azimuth)
    found = skirt.fit(model, [Look(parts, model.neutral(), camera)])
    assert found is not None and found.worn and found.overlap > 0.9
    assert abs(float(found.coefficients[0]) - hem) < 0.35        # 3.5 cm
    assert abs(float(found.coefficients[3]) - flare) < 0.6       # 3 cm


def test_trousers_and_a_shirt_are_no_skirt(model: BodyModel) -> None:
    with torch.no_grad():
        parts, camera = seen(model, BodyPart.DRESS, 0.0, trousers=True)
    found = skirt.fit(model, [Look(parts, model.neutral(), camera)])
    assert found is None or not found.worn


def test_two_photos_are_one_skirt(model: BodyModel) -> None:
    worn = torch.tensor([0.5, 0.0, 0.0, 1.0, 0.6, 0.6])
    with torch.no_grad():
        looks = [
            Look(parts, model.neutral(), camera)
            for parts, camera in (seen(wearing(model, {"skirt": worn}), BodyPart.DRESS, a) for a in (0.0, 90.0))
        ]
    found = skirt.fit(model, looks)
    assert found is not None and found.worn and abs(float(found.coefficients[0]) - 0.5) < 0.35
