from __future__ import annotations

import json
from collections.abc import Callable

import torch
from commands.program import Run


def test_doctor(dinar: Callable[..., Run]) -> None:
    found = json.loads(dinar("doctor", "--json").stdout)
    assert found["versions"]["torch"] == torch.__version__
    assert "pose_detection.tflite" in dinar("doctor").stdout
