"""A protocol from people to results: in several processes, taken up where it stopped, the same digits every time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2

from dinar.errors import InputError
from dinar.evaluate.journal import Findings, Journal, Outcome
from dinar.evaluate.plan import Plan
from dinar.evaluate.work import Job, fetch, work
from dinar.parallel import one_thread_processes, ray_cluster, torch_threads
from dinar.progress import Progress
from dinar.store import Store


def run(
    plan: Plan,
    out: Path,
    *,
    workers: int = 1,
    cluster: str | None = None,        # address of a Ray cluster, "local" for this machine
    store: Store | None = None,
    progress: Progress | None = None,
) -> Findings:
    """Measures what `out` does not hold yet, and keeps it there: results.jsonl, and a folder of pictures a person.

    A killed run goes on where it stopped; a second run gives the same bytes. Each person is worked on by one thread, so
    the digits do not depend on the number of processes. What other weights, other data of a person or another program
    had a part in is measured anew, and nothing else (`journal.Journal`).

    Raises InputError where data or weights are missing, or `out` holds results of something else.
    """
    progress, store = progress or Progress(), store or Store()
    people = plan.cases.people
    if not people:
        raise InputError("there is nobody to evaluate")
    fetch(plan, store)
    journal = Journal(out, plan.settings, plan.digest)
    left = {person: journal.missing(person, plan.rows, walk=plan.walk) for person in people}
    jobs = [Job(replace(plan, rows=rows), person) for person, rows in left.items() if rows]
    if jobs:
        outcomes = _on_ray(jobs, cluster) if cluster else _here(jobs, workers)
        for outcome in progress.track(outcomes, len(jobs), "evaluate"):
            journal.keep(outcome)
    return journal.close(people)


def _here(jobs: Sequence[Job], workers: int) -> Iterator[Outcome]:
    workers = min(workers, len(jobs))
    if workers <= 1:
        with _one_thread():
            yield from map(work, jobs)
        return
    with one_thread_processes(workers) as pool:
        yield from pool.imap_unordered(work, jobs)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums of floating-point numbers depend on the number of threads."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        with torch_threads(1):
            yield
    finally:
        cv2.setNumThreads(before)


def _on_ray(jobs: Sequence[Job], address: str) -> Iterator[Outcome]:
    """A task a person on a Ray cluster; its machines see data and weights at the same paths."""
    with ray_cluster(address) as ray:
        task = ray.remote(num_cpus=1)(_alone)
        waiting = [task.remote(job) for job in jobs]
        while waiting:
            (done,), waiting = ray.wait(waiting, num_returns=1)
            try:
                yield ray.get(done)
            except ray.exceptions.RayTaskError as error:
                raise error.as_instanceof_cause() from error      # an InputError there is one here
            except ray.exceptions.RayError as error:
                raise InputError(
                    f"a computer of the cluster was lost ({type(error).__name__}); the same command goes on"
                ) from error


def _alone(job: Job) -> Outcome:
    with _one_thread():
        return work(job)
