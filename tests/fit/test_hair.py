"""Hair found in label maps: long and big hair is worn, cropped hair is not, and skin lies under it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dinar.body.layers import RISE, Layer, wearing
from dinar.body.model import BodyModel
from dinar.body.uv import PARTS, part_labels
from dinar.camera import Camera, framing
from dinar.fit import hair, outline
from dinar.fit.look import Look
from dinar.parts import BodyPart
from dinar.raster.rasterize import rasterize

SIZE = (720, 480)


@pytest.fixture(scope="module")
def model() -> BodyModel:
    return BodyModel.open()


def seen(model: BodyModel, azimuth: float = 0.0, part: BodyPart = BodyPart.HAIR) -> tuple[Tensor, Camera]:
    """Label map and camera of a standing person, whose layer is of that part; the trunk is in a shirt."""
    with torch.no_grad():
        vertices = model(model.neutral()).vertices
    camera = framing(vertices[0], azimuth, 0.0, SIZE)
    face = rasterize(camera.project(vertices), model.faces, SIZE).face[0].long()
    layer, of = model.layer[model.faces[:, 0]], part_labels(model)
    labels = torch.full((len(model.faces),), int(BodyPart.SKIN), dtype=torch.uint8)
    labels[of == PARTS.index("torso")] = int(BodyPart.UPPER)
    labels[of == PARTS.index("head")] = int(BodyPart.FACE_SKIN)
    labels[layer == 1] = int(part)
    return torch.where(face >= 0, labels[face.clamp(min=0)], torch.zeros((), dtype=torch.uint8)), camera


def worn(strength: float) -> Tensor:
    """Coefficients of hair: the first component is how much of it there is."""
    coefficients = torch.zeros(len(Layer.load("hair").basis))
    coefficients[0] = strength * _longer()
    return coefficients


def _longer() -> float:
    """The sign with which the first component adds hair."""
    layer = Layer.load("hair")
    along = (layer.basis[0] * layer.outwards).sum()
    return 1.0 if along > 0 else -1.0


def look(model: BodyModel, coefficients: Tensor, azimuth: float = 0.0) -> Look:
    parts, camera = seen(wearing(model, {"hair": coefficients}), azimuth)
    return Look(parts, model.neutral(), camera)


def off(found: hair.Found, true: Tensor) -> float:
    """Millimetres by which hair is off where there is some, on the back half of the shell."""
    layer = Layer.load("hair")
    was, fitted = (layer.height(one).clamp(min=0) for one in (true, found.coefficients))
    behind = (layer.outwards[:, 2] < 0) & (was > RISE)
    return float((was - fitted)[behind].abs().mean()) * 1e3


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_hair_behind_follows_from_what_is_seen_in_front(model: BodyModel, strength: float) -> None:
    true = worn(strength)
    found = hair.fit(model, [look(model, true)])
    layer = Layer.load("hair")
    height = layer.height(true)
    none = float(height[(layer.outwards[:, 2] < 0) & (height > RISE)].mean()) * 1e3
    assert found is not None and found.worn
    assert off(found, true) < min(12.0, 0.5 * none)


def test_more_hair_is_fitted_to_more_hair(model: BodyModel) -> None:
    layer = Layer.load("hair")
    some, more = (hair.fit(model, [look(model, worn(k))]) for k in (0.0, 1.5))
    assert some is not None and more is not None
    heights = [layer.height(one.coefficients).clamp(min=0).sum() for one in (some, more)]
    assert heights[1] > 1.15 * heights[0]


def test_the_same_photo_tells_the_same_hair(model: BodyModel) -> None:
    one = look(model, worn(0.5))
    first, second = hair.fit(model, [one]), hair.fit(model, [one])
    assert first is not None and second is not None and torch.equal(first.coefficients, second.coefficients)


def test_a_head_that_is_painted_like_hair_wears_none(model: BodyModel) -> None:
    """Cropped hair: the scalp's pixels alone, none beside the naked body."""
    parts, camera = seen(model)
    rows = (parts == int(BodyPart.FACE_SKIN)).any(1).nonzero()[:, 0]
    upper = torch.arange(len(parts))[:, None] < rows[0] + (rows[-1] - rows[0]) // 4
    parts[(parts == int(BodyPart.FACE_SKIN)) & upper] = int(BodyPart.HAIR)
    found = hair.fit(model, [Look(parts, model.neutral(), camera)])
    assert found is not None and not found.worn and found.volume < 0.1


def test_who_shows_no_hair_has_none(model: BodyModel) -> None:
    parts, camera = seen(model)
    assert hair.fit(model, [Look(parts, model.neutral(), camera)]) is None


def test_hair_does_not_lie_before_a_face_that_is_seen(model: BodyModel) -> None:
    true = worn(0.5)
    one = look(model, true)
    found = hair.fit(model, [one])
    assert found is not None
    drawn = hair.shaped(wearing(model, {"hair": found.coefficients}), found.height)
    parts, _ = seen(drawn)
    face = one.parts == int(BodyPart.FACE_SKIN)
    assert float((parts[face] == int(BodyPart.HAIR)).float().mean()) < 0.1


def test_skin_lies_under_hair(model: BodyModel) -> None:
    coefficients = worn(0.5)
    dressed = wearing(model, {"hair": coefficients})
    shape = torch.zeros(100)
    moved = hair.tucked(dressed, shape)
    shift = (moved.offsets - dressed.offsets).norm(dim=1)
    head = model.skin_weights[:, model.below([model.humanoid["head"]])].sum(1) > 0.5
    assert shift.max() <= hair.DRAWN_BACK + 1e-6 and shift[dressed.layer == 1].max() == 0
    assert shift[: len(head)][head].max() > 0.005 and shift[: len(head)][~head].max() == 0       # ears
    naked = hair.tucked(model, shape)
    assert naked is model


def test_the_outline_moves_hair_and_not_the_scalp_under_it(model: BodyModel) -> None:
    dressed = wearing(model, {"hair": worn(0.5)})
    parts, camera = seen(dressed)

    class Seen:
        mask = (parts > 0).float()[None]
        body = model.neutral()

    Seen.camera = camera
    moved = outline.fit(dressed, torch.zeros(100), [Seen]).norm(dim=1)
    own = len(model.template)
    head = model.skin_weights[:, model.below([model.humanoid["head"]])].sum(1) > 0.99
    assert moved[:own][head].max() < 1e-4
