"""The generator G: a vector -> the generated channels of the neural texture."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from dinar.networks.layers import Fir, ModulatedConv, StyledConv, channels_at, check_resolution


class TextureGenerator(nn.Module):
    """Generator G: the StyleGAN2 generator, skip architecture, a texture instead of colours (section 3.1).

    The encoder's vector is the style itself (StyleGAN2's w). A mapping network turns a prior that is easy to sample
    into w; here the encoder is trained end to end, nothing is sampled, and the published 8.1 M parameters leave no
    room for one (eight layers of 512 would add 2.1 M).
    """

    def __init__(
        self,
        size: int = 256,               # texels a side (section 3.1)
        channels: int = 16,            # L (section 3.1)
        channel_base: int = 16384,     # channels at side s: channel_base / s, at most max_channels; with these
        max_channels: int = 256,       # the parameters are the published 8.1 M (DESIGN section 7)
        latent: int = 512,             # section 3.1
    ) -> None:
        super().__init__()
        check_resolution(size)
        widths = [channels_at(4 << i, channel_base, max_channels) for i in range(size.bit_length() - 2)]
        self.constant = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        self.entry = StyledConv(widths[0], widths[0], latent)
        self.entry_texture = ToTexture(widths[0], channels, latent)
        self.blocks = nn.ModuleList(DoublingBlock(a, b, channels, latent) for a, b in pairwise(widths))

    def forward(self, latent: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """latent [B, latent] -> float32 [B, channels, size, size], any range.

        Noise of learned strengths is drawn from `rng` (on the latent's device); without it there is none, and the
        same vector always gives the same texture.
        """
        x = self.entry(self.constant.expand(len(latent), -1, -1, -1), latent, rng)
        texture = self.entry_texture(x, latent)
        for block in self.blocks:
            x, texture = block(x, texture, latent, rng)
        return texture


class DoublingBlock(nn.Module):
    """One resolution of the generator: features and texture so far -> twice as large, with more detail."""

    def __init__(self, inputs: int, outputs: int, channels: int, latent: int) -> None:
        super().__init__()
        self.fir = Fir()
        self.first = StyledConv(inputs, outputs, latent, double=True)
        self.second = StyledConv(outputs, outputs, latent)
        self.texture = ToTexture(outputs, channels, latent)

    def forward(
        self, x: Tensor, texture: Tensor, latent: Tensor, rng: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        x = self.second(self.first(x, latent, rng), latent, rng)
        return x, self.fir.double(texture).float() + self.texture(x, latent)


class ToTexture(nn.Module):
    """Features -> what they add to the texture, float32: a modulated 1 x 1 convolution, not demodulated."""

    def __init__(self, inputs: int, channels: int, latent: int) -> None:
        super().__init__()
        self.conv = ModulatedConv(inputs, channels, 1, latent, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        return self.conv(x, latent).float() + self.bias[:, None, None].float()
