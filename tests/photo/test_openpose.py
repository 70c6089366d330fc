from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photo.people import body, write_keypoints

from dinar.errors import InputError
from dinar.photo import openpose
from dinar.photo.landmarks import FACE, Landmarks, hand_names
from dinar.photo.openpose import BODY_25, COCO_17, COCO_18

SIZE = 400, 300
PHOTO = Path("a.jpg")


def read(path: Path) -> list[Landmarks]:
    return openpose.read(path, SIZE, PHOTO)[0]


def written(tmp_path: Path, content: Any) -> Path:
    path = tmp_path / "k.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def table() -> np.ndarray:
    """BODY_25 of somebody in a picture of SIZE."""
    return np.array(body(150, 180)).reshape(25, 3)


def rows(names: tuple[str, ...]) -> np.ndarray:
    return table()[[BODY_25.index(name) for name in names]]


def test_body_hands_and_face_get_their_names(tmp_path: Path) -> None:
    hand = [float(k) for k in range(63)]
    face = [float(k) for k in range(210)]
    entry = {
        "pose_keypoints_2d": body(100, 120),
        "hand_left_keypoints_2d": hand,
        "hand_right_keypoints_2d": [],
        "face_keypoints_2d": face,
    }
    (person,) = read(write_keypoints(tmp_path / "k.json", entry))
    assert person.names == BODY_25 + hand_names("left") + FACE
    assert person.select(["left_knee"]).xy[0].tolist() == [111, 165]
    assert person.select(["right_knee"]).xy[0].tolist() == [89, 165]
    assert person.select(["left_hand_pinky4"]).xy[0].tolist() == [60, 61]
    assert person.select(["face_17", "face_67"]).xy.tolist() == [[51, 52], [201, 202]]
    assert person.confidence.max() == 1 and np.isnan(person.world).all()
    (person,) = read(write_keypoints(tmp_path / "k.json", entry | {"face_keypoints_2d": face[:204]}))
    assert person.select(["face_17", "face_67"]).xy.tolist() == [[51, 52], [201, 202]], "68 points, as of DWPose"


def test_people_are_sorted_from_left_to_right(tmp_path: Path) -> None:
    nobody = [0.0] * 75
    people = read(write_keypoints(tmp_path / "k.json", body(200, 100), nobody, body(50, 100)))
    assert [round(float(p.select(["nose"]).xy[0, 0])) for p in people] == [50, 200]


def wholebody() -> np.ndarray:
    whole = np.zeros((133, 3))
    whole[:17], whole[17:23] = rows(COCO_17), table()[19:]
    whole[23 + 17 : 23 + 68] = np.c_[np.arange(51), np.arange(51) + 100, np.full(51, 0.5)]
    whole[91:112] = np.c_[np.arange(21), np.full(21, 7), np.full(21, 0.5)]
    return whole


