"""How noisy a picture is, and the same noise for what is drawn into it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d

FLAT = 0.5        # share of the pixels, the least steep ones, that are looked at
LEAST = 200       # pixels that have to be flat, else nothing is said


def deviation(image: Tensor, where: Tensor) -> Tensor:
    """Standard deviation [3] of a picture's noise, by Immerkaer's (1996) filter, which straight edges pass unseen.

    image  [3, H, W] in [0, 1]
    where  [1, H, W], above one half where to look

    The deviation is told from the median, in the flatter half of these pixels, without those that are black or white.
    Zero where hardly any are left.
    """
    bent = image[:, :-2] - 2 * image[:, 1:-1] + image[:, 2:]
    noise = (bent[:, :, :-2] - 2 * bent[:, :, 1:-1] + bent[:, :, 2:]) / 6
    smooth = avg_pool2d(image[None], 5, 1, 2)[0]
    steep = (smooth[:, 2:, 1:-1] - smooth[:, :-2, 1:-1]).abs() + (smooth[:, 1:-1, 2:] - smooth[:, 1:-1, :-2]).abs()
    steep = steep.mean(0)
    inside = max_pool2d((where <= 0.5).float()[None], 3, 1)[0, 0] == 0
    inside &= ((image > 0.02) & (image < 0.98)).all(0)[1:-1, 1:-1]
    if inside.sum() < LEAST:
        return torch.zeros(3)
    least = steep[inside].sort().values
    inside &= steep <= least[round(FLAT * (len(least) - 1))]
    return 1.4826 * noise[:, inside].abs().median(dim=1).values


def noise(deviation: Tensor, size: tuple[int, int], seed: int) -> Tensor:
    """Normal noise [3, H, W] of a standard deviation [3]; the same for the same seed."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((3, *size), generator=generator) * deviation[:, None, None]


def missing(wanted: Tensor, present: Tensor) -> Tensor:
    """The deviation of noise that makes the present one [3] the wanted one, 0 where there is more already."""
    return (wanted.square() - present.square()).clamp(min=0).sqrt()
