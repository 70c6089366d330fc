"""The discriminator D of the adversarial loss."""

from __future__ import annotations

from torch import Tensor, nn

from dinar.networks.layers import Trunk


class Discriminator(nn.Module):
    """Discriminator D: is this a photo or a rendering? StyleGAN2's, unchanged (section 3.1, eq. 4)."""

    def __init__(
        self,
        resolution: int = 512,         # section 4.1
        channel_base: int = 32768,     # channels at side s: channel_base / s, at most max_channels; the paper gives
        max_channels: int = 512,       # none: these are StyleGAN2's own (29.0 M parameters)
    ) -> None:
        super().__init__()
        self.trunk = Trunk(3, 1, resolution, channel_base, max_channels, compare=True)

    def forward(self, image: Tensor) -> Tensor:
        """image [B, 3, R, R] in [0, 1] -> float32 logits [B, 1], above 0 for a photo.

        They depend on the whole batch: real and drawn images go in separately.
        """
        return self.trunk(image * 2 - 1)
