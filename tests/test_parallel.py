from __future__ import annotations

import os
import threading

import pytest
import torch

from dinar.parallel import beside, children_threads, in_order, one_thread_processes, torch_threads


@pytest.fixture(params=[1, 3])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_come_in_order(threads):
    late = threading.Event()

    def job(i: int) -> tuple[int, int]:
        if i == 0 and threads > 1:
            late.wait(10)          # the others overtake the first
        if i == 1:
            late.set()
        return i, torch.get_num_threads()

    assert list(in_order(job, range(20))) == [(i, 1) for i in range(20)]
    assert torch.get_num_threads() == threads


def test_jobs_are_taken_up_as_results_are_fetched(threads):
    begun = []
    results = in_order(lambda i: begun.append(i) or i, range(1000))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    results.close()
    assert len(begun) < 20
    assert torch.get_num_threads() == threads


def test_an_error_comes_out_in_its_turn(threads):
    def job(i: int) -> int:
        return 1 // (3 - i)

    results = in_order(job, range(10))
    assert [next(results) for _ in range(3)] == [0, 0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert torch.get_num_threads() == threads


def test_threads_that_start_afterwards_have_all_threads(threads):
    list(in_order(abs, range(5)))
    found = []
    thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert found == [threads]


def test_processes_of_one_thread_are() -> None:
    import cv2
    import numba

    with one_thread_processes(1) as pool:
        for threads in (torch.get_num_threads, cv2.getNumThreads, numba.get_num_threads):
            assert pool.apply_async(threads).get(timeout=600) == 1


def test_children_are_told_how_many_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("OPENCV_FOR_THREADS_NUM", raising=False)
    with children_threads(3):
        assert os.environ["OMP_NUM_THREADS"] == os.environ["OPENCV_FOR_THREADS_NUM"] == "3"
    assert os.environ["OMP_NUM_THREADS"] == "7" and "OPENCV_FOR_THREADS_NUM" not in os.environ


def test_two_things_beside_each_other() -> None:
    done = threading.Event()
    with beside(done.set):
        assert done.wait(10)
    with pytest.raises(ValueError, match="there"), beside(lambda: int("there")):
        pass
    with pytest.raises(KeyError), beside(lambda: int("there")):     # the block's own error comes first
        raise KeyError


def test_who_works_beside_has_as_many_threads_whatever_the_block_asks_for() -> None:
    begun, before = threading.Event(), torch.get_num_threads()

    def others() -> int:
        begun.wait(10)
        return torch.get_num_threads()                # a thread's first word with torch

    torch.set_num_threads(2)
    try:
        with beside(others) as found, torch_threads(1):
            begun.set()
            assert found.result() == 2 and torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
