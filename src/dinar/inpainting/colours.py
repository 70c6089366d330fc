"""The painted side's colours brought to the photo's (appendix B, eq. 7)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from dinar.texture.neural_texture import NeuralTexture

SHADES = 0.7, 1.05  # darkest and lightest, parts of the plain filling's luminance, to which cloth may be painted
PULL = 1e-3   # of alpha and beta to where they start, beside squared differences of colours: many pairs fit plain cloth

MEAN_SHADES = 0.93, 1.05   # the same of means over windows: garments are as light behind as in front, but for folds
WINDOW = 1 / 8      # of a texture's side

_LUMA = 0.299, 0.587, 0.114
_BLACK = 0.02   # no darker luminance divides
_DIM = 0.05     # luminance below which differences count as they are, not as parts of it
_PLAIN = 0.05   # spread of a pattern's luminance below which shade is not taken to follow it
_CELLS = 80     # a side, in which windows are measured


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


def shaded(proposal: NeuralTexture, painted: Tensor, where: Tensor, held: Tensor) -> NeuralTexture:
    """The proposal with the plain filling's hues where asked: lighter or darker than that, within SHADES.

    painted  float32 [B, 3, R, R]       the plain filling's colours
    where    float32 [1 or B, 1, R, R]  how far, in [0, 1]: on cloth and limbs, which are behind of the colours they
                                        have in front; not on the head, where hair is
    held     float32, as large          how far it stays as light as that but for folds (`steady`)
    """
    mine = steady(luminance(proposal.rgb), luminance(painted), (where * held).expand(len(painted), -1, -1, -1))
    shade = (mine / luminance(painted).clamp(min=_BLACK)).clamp(*SHADES)
    return replace(proposal, rgb=torch.lerp(proposal.rgb, (painted * shade).clamp(0, 1), where))


def luminance(rgb: Tensor) -> Tensor:
    """How light colours [..., 3, H, W] are: [..., 1, H, W]."""
    return (rgb * rgb.new_tensor(_LUMA)[:, None, None]).sum(-3, keepdim=True)


def steady(light: Tensor, plain: Tensor, weight: Tensor) -> Tensor:
    """Luminance that differs from the plain filling's as folds make it, all three [B, 1, R, R].

    What follows a pattern is taken out, so that white stripes are not greyer and dark ones not paler, and what goes on
    over windows is held within MEAN_SHADES.

    weight  how far the change counts, in [0, 1]; windows are measured there
    """
    shade = (light + _DIM) / (plain + _DIM)
    sums = torch.cat([weight * one for one in (torch.ones_like(shade), shade, plain, plain.square(), shade * plain)], 1)
    cells = functional.interpolate(sums, (_CELLS, _CELLS), mode="area")
    wide = round(_CELLS * WINDOW / 2) // 2
    for _ in range(2):
        cells = functional.avg_pool2d(cells, 2 * wide + 1, 1, wide)
    share, *means = cells.split(1, dim=1)
    mean, about, square, both = (one / share.clamp(min=1e-4) for one in means)
    slope = (both - mean * about) / ((square - about.square()).clamp(min=0) + _PLAIN**2)
    shift = mean.clamp(*MEAN_SHADES) - mean
    size = shade.shape[-2:]
    slope, about, shift = functional.interpolate(torch.cat([slope, about, shift], 1), size, mode="bilinear").split(1, 1)
    steadied = shade - slope * (plain - about) + shift
    return torch.lerp(light, steadied * (plain + _DIM) - _DIM, weight)


def relit(light: Tensor, before: Tensor, *, darkest: float, lighter: float) -> Tensor:
    """The colours `before` [..., 3, H, W] in [0, 1], of another luminance [..., 1, H, W].

    Darker ones keep their hues, as in shade, and `darkest` parts of their luminance at least; lighter ones have grey
    added, as by a sheen, `lighter` at most.
    """
    had = luminance(before)
    shade = (light.clamp(min=_BLACK) / had.clamp(min=_BLACK)).clamp(darkest, 1)
    return (before * shade + (light - had).clamp(0, lighter)).clamp(0, 1)


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
