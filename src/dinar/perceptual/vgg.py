"""VGG16's convolutions with their ImageNet weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from dinar.perceptual.alexnet import load_convolutions

PER_STAGE = (2, 2, 3, 3, 3)   # convolutions


def max_pool(x: Tensor) -> Tensor:   # [B, C, H, W] -> [B, C, H / 2, W / 2]
    """What VGG16 halves an image with."""
    return functional.max_pool2d(x, 2)


class VGG16(nn.Module):
    """The thirteen convolutions of VGG16 (Simonyan and Zisserman 2015, configuration D) in five stages."""

    channels = (64, 128, 256, 512, 512)

    def __init__(self, pool: Callable[[Tensor], Tensor] = max_pool) -> None:
        """pool halves the image between two stages; DISTS has one of its own."""
        super().__init__()
        self.pool = pool
        inputs = 3
        self.convolutions = nn.ModuleList()
        for channels, count in zip(self.channels, PER_STAGE, strict=True):
            for _ in range(count):
                self.convolutions.append(nn.Conv2d(inputs, channels, 3, padding=1))
                inputs = channels

    def forward(self, x: Tensor) -> list[Tensor]:
        """x [B, 3, H, W], normalised -> what each stage's last ReLU gives, [B, channels[i], H / 2^i, W / 2^i]."""
        found: list[Tensor] = []
        if self.convolutions[0].weight.is_contiguous(memory_format=torch.channels_last):
            x = x.contiguous(memory_format=torch.channels_last)
        convolutions = iter(self.convolutions)
        for stage, count in enumerate(PER_STAGE):
            if stage:
                x = self.pool(x)
            for _ in range(count):
                x = functional.relu(next(convolutions)(x))
            found.append(x)
        return found

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes the weights from the arrays of `vgg16.safetensors`, to channels-last memory: quicker on CPUs."""
        load_convolutions(self.convolutions, tensors, "VGG16_0")
        self.to(memory_format=torch.channels_last)
