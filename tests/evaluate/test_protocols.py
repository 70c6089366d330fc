from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dinar.avatar import open_body
from dinar.errors import InputError
from dinar.evaluate import sets
from dinar.evaluate.cases import BEHIND, NOVEL, SAME, azimuth_of, groups_of
from dinar.evaluate.photos import Photos
from dinar.evaluate.protocols import opened
from dinar.evaluate.sets import Sets
from dinar.images import save
from dinar.raster.rasterize import rasterize


def test_the_front_most_view_is_the_input(shards: Path) -> None:
    cases = Sets("synthetic", shards)
    assert cases.people == ("0000", "0001") and Sets("synthetic", shards, most=1).people == ("0000",)
    case = cases.case("0001")
    assert [(t.name, t.same, t.moved) for t in case.targets] == [
        ("view000", True, False), ("view002", False, True), ("view003", False, True), ("view001", False, False)
    ]  # fmt: skip
    assert [t.azimuth for t in case.targets] == pytest.approx([3, 20, 150, 177], abs=4)
    assert torch.equal(case.source.image, case.targets[0].view.image)
    assert len(Sets("synthetic", shards, views=1).case("0000").targets) == 3
    assert all(target.parts is None for target in case.targets)
    for target in cases.case("0000").targets:                   # of whom the parts are labelled
        labels = target.parts
        assert labels.shape == target.view.mask.shape[1:] and labels.unique().tolist() == [0, 1, 2]
        assert ((labels > 0) != (target.view.mask[0] > 0.5)).float().mean() < 0.01       # labels have no soft edges


def test_azimuth_is_of_the_chest_and_not_of_the_world(shards: Path) -> None:
    view = Sets("synthetic", shards).case("0000").source
    pose = view.body.pose.clone()
    pose[0, 0] = torch.tensor([0.0, torch.pi / 2, 0.0])
    assert azimuth_of(replace(view, body=replace(view.body, pose=pose)), open_body()) == pytest.approx(90, abs=4)


def test_groups() -> None:
    assert groups_of(same=True, moved=False, azimuth=150) == (SAME,)
    assert groups_of(same=False, moved=True, azimuth=150) == (NOVEL, BEHIND)
    assert groups_of(same=False, moved=True, azimuth=20) == (NOVEL,)
    assert groups_of(same=False, moved=False, azimuth=179) == (BEHIND,)
    assert groups_of(same=False, moved=False, azimuth=45) == (NOVEL,)


def test_other_data_are_told_apart(shards: Path, tmp_path: Path) -> None:
    (tmp_path / "people-00000.tar").write_bytes((shards / "people-00000.tar").read_bytes())
    cases, elsewhere = Sets("synthetic", shards), Sets("synthetic", tmp_path)
    assert cases.facts == Sets("synthetic", shards, most=1).facts      # more people continue what fewer began
    assert cases.facts != Sets("synthetic", shards, views=1).facts
    assert cases.digest("0000") == elsewhere.digest("0000") != cases.digest("0001")


def test_a_found_shape_stands_where_the_true_one_does(shards: Path) -> None:
    model = open_body()
    cases = Sets("synthetic", shards)
    one, other = cases.case("0000"), cases.case("0001")
    view = one.targets[1].view
    moved = sets._reshaped(view, other.source.body, model)
    assert torch.equal(moved.body.shape, other.source.body.shape) and torch.equal(moved.body.pose, view.body.pose)
    hips = model.humanoid["hips"]
    torch.testing.assert_close(model(moved.body).joints[:, hips], model(view.body).joints[:, hips])


def test_photos_are_pictures_of_a_folder(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg"):
        save(tmp_path / name, torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0)))
    (tmp_path / "notes.txt").write_text("no picture")
    assert Photos(tmp_path).people == ("a.jpg", "b.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no pictures"):
        _ = Photos(tmp_path / "empty").people


def test_missing_data_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist; without it twelve people that ship are taken"):
        opened("valid", tmp_path / "none", tmp_path / "made", people=1, views=1)
    for name, page in (("people-snapshot", "people-snapshot"), ("thuman2", "THuman2.0-Dataset")):
        with pytest.raises(InputError, match=f"{name} needs --data; ask for .* at https://.*{page}"):
            opened(name, None, tmp_path / "made", people=1, views=1)
    with pytest.raises(InputError, match="photos needs --data"):
        opened("photos", None, tmp_path / "made", people=1, views=1)


@pytest.mark.parametrize(("name", "people"), [("synthetic", 8), ("valid", 12)])
def test_some_people_ship(name: str, people: int, tmp_path: Path) -> None:
    cases = opened(name, None, tmp_path / "made", people=50, views=4)
    assert len(cases.people) == people and not (tmp_path / "made").exists()
    model = open_body()
    for person in cases.people:
        case = cases.case(person)
        belongs = [groups_of(same=t.same, moved=t.moved, azimuth=t.azimuth) for t in case.targets]
        assert belongs[0] == (SAME,) and sum(NOVEL in groups for groups in belongs) >= 3
        mask = case.source.mask[0] > 0.5
        with torch.no_grad():
            body = rasterize(case.source.camera.project(model(case.source.body).vertices), model.faces, mask.shape)
        drawn = body.mask[0, 0] > 0
        assert (drawn & mask).sum() / (drawn | mask).sum() > 0.7, person       # the body is where the person is
        if name == "valid":
            assert not case.source.body.pose.any(), person                     # A-pose in, from the front
            assert case.targets[0].azimuth < 10
            assert any(not t.moved and t.azimuth > 170 for t in case.targets)  # and out, from behind
