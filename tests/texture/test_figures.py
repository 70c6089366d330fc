from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dinar.texture.fabric import Fabric
from dinar.texture.figures import own_detail
from dinar.texture.rounds import CELLS, FINER, Round

SIDE = 256


def limb() -> Round:
    """A limb that lies unrolled in its texture, rows down and cells across."""
    row, cell = np.indices((SIDE, SIDE), np.float32)
    places = (row / FINER[0]).ravel(), (cell * CELLS / SIDE).ravel()
    return Round("left arm", np.arange(SIDE * SIDE), np.ones(SIDE * SIDE, np.float32), *places, SIDE // FINER[0] + 2)


def cloth(strength: float = 0.03) -> Tensor:
    """Grey cloth with a weave."""
    weave = np.random.default_rng(0).standard_normal((SIDE, SIDE)).astype(np.float32)
    return (0.5 + strength * torch.from_numpy(weave)).expand(3, SIDE, SIDE)


def size(detail: Tensor) -> float:
    return float(detail.square().mean().sqrt())


def test_a_weave_goes_on_as_it_is() -> None:
    about, trust = limb(), torch.ones(1, SIDE, SIDE)
    fine, known = own_detail(Fabric.of(cloth(), trust, [about]), cloth(), trust, [about])
    assert known.mean() > 0.9
    assert 0.75 * 0.03 < size(fine) < 1.05 * 0.03


def test_folds_at_one_place_are_no_stronger_than_the_weave_elsewhere() -> None:
    """A pocket's edges, too weak for figures and too large for small ones."""
    about, trust = limb(), torch.ones(1, SIDE, SIDE)
    edges = torch.zeros(SIDE, SIDE)
    edges[90:160, 60:200:7] = 0.06
    rgb = cloth(0.02) + edges
    there = slice(95, 155), slice(65, 195)
    fabric = Fabric.of(rgb, trust, [about])
    before, after = (own_detail(fabric, rgb, trust, rounds)[0] for rounds in ([], [about]))
    weave = size(after[:, 10:80])
    assert size(before[:, *there]) > 1.3 * weave
    assert size(after[:, *there]) < 1.15 * weave
    assert abs(weave - size(before[:, 10:80])) < 0.15 * weave
