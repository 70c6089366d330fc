from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from commands.program import Run, refused
from PIL import Image

from dinar import images
from dinar.avatar import Avatar


@pytest.mark.parametrize("view", ["front", "back", "left", "right"])
def test_render_a_side(dinar: Callable[..., Run], made: Path, view: str) -> None:
    run = dinar("render", made, "--view", view, "--size", "70x90", "-o", "a.png", "--background", "#00ff00")
    assert run.code == 0 and run.stdout.startswith("a.png")
    found = images.load(Path("a.png"))
    assert found.shape == (3, 90, 70) and torch.equal(found[:, 0, 0], torch.tensor([0.0, 1.0, 0.0]))
    assert os.listdir(".") == ["a.png"]


def test_render_as_in_the_photo(dinar: Callable[..., Run], made: Path) -> None:
    assert dinar("render", made, "--view", "photo", "-o", "a.png", "--background", "transparent").code == 0
    with Image.open("a.png") as picture:
        assert picture.size == (61, 97) and picture.mode == "RGBA"


def test_a_turntable_as_frames(dinar: Callable[..., Run], made: Path) -> None:
    run = dinar("render", made, "--view", "turntable", "--fps", "3", "--seconds", "2", "--size", "48", "-o", "turn")
    assert run.code == 0
    assert sorted(path.name for path in Path("turn").glob("*.png")) == [f"{k:05d}.png" for k in range(6)]


def test_animate_prints_one_json_object(dinar: Callable[..., Run], made: Path) -> None:
    options = ("--size", "64", "--seconds", "0.5", "--fps", "8", "--json")
    run = dinar("animate", made, "walk", "-o", "deep/walk.mp4", *options)
    assert run.code == 0
    found = json.loads(run.stdout)
    assert found["files"] == ["deep/walk.mp4"] and found["frames"] == 4 and found["fps"] == 8
    assert set(found["seconds"]) == {"load", "draw"}
    assert Path("deep/walk.mp4").stat().st_size > 500 and os.listdir("deep") == ["walk.mp4"]


def test_alive_hands_over_what_was_asked_for(
    dinar: Callable[..., Run], made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dinar.scene import alive as module

    asked: dict[str, Any] = {}

    def alive(source, motion, path, **options):
        asked.update(options, source=source, motion=motion)
        path.write_bytes(b"film")
        return SimpleNamespace(frames=len(motion), fps=motion.fps)

    monkeypatch.setattr(module, "alive", alive)
    options = ("--avatar", made, "--person", 2, "--fps", 10, "--seconds", 2, "--in-place", "no", "--refine", "none")
    run = dinar("alive", "me.jpg", "walk", "-o", "out.mp4", *options, "--size", 320, "--json")
    found = json.loads(run.stdout)
    assert run.code == 0 and found["files"] == ["out.mp4"] and found["frames"] == 20 and found["fps"] == 10
    assert asked["source"].person == 2 and asked["source"].photo == Path("me.jpg")
    assert asked["longest"] == 320 and asked["in_place"] is False and asked["refine"] == "none"
    assert isinstance(asked["avatar"], Avatar)
    assert dinar("alive", "me.jpg", "walk", "-o", "out.mp4").code == 0
    assert asked["avatar"] is None and asked["in_place"] is None and asked["longest"] == 1280


def test_alive_refuses_in_one_sentence(dinar: Callable[..., Run], made: Path) -> None:
    refused(dinar("alive", "none.jpg", "walk", "-o", "a.mp4"), "none.jpg", "does not exist")
    refused(dinar("alive", "none.jpg", "moonwalk", "-o", "a.mp4"), "moonwalk")
    refused(dinar("alive", "none.jpg", "walk", "-o", "a.txt"), "a.txt")
    refused(dinar("alive", "none.jpg", "walk", "-o", "a.mp4", "--size", "7"), "--size 7")
    refused(dinar("alive", "none.jpg", "walk", "-o", "a.mp4", "--avatar", "nobody"), "nobody")


def test_the_renderer_can_be_chosen(
    dinar: Callable[..., Run], made: Path, avatar: Avatar, appearance: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    channels = torch.randn(1, 16, 32, 32, generator=torch.Generator().manual_seed(1))
    neural = replace(avatar, texture=replace(avatar.texture, generated=channels), weights=appearance.name)
    monkeypatch.setattr("dinar.avatar.known.shipped", lambda: appearance)
    neural.save(Path("me"))
    pictures = {}
    for options in ((), ("--renderer", "neural"), ("--renderer", "texture")):
        run = dinar("render", "me", "-o", "a.png", "--size", "96", *options)
        assert run.code == 0 and run.stderr == ""
        pictures[options[-1:]] = images.load(Path("a.png"))
    assert torch.equal(pictures[()], pictures["neural",]) and not torch.equal(pictures[()], pictures["texture",])
    options = ("--size", "32", "--seconds", "0.2", "-o", "walk")
    assert dinar("animate", "me", "walk", "--renderer", "texture", *options).code == 0
    run = dinar("render", made, "-o", "b.png", "--renderer", "neural")
    assert run.code == 2 and "make it again" in run.stderr and not Path("b.png").exists()
    monkeypatch.setattr("dinar.avatar.known.shipped", lambda: replace(appearance, name="small-00000000"))
    run = dinar("render", "me", "-o", "b.png", "--size", "32")
    assert run.code == 0 and appearance.name in run.stderr and run.stderr.count("\n") == 1


def test_damaged_avatars(dinar: Callable[..., Run], bad: Path, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 no more")
    for path in (tmp_path / "a.zip", bad, tmp_path / "absent"):
        refused(dinar("render", path, "-o", "a.png"), str(path))
        refused(dinar("animate", path, "walk", "-o", "a.mp4"), str(path))


def test_outputs_that_cannot_be_written(dinar: Callable[..., Run], bad: Path, made: Path) -> None:
    inside = bad / "text.jpg" / "x"          # a file as a folder: refused for every user, root too
    refused(dinar("animate", made, "walk", "-o", inside.with_suffix(".mp4")), "cannot be written")
    refused(dinar("animate", made, "walk", "-o", "a.txt"), "a.txt")
    refused(dinar("animate", made, "walk", "-o", bad), "holds other files")
    refused(dinar("render", made, "-o", inside.with_suffix(".png")), "cannot be written")
    refused(dinar("render", made, "--view", "turntable", "-o", inside.with_suffix(".mp4")), "cannot be written")
    refused(dinar("render", made, "-o", "a.gif"), "a.gif")


def test_bad_options(dinar: Callable[..., Run], bad: Path, made: Path) -> None:
    refused(dinar("animate", made, "moonwalk", "-o", "a.mp4"), "moonwalk", "walk")
    refused(dinar("animate", made, bad / "text.jpg", "-o", "a.mp4"), "text.jpg")
    for option in ("--fps", "--seconds"):
        for value in ("0", "-1", "nan", "1e9"):
            refused(dinar("animate", made, "walk", "-o", "a.mp4", option, value), option)
            refused(dinar("render", made, "-o", "a.png", option, value), option)
    for size in ("0", "10x", "axb", "1x2x3", "100000", "-5"):
        refused(dinar("render", made, "-o", "a.png", f"--size={size}"), "--size")
    refused(dinar("render", made, "-o", "a.png", "--background", "reddish"), "reddish")
    refused(dinar("render", made, "-o", "a.jpg", "--background", "transparent"), "a.jpg")
    refused(dinar("animate", made, "walk", "-o", "a.mp4", "--background", "transparent"), "a.mp4")
    refused(dinar("render", made, "-o", "a.png", "--device", "abacus"), "abacus")
