"""The hole is filled with what is around it, and nothing else changes."""

from __future__ import annotations

import pytest
import torch

from dinar.scene.background import fill

SIZE = 60, 80


def hole(rows: slice, columns: slice) -> torch.Tensor:
    out = torch.zeros(1, *SIZE)
    out[:, rows, columns] = 1
    return out


def checks(period: int) -> torch.Tensor:
    """A pattern [3, H, W] that repeats itself in both directions, softly: no edge says where a pixel begins."""
    y, x = torch.meshgrid(*(torch.arange(side) * 2 * torch.pi / period for side in SIZE), indexing="ij")
    return 0.5 + 0.3 * torch.stack([y.sin() * x.sin(), y.cos(), (x + y).sin()])


def test_a_pattern_goes_on_and_known_pixels_stay() -> None:
    image, missing = checks(8), hole(slice(20, 38), slice(30, 52))
    damaged = torch.where(missing > 0, 0.0, image)
    out = fill(damaged, missing)
    assert torch.equal(out[:, missing[0] == 0], image[:, missing[0] == 0])
    smooth = fill(damaged, missing, avoid=torch.ones_like(missing))
    wrong = [float((found - image).abs()[:, missing[0] > 0].mean()) for found in (out, smooth)]
    assert wrong[0] < 0.03 < wrong[1], "patches continue it, smooth colours do not"


def test_what_is_in_the_hole_does_not_matter() -> None:
    image, missing = checks(8), hole(slice(20, 38), slice(30, 52))
    found = [fill(torch.where(missing > 0, shade, image), missing) for shade in (0.0, 1.0)]
    assert torch.equal(*found)


def test_the_seed_decides() -> None:
    image = torch.rand(3, *SIZE, generator=torch.Generator().manual_seed(1))
    missing = hole(slice(20, 34), slice(30, 48))
    assert torch.equal(fill(image, missing, seed=3), fill(image, missing, seed=3))
    assert not torch.equal(fill(image, missing, seed=3), fill(image, missing, seed=4))


def test_nothing_is_taken_from_what_is_to_be_avoided() -> None:
    """Above is red with a blue corner; the hole is near the corner, which is somebody else."""
    image = torch.tensor([0.8, 0.1, 0.1])[:, None, None].repeat(1, *SIZE)
    somebody = hole(slice(0, 60), slice(56, 80))
    image = torch.where(somebody > 0, torch.tensor([0.1, 0.1, 0.9])[:, None, None], image)
    missing = hole(slice(20, 40), slice(36, 56))
    blue = fill(image, missing, avoid=somebody)[2, missing[0] > 0]
    assert float(blue.quantile(0.8)) < 0.2


def test_a_shade_that_varies_leaves_no_seam() -> None:
    """Copies from elsewhere have other brightness: their steps count, not their values."""
    ramp = torch.linspace(0.35, 0.65, SIZE[1]).expand(3, *SIZE)
    missing = hole(slice(10, 50), slice(30, 50))
    out = fill(ramp.clone(), missing)
    assert float((out - ramp).abs().max()) < 0.05
    assert float((out[..., 1:] - out[..., :-1]).abs().max()) < 0.03, "no step stands out"


@pytest.mark.parametrize("side", ["left", "top", "corner"])
def test_a_hole_may_reach_the_edge(side: str) -> None:
    rows = slice(0, 20) if side != "left" else slice(20, 40)
    columns = slice(0, 20) if side != "top" else slice(20, 40)
    image, missing = checks(8), hole(rows, columns)
    out = fill(torch.where(missing > 0, 0.0, image), missing)
    assert float((out - image).abs().mean(0)[missing[0] > 0].median()) < 0.15


def test_without_anything_known_it_is_grey_and_without_a_hole_the_picture() -> None:
    image = checks(8)
    assert torch.equal(fill(image, torch.zeros(1, *SIZE)), image)
    assert torch.equal(fill(image, torch.ones(1, *SIZE)), torch.full_like(image, 0.5))
