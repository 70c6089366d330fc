"""The program as tests run it."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    code: int
    stdout: str
    stderr: str


def refused(run: Run, *words: str) -> None:
    """One sentence on stderr, exit code 2, no traceback, nothing on stdout and nothing written."""
    assert run.code == 2, run
    assert run.stdout == ""
    assert run.stderr.startswith("dinar: ") and run.stderr.count("\n") == 1 and run.stderr.endswith("\n"), run.stderr
    for word in words:
        assert word in run.stderr
    assert os.listdir(".") == []
