from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest

from dinar.errors import InputError
from dinar.viewer import door as module
from dinar.viewer.door import Door, Refused, Upload, check_source, parsed


@dataclass
class Home:
    """A door, and what came through it."""

    door: Door
    folder: Path
    taken: list[tuple[Upload, bytes]] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=list)

    def ask(
        self, method: str, target: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes, http.client.HTTPResponse]:
        line = http.client.HTTPConnection("127.0.0.1", self.door.port, timeout=20)
        line.request(method, target, body, {name.replace("_", "-"): value for name, value in headers.items()})
        reply = line.getresponse()
        return reply.status, reply.read(), reply

    def drop(self, name: str, body: bytes, **headers: str) -> tuple[int, str | None]:
        target = f"/dinar/drop?name={quote(name, safe='')}"
        status, found, _ = self.ask("POST", target, body, **{"X_Dinar": "drop"} | headers)
        return status, json.loads(found).get("error")

    def raw(self, request: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.door.port), timeout=20) as line:
            line.sendall(request)
            return b"".join(iter(lambda: line.recv(4096), b""))


def until(true: Callable[[], object]) -> None:
    """Waits for something that happens soon."""
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def echo(taken: list[bytes]) -> socket.socket:
    """A server that remembers heads, greets, and says everything after that back."""
    inner = socket.create_server(("127.0.0.1", 0))

    def answer(line: socket.socket) -> None:
        with line, contextlib.suppress(ConnectionError):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += line.recv(1)
            taken.append(head)
            line.sendall(b"hello ")
            while piece := line.recv(4096):
                line.sendall(piece)

    def serve() -> None:
        while True:
            try:
                line, _ = inner.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(line,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return inner


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    heads: list[bytes] = []
    taken: list[tuple[Upload, bytes]] = []
    inner = echo(heads)

    def dropped(upload: Upload) -> None:
        taken.append((upload, upload.path.read_bytes()))
        if upload.name == "busy.png":
            raise InputError("one thing at a time")
        if upload.name == "broken.png":
            raise RuntimeError("a bug")
        upload.path.unlink()

    pages = {"/": ("text/html", b"<p>hi</p>")}
    folder = tmp_path / "uploads"
    folder.mkdir()
    door = Door("127.0.0.1", 0, inner.getsockname()[1], pages, folder, dropped, lambda: {"ready": False})
    yield Home(door, folder, taken, heads)
    door.close()
    inner.close()


def test_pages_and_state(home: Home) -> None:
    status, body, reply = home.ask("GET", "/?x=1")
    assert (status, body) == (200, b"<p>hi</p>") and reply.headers["X-Content-Type-Options"] == "nosniff"
    assert home.ask("GET", "/dinar/state")[1] == b'{"ready": false}'
    for target in ("/etc/passwd", "/../x", "/dinar/drop", "/%2e%2e/"):
        assert home.ask("GET", target)[0] == 404
    assert home.ask("POST", "/", b"")[0] == 404


@pytest.mark.parametrize(
    "name", ["me.jpg", "../../me.png", "/tmp/x.webp", "a\\..\\b.jpg", "\u4eba.jpg", "x" * 250 + ".png", "-rf .jpg"]
)
def test_an_upload_arrives_whole_under_a_name_of_the_doors_own(home: Home, name: str) -> None:
    content = os.urandom(200_000)
    assert home.drop(name, content) == (202, None)
    ((upload, found),) = home.taken
    assert found == content and upload.name == name
    assert upload.path.parent == home.folder and upload.path.name == f"1{upload.kind.suffix}"
    assert os.listdir(home.folder) == []


def test_what_is_no_photo_is_refused(home: Home) -> None:
    status, error = home.drop("virus.exe", b"MZ")
    assert status == 415 and "virus" in error
    status, error = home.drop("empty.png", b"")
    assert status == 415 and "empty" in error
    assert home.taken == [] and os.listdir(home.folder) == []


def test_a_length_that_is_too_large_is_refused_before_it_is_read(home: Home) -> None:
    head = b"POST /dinar/drop?name=a.png HTTP/1.1\r\nHost: localhost\r\nX-Dinar: drop\r\n"
    with socket.create_connection(("127.0.0.1", home.door.port), timeout=20) as line:
        line.sendall(head + b"Content-Length: 99999999999\r\n\r\n")
        assert line.recv(100).startswith(b"HTTP/1.1 415")
    for length in (b"-5", b"abc", b"9" * 40, b"1e3", b""):
        assert home.raw(head + b"Content-Length: " + length + b"\r\n\r\n").startswith(b"HTTP/1.1 411")
    assert home.raw(head + b"Transfer-Encoding: chunked\r\n\r\n").startswith(b"HTTP/1.1 411")
    assert home.taken == []


def test_a_broken_upload_leaves_nothing(home: Home) -> None:
    head = b"POST /dinar/drop?name=a.png HTTP/1.1\r\nHost: localhost\r\nX-Dinar: drop\r\nContent-Length: 1000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", home.door.port), timeout=20) as line:
        line.sendall(head + b"only a part")
        until(lambda: os.listdir(home.folder))
    until(lambda: not os.listdir(home.folder))
    assert home.taken == []
    assert home.drop("me.jpg", b"whole") == (202, None)


