"""A texture tuned until its drawing looks like the photos (appendix B)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dinar import images
from dinar.networks.discriminator import Discriminator
from dinar.perceptual.adversarial import adversarial as pleased
from dinar.perceptual.adversarial import discriminator_loss
from dinar.perceptual.lpips import LPIPS
from dinar.texture.drawing import Rendering
from dinar.texture.merging import TAU
from dinar.texture.neural_texture import NeuralTexture
from dinar.texture.neural_texture import window as window_of

if TYPE_CHECKING:
    from dinar.camera import Camera

MARGIN = 0.08               # of the person's larger side, seen around them
BACKGROUNDS = (0.0, 1.0)    # in turn: an outline that is right on both is right
DEEP = 0.02                 # of the person's larger side: farther inside the drawn person the mask is no outline
ABOUT = 0.02                # of the person's larger side: how far about a pixel what is wrong counts
EVENLY = 0.3                # of the mean of what is wrong: how often right parts are looked at too
MOST = 1 << 16              # pixels to choose a part's middle from
GRAIN = 64                  # pixels: parts come in few sizes, for a new size costs a CPU seconds of preparation
CHANNELS = 2048, 64         # the discriminator's base and most channels: it sees one person for some seconds

Draw = Callable[[NeuralTexture, Tensor, Tensor, "Camera"], Rendering]
"""Texture, painted [1, 3, R, R], vertices [1, V, 3], camera -> the drawn person.

