from __future__ import annotations

import pytest
import torch

from dinar import presets
from dinar.errors import InputError
from dinar.networks.lifter import HIPS, LandmarkLifter, shipped
from dinar.photo.landmarks import BODY
from dinar.presets import SMALL, TINY


def seen(count: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    return (
        torch.rand(count, 33, 2, generator=rng) * 500,
        torch.randn(count, 33, 3, generator=rng) * 0.4,
        torch.rand(count, 33, generator=rng),
    )


def test_untrained_it_believes_the_pose_network():
    xy, world, confidence = seen()
    found = presets.build_lifter(TINY).eval()(xy, world, confidence)
    assert (BODY[HIPS[0]], BODY[HIPS[1]]) == ("left_hip", "right_hip")
    assert torch.equal(found.points, world - world[:, list(HIPS)].mean(1, keepdim=True))
    assert found.spread.shape == (3, 33, 3) and (found.spread > 0).all()


def test_size_and_place_in_the_picture_do_not_count():
    lifter, (xy, world, confidence) = presets.build_lifter(TINY).eval(), seen()
    torch.nn.init.normal_(lifter.last.weight)
    one, other = lifter(xy, world, confidence), lifter(xy * 3 + 100, world + 1, confidence)
    assert torch.allclose(one.points, other.points, atol=1e-4)
    assert not torch.allclose(one.points, lifter(xy * torch.tensor([1.0, 2.0]), world, confidence).points, atol=1e-2)


def test_it_is_small():
    assert sum(p.numel() for p in presets.build_lifter(SMALL).parameters()) < 1.3e6


def test_saved_and_loaded_it_is_the_same(tmp_path):
    found = LandmarkLifter.named("tiny", presets.build_lifter(TINY).eval())
    found.save(tmp_path / "lifter", TINY.lifter)
    again = LandmarkLifter.load(tmp_path / "lifter")
    assert again.name == found.name and again.name.startswith("tiny-")
    assert torch.allclose(again.network(*seen()).points, found.network(*seen()).points, atol=1e-3)
    (tmp_path / "lifter" / "lifter" / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="damaged"):
        LandmarkLifter.load(tmp_path / "lifter")


def test_weights_ship():
    assert shipped() is not None and shipped().network.points == len(BODY)
