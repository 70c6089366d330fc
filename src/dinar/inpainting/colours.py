"""The painted side's colours brought to the photo's (appendix B, eq. 7)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from dinar.texture.neural_texture import NeuralTexture

SHADES = 0.7, 1.05  # darkest and lightest, parts of the plain filling's luminance, to which cloth may be painted
PULL = 1e-3   # of alpha and beta to where they start, beside squared differences of colours: many pairs fit plain cloth

_LUMA = 0.299, 0.587, 0.114
_BLACK = 0.02   # no darker luminance divides


@dataclass(frozen=True)
class Look:
    """A photo, and how the renderer draws a texture as the photo shows it.

    draw    a texture -> float32 [1, 3, H, W] in [0, 1], differentiable in its `rgb`
    image   float32 [1, 3, H, W] the photo, in [0, 1]
    weight  float32 [1, 1, H, W] the pixels that count: the person
    """

    draw: Callable[[NeuralTexture], Tensor]
    image: Tensor
    weight: Tensor


def match_colours(
    proposal: NeuralTexture, texture: NeuralTexture, looks: Sequence[Look], *, steps: int = 2
) -> NeuralTexture:
    """The decoded texture with rgb * alpha + beta, one alpha and one beta for each colour (eq. 7).

    proposal  T_res, a batch of one
    texture   the partial texture, as large
    looks     photos whose visible pixels say what is right; the gradient comes through their renderer
    steps     of Newton's method, each a drawing and its gradient; the renderer copies colours, so the second
              derivatives are those of the texture's own colours

    It starts from the pair that brings the proposal nearest to the partial texture on sampled texels, and stays near it
    where the photos do not care. Without looks, or without steps, that pair is the result.
    """
    start, curvature = _nearest(proposal, texture)
    best, tried, lowest = start, start, math.inf
    for step in range(steps + 1 if looks and steps else 0):
        loss, gradient = _loss(proposal, tried, start, looks, slope=step < steps)
        if loss >= lowest:
            break
        best, lowest = tried, loss
        tried = tried - torch.linalg.solve(curvature, gradient[..., None])[..., 0]
    return _changed(proposal, best)


def _loss(
    proposal: NeuralTexture, pair: Tensor, start: Tensor, looks: Sequence[Look], *, slope: bool = True
) -> tuple[float, Tensor]:
    """Squared differences of photos and drawings, a mean over pixels and colours, with its gradient [3, 2]."""
    pair = pair.clone().requires_grad_(slope)
    with torch.set_grad_enabled(slope):
        matched = _changed(proposal, pair)
        total = PULL * (pair - start).square().sum()
        for look in looks:
            weight = look.weight / (3 * look.weight.sum() * len(looks)).clamp(min=1)
            total = total + ((look.draw(matched) - look.image).square() * weight).sum()
    gradient = torch.autograd.grad(total, pair)[0] if slope else torch.zeros_like(pair)   # the renderer gets none
    return float(total.detach()), gradient


def shaded(proposal: NeuralTexture, painted: Tensor, where: Tensor) -> NeuralTexture:
    """The proposal with the plain filling's hues where asked: lighter or darker than that, within SHADES.

    painted  float32 [B, 3, R, R]       the plain filling's colours
    where    float32 [1 or B, 1, R, R]  how far, in [0, 1]: on cloth and limbs, which are behind of the colours they
                                        have in front; not on the head, where hair is
    """
    weights = painted.new_tensor(_LUMA)[:, None, None]
    mine, plain = ((rgb * weights).sum(1, keepdim=True) for rgb in (proposal.rgb, painted))
    shade = (mine / plain.clamp(min=_BLACK)).clamp(*SHADES)
    return replace(proposal, rgb=torch.lerp(proposal.rgb, (painted * shade).clamp(0, 1), where))


def relit(rgb: Tensor, before: Tensor, *, darkest: float, lighter: float) -> Tensor:
    """The colours `before` about as light as `rgb`, both [..., 3, H, W] in [0, 1].

    Darker ones keep their hues, as in shade, and `darkest` parts of their luminance at least; lighter ones have grey
    added, as by a sheen, `lighter` at most.
    """
    weights = rgb.new_tensor(_LUMA)[:, None, None]
    mine, had = ((some * weights).sum(-3, keepdim=True) for some in (rgb, before))
    shade = (mine.clamp(min=_BLACK) / had.clamp(min=_BLACK)).clamp(darkest, 1)
    return (before * shade + (mine - had).clamp(0, lighter)).clamp(0, 1)


def _changed(texture: NeuralTexture, pair: Tensor) -> NeuralTexture:
    gain, shift = pair.T[:, :, None, None]
    return replace(texture, rgb=(texture.rgb * gain + shift).clamp(0, 1))


def _nearest(proposal: NeuralTexture, texture: NeuralTexture) -> tuple[Tensor, Tensor]:
    """Alpha and beta of each colour [3, 2] by least squares over sampled texels, pulled to 1 and 0, and the second
    derivatives [3, 2, 2] of those squares' mean over colours.
    """
    weight = texture.sampled * texture.frontality
    weight = weight / weight.sum().clamp(min=1)
    pairs, curvatures = [], []
    for mine, theirs in zip(proposal.rgb[0], texture.rgb[0], strict=True):
        columns = torch.stack([mine, torch.ones_like(mine)]).flatten(1).double()
        weighted = columns * weight.flatten().double()
        pull = PULL * torch.eye(2, dtype=torch.float64, device=mine.device)
        right = weighted @ theirs.flatten().double() + pull @ columns.new_tensor([1.0, 0.0])
        pairs.append(torch.linalg.solve(weighted @ columns.T + pull, right))
        curvatures.append(2 / 3 * weighted @ columns.T + 2 * pull)
    return torch.stack(pairs).to(proposal.rgb), torch.stack(curvatures).to(proposal.rgb)
