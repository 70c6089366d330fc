"""Perception on real photos; needs the networks and ../shared/photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dinar import images
from dinar.errors import InputError
from dinar.photo.landmarks import BODY
from dinar.photo.photo import Photo, look
from dinar.store import Store

SURFER = "openpifpaf_000000081988.jpg"  # four people; the third stands, seen from behind
STANDING = "yogait_tada_photo.jpg"


@pytest.fixture(scope="module")
def standing(photos: Path, store: Store) -> Photo:
    return look(photos / STANDING, store=store)


def test_front_view(standing: Photo) -> None:
    points = standing.landmarks
    assert set(BODY) <= set(points.names) and points.confidence.min() >= 0
    assert {"left_hand_index4", "right_hand_index4", "face_30"} <= set(points.names)
    left, right = points.select(["left_shoulder", "right_shoulder"]).xy
    assert left[0] > right[0], "the person's left is on the right of the picture"
    world = dict(zip(points.names, points.world, strict=True))
    assert world["nose"][2] < world["left_ear"][2], "z grows away from the camera"
    assert world["left_ankle"][1] > 0.5 > 0 > world["nose"][1], "y down, metres about the hips"
    hand = (world["left_hand_middle4"] - world["left_hand_wrist"]).norm()
    assert 0.08 < hand < 0.25


def test_mask_holds_the_body_and_not_the_surroundings(standing: Photo) -> None:
    points = standing.landmarks.select(["nose", "left_hip", "right_knee", "left_elbow", "right_shoulder"])
    columns, rows = points.xy.long().T
    assert standing.mask[0, rows, columns].min() > 0.95
    assert 0.1 < standing.mask.mean() < 0.18
    border = torch.cat([standing.mask[0, [0, -1]].flatten(), standing.mask[0, :, [0, -1]].flatten()])
    assert border.max() == 0


def test_back_view_among_several(photos: Path, store: Store) -> None:
    photo = look(photos / SURFER, store=store)
    points = photo.landmarks
    left, right = points.select(["left_shoulder", "right_shoulder"]).xy
    assert left[0] < right[0], "seen from behind the person's left is on the left"
    assert "face_30" not in points.names and not points.seen("nose")
    kneeling_boy = torch.tensor([345.0, 320.0])  # in front of the man's legs
    column, row = ((kneeling_boy - torch.tensor(photo.window[:2])) * photo.window[2]).long()
    assert photo.mask[0, row, column] == 0
    assert torch.equal(look(photos / SURFER, person=3, store=store).mask, photo.mask)
    with pytest.raises(InputError, match="4 people; --person is 1 to 4"):
        look(photos / SURFER, person=5, store=store)


def test_rotation_tag_changes_nothing(photos: Path, store: Store, standing: Photo, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = Image.fromarray(images.read(photos / STANDING).pixels)
    upright.rotate(90, expand=True).save(tmp_path / "turned.png", exif=exif)
    turned = look(tmp_path / "turned.png", store=store)
    assert turned.source_size == standing.source_size
    assert torch.allclose(turned.landmarks.xy, standing.landmarks.xy, atol=1e-3)


def test_cut_off_persons(photos: Path, store: Store, tmp_path: Path) -> None:
    picture = images.load(photos / STANDING)
    for rows, message in ((slice(0, 330), "part of the person|no person"), (slice(180, 720), "no head|no person")):
        images.save(tmp_path / "cut.png", picture[:, rows])
        with pytest.raises(InputError, match=message):
            look(tmp_path / "cut.png", store=store)
    images.save(tmp_path / "feet.png", picture[:, :540])
    photo = look(tmp_path / "feet.png", store=store)
    assert not photo.landmarks.seen("left_foot_index") and photo.landmarks.seen("left_knee")


def test_nobody(store: Store, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    Image.new("RGB", (300, 400), "steelblue").save(tmp_path / "flat.png")
    for name in ("noise.png", "flat.png"):
        with pytest.raises(InputError, match=f"{name} shows no person"):
            look(tmp_path / name, store=store)


def test_own_transparency_is_the_mask(photos: Path, store: Store, tmp_path: Path) -> None:
    picture = images.read(photos / STANDING)
    alpha = np.zeros(picture.size, np.uint8)
    alpha[60:600, 470:610] = 255                     # a cross: a whole rectangle would be a card
    alpha[150:330, 380:700] = 255
    Image.fromarray(np.dstack([picture.pixels, alpha])).save(tmp_path / "cut_out.png")
    photo = look(tmp_path / "cut_out.png", store=store)
    hip = photo.landmarks.select(["left_hip"]).xy[0].long()
    assert photo.mask[0, hip[1], hip[0]] == 1
    assert set(photo.mask.unique().tolist()) == {0.0, 1.0}, "as hard as the transparency"
