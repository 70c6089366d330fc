"""The parts of the autoencoder and the denoiser: residual blocks, self-attention, changes of the side.

Their tensors are called as diffusers calls those of its `VQModel` and `UNet2DModel`, of which these networks are twins:
weights go from one to the other as they are.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Resampling = Literal["half", "double"]


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut, each after normalisation and SiLU (DDPM's block).

    With `resampling` both ways change their side before the first convolution, as BigGAN's do.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        groups: int,                              # of the normalisation
        epsilon: float,                           # of the normalisation
        embedding: int = 0,                       # width of what is added between the convolutions; 0: nothing is
        dropout: float = 0.0,
        resampling: Resampling | None = None,
    ) -> None:
        super().__init__()
        self.resampling = resampling
        self.norm1 = nn.GroupNorm(groups, inputs, epsilon)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time_emb_proj = nn.Linear(embedding, outputs) if embedding else None
        self.norm2 = nn.GroupNorm(groups, outputs, epsilon)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor, embedding: Tensor | None = None) -> Tensor:
        """x [B, inputs, H, W], embedding [B, E] -> [B, outputs, H', W']."""
        rest = functional.silu(self.norm1(x))
        if self.resampling is not None:
            x, rest = (resampled(some, self.resampling) for some in (x, rest))
        rest = self.conv1(rest)
        if self.time_emb_proj is not None:
            rest = rest + self.time_emb_proj(functional.silu(embedding))[:, :, None, None]
        rest = self.conv2(self.dropout(functional.silu(self.norm2(rest))))
        return (x if self.conv_shortcut is None else self.conv_shortcut(x)) + rest


def resampled(x: Tensor, resampling: Resampling) -> Tensor:
    """[B, C, H, W] with half the side (means) or twice the side (nearest)."""
    if resampling == "half":
        return functional.avg_pool2d(x, 2)
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


class SelfAttention(nn.Module):
    """Attention of all places to all, added to what comes in: [B, C, H, W] -> the same."""

    def __init__(self, width: int, *, heads: int, groups: int, epsilon: float) -> None:
        super().__init__()
        self.heads = heads
        self.group_norm = nn.GroupNorm(groups, width, epsilon)
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: Tensor) -> Tensor:
        places = self.group_norm(x).flatten(2).transpose(1, 2)                              # [B, H W, C]
        ways = (way(places).unflatten(2, (self.heads, -1)).transpose(1, 2) for way in (self.to_q, self.to_k, self.to_v))
        found = functional.scaled_dot_product_attention(*ways).transpose(1, 2).flatten(2)
        return x + self.to_out[0](found).transpose(1, 2).unflatten(2, x.shape[2:])


class Halving(nn.Module):
    """A convolution to half the side: [B, C, H, W] -> [B, C, H / 2, W / 2]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(functional.pad(x, (0, 1, 0, 1)))


class Doubling(nn.Module):
    """A convolution at twice the side: [B, C, H, W] -> [B, C, 2 H, 2 W]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(resampled(x, "double"))


class Level(nn.Module):
    """Residual blocks of one side, each perhaps with attention after it, and perhaps one that changes the side."""

    def __init__(
        self,
        resnets: list[ResidualBlock],
        attentions: list[SelfAttention] | None = None,
        *,
        halving: nn.Module | None = None,
        doubling: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(resnets)
        self.attentions = nn.ModuleList(attentions) if attentions else None
        self.downsamplers = nn.ModuleList([halving]) if halving else None
        self.upsamplers = nn.ModuleList([doubling]) if doubling else None

    def block(self, i: int, x: Tensor, embedding: Tensor | None = None) -> Tensor:
        """The i-th residual block and its attention."""
        x = self.resnets[i](x, embedding)
        return x if self.attentions is None else self.attentions[i](x)

    @property
    def resampler(self) -> nn.Module | None:
        found = self.downsamplers or self.upsamplers
        return found[0] if found else None


class Middle(nn.Module):
    """Two residual blocks, perhaps with attention between them: [B, C, H, W] -> the same."""

    def __init__(self, first: ResidualBlock, last: ResidualBlock, attention: SelfAttention | None) -> None:
        super().__init__()
        self.attentions = nn.ModuleList([attention] if attention else [])
        self.resnets = nn.ModuleList([first, last])

    def forward(self, x: Tensor, embedding: Tensor | None = None) -> Tensor:
        x = self.resnets[0](x, embedding)
        for attention in self.attentions:
            x = attention(x)
        return self.resnets[1](x, embedding)


def sinusoids(step: Tensor, width: int) -> Tensor:
    """Cosines and sines of a step at wavelengths from 2 pi to 10,000 times that: int64 [B] -> float32 [B, width]."""
    half = width // 2
    rates = torch.exp(torch.arange(half, dtype=torch.float32, device=step.device) * (-math.log(10_000) / half))
    angles = step.float()[:, None] * rates
    return torch.cat([angles.cos(), angles.sin()], dim=1)
