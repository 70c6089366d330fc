from __future__ import annotations

import pytest
import torch
from reference.algorithm1 import sample_rgb as reference
from texture.shapes import ball, paint

from dinar.camera import orbit
from dinar.texture.drawing import draw
from dinar.texture.neural_texture import UVImage, uv_image
from dinar.texture.sampling import sample, sample_photo, sample_rgb, supersampling


def random_uv(batch: int, height: int, width: int, spread: float, seed: int) -> UVImage:
    """Random coordinates; with a small `spread` many pixels share a texel. Corners of the UV square included."""
    random = torch.Generator().manual_seed(seed)
    uv = torch.rand(batch, 2, height, width, generator=random) * spread + (1 - spread) / 2
    uv[:, :, 0, :2] = torch.tensor([0.0, 1.0])
    mask = (torch.rand(batch, 1, height, width, generator=random) < 0.7).float()
    mask[:, :, 0, :2] = 1
    return UVImage(uv * mask, mask, mask)


def loops(image: torch.Tensor, uv: UVImage, size: int, **options) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    results = [
        reference(i.permute(1, 2, 0).numpy(), u.permute(1, 2, 0).numpy(), m[0].numpy() > 0.5, size, **options)
        for i, u, m in zip(image.double(), uv.uv, uv.mask, strict=True)
    ]
    rgb, sampled, filled = (torch.stack([torch.from_numpy(r[k]) for r in results]) for k in range(3))
    return rgb.permute(0, 3, 1, 2).float(), sampled[:, None].float(), filled[:, None].float()


@pytest.mark.parametrize(("size", "spread"), [(16, 1.0), (16, 0.2), (1, 1.0), (2, 1.0), (64, 0.5), (64, 1.0)])
def test_equals_the_loops(size, spread):
    image = torch.rand(2, 3, 20, 24, generator=torch.Generator().manual_seed(size))
    uv = random_uv(2, 20, 24, spread, seed=size)
    ours, theirs = sample_rgb(image, uv, size), loops(image, uv, size)
    assert torch.equal(ours[1], theirs[1]) and torch.equal(ours[2], theirs[2])
    torch.testing.assert_close(ours[0], theirs[0], rtol=0, atol=1e-7)   # both sum in float64; the last bit of float32
    most = uv.mask.sum() / 2 / size**2
    assert size > 16 or spread < 1 or most > 1                          # many pixels a texel are among the cases


