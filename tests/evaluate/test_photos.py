from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dinar import images
from dinar.avatar import open_body
from dinar.body.model import Body
from dinar.camera import Camera, framing
from dinar.errors import InputError
from dinar.evaluate import photos
from dinar.evaluate.photos import Photos
from dinar.evaluate.protocols import opened


@dataclass(frozen=True)
class Looked:
    image: Tensor
    mask: Tensor
    window: tuple[float, float, float]
    source_size: tuple[int, int]


@dataclass(frozen=True)
class Found:
    camera: Camera
    body: Body


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cut-out and a photo of 120 x 80 pixels; what is found in them is a window of 100 x 100 at twice the size."""
    soft = torch.zeros(1, 120, 80)
    soft[:, 20:100, 20:60] = 1.0
    soft[:, 20:100, 18:20] = 0.5
    colours = torch.tensor([0.2, 0.4, 0.6])[:, None, None].expand(3, 120, 80)
    images.save(tmp_path / "cut.png", torch.cat([colours, soft]))
    images.save(tmp_path / "whole.jpg", colours)
    (tmp_path / "notes.txt").write_text("no picture")
    model = open_body()

    def fitted(path: Path) -> tuple[Looked, Found]:
        window = images.crop(images.load(path), -10, 10, (100, 100))
        image = images.resize(window, (200, 200))
        photo = Looked(image, torch.full((1, 200, 200), 0.25), (-10.0, 10.0, 2.0), (120, 80))
        return photo, Found(framing(model.template, 0.0, 0.0, (200, 200)), model.neutral())

    monkeypatch.setattr(photos, "_fitted", fitted)
    return tmp_path


def test_transparency_is_the_true_outline(folder: Path) -> None:
    (target,) = Photos(folder).case("cut.png").targets
    assert target.cut_out and target.view.mask.shape == (1, 512, 512)
    inside, edge, outside = (target.view.mask[0, 256, round((x + 10) * 5.12)] for x in (40.5, 19, 5))
    assert float(inside) == pytest.approx(1, abs=0.01) and float(outside) == 0
    assert 0.4 < float(edge) < 0.6
    (other,) = Photos(folder).case("whole.jpg").targets
    assert not other.cut_out and float(other.view.mask.mean()) == pytest.approx(0.25)


def test_given_masks_are_true_and_not_seen(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    masks = tmp_path_factory.mktemp("masks")
    mask = torch.zeros(1, 120, 80)
    mask[:, 30:90, 30:50] = 1
    images.save(masks / "whole.png", mask)
    cases = opened("photos", folder, folder / "made", people=9, views=1, masks=masks)
    case = cases.case("whole.jpg")
    assert case.targets[0].cut_out and float(case.source.mask.mean()) == pytest.approx(0.25)
    assert float(case.targets[0].view.mask.mean()) == pytest.approx(60 * 20 / 100**2, abs=0.01)
    assert not cases.case("cut.png").targets[0].cut_out          # of which no mask was given
    images.save(masks / "cut.png", torch.ones(1, 64, 64))
    with pytest.raises(InputError, match="has another size"):
        cases.case("cut.png")
    with pytest.raises(InputError, match="other protocols bring their own"):
        opened("valid", None, folder / "made", people=1, views=1, masks=masks)


def test_a_changed_photo_or_mask_is_another_person(folder: Path) -> None:
    before = {name: Photos(folder).digest(name) for name in ("cut.png", "whole.jpg")}
    images.save(folder / "more.jpg", torch.zeros(3, 64, 64))
    images.save(folder / "cut.png", torch.zeros(4, 64, 64))
    assert Photos(folder).digest("whole.jpg") == before["whole.jpg"]
    assert Photos(folder).digest("cut.png") != before["cut.png"]
    with pytest.raises(InputError, match=r"has no gone\.png"):
        Photos(folder).digest("gone.png")


def test_photos_are_pictures_of_a_folder(folder: Path) -> None:
    assert Photos(folder).people == ("cut.png", "whole.jpg") and Photos(folder, 1).people == ("cut.png",)
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match="holds no pictures"):
        _ = Photos(folder / "empty").people
