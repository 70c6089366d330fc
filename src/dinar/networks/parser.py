"""The parser: which part of a person each pixel shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from dinar.networks import pretrained

SHRINKAGE = 32   # sides of pictures are multiples of it

# MobileNetV2 (Sandler et al. 2018, table 2): expansion, channels, blocks, stride of the first
_GROUPS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_LEVELS = (1, 3, 6, 13, 17)   # the last block of each scale, 1/2 to 1/32


class Parser(nn.Module):
    """MobileNetV2 without its classifier, and a decoder of separable convolutions that adds each scale to the next."""

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        parts: int = 12,       # of `parts.BodyPart`, with the background
        width: int = 64,       # of the decoder; with it 1.9 M parameters
        scale: float = 1.0,    # of the encoder's widths; 1 is the network that ImageNet's weights are for
    ) -> None:
        super().__init__()
        blocks: list[nn.Module] = [_convolved(3, _scaled(32, scale), kernel=3, stride=2)]
        inputs, outputs = _scaled(32, scale), [_scaled(32, scale)]
        for expansion, channels, count, stride in _GROUPS:
            for k in range(count):
                blocks.append(Bottleneck(inputs, _scaled(channels, scale), expansion, stride if k == 0 else 1))
                inputs = _scaled(channels, scale)
                outputs.append(inputs)
        self.features = nn.Sequential(*blocks)
        self.laterals = nn.ModuleList(nn.Conv2d(outputs[level], width, 1) for level in _LEVELS)
        self.joints = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, 1, 1, groups=width, bias=False),
                nn.Conv2d(width, width, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            )
            for _ in _LEVELS[1:]
        )
        self.head = nn.Conv2d(width, parts, 3, 1, 1)
        for name, values in {"mean": (0.485, 0.456, 0.406), "deviation": (0.229, 0.224, 0.225)}.items():
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)   # ImageNet's

    def forward(self, image: Tensor) -> Tensor:
        """image [B, 3, H, W] in [0, 1], H and W multiples of 32 -> logits [B, parts, H, W]."""
        x = (image - self.mean) / self.deviation
        scales = []
        for k, block in enumerate(self.features):
            x = block(x)
            if k in _LEVELS:
                scales.append(x)
        x = self.laterals[-1](scales[-1])
        for k in range(len(_LEVELS) - 2, -1, -1):
            x = self.joints[k](_doubled(x) + self.laterals[k](scales[k]))
        return _doubled(self.head(x))

    def train(self, mode: bool = True) -> Self:
        """As ever, but the encoder's running statistics stay: those of a small batch of people are worse."""
        super().train(mode)
        for module in self.features.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def begin_with(self, imagenet: Mapping[str, np.ndarray]) -> None:
        """Takes over the encoder's weights out of `mobilenetv2.safetensors`.

        Raises ValueError where they are not those of an encoder of this width.
        """
        state = self.features.state_dict()
        for name, tensor in state.items():
            found = imagenet.get(f"features.{name}")
            if found is None or found.size != tensor.numel():
                raise ValueError(f"no weights of MobileNetV2 for {name}")
            tensor.copy_(torch.from_numpy(found).reshape(tensor.shape))


@dataclass(frozen=True, eq=False)
class HumanParser(pretrained.Single[Parser]):
    """The network of one training."""

    NETWORK = Parser
    PART = "parser"

    @classmethod
    def load(cls, folder: Path) -> Self:
        found = super().load(folder)
        return replace(found, network=found.network.to(memory_format=torch.channels_last))


@lru_cache(maxsize=1)
def shipped() -> HumanParser | None:
    """The weights that come with the package, loaded once; None where it has none."""
    return HumanParser.shipped()


class Bottleneck(nn.Module):
    """An inverted residual: widened, convolved channel by channel, narrowed."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int) -> None:
        super().__init__()
        width, layers = inputs * expansion, []
        if expansion > 1:
            layers += _convolved(inputs, width)
        layers += _convolved(width, width, kernel=3, stride=stride, groups=width)
        layers += [nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs)]
        self.conv = nn.Sequential(*layers)
        self.beside = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.beside else self.conv(x)


def padded(side: float) -> int:
    """The multiple of 32 that is next to a side, at least one."""
    return max(SHRINKAGE, round(side / SHRINKAGE) * SHRINKAGE)


def _convolved(inputs: int, outputs: int, *, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU6(inplace=True))


def _scaled(channels: int, scale: float) -> int:
    return max(8, round(channels * scale / 8) * 8)


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
