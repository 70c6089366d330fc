from __future__ import annotations

import math

import pytest
import torch

from dinar.evaluate.parts import strayed

SHIRT, TROUSERS, SKIN = 1, 2, 3


def person() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A picture of three parts in noisy colours, its mask, its labels: skin above, then shirt, then trousers."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.zeros(90, 60, dtype=torch.uint8)
    labels[5:25, 20:40], labels[25:55, 10:50], labels[55:85, 15:45] = SKIN, SHIRT, TROUSERS
    colours = torch.tensor([[0.5, 0.5, 0.5], [0.8, 0.15, 0.1], [0.1, 0.2, 0.6], [0.8, 0.6, 0.5]])
    image = colours[labels.long()].permute(2, 0, 1) + 0.03 * torch.randn(3, 90, 60, generator=generator)
    return image.clamp(0, 1), (labels > 0).float()[None], labels


def test_a_shirt_that_runs_into_the_trousers_is_counted() -> None:
    image, mask, labels = person()
    assert strayed(image, mask, image, mask, labels) == 0
    wrong = image.clone()
    wrong[:, 55:65, 15:45] = image[:, 30:40, 15:45]              # a third of the trousers
    people = 20 * 20 + 30 * 40 + 30 * 30
    assert strayed(wrong, mask, image, mask, labels) == pytest.approx(300 / people, abs=1e-9)
    print_on_shirt = image.clone()
    print_on_shirt[:, 30:40, 20:30] = image[:, 10:20, 20:30]     # skin where the shirt is
    assert strayed(print_on_shirt, mask, image, mask, labels) == pytest.approx(100 / people, abs=1e-9)


def test_a_shade_and_what_is_not_drawn_do_not_count() -> None:
    image, mask, labels = person()
    assert strayed((image * 0.93).clamp(0, 1), mask, image, mask, labels) < 0.01
    half = mask.clone()
    half[:, 55:] = 0
    wrong = image.clone()
    wrong[:, 55:] = image[:, 25:60].mean((1, 2))[:, None, None]
    assert strayed(wrong, half, image, mask, labels) == 0


def test_one_part_tells_nothing() -> None:
    image, mask, labels = person()
    assert math.isnan(strayed(image, mask, image, mask, torch.where(labels == SKIN, labels, 0)))
    assert math.isnan(strayed(image, torch.zeros_like(mask), image, mask, labels))
