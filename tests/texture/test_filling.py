from __future__ import annotations

import pytest
import torch
from texture.shapes import ball, paint

from dinar.body.model import BodyModel
from dinar.camera import orbit
from dinar.texture.drawing import draw
from dinar.texture.filling import Guide, fill, guide_of
from dinar.texture.neural_texture import NeuralTexture
from dinar.texture.sampling import sample_photo


def known(rgb: torch.Tensor, where: torch.Tensor) -> NeuralTexture:
    """A texture that was seen straight on where `where` [1, 1, R, R] is 1."""
    return NeuralTexture(None, rgb * where, where, where, where)


def guide(faces: torch.Tensor) -> Guide:
    """All edges alike and one region."""
    pairs = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).sort(dim=1).values.unique(dim=0)
    return Guide(pairs, torch.ones(len(pairs)), torch.ones(int(faces.max()) + 1, 1))


def right_half(size: int) -> torch.Tensor:
    """1 on the person's right half of the ball, u < 0.5."""
    where = torch.zeros(1, 1, size, size)
    where[..., : size // 2] = 1
    return where


def mirror(size: int) -> torch.Tensor:
    at = (torch.arange(size) + 0.5) / size
    v, u = torch.meshgrid(at, at, indexing="ij")
    return torch.stack([1 - u, v], dim=-1)


@pytest.mark.parametrize("size", [32, 128])
def test_what_was_seen_stays_and_one_colour_fills_all(size):
    _, faces, layout = ball()
    colour = torch.tensor([0.9, 0.3, 0.1])[None, :, None, None].expand(-1, -1, size, size)
    filled = fill(known(colour, right_half(size)), faces, layout)
    torch.testing.assert_close(filled, colour, atol=1e-4, rtol=0)
    varied = fill(known(paint(size), right_half(size)), faces, layout)
    inner = (slice(None), slice(None), slice(size // 4, -size // 4), slice(size // 8, size // 2 - size // 8))
    assert torch.equal(varied[inner], paint(size)[inner])
    assert varied.min() >= 0 and varied.max() <= 1


def test_the_mirrored_side_comes_before_the_membrane():
    _, faces, layout = ball()
    symmetric = (paint(128) + paint(128).flip(-1)) / 2
    filled = fill(known(symmetric, right_half(128)), faces, layout, mirror=mirror(128))
    left = (slice(None), slice(None), slice(16, -16), slice(72, -16))
    torch.testing.assert_close(filled[left], symmetric[left], atol=1e-5, rtol=0)
    plain = fill(known(symmetric, right_half(128)), faces, layout)
    unpaired = fill(known(symmetric, right_half(128)), faces, layout, mirror=torch.full((128, 128, 2), torch.nan))
    torch.testing.assert_close(unpaired, plain)
    assert (plain[left] - symmetric[left]).abs().mean() > 0.05


def test_what_is_made_up_takes_on_the_shade_beside_it() -> None:
    """The left side mirrors the right one, but the light there is weaker, as a strip of it tells."""
    size = 256
    _, faces, layout = ball()
    right = right_half(size)
    strip = torch.zeros_like(right)
    strip[..., 160:176] = 1
    worn = torch.full((1, 3, size, size), 0.8) * (right + 0.8 * strip)
    filled = fill(known(worn, right + strip), faces, layout, mirror=mirror(size))
    row = filled[0, 0, size // 2]
    assert torch.equal(row[160:176], worn[0, 0, size // 2, 160:176])
    beside = row[176:192]
    assert beside[0] == pytest.approx(0.64, abs=0.04) and (beside.diff() > -1e-4).all()
    assert beside[-1] == pytest.approx(0.8, abs=1e-3)


def test_no_seam_shows():
    vertices, faces, layout = ball(48, 96)
    front = orbit(torch.zeros(3), 10, 0, 4.5, (192, 192), fov=28)
    person = draw(paint(128, 1.0), vertices[None], faces, layout, front)
    texture = sample_photo(person.over(0.0), person.mask, vertices[None], faces, layout, front, 128)
    filled = fill(texture, faces, layout)
    back = draw(filled, vertices[None], faces, layout, orbit(torch.zeros(3), 180, 0, 4.5, (192, 192), fov=28))
    core = back.rgb[..., 60:132, 40:152]
    assert back.mask[..., 60:132, 40:152].min() == 1
    assert (core[..., 1:] - core[..., :-1]).abs().max() < 0.03          # the seam runs down the middle of this picture


def test_padding_repeats_the_island():
    _, faces, layout = ball(margin=0.2)
    colour = torch.tensor([0.2, 0.8, 0.4])[None, :, None, None].expand(-1, -1, 64, 64)
    island = torch.zeros(1, 1, 64, 64)
    island[..., 14:50, 14:50] = 1
    torch.testing.assert_close(fill(known(colour, island), faces, layout), colour, atol=1e-4, rtol=0)


def test_nothing_seen_is_grey_and_finite():
    _, faces, layout = ball()
    filled = fill(known(paint(32), torch.zeros(1, 1, 32, 32)), faces, layout, mirror=mirror(32))
    torch.testing.assert_close(filled, torch.full((1, 3, 32, 32), 0.5))


def test_parts_that_touch_nothing_seen_get_the_mean():
    vertices, faces, layout = ball()
    both = torch.cat([faces, faces + len(vertices)])                    # a second ball in the right half of the square
    half = torch.tensor([0.5, 1.0])
    uv = torch.cat([layout.uv * half, layout.uv * half + torch.tensor([0.5, 0.0])])
    two = type(layout)(uv, torch.cat([layout.faces, layout.faces + len(layout.uv)]))
    rgb = torch.tensor([0.7, 0.2, 0.1])[None, :, None, None].expand(-1, -1, 64, 64)
    filled = fill(known(rgb, right_half(64)), both, two)
    torch.testing.assert_close(filled, rgb, atol=1e-4, rtol=0)


def test_regions_take_no_colours_from_each_other():
    vertices, faces, layout = ball()
    face = (torch.atan2(vertices[:, 0], vertices[:, 2]).abs() < 1).float()
    plain = guide(faces)
    apart = Guide(plain.edges, plain.pull, torch.stack([face, 1 - face], dim=1))
    skin, hair = torch.tensor([0.9, 0.7, 0.6]), torch.tensor([0.2, 0.1, 0.1])
    u = (torch.arange(128) + 0.5) / 128
    front = ((u - 0.5).abs() < 0.13)[None, None, None].expand(1, 1, 128, 128)
    rgb = torch.where(front, skin[None, :, None, None], hair[None, :, None, None])
    seen = ((u - 0.5).abs() < 0.22)[None, None, None].expand(1, 1, 128, 128).float()
    filled = [fill(known(rgb, seen), faces, layout, guide=g) for g in (apart, plain)]
    off, off_together = ((f - hair[None, :, None, None])[..., 40:88, 8:20].abs().max() for f in filled)
    assert off < 0.1 < off_together
    torch.testing.assert_close(fill(known(rgb, seen), faces, layout), filled[1])
    nothing_of_the_back = fill(known(rgb, seen * front), faces, layout, guide=apart)
    torch.testing.assert_close(nothing_of_the_back, skin[None, :, None, None].expand_as(rgb), atol=1e-3, rtol=0)


def test_a_hem_goes_around():
    vertices, faces, layout = ball(48, 96)
    v = (torch.arange(128) + 0.5) / 128
    rgb = (v < 0.5).float()[None, None, :, None].expand(1, 3, 128, 128)  # white above the equator, black below
    u = v[None, None, None].expand(1, 1, 128, 128)
    seen = ((u - 0.5).abs() < 0.2).float()
    plain = guide(faces)
    across = torch.nn.functional.normalize(vertices[plain.edges[:, 0]] - vertices[plain.edges[:, 1]], dim=1)
    around = Guide(plain.edges, 1e-4 ** across[:, 1].square(), plain.regions)
    blurred, sharp = (fill(known(rgb, seen), faces, layout, guide=g) for g in (plain, around))
    off, off_sharp = ((f - rgb)[..., 24:104, 10:20].abs().mean() for f in (blurred, sharp))
    assert off_sharp < 0.6 * off


def test_guide_of_the_open_body():
    model = BodyModel.open()
    found = guide_of(model)
    named = dict(zip(model.landmark_names, model.landmarks(model(model.neutral()))[0], strict=True))
    vertices = model.rest(model.neutral().shape)[0][0]

    def scalp(point: torch.Tensor) -> float:
        return float(found.regions[(vertices - point).norm(dim=1).argmin(), 0])

    torch.testing.assert_close(found.regions.sum(1), torch.ones(len(vertices)))
    for name in ("nose", "mouth_left", "left_eye_outer", "left_shoulder", "left_wrist", "right_ankle", "mid_hip"):
        assert scalp(named[name]) < 0.05, name
    assert scalp(vertices[vertices[:, 1].argmax()]) > 0.95
    skull = vertices[vertices[:, 1] > named["left_ear"][1]]
    assert scalp(skull[skull[:, 2].argmin()]) > 0.95

    ends = vertices[found.edges]
    middle, across = ends.mean(1), torch.nn.functional.normalize(ends[:, 0] - ends[:, 1], dim=1)
    limb = torch.nn.functional.normalize(named["left_wrist"] - named["left_elbow"], dim=0)
    forearm = (middle - (named["left_wrist"] + named["left_elbow"]) / 2).norm(dim=1) < 0.06
    along = (across @ limb).abs()
    assert found.pull[forearm & (along < 0.2)].min() > 10 * found.pull[forearm & (along > 0.95)].max()
    assert found.pull.min() > 0 and found.pull.max() <= 1
