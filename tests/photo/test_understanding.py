"""Parts, label maps and faces on photos of which everything is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dinar import presets
from dinar.errors import InputError
from dinar.networks.parser import HumanParser
from dinar.parts import BodyPart
from dinar.photo import label_maps, parsing, sex
from dinar.photo.landmarks import FACE, Landmarks
from dinar.photo.photo import Photo, look
from dinar.photo.understanding import Said, understood
from dinar.presets import TINY
from dinar.store import Store

SIDE = 128


@pytest.fixture
def photo() -> Photo:
    """A box in a crop that is twice as large as its picture, which starts at column 10."""
    mask = torch.zeros(1, SIDE, SIDE)
    mask[:, 20:110, 50:80] = 1
    nobody = Landmarks((), torch.zeros(0, 2), torch.zeros(0), torch.zeros(0, 3))
    return Photo(torch.rand(3, SIDE, SIDE), mask, nobody, None, (64, 64), (10.0, 0.0, 2.0))


@pytest.fixture(scope="module")
def parser() -> HumanParser:
    torch.manual_seed(0)
    return HumanParser.named("tiny", presets.build_parser(TINY).eval())


def labels(photo: Photo) -> np.ndarray:
    """A shirt and trousers with a bag, in pixels of the picture."""
    found = np.zeros(photo.source_size, np.uint8)
    found[10:30, 35:50], found[30:55, 35:50], found[30:40, 46:50] = BodyPart.UPPER, BodyPart.LOWER, BodyPart.BAG
    return found


def saved(path: Path, values: np.ndarray, palette: bool = False) -> Path:
    picture = Image.fromarray(values)
    if palette:
        picture.putpalette(label_maps.voc_palette(256).tobytes())
    picture.save(path)
    return path


def test_every_pixel_of_the_mask_is_some_part(photo, parser) -> None:
    parts = parsing.parse(parser.network, photo.image, photo.mask)
    assert parts.dtype == torch.uint8 and torch.equal(parts > 0, photo.mask[0] > 0.5)
    assert not parsing.parse(parser.network, photo.image, torch.zeros_like(photo.mask)).any()


def test_without_a_parser_nothing_is_told(photo) -> None:
    seen = understood(photo, Said(), None, None)
    assert seen.parts is None and seen.female is None and torch.equal(seen.mask, photo.mask)
    with pytest.raises(InputError, match="held things"):
        understood(photo, Said(held="cut"), None, None)


@pytest.mark.parametrize("palette", [False, True])
def test_a_label_map_of_the_users_own(photo, tmp_path, palette) -> None:
    path = saved(tmp_path / "labels.png", labels(photo), palette)
    seen = understood(photo, Said(held="keep", labels=(path, "dinar")), None, None)
    assert seen.parts[40, 60] == BodyPart.UPPER and seen.parts[90, 60] == BodyPart.LOWER
    assert seen.parts[70, 75] == BodyPart.BAG and seen.parts[70, 90] == 0, "nothing beyond the mask"
    cut = understood(photo, Said(held="cut", labels=(path, "dinar")), None, None)
    assert not (cut.parts == BodyPart.BAG).any() and cut.mask[0, 70, 75] == 0 and cut.mask[0, 70, 60] == 1
    unsaid, own = (
        understood(replace(photo, own_mask=own), Said(labels=(path, "dinar")), None, None) for own in (False, True)
    )
    assert torch.equal(unsaid.mask, cut.mask) and torch.equal(own.mask, photo.mask)


def test_hardly_a_bag_is_none(photo) -> None:
    """Hands are taken for bags now and then."""
    parts = (photo.mask[0] > 0.5).to(torch.uint8) * BodyPart.LOWER
    inside = (parts > 0).nonzero()
    y, x = inside[len(inside) // 2].tolist()
    parts[y : y + 4, x : x + 4] = BodyPart.BAG
    mask, left = parsing.without_held(photo.mask, parts)
    assert torch.equal(mask, photo.mask) and torch.equal(left, parts)


def test_a_parser_fills_what_the_map_leaves_out(photo, parser, tmp_path) -> None:
    half = labels(photo)
    half[30:] = 0
    seen = understood(photo, Said(labels=(saved(tmp_path / "half.png", half), "dinar")), parser, None)
    assert seen.parts[40, 60] == BodyPart.UPPER and torch.equal(seen.parts > 0, photo.mask[0] > 0.5)


@pytest.mark.parametrize(("kind", "label", "part"), [
    ("lip", 7, BodyPart.OUTER), ("lip", 13, BodyPart.FACE_SKIN), ("lip", 19, BodyPart.SHOES),
    ("lip", 12, BodyPart.DRESS), ("atr", 5, BodyPart.DRESS), ("atr", 16, BodyPart.BAG), ("atr", 17, BodyPart.UPPER),
])  # fmt: skip
def test_other_programs_labels(tmp_path, kind, label, part) -> None:
    values = np.zeros((70, 80), np.uint8)
    values[20:40] = label
    grey = label_maps.read(saved(tmp_path / "grey.png", values), kind, (70, 80))
    colours = label_maps.read(saved(tmp_path / "rgb.png", label_maps.voc_palette(32)[values]), kind, (70, 80))
    assert set(np.unique(grey)) == {0, part} and np.array_equal(grey, colours)


def test_palettes_have_as_many_labels_as_their_data_sets() -> None:
    assert {kind: len(table) for kind, table in label_maps.LABELS.items()} == {"dinar": 12, "lip": 20, "atr": 18}
    assert label_maps.voc_palette(4).tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]


def test_label_maps_that_do_not_fit(tmp_path) -> None:
    values = np.full((70, 80), 3, np.uint8)
    path = saved(tmp_path / "a.png", values)
    with pytest.raises(InputError, match="80 x 70 pixels"):
        label_maps.read(path, "lip", (80, 70))
    with pytest.raises(InputError, match="label 19; atr has 18"):
        label_maps.read(saved(tmp_path / "b.png", np.full((70, 80), 19, np.uint8)), "atr", (70, 80))
    with pytest.raises(InputError, match="labels nobody"):
        label_maps.read(saved(tmp_path / "c.png", values * 0), "lip", (70, 80))
    with pytest.raises(InputError, match="no labels"):
        label_maps.read(saved(tmp_path / "d.png", np.full((70, 80, 3), 77, np.uint8)), "lip", (70, 80))
    (tmp_path / "e.png").write_bytes(path.read_bytes()[:60])
    with pytest.raises(InputError, match="cannot be read"):
        label_maps.read(tmp_path / "e.png", "lip", (70, 80))


def test_somebody_tells_the_sex(photo) -> None:
    told = {sex: understood(photo, Said(sex=sex), None, None).female for sex in ("f", "m", "unsure")}
    assert told == {"f": 1.0, "m": 0.0, "unsure": 0.5}


def test_somebody_tells_that_it_is_a_child(photo) -> None:
    assert understood(photo, Said(age="child"), None, None).child
    assert not understood(photo, Said(), None, None).child


def test_faces_are_brought_to_their_places() -> None:
    """A red dot at each corner of the eyes and at the nose lies where dlib's faces have them, turned or large."""
    turn, scale = 0.4, 150.0
    rotation = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = sex.PLACES @ rotation.T + np.array([260.0, 120.0])
    pixels = np.zeros((480, 640, 3), np.uint8)
    rows, columns = np.mgrid[:480, :640] + 0.5
    for x, y in points:
        pixels[np.hypot(columns - x, rows - y) < 9] = 255
    chip = sex.face_chip(pixels, points, 64)
    for x, y in (sex.PADDING + sex.PLACES) / (1 + 2 * sex.PADDING) * 64:
        assert chip[int(y), int(x)].min() > 120
    assert chip[:5].max() < 60


def test_no_face_no_guess() -> None:
    landmarks = Landmarks(FACE, torch.zeros(51, 2), torch.zeros(51), torch.zeros(51, 3))
    assert sex.SexReader.__call__(None, np.zeros((9, 9, 3), np.uint8), landmarks) is None


def test_men_of_real_photos(photos, store) -> None:
    try:
        reader = sex.load_reader(Store())
    except InputError as error:
        pytest.skip(str(error))
    from dinar import images

    for name in ("yogait_tada_photo.jpg", "openpifpaf_soccer.jpeg"):
        seen = look(photos / name, store=store)
        assert sex.SURE <= reader(images.to_bytes(seen.image), seen.landmarks) < 0.3, name
