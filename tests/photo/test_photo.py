"""`look` with the user's own mask and keypoints, which needs no network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from photo.people import body, write_keypoints, write_picture
from PIL import Image

from dinar import images
from dinar.errors import InputError
from dinar.photo.overlay import draw
from dinar.photo.photo import Photo, look
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
    shown = images.resize(inside, (1024, 1024))[0]
    assert photo.inside[shown == 1].all() and not photo.inside[shown == 0].any() and not photo.inside.all()


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
    boxes = [(x - 40, 20, x + 40, 280) for x in (80, 260, 400)]
    path, mask = write_picture(tmp_path / "a.png", SIZE, boxes)
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
    Image.new("L", (500, 300), 255).save(tmp_path / "white.png")
    with pytest.raises(InputError, match=r"white\.png marks the whole picture"):
        look(**options | {"mask": tmp_path / "white.png"})
    with pytest.raises(InputError, match=r"none\.png does not exist"):
        look(**options | {"mask": tmp_path / "none.png"})


def outline(photo: Photo) -> torch.Tensor:
    """Edges of a photo's mask in pixels of the picture: left, top, right, bottom."""
    rows, columns = torch.nonzero(photo.mask[0] > 0.5, as_tuple=True)
    x, y, scale = photo.window
    return torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / scale + torch.tensor(
        [x, y, x, y]
    )


@pytest.mark.parametrize("kind", ["bits", "labels", "palette", "colours", "deep", "twice", "half"])
def test_masks_of_many_kinds_mark_the_same(tmp_path: Path, kind: str) -> None:
    options = given(tmp_path)
    solid = np.asarray(Image.open(options["mask"])) > 0
    labels = np.where(solid, 1 + np.arange(SIZE[0])[:, None] // 20 % 18, 0)
    shown = np.stack([labels * 7 % 256, labels * 13 % 256, labels * 129 % 256], axis=2).astype(np.uint8)
    if kind == "bits":
        mask = Image.fromarray(solid.astype(np.uint8))
    elif kind == "labels":
        mask = Image.fromarray(labels.astype(np.uint8))
    elif kind == "palette":
        mask = Image.fromarray(labels.astype(np.uint8))
        mask.putpalette([0, 0, 0, *(c for k in range(1, 256) for c in (k * 67 % 256, k * 131 % 256, k * 29 % 256))])
    elif kind == "colours":
        mask = Image.fromarray(shown)
    elif kind == "deep":
        mask = Image.fromarray(solid.astype(np.uint16) * 65535)
    else:
        scale = 2 if kind == "twice" else 0.5
        mask = Image.fromarray(solid).resize((round(SIZE[1] * scale), round(SIZE[0] * scale)))
    mask.save(tmp_path / "other.png")
    photo = look(**options | {"mask": tmp_path / "other.png"})
    assert torch.allclose(outline(photo), torch.tensor(BOX).float(), atol=1.5)
    assert bool(photo.notes) == (kind != "deep")


def test_of_a_mask_the_part_with_the_person_counts(tmp_path: Path) -> None:
    options = given(tmp_path)
    _, mask = write_picture(tmp_path / "a.png", SIZE, [BOX, (10, 5, 150, 295), (302, 100, 310, 150)])
    beside = (BOX[0], BOX[1], 310, BOX[3])
    assert torch.allclose(outline(look(**options)), torch.tensor(beside).float(), atol=1.5), "a hand's width off counts"
    Image.fromarray(255 - np.asarray(Image.open(mask))).save(tmp_path / "inverted.png")
    with pytest.raises(InputError, match=r"inverted\.png leaves out the person of .*k\.json"):
        look(**options | {"mask": tmp_path / "inverted.png"})


def test_a_picture_is_no_mask(tmp_path: Path) -> None:
    colours = np.random.default_rng(0).integers(0, 255, (*SIZE, 3)).astype(np.uint8)
    Image.fromarray(colours).save(tmp_path / "photo.png")
    with pytest.raises(InputError, match=r"photo\.png is a picture in colours and no mask"):
        look(**given(tmp_path) | {"mask": tmp_path / "photo.png"})


def test_the_mask_says_whom_is_meant(tmp_path: Path) -> None:
    path, mask = write_picture(tmp_path / "a.png", SIZE, [(40, 20, 120, 280)])
    keypoints = write_keypoints(tmp_path / "k.json", body(80, 150), body(300, 160, 1.1))
    photo = look(path, mask=mask, keypoints=keypoints, store=no_store(tmp_path))
    assert float(photo.landmarks.select(["nose"]).xy[0, 0] / photo.window[2] + photo.window[0]) == pytest.approx(80)


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
