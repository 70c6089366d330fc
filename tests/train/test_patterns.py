from __future__ import annotations

import numpy as np
import torch

from dinar.train.patterns import FILLED, pattern, worn


def sheet(side: int = 200) -> torch.Tensor:
    """A square half a metre wide, upright."""
    along = torch.linspace(0.1, 0.6, side)
    y, x = torch.meshgrid(along, along, indexing="ij")
    return torch.stack([x, y, torch.zeros_like(x)], dim=-1)


def test_patterns_are_many_and_their_own() -> None:
    found = [pattern(sheet(), np.random.default_rng(seed)) for seed in range(40)]
    assert all(one.min() >= 0 and one.max() <= 1 and one.std() > 0.05 for one in found)
    assert torch.equal(found[3], pattern(sheet(), np.random.default_rng(3)))
    shares = torch.stack([one.mean() for one in found])
    assert shares.min() > 0.5 * FILLED[0] ** 2 and shares.max() < FILLED[1] + 0.15 and shares.std() > 0.05
    level = [one.std(0).mean() / one.std(1).mean().clamp(min=1e-6) for one in found]
    assert sum(ratio > 2 for ratio in level) > 3 and sum(ratio < 0.5 for ratio in level) > 3


def test_front_and_back_wear_the_same() -> None:
    there = sheet()
    behind = there * torch.tensor([-1.0, 1.0, -1.0])
    assert torch.equal(pattern(there, np.random.default_rng(5)), pattern(behind, np.random.default_rng(5)))


def test_all_colours_get_the_same_where_there_is_some() -> None:
    rng = torch.Generator().manual_seed(0)
    one, other = (0.2 * torch.rand(1, 3, 8, 8, generator=rng) for _ in range(2))
    cover = torch.zeros(8, 8)
    cover[:, 4:] = 1
    a, b = worn([one, other], cover, np.random.default_rng(0))
    assert torch.equal(a[..., :4], one[..., :4]) and torch.equal(b[..., :4], other[..., :4])
    assert (a != one)[..., 4:].any()
    ratio = (a - b)[..., 4:] / (one - other)[..., 4:]
    assert ratio.std() < 1e-3 and 0.3 <= ratio.mean() <= 1
