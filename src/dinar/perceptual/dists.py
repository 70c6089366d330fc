"""DISTS: how different two images are in structure and texture (Ding et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from dinar.perceptual.lpips import check_image, check_pair
from dinar.perceptual.vgg import VGG16
from dinar.store import Store

_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
_SMALL = 1e-6   # keeps the quotients defined where a channel is empty


class DISTS(nn.Module):
    """Deep image structure and texture similarity: 0 for equal images.

    It compares each channel's mean (texture) and covariance (structure) over the whole image, in the image itself and
    in five layers of VGG16 whose max pooling gave way to `blur_pool`. The authors measure images whose shorter side is
    at most 256. Its weights are constants, but gradients reach both images.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.backbone = VGG16(blur_pool)
        channels = 3 + sum(VGG16.channels)
        self.texture = nn.Parameter(torch.full((channels,), 0.5 / channels))   # alpha
        self.structure = nn.Parameter(torch.full((channels,), 0.5 / channels))   # beta; both together sum to 1
        self.register_buffer("mean", torch.tensor(_MEAN)[:, None, None])
        self.register_buffer("deviation", torch.tensor(_DEVIATION)[:, None, None])
        self.requires_grad_(False).eval()

    def forward(self, image: Tensor, other: Tensor) -> Tensor:
        """image, other [B, 3, H, W] in [0, 1], at least 64 pixels a side -> float32 [B].

        Raises ValueError where they are smaller or of different shapes.
        """
        check_pair(image, other)
        return self.compare(self.features(image), self.features(other))

    def compare(self, features: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
        """What `forward` gives, of two images' `features`, so that one image is looked at once for many others."""
        textures, structures = [], []
        for a, b in zip(features, others, strict=True):
            mean_a, mean_b = a.mean((2, 3)), b.mean((2, 3))
            textures.append((2 * mean_a * mean_b + _SMALL) / (mean_a.square() + mean_b.square() + _SMALL))
            a, b = a - mean_a[..., None, None], b - mean_b[..., None, None]
            covariance = (a * b).mean((2, 3))
            variances = a.square().mean((2, 3)) + b.square().mean((2, 3))
            structures.append((2 * covariance + _SMALL) / (variances + _SMALL))
        alike = torch.cat(textures, 1) * self.texture + torch.cat(structures, 1) * self.structure
        return 1 - alike.sum(1)

    def features(self, image: Tensor) -> list[Tensor]:
        """image [B, 3, H, W] in [0, 1] -> the image and five layers, float32 [B, C_i, H_i, W_i].

        Raises ValueError where the image is smaller than 64 pixels a side.
        """
        check_image(image)
        found = self.backbone((image - self.mean) / self.deviation)
        return [layer.float() for layer in (image, *found)]


def blur_pool(x: Tensor) -> Tensor:   # [B, C, H, W] -> [B, C, ceil(H / 2), ceil(W / 2)]
    """Halves an image by the root of the weighted mean square of 3 x 3 pixels, [1, 2, 1] along both axes."""
    taps = x.new_tensor([0.25, 0.5, 0.25])
    kernel = (taps[:, None] * taps).expand(x.shape[1], 1, 3, 3)
    squares = functional.conv2d(x.square(), kernel, stride=2, padding=1, groups=x.shape[1])
    return (squares + 1e-12).sqrt()


def load_dists(store: Store) -> DISTS:
    """DISTS with its authors' weights.

    Raises InputError where they are neither at hand nor to be had.
    """
    paths = store.paths(["vgg16.safetensors", "dists.safetensors"])
    dists = DISTS()
    dists.backbone.load(load_file(paths["vgg16.safetensors"]))
    weights = load_file(paths["dists.safetensors"])
    total = weights["alpha"].sum() + weights["beta"].sum()
    dists.texture.copy_(weights["alpha"].flatten() / total)
    dists.structure.copy_(weights["beta"].flatten() / total)
    return dists
