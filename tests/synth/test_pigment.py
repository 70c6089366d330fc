from __future__ import annotations

import math

import numpy as np

from dinar.synth.pigment import GREY, SURFACE, HairColour, random_hair


def test_more_melanin_is_darker_and_red_hair_is_redder():
    light = [HairColour(melanin, 0.1).strand().mean() for melanin in (0.05, 0.2, 0.5, 0.9)]
    assert light == sorted(light, reverse=True)
    assert light[-1] < 0.02 < 0.25 < light[0]
    brown, red = HairColour(0.25, 0.0).strand(), HairColour(0.25, 1.0).strand()
    assert red[0] / red[2] > 1.2 * brown[0] / brown[2]


def test_a_strand_follows_the_published_formula():
    """Chiang and others, 2016, equation 9, the other way round: the square root of absorption from the colour."""
    melanin, redness, roughness = 0.4, 0.3, 0.3
    amount = -math.log(1 - melanin)
    absorbed = amount * (0.7 * np.array([0.506, 0.841, 1.653]) + 0.3 * np.array([0.343, 0.733, 1.924]))
    colour = (HairColour(melanin, redness).strand() - SURFACE) / (1 - SURFACE) / 0.9
    scatter = np.polyval([0.245, 5.574, -10.73, 2.532, -0.215, 5.969], roughness)
    assert np.allclose((np.log(colour) / scatter) ** 2, absorbed, rtol=1e-3)


def test_grey_mixes_in_strands_without_pigment():
    dark = HairColour(0.8, 0.2)
    half = HairColour(0.8, 0.2, 0.5)
    assert np.allclose(half.mean, (dark.strand() + GREY) / 2, atol=1e-6)
    assert np.allclose(HairColour(0.8, 0.2, 1.0).mean, GREY, atol=1e-6)


def test_hair_goes_with_skin_and_years():
    rng = np.random.default_rng(0)
    dark = [random_hair(rng, 0.9, 30) for _ in range(200)]
    assert max(hair.mean.max() for hair in dark) < 0.06  # no fair hair on the darkest skin
    light = [random_hair(rng, 0.05, 30) for _ in range(200)]
    assert sum(hair.mean[0] > 0.12 for hair in light) > 30
    old = [random_hair(rng, 0.5, 75).grey for _ in range(200)]
    assert np.mean(old) > 0.6 > 0.01 > np.mean([hair.grey for hair in dark])
