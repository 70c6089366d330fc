"""Progress bars for people at a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from dinar.progress import Progress as Quiet


class Bars(Quiet):
    """A bar a stage on stderr while the block runs; nothing stays, and nothing is shown where stderr is no terminal."""

    def __init__(self) -> None:
        super().__init__()
        console = Console(stderr=True)
        columns = (TextColumn("{task.description:10}"), BarColumn(), TimeElapsedColumn())
        self._bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def begin(self, name: str) -> None:
        self._tasks[name] = self._bars.add_task(name, total=None)

    def advance(self, name: str, part: float) -> None:
        self._bars.update(self._tasks[name], total=1.0, completed=part)

    def end(self, name: str) -> None:
        self._bars.update(self._tasks[name], total=1.0, completed=1.0)
        self._bars.stop_task(self._tasks[name])
