"""Closed lines, round a limb or a head, of which pieces are known: what lies between them.

A line is a row of an array [L, N]; place N - 1 lies beside place 0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def ends(good: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest good place at or before each place of closed lines, bool [L, N], and the nearest at or after it.

    Both int [L, N], counted on beyond the line's ends: -1 is N - 1 and N is 0. Far below 0 and above N where a line
    has no good place.
    """
    count, there = good.shape[1], np.tile(good, 3)
    return _latest(there)[:, count : 2 * count], _following(there)[:, count : 2 * count]


def mirrored(good: np.ndarray) -> np.ndarray:
    """For places of closed lines the place of each line whose value they take: int [L, N]. Good ones, bool [L, N], take
    their own, others what lies as far within the nearest good piece, which is mirrored again and again.
    """
    share, before, after = _images(good)
    return np.where(good, np.arange(good.shape[1]), np.where(share <= 0.5, before, after))


def repeated(colours: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Closed lines of colours [L, N, 3] with what is not good mirrored, again and again, from good pieces beside it."""
    share, *places = _images(good)
    before, after = (np.take_along_axis(colours, place[..., None], 1) for place in places)
    blend = np.clip((share - 0.35) / 0.3, 0, 1)[..., None]                   # each end rules its half
    return np.where(good[..., None], colours, before * (1 - blend) + after * blend)


def closed(image: np.ndarray, smoothed: Callable[[np.ndarray], np.ndarray], room: int) -> np.ndarray:
    """An image [L, N, C] whose lines are closed, `smoothed` by what looks `room` places around."""
    around = np.pad(image, ((0, 0), (room, room), (0, 0)), mode="wrap")
    return smoothed(np.ascontiguousarray(around, np.float32))[:, room:-room]


def _images(good: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How far each place of closed lines, bool [L, N], is on its way from the good piece before it to the next, [0, 1],
    and the places in either that are its mirror images.
    """
    count = good.shape[1]
    place = np.arange(count)
    there = np.tile(good, 3)                                                 # once round in both directions
    before, after = ends(good)
    images = []
    for end, way, far in ((before, -1, _latest(~there) + 1), (after, 1, _following(~there) - 1)):
        own = end % count + count                                            # the same place the second time round
        length = np.minimum(np.abs(own - count - np.take_along_axis(far, own, 1)) + 1, count)
        away = (np.abs(place - end) - 1) % (2 * length)
        images.append((end + way * np.where(away < length, away, 2 * length - 1 - away)) % count)
    return (place - before) / np.maximum(after - before, 1), *images


def _latest(there: np.ndarray) -> np.ndarray:
    """The latest place at or before each that is there, of lines that are laid three times in a row."""
    count = there.shape[1] // 3
    return np.maximum.accumulate(np.where(there, np.arange(-count, 2 * count), -2 * count), axis=1)


def _following(there: np.ndarray) -> np.ndarray:
    """The next one at or after each."""
    count = there.shape[1] // 3
    places = np.where(there, np.arange(-count, 2 * count), 3 * count)
    return np.minimum.accumulate(places[:, ::-1], axis=1)[:, ::-1]
