"""Avatars made one after the other of photos that arrive, kept in a folder, and written when they are asked for."""

from __future__ import annotations

import queue
import re
import secrets
import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path

from dinar.avatar import Avatar
from dinar.errors import InputError
from dinar.export import gltf
from dinar.export.figure import Figure
from dinar.export.simplify import simplified
from dinar.photo.source import Said, Source
from dinar.service.parameters import wanted
from dinar.viewer.jobs import Told, sentence

WAITING = 8                 # photos
MOST = 200                  # avatars
_FIGURES = 2                # that are kept baked
_BYTES = 256 << 20          # of files that were asked for and are kept to be asked for again
_NUMBER = re.compile(r"[0-9a-f]{24}")


@dataclass(frozen=True)
class Order:
    """How far an avatar is.

    id      24 hexadecimal digits
    state   "waiting", "making", "ready" or "failed"
    stages  that have begun, in order; the last one runs
    part    of the last stage, [0, 1]; None where it is not known
    error   the sentence that says why it failed
    """

    id: str
    state: str
    stages: tuple[str, ...] = ()
    part: float | None = None
    error: str | None = None


class Full(InputError):
    """There is no room for another photo."""


class Studio:
    """Makes and keeps avatars; threads may share it."""

    def __init__(self, folder: Path, *, device: str = "cpu") -> None:
        self._folder, self._device = folder, device
        self._orders: dict[str, Order] = {
            path.name: Order(path.name, "ready") for path in sorted(folder.iterdir()) if _NUMBER.fullmatch(path.name)
        }
        self._queue: queue.Queue[tuple[str, Source] | None] = queue.Queue(WAITING + 1)
        self._lock = threading.Lock()
        self._drawing = threading.Lock()
        self._figures: OrderedDict[str, Figure] = OrderedDict()
        self._files: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._worker = threading.Thread(target=self._work, name="dinar-studio", daemon=True)
        self._worker.start()

    def orders(self) -> list[Order]:
        """All avatars, the first one first."""
        with self._lock:
            return list(self._orders.values())

    def order(self, number: str) -> Order | None:
        with self._lock:
            return self._orders.get(number)

    def take(self, photo: Path, said: Said = Said()) -> Order:  # noqa: B008 (frozen)
        """A photo, which is removed when it has been used. Raises Full where too many wait or are kept."""
        with self._lock:
            if sum(order.state in ("waiting", "making") for order in self._orders.values()) >= WAITING:
                raise Full(f"{WAITING} photos wait already; come again later")
            if len(self._orders) >= MOST:
                raise Full(f"{MOST} avatars are kept already; delete some")
            order = Order(secrets.token_hex(12), "waiting")
            self._orders[order.id] = order
            self._queue.put_nowait((order.id, Source(photo, said=said)))
        return order

    def forget(self, number: str) -> bool:
        """Deletes an avatar; whether there was one that could be deleted."""
        import shutil

        with self._drawing, self._lock:
            order = self._orders.get(number)
            if order is None or order.state in ("waiting", "making"):
                return False
            del self._orders[number]
            self._figures.pop(number, None)
            for key in [key for key in self._files if key[0] == number]:
                del self._files[key]
            shutil.rmtree(self._folder / number, ignore_errors=True)
        return True

    def glb(self, number: str, query: str) -> bytes:
        """The file of a ready avatar. Raises InputError for a query that `parameters.wanted` refuses."""
        with self._drawing:
            if (found := self._files.get((number, query))) is not None:
                self._files.move_to_end((number, query))
                return found
            figure = self._figure(number)
            profile = wanted(query, figure.model.expression_names, len(figure.model.faces))
            if profile.triangles is not None:
                figure = simplified(figure, profile.triangles)
            with tempfile.TemporaryDirectory(prefix="dinar-serve-") as folder:
                path = Path(folder) / f"{number}.glb"
                gltf.write(path, figure, profile=profile)
                content = path.read_bytes()
            self._files[number, query] = content
            while sum(map(len, self._files.values())) > _BYTES:
                self._files.popitem(last=False)
        return content

    def close(self) -> None:
        self._queue.put(None)

    def _figure(self, number: str) -> Figure:
        """An avatar's baked mesh; the last few stay in memory."""
        if number not in self._figures:
            self._keep(number, Avatar.load(self._folder / number).to(self._device).figure())
        self._figures.move_to_end(number)
        return self._figures[number]

    def _keep(self, number: str, figure: Figure) -> None:
        self._figures[number] = figure
        while len(self._figures) > _FIGURES:
            self._figures.popitem(last=False)

    def _work(self) -> None:
        while (task := self._queue.get()) is not None:
            number, source = task
            try:
                self._change(number, state="making")
                self._make(number, source)
            except Exception as error:
                why = sentence(error).replace(str(source.photo), "the photo")
                self._change(number, state="failed", error=why, part=None)
            else:
                self._change(number, state="ready", part=None)
            finally:
                source.photo.unlink(missing_ok=True)

    def _make(self, number: str, source: Source) -> None:
        import torch

        from dinar import pipeline

        torch.manual_seed(0)
        progress = Told(lambda **fields: self._change(number, **fields))
        avatar = pipeline.create(source, device=self._device, progress=progress)
        avatar.save(self._folder / number)
        with self._drawing:
            self._keep(number, avatar.figure(progress=progress))

    def _change(self, number: str, **fields: object) -> None:
        with self._lock:
            self._orders[number] = replace(self._orders[number], **fields)
