from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dinar.avatar import open_body
from dinar.camera import framing
from dinar.evaluate import identity


def test_a_face_is_compared_where_it_looks_at_the_camera() -> None:
    model = open_body()
    body = model.neutral()
    points = {}
    for azimuth in (0, 40, 90, 180):
        camera = framing(model.template, azimuth, 0.0, (768, 768))
        points[azimuth] = identity.face_points(model, body, camera)
        assert (points[azimuth] is not None) == (azimuth < 60)
    right, left, nose, *mouth = points[0]
    assert right[0] < nose[0] < left[0] and right[1] < nose[1] < mouth[0][1]      # as the camera sees a front view
    assert identity.face_points(model, body, framing(model.template, 0, 0.0, (128, 128))) is None


def halves(left: Tensor, right: Tensor) -> Tensor:
    return torch.cat([left[:, None, None].expand(3, 16, 8), right[:, None, None].expand(3, 16, 8)], dim=2)


def test_clothing_distance() -> None:
    red, blue, green = torch.eye(3)[[0, 2, 1]] * 0.8
    everywhere, mask = torch.ones(16, 16, dtype=torch.bool), torch.ones(1, 16, 16)
    one = halves(red, blue)

    def distance(image: Tensor, region: Tensor = everywhere, own: Tensor = mask) -> float:
        return identity.clothing_distance(image, own, one, mask, region)

    assert distance(one) == pytest.approx(0, abs=1e-6)
    assert distance(halves(blue, red)) == pytest.approx(0, abs=1e-6)        # colours, not places
    assert distance(halves(red, green)) == pytest.approx(0.5**0.5, abs=0.05)
    assert distance(halves(green, green)) == pytest.approx(1, abs=0.05)
    assert distance(one * 0.99) < 0.1
    left = everywhere.clone()
    left[:, 8:] = False
    assert distance(halves(red, green), left) == pytest.approx(0, abs=1e-6)
    assert distance(one, own=torch.zeros_like(mask)) == 1
