"""The networks that judge, made ready for a CPU: the same numbers in two thirds of the time. Import it late: numba."""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor, nn

from dinar.networks.winograd import Winograd
from dinar.perceptual.dists import DISTS
from dinar.perceptual.lpips import LPIPS

Judge = TypeVar("Judge", LPIPS, DISTS)

_FEW = 16   # channels, of fewer than which nothing is saved


class _Tiled(nn.Module):
    """A 3 x 3 convolution with the ReLU behind it."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.tiled = Winograd.of(conv.weight, conv.bias, 0.0)

    def forward(self, x: Tensor) -> Tensor:   # [1, C, H, W] -> [1, K, H, W]
        return self.tiled(x)


def quickened(judge: Judge) -> Judge:
    """The same for single pictures and without gradients; it is changed itself."""
    convolutions = judge.backbone.convolutions            # a ReLU follows each
    for k, conv in enumerate(convolutions):
        if (conv.kernel_size, conv.stride, conv.padding) == ((3, 3), (1, 1), (1, 1)) and conv.in_channels >= _FEW:
            convolutions[k] = _Tiled(conv)
    return judge
