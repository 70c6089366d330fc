from __future__ import annotations

import pytest
import torch
from texture.shapes import ball

from dinar.camera import look_at, orbit
from dinar.texture.neural_texture import NeuralTexture, UVImage, uv_image, window


def test_uv_and_frontality_of_a_sphere():
    vertices, faces, layout = ball(48, 96)
    camera = orbit(torch.zeros(3), 30, 20, 5.0, (90, 120))
    seen = uv_image(vertices[None], faces, layout, camera)
    b, _, y, x = seen.mask.nonzero(as_tuple=True)
    ray = torch.stack([(x - 59.5) / camera.K[0, 0], (y - 44.5) / camera.K[1, 1], torch.ones(len(x))], 1)
    ray = torch.nn.functional.normalize(ray @ camera.R, dim=1)
    along = -(ray @ camera.position)
    off = camera.position.square().sum() - along**2              # squared distance of each ray from the centre
    assert (off < 1).all()
    point = camera.position + ray * (along - (1 - off).sqrt())[:, None]
    phi, theta = torch.atan2(point[:, 0], point[:, 2]), torch.arccos(point[:, 1])
    expected = torch.stack([phi / (2 * torch.pi) + 0.5, theta / torch.pi], 1) * 0.88 + 0.06
    inner = off < 0.95
    # a mesh of 96 sectors is up to 0.5 mm inside the sphere, and lies flat between its meridians
    torch.testing.assert_close(seen.uv[b, :, y, x][inner], expected[inner], atol=2e-3, rtol=0)
    torch.testing.assert_close(seen.frontality[b, 0, y, x][inner], (1 - off[inner]).sqrt(), atol=5e-3, rtol=0)
    assert (seen.uv * (1 - seen.mask) == 0).all() and (seen.frontality * (1 - seen.mask) == 0).all()


def test_frontality_stays_in_range_from_inside_and_behind():
    vertices, faces, layout = ball()
    inside = look_at(torch.tensor([0.0, 0.0, 0.2]), torch.tensor([0.0, 0.0, 3.0]), (32, 32), fov=40)
    seen = uv_image(vertices[None], faces, layout, inside)
    assert seen.mask.min() == 1 and seen.frontality.max() == 0
    away = look_at(torch.tensor([0.0, 0.0, 3.0]), torch.tensor([0.0, 0.0, 9.0]), (32, 32))
    assert uv_image(vertices[None], faces, layout, away).mask.max() == 0


def test_masked_forgets_all_three():
    vertices, faces, layout = ball()
    seen = uv_image(vertices[None], faces, layout, orbit(torch.zeros(3), 0, 0, 4.0, (32, 32)))
    keep = torch.zeros(1, 1, 32, 32)
    keep[..., :16] = 1
    half = seen.masked(keep)
    for whole, part in ((seen.uv, half.uv), (seen.mask, half.mask), (seen.frontality, half.frontality)):
        assert torch.equal(part, whole * keep)


def test_window_holds_the_body():
    vertices, faces, layout = ball()
    camera = orbit(torch.tensor([1.5, 0.0, 0.0]), 0, 0, 6.0, (120, 160))
    x, y, width, height = window(vertices[None], camera)
    _, _, rows, columns = uv_image(vertices[None], faces, layout, camera).mask.nonzero(as_tuple=True)
    assert x <= columns.min() and columns.max() < x + width < 160
    assert y <= rows.min() and rows.max() < y + height < 120
    assert width <= columns.max() - columns.min() + 5
    behind = look_at(torch.zeros(3), torch.tensor([0.0, 0.0, 3.0]), (40, 50))
    assert window(vertices[None], behind) == (0, 0, 50, 40)
    aside = look_at(torch.tensor([9.0, 0.0, 5.0]), torch.tensor([9.0, 0.0, 0.0]), (40, 50))
    x, y, width, height = window(vertices[None], aside)
    assert width >= 1 and height >= 1 and 0 <= x <= x + width <= 50 and 0 <= y <= y + height <= 40


def test_shapes_must_fit():
    with pytest.raises(ValueError, match="mask"):
        UVImage(torch.zeros(1, 2, 4, 4), torch.zeros(1, 4, 4), torch.zeros(1, 1, 4, 4))
    with pytest.raises(ValueError, match="frontality"):
        NeuralTexture(None, torch.zeros(1, 3, 8, 8), *(torch.zeros(1, 1, 8, 8),) * 2, torch.zeros(1, 1, 4, 4))
