from __future__ import annotations

import pytest
import torch

from dinar.networks.vq_model import VQModel


@pytest.mark.parametrize("attention", [False, True])
def test_it_is_diffusers_vqmodel(attention: bool) -> None:
    from diffusers.models.autoencoders.vq_model import VQModel as Reference

    torch.manual_seed(0)
    widths = (16, 32, 24)
    reference = Reference(
        in_channels=10,
        out_channels=10,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=widths,
        layers_per_block=2,
        latent_channels=6,
        vq_embed_dim=6,
        num_vq_embeddings=40,
        norm_num_groups=8,
        mid_block_add_attention=attention,
    ).eval()
    ours = VQModel(10, 6, 40, widths, blocks=2, groups=8, attention=attention).eval()
    ours.load_state_dict(reference.state_dict())
    x = torch.randn(2, 10, 16, 24)
    with torch.no_grad():
        latent = ours.encode(x)
        assert latent.shape == (2, 6, 4, 6)
        assert torch.allclose(latent, reference.encode(x).latents, atol=1e-5)
        assert torch.allclose(ours.decode(latent), reference.decode(latent, force_not_quantize=True).sample, atol=1e-5)
