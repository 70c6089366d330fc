from __future__ import annotations

import numpy as np
import pytest

from dinar.synth.kernels.colours import LINEAR
from dinar.synth.pigment import GREY, HairColour
from dinar.synth.strands import strands


@pytest.mark.parametrize("frizz", [(0.0, 0.0), (1.2, 0.0), (0.4, 1.2)])
def test_pictures_repeat_without_a_seam(frizz):
    picture, bump = strands(HairColour(0.4, 0.2), *frizz, 0, 128)
    for image in (picture.astype(float), bump.astype(float)):
        inside = np.abs(np.diff(image, axis=0)).mean(), np.abs(np.diff(image, axis=1)).mean()
        assert np.abs(image[0] - image[-1]).mean() < 1.6 * inside[0] + 1
        assert np.abs(image[:, 0] - image[:, -1]).mean() < 1.6 * inside[1] + 1


def test_strands_run_down_the_picture_and_have_the_colour():
    colour = HairColour(0.3, 0.3)
    picture, bump = strands(colour, 0, 0, 1, 256)
    light = LINEAR[picture]
    assert np.abs(np.diff(light, axis=1)).mean() > 4 * np.abs(np.diff(light, axis=0)).mean()
    assert np.allclose(light.mean((0, 1)), colour.mean, rtol=0.25)
    assert picture.dtype == bump.dtype == np.uint8
    assert abs(float(bump[..., 2].mean()) - 255) < 1  # unit slopes about straight out
    assert np.abs(bump[..., :2].astype(float).mean((0, 1)) - 127.5).max() < 1.5


def test_grey_hair_has_that_share_of_pale_strands():
    for grey in (0.3, 0.7):
        colour = HairColour(0.9, 0.2, grey)
        picture, _ = strands(colour, 0, 0, 0, 256)
        light = LINEAR[picture].mean(2)
        assert abs(light.mean() / colour.mean.mean() - 1) < 0.25
        assert (light.mean(0) > GREY.mean() * 0.7).any() and (light.mean(0) < 0.05).any()  # strands, not a mixture
    white, _ = strands(HairColour(0.9, 0.2, 1.0), 0, 0, 0, 256)
    assert np.allclose(LINEAR[white].mean((0, 1)), GREY, rtol=0.2)
