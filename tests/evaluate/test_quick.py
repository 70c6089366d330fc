from __future__ import annotations

import pytest
import torch
from torch import nn

from dinar.evaluate.quick import quickened
from dinar.perceptual.alexnet import AlexNet
from dinar.perceptual.dists import DISTS
from dinar.perceptual.lpips import LPIPS


def both(make):
    """A judge with random weights, as trained ones, whose layers keep the size of what they see; and quickened."""
    torch.manual_seed(0)
    plain, quick = make(), make()
    for conv in plain.backbone.convolutions:
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        nn.init.normal_(conv.bias, std=0.1)
    quick.load_state_dict(plain.state_dict())
    return plain, quickened(quick)


@pytest.mark.parametrize("make", [DISTS, lambda: LPIPS(AlexNet())], ids=["DISTS", "LPIPS"])
def test_quicker_is_the_same(make) -> None:
    plain, quick = both(make)
    assert sum(isinstance(conv, nn.Conv2d) for conv in quick.backbone.convolutions) < 3
    image = torch.rand(1, 3, 100, 130)
    other = (image + 0.1 * torch.randn(image.shape)).clamp(0, 1)
    with torch.no_grad():
        for a, b in zip(plain.features(image), quick.features(image), strict=True):
            assert (a - b).abs().max() <= 1e-4 * a.abs().max()
        wanted, found = plain(image, other), quick(image, other)
        assert wanted.abs() > 1e-3 and torch.allclose(found, wanted, rtol=1e-3)
        assert quick(image, image).abs() < 1e-5


@pytest.mark.parametrize("make", [DISTS, lambda: LPIPS(AlexNet())], ids=["DISTS", "LPIPS"])
@pytest.mark.parametrize(
    "box", [(30, 70, 41, 90), (0, 64, 60, 131), (97, 98, 3, 4), (0, 99, 0, 131), (5, 5, 5, 5)],
    ids=["middle", "corner", "pixel", "whole", "nothing"],
)  # fmt: skip
def test_before_a_plain_background_it_is_the_same_too(make, box) -> None:
    plain, quick = both(make)
    top, bottom, left, right = box
    image = torch.full((1, 3, 99, 131), 0.5)
    image[:, :, top:bottom, left:right] = torch.rand(1, 3, bottom - top, right - left)
    with torch.no_grad():
        for _ in range(2):                            # the second time the background is ready
            for a, b in zip(plain.features(image), quick.features(image), strict=True):
                assert (a - b).abs().max() <= 1e-4 * a.abs().max()
