"""Hair that no photo shows: what is seen of it goes on around the head, strand by strand.

In the island of the layer `hair` azimuth runs along y and height along x up to the crown (`tools/build_hair.py`), so a
strand is a row. Unseen rows repeat the seen ones of their height, mirrored at either end of what is seen and faded into
each other; where too few are seen for that, strands of no one's are as strong as those.
"""

from __future__ import annotations

from types import EllipsisType

import cv2
import numpy as np
import torch
from torch import Tensor

from dinar.body.layers import BOXES
from dinar.texture.lines import closed, repeated

SOUND = 0.6     # trust in a texel from which it is a source
EDGE = 2        # texels at either end of what is seen that are none: background shines through
OWN = 0.2, 0.5  # quantiles of seen hair's brightness that its own shade lies between: brighter is gloss, darker a gap
ALIKE = 0.2     # distance in RGB from that shade up to which a texel is a source,
OTHER = 0.5     # and from which it is no hair
ROUND = 0.2     # of the head's round that has to be seen to be repeated: a few strands again and again are a comb
PLAIN = 0.04    # contrast of strands, as a share of the shade, where nothing tells it, and the least;
STRONG = 0.15   # the most
CROWN = 0.35    # of all heights, the highest ones, on which strands meet and fade
WIDTHS = 1.0, 2.5, 6.0       # texels, of some 1 mm, of strands, locks and tufts,
LENGTHS = 3.0, 4.0, 4.0      # heights, of 3.5 mm on the head and 9 below, along which each stays the same,
WEIGHTS = 0.7, 1.0, 0.8      # and how much of the contrast each has
WANDER = 5.0                 # texels that they wander aside,
BENDS = 16.0, 5.0            # alike over so many texels round the head, and heights
CARRIED = 4.0                # heights in which seen strands give way to made ones
SWING = 0.5     # how much of what heights differ by goes on behind
LEAST = 12      # texels of a height that have to be seen, else the nearest height is taken
SLOW = 12.0     # texels of height in which the shade may change
HATLESS = 0.1   # share of headwear in a texel of hair, at most
FADE = 8.0      # texels from what is seen in which its shade goes over into the strands'


def around(filled: Tensor, rgb: Tensor, seen: Tensor, trust: Tensor, hat: Tensor | None = None) -> Tensor:
    """Colours [B, 3, R, R] of the atlas `clothed` with unseen hair made of seen hair.

    filled  [B, 3, R, R]  without holes
    rgb     [B, 3, R, R]  as photos show it
    seen    [B, 1, R, R]  1 where they do; that stays
    trust   [B, 1, R, R]  how far a texel may be a source, [0, 1]
    hat     [B, 1, R, R]  share of headwear in what is seen, which is no hair
    """
    box, out = boxed(filled), filled.clone()
    for k in range(len(filled)):
        colours = rgb[k][box].permute(2, 1, 0).cpu().numpy()                 # [heights, azimuths, 3]
        shown = (seen[k, 0][box] > 0).T.cpu().numpy()
        if hat is not None:
            bare = shown & (hat[k, 0][box] < HATLESS).T.cpu().numpy()
            shown = bare if bare.sum() >= LEAST else shown
        if not shown.any():
            continue
        own = _own(colours[shown])
        sound = (trust[k, 0][box] > SOUND).T.cpu().numpy()
        sound = sound & np.roll(sound, EDGE, axis=1) & np.roll(sound, -EDGE, axis=1)
        sound &= shown & (np.abs(colours - own).max(2) < ALIKE)        # no beads, cheeks, backgrounds, gloss
        made = _heights(colours, sound, own)
        shown &= np.abs(colours - own).max(2) < OTHER
        new = torch.from_numpy(faded(made, colours, shown)).permute(2, 1, 0).to(out)
        out[k][box] = torch.where(seen[k][box] > 0, out[k][box], new)
    return out


def boxed(texture: Tensor) -> tuple[slice | EllipsisType, ...]:
    """The layer's island in textures [..., R, R]."""
    left, top, right, bottom = (round(edge * texture.shape[-1]) for edge in BOXES["hair"])
    return ..., slice(top, bottom), slice(left, right)


