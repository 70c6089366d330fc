from __future__ import annotations

import threading

import pytest

from dinar.errors import InputError
from dinar.progress import Progress
from dinar.viewer.jobs import Jobs, State, sentence


def test_stages_are_told() -> None:
    jobs, told = Jobs(), []

    def work(progress: Progress) -> None:
        with progress.stage("look"):
            pass
        with progress.stage("fit"):
            progress.advance("fit", 0.5)

    assert jobs.state is None
    jobs.start("me", work, told.append)
    assert jobs.wait(10)
    assert [(state.stages, state.part, state.running) for state in told] == [
        (("look",), None, True),
        (("look", "fit"), None, True),
        (("look", "fit"), 0.5, True),
        (("look", "fit"), 0.5, False),
    ]
    assert jobs.state == State(1, "me", ("look", "fit"), 0.5, running=False)


def test_one_at_a_time() -> None:
    jobs, go = Jobs(), threading.Event()
    jobs.start("first", lambda _: go.wait(10) and None)
    with pytest.raises(InputError, match="first is still being made"):
        jobs.start("second", lambda _: None)
    assert not jobs.wait(0) and jobs.state.name == "first"
    go.set()
    assert jobs.wait(10)
    jobs.start("third", lambda _: None)
    assert jobs.wait(10) and jobs.state.number == 2 and jobs.state.error is None


def test_a_failure_stays_in_its_job(capsys: pytest.CaptureFixture) -> None:
    jobs, told = Jobs(), []

    def wrong(_: Progress) -> None:
        raise InputError("me shows no person")

    def broken(_: Progress) -> None:
        raise ZeroDivisionError("a bug")

    jobs.start("a", wrong, told.append)
    assert jobs.wait(10) and jobs.state.error == "me shows no person" and capsys.readouterr().err == ""
    jobs.start("b", broken, told.append)
    assert jobs.wait(10) and "ZeroDivisionError" in jobs.state.error and "\n" not in jobs.state.error
    assert "Traceback" in capsys.readouterr().err
    jobs.start("c", lambda _: None, told.append)
    assert jobs.wait(10) and jobs.state.error is None


def test_a_listener_that_fails_does_not_block_the_next_job(capsys: pytest.CaptureFixture) -> None:
    jobs = Jobs()

    def deaf(_: State) -> None:
        raise OSError("the page is closed")

    jobs.start("a", lambda _: None, deaf)
    assert jobs.wait(10)
    jobs.start("b", lambda _: None)
    assert jobs.wait(10) and jobs.state.error is None


def test_sentences() -> None:
    assert sentence(InputError("so")) == "so"
    assert "memory" in sentence(MemoryError())
