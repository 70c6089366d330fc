"""The one port of the page: its own few addresses, uploads within limits, and a way through to viser.

viser serves pages and websockets but takes no uploads before memory is spent on them and asks nobody where they come
from. So it listens on a port of its own on this computer, and whoever comes from outside comes through here.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import math
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from dinar.errors import InputError
from dinar.viewer.jobs import sentence
from dinar.viewer.uploads import Kind, checked

MOST_CONNECTIONS = 64
_MOST_HEAD = 32 << 10         # bytes of a request's head
_PATIENCE = 20.0              # seconds for a head, or for the next piece of an upload
_PIECE = 1 << 16              # bytes
MOST_SAID = 64 << 20          # bytes from a page to viser, which keeps what it is sent; then the page has to call again
_UNREAD = 64 << 20            # bytes of a refused upload that are read, so that the browser hears the answer

LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Upload:
    """A file that has arrived whole.

    name  what its sender calls it: to be shown, never to be opened
    kind  what it is
    path  where it lies; the receiver removes it
    """

    name: str
    kind: Kind
    path: Path


@dataclass(frozen=True)
class Request:
    """The head of a request; names of headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    raw: bytes


class Refused(Exception):
    """A request that is answered with a status and a sentence."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Door:
    """An HTTP server in a thread of its own.

    `pages` are its files by address, with their content types. A file that is dropped goes to `folder` under a name of
    the door's own and then to `dropped`, which may raise InputError; `state` is asked how far things are.
    """

    def __init__(
        self,
        host: str,
        port: int,                                     # 0: any that is free
        inner: int,                                    # viser's port on this computer
        pages: Mapping[str, tuple[str, bytes]],
        folder: Path,
        dropped: Callable[[Upload], None],
        state: Callable[[], Mapping[str, object]],
    ) -> None:
        self._host, self._inner, self._pages, self._folder = host, inner, pages, folder
        self._dropped, self._state = dropped, state
        self._sending = False
        self._received = 0
        self._open = 0
        self._socket = _listening(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="dinar-door", daemon=True)
        self._thread.start()

    def close(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        serving = asyncio.start_server(self._meet, sock=self._socket, limit=_MOST_HEAD)
        server = self._loop.run_until_complete(serving)
        try:
            self._loop.run_forever()
        finally:
            server.close()
            for task in (tasks := asyncio.all_tasks(self._loop)):
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.close()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= MOST_CONNECTIONS:
                await self._serve(reader, writer)
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass                           # whoever asked is gone or never made sense, or the door is being closed
        finally:
            self._open -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(_PATIENCE):
            raw = await reader.readuntil(b"\r\n\r\n")
        try:
            request = parsed(raw)
            check_source(request, self._host)
            path = urlsplit(request.target).path
            if request.headers.get("upgrade", "").lower() == "websocket":
                await self._pass(request, reader, writer)
            elif request.method == "GET" and path in self._pages:
                await _answer(writer, HTTPStatus.OK, *self._pages[path])
            elif request.method == "GET" and path == "/dinar/state":
                await _answer_json(writer, HTTPStatus.OK, self._state())
            elif request.method == "POST" and path == "/dinar/drop":
                await self._take(request, reader)
                await _answer_json(writer, HTTPStatus.ACCEPTED, {})
            else:
                raise Refused(HTTPStatus.NOT_FOUND, "there is no such page")
        except Refused as refused:
            await _answer_json(writer, refused.status, {"error": str(refused)})
            if refused.status in (HTTPStatus.CONFLICT, HTTPStatus.UNSUPPORTED_MEDIA_TYPE):
                writer.write_eof()
                await _skip(reader, _UNREAD)

    async def _take(self, request: Request, reader: asyncio.StreamReader) -> None:
        """Reads an upload and passes it on."""
        if request.headers.get("x-dinar") != "drop":   # no other site's page can send this without being asked
            raise Refused(HTTPStatus.FORBIDDEN, "only dinar's own page sends files here")
        length = request.headers.get("content-length", "")
        if not length.isdecimal() or len(length) > 12:
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "a file comes with its length")
        name = parse_qs(urlsplit(request.target).query).get("name", [""])[0][:300]
        try:
            kind = checked(name, int(length))
        except InputError as error:
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, str(error)) from error
        if self._sending:
            raise Refused(HTTPStatus.CONFLICT, "one file at a time: another one is on its way")
        self._sending = True
        try:
            self._received += 1
            path = self._folder / f"{self._received}{kind.suffix}"
            try:
                await _receive(reader, path, int(length))
                await self._hand_over(Upload(name, kind, path))
            except BaseException:
                path.unlink(missing_ok=True)
                raise
        finally:
            self._sending = False

    async def _hand_over(self, upload: Upload) -> None:
        try:
            await asyncio.to_thread(self._dropped, upload)
        except InputError as error:
            raise Refused(HTTPStatus.CONFLICT, str(error)) from error
        except Exception as error:
            raise Refused(HTTPStatus.INTERNAL_SERVER_ERROR, sentence(error)) from error

    async def _pass(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A websocket, through to viser and back."""
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._inner)
        try:
            there_writer.write(request.raw)
            ways = [
                asyncio.create_task(_pump(reader, there_writer, MOST_SAID)),
                asyncio.create_task(_pump(there_reader, writer, math.inf)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        finally:
            there_writer.close()
            with contextlib.suppress(OSError):
                await there_writer.wait_closed()


def parsed(raw: bytes) -> Request:
    """A request's head. Raises Refused where it is none."""
    first, *rest = raw.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[1].startswith("/"):
        raise Refused(HTTPStatus.BAD_REQUEST, "that is no request")
    pairs = (line.partition(":") for line in rest if line)
    return Request(words[0], words[1], {name.strip().lower(): value.strip() for name, _, value in pairs}, raw)


def check_source(request: Request, host: str) -> None:
    """Raises Refused for requests that another site's page makes in this computer's browser.

    host  that the door is bound to

    A page of another site is told by its origin; one whose name was pointed at this computer, by the name.
    """
    try:
        asked = urlsplit(f"//{request.headers.get('host', '')}")
        name = asked.hostname or ""
        origin = urlsplit(request.headers["origin"]) if "origin" in request.headers else None
    except ValueError as error:
        raise Refused(HTTPStatus.BAD_REQUEST, "that is no request") from error
    known = name in LOCAL or name == host.lower()
    if not known and host not in LOCAL:
        known = _is_address(name) or name in (socket.gethostname().lower(), socket.getfqdn().lower())
    if not known:
        raise Refused(HTTPStatus.FORBIDDEN, "dinar is not at home under that name")
    if origin is not None and origin.netloc.lower() != asked.netloc.lower():
        raise Refused(HTTPStatus.FORBIDDEN, "another site's page may not do this")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _listening(host: str, port: int) -> socket.socket:
    """A socket bound to an address. Raises InputError where that is not possible."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"the page cannot be served at {host}:{port} ({reason}); give another --port or --host"
                         ) from error  # fmt: skip


async def _receive(reader: asyncio.StreamReader, path: Path, length: int) -> None:
    """Writes exactly `length` bytes to a file."""
    with path.open("xb") as file:
        while length:
            async with asyncio.timeout(_PATIENCE):
                piece = await reader.read(min(_PIECE, length))
            if not piece:
                raise EOFError
            file.write(piece)
            length -= len(piece)


async def _skip(reader: asyncio.StreamReader, most: int) -> None:
    while most > 0:
        async with asyncio.timeout(_PATIENCE):
            piece = await reader.read(_PIECE)
        if not piece:
            return
        most -= len(piece)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: float) -> None:
    with contextlib.suppress(OSError):
        while most > 0 and (piece := await reader.read(_PIECE)):
            most -= len(piece)
            writer.write(piece)
            await writer.drain()


async def _answer_json(writer: asyncio.StreamWriter, status: HTTPStatus, found: Mapping[str, object]) -> None:
    await _answer(writer, status, "application/json", json.dumps(found).encode())


async def _answer(writer: asyncio.StreamWriter, status: HTTPStatus, kind: str, body: bytes) -> None:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "X-Frame-Options: SAMEORIGIN",
        "Referrer-Policy: no-referrer",
        "Connection: close",
    )
    writer.write("\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body)
    await writer.drain()