def test_who_is_busy_says_so(home: Home) -> None:
    assert home.drop("busy.png", b"x") == (409, "one thing at a time")
    status, error = home.drop("broken.png", b"x")
    assert status == 500 and "RuntimeError" in error
    assert os.listdir(home.folder) == []
    assert home.drop("me.jpg", b"x") == (202, None)


def test_one_upload_at_a_time(home: Home) -> None:
    head = b"POST /dinar/drop?name=a.png HTTP/1.1\r\nHost: localhost\r\nX-Dinar: drop\r\nContent-Length: 10\r\n\r\n"
    with socket.create_connection(("127.0.0.1", home.door.port), timeout=20) as line:
        line.sendall(head + b"12345")
        until(lambda: os.listdir(home.folder))
        assert home.drop("b.png", b"x")[0] == 409
        line.sendall(b"67890")
        assert line.recv(100).startswith(b"HTTP/1.1 202")
    assert [upload.name for upload, _ in home.taken] == ["a.png"]


def test_other_sites_are_kept_out(home: Home) -> None:
    port = home.door.port
    for origin in ("http://evil.example", f"http://localhost:{port}", f"http://127.0.0.1:{port + 1}", "null"):
        assert home.drop("me.jpg", b"x", Origin=origin)[0] == 403
    assert home.drop("me.jpg", b"x", Origin=f"http://127.0.0.1:{port}")[0] == 202
    assert home.drop("me.jpg", b"x", X_Dinar="")[0] == 403            # what a form of another site can send
    assert home.ask("GET", "/dinar/state", Host="evil.example")[0] == 403
    head = b"GET / HTTP/1.1\r\nHost: localhost:1\r\nUpgrade: websocket\r\nOrigin: http://evil.example\r\n\r\n"
    assert home.raw(head).startswith(b"HTTP/1.1 403") and home.heads == []


def test_websockets_pass(home: Home) -> None:
    head = b"GET /any HTTP/1.1\r\nHost: localhost:1\r\nUpgrade: WebSocket\r\nOrigin: http://localhost:1\r\n\r\n"
    content = os.urandom(300_000)
    with socket.create_connection(("127.0.0.1", home.door.port), timeout=20) as line:
        line.sendall(head)
        with line.makefile("rb") as answer:
            assert answer.read(6) == b"hello "
            threading.Thread(target=line.sendall, args=(content,), daemon=True).start()
            assert answer.read(len(content)) == content
    assert home.heads == [head]


def test_a_page_cannot_fill_the_memory_behind(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SAID", 100_000)
    with socket.create_connection(("127.0.0.1", home.door.port), timeout=20) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n")
        with pytest.raises(ConnectionError):
            for _ in range(10_000):
                line.sendall(bytes(10_000))


@pytest.mark.parametrize("first", [b"", b"GET", b"GET x y z", b"GET x HTTP/1.1", b"\xff\xff / HTTP/1.1 x"])
def test_what_is_no_request(home: Home, first: bytes) -> None:
    assert home.raw(first + b"\r\n\r\n").startswith(b"HTTP/1.1 400")


def test_heads_are_limited(home: Home) -> None:
    with contextlib.suppress(ConnectionError):         # hung up on with bytes unread, which TCP may call a reset
        assert home.raw(b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000) == b""
    assert home.ask("GET", "/")[0] == 200


def test_connections_are_limited(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CONNECTIONS", 3)
    lines = [socket.create_connection(("127.0.0.1", home.door.port), timeout=20) for _ in range(3)]
    try:
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            home.ask("GET", "/")
    finally:
        for line in lines:
            line.close()

    def answers() -> bool:
        try:
            return home.ask("GET", "/")[0] == 200
        except (http.client.HTTPException, ConnectionError):
            return False

    until(answers)                                     # the places are given back


@pytest.mark.parametrize(
    ("bound", "asked", "fine"),
    [
        ("127.0.0.1", "localhost:80", True),
        ("127.0.0.1", "[::1]:80", True),
        ("127.0.0.1", "192.168.0.5:80", False),
        ("127.0.0.1", "dinar.example", False),
        ("127.0.0.1", "", False),
        ("0.0.0.0", "192.168.0.5:80", True),
        ("0.0.0.0", f"{socket.gethostname()}:80", True),
        ("0.0.0.0", "evil.example:80", False),
        ("studio.example", "studio.example:80", True),
    ],
)
def test_names_it_answers_to(bound: str, asked: str, fine: bool) -> None:
    request = parsed(f"GET / HTTP/1.1\r\nHost: {asked}\r\n\r\n".encode())
    if fine:
        check_source(request, bound)
    else:
        with pytest.raises(Refused):
            check_source(request, bound)


@pytest.mark.parametrize("place", [("no.such.host.invalid", 0), ("127.0.0.1", 99999)])
def test_addresses_that_are_none(place: tuple[str, int], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be served"):
        Door(*place, 1, {}, tmp_path, lambda _: None, dict)


def test_a_port_that_is_taken(home: Home, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{home.door.port}.*--port"):
        Door("127.0.0.1", home.door.port, 1, {}, tmp_path, lambda _: None, dict)
