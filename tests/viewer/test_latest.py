from __future__ import annotations

import threading
import time

from dinar.viewer.latest import Latest


def test_the_newest_item_of_a_key_is_taken_once() -> None:
    box: Latest[str, int] = Latest()
    for number in range(5):
        box.put("a", number)
    assert box.take() == ("a", 4)
    box.put("a", 5)
    assert box.take() == ("a", 5)


def test_keys_are_served_in_turn() -> None:
    box: Latest[str, int] = Latest()
    box.put("slow", 1)
    box.put("quick", 1)
    box.put("slow", 2)                    # keeps its place before the other
    assert [box.take(), box.take()] == [("slow", 2), ("quick", 1)]


def test_what_comes_later_gives_way() -> None:
    box: Latest[str, str] = Latest()
    box.put("a", "moving")
    box.later("a", "sharp", 0.0)
    assert box.take() == ("a", "moving")
    box.later("a", "sharp", 60.0)
    box.put("a", "moving")
    assert box.take() == ("a", "moving")
    box.later("a", "sharp", 0.02)
    start = time.monotonic()
    assert box.take() == ("a", "sharp") and time.monotonic() - start >= 0.02


def test_what_is_due_does_not_wait_for_what_is_not() -> None:
    box: Latest[str, int] = Latest()
    box.later("a", 1, 60.0)
    box.put("b", 2)
    assert box.take() == ("b", 2)


def test_dropping_and_closing() -> None:
    box: Latest[str, int] = Latest()
    box.put("a", 1)
    box.drop("a")
    box.drop("nobody")
    box.put("b", 2)
    assert box.take() == ("b", 2)
    taken = []
    waiter = threading.Thread(target=lambda: taken.append(box.take()))
    waiter.start()
    box.close()
    waiter.join(timeout=10)
    assert taken == [None] and box.take() is None


def test_waiting_costs_no_time_of_the_processor() -> None:
    box: Latest[str, int] = Latest()
    spent = []

    def wait() -> None:
        start = time.thread_time()
        box.take()
        spent.append(time.thread_time() - start)

    waiter = threading.Thread(target=wait)
    waiter.start()
    time.sleep(0.5)
    box.close()
    waiter.join(timeout=10)
    assert spent[0] < 0.05                # of 0.5 s
