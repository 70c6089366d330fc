"""The encoder E: what a photo shows, as one vector."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dinar.networks.layers import Trunk


class Encoder(nn.Module):
    """Encoder E: a StyleGAN2 discriminator with a new head (section 3.1, appendix C, figure 12a).

    Two things differ from that discriminator: the head gives a vector, and no image sees the others of its batch,
    for a person's vector must not depend on who else is encoded.
    """

    def __init__(
        self,
        resolution: int = 512,         # appendix C
        channel_base: int = 16384,     # channels at side s: channel_base / s, at most max_channels; with these
        max_channels: int = 256,       # the parameters are the published 7.4 M (DESIGN section 7)
        latent: int = 512,             # section 3.1
    ) -> None:
        super().__init__()
        self.resolution = resolution
        self.trunk = Trunk(5, latent, resolution, channel_base, max_channels, compare=False)

    def forward(self, image: Tensor, mask: Tensor, noise: Tensor | None = None) -> Tensor:
        """image [B, 3, R, R] and mask [B, 1, R, R] in [0, 1], R the constructor's resolution -> float32 [B, latent].

        noise [B, 1, R, R] ~ N(0, 1) frees the vector in training; without it the third image is 0 and the same photo
        always gives the same vector. What lies behind the person is seen as it comes: blank it or not, but as in
        training.
        """
        if noise is None:
            noise = torch.zeros_like(mask)
        return self.trunk(torch.cat([image * 2 - 1, mask * 2 - 1, noise], dim=1))
