"""Many photos, an avatar each: in this process, in several, or on a cluster."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dinar.avatar import MARKER, Avatar
from dinar.errors import InputError
from dinar.files import atomic_folder, check_file, portable
from dinar.parallel import children_threads, ray_cluster
from dinar.pipeline import Source, create
from dinar.progress import Progress


@dataclass(frozen=True)
class Task:
    """One photo, and the folder that its avatar goes to."""

    source: Source
    out: Path


@dataclass(frozen=True)
class Outcome:
    """What became of a photo.

    photo     as it was given
    seconds   that it took
    avatar    the folder of its avatar, None where it failed
    error     the sentence that says why it failed
    fit       residuals of the fitted body: reprojection, mask_iou, unseen (`avatar.Shot`)
    notes     how its files were read, where that is not plain
    """

    photo: Path
    seconds: float
    avatar: Path | None = None
    error: str | None = None
    fit: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()


def planned(sources: Sequence[Source], out: Path) -> list[Task]:
    """A folder in `out` for each photo, named like it; of photos of one name the second gets -2 and so on.

    Raises InputError where `out` cannot be written, before the long work.
    """
    check_file(out / MARKER)
    names: set[str] = set()
    tasks = []
    for source in sources:
        stem = portable(source.photo.stem) or "avatar"
        name, count = stem, 1
        while name.lower() in names:
            count += 1
            name = f"{stem}-{count}"
        names.add(name.lower())
        tasks.append(Task(source, out / name))
    return tasks


def run(
    tasks: Sequence[Task],
    options: Mapping[str, Any],       # of `pipeline.create`: renderer, refine, seed, device, ...
    *,
    jobs: int = 1,                    # processes on this computer
    cluster: str | None = None,       # a Ray cluster's address, or "local", in place of these
    progress: Progress | None = None,
) -> Iterator[Outcome]:
    """Makes the avatars and yields what became of each photo, in the order in which they end.

    Each process loads its networks once. A photo that fails leaves the others alone, a bug too.

    Raises InputError where no such cluster answers.
    """
    progress = progress or Progress()
    made = _on_ray(tasks, options, cluster) if cluster else _here(tasks, options, jobs)
    for task, found, files in progress.track(made, len(tasks), "avatars"):
        yield _kept(task, found, files)


_Files = Mapping[str, bytes]      # of an avatar's folder, by name
_Found = tuple[Task, Outcome, _Files]


def _kept(task: Task, found: Outcome, files: _Files) -> Outcome:
    """Writes a finished avatar to its folder."""
    if found.error is not None:
        return found
    try:
        with atomic_folder(task.out, marker=MARKER) as folder:
            for name, content in files.items():
                (folder / name).write_bytes(content)
    except InputError as error:
        return replace(found, error=str(error), fit=None)
    return replace(found, avatar=task.out)


def _one(task: Task, options: Mapping[str, Any]) -> _Found:
    """One photo's avatar as the files of its folder."""
    import torch

    start = time.monotonic()
    try:
        torch.manual_seed(options.get("seed", 0))
        avatar = create(task.source, **options)
        files = _files_of(avatar)
    except InputError as error:
        return task, Outcome(task.source.photo, time.monotonic() - start, error=str(error)), {}
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        why = f"{task.source.photo} made dinar stumble ({type(error).__name__}: {error}); this is a bug"
        return task, Outcome(task.source.photo, time.monotonic() - start, error=why), {}
    shot = avatar.shots[0]
    fit = {"reprojection": shot.reprojection, "mask_iou": shot.mask_iou, "unseen": list(shot.unseen)}
    return task, Outcome(task.source.photo, time.monotonic() - start, fit=fit, notes=shot.notes), files


def _files_of(avatar: Avatar) -> _Files:
    with tempfile.TemporaryDirectory(prefix="dinar-batch-") as scratch:
        folder = Path(scratch) / "avatar"
        avatar.save(folder)
        return {path.name: path.read_bytes() for path in folder.iterdir()}


# On this computer


def _here(tasks: Sequence[Task], options: Mapping[str, Any], jobs: int) -> Iterator[_Found]:
    jobs = min(jobs, len(tasks))
    if jobs <= 1:
        for task in tasks:
            yield _one(task, options)
        return
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with children_threads(threads), ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        for task, future in [(task, pool.submit(_one, task, options)) for task in tasks]:
            try:
                yield future.result()
            except BrokenProcessPool:
                why = f"{task.source.photo} was lost: a process ended, perhaps for lack of memory; try fewer --jobs"
                yield task, Outcome(task.source.photo, 0.0, error=why), {}


# On many computers


@dataclass(frozen=True)
class _Parcel:
    """A task with its files, for a computer that has no part in this one's disk."""

    task: Task
    contents: Mapping[str, bytes]     # of the source's files, by field

    @classmethod
    def packed(cls, task: Task) -> _Parcel:
        """Raises InputError where a file cannot be read."""
        contents = {}
        for field in ("photo", "mask", "keypoints"):
            path = getattr(task.source, field)
            if path is not None:
                try:
                    contents[field] = path.read_bytes()
                except OSError as error:
                    raise InputError(f"{path} cannot be read ({error.strerror})") from error
        return cls(task, contents)


def _there(parcel: _Parcel, options: Mapping[str, Any]) -> _Found:
    """A task on another computer."""
    source = parcel.task.source
    with tempfile.TemporaryDirectory(prefix="dinar-batch-") as scratch:
        places = {field: Path(scratch) / f"{field}{getattr(source, field).suffix}" for field in parcel.contents}
        for field, content in parcel.contents.items():
            places[field].write_bytes(content)
        _, found, files = _one(replace(parcel.task, source=replace(source, **places)), options)
        error = found.error
        for field, place in places.items():
            error = error and error.replace(str(place), str(getattr(source, field)))
        return parcel.task, replace(found, photo=source.photo, error=error), files


def _on_ray(tasks: Sequence[Task], options: Mapping[str, Any], address: str) -> Iterator[_Found]:
    with ray_cluster(address) as ray:
        remote = ray.remote(num_cpus=1, max_retries=1)(_there)
        waiting = {}
        for task in tasks:
            try:
                waiting[remote.remote(_Parcel.packed(task), options)] = task
            except InputError as error:
                yield task, Outcome(task.source.photo, 0.0, error=str(error)), {}
        while waiting:
            (done,), _ = ray.wait(list(waiting), num_returns=1)
            task = waiting.pop(done)
            try:
                yield ray.get(done)
            except ray.exceptions.RayError as error:
                why = f"{task.source.photo} was lost on the cluster ({type(error).__name__})"
                yield task, Outcome(task.source.photo, 0.0, error=why), {}
