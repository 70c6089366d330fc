"""The adversarial loss: a discriminator learns to tell photos from renderings, and what draws learns from it (eq. 4).

Training and the refinement of a texture (appendix B) both use it.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class DiscriminatorTerms:
    """What a discriminator minimises: scalars that are not weighted yet, and their weighted sum `total`.

    drawn, photo  how badly renderings and photos are told apart
    r1            None in the steps that go without
    """

    total: Tensor
    drawn: Tensor
    photo: Tensor
    r1: Tensor | None


def adversarial(logits: Tensor) -> Tensor:
    """Nonsaturating loss of what draws (section 3.1, [15]): -log sigmoid(logits), the mean over images."""
    return functional.softplus(-logits).mean()


def discriminator_loss(
    discriminator: nn.Module,
    drawn: Tensor,
    photo: Tensor,
    *,
    step: int,
    weight: float,
    r1_weight: float,
    r1_every: int,
) -> DiscriminatorTerms:
    """The discriminator's side of eq. 4; images [B, 3, H, W] in [0, 1]. Nothing flows back into them.

    step       counts from 0
    weight     of the adversarial term, lambda 4: with lambda 5 it makes StyleGAN2's gamma, 0.1 / 0.01 = 10
    r1_weight  of R1, lambda 5
    r1_every   R1 is computed in every so manieth step, the first included, and counts that often more there (the lazy
               regularisation of section 4.1)
    """
    regularised = step % r1_every == 0
    photo = photo.detach().requires_grad_(regularised)
    # a gradient that will be differentiated again wants float32
    precision = torch.autocast(photo.device.type, enabled=False) if regularised else nullcontext()
    with precision:
        logits = discriminator(photo)
        penalty = r1(logits, photo) if regularised else None
    on_photo = functional.softplus(-logits).mean()
    on_drawn = functional.softplus(discriminator(drawn.detach())).mean()
    total = weight * (on_drawn + on_photo)
    if penalty is not None:
        total = total + r1_weight * r1_every * penalty
    return DiscriminatorTerms(total, drawn=on_drawn, photo=on_photo, r1=penalty)


def r1(logits: Tensor, image: Tensor) -> Tensor:
    """R1 regularisation ([32], without its gamma): half the squared gradient of a logit, the mean over images.

    logits [B, 1] were computed from `image` [B, 3, H, W] in [0, 1], which requires a gradient. The gradient is that for
    colours in [-1, 1], half as large: StyleGAN2's gamma is meant for those, and our networks scale inside.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), image, create_graph=True)
    return (gradient / 2).square().sum((1, 2, 3)).mean() / 2