KINDS: dict[str, Any] = {
    "a mark at the start": lambda: "\ufeff" + json.dumps({"people": [{"pose_keypoints_2d": table().ravel().tolist()}]}),
    "numbers as text": lambda: {"people": [{"pose_keypoints_2d": [str(n) for n in table().ravel()]}]},
    "null parts": lambda: {"people": [{"pose_keypoints_2d": table().ravel().tolist(), "face_keypoints_2d": None}]},
    "names of OpenPose 1.1": lambda: {"people": [{"pose_keypoints": table().ravel().tolist()}]},
    "frames with a canvas": lambda: [
        {"people": [{"pose_keypoints_2d": table().ravel().tolist()}], "canvas_width": 300, "canvas_height": 400},
        {"people": [], "canvas_width": 300, "canvas_height": 400},
    ],
    "a smaller canvas": lambda: {
        "people": [{"pose_keypoints_2d": (table() * [0.5, 0.5, 1]).ravel().tolist()}],
        "canvas_width": 150,
        "canvas_height": 200,
    },
    "parts of the picture": lambda: {"people": [{"pose_keypoints_2d": (table() / [300, 400, 1]).ravel().tolist()}]},
    "COCO's 18": lambda: {"people": [{"pose_keypoints_2d": rows(COCO_18).ravel().tolist()}]},
    "COCO's results": lambda: [
        {"image_id": 1, "category_id": 1, "keypoints": rows(COCO_17).ravel().tolist(), "score": 0.9},
        {"image_id": 2, "category_id": 1, "keypoints": [1.0] * 51, "score": 0.9},
    ],
    "MMPose": lambda: {
        "instance_info": [{"keypoints": wholebody()[:, :2].tolist(), "keypoint_scores": wholebody()[:, 2].tolist()}]
    },
    "MMPose's video": lambda: {
        "instance_info": [{"frame_id": 1, "instances": [{"keypoints": wholebody().tolist()}]}]
    },
    "heights of heat maps": lambda: {"people": [{"pose_keypoints_2d": (table() * [1, 1, 0.02]).ravel().tolist()}]},
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_programs(tmp_path: Path, kind: str) -> None:
    people, notes = openpose.read(written(tmp_path, KINDS[kind]()), SIZE, PHOTO)
    assert len(people) == 1 and bool(notes) == (kind in ("a smaller canvas", "parts of the picture"))
    names = [name for name in COCO_17 if "ankle" not in name] + ["neck", "mid_hip"]
    found, wanted = people[0].select(names), table()[[BODY_25.index(name) for name in names]]
    assert np.allclose(found.xy, wanted[:, :2], atol=0.01) and bool((found.confidence > 0.5).all())


def test_the_parts_of_a_whole_body(tmp_path: Path) -> None:
    (person,) = read(written(tmp_path, KINDS["MMPose"]()))
    assert person.select(["left_big_toe", "right_heel"]).xy.tolist() == table()[[19, 24], :2].tolist()
    assert person.select(["face_17", "left_hand_wrist"]).xy.tolist() == [[0, 100], [0, 7]]
    assert not person.seen("right_hand_wrist", 0.1)


def test_points_of_another_picture(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"points as far as 360 x 552, but a\.jpg has 300 x 400 pixels"):
        read(write_keypoints(tmp_path / "k.json", (table() * [2, 2, 1]).ravel().tolist()))
    frame = {"people": [{"pose_keypoints_2d": body(150, 180)}], "canvas_width": 400, "canvas_height": 400}
    with pytest.raises(InputError, match=r"made of a picture of 400 x 400 pixels, but a\.jpg has 300 x 400"):
        read(written(tmp_path, frame))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not a JSON file of keypoints"),
        ("[1, 2]", "not a JSON file of keypoints"),
        ("[]", "not a JSON file of keypoints"),
        ("[" * 100_000, "not a JSON file of keypoints"),
        ('{"betas": [0, 0], "body_pose": [0]}', "not a JSON file of keypoints"),
        ('{"people": [{"pose_keypoints_2d": ["a"]}]}', "not a JSON file of keypoints"),
        ('{"people": [{"pose_keypoints_2d": [1, 2]}]}', "has 2 numbers in pose_keypoints_2d; x, y"),
        (json.dumps({"people": [{"pose_keypoints_2d": ["a"] * 75}]}), "not a JSON file of keypoints"),
        (json.dumps({"people": [{"pose_keypoints_2d": [True] * 75}]}), "not a JSON file of keypoints"),
        (json.dumps({"people": [{"pose_keypoints_2d": [float("nan")] * 75}]}), "not finite"),
        (json.dumps({"people": [{"pose_keypoints_2d": [10**400] * 75}]}), "not a JSON file of keypoints"),
        ('{"people": []}', "holds no person"),
        (json.dumps({"people": [{"pose_keypoints_2d": [0.0] * 75}]}), "holds no person"),
    ],
)
def test_bad_files_get_one_sentence(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(written(tmp_path, content))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "none.json")
