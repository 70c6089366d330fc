"""What of a photo is the person's alone, and what the background has mixed into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

EROSION = 3            # pixels: at the mask's edge colours mix with the background's, and JPEG spreads those further;
RIM = 1                # nearer than so many to it none is taken, in between those that are clearly the person's:
MIXED = 0.08           # on the way from the colour inside to that of the background none is farther,
NOISE = 0.05           # beside differences of so much, RGB
STAINED = 0.07         # and none so far in hue up to twice as deep, for JPEG spreads hues farther than shades,
VIVID = 0.3            # where the background's hue differs by so much, RGB;
ASIDE = 0.15           # differences from any mixture of the two from which a colour is one of its own
DIM = 0.15             # brightness beside them, RGB, below which none is taken: what bleeds into dark cloth is as dark
DARK = 0.05            # RGB, below which darkness differs no more
TINGED = 0.5           # on the way in hue: what is farther is a pattern of the person's, what is nearer is taken back
NEARBY = 12            # pixels about each in which those two colours are sought


@dataclass(frozen=True)
class _Tinge:
    """Hues of pixels near a mask's edge, between those of the person and those of the background.

    own     [B, 4, H, W]  the person's, from deeper within the mask, near each pixel, and whether there are any
    behind  [B, 4, H, W]  the background's, likewise
    far     [B, 1, H, W]  how far each pixel's lies on the way from the one to the other,
    aside   [B, 1, H, W]  and how far aside of that
    deep    [B, 1, H, W]  1 where pixels are deeper, else 0
    """

    own: Tensor
    behind: Tensor
    far: Tensor
    aside: Tensor
    deep: Tensor

    @classmethod
    def of(cls, image: Tensor, outside: Tensor, behind: Tensor, reach: int) -> Self:
        """`behind` is the background's colour [B, 4, H, W] near each pixel, `reach` how deep hues are in doubt."""
        hues, deep = _hue(image), 1 - grown(outside, reach)
        own, behind = _local(hues, deep), torch.cat([_hue(behind[:, :3]), behind[:, 3:]], dim=1)
        return cls(own, behind, *_way(hues, own, behind), deep)


def person_in(image: Tensor, mask: Tensor, erosion: int = EROSION) -> tuple[Tensor, Tensor]:
    """What is the person's alone of a photo [B, 3, H, W], mask [B, 1, H, W]: the photo whose hues near the mask's
    edge are the person's own, and [B, 1, H, W] in {0, 1} the pixels of the person that no background is mixed in.

    Unmixed are all that lie farther than `erosion` pixels within the mask, and, but on dark cloth, those between RIM
    and that whose colour does not lie on the way from the person's beside them to the background's. None up to twice
    as deep that a vivid background has stained.

    JPEG keeps hues at half the resolution, and light goes round an edge: so what lies within twice `erosion` pixels of
    it is tinged with the background's hue where that is the more vivid one, too little to be left out, yet seen from
    aside a line along the body. That is taken back; its shade stays.
    """
    outside = (mask <= 0.5).to(image.dtype)
    sure, beyond = 1 - grown(outside, erosion), 1 - grown(1 - outside, RIM)
    own, behind = _local(image, sure), _local(image, beyond)
    far, aside = _way(image, own, behind)
    dark = (image + DARK).log()                            # dark cloth takes on a hue long before it is lighter
    hue, _ = _way(dark, _local(dark, sure), _local(dark, beyond))
    mixed = (torch.maximum(far, hue) >= MIXED) & (aside <= ASIDE)
    light = own[:, :3].mean(1, keepdim=True) > DIM
    near = (1 - grown(outside, min(RIM, erosion))) * (own[:, 3:] > 0) * ~mixed * light
    tinge = _Tinge.of(image, outside, behind, 2 * erosion)
    return _with_own_hues(image, outside, tinge), torch.maximum(sure, near) * ~_stained(tinge)


def _stained(tinge: _Tinge) -> Tensor:
    """Pixels that have taken on the hue of a background more vivid than the person, as JPEG spreads it: bool
    [B, 1, H, W]. Shade alone is the person's own.
    """
    differ = tinge.own, tinge.behind, tinge.behind - tinge.own
    person, background, apart = (of[:, :3].norm(dim=1, keepdim=True) for of in differ)
    vivid = (background > person) & (apart > VIVID)
    return (tinge.far >= STAINED) & (tinge.aside <= ASIDE) & vivid & (tinge.own[:, 3:] > 0) & (tinge.deep == 0)


def _with_own_hues(image: Tensor, outside: Tensor, tinge: _Tinge) -> Tensor:
    own, behind, far, deep = tinge.own, tinge.behind, tinge.far, tinge.deep
    shade = (image - _local(image, deep)[:, :3]).mean(1, keepdim=True)      # in another one the hue would be another
    duller = own[:, :3].norm(dim=1, keepdim=True) < behind[:, :3].norm(dim=1, keepdim=True)
    tinged = (own[:, 3:] > 0) & (deep + outside == 0) & (tinge.aside <= ASIDE) & (shade.abs() <= ASIDE)
    far = far * (tinged & duller & (far > 0) & (far <= TINGED))
    return (image - far * (behind - own)[:, :3] * behind[:, 3:]).clamp(0, 1)


def _hue(colours: Tensor) -> Tensor:
    """Colours [B, 3, H, W] without their lightness."""
    return colours - colours.mean(1, keepdim=True)


def _way(colours: Tensor, own: Tensor, behind: Tensor) -> tuple[Tensor, Tensor]:
    """How far colours [B, 3, H, W] lie on the way from the person's beside them to the background's [B, 4, H, W], and
    how far aside of that, both [B, 1, H, W].
    """
    way, off = (behind[:, :3] - own[:, :3]) * behind[:, 3:], colours - own[:, :3]
    far = (off * way).sum(1, keepdim=True) / (way.square().sum(1, keepdim=True) + NOISE**2)
    return far, (off - far * way).abs().amax(1, keepdim=True)


def _local(image: Tensor, there: Tensor) -> Tensor:
    """Mean colour [B, 3, H, W] of the pixels there [B, 1, H, W] near each, and whether there are any, in {0, 1}."""
    kernel = 2 * NEARBY + 1
    sums = torch.cat([image * there, there], dim=1)
    for size, room in (((1, kernel), (0, NEARBY)), ((kernel, 1), (NEARBY, 0))):
        sums = functional.avg_pool2d(sums, size, 1, room)
    return torch.cat([sums[:, :3] / sums[:, 3:].clamp(min=1e-6), (sums[:, 3:] > 1e-5).to(sums)], dim=1)


def grown(there: Tensor, pixels: int) -> Tensor:
    """Pixels [B, 1, H, W] in {0, 1} and so many around them."""
    return functional.max_pool2d(there, 2 * pixels + 1, stride=1, padding=pixels) if pixels else there
