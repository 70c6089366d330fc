from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dinar.synth.kernels.colours import LINEAR
from dinar.synth.skin import _cheeks, cheek_colour, skin_picture
from dinar.synth.wardrobe import Wardrobe

PAINTED = np.array([0.4, 0.25, 0.18])
ASSETS = Path(__file__).parents[3] / "shared/assets"


def test_tones_go_from_light_to_dark_and_stay_skin():
    rng = np.random.default_rng(0)
    for tone in np.linspace(0, 1, 9):
        colours = np.array([cheek_colour(rng, tone, PAINTED) for _ in range(60)])
        assert (colours[:, 0] > colours[:, 1]).all() and (colours[:, 1] > colours[:, 2]).all()
        assert colours.min() > 0.005 and colours.max() < 0.9
    light = [np.mean([cheek_colour(rng, tone, PAINTED) for _ in range(60)]) for tone in (0, 0.5, 1)]
    assert light[0] > 2.5 * light[1] > 6 * light[2]


@pytest.mark.skipif(not (ASSETS / "makehuman_cc0").is_dir(), reason="needs ../shared/assets")
def test_women_and_men_have_the_same_tones():
    wardrobe = Wardrobe(ASSETS)
    rows, columns = np.divmod(_cheeks(wardrobe.model), 128)
    for tone in (0.0, 0.4, 0.8, 1.0):
        found = []
        for female in (True, False):
            pictures = [skin_picture(wardrobe, np.random.default_rng(k), female, tone, 30, 128) for k in range(6)]
            found.append(np.mean([LINEAR[p][rows, columns].mean(0) for p in pictures], axis=0))
        assert np.abs(np.log(found[0] / found[1])).max() < 0.2
