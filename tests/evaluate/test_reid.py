from __future__ import annotations

from pathlib import Path

import pytest
import torch
from evaluate.networks import mean_network

from dinar.errors import InputError
from dinar.evaluate.protocols import SHIPPED
from dinar.evaluate.reid import Reidentification
from dinar.evaluate.sets import Sets
from dinar.photo.recognition import cosine_distance

MODELS = Path(__file__).parents[3] / "shared" / "models"


def scene() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A picture, red at left and blue at right, and a mask within the red."""
    red, blue = torch.tensor([0.8, 0.1, 0.0]), torch.tensor([0.0, 0.3, 0.8])
    image = torch.cat([red[:, None, None].expand(3, 16, 8), blue[:, None, None].expand(3, 16, 8)], dim=2)
    mask = torch.zeros(1, 16, 16)
    mask[..., 2:6] = 1
    return image, mask, red, blue


def test_the_users_network_decides_on_the_box_of_the_mask(tmp_path: Path) -> None:
    network = Reidentification(mean_network(tmp_path / "mine.onnx"))
    image, mask, red, blue = scene()
    assert network.name == "mine"
    own, there = network.features(image, mask), network.features(image, mask.flip(2))
    assert cosine_distance(own, network.features(image, mask)) == pytest.approx(0, abs=1e-6)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    far = cosine_distance((red - mean) / deviation, (blue - mean) / deviation)
    assert cosine_distance(own, there) == pytest.approx(far, abs=1e-3)


def test_the_open_model_zoo_takes_bgr_bytes(tmp_path: Path) -> None:
    network = Reidentification(mean_network(tmp_path / "person-reidentification-retail-0000.onnx"))
    image, mask, red, _ = scene()
    torch.testing.assert_close(network.features(image, mask), red.flip(0) * 255, rtol=1e-4, atol=1e-3)


def test_openvinos_format_says_what_it_needs(tmp_path: Path) -> None:
    (tmp_path / "net.xml").write_text('<?xml version="1.0"?><net name="x" version="11"></net>')
    image, mask, *_ = scene()
    with pytest.raises(InputError, match=r"openvino|OpenVINO"):
        Reidentification(tmp_path / "net.xml").features(image, mask)


@pytest.mark.parametrize("name", ["reid0267.onnx", "reid0277.xml"])
def test_real_networks_know_a_person_from_behind(name: str) -> None:
    if not (MODELS / name).exists():
        pytest.skip(f"needs {name} of the Open Model Zoo")
    if name.endswith(".xml"):
        pytest.importorskip("openvino", reason="needs OpenVINO")
    network = Reidentification(MODELS / name)
    try:
        network.features(torch.rand(3, 64, 32), torch.ones(1, 64, 32))
    except InputError as error:
        pytest.skip(f"this OpenCV does not read it: {error}")
    assert network.name == f"person-reidentification-retail-{name[4:8]}"
    cases = [Sets("valid", SHIPPED / "valid").case(person) for person in ("0000", "0003")]
    views = [[case.source, next(t.view for t in case.targets if not t.moved and t.azimuth > 170)] for case in cases]
    features = [[network.features(v.image, v.mask) for v in pair] for pair in views]
    own = [cosine_distance(*pair) for pair in features]
    other = [cosine_distance(features[0][i], features[1][j]) for i in range(2) for j in range(2)]
    assert max(own) < min(other)
