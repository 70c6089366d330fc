"""`look` with the user's own mask and keypoints, which needs no network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from photo.people import body, write_keypoints, write_picture
from PIL import Image

from dinar import images
from dinar.errors import InputError
from dinar.photo.overlay import draw
from dinar.photo.photo import look
from dinar.store import Store

SIZE = 300, 500
BOX = 220, 20, 300, 280


def no_store(tmp_path: Path) -> Store:
    """Holds nothing, and says so when it is asked."""
    (tmp_path / "no_models").mkdir(exist_ok=True)
    return Store(folder=tmp_path / "no_models", cache=tmp_path / "no_cache")


def given(tmp_path: Path, *people: list[float]) -> dict[str, object]:
    path, mask = write_picture(tmp_path / "a.png", SIZE, [BOX])
    keypoints = write_keypoints(tmp_path / "k.json", *(people or [body(260, 160)]))
    return {"path": path, "mask": mask, "keypoints": keypoints, "store": no_store(tmp_path)}


def test_crop_mask_and_landmarks_agree(tmp_path: Path) -> None:
    photo = look(**given(tmp_path))
    side = photo.image.shape[-1]
    assert photo.image.shape == (3, side, side) and photo.mask.shape == (1, side, side) and side == 512
    assert photo.source_size == SIZE and photo.focal is None
    x, y, scale = photo.window
    assert scale == pytest.approx(512 / 312), "the box is 260 px high, with a tenth of it on each side"
    knee = photo.landmarks.select(["left_knee"]).xy[0]
    assert torch.allclose(knee, (torch.tensor([271.0, 205.0]) - torch.tensor([x, y])) * scale, atol=1e-3)
    rows, columns = torch.nonzero(photo.mask[0] > 0.5, as_tuple=True)
    edges = torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / scale
    assert torch.allclose(edges + torch.tensor([x, y, x, y]), torch.tensor(BOX).float(), atol=0.7)
    assert photo.image[0][photo.mask[0] == 1].min() > 0.7, "the mask lies on the red figure"


def test_large_pictures_shrink_to_1024(tmp_path: Path) -> None:
    path, mask = write_picture(tmp_path / "a.png", (1500, 900), [(350, 100, 550, 1400)])
    keypoints = write_keypoints(tmp_path / "k.json", body(450, 750, 6.0))
    photo = look(path, mask=mask, keypoints=keypoints, store=no_store(tmp_path))
    assert photo.image.shape[-1] == 1024 and photo.window[2] == pytest.approx(1024 / 1560)
    x, y, _ = photo.window                                          # resampled in bands as if all at once
    whole = images.crop(images.load(path), int(x), int(y), (1560, 1560))
    assert torch.allclose(photo.image, images.resize(whole, (1024, 1024)), atol=1e-6)
    inside = images.crop(torch.ones(1, 1500, 900), int(x), int(y), (1560, 1560), outside=0)
    assert not photo.mask[images.resize(inside, (1024, 1024)) == 0].any()


def test_beyond_the_picture_colours_go_on_but_not_the_mask(tmp_path: Path) -> None:
    path, mask = write_picture(tmp_path / "a.png", (260, 200), [(70, 0, 130, 260)])
    keypoints = write_keypoints(tmp_path / "k.json", body(100, 130))
    photo = look(path, mask=mask, keypoints=keypoints, store=no_store(tmp_path))
    above = int(-photo.window[1] * photo.window[2]) - 2
    assert above > 10
    middle = photo.image.shape[-1] // 2
    assert photo.mask[0, :above].max() == 0 and photo.mask[0, above + 4, middle] > 0.99
    assert photo.image[0, 0, middle] > 0.7


def test_person_is_counted_from_the_left(tmp_path: Path) -> None:
    path, mask = write_picture(tmp_path / "a.png", SIZE, [BOX])
    keypoints = write_keypoints(tmp_path / "k.json", body(400, 150), body(260, 160, 1.1), body(80, 150))
    options = {"mask": mask, "keypoints": keypoints, "store": no_store(tmp_path)}

    def nose(person: int | None) -> float:
        photo = look(path, person=person, **options)
        return float(photo.landmarks.select(["nose"]).xy[0, 0] / photo.window[2] + photo.window[0])

    assert [round(nose(k)) for k in (1, 2, 3)] == [80, 260, 400]
    assert round(nose(None)) == 260, "the largest"
    for wrong in (0, 4, -1):
        with pytest.raises(InputError, match="3 people; --person is 1 to 3, counted from left to right"):
            look(path, person=wrong, **options)
    with pytest.raises(InputError, match="--person can only be 1"):
        look(**given(tmp_path), person=2)


def test_half_a_person_is_refused_and_missing_feet_are_not(tmp_path: Path) -> None:
    legless = body(260, 160)
    for point in (10, 11, 13, 14, *range(19, 25)):
        legless[3 * point : 3 * point + 3] = [0.0, 0.0, 0.0]
    with pytest.raises(InputError, match=r"a\.png shows only a part of the person \(no knees\)"):
        look(**given(tmp_path, legless))
    headless = body(260, 160)
    for point in (0, 15, 16, 17, 18):
        headless[3 * point : 3 * point + 3] = [0.0, 0.0, 0.0]
    with pytest.raises(InputError, match="no head"):
        look(**given(tmp_path, headless))
    footless = body(260, 160)
    for point in (11, 14, *range(19, 25)):
        footless[3 * point : 3 * point + 3] = [0.0, 0.0, 0.0]
    assert not look(**given(tmp_path, footless)).landmarks.seen("left_ankle")
    with pytest.raises(InputError, match="no knees"):
        look(**given(tmp_path, body(260, 280)))


def test_mask_must_fit(tmp_path: Path) -> None:
    options = given(tmp_path)
    Image.new("L", (400, 300), 255).save(tmp_path / "small.png")
    with pytest.raises(InputError, match=r"small\.png has 400 x 300 pixels but .*a\.png has 500 x 300"):
        look(**options | {"mask": tmp_path / "small.png"})
    Image.new("L", (500, 300), 0).save(tmp_path / "black.png")
    with pytest.raises(InputError, match=r"black\.png marks nobody"):
        look(**options | {"mask": tmp_path / "black.png"})
    with pytest.raises(InputError, match=r"none\.png does not exist"):
        look(**options | {"mask": tmp_path / "none.png"})


def test_networks_are_asked_for_where_something_is_missing(tmp_path: Path) -> None:
    options = given(tmp_path)
    for name in ("mask", "keypoints"):
        with pytest.raises(InputError, match=r"has no pose_detection\.tflite"):
            look(**options | {name: None})


def test_overlay_shows_the_figure_and_darkens_the_rest(tmp_path: Path) -> None:
    photo = look(**given(tmp_path))
    picture = draw(photo)
    assert picture.shape == photo.image.shape
    corner = (slice(None), slice(0, 20), slice(0, 20))
    assert picture[corner].mean() < 0.7 * photo.image[corner].mean()
    x, y = photo.landmarks.select(["left_knee"]).xy[0].int().tolist()
    assert picture[:, y, x].tolist() == pytest.approx([1.0, 140 / 255, 0.0], abs=0.02)
