"""The parts that the networks are made of: StyleGAN2's (Karras et al. 2020) and ResNet's, in plain PyTorch.

All of them run under bf16 autocast and in channels-last memory.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.2   # of every leaky ReLU


def leaky(x: Tensor) -> Tensor:
    """Leaky ReLU with a gain of sqrt 2, which keeps the variance of a normal input near 1."""
    return functional.leaky_relu(x, SLOPE) * math.sqrt(2)


def channels_at(resolution: int, channel_base: int, max_channels: int) -> int:
    """StyleGAN2's rule: channels double as the side halves, up to a limit."""
    return min(channel_base // resolution, max_channels)


def check_resolution(resolution: int) -> None:
    """Raises ValueError unless halving `resolution` leads to 4."""
    if resolution < 8 or resolution & (resolution - 1):
        raise ValueError(f"resolution {resolution} is no power of two from 8 on")


class EqualLinear(nn.Module):
    """A linear layer with an equalised learning rate: weights ~ N(0, 1), scaled by 1 / sqrt(fan-in) when used."""

    def __init__(self, inputs: int, outputs: int, *, bias: float = 0.0, activate: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.scale = inputs**-0.5
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:   # [B, inputs] -> [B, outputs]
        x = functional.linear(x, self.weight * self.scale, self.bias)
        return leaky(x) if self.activate else x


class EqualConv(nn.Module):
    """A convolution of odd kernel with an equalised learning rate; the output is as large as the input."""

    def __init__(self, inputs: int, outputs: int, kernel: int, *, activate: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = (inputs * kernel**2) ** -0.5
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:   # [B, inputs, H, W] -> [B, outputs, H, W]
        x = functional.conv2d(x, self.weight * self.scale, self.bias, padding=self.weight.shape[-1] // 2)
        return leaky(x) if self.activate else x


class Fir(nn.Module):
    """The low-pass filter [1, 3, 3, 1] along both axes, zeros beyond the image; it keeps a constant as it is."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("kernel", (taps[:, None] * taps)[None, None], persistent=False)

    def smooth(self, x: Tensor, *, padding: int, gain: float = 1.0) -> Tensor:
        """[B, C, H, W] -> [B, C, H + 2 padding - 3, W + 2 padding - 3]."""
        return functional.conv2d(x, self._weight(x) * gain, padding=padding, groups=x.shape[1])

    def halve(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, H / 2, W / 2]."""
        return functional.conv2d(x, self._weight(x), stride=2, padding=1, groups=x.shape[1])

    def double(self, x: Tensor) -> Tensor:
        """[B, C, H, W] -> [B, C, 2 H, 2 W]."""
        return functional.conv_transpose2d(x, self._weight(x) * 4, stride=2, padding=1, groups=x.shape[1])

    def _weight(self, x: Tensor) -> Tensor:
        return self.kernel.to(x.dtype).expand(x.shape[1], -1, -1, -1)


class HalvingBlock(nn.Module):
    """A residual block of the StyleGAN2 discriminator: [B, inputs, H, W] -> [B, outputs, H / 2, W / 2]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.fir = Fir()
        self.first = EqualConv(inputs, inputs, 3)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.skip = nn.Parameter(torch.randn(outputs, inputs, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        inputs = x.shape[1]
        skip = functional.conv2d(self.fir.halve(x), self.skip * inputs**-0.5)
        x = self.fir.smooth(self.first(x), padding=2)
        x = functional.conv2d(x, self.weight * (inputs * 9) ** -0.5, self.bias, stride=2)
        return (leaky(x) + skip) * math.sqrt(0.5)


def minibatch_deviation(x: Tensor, group: int = 4) -> Tensor:
    """Appends one channel, how much the images of a group differ: [B, C, H, W] -> [B, C + 1, H, W].

    A group has at most `group` images, fewer where the batch is no multiple of it.
    """
    batch, _, h, w = x.shape
    size = max(n for n in range(1, min(group, batch) + 1) if batch % n == 0)
    grouped = x.float().reshape(size, batch // size, *x.shape[1:])
    deviation = (grouped.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3))
    return torch.cat([x, deviation.to(x.dtype).repeat(size)[:, None, None, None].expand(-1, 1, h, w)], dim=1)


class Trunk(nn.Module):
    """The StyleGAN2 discriminator: an image [B, inputs, resolution, resolution] -> float32 [B, outputs]."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        resolution: int,
        channel_base: int,
        max_channels: int,
        *,
        compare: bool,                 # each image also sees how much its batch varies
    ) -> None:
        super().__init__()
        check_resolution(resolution)
        sides = [resolution >> i for i in range(resolution.bit_length() - 2)]
        widths = [channels_at(side, channel_base, max_channels) for side in sides]
        self.compare = compare
        self.entry = EqualConv(inputs, widths[0], 1)
        self.blocks = nn.Sequential(*(HalvingBlock(a, b) for a, b in pairwise(widths)))
        self.last = EqualConv(widths[-1] + compare, widths[-1], 3)
        self.hidden = EqualLinear(widths[-1] * 16, widths[-1], activate=True)
        self.head = EqualLinear(widths[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.entry(x))
        if self.compare:
            x = minibatch_deviation(x)
        return self.head(self.hidden(self.last(x).flatten(1))).float()


class ModulatedConv(nn.Module):
    """A convolution whose input channels are scaled by a style and whose output has unit variance again.

    StyleGAN2 scales the weights, a set for each sample; scaling the input by the style and the output by the
    demodulation is the same function with one set of weights for the batch. The demodulation is float32 always.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        latent: int,
        *,
        demodulate: bool = True,
        double: bool = False,          # the output is twice as large
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.scale = (inputs * kernel**2) ** -0.5
        self.style = EqualLinear(latent, inputs, bias=1.0)
        self.demodulate = demodulate
        self.fir = Fir() if double else None

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:   # [B, inputs, H, W], [B, latent] -> [B, outputs, H', W']
        style = self.style(latent)
        weight = self.weight * self.scale
        x = x * style[:, :, None, None].to(x.dtype)
        if self.fir is None:
            x = functional.conv2d(x, weight, padding=weight.shape[-1] // 2)
        else:
            x = functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
            x = self.fir.smooth(x, padding=1, gain=4)
        if self.demodulate:
            with torch.autocast(x.device.type, enabled=False):
                variance = style.float().square() @ weight.float().square().sum((2, 3)).T
            x = x * (variance + 1e-8).rsqrt()[:, :, None, None].to(x.dtype)
        return x


class Noise(nn.Module):
    """Noise of a learned strength, one channel added to all; nothing without a random generator."""

    def __init__(self) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, rng: torch.Generator | None) -> Tensor:   # [B, C, H, W] -> the same
        if rng is None:
            return x
        noise = torch.randn(len(x), 1, *x.shape[2:], generator=rng, device=x.device)
        return x + (self.strength * noise).to(x.dtype)


class StyledConv(nn.Module):
    """A layer of the StyleGAN2 generator: modulated 3 x 3 convolution, noise, bias, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, latent: int, *, double: bool = False) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, 3, latent, double=double)
        self.noise = Noise()
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor, latent: Tensor, rng: torch.Generator | None) -> Tensor:
        x = self.noise(self.conv(x, latent), rng)
        return leaky(x + self.bias[:, None, None].to(x.dtype))


def conv_norm(inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, activate: bool = True) -> nn.Sequential:
    """Convolution, BatchNorm, leaky ReLU: in evaluation the middle one folds into the first."""
    layers = [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(SLOPE, inplace=True),
    ]
    return nn.Sequential(*layers[: 3 if activate else 2])


class ResBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut: [B, inputs, H, W] -> [B, outputs, H / stride, W / stride]."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv_norm(inputs, outputs, stride=stride), conv_norm(outputs, outputs, activate=False)
        )
        # a mean, not every other pixel: what shimmers when a body moves by a pixel must not pass
        shrink = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        same = inputs == outputs and stride == 1
        skip = conv_norm(inputs, outputs, kernel=1, activate=False)
        self.skip = nn.Identity() if same else nn.Sequential(shrink, skip)

    def forward(self, x: Tensor) -> Tensor:
        return functional.leaky_relu(self.body(x) + self.skip(x), SLOPE)
