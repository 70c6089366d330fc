from __future__ import annotations

import pytest
import torch

from dinar.presets import SMALL, TINY, build_detailer

R = TINY.detailer.size


def pictures(seed: int = 0, batch: int = 2) -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    plain, painted = (torch.rand(batch, 3, R, R, generator=rng) for _ in range(2))
    return [plain, painted, (torch.rand(batch, 1, R, R, generator=rng) > 0.5).float()]


def test_untrained_it_adds_nothing() -> None:
    torch.manual_seed(0)
    assert not build_detailer(TINY)(*pictures()).any()


def test_what_it_adds_depends_on_all_that_it_is_told_and_on_the_place() -> None:
    torch.manual_seed(0)
    detailer = build_detailer(TINY)
    torch.nn.init.normal_(detailer.conv_out.weight, std=0.1)
    told = pictures()
    with torch.no_grad():
        found = detailer(*told)
        for k in range(3):
            other = [1 - some if i == k else some for i, some in enumerate(told)]
            assert (detailer(*other) - found).abs().mean() > 1e-3
        even = detailer(*(torch.full_like(some, 0.5) for some in told))[0, 0, 32:48, 32:48]
        detailer.places.zero_()
        without = detailer(*(torch.full_like(some, 0.5) for some in told))[0, 0, 32:48, 32:48]
    assert found.shape == (2, 3, R, R)

    def varies(image: torch.Tensor) -> float:
        return float(image.unflatten(0, (-1, 4)).unflatten(2, (-1, 4)).std(dim=(0, 2)).mean())   # block to block

    assert varies(even) > 3 * varies(without)


def test_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="none of 80"):
        build_detailer(TINY)(*(some[..., :-4, :-4] for some in pictures()))


def test_its_size() -> None:
    assert 2.5e6 < sum(p.numel() for p in build_detailer(SMALL).parameters()) < 3e6
