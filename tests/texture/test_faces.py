from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dinar.body.model import BodyModel
from dinar.body.normals import vertex_normals
from dinar.body.uv import PARTS, load_layout, part_labels
from dinar.texture.faces import MeanFace, oval_of
from dinar.texture.filling import Filler
from dinar.texture.neural_texture import NeuralTexture

SIZE = 256
SKIN, BLACK, BLUE = (torch.tensor(colour)[:, None, None] for colour in ([0.8, 0.6, 0.5], [0.05] * 3, [0.2, 0.3, 0.7]))


@pytest.fixture(scope="module")
def filler() -> Filler:
    model = BodyModel.open()
    return Filler.of(model, load_layout("front", model), SIZE)


def behind(filler: Filler) -> Tensor:
    """What a photo from behind shows, bool [SIZE, SIZE]."""
    rest = filler.model.rest(filler.model.neutral().shape)[0]
    normal = filler.texels.interpolate(vertex_normals(rest, filler.model.faces)[0], filler.model.faces)[0]
    return (normal[2] < -0.3) & (filler.texels.covered[0, 0] > 0)


def on(filler: Filler, *parts: str) -> Tensor:
    label = part_labels(filler.model)[filler.texels.face.clamp(min=0).long()]
    return sum(label == PARTS.index(part) for part in parts) > 0


def filled(filler: Filler, rgb: Tensor, seen: Tensor) -> Tensor:
    where = seen[None, None].float() * filler.texels.mask
    return filler(NeuralTexture(None, rgb[None] * where, where, where, where))[0]


def dressed(filler: Filler, hands: Tensor = SKIN) -> Tensor:
    """A person in blue."""
    rgb = torch.where(on(filler, "head"), SKIN, BLUE)
    return torch.where(on(filler, "left hand", "right hand"), hands, rgb)


def test_who_is_seen_from_behind_has_a_face_of_their_skin_s_tone(filler: Filler) -> None:
    found = filled(filler, dressed(filler), behind(filler))
    oval = filler.face.oval[0] > 0.9
    tone = found[:, oval].mean(1)
    assert (tone - SKIN[:, 0, 0]).abs().max() < 0.08
    rest = filler.model.rest(filler.model.neutral().shape)
    place = filler.texels.interpolate(rest[0][0], filler.model.faces)[0]
    eye = rest[1][0, filler.model.humanoid["leftEye"]]
    away = ((place[:2] - eye[:2, None, None]).norm(dim=0) < 0.012) & oval
    cheek = ((place[:2] - eye[:2, None, None] + torch.tensor([0, 0.05])[:, None, None]).norm(dim=0) < 0.015) & oval
    assert found.mean(0)[away].mean() < found.mean(0)[cheek].mean() - 0.08, "eyes and brows are darker than cheeks"


def test_gloves_do_not_tell_the_skin_s_tone(filler: Filler) -> None:
    found = filled(filler, dressed(filler, hands=BLACK), behind(filler))
    tone = found[:, filler.face.oval[0] > 0.9].mean(1)
    assert (tone - SKIN[:, 0, 0]).abs().max() < 0.08


def test_a_face_that_is_seen_stays_and_its_other_half_is_its_own(filler: Filler) -> None:
    x = filler.texels.interpolate(filler.model.rest(filler.model.neutral().shape)[0][0], filler.model.faces)[0][0]
    oval = filler.face.oval[0] > 0
    found = filled(filler, dressed(filler), oval & (x > 0))
    assert (found - SKIN).abs().amax(0)[oval & (x < -0.01)].quantile(0.9) < 0.03
    assert (found - SKIN).abs().amax(0)[oval & (x > 0.002)].max() < 1e-5


def test_nobody_s_skin_is_made_up(filler: Filler) -> None:
    """Hat, scarf, gloves and trousers alone: the face is filled as anything is."""
    seen = behind(filler) & ~on(filler, "head", "left hand", "right hand")
    plain = filled(filler, BLUE.expand(3, SIZE, SIZE), seen)
    assert (plain - BLUE).abs().amax(0)[filler.face.oval[0] > 0.9].max() < 0.1


def test_other_layouts_have_no_face(filler: Filler) -> None:
    layout = load_layout("anny", filler.model)
    assert Filler.of(filler.model, layout, 64).face is None


def test_an_oval_lies_in_front_of_the_head_and_is_of_both_halves(filler: Filler) -> None:
    oval = oval_of(filler.model, filler.texels)[0]
    assert 0.03 < float((oval > 0.5).float().mean()) < 0.08
    assert bool(on(filler, "head")[oval > 0.5].all())
    x = filler.texels.interpolate(filler.model.rest(filler.model.neutral().shape)[0][0], filler.model.faces)[0][0]
    left, right = (float(oval[side].sum()) for side in (x > 0, x < 0))
    assert abs(left - right) < 0.05 * left
    assert isinstance(filler.face, MeanFace)
