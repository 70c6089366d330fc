"""Pairs of images, and networks with random weights or with their own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dinar.errors import InputError
from dinar.store import Store


def pairs() -> tuple[Tensor, Tensor]:
    """Two pairs of images [2, 3, 96, 80], always the same: one image is shifted, the other made paler and grainier."""
    random = np.random.RandomState(0)
    coarse = np.kron(random.rand(2, 3, 6, 5), np.ones((16, 16)))
    first = 0.8 * coarse + 0.2 * random.rand(2, 3, 96, 80)
    shifted = np.roll(first[0], (1, 2), (1, 2))
    paler = 0.7 * first[1] + 0.2 * random.rand(3, 96, 80)
    return torch.from_numpy(first).float(), torch.from_numpy(np.stack([shifted, paler])).float()


def randomise(backbone: nn.Module, seed: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Gives a backbone random weights that keep its signals alive; returns kernels [k, k, I, O] and biases."""
    generator = torch.Generator().manual_seed(seed)
    kernels, biases = [], []
    for convolution in backbone.convolutions:
        fan = convolution.weight[0].numel()
        convolution.weight.copy_(torch.randn(convolution.weight.shape, generator=generator) * (2 / fan) ** 0.5)
        convolution.bias.copy_(torch.randn(convolution.bias.shape, generator=generator) * 0.1)
        kernels.append(convolution.weight.permute(2, 3, 1, 0).double().numpy())
        biases.append(convolution.bias.double().numpy())
    return kernels, biases


def at_hand(*names: str) -> Store:
    """A store that has these files; it downloads nothing."""
    store = Store()
    try:
        missing = [name for name in names if store.present(name) is None]
    except InputError as error:
        pytest.skip(str(error))
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: dinar doctor --fetch all")
    return store
