from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from data.test_importers import snapshot, thuman
from torch import Tensor

from dinar import images
from dinar.avatar import open_body
from dinar.body.model import Body
from dinar.camera import Camera, framing
from dinar.errors import InputError
from dinar.evaluate import published
from dinar.evaluate.cases import BEHIND, SAME, groups_of
from dinar.evaluate.protocols import opened
from dinar.evaluate.published import PeopleSnapshot


@dataclass(frozen=True)
class Looked:
    image: Tensor
    mask: Tensor


@dataclass(frozen=True)
class Found:
    camera: Camera
    body: Body


class Turning:
    """Somebody on four frames, the third from the front."""

    name = "one"
    frontality = np.array([0.1, -0.9, 0.8, -0.2])

    def frame(self, number: int) -> tuple[Tensor, Tensor]:
        return torch.full((3, 80, 80), number / 4), torch.ones(1, 80, 80)


def test_front_in_and_back_out_with_one_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_body()

    def look_at(source, store) -> Looked:
        return Looked(images.load(source.photo), images.read_mask(source.mask))

    def fit(photos: list[Looked], model) -> list[Found]:
        assert len(photos) == 2
        bodies = [replace(model.neutral(), translation=torch.tensor([[k / 10, 0, 0]])) for k in range(2)]
        return [Found(framing(model.template, 180.0 * k, 0, (80, 80)), body) for k, body in enumerate(bodies)]

    monkeypatch.setattr(published, "snapshots", lambda data: [Turning()])
    monkeypatch.setattr(published.pipeline, "look_at", look_at)
    monkeypatch.setattr(published, "fit", fit)
    cases = PeopleSnapshot(tmp_path)
    assert cases.people == ("one",)
    case = cases.case("one")
    assert float(case.source.image.mean()) == pytest.approx(0.5, abs=0.01) and case.source.camera.size == (80, 80)
    front, back = case.targets
    assert float(back.view.image.mean()) == pytest.approx(0.25, abs=0.01)
    assert front.view.camera.size == back.view.camera.size == (512, 512)
    assert float(back.view.body.translation[0, 0]) == pytest.approx(0.1)
    belongs = [groups_of(same=t.same, moved=t.moved, azimuth=t.azimuth) for t in (front, back)]
    assert belongs == [(SAME,), (BEHIND,)] and model.name == "open"


def test_published_folders_give_a_front_and_a_back(tmp_path: Path) -> None:
    snapshot(tmp_path / "snapshot" / "people_snapshot_public" / "female-1-casual")
    cases = opened("people-snapshot", tmp_path / "snapshot", tmp_path / "made", people=5, views=1)
    assert cases.people == ("female-1-casual",)
    found = cases.pictures("female-1-casual")
    (front, mask), (back, _) = ((one.image, one.mask) for one in found)
    assert [one.name for one in found] == ["front", "back"]
    assert float(front.mean()) < float(back.mean()) == pytest.approx(90 / 255, abs=0.02)   # frames 0 and 3 of 6
    assert front.shape == (3, 64, 64) and int(mask.sum()) == 10 * 64
    thuman(tmp_path / "scans", 0.0)
    cases = opened("thuman2", tmp_path / "scans", tmp_path / "made", people=5, views=1)
    assert cases.people == ("0007",)
    one, _ = cases.pictures("0007")
    front, mask = one.image, one.mask
    assert front.shape == (3, 1024, 1024) and 0.2 < float(mask.mean()) < 0.6


@pytest.mark.parametrize("name", ["people-snapshot", "thuman2"])
def test_missing_data_name_the_page(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="https://"):
        _ = opened(name, tmp_path, tmp_path / "made", people=1, views=1).people
