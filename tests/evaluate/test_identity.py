from __future__ import annotations

import pytest
import torch
from perceptual.pairs import at_hand
from torch import Tensor

from dinar import images
from dinar.avatar import open_body
from dinar.camera import framing
from dinar.errors import InputError
from dinar.evaluate import identity


def test_a_face_is_compared_where_it_looks_at_the_camera() -> None:
    model = open_body()
    body = model.neutral()
    points = {}
    for azimuth in (0, 40, 90, 180):
        camera = framing(model.template, azimuth, 0.0, (768, 768))
        points[azimuth] = identity.face_points(model, body, camera)
        assert (points[azimuth] is not None) == (azimuth < 60)
    right, left, nose, *mouth = points[0]
    assert right[0] < nose[0] < left[0] and right[1] < nose[1] < mouth[0][1]      # as the camera sees a front view
    assert identity.face_points(model, body, framing(model.template, 0, 0.0, (128, 128))) is None


def test_a_face_is_put_where_the_network_wants_it() -> None:
    image = torch.zeros(3, 300, 200)
    turn = torch.tensor([[0.96, 0.28], [-0.28, 0.96]])
    points = torch.tensor(identity._TEMPLATE) * 0.8 @ turn + torch.tensor([40.0, 90.0])
    for x, y in points.round().int().tolist():
        image[:, y - 1 : y + 2, x - 1 : x + 2] = 1
    face = identity.aligned_face(image, points)
    assert face.shape == (3, 112, 112)
    for x, y in identity._TEMPLATE:
        assert face[0, round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2].max() > 0.8


def test_sface_knows_a_person_again(photos) -> None:
    store = at_hand(identity.SFACE)
    network = identity.load_face(store)
    picture = images.load(photos / "pifu_ryota.png")
    points = torch.tensor(identity._TEMPLATE) / 2 + torch.tensor([picture.shape[2] / 2 - 28, 40.0])
    pictures = picture, picture * 0.95, picture.flip(1)
    seen, dark, turned = (identity.face_features(network, image, points) for image in pictures)
    same, other = identity.cosine_distance(seen, dark), identity.cosine_distance(seen, turned)
    assert 0 <= same < 0.2 < other


# What cv2.FaceRecognizerSF of OpenCV 5.0 (alignCrop, feature, match; run with OPENCV_FORCE_DNN_ENGINE=1) says of this
# place of the photo against itself upside down, darker, and turned left to right.
OPENCVS_OWN = {"upside down": 0.88899, "darker": 0.02358, "mirrored": 0.08704}


def test_face_distance_is_opencvs_own(photos) -> None:
    network = identity.load_face(at_hand(identity.SFACE))
    picture = images.load(photos / "pifu_ryota.png")
    points = torch.tensor(identity._TEMPLATE) * 0.7 + torch.tensor([picture.shape[2] / 2 - 40, 30.0])
    others = {"upside down": picture.flip(1), "darker": picture * 0.6, "mirrored": picture.flip(2)}
    seen = identity.face_features(network, picture, points)
    features = {name: identity.face_features(network, other, points) for name, other in others.items()}
    found = {name: identity.cosine_distance(seen, other) for name, other in features.items()}
    assert found == pytest.approx(OPENCVS_OWN, abs=0.005)      # they cut the face out in bytes, we in floats


def halves(left: Tensor, right: Tensor) -> Tensor:
    return torch.cat([left[:, None, None].expand(3, 16, 8), right[:, None, None].expand(3, 16, 8)], dim=2)


def test_clothing_distance() -> None:
    red, blue, green = torch.eye(3)[[0, 2, 1]] * 0.8
    everywhere, mask = torch.ones(16, 16, dtype=torch.bool), torch.ones(1, 16, 16)
    one = halves(red, blue)

    def distance(image: Tensor, region: Tensor = everywhere, own: Tensor = mask) -> float:
        return identity.clothing_distance(image, own, one, mask, region)

    assert distance(one) == pytest.approx(0, abs=1e-6)
    assert distance(halves(blue, red)) == pytest.approx(0, abs=1e-6)        # colours, not places
    assert distance(halves(red, green)) == pytest.approx(0.5**0.5, abs=0.05)
    assert distance(halves(green, green)) == pytest.approx(1, abs=0.05)
    assert distance(one * 0.99) < 0.1
    left = everywhere.clone()
    left[:, 8:] = False
    assert distance(halves(red, green), left) == pytest.approx(0, abs=1e-6)
    assert distance(one, own=torch.zeros_like(mask)) == 1


def test_what_is_no_network_is_said(tmp_path) -> None:
    path = tmp_path / "no.onnx"
    path.write_bytes(b"nonsense")
    with pytest.raises(InputError, match="no ONNX network"):
        identity.Network(path)(torch.zeros(1, 3, 8, 8))