def _own(colours: np.ndarray) -> np.ndarray:
    """The shade [3] that hair has where nothing shines, of what is seen of it [N, 3]."""
    brightness = colours.mean(1)
    least, most = np.quantile(brightness, OWN)
    return colours[(brightness >= least) & (brightness <= most)].mean(0)


def _heights(colours: np.ndarray, sound: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Colours [H, N, 3] of all heights: the strands of those that are known, about a shade that changes slowly round
    hair's own.
    """
    known = np.flatnonzero(sound.sum(1) >= LEAST)
    if not len(known):
        return (own * (1 + PLAIN * _grain(sound.shape)[..., None])).clip(0, 1).astype(colours.dtype)
    share = sound[known].sum(1, keepdims=True)
    shade = (colours[known] * sound[known][..., None]).sum(1) / share
    weight = np.exp(-0.5 * ((np.arange(len(colours))[:, None] - known) / SLOW) ** 2) * share.T + 1e-9 * _closeness(
        len(colours), known
    )
    slow = weight @ shade / weight.sum(1, keepdims=True)
    slow = own + SWING * (slow - (shade * share).sum(0) / share.sum())
    strands = repeated(colours[known], sound[known]) - shade[:, None]
    enough = np.minimum(share / (ROUND * colours.shape[1]), 1)
    away = np.abs(np.arange(len(colours))[:, None] - known)
    nearest = away.argmin(1)
    enough = enough[nearest] * np.exp(-((away.min(1)[:, None] / CARRIED) ** 2))
    strong = float(np.sqrt((strands[sound[known]] ** 2).mean()) / max(float(own.mean()), 0.02))
    grain = float(np.clip(strong, PLAIN, STRONG)) * np.sqrt(1 - enough**2) * _grain(sound.shape)
    seen = enough[..., None] * strands[nearest]
    return (slow[:, None] * (1 + grain[..., None]) + seen).clip(0, 1).astype(colours.dtype)


def faded(made: np.ndarray, colours: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Strands [H, N, 3] that begin with the shade of what is seen beside them, bool [H, N], round the head."""
    weight = shown[..., None].astype(np.float32)
    both = np.concatenate([weight, weight * (colours - made)], axis=2)
    near = closed(both, lambda of: cv2.GaussianBlur(of, (0, 0), FADE, borderType=cv2.BORDER_CONSTANT), round(4 * FADE))
    weight, step = near[..., :1], near[..., 1:]
    return (made + step / np.maximum(weight, 1e-6) * np.minimum(2 * weight, 1)).clip(0, 1).astype(made.dtype)


def _grain(shape: tuple[int, int]) -> np.ndarray:
    """Strands, locks and tufts of about unit contrast, round the head without a seam: float32 [H, N]."""
    rng = np.random.default_rng(0)
    total = np.zeros(shape, np.float32)
    for width, length, weight in zip(WIDTHS, LENGTHS, WEIGHTS, strict=True):
        total += weight * _noise(rng, shape, width, length)
    aside = WANDER * _noise(rng, shape, *BENDS)
    rows, columns = np.indices(shape, np.float32)
    total = cv2.remap(total, (columns + aside) % shape[1], rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    up = np.arange(shape[0], dtype=np.float32)[:, None]
    return total / total.std() * ((shape[0] - up) / (CROWN * shape[0])).clip(0, 1)


def _noise(rng: np.random.Generator, shape: tuple[int, int], width: float, length: float) -> np.ndarray:
    """Noise of unit contrast, smooth over so many texels round the head and along its heights: float32 [H, N]."""
    layer = rng.standard_normal(shape, np.float32)[..., None]
    soft = closed(layer, lambda of: cv2.GaussianBlur(of, (0, 0), width, sigmaY=length), round(4 * width))
    return soft / soft.std()


def _closeness(count: int, known: np.ndarray) -> np.ndarray:
    """Weights [H, K] of known heights that rule where no other is near."""
    return 1.0 / (1 + np.abs(np.arange(count)[:, None] - known)) ** 4
