"""The network that judges longest, made ready for a CPU: the same numbers in half the time. Import it late: numba."""

from __future__ import annotations

from torch import Tensor, nn

from dinar.networks.winograd import Winograd
from dinar.perceptual.dists import DISTS


class _Tiled(nn.Module):
    """A 3 x 3 convolution with the ReLU behind it."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.tiled = Winograd.of(conv.weight, conv.bias, 0.0)

    def forward(self, x: Tensor) -> Tensor:   # [1, C, H, W] -> [1, K, H, W]
        return self.tiled(x)


def quickened(dists: DISTS) -> DISTS:
    """The same, of single pictures and without gradients; it is changed itself."""
    convolutions = dists.backbone.convolutions
    for k in range(1, len(convolutions)):          # of the first one's three channels nothing is saved
        convolutions[k] = _Tiled(convolutions[k])
    return dists
