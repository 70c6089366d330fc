from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dinar import batch
from dinar.avatar import Avatar
from dinar.errors import InputError
from dinar.parallel import children_threads
from dinar.pipeline import Source
from dinar.progress import Progress

CHILD = """
import os, sys
from pathlib import Path
from dinar import batch
from dinar.pipeline import Source

if __name__ == "__main__":
    photos = [Path(name) for name in sys.argv[2:]]
    tasks = batch.planned([Source(photo) for photo in photos], Path("people"))
    options = {"renderer": "texture", "refine": "none"}
    how = {"cluster": "local"} if sys.argv[1] == "ray" else {"jobs": int(sys.argv[1])}
    for done in batch.run(tasks, options, **how):
        print(done.photo, done.error)
"""


@pytest.fixture
def create(monkeypatch: pytest.MonkeyPatch, avatar: Avatar) -> list[tuple[Source, dict]]:
    """Avatars of all photos but those that are called bad or bug; what was asked for."""
    asked: list[tuple[Source, dict]] = []

    def made(source: Source, **options: Any) -> Avatar:
        asked.append((source, options))
        if "bad" in source.photo.name:
            raise InputError(f"{source.photo} shows no person")
        if "bug" in source.photo.name:
            raise ZeroDivisionError("one too many")
        return avatar

    monkeypatch.setattr(batch, "create", made)
    return asked


def sources(*names: str) -> list[Source]:
    return [Source(Path(name)) for name in names]


def test_names_of_avatars(tmp_path: Path) -> None:
    tasks = batch.planned(sources("a/me.jpg", "b/me.png", "b/ME.png", "b/.x.jpg", "you.jpg"), tmp_path / "people")
    assert [task.out.name for task in tasks] == ["me", "me-2", "ME-3", "x", "you"]
    assert not (tmp_path / "people").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        batch.planned(sources("me.jpg"), tmp_path / "file")


def test_a_bad_photo_does_not_stop_the_others(create: list, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    tasks = batch.planned(sources("a.jpg", "bad.jpg", "bug.jpg", "z.jpg"), tmp_path)
    progress = Progress()
    found = list(batch.run(tasks, {"seed": 3}, progress=progress))
    assert [str(done.photo) for done in found] == ["a.jpg", "bad.jpg", "bug.jpg", "z.jpg"]
    assert [done.avatar for done in found] == [tmp_path / "a", None, None, tmp_path / "z"]
    assert found[1].error == "bad.jpg shows no person" and "ZeroDivisionError" in found[2].error
    assert "Traceback" in capsys.readouterr().err
    assert found[0].fit == {"reprojection": 0.5, "mask_iou": 0.875, "unseen": ["left foot"]}
    assert Avatar.load(tmp_path / "a").shots[0].mask_iou == 0.875
    assert sorted(os.listdir(tmp_path)) == ["a", "z"] and list(progress.seconds) == ["avatars"]
    assert [options for _, options in create] == [{"seed": 3}] * 4


def test_folders_of_others_are_left_alone(create: list, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "notes.txt").write_text("mine")
    for _ in range(2):                            # the second time avatars are replaced
        found = list(batch.run(batch.planned(sources("a.jpg", "b.jpg"), tmp_path), {}))
        assert "holds other files" in found[0].error and found[0].fit is None and found[1].error is None
    assert os.listdir(tmp_path / "a") == ["notes.txt"] and Avatar.load(tmp_path / "b")


def test_a_parcel_holds_all_that_a_photo_needs(
    create: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("me.jpg", "bad.png", "mask.png"):
        (tmp_path / name).write_bytes(name.encode())
    source = Source(tmp_path / "me.jpg", person=2, mask=tmp_path / "mask.png")
    parcel = batch._Parcel.packed(batch.Task(source, Path("out")))
    (tmp_path / "me.jpg").unlink()                # another computer has no such file
    task, done, files = batch._there(parcel, {"seed": 1})
    assert task.source == source and done.photo == source.photo and done.error is None
    assert sorted(files) == ["avatar.json", "preview.png", "texture.safetensors"]
    there, options = create[0]
    assert there.person == 2 and there.photo.suffix == ".jpg" and options == {"seed": 1}
    assert not there.photo.exists() and there.photo != source.photo
    bad = Source(tmp_path / "bad.png")
    parcel = replace(batch._Parcel.packed(batch.Task(bad, Path("out"))), contents={"photo": b"not whole"})

    def refuse(source: Source, **_: Any) -> Avatar:
        raise InputError(f"{source.photo} is damaged")

    monkeypatch.setattr(batch, "create", refuse)
    assert batch._there(parcel, {})[1].error == f"{bad.photo} is damaged"      # as its owner calls it
    with pytest.raises(InputError, match=r"me\.jpg cannot be read"):
        batch._Parcel.packed(batch.Task(source, Path("out")))


def test_threads_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with children_threads(2):
        assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"] == "2"
    assert os.environ["OMP_NUM_THREADS"] == "7" and "MKL_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("how", ["2", "ray"])
def test_processes_and_clusters(how: str, tmp_path: Path) -> None:
    """Photos that nobody is in need no networks to be refused: bad files in two real workers."""
    if how == "ray":
        pytest.importorskip("ray", reason="needs ray (dinar's extra 'cluster')")
    (tmp_path / "text.jpg").write_text("hello")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "tiny.png")
    (tmp_path / "child.py").write_text(CHILD)
    command = [sys.executable, "child.py", how, "text.jpg", "tiny.png", "absent.jpg"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=500)
    assert run.returncode == 0, run.stderr
    lines = sorted(run.stdout.strip().splitlines())
    assert [line.split()[0] for line in lines] == ["absent.jpg", "text.jpg", "tiny.png"]
    assert all(line.split()[1] != "None" and "bug" not in line for line in lines)
