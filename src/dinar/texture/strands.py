"""Hair that no photo shows: what is seen of it goes on around the head, strand by strand.

In the island of the layer `hair` azimuth runs along y and height along x (`tools/build_hair.py`), so a strand is a row.
Unseen rows repeat the seen ones of their height, mirrored at either end of what is seen and faded into each other.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dinar.body.layers import BOXES

SOUND = 0.6     # trust in a texel from which it is a source
EDGE = 2        # texels at either end of what is seen that are none: background shines through
ALIKE = 0.2     # distance in RGB from the hair's median colour up to which a texel is hair
RELIEF = 0.5    # how much of the strands' contrast is repeated: light falls on them in front
LEAST = 12      # texels of a height that have to be seen, else the nearest height is taken
SLOW = 12.0     # texels of height in which the shade may change


def around(filled: Tensor, rgb: Tensor, seen: Tensor, trust: Tensor) -> Tensor:
    """Colours [B, 3, R, R] of the atlas `clothed` with unseen hair made of seen hair.

    filled  [B, 3, R, R]  without holes
    rgb     [B, 3, R, R]  as photos show it
    seen    [B, 1, R, R]  1 where they do; that stays
    trust   [B, 1, R, R]  how far a texel may be a source, [0, 1]
    """
    side = filled.shape[-1]
    left, top, right, bottom = (round(edge * side) for edge in BOXES["hair"])
    box = (..., slice(top, bottom), slice(left, right))
    out = filled.clone()
    for k in range(len(filled)):
        colours = rgb[k][box].permute(2, 1, 0).cpu().numpy()                 # [heights, azimuths, 3]
        sound = (trust[k, 0][box] > SOUND).T.cpu().numpy()
        sound = sound & np.roll(sound, EDGE, axis=1) & np.roll(sound, -EDGE, axis=1)
        shown = (seen[k, 0][box] > 0).T.cpu().numpy()
        if sound.any():                          # no beads, cheeks, backgrounds, nor the gloss that a fringe alone has
            sound &= np.abs(colours - np.median(colours[shown], axis=0)).max(2) < ALIKE
        known = np.flatnonzero(sound.sum(1) >= LEAST)
        if len(known):
            new = torch.from_numpy(_heights(colours, sound, known)).permute(2, 1, 0).to(out)
            out[k][box] = torch.where(seen[k][box] > 0, out[k][box], new)
    return out


def _heights(colours: np.ndarray, sound: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Colours [H, N, 3] of all heights from those that are known: their strands about a shade that changes slowly."""
    share = sound[known].sum(1, keepdims=True)
    shade = (colours[known] * sound[known][..., None]).sum(1) / share
    weight = np.exp(-0.5 * ((np.arange(len(colours))[:, None] - known) / SLOW) ** 2) * share.T + 1e-9 * _closeness(
        len(colours), known
    )
    slow = weight @ shade / weight.sum(1, keepdims=True)
    strands = np.stack([_repeated(colours[k], sound[k]) for k in known]) - shade[:, None]
    nearest = np.abs(np.arange(len(colours))[:, None] - known).argmin(1)
    return (slow[:, None] + RELIEF * strands[nearest]).clip(0, 1).astype(colours.dtype)


def _closeness(count: int, known: np.ndarray) -> np.ndarray:
    """Weights [H, K] of known heights that rule where no other is near."""
    return 1.0 / (1 + np.abs(np.arange(count)[:, None] - known)) ** 4


def _repeated(colour: np.ndarray, good: np.ndarray) -> np.ndarray:
    """A closed line of colours [N, 3] with what is not good mirrored, again and again, from the good pieces beside."""
    count = len(good)
    place = np.arange(count)
    three = np.concatenate([place - count, place, place + count])            # once round in both directions
    there = np.tile(good, 3)
    before = np.maximum.accumulate(np.where(there, three, -2 * count))
    after = np.minimum.accumulate(np.where(there, three, 3 * count)[::-1])[::-1]
    first = np.maximum.accumulate(np.where(~there, three, -2 * count)) + 1   # of the good piece that a place lies in
    last = np.minimum.accumulate(np.where(~there, three, 3 * count)[::-1])[::-1] - 1
    before, after = before[count : 2 * count], after[count : 2 * count]
    made = []
    for end, way, far in ((before, -1, first), (after, 1, last)):
        length = np.clip(np.abs(end - far[(end % count) + count] - (end - end % count)), 1, count)
        away = (np.abs(place - end) - 1) % (2 * length)
        made.append(colour[(end + way * np.where(away < length, away, 2 * length - 1 - away)) % count])
    share = ((place - before) / np.maximum(after - before, 1))[:, None]
    blend = np.clip((share - 0.35) / 0.3, 0, 1)                              # each end rules its half
    return np.where(good[:, None], colour, made[0] * (1 - blend) + made[1] * blend)
