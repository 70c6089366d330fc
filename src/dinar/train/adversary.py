"""The discriminator's part in a step of training (section 3.1): what it thinks of a drawing, and what it learns."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dinar.configs import AppearanceTraining
from dinar.perceptual.adversarial import discriminator_loss
from dinar.train.loop import Stage
from dinar.train.losses import numbers

NAME = "discriminator"   # of the network and its optimiser in a stage


def judged(discriminator: nn.Module | None, images: Tensor) -> Tensor | None:
    """What a discriminator thinks of images, its own weights without gradients; None where there is none yet."""
    if discriminator is None:
        return None
    discriminator.requires_grad_(False)
    logits = discriminator(images)
    discriminator.requires_grad_(True)
    return logits


def taught(
    stage: Stage,
    drawn: Tensor,                 # [B, 3, H, W], before the same backgrounds as the truth
    truth: Tensor,
    weights: AppearanceTraining,
    step: int,
    autocast: torch.autocast,
) -> dict[str, float]:
    """Updates a stage's discriminator; its terms for the log."""
    with autocast:
        terms = discriminator_loss(
            stage.networks[NAME],
            drawn,
            truth,
            step=step,
            weight=weights.adversarial,
            r1_weight=weights.r1,
            r1_every=weights.r1_every,
        )
    stage.update(NAME, terms.total)
    return {f"{NAME}/{name}": value for name, value in numbers(terms).items()}
