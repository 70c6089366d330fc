from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from texture.shapes import ball, paint
from torch import Tensor

from dinar import presets
from dinar.body.uv import texel_map
from dinar.camera import orbit
from dinar.networks.renderer import Renderer
from dinar.presets import build_renderer
from dinar.texture.drawing import draw
from dinar.texture.generated_tuning import tune
from dinar.texture.neural_drawing import draw_neural
from dinar.texture.neural_texture import NeuralTexture
from dinar.texture.residuals import Sight
from dinar.texture.sampling import sample_photo

SIDE, CHANNELS = 64, 32
VERTICES, FACES, LAYOUT = ball()
TEXELS = texel_map(LAYOUT, SIDE)
HOW = replace(presets.SMALL.residuals, steps=24, learning_rate=1.0, window=128)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_renderer(presets.TINY).eval().requires_grad_(False)


def seen(grown: float = 1.0, others: Tensor | None = None) -> tuple[Sight, NeuralTexture]:
    """A photo of a ball that is larger than the one that was fitted; `others` stand before it."""
    camera = orbit(torch.zeros(3), 0, 0, 6.0, (128, 128), fov=28)
    drawn = draw(paint(SIDE), VERTICES[None] * grown, FACES, LAYOUT, camera)
    mask = drawn.mask if others is None else drawn.mask * (1 - others)
    texture = sample_photo(drawn.over(0.3), mask, VERTICES[None], FACES, LAYOUT, camera, SIDE)
    place = VERTICES[None], FACES, camera, TEXELS
    sight = Sight.of(drawn.over(0.3)[0], mask[0], *place, texture.frontality)
    return sight, replace(texture, generated=torch.zeros(1, 16, CHANNELS, CHANNELS))


def wrong(renderer: Renderer, texture: NeuralTexture, sight: Sight) -> float:
    drawn = draw_neural(renderer, texture, paint(SIDE), sight.vertices, FACES, LAYOUT, sight.camera)
    return float((drawn.over(1.0) - (sight.image * sight.mask + 1 - sight.mask)).square().mean())


def test_the_drawing_comes_to_the_photo_and_colours_stay(renderer: Renderer) -> None:
    sight, texture = seen(1.06)
    done: list[float] = []
    found = tune(renderer, texture, paint(SIDE), [sight], FACES, LAYOUT, HOW, progress=done.append)
    assert wrong(renderer, found, sight) < 0.96 * wrong(renderer, texture, sight)
    assert torch.equal(found.rgb, texture.rgb) and not texture.generated.any()
    assert done == [pytest.approx((i + 1) / 24) for i in range(24)]


def test_the_same_seed_the_same_channels(renderer: Renderer) -> None:
    sight, texture = seen(1.06)
    small = replace(HOW, window=64, steps=3)
    one, two, other = (
        tune(renderer, texture, paint(SIDE), [sight], FACES, LAYOUT, small, seed=seed).generated for seed in (0, 0, 1)
    )
    assert torch.equal(one, two) and not torch.equal(one, other)


def test_torchs_compiler_is_not_imported() -> None:
    """It takes two seconds, and torch's own optimisers would bring it."""
    tests = Path(__file__).parents[1]
    code = f"""
import sys
sys.path.insert(0, {str(tests)!r})
from texture import test_generated_tuning as here
sight, texture = here.seen()
renderer = here.build_renderer(here.presets.TINY).eval()
here.tune(renderer, texture, here.paint(here.SIDE), [sight], here.FACES, here.LAYOUT, here.replace(here.HOW, steps=1))
print("torch._dynamo" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False"]


def test_who_stands_before_the_person_is_no_hole_in_them(renderer: Renderer) -> None:
    """The middle of the ball is hidden by somebody: what is drawn there is asked for nothing."""
    others = torch.zeros(1, 1, 128, 128)
    others[..., 44:84, 44:84] = 1
    sight, texture = seen(1.0, others)
    found = tune(renderer, texture, paint(SIDE), [sight], FACES, LAYOUT, HOW)
    drawn = draw_neural(renderer, found, paint(SIDE), sight.vertices, FACES, LAYOUT, sight.camera)
    assert drawn.mask[..., 60:68, 60:68].min() > 0.9


def test_photos_count_alike(renderer: Renderer) -> None:
    sight, texture = seen(1.06)
    one = tune(renderer, texture, paint(SIDE), [sight], FACES, LAYOUT, HOW)
    two = tune(renderer, texture, paint(SIDE), [sight, sight], FACES, LAYOUT, HOW)
    torch.testing.assert_close(one.generated, two.generated, atol=1e-4, rtol=1e-3)
