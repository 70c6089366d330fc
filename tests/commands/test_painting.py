from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from commands.program import Run, refused

from dinar.avatar import Avatar


def test_merge(dinar: Callable[..., Run], made: Path) -> None:
    run = dinar("merge", made, made, "-o", "both.zip", "--json")
    assert run.code == 0
    found = json.loads(run.stdout)
    assert found["files"] == ["both.zip"] and found["photos"] == 2
    one, both = Avatar.load(made), Avatar.load(Path("both.zip"))
    assert torch.allclose(both.texture.rgb, one.texture.rgb, atol=1e-3) and torch.allclose(both.shape, one.shape)
    assert os.listdir(".") == ["both.zip"]


def test_an_avatar_is_painted_anew(dinar: Callable[..., Run], made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dinar import painting
    from dinar.inpainting import inpainter

    asked = []

    class Painter:
        def to(self, _: str) -> Painter:
            return self

    def inpainted(avatar: Avatar, painter: object, **options: Any) -> Avatar:
        asked.append(options)
        return avatar

    monkeypatch.setattr(inpainter, "shipped", Painter)
    monkeypatch.setattr(painting, "inpainted", inpainted)
    run = dinar("inpaint", made, "-o", "new", "--repaint", "head", "--seed", "5", "--seeds", "2")
    assert run.code == 0 and sorted(os.listdir(".")) == ["new", "new-2", "new-backs.png"]
    assert asked == [{"parts": ("head",), "seed": 5}, {"parts": ("head",), "seed": 6}]


def test_an_output_that_cannot_be_written(dinar: Callable[..., Run], bad: Path, made: Path) -> None:
    refused(dinar("merge", made, made, "-o", bad / "text.jpg" / "x"), "cannot be written")
