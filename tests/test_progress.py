from __future__ import annotations

import pytest

from dinar.progress import Progress


class Recorder(Progress):
    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple] = []

    def begin(self, name: str) -> None:
        self.calls.append(("begin", name))

    def advance(self, name: str, part: float) -> None:
        self.calls.append((name, part))

    def end(self, name: str) -> None:
        self.calls.append(("end", name))


def test_stages_are_timed_in_their_order_and_add_up() -> None:
    progress = Progress()
    with progress.stage("b"), progress.stage("a"):
        pass
    first = progress.seconds["a"]
    with progress.stage("a"):
        pass
    assert set(progress.seconds) == {"a", "b"} and progress.seconds["a"] > first


def test_a_failing_stage_is_ended_and_timed() -> None:
    progress = Recorder()
    with pytest.raises(ValueError), progress.stage("a"):
        raise ValueError
    assert progress.calls == [("begin", "a"), ("end", "a")] and "a" in progress.seconds


def test_track_passes_items_on() -> None:
    progress = Recorder()
    assert list(progress.track("xy", 2, "draw")) == ["x", "y"]
    assert progress.calls == [("begin", "draw"), ("draw", 0.5), ("draw", 1.0), ("end", "draw")]
