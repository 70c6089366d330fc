"""What the training of the appearance minimises (section 3.1, eq. 4; weights of section 4.1).

The discriminator's own loss is `perceptual.adversarial.discriminator_loss`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from dinar.configs import AppearanceTraining
from dinar.fit.objective import dice
from dinar.networks.renderer import NeuralRendering
from dinar.perceptual.adversarial import DiscriminatorTerms, adversarial
from dinar.perceptual.lpips import LPIPS

FACE_SIDE = 128
"""Pixels a side that a face is resampled to: faces of all sizes fit one batch, and LPIPS gets the 64 it needs."""


@dataclass(frozen=True)
class Truth:
    """What should have been drawn.

    image  float32 [B, 3, H, W]  photos in [0, 1]
    mask   float32 [B, 1, H, W]  share of the pixel that the person covers
    face   float32 [B, 4]        box left, top, right, bottom in pixels; NaN or empty where no face is seen
    """

    image: Tensor
    mask: Tensor
    face: Tensor


@dataclass(frozen=True)
class GeneratorTerms:
    """What encoder, generator and renderer minimise: scalars that are not weighted yet, and their weighted sum."""

    total: Tensor
    l2: Tensor
    lpips: Tensor
    dice: Tensor
    adversarial: Tensor
    face_l2: Tensor
    face_lpips: Tensor


def generator_loss(
    drawn: NeuralRendering,
    truth: Truth,
    logits: Tensor | None,
    lpips: LPIPS,
    weights: AppearanceTraining,
    rng: torch.Generator,
) -> GeneratorTerms:
    """Eq. 4 for one batch without R1, which is the discriminator's; every term is a mean over the images.

    drawn   its rgb already in front of the background that the photos have
    logits  [B, 1] of the discriminator for drawn.rgb; None while there is none
    rng     on the CPU; places the crops that LPIPS sees

    An image without a face counts as one whose face is perfect.
    """
    rgb, image = drawn.rgb.float(), truth.image.float()
    both = torch.cat([rgb, image], dim=1)
    crop, image_crop = random_crops(both, weights.lpips_crop, rng).split(3, dim=1)
    face, image_face = crop_faces(both, truth.face).split(3, dim=1)
    share = len(face) / len(rgb)
    masks = zip(drawn.mask.float(), truth.mask.float(), strict=True)
    terms = {
        "l2": functional.mse_loss(rgb, image),
        "lpips": lpips(crop, image_crop).mean(),
        "dice": torch.stack([dice(mask, other) for mask, other in masks]).mean(),
        "adversarial": rgb.new_zeros(()) if logits is None else adversarial(logits),
        "face_l2": share * functional.mse_loss(face, image_face) if share else rgb.new_zeros(()),
        "face_lpips": share * lpips(face, image_face).mean() if share else rgb.new_zeros(()),
    }
    total = (
        weights.l2 * (terms["l2"] + weights.face * terms["face_l2"])
        + weights.lpips * (terms["lpips"] + weights.face * terms["face_lpips"])
        + weights.dice * terms["dice"]
        + weights.adversarial * terms["adversarial"]
    )
    return GeneratorTerms(total, **terms)


def before(drawn: NeuralRendering, backgrounds: Tensor) -> NeuralRendering:
    """A rendering of N people before plain colours [N, 3]."""
    mask = drawn.mask
    return dataclasses.replace(drawn, rgb=drawn.rgb * mask + backgrounds[:, :, None, None] * (1 - mask))


def numbers(terms: GeneratorTerms | DiscriminatorTerms) -> dict[str, float]:
    """The terms for a log; one that was not computed is left out."""
    values = {field.name: getattr(terms, field.name) for field in dataclasses.fields(terms)}
    return {name: float(value.detach()) for name, value in values.items() if value is not None}


def random_crops(images: Tensor, side: int, rng: torch.Generator) -> Tensor:
    """images [B, C, H, W] -> [B, C, min(side, H), min(side, W)]: a window of each, placed by `rng` (on the CPU)."""
    height, width = images.shape[2:]
    high, wide = min(side, height), min(side, width)
    tops = torch.randint(height - high + 1, (len(images),), generator=rng).tolist()
    lefts = torch.randint(width - wide + 1, (len(images),), generator=rng).tolist()
    windows = zip(images, tops, lefts, strict=True)
    return torch.stack([image[:, top : top + high, left : left + wide] for image, top, left in windows])


def crop_faces(images: Tensor, boxes: Tensor) -> Tensor:
    """The faces of the images that have one: images float32 [B, C, H, W], boxes [B, 4] -> [N, C, 128, 128], N <= B.

    A box becomes a square about its middle; pixels outside the image repeat those of its border.
    """
    boxes = boxes.to(images)
    seen = (boxes[:, 2:] > boxes[:, :2]).all(1).nonzero().flatten()   # never true of NaN
    if not len(seen):
        return images.new_zeros(0, images.shape[1], FACE_SIDE, FACE_SIDE)
    first, last = boxes[seen, :2], boxes[seen, 2:]
    half = (last - first).amax(1, keepdim=True) / 2
    steps = (torch.arange(FACE_SIDE, device=images.device) * 2 + 1) / FACE_SIDE - 1   # pixel centres in [-1, 1]
    places = (first + last)[:, None] / 2 + half[:, None] * steps[:, None]             # [N, 128, 2] pixels
    height, width = images.shape[2:]
    x, y = (places * 2 / places.new_tensor([width, height]) - 1).unbind(2)
    grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), dim=-1)
    return functional.grid_sample(images[seen], grid, align_corners=False, padding_mode="border")
