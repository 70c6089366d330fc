"""`tools/train.py` as a module, for tests of how weights are packed."""

from __future__ import annotations

from types import ModuleType

import pytest
from tooling import TOOLS, load_tool

SAID = {"preset": "tiny", "learnt_from": "two people", "machine": "this one"}


def load_tools(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    return load_tool("train")
