from __future__ import annotations

from dataclasses import asdict, replace

import pytest
import torch
from texture.shapes import ball, paint
from torch import Tensor

from dinar import presets
from dinar.camera import Camera, orbit
from dinar.perceptual.alexnet import AlexNet
from dinar.perceptual.lpips import LPIPS
from dinar.texture.drawing import Rendering, draw
from dinar.texture.neural_drawing import draw_neural
from dinar.texture.neural_texture import NeuralTexture
from dinar.texture.refinement import Target, refine
from dinar.texture.sampling import sample_photo

SIDE = 64
VERTICES, FACES, LAYOUT = ball()
SETTINGS = asdict(replace(presets.TINY.refinement, steps=8))


@pytest.fixture(scope="module")
def metric() -> LPIPS:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LPIPS(AlexNet())


def plain(_: NeuralTexture | None, colours: Tensor, vertices: Tensor, camera: Camera) -> Rendering:
    return draw(colours, vertices, FACES, LAYOUT, camera)


def photo(colours: Tensor, azimuth: float = 0.0) -> tuple[Target, NeuralTexture]:
    """The ball in its colours before a grey wall, and the texture that the photo shows."""
    camera = orbit(torch.zeros(3), azimuth, 0, 6.0, (96, 96), fov=28)
    drawn = plain(None, colours, VERTICES[None], camera)
    image = drawn.over(0.3)
    texture = sample_photo(image, drawn.mask, VERTICES[None], FACES, LAYOUT, camera, SIDE)
    return Target(image[0], drawn.mask[0], VERTICES[None], camera, texture.frontality), texture


def blurred(colours: Tensor) -> Tensor:
    return torch.nn.functional.avg_pool2d(colours, 5, 1, 2, count_include_pad=False)


def distance(texture: NeuralTexture, colours: Tensor) -> float:
    """From true colours, over the texels that move most."""
    return float((texture.rgb - colours).square()[(texture.frontality > 0.7).expand(-1, 3, -1, -1)].mean())


def test_blurred_colours_become_sharp(metric: LPIPS) -> None:
    sharp = paint(SIDE, 8.0)
    target, texture = photo(sharp)
    texture = replace(texture, rgb=blurred(sharp) * texture.filled)
    tuned = refine(texture, blurred(sharp), [target], plain, metric, **SETTINGS | {"learning_rate": 2e-2})
    assert distance(tuned, sharp) < 0.5 * distance(texture, sharp)
    drawn = [plain(None, t.rgb, target.vertices, target.camera).over(1.0) for t in (texture, tuned)]
    wanted = plain(None, sharp, target.vertices, target.camera).over(1.0)
    was, now = (float((d - wanted).square().mean()) for d in drawn)
    assert now < was


def test_texels_move_by_their_frontality_and_unseen_ones_stay(metric: LPIPS) -> None:
    target, texture = photo(paint(SIDE))
    wrong = texture.rgb * 0.5
    tuned = refine(replace(texture, rgb=wrong), paint(SIDE) * 0.5, [target], plain, metric, **SETTINGS)
    change = (tuned.rgb - wrong).abs()
    reach = SETTINGS["steps"] * SETTINGS["learning_rate"] * texture.frontality
    assert (change <= 3 * reach + 1e-6).all()                   # Adam's steps are at most sqrt(8) times as large
    for least, most in ((0.3, 0.6), (0.8, 1.0)):
        some = ((texture.frontality > least) & (texture.frontality < most)).expand_as(change)
        assert 0.5 < change[some].mean() / reach.expand_as(change)[some].mean() < 1.2
    assert (texture.filled == 0).any() and change[(texture.filled == 0).expand_as(change)].max() == 0
    for part in ("sampled", "filled", "frontality"):
        assert torch.equal(getattr(tuned, part), getattr(texture, part))


def test_colours_stay_colours(metric: LPIPS) -> None:
    target, texture = photo(torch.ones(1, 3, SIDE, SIDE))
    almost = torch.full((1, 3, SIDE, SIDE), 0.99)
    settings = SETTINGS | {"learning_rate": 0.1}               # far beyond white within a step
    tuned = refine(replace(texture, rgb=almost * texture.filled), almost, [target], plain, metric, **settings)
    assert tuned.rgb.min() >= 0 and tuned.rgb.max() == 1


