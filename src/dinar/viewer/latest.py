"""Work where only the newest request of each asker counts."""

from __future__ import annotations

import threading
import time
from typing import Generic, TypeVar

K = TypeVar("K")
T = TypeVar("T")


class Latest(Generic[K, T]):
    """One waiting item a key; a newer one takes its place, so that whoever is slow skips and never lags.

    Keys are served in turn: a newer item inherits the place of the one that it replaces. Waiting costs no CPU.
    """

    def __init__(self) -> None:
        self._waiting: dict[K, tuple[float, T]] = {}
        self._changed = threading.Condition()
        self._closed = False

    def put(self, key: K, item: T) -> None:
        """To be taken at once."""
        with self._changed:
            self._waiting[key] = (0.0, item)
            self._changed.notify_all()

    def later(self, key: K, item: T, seconds: float) -> None:
        """To be taken after some time, unless something else waits under that key by then or does so already."""
        with self._changed:
            if key not in self._waiting:
                self._waiting[key] = (time.monotonic() + seconds, item)
                self._changed.notify_all()

    def drop(self, key: K) -> None:
        with self._changed:
            self._waiting.pop(key, None)

    def take(self) -> tuple[K, T] | None:
        """Waits for the next item that is due; None once the mailbox is closed."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                for key, (due, item) in self._waiting.items():
                    if due <= now:
                        del self._waiting[key]
                        return key, item
                dues = [due for due, _ in self._waiting.values()]
                self._changed.wait(min(dues) - now if dues else None)
            return None

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
