from __future__ import annotations

import numpy as np
import pytest
import torch

from dinar.photo.landmarks import BODY, FACE, Landmarks, hand_names


def some(names: tuple[str, ...]) -> Landmarks:
    n = len(names)
    points = np.arange(2.0 * n, dtype=np.float32).reshape(n, 2)
    return Landmarks(names, points, np.linspace(0, 1, n, dtype=np.float32), np.zeros((n, 3), np.float32))


def test_names_are_as_many_as_promised_and_unique() -> None:
    everything = BODY + hand_names("left") + hand_names("right") + FACE
    assert (len(BODY), len(hand_names("left")), len(FACE)) == (33, 21, 51)
    assert len(set(everything)) == 33 + 42 + 51
    assert {"left_hand_wrist", "left_hand_thumb1", "right_hand_pinky4", "face_17", "face_67"} <= set(everything)


def test_selecting_joining_and_moving() -> None:
    landmarks = some(("a", "b", "c"))
    assert landmarks.select(["c", "a"]).xy.tolist() == [[4, 5], [0, 1]]
    with pytest.raises(KeyError):
        landmarks.select(["d"])
    joined = landmarks.joined(some(("d",)))
    assert joined.names == ("a", "b", "c", "d") and "d" in joined and "e" not in joined
    with pytest.raises(ValueError, match="disagree"):
        landmarks.joined(some(("a",)))
    assert landmarks.moved(1, 2, 0.5).xy[1].tolist() == [0.5, 0.5]
    tensors = landmarks.tensors()
    assert isinstance(tensors.xy, torch.Tensor) and tensors.select(["c", "a"]).xy.tolist() == [[4, 5], [0, 1]]
    assert landmarks.seen("c") and not landmarks.seen("a") and not landmarks.seen("z")


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="disagree"):
        Landmarks(("a",), torch.zeros(2, 2), torch.zeros(2), torch.zeros(2, 3))
