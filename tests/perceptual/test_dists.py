from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from perceptual.pairs import at_hand, pairs, randomise
from reference import perceptual as reference

from dinar.errors import InputError
from dinar.perceptual.dists import DISTS, load_dists
from dinar.store import Store

# What the package DISTS_pytorch 0.1 itself says of `pairs()`, torchvision replaced by the same layers and weights.
EXPECTED = [0.1085989, 0.1482831]


def made_up() -> DISTS:
    dists = DISTS()
    randomise(dists.backbone, 1)
    return dists


def test_equals_its_literal_twin() -> None:
    dists = made_up()
    kernels, biases = randomise(dists.backbone, 1)
    alpha, beta = np.random.RandomState(1).rand(2, 1475)
    dists.texture.copy_(torch.from_numpy(alpha / (alpha.sum() + beta.sum())))
    dists.structure.copy_(torch.from_numpy(beta / (alpha.sum() + beta.sum())))
    a, b = (images[:1, :, :66, :71] for images in pairs())   # sides that no pooling divides
    expected = reference.dists(*(images[0].double().numpy() for images in (a, b)), kernels, biases, alpha, beta)
    assert expected > 0.03
    np.testing.assert_allclose(dists(a, b).numpy(), [expected], rtol=1e-5)


def test_equals_the_original() -> None:
    dists = load_dists(at_hand("vgg16.safetensors", "dists.safetensors"))
    np.testing.assert_allclose(dists(*pairs()).numpy(), EXPECTED, rtol=1e-4)


def test_equal_images_are_at_no_distance_and_gradients_reach_both() -> None:
    dists = made_up()
    a, b = (images.clone().requires_grad_() for images in pairs())
    torch.testing.assert_close(dists(a, a), torch.zeros(2), rtol=0, atol=1e-6)
    dists(a, b).sum().backward()
    for image in (a, b):
        assert image.grad.isfinite().all() and (image.grad != 0).float().mean() > 0.9
    assert all(parameter.grad is None for parameter in dists.parameters())
    flat = torch.full((1, 3, 64, 64), 0.5, requires_grad=True)
    dists(flat, torch.zeros_like(flat)).sum().backward()
    assert flat.grad.isfinite().all()


def test_images_that_cannot_be_judged_are_refused() -> None:
    dists = made_up()
    with pytest.raises(ValueError, match="63 x 64 pixels are too small"):
        dists(torch.zeros(1, 3, 64, 63), torch.zeros(1, 3, 64, 63))
    with pytest.raises(ValueError, match="different shapes"):
        dists(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 65))


def test_absent_weights_are_the_users_business(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="vgg16"):
        load_dists(Store(folder=tmp_path, cache=tmp_path / "cache"))
