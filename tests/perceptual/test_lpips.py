from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from perceptual.pairs import at_hand, pairs, randomise
from reference import perceptual as reference

from dinar.errors import InputError
from dinar.perceptual.alexnet import AlexNet
from dinar.perceptual.lpips import LPIPS, load_lpips
from dinar.perceptual.vgg import VGG16
from dinar.store import Store

# What the package lpips 0.1.4 itself says of `pairs()`, torchvision replaced by the same layers with these weights.
EXPECTED = {"alex": [0.1144937, 0.0681522], "vgg": [0.1953444, 0.1068342]}
FILES = {"alex": "alexnet.safetensors", "vgg": "vgg16.safetensors"}


def made_up(network: str) -> LPIPS:
    lpips = LPIPS(AlexNet() if network == "alex" else VGG16())
    randomise(lpips.backbone, 1)
    generator = torch.Generator().manual_seed(2)
    for head in lpips.heads:
        head.copy_(torch.rand(head.shape, generator=generator))
    return lpips


@pytest.mark.parametrize("network", ["alex", "vgg"])
def test_equals_its_literal_twin(network: str) -> None:
    lpips = made_up(network)
    kernels, biases = randomise(lpips.backbone, 1)
    plan = (reference.ALEXNET, reference.ALEXNET_LAYERS) if network == "alex" else (
        reference.VGG16, reference.VGG16_LAYERS
    )  # fmt: skip
    heads = [head.double().numpy() for head in lpips.heads]
    a, b = (images[:1, :, :66, :71] for images in pairs())   # sides that no pooling divides
    expected = reference.lpips(
        *(images[0].double().numpy() * 2 - 1 for images in (a, b)), kernels, biases, heads, *plan
    )  # fmt: skip
    assert expected > 0.1
    np.testing.assert_allclose(lpips(a, b).numpy(), [expected], rtol=1e-5)


@pytest.mark.parametrize("network", ["alex", "vgg"])
def test_equals_the_original(network: str) -> None:
    lpips = load_lpips(network, at_hand(FILES[network]))
    np.testing.assert_allclose(lpips(*pairs()).numpy(), EXPECTED[network], rtol=1e-4)


@pytest.mark.parametrize("network", ["alex", "vgg"])
def test_gradients_reach_both_images_and_no_weight(network: str) -> None:
    lpips = made_up(network)
    a, b = (images.clone().requires_grad_() for images in pairs())
    lpips(a, b).sum().backward()
    for image in (a, b):
        assert image.grad.isfinite().all() and (image.grad != 0).float().mean() > 0.9
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in lpips.parameters())

    with torch.no_grad():
        direction = a.grad / a.grad.norm()
        rise = (lpips(a + 0.01 * direction, b) - lpips(a - 0.01 * direction, b)).sum() / 0.02
    torch.testing.assert_close(a.grad.norm(), rise, rtol=0.02, atol=0)


def test_where_nothing_is_seen_the_gradient_stays_finite() -> None:
    lpips = made_up("alex")
    for convolution in lpips.backbone.convolutions:
        convolution.bias.fill_(-100.0)   # no ReLU lets anything through
    a = pairs()[0].requires_grad_()
    distance = lpips(a, pairs()[1])
    distance.sum().backward()
    assert torch.equal(distance, torch.zeros(2)) and torch.equal(a.grad, torch.zeros_like(a))


def test_equal_images_are_at_no_distance_and_order_does_not_matter() -> None:
    lpips = made_up("alex")
    a, b = pairs()
    assert torch.equal(lpips(a, a), torch.zeros(2)) and (lpips(a, b) > 0).all()
    torch.testing.assert_close(lpips(a, b), lpips(b, a))
    torch.testing.assert_close(lpips.compare(lpips.features(a), lpips.features(b)), lpips(a, b))
    torch.testing.assert_close(lpips(a, b)[1:], lpips(a[1:], b[1:]))


def test_images_that_cannot_be_judged_are_refused() -> None:
    lpips = made_up("alex")
    image = torch.zeros(1, 3, 64, 64)
    assert lpips(image, image).shape == (1,)
    with pytest.raises(ValueError, match="64 x 63 pixels are too small"):
        lpips(image[:, :, 1:], image[:, :, 1:])
    with pytest.raises(ValueError, match="different shapes"):
        lpips(image, image.expand(2, -1, -1, -1))
    with pytest.raises(ValueError, match=r"are \[B, 3, H, W\]"):
        lpips.features(image[0])


def test_absent_weights_are_the_users_business(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="alexnet"):
        load_lpips("alex", Store(folder=tmp_path, cache=tmp_path / "cache"))
