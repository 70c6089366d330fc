from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dinar.avatar import open_body
from dinar.body.model import Body, BodyModel
from dinar.camera import framing
from dinar.errors import InputError
from dinar.evaluate import rigged
from dinar.evaluate.protocols import opened
from dinar.evaluate.rigged import Rigged
from dinar.synth.view import View


@dataclass(frozen=True)
class Figure:
    """What poses are made for."""

    model: BodyModel
    shape: Tensor


def pictured(figure: Figure, body: Body, azimuths: list[float]) -> list[View]:
    """Views without pictures."""
    vertices = figure.model(body).vertices[0]
    return [View(torch.empty(0), torch.empty(0), framing(vertices, a, 0.0, (512, 512)), body) for a in azimuths]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b", "a", "c"):
        (tmp_path / f"{name}.glb").write_bytes(name.encode())
    model = open_body()
    figure = Figure(model, torch.full((1, len(model.shape_basis)), 0.1))
    monkeypatch.setattr(rigged, "load_person", lambda path: (figure, None))
    monkeypatch.setattr(rigged, "_taken", pictured)
    return tmp_path


def test_a_pose_front_in_front_and_back_and_new_poses_out(folder: Path) -> None:
    cases = opened("valid", folder, folder / "made", people=2, views=3)
    assert isinstance(cases, Rigged) and cases.people == ("a", "b")
    case = cases.case("a")
    assert case.source is case.targets[0].view and not case.source.body.pose.any()
    assert [(t.name, t.same, t.moved) for t in case.targets] == [
        ("front", True, False), ("back", False, False), ("pose00", False, True), ("pose01", False, True),
        ("pose02", False, True),
    ]  # fmt: skip
    assert [t.azimuth for t in case.targets[:2]] == pytest.approx([0, 180], abs=5)
    moved = [t.view.body for t in case.targets[2:]]
    assert all(torch.equal(body.shape, case.source.body.shape) and not body.expression.any() for body in moved)
    assert torch.equal(moved[0].pose, moved[1].pose) and not torch.equal(moved[0].pose, moved[2].pose)


def test_poses_depend_on_the_person_alone(folder: Path) -> None:
    poses = Rigged(folder).case("b").targets[2].view.body.pose
    (folder / "a.glb").unlink()
    assert torch.equal(Rigged(folder).case("b").targets[2].view.body.pose, poses)
    assert not torch.equal(Rigged(folder).case("c").targets[2].view.body.pose, poses)


def test_people_lie_in_folders_of_their_own_as_they_are_published(folder: Path, tmp_path: Path) -> None:
    (folder / "Asian").mkdir()
    (folder / "b.glb").rename(folder / "Asian" / "b.glb")
    cases = opened("valid", folder, folder / "made", people=9, views=1)
    assert cases.people == ("a", "b", "c") and cases.case("b").person == "b"
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no rigged people .* at https://github\.com/c-frame/valid-avatars-glb"):
        _ = opened("valid", tmp_path / "empty", folder, people=1, views=1).people
    with pytest.raises(InputError, match="--fitted takes shards"):
        opened("valid", folder, folder / "made", people=1, views=1, fitted=True)
