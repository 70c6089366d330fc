from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from texture.shapes import ball, paint
from torch import Tensor

from dinar.body.uv import texel_map
from dinar.camera import Camera, orbit
from dinar.texture.drawing import Rendering, draw
from dinar.texture.neural_texture import NeuralTexture
from dinar.texture.residuals import HEAD, Sight, settle
from dinar.texture.sampling import sample_photo

SIDE = 64
VERTICES, FACES, LAYOUT = ball()
TEXELS = texel_map(LAYOUT, SIDE)
NO_HEAD = torch.zeros(1, 1, SIDE, SIDE)


def plain(_: NeuralTexture | None, colours: Tensor, vertices: Tensor, camera: Camera) -> Rendering:
    return draw(colours, vertices, FACES, LAYOUT, camera)


def dull(_: NeuralTexture | None, colours: Tensor, vertices: Tensor, camera: Camera) -> Rendering:
    """A renderer that draws everything a little too dark."""
    drawn = draw(colours, vertices, FACES, LAYOUT, camera)
    return Rendering(drawn.rgb * 0.8, drawn.mask)


def seen(
    colours: Tensor, azimuth: float = 0.0, side: int = 96, *, known: bool = True
) -> tuple[Sight, NeuralTexture]:
    """A photo of the ball in its colours, and the texture that it shows; `known`: the sight takes its frontality."""
    camera = orbit(torch.zeros(3), azimuth, 0, 6.0, (side, side), fov=28)
    drawn = draw(colours, VERTICES[None], FACES, LAYOUT, camera)
    image = drawn.over(0.3)
    texture = sample_photo(image, drawn.mask, VERTICES[None], FACES, LAYOUT, camera, SIDE)
    place = VERTICES[None], FACES, camera, TEXELS
    return Sight.of(image[0], drawn.mask[0], *place, texture.frontality * known), texture


def test_texels_find_their_pixels_and_hidden_ones_none() -> None:
    """On a ball a texel is seen where it turns to the camera, by as much as it does."""
    sight, _ = seen(paint(SIDE), known=False)
    place = TEXELS.interpolate(VERTICES, FACES)
    towards = torch.nn.functional.normalize(sight.camera.position[None, :, None, None] - place, dim=1)
    turned = (torch.nn.functional.normalize(place, dim=1) * towards).sum(1, keepdim=True)
    inner = (TEXELS.face >= 0) & ((turned > 0.2) | (turned < 0))
    assert (sight.weight - turned.clamp(min=0))[inner].abs().max() < 0.02
    size = torch.tensor(sight.camera.size[::-1])
    pixel = (sight.grid[0] + 1) / 2 * size
    projected = sight.camera.project(place[0].permute(1, 2, 0))[..., :2]
    assert (pixel - projected).abs().max() < 1e-3


def test_a_large_photo_is_compared_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinar.texture.residuals.SIDE", 48)
    sight, texture = seen(paint(SIDE), side=192)
    assert max(sight.camera.size) < 100 and sight.image.shape[-2:] == sight.camera.size == sight.mask.shape[-2:]
    wrong = paint(SIDE) * 0.5
    _, found = settle(replace(texture, rgb=wrong * texture.filled), wrong, [sight], plain, passes=3, head=NO_HEAD)
    well = (sight.weight > 0.7).expand_as(wrong)
    before, after = (float((colours - paint(SIDE)).square()[well].mean()) for colours in (wrong, found))
    assert after < 0.1 * before


def test_what_a_renderer_gets_wrong_is_made_up_for() -> None:
    """A drawing that is too dark comes to the photo's colours in a few passes."""
    colours = 0.2 + 0.5 * paint(SIDE)
    sight, texture = seen(colours)
    errors = []
    for passes in (0, 1, 3):
        _, found = settle(texture, colours, [sight], dull, passes=passes, head=NO_HEAD)
        left = sight.left(dull(None, found, sight.vertices, sight.camera).rgb, sight.mask)
        errors.append(float(left.abs()[(sight.weight > 0.5).expand_as(left)].mean()))
    assert errors[1] < 0.4 * errors[0] and errors[2] < 0.15 * errors[0]


def test_unseen_texels_stay_and_the_texture_follows_its_colours() -> None:
    sight, texture = seen(paint(SIDE))
    wrong = paint(SIDE) * 0.7
    start = replace(texture, rgb=wrong * texture.filled)
    found, painted = settle(start, wrong, [sight], plain, passes=2, head=NO_HEAD)
    hidden = (sight.weight == 0).expand_as(wrong)
    assert hidden.any() and torch.equal(painted[hidden], wrong[hidden])
    filled = (texture.filled > 0).expand_as(wrong)
    assert torch.equal(found.rgb[filled], painted[filled]) and not found.rgb[~filled].any()
    grazing = (sight.weight > 0) & (texture.filled == 0)         # algorithm 1 left them out, here they follow
    assert grazing.any() and (painted - wrong)[grazing.expand_as(wrong)].abs().max() > 0


def test_a_head_takes_a_part_of_what_is_left() -> None:
    sight, texture = seen(paint(SIDE))
    wrong = paint(SIDE) * 0.7
    steps = []
    for head in (NO_HEAD, NO_HEAD + 1):
        _, painted = settle(texture, wrong, [sight], plain, passes=1, head=head)
        steps.append(painted - wrong)
    assert steps[0].abs().max() > 0.1
    torch.testing.assert_close(steps[1], HEAD * steps[0], atol=1e-6, rtol=1e-3)


def test_of_several_photos_those_count_that_show_a_texel_best() -> None:
    """Two photos of other shades: in each one's middle the texture has its shade, whatever their order."""
    bright, dark = (paint(SIDE) * share for share in (1.0, 0.5))
    (front, one), (side, other) = seen(bright, 0.0), seen(dark, 90.0)
    filled = torch.maximum(one.filled, other.filled)
    start = replace(one, rgb=0.75 * paint(SIDE) * filled, filled=filled, frontality=torch.maximum(
        one.frontality, other.frontality))  # fmt: skip
    wrong = 0.75 * paint(SIDE)
    _, found = settle(start, wrong, [front, side], plain, passes=3, head=NO_HEAD)
    _, swapped = settle(start, wrong, [side, front], plain, passes=3, head=NO_HEAD)
    torch.testing.assert_close(found, swapped, atol=1e-5, rtol=0)
    for sight, beside, colours in ((front, side, bright), (side, front, dark)):
        alone = ((sight.weight > 0.9) & (beside.weight < 0.2)).expand_as(found)
        assert alone.any() and (found - colours)[alone].abs().mean() < 0.05
