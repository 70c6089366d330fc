"""Networks look at photos in a process of their own, while this one loads torch, which takes as long."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import repeat
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from dinar.errors import InputError
from dinar.photo.source import Source

if TYPE_CHECKING:
    from dinar.photo.sighting import Sighting  # with what looks, which only the other process loads

@contextmanager
def looking(sources: Sequence[Source]) -> Iterator[Iterator[Sighting | None]]:
    """Sightings of photos in their order, each awaited as it is taken; the process ends with the block.

    None instead where this process is to look itself: the user brings masks or keypoints, torch is loaded already, or
    there is one processor. Where a photo cannot be used, taking its sighting raises the InputError.
    """
    loaded, given = "torch" in sys.modules, any(source.mask or source.keypoints for source in sources)
    if loaded or given or (os.cpu_count() or 1) < 2:
        yield repeat(None)
        return
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    jobs = [(source.photo, source.person) for source in sources]
    process = context.Process(target=_look, args=(theirs, jobs), daemon=True)
    process.start()
    theirs.close()
    try:
        yield _received(ours)
    finally:
        ours.close()
        process.terminate()
        process.join()


def _received(ours: Connection) -> Iterator[Sighting | None]:
    """What the other process sends; None from where it ended before its time, on what is raised here as well."""
    while True:
        try:
            found = ours.recv()
        except EOFError:
            break
        if isinstance(found, InputError):
            raise found
        yield found
    yield from repeat(None)


def _look(theirs: Connection, jobs: Sequence[tuple[Path, int | None]]) -> None:
    """Looks at photos and sends what it sees, the one while it looks at the next."""
    import cv2

    from dinar.photo.sighting import sight
    from dinar.store import Store

    cv2.setNumThreads(1)                                # the other processor loads torch
    signal.signal(signal.SIGINT, signal.SIG_IGN)        # the other process ends this one
    store = Store()
    with ThreadPoolExecutor(1) as sender:
        for path, person in jobs:
            try:
                found = sight(path, store, person=person)
            except InputError as error:
                sender.submit(theirs.send, error)
                return
            sender.submit(theirs.send, found)
