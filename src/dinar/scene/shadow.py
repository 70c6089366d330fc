"""The soft shade of a body on the ground that it stands on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn.functional import conv2d, grid_sample, pad

from dinar.camera import Camera

CELL = 0.02                        # metres: of the map of the shade
REACH = 0.5                        # metres around the body that the map goes
PARTS = ((0.03, 0.03, 0.6), (0.25, 0.12, 0.4))   # height at which it fades and blur, metres, and share: contact, sky
USUAL = 0.35                       # of the light, where the photo says nothing
BOUNDS = 0.2, 0.5
LEAST = 150                        # pixels that have to say something
CLEAR = 0.15                       # shade from which a pixel counts


@dataclass(frozen=True)
class Ground:
    """The level ground, as the pixels of a picture see it.

    places  float32 [H, W, 2]  x and z, metres; infinite above the horizon
    height  float              its y, metres
    """

    places: Tensor
    height: float

    @classmethod
    def of(cls, camera: Camera, height: float) -> Self:
        """What each pixel of a camera sees of the ground."""
        rows, columns = (torch.arange(side) + 0.5 for side in camera.size)
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        K, R, eye = camera.K, camera.R, camera.position
        inside = torch.stack([(x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1], torch.ones_like(x)], dim=-1)
        ray = inside @ R
        far = (height - eye[1]) / ray[..., 1]
        places = eye[[0, 2]] + far[..., None] * ray[..., [0, 2]]
        return cls(torch.where((far > 0)[..., None] & places.isfinite(), places, torch.inf), height)

    def shade(self, vertices: Tensor) -> Tensor:
        """How much of the ground's light a body [V, 3] takes, [1, H, W] in [0, 1]: all where a sole touches it."""
        above = (vertices[:, 1] - self.height).clamp(min=0)
        low = vertices[above < 4 * PARTS[-1][0]]
        above = above[above < 4 * PARTS[-1][0]]
        if not len(low):
            return torch.zeros(1, *self.places.shape[:2])
        ground = low[:, [0, 2]]
        corner = ground.amin(0) - REACH
        width, depth = ((ground.amax(0) + REACH - corner) / CELL).ceil().long().tolist()
        cell = ((ground - corner) / CELL).long()
        total = torch.zeros(depth, width)
        for fade, blur, share in PARTS:
            dark = torch.zeros(depth * width)
            dark.scatter_reduce_(0, cell[:, 1] * width + cell[:, 0], torch.exp(-above / fade), "amax")
            total += share * _blurred(dark.view(depth, width), blur / CELL)
        where = (self.places - corner) / (CELL * torch.tensor([width, depth])) * 2 - 1
        where = torch.where(where.abs() < 2, where, 2.0)
        return grid_sample(total[None, None], where[None], align_corners=False)[0].clamp(0, 1)


def strength(photo: Tensor, background: Tensor, shade: Tensor, where: Tensor) -> float:
    """How dark the shade in the photo is: the factor k that makes background * (1 - k shade) the photo.

    photo, background  [3, H, W]
    shade              [1, H, W] of the person in the photo
    where              [1, H, W], above one half where the background was filled and nobody stands
    """
    seen = (where > 0.5) & (shade > CLEAR)
    if int(seen.sum()) < LEAST:
        return USUAL
    lost = (1 - photo.mean(0, keepdim=True) / background.mean(0, keepdim=True).clamp(min=0.02))[seen]
    weight = shade[seen]
    return min(max(float((weight * lost).sum() / weight.square().sum()), BOUNDS[0]), BOUNDS[1])


def _blurred(image: Tensor, sigma: float) -> Tensor:
    """[H, W] under a Gaussian, dark dots closed first: vertices lie farther apart than cells."""
    reach = round(3 * sigma)
    weight = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    weight = weight / weight.sum()
    image = torch.nn.functional.max_pool2d(image[None, None], 3, 1, 1)
    image = conv2d(pad(image, (reach, reach, 0, 0)), weight[None, None, None])
    return conv2d(pad(image, (0, 0, reach, reach)), weight[None, None, :, None])[0, 0]
