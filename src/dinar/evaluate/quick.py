"""The networks that judge, made ready for a CPU: the same numbers in less time. Import it late: numba."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from dinar.networks.winograd import Winograd
from dinar.perceptual.alexnet import AlexNet
from dinar.perceptual.dists import DISTS
from dinar.perceptual.lpips import LPIPS
from dinar.perceptual.vgg import PER_STAGE, VGG16

Judge = TypeVar("Judge", LPIPS, DISTS)

_FEW = 16        # channels, of fewer than which nothing is saved
_ALIKE = 1e-5    # colours of one plain background differ by less, for pictures are scaled
_SIZES = 3       # of pictures whose plain background is kept ready


class _Tiled(nn.Module):
    """A 3 x 3 convolution with the ReLU behind it."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.tiled = Winograd.of(conv.weight, conv.bias, 0.0)

    def forward(self, x: Tensor) -> Tensor:   # [1, C, H, W] -> [1, K, H, W]
        return self.tiled(x)


@dataclass(frozen=True)
class _Step:
    """What a network does to a picture: a convolution with its ReLU, or a pooling.

    kernel, stride, padding  pixels a side of what one number is made of, from one to the next, beyond the border
    kept                     it is one of the features
    """

    apply: Callable[[Tensor], Tensor]
    kernel: int
    stride: int
    padding: int
    kept: bool = False

    def reached(self, span: tuple[int, int], size: int) -> tuple[int, int] | None:
        """Which of `size` numbers pixels first to last have a part in, along one axis; None: in none."""
        first, last = span
        low = max(-(-(first + self.padding - self.kernel + 1) // self.stride), 0)
        high = min((last - 1 + self.padding) // self.stride + 1, size)
        return (low, high) if low < high else None

    def needed(self, span: tuple[int, int], size: int) -> tuple[int, int]:
        """Which of `size` pixels numbers first to last are made of, from a whole step on."""
        first, last = span
        start = (first * self.stride - self.padding) // self.stride * self.stride
        return max(start, 0), min((last - 1) * self.stride - self.padding + self.kernel, size)


class _OnPlain(nn.Module):
    """A network for single pictures of people before a plain background, which it looks at but once.

    What differs from the background lies in a box, which grows from layer to layer by what a number is made of; outside
    it a layer is that of the plain background, border included.
    """

    def __init__(self, network: AlexNet | VGG16) -> None:
        super().__init__()
        self.convolutions = network.convolutions
        weight = network.convolutions[0].weight
        self.channels_last = weight.is_contiguous(memory_format=torch.channels_last)
        self.steps = _steps_of_vgg(network) if isinstance(network, VGG16) else _steps_of_alexnet(network)
        self.plain: OrderedDict[tuple[float, ...], list[Tensor]] = OrderedDict()

    def forward(self, x: Tensor) -> list[Tensor]:
        """x [1, 3, H, W], normalised -> the network's features."""
        if self.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        colour = x[:, :, :1, :1]
        other = ((x - colour).abs() > _ALIKE).any(1)[0]
        ahead = self._of_plain(colour, x)
        rows, columns = _span(other.any(1)), _span(other.any(0))
        found = []
        for step, plain in zip(self.steps, ahead, strict=True):
            before, x = x, plain
            rows = rows and step.reached(rows, plain.shape[2])
            columns = columns and step.reached(columns, plain.shape[3])
            if rows and columns:
                (top, bottom), (left, right) = step.needed(rows, before.shape[2]), step.needed(columns, before.shape[3])
                made = step.apply(before[:, :, top:bottom, left:right])
                made = made[:, :, rows[0] - top // step.stride :, columns[0] - left // step.stride :]
                x = plain.clone()
                x[:, :, slice(*rows), slice(*columns)] = made[:, :, : rows[1] - rows[0], : columns[1] - columns[0]]
            if step.kept:
                found.append(x)
        return found

    def _of_plain(self, colour: Tensor, x: Tensor) -> list[Tensor]:
        """What every step makes of a picture like `x` of one colour."""
        key = (*x.shape[2:], *(round(value / _ALIKE) for value in colour.flatten().tolist()))
        if key in self.plain:
            self.plain.move_to_end(key)
            return self.plain[key]
        layer, layers = colour.expand_as(x).clone(memory_format=torch.preserve_format), []
        for step in self.steps:
            layer = step.apply(layer)
            layers.append(layer)
        self.plain[key] = layers
        if len(self.plain) > _SIZES:
            self.plain.popitem(last=False)
        return layers


def quickened(judge: Judge) -> Judge:
    """The same for single pictures and without gradients; it is changed itself."""
    convolutions = judge.backbone.convolutions            # a ReLU follows each
    around = _OnPlain(judge.backbone)
    for k, conv in enumerate(convolutions):
        if (conv.kernel_size, conv.stride, conv.padding) == ((3, 3), (1, 1), (1, 1)) and conv.in_channels >= _FEW:
            convolutions[k] = _Tiled(conv)
    judge.backbone = around
    return judge


def _span(marked: Tensor) -> tuple[int, int] | None:
    """First and last but one of what is marked in [N]; None where nothing is."""
    found = marked.nonzero()
    return (int(found[0]), int(found[-1]) + 1) if len(found) else None


def _convolution(convolutions: nn.ModuleList, k: int, *, kept: bool) -> _Step:
    conv = convolutions[k]
    (kernel, _), (stride, _), (padding, _) = conv.kernel_size, conv.stride, conv.padding
    return _Step(lambda x: functional.relu(convolutions[k](x)), kernel, stride, padding, kept)


def _steps_of_vgg(network: VGG16) -> list[_Step]:
    """With DISTS' pooling, `blur_pool`."""
    pool, steps, k = _Step(network.pool, 3, 2, 1), [], 0
    for stage, count in enumerate(PER_STAGE):
        steps += [pool] if stage else []
        steps += [_convolution(network.convolutions, k + i, kept=i == count - 1) for i in range(count)]
        k += count
    return steps


def _steps_of_alexnet(network: AlexNet) -> list[_Step]:
    pool = _Step(lambda x: functional.max_pool2d(x, 3, 2), 3, 2, 0)
    steps = [_convolution(network.convolutions, k, kept=True) for k in range(len(network.convolutions))]
    return [steps[0], pool, steps[1], pool, *steps[2:]]