def test_a_texel_follows_the_photo_that_shows_it_best(metric: LPIPS) -> None:
    grey = torch.full((1, 3, SIDE, SIDE), 0.5)
    (bright, left), (dark, right) = photo(grey + 0.3, -40.0), photo(grey - 0.3, 40.0)
    frontality = torch.maximum(left.frontality, right.frontality)
    filled = torch.maximum(left.filled, right.filled)
    texture = NeuralTexture(None, grey * filled, filled, filled, frontality)
    tuned = refine(texture, grey, [bright, dark], plain, metric, **SETTINGS)
    change = (tuned.rgb - texture.rgb).mean(1, keepdim=True)
    assert change[left.frontality > right.frontality + 0.4].mean() > 0.005
    assert change[right.frontality > left.frontality + 0.4].mean() < -0.005
    swapped = refine(texture, grey, [dark, bright], plain, metric, **SETTINGS | {"adversarial": 0.0})
    same = refine(texture, grey, [bright, dark], plain, metric, **SETTINGS | {"adversarial": 0.0})
    torch.testing.assert_close(swapped.rgb, same.rgb, atol=2e-3, rtol=0)


def test_the_same_seed_gives_the_same_colours_and_costs_nobody_his(metric: LPIPS) -> None:
    target, texture = photo(paint(SIDE))
    arguments = (replace(texture, rgb=texture.rgb * 0.8), paint(SIDE) * 0.8, [target], plain, metric)
    state = torch.get_rng_state()
    one, two = refine(*arguments, **SETTINGS), refine(*arguments, **SETTINGS)
    assert torch.equal(one.rgb, two.rgb) and torch.equal(torch.get_rng_state(), state)
    other = refine(*arguments, **SETTINGS, seed=1)
    assert not torch.equal(one.rgb, other.rgb)


def test_the_discriminator_has_its_say(metric: LPIPS) -> None:
    target, texture = photo(paint(SIDE, 8.0))
    arguments = (replace(texture, rgb=texture.rgb * 0.8), paint(SIDE, 8.0) * 0.8, [target], plain, metric)
    deaf = SETTINGS | {"l2": 0.0, "lpips": 0.0}
    assert not torch.equal(refine(*arguments, **deaf).rgb, arguments[0].rgb)
    assert torch.equal(refine(*arguments, **deaf | {"adversarial": 0.0}).rgb, arguments[0].rgb)


def test_through_the_neural_renderer(metric: LPIPS) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        renderer = presets.build_renderer(presets.TINY).eval().requires_grad_(False)
        generated = torch.randn(1, 16, 32, 32)
    target, texture = photo(paint(SIDE))
    texture = replace(texture, generated=generated, rgb=texture.rgb * 0.7)

    def neural(texture: NeuralTexture, colours: Tensor, vertices: Tensor, camera: Camera) -> Rendering:
        return draw_neural(renderer, texture, colours, vertices, FACES, LAYOUT, camera)

    def error(tuned: NeuralTexture) -> float:
        drawn = neural(tuned, start + tuned.rgb - texture.rgb, target.vertices, target.camera).over(1.0)
        wanted = target.image * target.mask + 1 - target.mask
        return float((drawn - wanted).square().mean())

    start, arguments = paint(SIDE) * 0.7, ([target], neural, metric)
    settings = SETTINGS | {"learning_rate": 1e-2, "generated_learning_rate": 0.0}
    tuned = refine(texture, start, *arguments, **settings)
    assert tuned.generated is generated
    assert error(tuned) < 0.9 * error(texture)
    both = refine(texture, start, *arguments, **settings | {"generated_learning_rate": 0.05})
    assert not torch.equal(both.generated, generated) and error(both) < error(tuned)


def test_small_photos_and_empty_masks_do_no_harm(metric: LPIPS) -> None:
    target, texture = photo(paint(SIDE))
    small = replace(target, image=target.image[:, 30:60, 30:60], mask=torch.zeros(1, 30, 30),
                    camera=target.camera.cropped(30, 30, (30, 30)))  # fmt: skip
    seen: list[float] = []
    tuned = refine(texture, paint(SIDE), [small], plain, metric, **SETTINGS, progress=seen.append)
    assert tuned.rgb.isfinite().all() and seen[-1] == 1 and len(seen) == SETTINGS["steps"]
