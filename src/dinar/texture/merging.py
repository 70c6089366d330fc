"""Textures of the same person from several photos made into one (section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from dinar.texture.neural_texture import NeuralTexture

TAU = 0.1  # the published configuration's; smaller gives sharper borders between photos


def merge(textures: Sequence[NeuralTexture], *, tau: float = TAU) -> NeuralTexture:
    """The weighted mean of the textures, weights softmax(frontality / tau) over the photos (eq. 5).

    All have the same batch and sizes; either all or none have generated channels. A colour counts only where a photo
    shows it: of the photos that sampled a texel, else of those that filled it; frontality is averaged with the same
    weights. Generated channels, which every texture has everywhere, are averaged over all photos. A texel is sampled or
    filled in the result if it is in any of the textures. The order of the textures does not matter.

    Raises ValueError for no textures or such as do not fit each other.
    """
    if not textures or any((t.generated is None) != (textures[0].generated is None) for t in textures):
        raise ValueError("textures to merge are one or more, all with generated channels or all without")
    rgb, sampled, filled, frontality = (
        torch.stack([getattr(t, name) for t in textures]) for name in ("rgb", "sampled", "filled", "frontality")
    )
    counts = torch.where(sampled.amax(0) > 0, sampled, filled)
    weight = _softmax(frontality / tau, counts > 0)
    generated = None
    if textures[0].generated is not None:
        stack = torch.stack([t.generated for t in textures])
        generated = (stack * shares(frontality, stack.shape[-1], tau=tau)).sum(0)
    return NeuralTexture(
        generated, (rgb * weight).sum(0), sampled.amax(0), filled.amax(0), (frontality * weight).sum(0)
    )


def shares(frontality: Tensor, size: int, *, tau: float = TAU) -> Tensor:
    """How much each texture's generated channels count in the merged ones; they are everywhere, so none is left out.

    frontality [N, B, 1, R, R] of N textures -> [N, B, 1, size, size], which sum to 1 over N.
    """
    coarse = functional.interpolate(frontality.flatten(0, 1), (size, size), mode="area")
    return (coarse.unflatten(0, frontality.shape[:2]) / tau).softmax(0)


def seen_part(texture: NeuralTexture) -> NeuralTexture:
    """What photos showed of a texture: without the texels that were painted, which have no frontality.

    Generated channels stay, painted or not.
    """
    seen = (texture.frontality > 0).to(texture.filled)
    return replace(
        texture, rgb=texture.rgb * seen, sampled=texture.sampled * seen, filled=texture.filled * seen
    )


def _softmax(values: Tensor, valid: Tensor) -> Tensor:
    """Softmax over the first axis among valid entries, 0 where there is none."""
    return torch.nan_to_num(torch.where(valid, values, -torch.inf).softmax(0))
