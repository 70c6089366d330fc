"""The notebook runs as it is written, and the API is as short as the README says."""

from __future__ import annotations

import inspect
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import dinar
from dinar import pipeline
from dinar.avatar import Avatar
from dinar.motion.motion import Motion

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOK = EXAMPLES / "first_steps.ipynb"


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, avatar: Avatar) -> None:
    """`dinar.create` looks at its photo, but makes a known person of it."""
    signature = inspect.signature(pipeline.create)

    def create(*arguments: Any, **options: Any) -> Avatar:
        photo = signature.bind(*arguments, **options).arguments["photos"]
        with Image.open(photo) as picture:
            picture.load()
        return avatar

    monkeypatch.setattr(pipeline, "create", create)


def test_the_notebook_runs(known: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert found["nbformat"] == 4
    cells = [cell for cell in found["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
    shutil.copy(EXAMPLES / "person.jpg", tmp_path)
    monkeypatch.chdir(tmp_path)
    load = Motion.load
    monkeypatch.setattr(Motion, "load", lambda what: load(what).clipped(0, 0.1))       # a few frames of each
    names: dict[str, Any] = {}
    for cell in cells:
        exec(compile("".join(cell["source"]), f"{NOTEBOOK.name}:{cell['id']}", "exec"), names)
    assert {path.name for path in tmp_path.iterdir()} == {
        "person.jpg", "person", "walk.mp4", "hello.webm", "person.glb",
    }  # fmt: skip
    assert names["row"].shape == (3, 384, 1024) and names["picture"].shape == (3, 384, 384)


def test_three_lines(known: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((80, 80, 3), np.uint8)).save("photo.jpg")
    avatar = dinar.create("photo.jpg")
    avatar.animate("walk", "out.mp4", size=(64, 64))
    avatar.export("me.glb")
    assert Path("out.mp4").read_bytes()[4:8] == b"ftyp" and Path("me.glb").read_bytes()[:4] == b"glTF"


def test_a_single_photo_needs_no_list() -> None:
    for photo in ("absent.jpg", Path("absent.jpg"), pipeline.Source(Path("absent.jpg")), ["absent.jpg"]):
        with pytest.raises(dinar.InputError, match=r"absent\.jpg"):
            dinar.create(photo, refine="none", renderer="texture")


def test_motions_are_named_or_given(avatar: Avatar, tmp_path: Path) -> None:
    with pytest.raises(dinar.InputError, match="moonwalk"):
        avatar.animate("moonwalk", tmp_path / "a.mp4")
    Motion.load("wave").clipped(0, 0.1).save(tmp_path / "hi.bvh")
    avatar.animate(str(tmp_path / "hi.bvh"), str(tmp_path / "a.mp4"), size=(32, 32))
    assert (tmp_path / "a.mp4").exists()
