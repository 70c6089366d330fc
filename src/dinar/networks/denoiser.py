"""The denoiser of the inpainting: a U-Net that finds the noise in a latent texture (sections 3.3 and 4.1)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from dinar.networks.unet import UNet


class Denoiser(nn.Module):
    """Denoiser epsilon: a U-Net with BigGAN's residual blocks where the side changes (section 4.1).

    Its input is the noisy latent, the latent of the partial texture and the part of that which a photo shows: for the
    paper 6 + 6 + 1 channels. With these widths the parameters are the published 387 M (DESIGN section 7).

    What the small denoiser changes beside widths: it knows how far latents lie from what the plain filling says, and
    learns the way from there (`inpainting.diffusion.noise_in`). From nothing the paper's takes weeks of a GPU to learn
    that unseen cloth is much like the cloth beside it. And blocks of 2 x 2 latents enter and leave as one: a quarter of
    the time a step.
    """

    spread: Tensor | None

    def __init__(
        self,
        latent: int = 6,                              # section 4.1
        width: int = 256,                             # features at full side: DESIGN section 4
        multipliers: Sequence[int] = (1, 2, 3, 4),    # of the width, level by level: DESIGN section 4
        blocks: int = 2,                              # residual blocks a level: DESIGN section 4
        attention: Sequence[int] = (2, 4, 8),         # how many times smaller the sides with attention are
        heads: int = 8,                               # of the attention: DESIGN section 4
        groups: int = 32,                             # of the normalisation
        dropout: float = 0.5,                         # section 4.1
        prior: bool = False,                          # it has a spread
        patch: int = 1,                               # latents a side that enter and leave as one
    ) -> None:
        super().__init__()
        # deviation of each channel from the condition, where no photo shows it and where one does
        self.register_buffer("spread", torch.ones(2, latent, 1, 1) if prior else None)
        self.patch = patch
        self.unet = UNet(
            (2 * latent + 1) * patch**2,
            latent * patch**2,
            [width * multiplier for multiplier in multipliers],
            [1 << level in attention for level in range(len(multipliers))],
            blocks=blocks,
            heads=heads,
            groups=groups,
            dropout=dropout,
        )

    def forward(self, noisy: Tensor, condition: Tensor, mask: Tensor, step: Tensor) -> Tensor:
        """The noise in `noisy` (eq. 1): float32 [B, L, s, s]. With a spread what `noise_in` makes the noise of.

        noisy      [B, L, s, s]  a standardised latent with the noise of its step; with a spread what is left of it
                                 without the condition, in deviation 1
        condition  [B, L, s, s]  the partial texture's latent (`inpainting.condition`)
        mask       [B, 1, s, s]  the part of each latent that a photo shows, [0, 1]
        step       int64 [B]     how far the noise has come, from 0
        """
        x = functional.pixel_unshuffle(torch.cat([noisy, condition, mask * 2 - 1], dim=1), self.patch)
        return functional.pixel_shuffle(self.unet(x, step).float(), self.patch)
