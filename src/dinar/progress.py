"""What a long computation tells while it runs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


class Progress:
    """Keeps the time of each stage and shows nothing; subclasses show it.

    seconds  stage -> seconds, in the order of the stages; a stage that runs twice adds up
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times a block; nested stages count in both."""
        start = time.perf_counter()
        self.begin(name)
        try:
            yield
        finally:
            self.end(name)
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def track(self, items: Iterable[T], total: int, name: str) -> Iterator[T]:
        """Passes `items` on as a stage of `total` steps."""
        with self.stage(name):
            for done, item in enumerate(items, start=1):
                yield item
                self.advance(name, done / total)

    def begin(self, name: str) -> None:
        """A stage starts."""

    def advance(self, name: str, part: float) -> None:
        """A stage has come so far, [0, 1]."""

    def end(self, name: str) -> None:
        """A stage ends, well or not."""
