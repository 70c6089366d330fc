from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from commands.program import Run

from dinar import cli

PROGRAM = (sys.executable, "-m", "dinar")


def test_help_is_quick_and_names_every_command() -> None:
    run = subprocess.run([*PROGRAM, "--help"], capture_output=True, text=True)
    assert run.returncode == 0
    for command in cli.COMMANDS:
        assert command in run.stdout


def test_version(dinar: Callable[..., Run]) -> None:
    found = dinar("--version")
    assert found.code == 0 and found.stdout == f"dinar {version('dinar')}\n"


def test_unknown_words_are_refused(dinar: Callable[..., Run], made: Path) -> None:
    for arguments in (["sing"], ["render", made, "--view", "above", "-o", "a.png"], ["render", made]):
        run = dinar(*arguments)
        assert run.code == 2 and run.stdout == "" and "Traceback" not in run.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_leaves_nothing(made: Path, tmp_path: Path, number: int, code: int) -> None:
    out = tmp_path / "here" / "walk"
    out.parent.mkdir()
    arguments = ("animate", made, "walk", "-o", out, "--seconds", "300", "--size", "64")
    program = subprocess.Popen(
        [*PROGRAM, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),     # a shell's background jobs ignore it
    )  # fmt: skip
    try:
        while program.poll() is None and not any(out.parent.glob(".walk.*/new/00003.png")):
            time.sleep(0.05)
        program.send_signal(number)
        stdout, stderr = program.communicate(timeout=60)
    finally:
        program.kill()
    assert program.returncode == code and stdout == "" and "Traceback" not in stderr
    assert os.listdir(out.parent) == []


def test_a_command_is_read_without_the_others() -> None:
    code = "import sys; sys.argv[1:] = ['doctor', '--help']; from dinar.cli import main; main()"
    code = f"import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); {code}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0 and "--fetch" in run.stdout
    modules = run.stderr.split()
    assert "dinar.commands.doctor" in modules
    assert not {"dinar.commands.create", "dinar.commands.training", "torch", "numpy"} & set(modules)


def test_a_pipe_that_nobody_reads_is_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows says EINVAL of it, and of nothing that has a name."""
    assert not cli._closed_on_windows(OSError(errno.EINVAL, "Invalid argument"))
    monkeypatch.setattr(cli.sys, "platform", "win32")
    assert cli._closed_on_windows(OSError(errno.EINVAL, "Invalid argument"))
    assert not cli._closed_on_windows(OSError(errno.EINVAL, "Invalid argument", "a?b"))
