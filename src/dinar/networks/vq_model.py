"""Encoder, codebook and decoder of the autoencoder, before any scale (section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from dinar.networks.convolutional import Doubling, Halving, Level, Middle, ResidualBlock, SelfAttention

_EPSILON = 1e-6     # of the normalisation


class VQModel(nn.Module):
    """The VQGAN's network (Esser et al. 2021); what finds the nearest code stands in `networks.autoencoder`."""

    def __init__(
        self,
        channels: int,
        latent: int,
        codes: int,
        widths: Sequence[int],      # level by level, from the full side on
        *,
        blocks: int,                # residual blocks a level; the decoder has one more
        groups: int,                # of the normalisation
        attention: bool,            # in the middle of encoder and decoder
    ) -> None:
        super().__init__()
        norm = {"groups": groups, "epsilon": _EPSILON}
        self.encoder = _Encoder(channels, latent, widths, blocks, attention, norm)
        self.quantize = _Codebook(codes, latent)
        self.quant_conv = nn.Conv2d(latent, latent, 1)
        self.post_quant_conv = nn.Conv2d(latent, latent, 1)
        self.decoder = _Decoder(channels, latent, widths, blocks, attention, norm)

    def encode(self, x: Tensor) -> Tensor:
        """[B, channels, H, W] -> [B, latent, h, w], not snapped to codes."""
        return self.quant_conv(self.encoder(x))

    def decode(self, latent: Tensor) -> Tensor:
        """[B, latent, h, w] on codes -> [B, channels, H, W]."""
        return self.decoder(self.post_quant_conv(latent))


class _Codebook(nn.Module):
    def __init__(self, codes: int, latent: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(codes, latent)
        nn.init.uniform_(self.embedding.weight, -1 / codes, 1 / codes)


class _Encoder(nn.Module):
    def __init__(
        self, channels: int, latent: int, widths: Sequence[int], blocks: int, attention: bool, norm: dict
    ) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(channels, widths[0], 3, padding=1)
        levels = []
        for i, width in enumerate(widths):
            before = [widths[max(i - 1, 0)], *([width] * (blocks - 1))]
            halving = Halving(width) if i < len(widths) - 1 else None
            levels.append(Level([ResidualBlock(n, width, **norm) for n in before], halving=halving))
        self.down_blocks = nn.ModuleList(levels)
        self.mid_block = _middle(widths[-1], attention, norm)
        self.conv_norm_out = nn.GroupNorm(norm["groups"], widths[-1], _EPSILON)
        self.conv_out = nn.Conv2d(widths[-1], latent, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mid_block(_through(self.down_blocks, self.conv_in(x)))
        return self.conv_out(functional.silu(self.conv_norm_out(x)))


class _Decoder(nn.Module):
    def __init__(
        self, channels: int, latent: int, widths: Sequence[int], blocks: int, attention: bool, norm: dict
    ) -> None:
        super().__init__()
        widths = list(reversed(widths))
        self.conv_in = nn.Conv2d(latent, widths[0], 3, padding=1)
        levels = []
        for i, width in enumerate(widths):
            before = [widths[max(i - 1, 0)], *([width] * blocks)]
            doubling = Doubling(width) if i < len(widths) - 1 else None
            levels.append(Level([ResidualBlock(n, width, **norm) for n in before], doubling=doubling))
        self.up_blocks = nn.ModuleList(levels)
        self.mid_block = _middle(widths[0], attention, norm)
        self.conv_norm_out = nn.GroupNorm(norm["groups"], widths[-1], _EPSILON)
        self.conv_out = nn.Conv2d(widths[-1], channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = _through(self.up_blocks, self.mid_block(self.conv_in(x)))
        return self.conv_out(functional.silu(self.conv_norm_out(x)))


def _middle(width: int, attention: bool, norm: dict) -> Middle:
    attends = SelfAttention(width, heads=1, **norm) if attention else None
    return Middle(ResidualBlock(width, width, **norm), ResidualBlock(width, width, **norm), attends)


def _through(levels: nn.ModuleList, x: Tensor) -> Tensor:
    for level in levels:
        for i in range(len(level.resnets)):
            x = level.block(i, x)
        if level.resampler is not None:
            x = level.resampler(x)
    return x
