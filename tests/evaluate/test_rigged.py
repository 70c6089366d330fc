from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dinar.avatar import open_body
from dinar.body.model import Body, BodyModel
from dinar.camera import framing
from dinar.errors import InputError
from dinar.evaluate import rigged
from dinar.evaluate.cases import MOTION, PERSON
from dinar.evaluate.protocols import opened
from dinar.evaluate.rigged import Rigged
from dinar.evaluate.studies import Sitting, Study
from dinar.synth.view import View


@dataclass(frozen=True)
class Figure:
    """What poses are made for."""

    model: BodyModel
    shape: Tensor
    rest: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), np.float32))      # without hair
    kind: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))


@dataclass(frozen=True)
class Posed:
    """Stands for a lit scene."""

    figure: Figure
    body: Body
    meter: float = 1.0


def pictured(posed: Posed, azimuths: list[float]) -> list[View]:
    """Views without pictures."""
    vertices = posed.figure.model(posed.body).vertices[0]
    return [View(torch.empty(0), torch.empty(0), framing(vertices, a, 0.0, (512, 512)), posed.body) for a in azimuths]


def one_study(sitting: Sitting, *, sides: dict[str, float]) -> list[Study]:
    assert sides == {"left": 90.0}
    body = replace(sitting.person.model.neutral(), shape=sitting.person.shape)
    (view,) = pictured(Posed(sitting.person, body), [90.0])
    return [Study("left", PERSON, view), Study("walk00", MOTION, view)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b", "a", "c"):
        (tmp_path / f"{name}.glb").write_bytes(name.encode())
    model = open_body()
    figure = Figure(model, torch.full((1, len(model.shape_basis)), 0.1))
    monkeypatch.setattr(rigged, "load_person", lambda path: (figure, None))
    monkeypatch.setattr(rigged, "arrange", Posed)
    monkeypatch.setattr(rigged, "illuminate", lambda scene, light: scene)
    monkeypatch.setattr(rigged, "_taken", pictured)
    monkeypatch.setattr(rigged, "studies", one_study)
    return tmp_path


def test_a_pose_front_in_front_and_back_and_new_poses_out(folder: Path) -> None:
    cases = opened("valid", folder, folder / "made", people=2, views=3)
    assert isinstance(cases, Rigged) and cases.people == ("a", "b")
    case = cases.case("a")
    assert case.source is case.targets[0].view and not case.source.body.pose.any()
    assert [(t.name, t.same, t.moved) for t in case.targets] == [
        ("front", True, False), ("back", False, False), ("pose00", False, True), ("pose01", False, True),
        ("pose02", False, True), ("left", False, False), ("walk00", False, True),
    ]  # fmt: skip
    assert case.opposite == ("front", "back") and [t.kind for t in case.targets[-2:]] == [PERSON, MOTION]
    assert [t.azimuth for t in case.targets[:2]] == pytest.approx([0, 180], abs=5)
    moved = [t.view.body for t in case.targets[2:5]]
    assert all(torch.equal(body.shape, case.source.body.shape) and not body.expression.any() for body in moved)
    assert torch.equal(moved[0].pose, moved[1].pose) and not torch.equal(moved[0].pose, moved[2].pose)


def test_poses_depend_on_the_person_alone(folder: Path) -> None:
    poses = Rigged(folder).case("b").targets[2].view.body.pose
    (folder / "a.glb").unlink()
    assert torch.equal(Rigged(folder).case("b").targets[2].view.body.pose, poses)
    assert not torch.equal(Rigged(folder).case("c").targets[2].view.body.pose, poses)


def test_a_changed_file_is_another_person(folder: Path) -> None:
    before = {name: Rigged(folder).digest(name) for name in "ab"}
    (folder / "b.glb").write_bytes(b"other")
    assert Rigged(folder).digest("a") == before["a"] and Rigged(folder).digest("b") != before["b"]
    with pytest.raises(InputError, match="nobody called z"):
        Rigged(folder).digest("z")


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
