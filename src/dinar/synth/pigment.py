"""The colour of hair from what it holds: melanin, how much of it is red, and how many strands are grey.

Hair has two pigments, eumelanin (black and brown) and pheomelanin (red); each absorbs light in its own proportions of
red, green and blue. The absorption of a mass of both is the sum (d'Eon, Francois, Hill, Letteri and Aubry, "An
Energy-Conserving Hair Reflectance Model", 2011), and the colour of many fibres that scatter light to one another
follows from it by the fit of Chiang, Bitterli, Tappan and Burley, "A Practical and Controllable Hair and Fur Model for
Production Path Tracing", 2016, equation 9: the square root of absorption is -ln(colour) over a polynomial in the
fibres' roughness. The amount of melanin goes by -ln(1 - melanin), so that steps of `melanin` look alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

EUMELANIN = np.array([0.506, 0.841, 1.653])  # absorption of red, green, blue per fibre's width
PHEOMELANIN = np.array([0.343, 0.733, 1.924])
ROUGHNESS = 0.3  # of fibres, about their axis
SURFACE = 0.006  # share of light that even black hair sends back
GREY = np.array([0.33, 0.32, 0.30])  # of strands without pigment, a little yellow
_BLACKEST = 0.97


@dataclass(frozen=True)
class HairColour:
    """What a person's hair holds.

    melanin  0 = none (white) to 1 = black
    redness  share of pheomelanin in it, 0 to 1
    grey     share of strands that have lost all, 0 to 1
    """

    melanin: float
    redness: float
    grey: float = 0.0

    def strand(self, amount: float | np.ndarray = 1.0) -> np.ndarray:
        """The colour of strands that still have their pigment, `amount` [...] times as much as most: linear light
        float32 [..., 3]."""
        share = np.asarray(amount, np.float64)[..., None]
        quantity = -math.log(1 - min(self.melanin, _BLACKEST)) * share
        absorbed = quantity * (EUMELANIN * (1 - self.redness) + PHEOMELANIN * self.redness)
        r = ROUGHNESS
        scatter = 5.969 - 0.215 * r + 2.532 * r**2 - 10.73 * r**3 + 5.574 * r**4 + 0.245 * r**5
        return (SURFACE + (1 - SURFACE) * 0.9 * np.exp(-scatter * np.sqrt(absorbed))).astype(np.float32)

    @property
    def mean(self) -> np.ndarray:
        """The colour from afar, linear light float32 [3]."""
        return (self.strand() * (1 - self.grey) + GREY * self.grey).astype(np.float32)


def random_hair(rng: np.random.Generator, tone: float, years: float) -> HairColour:
    """Hair that goes with a skin's tone (0 light to 1 dark) and an age: black is the most common colour on earth, fair
    and red hair belong to light skins, grey comes with the years."""
    dark = np.clip((tone - 0.25) / 0.35, 0, 1)
    spread = rng.beta(1.6, 1.3)
    melanin = (0.06 + 0.74 * spread) * (1 - dark) + rng.uniform(0.62, 0.92) * dark
    redness = rng.beta(1.5, 4.0) * (1 - 0.7 * dark)
    if rng.random() < 0.07 * (1 - dark):
        melanin, redness = rng.uniform(0.12, 0.35), rng.uniform(0.75, 1.0)
    grey = 0.0
    onset = max(rng.normal(48, 9), 32.0)
    if years > onset:
        grey = float(np.clip((years - onset) / 28 + rng.normal(0, 0.1), 0, 1))
    return HairColour(float(melanin), float(redness), grey)
