"""The U-Net of the denoiser (sections 3.3 and 4.1)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from dinar.networks.convolutional import Level, Middle, ResidualBlock, SelfAttention, sinusoids

_EPSILON = 1e-5     # of the normalisation


class UNet(nn.Module):
    """DDPM's U-Net (Ho et al. 2020) with BigGAN's residual blocks where the side changes."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        widths: Sequence[int],      # level by level, from the full side on
        attends: Sequence[bool],    # levels with attention after each residual block; the middle always has it
        *,
        blocks: int,                # residual blocks a level on the way down; one more on the way up
        heads: int,                 # of the attention
        groups: int,                # of the normalisation
        dropout: float,
    ) -> None:
        super().__init__()
        self.width = widths[0]
        norm = {"groups": groups, "epsilon": _EPSILON}
        block = {**norm, "embedding": 4 * self.width, "dropout": dropout}

        def attention(width: int, wanted: bool, count: int) -> list[SelfAttention]:
            return [SelfAttention(width, heads=heads, **norm) for _ in range(count if wanted else 0)]

        self.conv_in = nn.Conv2d(inputs, self.width, 3, padding=1)
        self.time_embedding = _TimeEmbedding(self.width, 4 * self.width)
        down, kept, last = [], [self.width], len(widths) - 1     # `kept`: widths that the way up is told
        for i, width in enumerate(widths):
            before = [kept[-1], *([width] * (blocks - 1))]
            halving = ResidualBlock(width, width, resampling="half", **block) if i < last else None
            resnets = [ResidualBlock(n, width, **block) for n in before]
            down.append(Level(resnets, attention(width, attends[i], blocks), halving=halving))
            kept += [width] * (blocks + (i < last))
        self.down_blocks = nn.ModuleList(down)
        width = widths[-1]
        ends = (ResidualBlock(width, width, **block) for _ in range(2))
        self.mid_block = Middle(*ends, *attention(width, True, 1))
        up = []
        for i in reversed(range(len(widths))):
            resnets = []
            for _ in range(blocks + 1):
                resnets.append(ResidualBlock(width + kept.pop(), widths[i], **block))
                width = widths[i]
            doubling = ResidualBlock(width, width, resampling="double", **block) if i else None
            up.append(Level(resnets, attention(width, attends[i], blocks + 1), doubling=doubling))
        self.up_blocks = nn.ModuleList(up)
        self.conv_norm_out = nn.GroupNorm(groups, width, _EPSILON)
        self.conv_out = nn.Conv2d(width, outputs, 3, padding=1)

    def forward(self, x: Tensor, step: Tensor) -> Tensor:
        """x [B, inputs, H, W], step int64 [B] -> [B, outputs, H, W]."""
        embedding = self.time_embedding(sinusoids(step, self.width))
        x = self.conv_in(x)
        kept = [x]
        for level in self.down_blocks:
            for i in range(len(level.resnets)):
                x = level.block(i, x, embedding)
                kept.append(x)
            if level.resampler is not None:
                x = level.resampler(x, embedding)
                kept.append(x)
        x = self.mid_block(x, embedding)
        for level in self.up_blocks:
            for i in range(len(level.resnets)):
                x = level.block(i, torch.cat([x, kept.pop()], dim=1), embedding)
            if level.resampler is not None:
                x = level.resampler(x, embedding)
        return self.conv_out(functional.silu(self.conv_norm_out(x)))


class _TimeEmbedding(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(inputs, outputs)
        self.linear_2 = nn.Linear(outputs, outputs)

    def forward(self, x: Tensor) -> Tensor:   # [B, inputs] -> [B, outputs]
        return self.linear_2(functional.silu(self.linear_1(x)))