Differentiable in `painted` and in the texture's generated channels, if it has any.
"""


@dataclass(frozen=True)
class Target:
    """A photo that the drawing should look like.

    image       float32 [3, H, W]     colours in [0, 1]
    mask        float32 [1, H, W]     the person's share of each pixel
    vertices    float32 [1, V, 3]     the fitted body, metres
    camera      Camera                that took the photo, of size (H, W)
    frontality  float32 [1, 1, R, R]  how frontal the photo shows each texel, 0 where it does not
    """

    image: Tensor
    mask: Tensor
    vertices: Tensor
    camera: Camera
    frontality: Tensor


def refine(
    texture: NeuralTexture,            # batch 1, the targets' merged
    painted: Tensor,                   # [1, 3, R, R] its colours without holes
    targets: Sequence[Target],
    draw: Draw,
    metric: LPIPS,
    *,
    steps: int,
    learning_rate: float,              # of the colours
    generated_learning_rate: float,    # of the generated channels; 0: they stay
    discriminator_learning_rate: float,
    betas: tuple[float, float],        # Adam, all
    epsilon: float,                    # Adam's, of the colours: smaller gradients move a texel less
    l2: float,                         # this and the next four: the weights of eq. 4
    lpips: float,
    adversarial: float,
    r1: float,
    r1_every: int,                     # steps between two R1
    sides: tuple[int, int],            # least and most pixels of the person's larger side
    window: int,                       # most pixels a side of the part that is compared in a step
    crop: int,                         # pixels a side of what the discriminator sees, a power of two
    seed: int = 0,                     # of sizes, parts and the discriminator's first weights
    progress: Callable[[float], None] = lambda _: None,    # called with the part that is done
) -> NeuralTexture:
    """The texture with tuned `rgb`, in [0, 1], and generated channels (appendix B).

    What `draw` makes of the colours is compared with each photo: L2, LPIPS, and a discriminator that is trained on the
    way. A texel moves by its frontality: Adam makes steps of all gradients alike, so the weight is on the step and not
    on the gradient. Texels that no photo shows stay. Of several photos each texel follows those that show it best, with
    the weights of eq. 5.

    Every step looks at another part of the person in another size: noise that pleases LPIPS on one grid of pixels
    displeases it on the next. Parts that are wrong at first are looked at more often.
    """
    shares = photo_shares([target.frontality for target in targets])
    with torch.no_grad():
        first = [draw(texture, painted, target.vertices, target.camera) for target in targets]
        behind = [
            hidden(target.mask, drawing.mask[0], _side(target)) for target, drawing in zip(targets, first, strict=True)
        ]
        places = [_Places.of(*some) for some in zip(targets, first, behind, strict=True)]
    weight = texture.frontality * texture.filled
    change = torch.zeros_like(painted)                                # as it is before it is weighted
    generated = None
    if generated_learning_rate and texture.generated is not None:
        generated = texture.generated.detach().clone()
    least, most = ((bound - painted) / weight.clamp(min=1e-6) for bound in (0, 1))
    rng = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        judge = Discriminator(crop, *CHANNELS).to(painted.device)
    groups = [{"params": [change], "lr": learning_rate, "eps": epsilon}]
    if generated is not None:
        groups.append({"params": [generated], "lr": generated_learning_rate})
    optimiser = torch.optim.Adam(groups, betas=betas)
    judge_optimiser = torch.optim.Adam(judge.parameters(), lr=discriminator_learning_rate, betas=betas)
    for step in range(steps):
        colours = (painted + weight * change).requires_grad_()
        tried, tunable = texture, [colours]
        change.grad = torch.zeros_like(change)
        if generated is not None:
            tunable.append(generated.detach().requires_grad_())
            tried, generated.grad = replace(texture, generated=tunable[1]), torch.zeros_like(generated)
        shown, real = [], []
        judge.requires_grad_(False)
        for target, other, where, share in zip(targets, behind, places, shares, strict=True):
            view = _View.of(target, other, where.drawn(rng), BACKGROUNDS[step % 2], sides, window, crop, rng)
            drawn = draw(tried, colours, view.vertices, view.camera).over(view.background)
            drawn = torch.lerp(drawn, view.photo, view.hidden)
            shown.append(view.middle(drawn, crop))
            real.append(view.middle(view.photo, crop))
            loss = (
                l2 * functional.mse_loss(drawn, view.photo)
                + lpips * metric(drawn, view.photo).sum()
                + adversarial * pleased(judge(shown[-1]))
            )
            gradients = torch.autograd.grad(loss, tunable)
            change.grad += share * gradients[0]
            if generated is not None:
                generated.grad += gradients[1] / len(targets)
        optimiser.step()
        change = change.clamp_(least, most)
        judge.requires_grad_(True)
        judge_optimiser.zero_grad()
        weights = {"weight": adversarial, "r1_weight": r1, "r1_every": r1_every}
        discriminator_loss(judge, torch.cat(shown), torch.cat(real), step=step, **weights).total.backward()
        judge_optimiser.step()
        progress((step + 1) / steps)
    rgb = (texture.rgb + weight * change).clamp(0, 1) * texture.filled
    return replace(texture, rgb=rgb, generated=texture.generated if generated is None else generated)


@dataclass(frozen=True)
class _Places:
    """Where a step may look.

    pixels  int64   [N, 2]  rows and columns of the person
    weight  float32 [N]     how often to look there
    """

    pixels: Tensor
    weight: Tensor

    @classmethod
    def of(cls, target: Target, drawn: Rendering, hidden: Tensor) -> Self:
        """By what is wrong in a drawing about each pixel of the person."""
        colours = drawn.rgb[0] * drawn.mask[0] - target.image * target.mask
        wrong = (colours.abs().mean(0) + (drawn.mask[0, 0] - target.mask[0]).abs()) * (1 - hidden[0])
        top, bottom, left, right = _box(target)
        reach = max(1, round(ABOUT * max(bottom - top, right - left)))
        wrong = functional.avg_pool2d(wrong[None, None], 2 * reach + 1, stride=1, padding=reach)[0, 0]
        pixels = _person(target.mask)
        pixels = pixels[:: -(-len(pixels) // MOST)]
        weight = wrong[tuple(pixels.T)]
        return cls(pixels, EVENLY + weight / weight.mean().clamp(min=1e-6))

    def drawn(self, rng: torch.Generator) -> tuple[int, int]:
        """Row and column of some pixel."""
        row, column = self.pixels[int(torch.multinomial(self.weight.cpu(), 1, generator=rng))].tolist()
        return row, column


@dataclass(frozen=True)
class _View:
    """A part of a photo on a plain background.

    photo       float32 [1, 3, h, w]
    hidden      float32 [1, 1, h, w]  1 where something stands before the person
    background  its shade, [0, 1]
    vertices    float32 [1, V, 3]     metres
    camera      Camera                of size (h, w)
    """

    photo: Tensor
    hidden: Tensor
    background: float
    vertices: Tensor
    camera: Camera

    @classmethod
    def of(
        cls,
        target: Target,
        hidden: Tensor,                # [1, H, W]
        centre: tuple[int, int],       # row and column of a pixel of the person
        background: float,
        sides: tuple[int, int],
        window: int,
        least: int,                    # pixels a side that the part has at least
        rng: torch.Generator,
    ) -> Self:
        """A part about some pixel of the person, who is made `sides` pixels large but not larger than in the photo."""
        box = _box(target)
        side = int(torch.randint(sides[0], sides[1] + 1, (), generator=rng))
        scale = min(1.0, side / max(box[1] - box[0], box[3] - box[2]))
        size = tuple(max(1, round(length * scale)) for length in target.camera.size)
        y, height = _part(centre[0] * scale, box[0] * scale, box[1] * scale, window, least)
        x, width = _part(centre[1] * scale, box[2] * scale, box[3] * scale, window, least)
        image = images.crop(images.resize(target.image, size), x, y, (height, width))[None]
        both = images.resize(torch.cat([target.mask, hidden]), size)
        mask, hidden = images.crop(both, x, y, (height, width), outside=0)[None].split(1, dim=1)
        camera = target.camera.resized(size).cropped(x, y, (height, width))
        photo = image * mask + background * (1 - mask)
        return cls(photo, hidden, background, target.vertices, camera)

    def middle(self, image: Tensor, side: int) -> Tensor:
        """The square in the middle of an image of this part."""
        y, x = ((most - side) // 2 for most in self.camera.size)
        return image[..., y : y + side, x : x + side]


def hidden(mask: Tensor, drawn: Tensor, side: float) -> Tensor:
    """Where a photo shows somebody else, in front of the person, and tells nothing: [1, H, W].

    It is outside the photo's mask [1, H, W] but too deep inside the drawn one [1, H, W] to be a matter of outlines;
    `side` is the person's larger side, pixels.
    """
    depth = max(1, round(DEEP * side))
    outside = (drawn < 0.5)[0].cpu().numpy().astype(np.uint8)
    away = torch.from_numpy(cv2.distanceTransform(1 - outside, cv2.DIST_L2, cv2.DIST_MASK_5)).to(drawn)
    seen = (mask > 0.5)[0].cpu().numpy().astype(np.uint8)
    off = torch.from_numpy(cv2.distanceTransform(1 - seen, cv2.DIST_L2, cv2.DIST_MASK_5)).to(drawn)
    core = ((away > depth) & (off > depth)).cpu().numpy().astype(np.uint8)
    grown = torch.from_numpy(cv2.dilate(core, np.ones((2 * depth + 1,) * 2, np.uint8))).to(drawn)
    return grown[None] * (mask < 0.5)


def _part(centre: float, start: float, end: float, most: int, least: int) -> tuple[int, int]:
    """First pixel and length of a part of start..end about `centre`, within it where it is long enough."""
    length = max(min(math.ceil((end - start) / GRAIN) * GRAIN, most), least)
    if length >= end - start:
        return round((start + end - length) / 2), length
    return round(min(max(centre - length / 2, start), end - length)), length


def _box(target: Target) -> tuple[int, int, int, int]:
    """Top, bottom, left, right of what holds body and mask, with a margin; it may reach beyond the photo."""
    x, y, width, height = window_of(target.vertices, target.camera)
    rows, columns = _person(target.mask).T
    left, right = min(x, int(columns.amin())), max(x + width, int(columns.amax()) + 1)
    top, bottom = min(y, int(rows.amin())), max(y + height, int(rows.amax()) + 1)
    margin = round(MARGIN * max(right - left, bottom - top))
    return top - margin, bottom + margin, left - margin, right + margin


def _side(target: Target) -> int:
    """The larger side of that box."""
    top, bottom, left, right = _box(target)
    return max(bottom - top, right - left)


def _person(mask: Tensor) -> Tensor:
    """Rows and columns [N, 2] of the person in a mask [1, H, W]; every pixel where there is nobody."""
    return (mask[0] >= mask.amax() / 2).nonzero()


def photo_shares(frontalities: Sequence[Tensor]) -> Tensor:
    """How much each photo counts for a texel [N, 1, 1, R, R]: eq. 5's weights, 0 where it does not show it."""
    frontality = torch.stack(list(frontalities))
    weight = (frontality / TAU).exp() * (frontality > 0)
    return weight / weight.sum(0).clamp(min=1e-6)
