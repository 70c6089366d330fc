from __future__ import annotations

import numpy as np
import pytest
import torch
from texture.shapes import ball, paint

from dinar.camera import orbit
from dinar.raster import blocks, samples
from dinar.texture.neural_drawing import surface
from dinar.texture.neural_texture import NeuralTexture, window

VERTICES, FACES, LAYOUT = ball()


@pytest.mark.parametrize("side", [2, 4])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("away", [0.0, 0.9, 5.0])      # of the ball from the middle: whole, cut off, out of the image
def test_what_is_read_is_the_surface_that_torch_samples(side: int, threads: int, away: float) -> None:
    rng = torch.Generator().manual_seed(0)
    maps = (torch.rand(3, 1, 1, 32, 32, generator=rng) > 0.5).float()
    texture = NeuralTexture(torch.randn(1, 16, 16, 16, generator=rng), paint(32), *maps)
    camera = orbit(torch.tensor([away, 0.0, 0.0]), 20, 10, 6.0, (80, 64), fov=28)
    seen = surface(texture, texture.rgb, VERTICES[None], FACES, LAYOUT, camera)
    wanted = torch.cat([seen.features(texture.generated), seen.uv * 2 - seen.mask, seen.mask], dim=1)[0]

    colours = torch.cat([texture.rgb, texture.sampled, texture.filled, torch.zeros(1, 3, 32, 32)], dim=1)
    parts = (colours[0].permute(1, 2, 0), texture.generated[0].permute(1, 2, 0), LAYOUT.uv[LAYOUT.faces].flatten(1))
    x, y, width, height = window(VERTICES[None], camera)
    points = camera.cropped(x, y, (height, width)).project(VERTICES)
    canvas, size = blocks.Canvas(*(part.contiguous().numpy() for part in parts)), (80 // side, 64 // side)
    drawn = samples.draw(points.numpy(), FACES.int().numpy(), canvas.uv, (height, width), 2, threads)
    found = blocks.read(canvas, drawn, (x, y), size, side, threads)

    assert (found.values[-1] == 0).all() and found.place.max() <= len(found.values) - 1
    held = [(wanted[:, i * side : (i + 1) * side, j * side : (j + 1) * side] != 0).any() for i, j in np.ndindex(*size)]
    assert (found.place < len(found.values) - 1).ravel().tolist() == [bool(h) for h in held]     # no block in vain
    image = torch.from_numpy(found.values[found.place]).permute(4, 0, 2, 1, 3).reshape(24, 80, 64)
    torch.testing.assert_close(image, wanted, atol=2e-5, rtol=0)
    assert away == 5.0 or sum(held) > 20
