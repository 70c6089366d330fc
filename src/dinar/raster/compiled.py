"""Inner loops in machine code, and their share of the processor. Import it late: numba takes a second."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numba

BAND = 16  # rows that one thread draws in one go


def compiled(function: Callable, **options: object) -> Callable:
    """`function` in machine code, cached on disk where any cache folder can be written; `options` are numba's.

    Threads are Python's own and not numba's: its pools abort the process when two threads enter them at once or when
    it forks, and data loaders do both.
    """
    try:
        return numba.njit(cache=True, nogil=True, **options)(function)
    except RuntimeError:  # numba found no writable folder: a read-only install and a read-only home
        return numba.njit(nogil=True, **options)(function)


def bare(function: Callable) -> Callable:
    """`compiled` without arrays of its own: then numba counts no references to rows, which may take a third."""
    return compiled(function, _nrt=False, error_model="numpy")


def shared_out(job: Callable[[int], None], count: int, threads: int) -> None:
    """Calls `job` with 0 to `count` - 1, on so many threads."""
    jobs = iter(range(count))

    def work() -> None:
        for number in jobs:
            job(number)

    # This thread works too: after a parallel operation torch's idle threads hold the other cores for milliseconds.
    helpers = [_pool(os.getpid(), threads).submit(work) for _ in range(min(threads, count) - 1)]
    work()
    for helper in helpers:
        if not helper.cancel():
            helper.result()


@lru_cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Threads of this process: a forked child has none of its parent's."""
    return ThreadPoolExecutor(threads, thread_name_prefix="raster")
