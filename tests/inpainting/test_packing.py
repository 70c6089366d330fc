from __future__ import annotations

import pytest
import torch

from dinar.inpainting.packing import pack, unpack


@pytest.mark.parametrize("fold", [1, 2, 4])
def test_there_and_back(fold: int) -> None:
    generated, painted = torch.randn(2, 16, 8, 8), torch.rand(2, 3, 8 * fold, 8 * fold)
    masks = (torch.rand(2, 2, 8, 8) < 0.5).float()
    packed = pack(generated, painted, *masks.split(1, dim=1), fold=fold)
    assert packed.shape == (2, 18 + 3 * fold**2, 8, 8)
    for found, expected in zip(unpack(packed, fold=fold), (generated, painted, masks), strict=True):
        assert torch.equal(found, expected)


def test_the_papers_texture_has_21_channels_in_its_order() -> None:
    parts = (torch.full((1, c, 4, 4), float(k)) for k, c in enumerate((16, 3, 1, 1)))
    packed = pack(*parts)
    assert packed[0, :, 0, 0].tolist() == [0.0] * 16 + [1.0] * 3 + [2.0, 3.0]      # eq. 2


def test_a_finer_mask_counts_where_any_of_its_texels_does() -> None:
    filled = torch.zeros(1, 1, 8, 8)
    filled[0, 0, 5, 2] = 1
    packed = pack(torch.zeros(1, 16, 4, 4), torch.zeros(1, 3, 8, 8), filled * 0, filled, fold=2)
    assert packed[0, -1].nonzero().tolist() == [[2, 1]] and not packed[0, -2].any()


def test_sizes_that_do_not_fold() -> None:
    with pytest.raises(ValueError, match="fold"):
        pack(torch.zeros(1, 16, 8, 8), torch.zeros(1, 3, 8, 8), *torch.zeros(2, 1, 1, 8, 8), fold=2)
