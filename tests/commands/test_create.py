from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands.program import Run, refused
from PIL import Image

from dinar.avatar import Avatar
from dinar.commands.create import sources_of
from dinar.commands.values import expanded
from dinar.errors import InputError
from dinar.store import Store


def test_fit_and_create_of_a_known_person(
    dinar: Callable[..., Run], avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dinar import pipeline

    asked = []

    def create(sources: list, seeds: range, **options: Any) -> list[Avatar]:
        asked.extend([options | {"seeds": [*seeds]}, *sources])
        progress = options["progress"]
        with progress.stage("look"):
            return [avatar] * len(seeds)

    def overlay_of(source: object, *, model: object, progress: object, seen: object) -> tuple:
        asked.append(source)
        return torch.zeros(3, 8, 8), avatar.shots[0]

    monkeypatch.setattr(pipeline, "create_several", create)
    monkeypatch.setattr(pipeline, "overlay_of", overlay_of)
    run = dinar("create", "me.jpg", "-o", "me", "--person", "2", "--json")
    found = json.loads(run.stdout)
    assert run.code == 0 and found["files"] == ["me", "me/preview.png"]
    assert list(found["seconds"]) == ["look", "save"]
    residuals = {"photo": "me.jpg", "reprojection": 0.5, "mask_iou": 0.875, "unseen": ["left foot"]}
    assert found["fits"] == [residuals]
    assert asked[-1] == pipeline.Source(Path("me.jpg"), person=2)
    assert (asked[0]["renderer"], asked[0]["refine"], asked[0]["inpaint"]) == ("neural", "residuals", True)
    assert asked[0]["layers"] is True
    assert asked[0]["seeds"] == [0]
    asked.clear()
    options = ("--renderer", "texture", "--refine", "none", "--no-inpaint", "--no-layers", "--seed", "3")
    run = dinar("create", "me.jpg", "-o", "me.zip", *options)
    assert (asked[0]["renderer"], asked[0]["refine"], asked[0]["inpaint"]) == ("texture", "none", False)
    assert asked[0]["layers"] is False
    assert asked[0]["seeds"] == [3]
    assert run.code == 0 and "not seen: left foot" in run.stdout and "me.zip" in run.stdout
    run = dinar("fit", "me.jpg", "-o", "fit.png", "--mask", "mask.png", "--json")
    assert json.loads(run.stdout)["fits"] == [residuals] and asked[-1].mask == Path("mask.png")
    assert sorted(os.listdir(".")) == ["fit.png", "me", "me.zip"]


def test_several_backs(dinar: Callable[..., Run], avatar: Avatar, monkeypatch: pytest.MonkeyPatch) -> None:
    from dinar import pipeline

    refused(dinar("create", "me.jpg", "-o", "me.zip", "--seeds", "0"), "--seeds 0")
    monkeypatch.setattr(pipeline, "create_several", lambda _, seeds, **options: [avatar] * len(seeds))
    run = dinar("create", "me.jpg", "-o", "me.zip", "--seeds", "3", "--json")
    assert json.loads(run.stdout)["files"] == ["me.zip", "me-2.zip", "me-3.zip", "me-backs.png"]
    assert sorted(os.listdir(".")) == ["me-2.zip", "me-3.zip", "me-backs.png", "me.zip"]
    sheet = np.asarray(Image.open("me-backs.png"))
    assert sheet.shape == (512, 3 * 320, 3) and np.array_equal(sheet[:, :320], sheet[:, 640:])


def test_each_photo_becomes_an_avatar(
    dinar: Callable[..., Run], avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dinar import batch

    asked = []

    def create(source: Any, **options: Any) -> Avatar:
        asked.append((source, options))
        if "bad" in source.photo.name:
            raise InputError(f"{source.photo} shows no person")
        return avatar

    monkeypatch.setattr(batch, "create", create)
    run = dinar("create", "a.jpg", "bad.jpg", "b.jpg", "-o", "people", "--each", "--seed", "4", "--person", "2")
    assert run.code == 2 and run.stderr == "dinar: bad.jpg shows no person\n"
    lines = run.stdout.splitlines()
    assert len(lines) == 3 and lines[0].startswith("a.jpg -> people/a (landmarks 0.50 % off, mask overlap 0.88")
    assert lines[2].startswith("people: 2 of 3 photos became avatars in ")
    assert sorted(os.listdir("people")) == ["a", "b"]
    assert all(source.person == 2 and options["seed"] == 4 for source, options in asked)
    run = dinar("create", "a.jpg", "bad.jpg", "-o", "people", "--each", "--json")
    found = json.loads(run.stdout)
    assert run.code == 2 and found["files"] == ["people/a"] and found["failures"][0]["photo"] == "bad.jpg"
    assert found["avatars"][0]["mask_iou"] == 0.875 and found["avatars"][0]["avatar"] == "people/a"
    assert dinar("create", "a.jpg", "-o", "more", "--each").code == 0 and Avatar.load("more/a").weights is None


def test_what_batches_refuse(dinar: Callable[..., Run]) -> None:
    refused(dinar("create", "a.jpg", "-o", "people", "--jobs", "2"), "--each")
    refused(dinar("create", "a.jpg", "-o", "people", "--ray", "local"), "--each")
    refused(dinar("create", "a.jpg", "-o", "people", "--each", "--jobs", "0"), "--jobs")
    refused(dinar("create", "a.jpg", "-o", "people", "--each", "--seeds", "3"), "--seeds")
    refused(dinar("create", "-o", "people", "--each"), "needs a photo")


def test_photos_and_what_belongs_to_them() -> None:
    photos, masks = [Path("a"), Path("b")], [Path("m"), Path("n")]
    found = sources_of(photos, [3], masks, [])
    assert [(s.photo, s.person, s.mask, s.keypoints) for s in found] == [
        (Path("a"), 3, Path("m"), None),
        (Path("b"), 3, Path("n"), None),
    ]


@pytest.mark.parametrize("command", ["create", "fit"])
@pytest.mark.parametrize(
    ("name", "reason"),
    {
        "absent.jpg": "absent.jpg", "": "folder", "text.jpg": "text.jpg", "empty.jpg": "empty.jpg",
        "cut.jpg": "damaged", "huge.png": "megapixels",
    }.items(),
)  # fmt: skip
def test_bad_photos(dinar: Callable[..., Run], bad: Path, command: str, name: str, reason: str) -> None:
    refused(dinar(command, bad / name, "-o", "a.png" if command == "fit" else "a"), reason)


def test_nobody_in_the_photo(dinar: Callable[..., Run], bad: Path) -> None:
    if any(status.path is None and not status.file.optional for status in Store().table()):
        pytest.skip("needs the models that `dinar doctor --fetch needed` downloads")
    refused(dinar("create", bad / "noise.jpg", "-o", "a"), "shows no person")
    refused(dinar("create", bad / "noise.jpg", "-o", "a", "--mask", bad / "small.png"), "64 x 64", "150 x 200")


def test_no_models_and_no_network(
    dinar: Callable[..., Run], bad: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DINAR_MODELS", str(bad))
    monkeypatch.setenv("DINAR_CACHE", str(tmp_path / "cache"))
    refused(dinar("create", bad / "noise.jpg", "-o", "a"), "DINAR_MODELS")


def test_outputs_that_cannot_be_written(dinar: Callable[..., Run], bad: Path) -> None:
    inside = bad / "text.jpg" / "x"          # a file as a folder: refused for every user, root too
    photo = bad / "absent.jpg"               # the output is looked at first
    refused(dinar("create", photo, "-o", inside), "cannot be written")
    refused(dinar("create", photo, "-o", bad), "holds other files")
    refused(dinar("create", photo, "-o", bad / "text.jpg"), "is a file")
    refused(dinar("fit", photo, "-o", inside.with_suffix(".png")), "cannot be written")
    refused(dinar("fit", photo, "-o", "a.txt"), "a.txt", ".png")


def test_bad_options(dinar: Callable[..., Run], bad: Path) -> None:
    photo = bad / "noise.jpg"
    refused(dinar("fit", photo, "-o", "a.png", "--smplx", bad / "absent.npz"), "absent.npz")
    refused(dinar("fit", photo, "-o", "a.png", "--smplx", bad / "absent.npz", "--age", "child"), "--age child")
    refused(dinar("create", photo, photo, "-o", "a", "--mask", bad / "small.png"), "--mask", "2 photos")
    refused(dinar("create", "-o", "a"), "needs a photo")


def test_patterns_become_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows' shells leave `*.jpg` to the program."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.jpg", "a.jpg", "c.png", "odd*.png"):
        (tmp_path / name).touch()
    given = [Path("c.png"), Path("*.jpg"), Path("odd*.png"), Path("none?.jpg")]
    assert expanded(given) == [Path(p) for p in ("c.png", "a.jpg", "b.jpg", "odd*.png", "none?.jpg")]
