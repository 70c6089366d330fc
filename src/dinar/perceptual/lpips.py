"""LPIPS: how different two images look (Zhang et al. 2018; the paper's [58, 59])."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from dinar.perceptual.alexnet import AlexNet
from dinar.perceptual.vgg import VGG16
from dinar.store import Store

SMALLEST = 64
"""Pixels a side that both distances need: below it the last features are a handful of numbers about the border."""

_MEAN = (-0.030, -0.088, -0.188)   # of images in [-1, 1]
_DEVIATION = (0.458, 0.448, 0.450)


class LPIPS(nn.Module):
    """Learned perceptual image patch similarity, version 0.1: 0 for equal images.

    Its weights are constants, but gradients reach both images. A target that stays the same needs its features only
    once: `compare(lpips.features(image), target_features)`.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, backbone: AlexNet | VGG16) -> None:
        super().__init__()
        self.backbone = backbone
        self.heads = nn.ParameterList([torch.ones(channels) for channels in backbone.channels])
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None])
        self.register_buffer("deviation", torch.tensor(_DEVIATION)[:, None, None])
        self.requires_grad_(False).eval()

    def forward(self, image: Tensor, other: Tensor) -> Tensor:
        """image, other [B, 3, H, W] in [0, 1], at least 64 pixels a side -> float32 [B].

        Raises ValueError where they are smaller or of different shapes.
        """
        check_pair(image, other)
        return self.compare(self.features(image), self.features(other))

    def features(self, image: Tensor) -> list[Tensor]:
        """image [B, 3, H, W] in [0, 1] -> float32 features [B, C_i, H_i, W_i] of five layers, unit length a pixel.

        Raises ValueError where the image is smaller than 64 pixels a side.
        """
        return unit(self.layers(image))

    def layers(self, image: Tensor) -> list[Tensor]:
        """The same before each pixel's features were made of unit length."""
        check_image(image)
        return self.backbone((image * 2 - 1 - self.mean) / self.deviation)

    def compare(self, features: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
        """Distance [B] of two images from their `features`."""
        layers = zip(features, others, self.heads, strict=True)
        means = [((a - b).square().mean((2, 3)) * head).sum(1) for a, b, head in layers]
        return torch.stack(means).sum(0)


def load_lpips(network: Literal["alex", "vgg"], store: Store) -> LPIPS:
    """LPIPS on AlexNet (the metric of most papers) or on VGG16 (the usual training loss).

    Raises InputError where its weights are neither at hand nor to be had.
    """
    backbone = AlexNet() if network == "alex" else VGG16()
    tensors = load_file(store.path("alexnet.safetensors" if network == "alex" else "vgg16.safetensors"))
    backbone.load(tensors)
    lpips = LPIPS(backbone)
    for i, head in enumerate(lpips.heads):
        head.copy_(tensors[f"NetLinLayer_{i}.Conv_0.kernel"].flatten())
    return lpips


def check_image(image: Tensor) -> None:
    """Raises ValueError unless `image` is [B, 3, H, W] with H, W >= 64."""
    if image.ndim != 4 or image.shape[1] != 3:
        raise ValueError(f"images are [B, 3, H, W], not {list(image.shape)}")
    height, width = image.shape[2:]
    if min(height, width) < SMALLEST:
        raise ValueError(f"images of {width} x {height} pixels are too small to judge: {SMALLEST} a side at least")


def check_pair(image: Tensor, other: Tensor) -> None:
    """Raises ValueError unless both are images of one shape."""
    if image.shape != other.shape:
        raise ValueError(f"images of different shapes: {list(image.shape)} and {list(other.shape)}")
    check_image(image)


def unit(layers: Sequence[Tensor]) -> list[Tensor]:
    """Every pixel's features [B, C, H, W] divided by their length; a pixel without any stays 0 and has no gradient.

    The gradient of a square root at 0 would be NaN for the whole image.
    """
    return [x.float() / (torch.linalg.vector_norm(x.float(), dim=1, keepdim=True) + 1e-10) for x in layers]
