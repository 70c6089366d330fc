"""AlexNet's convolutions with their ImageNet weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional


class AlexNet(nn.Module):
    """The five convolutions of AlexNet (Krizhevsky 2014, the narrower one) up to the last ReLU."""

    channels = (64, 192, 384, 256, 256)

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            [
                nn.Conv2d(3, 64, 11, stride=4, padding=2),
                nn.Conv2d(64, 192, 5, padding=2),
                nn.Conv2d(192, 384, 3, padding=1),
                nn.Conv2d(384, 256, 3, padding=1),
                nn.Conv2d(256, 256, 3, padding=1),
            ]
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """x [B, 3, H, W], normalised -> what comes out of each ReLU, [B, channels[i], H_i, W_i]."""
        found: list[Tensor] = []
        for i, convolution in enumerate(self.convolutions):
            if i in (1, 2):
                x = functional.max_pool2d(x, 3, 2)
            x = functional.relu(convolution(x))
            found.append(x)
        return found

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes the weights from the arrays of `alexnet.safetensors`."""
        load_convolutions(self.convolutions, tensors, "AlexNet_0")


def load_convolutions(convolutions: nn.ModuleList, tensors: Mapping[str, Tensor], network: str) -> None:
    """Takes the weights from arrays called `network`.Conv_i.kernel [k, k, inputs, outputs] and .bias [outputs]."""
    with torch.no_grad():
        for i, convolution in enumerate(convolutions):
            convolution.weight.copy_(tensors[f"{network}.Conv_{i}.kernel"].permute(3, 2, 0, 1))
            convolution.bias.copy_(tensors[f"{network}.Conv_{i}.bias"])
