from __future__ import annotations

import pytest
import torch
from torch import nn

from dinar import presets
from dinar.errors import InputError
from dinar.networks.parser import HumanParser, Parser, padded
from dinar.presets import SMALL, TINY
from dinar.store import Store


def test_it_is_small() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in presets.build_parser(SMALL).parameters()) < 2.5e6


def test_shapes_and_gradients() -> None:
    torch.manual_seed(0)
    parser = presets.build_parser(TINY)
    logits = parser(torch.rand(2, 3, 64, 96))
    assert logits.shape == (2, 12, 64, 96)
    logits.square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in parser.parameters())


def test_each_pixel_sees_itself_and_the_whole() -> None:
    """A change in one corner reaches the logits there most, and those in the opposite corner too."""
    torch.manual_seed(1)
    parser = presets.build_parser(TINY).eval().double()      # what comes from afar is little before training
    image = torch.rand(1, 3, 128, 128, dtype=torch.float64)
    changed = image.clone()
    changed[..., :16, :16] = 1 - changed[..., :16, :16]
    with torch.no_grad():
        change = (parser(image) - parser(changed)).abs().mean(1)[0]
    assert change[:16, :16].mean() > 5 * change[-16:, -16:].mean() > 0


def test_the_encoders_statistics_stay() -> None:
    parser = presets.build_parser(TINY).train()
    before = {name: b.clone() for name, b in parser.named_buffers()}
    parser(torch.rand(2, 3, 64, 64))
    changed = {name for name, b in parser.named_buffers() if not torch.equal(b, before[name])}
    assert changed and all(name.startswith("joints.") for name in changed)
    norms = [m for m in parser.features.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms and not any(m.training for m in norms)


def test_a_family_on_disk(tmp_path) -> None:
    found = HumanParser.named("tiny", presets.build_parser(TINY).eval())
    found.save(tmp_path / "parser", TINY.parser)
    again = HumanParser.load(tmp_path / "parser")
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert again.name == found.name
        assert torch.allclose(again.network(image), found.network(image), atol=0.02)   # float16
    (tmp_path / "parser" / "parser" / "model.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match="damaged"):
        HumanParser.load(tmp_path / "parser")


def test_imagenets_weights_are_taken_over() -> None:
    from safetensors.numpy import load_file

    try:
        path = Store().path("mobilenetv2.safetensors")
    except InputError as error:
        pytest.skip(str(error))
    tensors = load_file(path)
    parser = Parser()
    parser.begin_with(tensors)
    for name in ("0.0.weight", "5.conv.3.weight", "17.conv.7.running_var"):
        found, stored = parser.features.state_dict()[name], torch.from_numpy(tensors[f"features.{name}"])
        assert torch.equal(found.flatten(), stored.flatten())
    with pytest.raises(ValueError, match="no weights of MobileNetV2"):
        presets.build_parser(TINY).begin_with(tensors)


@pytest.mark.parametrize(("side", "multiple"), [(1, 32), (47, 32), (49, 64), (320, 320)])
def test_sides_are_multiples(side: int, multiple: int) -> None:
    assert padded(side) == multiple
