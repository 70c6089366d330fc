"""How many threads torch uses, and work that several threads or processes do at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.pool import Pool
from types import ModuleType
from typing import TypeVar

import torch

from dinar.errors import InputError

MOST = 8   # jobs at a time: each takes memory
_THREADS = (
    "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENCV_FOR_THREADS_NUM",
)  # fmt: skip

Job = TypeVar("Job")
Result = TypeVar("Result")


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Torch on `count` threads; afterwards on as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
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


@contextmanager
def beside(function: Callable[[], Result]) -> Iterator[Future[Result]]:
    """Calls a function in a thread while the block runs; both are done afterwards, whichever of them fails.

    Torch has as many threads there as here, whatever the block asks for itself (`torch_threads`): a thread takes the
    number that was set last when it first computes, and results depend on it.
    """
    with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(torch.get_num_threads(),)) as pool:
        pool.submit(torch.get_num_threads).result()     # the number is set now, for that sets it here for later threads
        future = pool.submit(function)
        yield future
    future.result()


@contextmanager
def children_threads(count: int) -> Iterator[None]:
    """Processes that start meanwhile compute on so many threads."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, str(count)))      # read while the children import what computes
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def one_thread_processes(count: int) -> Iterator[Pool]:
    """Processes of one thread each: results of floating-point sums depend on the number of threads."""
    with children_threads(1), multiprocessing.get_context("spawn").Pool(count, _begin) as pool:
        yield pool


@contextmanager
def ray_cluster(address: str) -> Iterator[ModuleType]:
    """Ray, joined to the cluster at an address, or to one started here for "local"; left again if it was joined here.

    Raises InputError where Ray is not installed or does not answer.
    """
    try:
        import ray
    except ImportError as error:
        raise InputError("a cluster needs Ray; install it with dinar's extra 'cluster'") from error
    joined = not ray.is_initialized()
    if joined:
        try:
            ray.init(None if address == "local" else address, log_to_driver=False)
        except Exception as error:      # Ray's own are of many kinds, plain Exception among them
            raise InputError(f"Ray does not answer at {address} ({str(error).splitlines()[0]})") from error
    try:
        yield ray
    finally:
        if joined:
            ray.shutdown()


def _begin() -> None:
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)                # the parent ends its children
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
