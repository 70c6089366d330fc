from __future__ import annotations

import pytest
import torch

from dinar.networks.convolutional import sinusoids
from dinar.networks.unet import UNet


@pytest.mark.parametrize("blocks", [1, 2])
def test_it_is_diffusers_unet(blocks: int) -> None:
    from diffusers.models.attention_processor import Attention
    from diffusers.models.unets.unet_2d import UNet2DModel

    torch.manual_seed(0)
    widths = (16, 24, 32)
    reference = UNet2DModel(
        in_channels=7,
        out_channels=3,
        down_block_types=("ResnetDownsampleBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"),
        block_out_channels=widths,
        layers_per_block=blocks,
        downsample_type="resnet",
        upsample_type="resnet",
        norm_num_groups=8,
        attention_head_dim=8,
    ).eval()
    for module in reference.modules():
        if isinstance(module, Attention):
            module.heads = 4
    ours = UNet(7, 3, widths, (False, True, True), blocks=blocks, heads=4, groups=8, dropout=0.5).eval()
    ours.load_state_dict(reference.state_dict())
    x, step = torch.randn(2, 7, 16, 8), torch.tensor([3, 900])
    with torch.no_grad():
        assert torch.allclose(ours(x, step), reference(x, step).sample, atol=1e-5)


def test_steps_are_told_apart() -> None:
    found = sinusoids(torch.arange(1000), 64)
    assert found.shape == (1000, 64) and torch.allclose(found.square().sum(1), torch.tensor(32.0))
    assert torch.cdist(found, found).add(torch.eye(1000) * 9).min() > 0.1
