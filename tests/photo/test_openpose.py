from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from photo.people import body, write_keypoints

from dinar.errors import InputError
from dinar.photo import openpose
from dinar.photo.landmarks import FACE, hand_names


def test_body_hands_and_face_get_their_names(tmp_path: Path) -> None:
    hand = [float(k) for k in range(63)]
    face = [float(k) for k in range(210)]
    entry = {
        "pose_keypoints_2d": body(100, 120),
        "hand_left_keypoints_2d": hand,
        "hand_right_keypoints_2d": [],
        "face_keypoints_2d": face,
    }
    (person,) = openpose.read(write_keypoints(tmp_path / "k.json", entry))
    assert person.names == openpose.BODY_25 + hand_names("left") + FACE
    assert person.select(["left_knee"]).xy[0].tolist() == [111, 165]
    assert person.select(["right_knee"]).xy[0].tolist() == [89, 165]
    assert person.select(["left_hand_pinky4"]).xy[0].tolist() == [60, 61]
    assert person.select(["face_17", "face_67"]).xy.tolist() == [[51, 52], [201, 202]]
    assert person.confidence.max() == 1 and torch.isnan(person.world).all()


def test_people_are_sorted_from_left_to_right(tmp_path: Path) -> None:
    nobody = [0.0] * 75
    people = openpose.read(write_keypoints(tmp_path / "k.json", body(300, 0), nobody, body(50, 0)))
    assert [round(float(p.select(["nose"]).xy[0, 0])) for p in people] == [50, 300]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not a JSON file of OpenPose keypoints"),
        ("[1, 2]", "not a JSON file of OpenPose keypoints"),
        ('{"people": [{"pose_keypoints_2d": ["a"]}]}', "has 1 numbers in pose_keypoints_2d, not 75"),
        (json.dumps({"people": [{"pose_keypoints_2d": [0.5] * 54}]}), "COCO keypoints"),
        (json.dumps({"people": [{"pose_keypoints_2d": ["a"] * 75}]}), "not a JSON file of OpenPose keypoints"),
        (json.dumps({"people": [{"pose_keypoints_2d": [float("nan")] * 75}]}), "not finite"),
        ('{"people": []}', "holds no person"),
        (json.dumps({"people": [{"pose_keypoints_2d": [0.0] * 75}]}), "holds no person"),
    ],
)
def test_bad_files_get_one_sentence(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "k.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        openpose.read(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        openpose.read(tmp_path / "none.json")
