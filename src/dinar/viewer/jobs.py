"""Long work beside the page: one job at a time, and what goes wrong in it stays in it."""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace

from dinar.errors import InputError
from dinar.progress import Progress


@dataclass(frozen=True)
class State:
    """How far a job has come.

    number   counts the jobs
    name     what is made
    stages   that have begun, in order; the last one runs
    part     of the last stage, [0, 1]; None where it is not known
    running  until it has ended, well or not
    error    the sentence that says why it failed
    """

    number: int
    name: str
    stages: tuple[str, ...] = ()
    part: float | None = None
    running: bool = True
    error: str | None = None


class Jobs:
    """Runs one job at a time in a thread of its own."""

    def __init__(self) -> None:
        self._state: State | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._ended.set()

    @property
    def state(self) -> State | None:
        """Of the job that runs or of the last one; None before the first."""
        return self._state

    def start(
        self,
        name: str,
        work: Callable[[Progress], None],
        told: Callable[[State], None] = lambda _: None,     # called at each change, from the job's thread
    ) -> None:
        """Returns at once. Raises InputError while another job runs."""
        with self._lock:
            if not self._ended.is_set():
                raise InputError(f"one thing at a time: {self._state.name} is still being made")
            self._ended.clear()
            self._state = State(1 if self._state is None else self._state.number + 1, name)
        threading.Thread(target=self._run, args=(work, told), name="dinar-job", daemon=True).start()

    def wait(self, seconds: float) -> bool:
        """Whether no job runs any more after at most so long."""
        return self._ended.wait(seconds)

    def _run(self, work: Callable[[Progress], None], told: Callable[[State], None]) -> None:
        def change(**fields: object) -> None:
            self._state = replace(self._state, **fields)
            if self._state.running:
                told(self._state)

        error = None
        try:
            work(Told(change))
        except Exception as reason:
            error = sentence(reason)
        change(running=False, error=error)
        self._ended.set()
        try:
            told(self._state)
        except Exception:
            traceback.print_exc(file=sys.stderr)


class Told(Progress):
    """Passes stages on."""

    def __init__(self, change: Callable[..., None]) -> None:
        super().__init__()
        self._change = change
        self._stages: tuple[str, ...] = ()

    def begin(self, name: str) -> None:
        self._stages = (*self._stages, name)
        self._change(stages=self._stages, part=None)

    def advance(self, name: str, part: float) -> None:
        self._change(part=part)


def sentence(error: Exception) -> str:
    """What a user is told; a bug's traceback goes to stderr."""
    if isinstance(error, InputError):
        return str(error)
    traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, MemoryError):
        return "this computer has too little memory for that"
    return f"something went wrong here ({type(error).__name__}); the terminal says more, and the page goes on"
