from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module

import pytest
import torch
from commands.program import Run


def test_doctor(dinar: Callable[..., Run]) -> None:
    found = json.loads(dinar("doctor", "--json").stdout)
    plain = torch.__version__.partition("+")[0]            # wheels of an index need not name what they are built for
    assert found["versions"]["torch"].partition("+")[0] == plain
    assert "pose_detection.tflite" in dinar("doctor").stdout


def test_getting_ready(dinar: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is slow the first time is done for real; only the download is not."""
    from dinar import doctor

    asked = []
    monkeypatch.setattr(doctor, "fetch", lambda store, *, optional: asked.append(optional))
    assert json.loads(dinar("doctor", "--warm", "--json").stdout)["models"]
    assert "pose_detection.tflite" in dinar("doctor", "--warm", "--fetch", "all").stdout
    assert asked == [False, True]
    for module, name in (("raster.cpu", "_draw"), ("scene.patches", "vote"), ("export.collapse", "collapsed")):
        assert getattr(import_module(f"dinar.{module}"), name).signatures