def test_equals_the_papers_last_write_where_texels_are_hit_once():
    size, random = 40, torch.Generator().manual_seed(3)
    texel = torch.randperm(size * size, generator=random)[:300].view(1, 15, 20)
    uv = (torch.stack([texel % size, texel // size], dim=1) + torch.rand(1, 2, 15, 20, generator=random) * 0.9) / size
    uv = UVImage(uv, torch.ones(1, 1, 15, 20), torch.ones(1, 1, 15, 20))
    image = torch.rand(1, 3, 15, 20, generator=random)
    ours, theirs = sample_rgb(image, uv, size), loops(image, uv, size, last_write=True)
    assert ours[1].sum() == 300
    torch.testing.assert_close(ours[0], theirs[0], rtol=0, atol=1e-7)


def test_white_stays_white_and_nothing_divides_by_zero():
    uv = random_uv(1, 64, 64, 0.6, seed=5)
    rgb, sampled, filled = sample_rgb(torch.ones(1, 3, 64, 64), uv, 48)
    assert torch.equal(rgb, filled.expand(-1, 3, -1, -1))
    assert 0 < sampled.sum() < filled.sum() < filled.numel()


def test_nothing_seen():
    blank = UVImage(torch.zeros(1, 2, 8, 8), torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8))
    for part in sample_rgb(torch.ones(1, 3, 8, 8), blank, 16):
        assert part.abs().max() == 0


def test_order_of_pixels_does_not_matter():
    uv, image = random_uv(1, 1, 4000, 0.1, seed=6), torch.rand(1, 3, 1, 4000)
    order = torch.randperm(4000)
    turned = UVImage(uv.uv[..., order], uv.mask[..., order], uv.frontality[..., order])
    for one, other in zip(sample_rgb(image, uv, 16), sample_rgb(image[..., order], turned, 16), strict=True):
        assert torch.equal(one, other)


def test_sizes_must_agree():
    with pytest.raises(ValueError, match="does not go with"):
        sample_rgb(torch.ones(1, 3, 8, 9), random_uv(1, 8, 8, 1.0, seed=0), 16)


@pytest.mark.parametrize("factor", [1, 2])
def test_background_never_lands_on_the_body(factor):
    vertices, faces, layout = ball()
    camera = orbit(torch.zeros(3), 10, 5, 4.5, (128, 128), fov=28)
    drawn = draw(torch.full((1, 3, 32, 32), 0.25), vertices[None], faces, layout, camera, supersample=4)
    person = drawn.mask.clone()
    person[..., :50] = 0                                                # the fitted body reaches beyond the person
    photo = torch.where(person > 0, drawn.over(1.0), 1.0)
    uv = uv_image(vertices[None], faces, layout, camera.resized((128 * factor, 128 * factor)))
    texture = sample(photo, person, uv, 64, min_frontality=0.0)
    seen = texture.filled.expand(-1, 3, -1, -1) > 0
    assert seen.any()
    torch.testing.assert_close(texture.rgb[seen], torch.full_like(texture.rgb[seen], 0.25), atol=1e-5, rtol=0)
    bled = sample(photo, torch.ones_like(person), uv, 64, min_frontality=0.0)
    assert bled.rgb.max() > 0.9


def test_grazing_pixels_are_left_out():
    vertices, faces, layout = ball(48, 96)
    camera = orbit(torch.zeros(3), 0, 0, 4.5, (256, 256), fov=28)
    uv = uv_image(vertices[None], faces, layout, camera)
    texture = sample(torch.ones(1, 3, 256, 256), uv.mask, uv, 64, min_frontality=0.5)
    assert texture.frontality[texture.sampled > 0].min() >= 0.5
    assert texture.frontality.max() <= 1
    everything = sample(torch.ones(1, 3, 256, 256), uv.mask, uv, 64, min_frontality=0.0)
    assert everything.sampled.sum() > texture.sampled.sum() * 1.2


@pytest.mark.parametrize(("side", "size"), [(256, 128), (128, 256)])
def test_a_drawn_texture_comes_back(side, size):
    vertices, faces, layout = ball(48, 96)
    camera = orbit(torch.zeros(3), 15, 10, 4.5, (side, side), fov=28)
    drawn = draw(paint(size), vertices[None], faces, layout, camera, supersample=2)
    texture = sample_photo(drawn.over(0.0), drawn.mask, vertices[None], faces, layout, camera, size)
    frontal = (texture.frontality > 0.5).expand(-1, 3, -1, -1)
    assert frontal.float().mean() > 0.08
    off = (texture.rgb - paint(size)).abs()[frontal]
    assert off.mean() < 0.01 and off.quantile(0.99) < 0.05              # half a texel or pixel of a smooth texture


def test_a_fine_texture_has_no_holes():
    vertices, faces, layout = ball(48, 96)
    camera = orbit(torch.zeros(3), 0, 0, 4.5, (96, 96), fov=28)
    factor = supersampling(vertices[None], faces, layout, camera, 256)
    assert factor > 1
    assert supersampling(vertices[None], faces, layout, camera.resized((96 * factor, 96 * factor)), 256) == 1
    assert supersampling(vertices[None], faces, layout, camera, 16) == 1
    photo, person = torch.ones(1, 3, 96, 96), torch.ones(1, 1, 96, 96)
    texture = sample_photo(photo, person, vertices[None], faces, layout, camera, 256)
    plain = sample(photo, person, uv_image(vertices[None], faces, layout, camera), 256)
    front = torch.zeros(1, 1, 256, 256, dtype=torch.bool)
    front[..., 90:166, 90:166] = True                                   # within 60 degrees of the camera
    assert texture.sampled[front].mean() > 0.98 > 0.7 > plain.sampled[front].mean()
    assert texture.filled[front].min() == 1


def test_what_shows_something_else_is_left_out_with_what_it_mixes_with():
    points, faces, layout = ball()
    camera = orbit(torch.zeros(3), 0, 0, 6.0, (96, 96), fov=28)
    image, mask = torch.full((1, 3, 96, 96), 0.25), torch.ones(1, 1, 96, 96)
    without = torch.zeros(1, 1, 96, 96)
    without[..., 44:52, 44:52] = 1
    image[..., 43:53, 43:53] = 0.9                                       # a pixel more than is known
    texture = sample_photo(image, mask, points[None], faces, layout, camera, 64, without=without)
    assert texture.filled.sum() > 200
    assert (texture.rgb - 0.25 * texture.filled).abs().max() < 1e-6
    whole = sample_photo(image, mask, points[None], faces, layout, camera, 64)
    assert whole.rgb.max() > 0.85 and whole.sampled.sum() > texture.sampled.sum()
