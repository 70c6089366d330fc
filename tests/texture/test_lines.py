from __future__ import annotations

import numpy as np

from dinar.texture import lines


def test_the_nearest_places_on_either_side() -> None:
    good = np.zeros((2, 6), bool)
    good[0, [1, 4]] = True
    before, after = lines.ends(good)
    assert before[0].tolist() == [-2, 1, 1, 1, 4, 4] and after[0].tolist() == [1, 1, 4, 4, 4, 7]
    assert (before[1] < -5).all() and (after[1] > 11).all()


def test_a_line_is_mirrored_at_its_ends() -> None:
    colour = np.tile(np.arange(10.0)[:, None], (1, 3))
    good = np.zeros(10, bool)
    good[2:5] = True
    found = lines.repeated(colour[None], good[None])[0, :, 0]
    assert found[[2, 3, 4]].tolist() == [2, 3, 4]
    assert found[5] == 4 and found[6] == 3 and found[1] == 2 and found[0] == 3
    places = lines.mirrored(good[None])[0]
    assert places.tolist() == [3, 2, 2, 3, 4, 4, 3, 2, 2, 4]  # the nearest end's, once round
