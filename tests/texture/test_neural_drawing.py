from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from texture.shapes import ball, paint

from dinar import presets
from dinar.camera import orbit
from dinar.networks.renderer import Renderer
from dinar.texture.drawing import draw
from dinar.texture.neural_drawing import Artist, draw_neural, inner, surface
from dinar.texture.neural_texture import NeuralTexture

VERTICES, FACES, LAYOUT = ball()
SIDE = 32


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return presets.build_renderer(presets.TINY).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def texture() -> NeuralTexture:
    rng = torch.Generator().manual_seed(0)
    maps = (torch.rand(3, 1, 1, SIDE, SIDE, generator=rng) > 0.5).float()
    return NeuralTexture(torch.randn(1, 16, 16, 16, generator=rng), paint(SIDE), *maps)


def camera(size: tuple[int, int], away: float = 6.0):
    return orbit(torch.zeros(3), 20, 10, away, size, fov=28)


def test_the_surface_is_what_the_plain_renderer_draws(texture: NeuralTexture) -> None:
    there = camera((80, 64))
    seen = surface(texture, texture.rgb, VERTICES[None], FACES, LAYOUT, there)
    plain = draw(texture.rgb, VERTICES[None], FACES, LAYOUT, there)
    assert torch.allclose(seen.colours[:, :3], plain.rgb, atol=1e-6) and torch.equal(seen.mask, plain.mask)
    features = seen.features(texture.generated)
    assert features.shape == (1, 21, 80, 64) and torch.equal(features[:, 16:], seen.colours)
    assert (features[:, :, 0, 0] == 0).all() and features[:, :16, 40, 32].abs().sum() > 0


@pytest.mark.parametrize("size", [(96, 96), (61, 97), (300, 280)])
def test_images_of_any_size(renderer: Renderer, texture: NeuralTexture, size: tuple[int, int]) -> None:
    with torch.no_grad():
        drawn = draw_neural(renderer, texture, texture.rgb, VERTICES[None], FACES, LAYOUT, camera(size))
    assert drawn.rgb.shape == (1, 3, *size) and drawn.mask.shape == (1, 1, *size)
    assert drawn.rgb.min() >= 0 and drawn.rgb.max() <= 1 and drawn.mask[..., 0, 0] == 0
    assert drawn.mask[..., size[0] // 2, size[1] // 2] == 1


def test_what_lies_around_the_part_that_is_drawn_changes_nothing(renderer: Renderer, texture: NeuralTexture) -> None:
    """A small ball in a large image, drawn in its surroundings, is the ball in the whole image."""
    there = camera((512, 512), 30.0)
    with torch.no_grad():
        part = draw_neural(renderer, texture, texture.rgb, VERTICES[None], FACES, LAYOUT, there)
        seen = surface(texture, texture.rgb, VERTICES[None], FACES, LAYOUT, there)
        whole = renderer(seen.features(texture.generated), seen.uv, seen.mask)
    inside = (seen.mask == 1).expand(-1, 3, -1, -1)
    assert inside.sum() > 1000
    assert (part.rgb - whole.rgb).abs()[inside].max() < 0.02


def test_gradients_reach_colours_and_generated_channels(renderer: Renderer, texture: NeuralTexture) -> None:
    colours, generated = texture.rgb.clone().requires_grad_(), texture.generated.clone().requires_grad_()
    tuned = NeuralTexture(generated, texture.rgb, texture.sampled, texture.filled, texture.frontality)
    drawn = draw_neural(renderer, tuned, colours, VERTICES[None], FACES, LAYOUT, camera((96, 96)))
    (drawn.rgb.sum() + drawn.mask.sum()).backward()
    assert colours.grad.abs().sum() > 0 and generated.grad.abs().sum() > 0


@pytest.mark.parametrize("size", [(96, 96), (61, 97), (300, 280)])
@pytest.mark.parametrize("aside", [0.0, 1.2, 9.0])     # of the person from the middle: whole, cut off, out of sight
def test_an_artist_draws_the_same(
    renderer: Renderer, texture: NeuralTexture, size: tuple[int, int], aside: float
) -> None:
    there = orbit(torch.tensor([aside, 0.0, 0.0]), 20, 10, 6.0, size, fov=28)
    artist = Artist.of(renderer, texture, texture.rgb[0], LAYOUT)
    with torch.no_grad():
        plain = draw_neural(renderer, texture, texture.rgb, VERTICES[None], FACES, LAYOUT, there)
    drawn = artist.draw(VERTICES[None], FACES, there)
    for found, wanted in ((drawn.rgb, plain.rgb), (drawn.mask, plain.mask)):
        assert found.shape == wanted.shape
        differs = (found - wanted).abs() > 1e-4
        assert differs.float().mean() < 1e-5               # a mask of hardly anything may round to nothing at all
    assert (drawn.mask.max() > 0.9) == (aside < 9)


def test_what_is_left_open_within_the_body_shows_the_texture(renderer: Renderer, texture: NeuralTexture) -> None:
    """A renderer that says of every pixel that nobody is there is believed at the outline alone."""
    blind = deepcopy(renderer)
    for layer in blind.mask.modules():
        if isinstance(layer, torch.nn.Conv2d):
            layer.weight.zero_()
            layer.bias.fill_(-50.0)
    there = camera((160, 160))
    plain = draw(texture.rgb, VERTICES[None], FACES, LAYOUT, there)
    inside = inner(plain.mask)
    assert 0.5 < inside.sum() / plain.mask.sum() < 0.97
    with torch.no_grad():
        drawn = draw_neural(blind, texture, texture.rgb, VERTICES[None], FACES, LAYOUT, there)
    quick = Artist.of(blind, texture, texture.rgb[0], LAYOUT).draw(VERTICES[None], FACES, there)
    for found in (drawn, quick):
        assert torch.equal(found.mask, inside)
        assert torch.allclose(found.rgb, plain.rgb * inside, atol=1e-5)


def test_renderers_of_the_paper_have_no_artist(texture: NeuralTexture) -> None:
    with torch.random.fork_rng():
        paper = presets.build_renderer(presets.PAPER)
    assert Artist.of(paper, texture, texture.rgb[0], LAYOUT) is None
