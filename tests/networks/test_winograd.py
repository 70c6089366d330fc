from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from dinar.networks import winograd
from dinar.networks.winograd import Winograd
from dinar.parallel import torch_threads


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("last", [True, False], ids=["channels-last", "channels-first"])
@pytest.mark.parametrize("size", [(4, 4), (1, 1), (3, 18), (29, 10), (64, 32)])
def test_the_convolution_and_its_relu(size: tuple[int, int], last: bool, threads: int) -> None:
    rng = torch.Generator().manual_seed(0)
    weight, bias = torch.randn(12, 20, 3, 3, generator=rng) / 13, torch.randn(12, generator=rng)
    image, beside = (torch.randn(1, channels, *size, generator=rng) for channels in (20, 12))
    if last:
        image, beside = (part.contiguous(memory_format=torch.channels_last) for part in (image, beside))
    wanted = functional.conv2d(image.double(), weight.double(), bias.double(), padding=1)
    with torch_threads(threads):
        plain, made = Winograd.of(weight, bias, 1.0)(image), Winograd.of(weight, bias, 0.2)(image, beside)
    torch.testing.assert_close(plain.double(), wanted, atol=3e-5, rtol=0)
    torch.testing.assert_close(made.double(), functional.leaky_relu(wanted + beside, 0.2), atol=3e-5, rtol=0)


def test_a_part_at_a_time(monkeypatch) -> None:
    rng = torch.Generator().manual_seed(1)
    made = Winograd.of(torch.randn(8, 8, 3, 3, generator=rng) / 9, torch.randn(8, generator=rng), 0.2)
    image = torch.randn(1, 8, 50, 30, generator=rng)
    with torch_threads(1):
        whole = made(image)
        monkeypatch.setattr(winograd, "CACHED", 0)
        torch.testing.assert_close(made(image), whole, atol=1e-5, rtol=0)
