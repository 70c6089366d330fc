"""How many threads torch uses, and work that several of them do at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch

MOST = 8   # jobs at a time: each takes memory

Job = TypeVar("Job")
Result = TypeVar("Result")


@contextmanager
def torch_threads(count: int | None = None) -> Iterator[None]:
    """Torch on `count` threads, or as many as before; afterwards on as many as before, whoever has changed it.

    numba's parallel loops share OpenMP with torch, and set its threads to their own number.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def in_order(function: Callable[[Job], Result], jobs: Iterable[Job]) -> Iterator[Result]:
    """What `map(function, jobs)` yields, as many jobs at a time as torch has threads (at most 8), each on one of them.

    Small pictures that are drawn side by side take less time than each on all threads: what torch divides among them
    is little, and between its operations they wait. Jobs are taken up as results are fetched.
    """
    threads = torch.get_num_threads()
    workers = min(threads, MOST)
    if threads == 1:
        yield from map(function, jobs)
        return
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for job in jobs:
                waiting.append(pool.submit(function, job))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            torch.set_num_threads(threads)   # the pool's word also holds for threads that others start later
            for future in waiting:
                future.cancel()
