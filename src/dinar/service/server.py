"""The HTTP side: photos come in within limits, files go out."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import threading
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from dinar.errors import InputError
from dinar.service.parameters import said
from dinar.service.studio import Full, Studio
from dinar.viewer.door import Refused, Request, check_source
from dinar.viewer.jobs import sentence
from dinar.viewer.uploads import KINDS

MOST_CONNECTIONS = 32
_PATIENCE = 20.0            # seconds for a request's next piece
_PIECE = 1 << 16            # bytes
_PHOTOS = {"image/jpeg": ".jpg", "image/png": ".png", "image/webp": ".webp"}
_ONE = re.compile(r"/(?:v1/avatars/)?([0-9a-f]{24})(\.glb)?")
_ALL = "/v1/avatars"


class Server:
    """Serves from when it is made until `close`.

    folder  where avatars are kept; None: until the end, in one of its own

    Raises InputError where the address is taken or the folder cannot be used.
    """

    def __init__(
        self, folder: Path | None = None, *, host: str = "127.0.0.1", port: int = 0, device: str = "cpu"
    ) -> None:
        self._own = Path(tempfile.mkdtemp(prefix="dinar-serve-"))
        try:
            kept = self._own / "avatars" if folder is None else folder
            try:
                kept.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"{kept} is no folder where avatars can be kept ({error.strerror})") from error
            try:
                self._http = _Listener((host, port), _Handler)
            except (OSError, OverflowError) as error:
                reason = getattr(error, "strerror", None) or error
                raise InputError(f"nothing can be served at {host}:{port} ({reason}); give another --port") from error
        except BaseException:
            shutil.rmtree(self._own, ignore_errors=True)
            raise
        self.studio = Studio(kept, device=device)
        self._http.studio, self._http.host, self._http.inbox = self.studio, host, self._own
        self.url = f"http://{host}:{self._http.server_address[1]}"
        self._thread = threading.Thread(target=self._http.serve_forever, name="dinar-serve", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(timeout=10)
        self.studio.close()
        shutil.rmtree(self._own, ignore_errors=True)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    studio: Studio
    host: str
    inbox: Path

    def __init__(self, *arguments: object) -> None:
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__(*arguments)

    def process_request(self, request, client_address) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request, client_address) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request, client_address) -> None:
        """Whoever asked is gone or never made sense."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE
    server: _Listener
    server_version, sys_version = "dinar", ""

    def log_message(self, *_: object) -> None:
        """Nothing: who asked for what is nobody's business."""

    def do_GET(self) -> None:
        self._answered(self._get)

    def do_POST(self) -> None:
        self._answered(self._post)

    def do_DELETE(self) -> None:
        self._answered(self._delete)

    def _answered(self, work) -> None:
        try:
            headers = {name.lower(): value for name, value in self.headers.items()}
            check_source(Request(self.command, self.path, headers, b""), self.server.host)
            work()
        except Refused as refused:
            self._say(refused.status, {"error": str(refused)})
        except Full as full:
            self._say(HTTPStatus.TOO_MANY_REQUESTS, {"error": str(full)})
        except InputError as error:
            self._say(HTTPStatus.BAD_REQUEST, {"error": str(error)})
        except (OSError, EOFError):
            self.close_connection = True                # in the middle of a request or of an answer
        except Exception as error:
            self._say(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": sentence(error)})

    def _get(self) -> None:
        asked = urlsplit(self.path)
        if asked.path == _ALL:
            return self._say(HTTPStatus.OK, {"avatars": [asdict(order) for order in self.server.studio.orders()]})
        number, glb = self._one(asked.path)
        order = self.server.studio.order(number)
        if order is None:
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such avatar")
        if not glb:
            return self._say(HTTPStatus.OK, asdict(order))
        if order.state != "ready":
            status = HTTPStatus.GONE if order.state == "failed" else HTTPStatus.CONFLICT
            raise Refused(status, order.error or f"this avatar is not ready: {order.state}")
        self._send(HTTPStatus.OK, "model/gltf-binary", self.server.studio.glb(number, asked.query))

    def _post(self) -> None:
        asked = urlsplit(self.path)
        if asked.path != _ALL:
            raise Refused(HTTPStatus.NOT_FOUND, "photos go to " + _ALL)
        about = said(asked.query)
        suffix = _PHOTOS.get(self.headers.get("content-type", "").partition(";")[0].strip().lower())
        if suffix is None:       # no other site's page can send these types without being asked
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"a photo is one of {', '.join(_PHOTOS)}")
        length, most = self.headers.get("content-length", ""), KINDS[suffix].most_bytes
        if not length.isdecimal() or len(length) > 12:
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "a photo comes with its length")
        if not 0 < int(length) <= most:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a photo has 1 to {most} bytes")
        path = self._received(int(length), suffix)
        try:
            order = self.server.studio.take(path, about)
        except InputError:
            path.unlink(missing_ok=True)
            raise
        self._say(HTTPStatus.ACCEPTED, asdict(order) | {"url": f"{_ALL}/{order.id}", "glb": f"/{order.id}.glb"})

    def _delete(self) -> None:
        number, glb = self._one(urlsplit(self.path).path)
        if glb or not self.server.studio.forget(number):
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such avatar, or it is still being made")
        self._say(HTTPStatus.OK, {})

    def _one(self, path: str) -> tuple[str, bool]:
        found = _ONE.fullmatch(path)
        if found is None:
            raise Refused(HTTPStatus.NOT_FOUND, "there is no such page")
        return found[1], found[2] is not None

    def _received(self, length: int, suffix: str) -> Path:
        """A file of exactly so many bytes, piece by piece."""
        with tempfile.NamedTemporaryFile(dir=self.server.inbox, suffix=suffix, delete=False) as file:
            try:
                while length:
                    piece = self.rfile.read(min(_PIECE, length))
                    if not piece:
                        raise EOFError
                    file.write(piece)
                    length -= len(piece)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
        return Path(file.name)

    def _say(self, status: HTTPStatus, found: dict[str, object]) -> None:
        self._send(status, "application/json", json.dumps(found).encode())

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.close_connection = True
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"), ("Connection", "close"),
        ):  # fmt: skip
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
