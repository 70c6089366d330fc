from __future__ import annotations

import numpy as np
import pytest

from dinar.photo.blazepose import POINTS, BlazePose, Person, windows
from dinar.photo.detection import Detection, anchors, merged, overlaps
from dinar.photo.regions import Region


def test_anchor_counts_are_those_of_the_networks() -> None:
    assert anchors(224, (8, 16, 32, 32, 32)).shape == (2254, 2)
    face = anchors(128, (8, 16, 16, 16))
    assert face.shape == (896, 2)
    assert np.allclose(face[:2], 0.5 / 16) and np.allclose(face[-1], 1 - 0.5 / 8)


def test_overlaps() -> None:
    box = np.array([0.0, 0.0, 2.0, 2.0])
    others = np.array([[0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 3.0, 2.0], [5.0, 5.0, 6.0, 6.0], [1.0, 1.0, 1.0, 1.0]])
    assert overlaps(box, others) == pytest.approx([1, 1 / 3, 0, 0])


def test_overlapping_boxes_are_averaged_by_score() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]], float)
    points = np.array([[[0, 0]], [[4, 4]], [[9, 9]]], float)
    found = merged(boxes, points, np.array([0.9, 0.3, 0.6]))
    assert [round(d.score, 3) for d in found] == [0.9, 0.6]
    assert found[0].box == pytest.approx([0.25, 0, 10.25, 10]) and found[0].points[0] == pytest.approx([1, 1])
    assert merged(np.zeros((0, 4)), np.zeros((0, 1, 2)), np.zeros(0)) == []


@pytest.mark.parametrize(("height", "parts"), [(340, {1, 2}), (200, {1, 2, 3})])
def test_small_tiles_are_left_out_beside_somebody_large(
    height: int, parts: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody is found in the whole picture of 400 x 300; where else is looked depends on how tall they are."""
    searched: list[tuple[int, int, int, int]] = []
    centre, top = np.array([150.0, 200.0]), np.array([150.0, 200.0 - 0.4 * height])
    points = np.linspace([100, 200 - height / 2], [200, 200 + height / 2], POINTS)
    region = Region.around(centre, top, 1.25)
    someone = Person(points, np.ones(POINTS), np.zeros((POINTS, 3)), 1.0, region, np.ones((256, 256), np.float32))

    def detector(pixels: np.ndarray, window: tuple[int, int, int, int], *, threshold: float) -> list[Detection]:
        searched.append(window)
        found = Detection(np.array([100, 0, 200, 100.0]), np.stack([centre, top]), 0.9)
        return [found] if window == (0, 0, 300, 400) else []

    pose = object.__new__(BlazePose)
    pose.detector = detector
    monkeypatch.setattr(BlazePose, "refined", lambda *_: someone)
    assert pose(np.zeros((400, 300, 3), np.uint8)) == [someone]
    assert set(searched) == {tile for part in parts for tile in windows((400, 300), (part,))}


@pytest.mark.parametrize("shape", [(100, 100), (100, 700), (3000, 64)])
def test_windows_cover_the_picture(shape: tuple[int, int]) -> None:
    assert windows(shape, (1,)) == [(0, 0, shape[1], shape[0])]
    tiles = windows(shape, (2, 3))
    assert tiles == [*windows(shape, (2,)), *windows(shape, (3,))]
    cover = np.zeros(shape, bool)
    for left, top, right, bottom in tiles:
        assert 0 <= left < right <= shape[1] and 0 <= top < bottom <= shape[0]
        cover[top:bottom, left:right] = True
    assert cover.all()
