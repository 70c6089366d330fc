"""Faces known again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from evaluate.networks import mean_network
from perceptual.pairs import at_hand

from dinar import images
from dinar.errors import InputError
from dinar.photo import recognition


def test_a_face_is_put_where_the_network_wants_it() -> None:
    image = torch.zeros(3, 300, 200)
    turn = torch.tensor([[0.96, 0.28], [-0.28, 0.96]])
    points = torch.tensor(recognition.TEMPLATE) * 0.8 @ turn + torch.tensor([40.0, 90.0])
    for x, y in points.round().int().tolist():
        image[:, y - 1 : y + 2, x - 1 : x + 2] = 1
    face = recognition.aligned_face(image, points)
    assert face.shape == (3, 112, 112)
    for x, y in recognition.TEMPLATE:
        assert face[0, round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2].max() > 0.8


def test_sface_knows_a_person_again(photos) -> None:
    store = at_hand(recognition.SFACE)
    network = recognition.load_face(store)
    picture = images.load(photos / "pifu_ryota.png")
    points = torch.tensor(recognition.TEMPLATE) / 2 + torch.tensor([picture.shape[2] / 2 - 28, 40.0])
    pictures = picture, picture * 0.95, picture.flip(1)
    seen, dark, turned = (recognition.face_features(network, image, points) for image in pictures)
    same, other = recognition.cosine_distance(seen, dark), recognition.cosine_distance(seen, turned)
    assert 0 <= same < 0.2 < other


# What cv2.FaceRecognizerSF of OpenCV 5.0 (alignCrop, feature, match; run with OPENCV_FORCE_DNN_ENGINE=1) says of this
# place of the photo against itself upside down, darker, and turned left to right.
OPENCVS_OWN = {"upside down": 0.88899, "darker": 0.02358, "mirrored": 0.08704}


def test_face_distance_is_opencvs_own(photos) -> None:
    network = recognition.load_face(at_hand(recognition.SFACE))
    picture = images.load(photos / "pifu_ryota.png")
    points = torch.tensor(recognition.TEMPLATE) * 0.7 + torch.tensor([picture.shape[2] / 2 - 40, 30.0])
    others = {"upside down": picture.flip(1), "darker": picture * 0.6, "mirrored": picture.flip(2)}
    seen = recognition.face_features(network, picture, points)
    features = {name: recognition.face_features(network, other, points) for name, other in others.items()}
    found = {name: recognition.cosine_distance(seen, other) for name, other in features.items()}
    assert found == pytest.approx(OPENCVS_OWN, abs=0.005)      # they cut the face out in bytes, we in floats


def test_what_is_no_network_is_said(tmp_path) -> None:
    path = tmp_path / "no.onnx"
    path.write_bytes(b"nonsense")
    with pytest.raises(InputError, match="no ONNX network"):
        recognition.Network(path)(torch.zeros(1, 3, 8, 8))


def test_networks_are_read_by_their_place_and_by_their_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV opens no name on Windows that its code page lacks, so that the content is read instead."""
    path = mean_network(tmp_path / "写真.onnx", (1, 3, 8, 8))
    image = torch.arange(192.0).reshape(1, 3, 8, 8)
    found = [recognition.Network(path)(image)]
    monkeypatch.setattr(recognition.sys, "platform", "win32")
    found += [recognition.Network(path)(image), recognition.Network(path, "x")(image)]
    for features in found:
        assert torch.allclose(features, image.mean((0, 2, 3)))
