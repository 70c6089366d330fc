from __future__ import annotations

import pytest
import torch
from texture.shapes import ball, paint

from dinar.camera import orbit
from dinar.texture.drawing import Rendering, antialiased, draw


@pytest.mark.parametrize("supersample", [1, 2, 3])
def test_white_is_white_and_edges_are_soft(supersample):
    vertices, faces, layout = ball()
    camera = orbit(torch.zeros(3), 0, 0, 4.5, (64, 80), fov=28)
    drawn = draw(torch.ones(1, 3, 16, 16), vertices[None], faces, layout, camera, supersample=supersample)
    assert drawn.rgb.shape == (1, 3, 64, 80) and drawn.mask.shape == (1, 1, 64, 80)
    torch.testing.assert_close(drawn.rgb, (drawn.mask > 0).float().expand(-1, 3, -1, -1), atol=1e-6, rtol=0)
    steps = drawn.mask.unique()
    assert len(steps) > supersample and steps.min() == 0 and steps.max() == 1
    torch.testing.assert_close(steps * supersample**2, (steps * supersample**2).round())


def test_colours_are_those_of_the_texture():
    vertices, faces, layout = ball(48, 96)
    camera = orbit(torch.zeros(3), 0, 0, 6.0, (65, 65), fov=22)
    drawn = draw(paint(256), vertices[None], faces, layout, camera, supersample=3)
    middle = paint(256)[0, :, 127:129, 127:129].mean((1, 2))
    torch.testing.assert_close(drawn.rgb[0, :, 32, 32], middle, atol=0.02, rtol=0)


def test_the_window_changes_nothing():
    vertices, faces, layout = ball()
    camera = orbit(torch.zeros(3), 30, 10, 6.0, (96, 96), fov=28)
    whole = draw(paint(64), vertices[None], faces, layout, camera)
    part = draw(paint(64), vertices[None], faces, layout, camera.cropped(20, 30, (50, 60)))
    # float32 pixel coordinates differ in their last bits: a sample at an edge may fall on either side
    assert ((whole.mask[..., 30:80, 20:80] - part.mask).abs() > 1e-5).sum() <= 4
    assert ((whole.rgb[..., 30:80, 20:80] - part.rgb).abs() > 1e-3).sum() <= 12


def test_a_batch_of_bodies_shares_a_texture():
    vertices, faces, layout = ball()
    bodies = torch.stack([vertices, vertices * 0.5 + 0.3, vertices + torch.tensor([9.0, 0.0, 0.0])])
    camera = orbit(torch.zeros(3), 0, 0, 5.0, (48, 48))
    drawn = draw(paint(32), bodies, faces, layout, camera)
    for i in range(2):
        alone = draw(paint(32), bodies[i : i + 1], faces, layout, camera)
        assert (drawn.mask[i] - alone.mask[0]).abs().mean() < 1e-3 and (drawn.rgb[i] - alone.rgb[0]).abs().mean() < 1e-3
    assert drawn.mask[2].max() == 0 and drawn.rgb[2].abs().max() == 0


def test_half_precision_textures_are_sampled_in_float32():
    vertices, faces, layout = ball()
    camera = orbit(torch.zeros(3), 0, 0, 5.0, (48, 48))
    drawn = draw(paint(32).bfloat16(), vertices[None], faces, layout, camera)
    assert drawn.rgb.dtype == torch.float32 and drawn.rgb.isfinite().all()
    assert (drawn.rgb - draw(paint(32), vertices[None], faces, layout, camera).rgb).abs().max() < 0.01


def test_gradients_reach_the_texture():
    vertices, faces, layout = ball()
    texture = paint(32).requires_grad_()
    drawn = draw(texture, vertices[None], faces, layout, orbit(torch.zeros(3), 0, 0, 5.0, (48, 48)))
    drawn.over(0.0).sum().backward()
    assert texture.grad.isfinite().all() and texture.grad.abs().sum() > 0


def test_over():
    rgb, mask = torch.full((1, 3, 1, 3), 0.8), torch.tensor([0.0, 0.5, 1.0]).view(1, 1, 1, 3)
    drawn = Rendering(rgb, mask)
    torch.testing.assert_close(drawn.over(0.2)[0, 0, 0], torch.tensor([0.2, 0.5, 0.8]))
    torch.testing.assert_close(drawn.over(torch.zeros(1, 3, 1, 3))[0, 0, 0], torch.tensor([0.0, 0.4, 0.8]))


@pytest.mark.parametrize("supersample", [1, 2, 3])
@pytest.mark.parametrize("size", [(40, 40), (70, 33)])
def test_one_pass_and_torch_draw_the_same(supersample, size):
    vertices, faces, layout = ball()
    camera = orbit(torch.zeros(3), 30, 10, 4.5, size, fov=28)
    bodies = torch.stack([vertices, vertices * 0.7 + 0.1])
    texture = torch.randn(1, 5, 16, 16, generator=torch.Generator().manual_seed(0))
    found = antialiased(texture, bodies, faces, layout, camera, supersample=supersample)
    wanted = antialiased(texture.requires_grad_(), bodies, faces, layout, camera, supersample=supersample)
    assert wanted[0].requires_grad and not found[0].requires_grad
    torch.testing.assert_close(found[0], wanted[0], atol=2e-5, rtol=0)
    assert torch.equal(found[1], wanted[1])
