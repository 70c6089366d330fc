"""A small run of `tools/fuzz.py`: damaged files are read or refused with a sentence."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

TOOLS = Path(__file__).parents[1] / "tools"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    sys.path.insert(0, str(TOOLS))
    try:
        return importlib.import_module("fuzz")
    finally:
        sys.path.remove(str(TOOLS))


def test_damaged_files_are_read_or_refused(tool: ModuleType, tmp_path: Path) -> None:
    sound = tool.inputs()
    assert {one.reader for one in sound} == set(tool.READERS)
    found = tool.fuzz(range(150), 7, sound, workers=1)
    assert sorted(one.run for one in found) == list(range(150))
    assert [one for one in found if one.kind not in ("read", "refused")] == []
    assert {one.kind for one in found} == {"read", "refused"}


def test_sound_files_are_read_and_a_run_is_the_same_again(tool: ModuleType, tmp_path: Path) -> None:
    sound = tool.inputs()
    for number, one in enumerate(sound):
        path = tool._written(tool.Damaged(one.name, one.reader, one.entry, one.files), tmp_path / str(number))
        tool.read(path, one.reader)
    assert tool.damaged(sound, 1, 5) == tool.damaged(sound, 1, 5) != tool.damaged(sound, 1, 6)


def test_what_goes_wrong_is_told(tool: ModuleType, tmp_path: Path) -> None:
    """A worker that dies is replaced, and the next run is read."""
    sound = [one for one in tool.inputs() if one.name == "grey.png"]
    worker = tool.Worker(0, sound, tmp_path)
    try:
        worker.start(0)
        worker.process.kill()
        while (result := worker.result()) is None:
            pass
        assert result[0] == "died"
        worker.start(1)
        while (result := worker.result()) is None:
            pass
        assert result[0] in ("read", "refused")
    finally:
        worker.close()
