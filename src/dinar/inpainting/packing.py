"""A neural texture as the autoencoder sees it: all channels of eq. 2 as one image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from dinar.texture.neural_texture import NeuralTexture

if TYPE_CHECKING:
    from dinar.networks.autoencoder import Autoencoder


def pack(generated: Tensor, painted: Tensor, sampled: Tensor, filled: Tensor, *, fold: int = 1) -> Tensor:
    """The channels of eq. 2, ready to be encoded: [B, 16 + 3 * fold^2 + 2, S, S].

    generated        [B, 16, S, S]
    painted          [B, 3, S * fold, S * fold]  colours without holes (`texture.filling`)
    sampled, filled  [B, 1, S, S] or finer, in {0, 1}

    Colours that are `fold` times finer than the generated channels enter as blocks of fold x fold texels, and
    `unpack` spreads them again: the autoencoder decodes them at their own size, and what it paints is as sharp beside a
    photo's texels as its training makes it. Enlarging a coarser painting could not be.
    """
    if painted.shape[-1] != generated.shape[-1] * fold:
        raise ValueError(f"colours of {painted.shape[-1]} texels beside {generated.shape[-1]} do not fold by {fold}")
    masks = functional.adaptive_max_pool2d(torch.cat([sampled, filled], dim=1), generated.shape[-1])
    return torch.cat([generated, functional.pixel_unshuffle(painted, fold), masks], dim=1)


def unpack(packed: Tensor, *, fold: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """What `pack` packed, or what the decoder makes of it, in any range.

    Returns generated [B, 16, S, S], colours [B, 3, S * fold, S * fold], and sampled and filled [B, 2, S, S].
    """
    generated, colours, masks = packed.split([packed.shape[1] - 3 * fold**2 - 2, 3 * fold**2, 2], dim=1)
    return generated, functional.pixel_shuffle(colours, fold), masks


def packed_texture(texture: NeuralTexture, painted: Tensor, autoencoder: Autoencoder) -> Tensor:
    """A texture with generated channels and its colours without holes [B, 3, R, R], packed [B, C, S, S].

    Raises ValueError where it has no generated channels or the autoencoder is for other sizes.
    """
    if texture.generated is None or texture.generated.shape[1] != autoencoder.generated:
        raise ValueError(f"the texture needs {autoencoder.generated} generated channels")
    return pack(texture.generated, painted, texture.sampled, texture.filled, fold=autoencoder.fold)
