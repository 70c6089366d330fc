from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from commands.program import Run, refused
from export.glb_reader import Scene
from export.khronos import problems

from dinar import pipeline
from dinar.avatar import Avatar
from dinar.errors import InputError
from dinar.photo.source import Said, Source
from dinar.progress import Progress
from dinar.service import studio
from dinar.service.server import Server

JPEG = {"Content-Type": "image/jpeg"}


class House:
    """A server whose photos all show the same person, as soon as `gate` is open."""

    said: ClassVar[list[Said]] = []

    def __init__(self, server: Server, gate: threading.Event) -> None:
        self.server, self.gate = server, gate
        self.port = int(server.url.rsplit(":", 1)[1])

    def ask(
        self, method: str, target: str, body: bytes | None = None, headers: dict | None = None
    ) -> tuple[int, bytes]:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        line.request(method, target, body, headers or {})
        reply = line.getresponse()
        return reply.status, reply.read()

    def say(self, *arguments: Any) -> tuple[int, dict]:
        status, body = self.ask(*arguments)
        return status, json.loads(body)

    def send(self, body: bytes = b"a photo") -> dict:
        status, found = self.say("POST", "/v1/avatars", body, JPEG)
        assert status == 202, found
        return found

    def ended(self, number: str) -> dict:
        deadline = time.monotonic() + 60
        while (found := self.say("GET", f"/v1/avatars/{number}")[1])["state"] in ("waiting", "making"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return found


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch, avatar: Avatar, tmp_path: Path) -> Iterator[House]:
    gate = threading.Event()

    def create(source: Source, *, progress: Progress, **_: Any) -> Avatar:
        content = source.photo.read_bytes()
        House.said.append(source.said)
        with progress.stage("look"):
            progress.advance("look", 0.5)
            assert gate.wait(60)
        if content == b"nobody":
            raise InputError(f"{source.photo} shows no person")
        if content == b"bug":
            raise ZeroDivisionError
        return avatar

    monkeypatch.setattr(pipeline, "create", create)
    server = Server(tmp_path / "kept")
    yield House(server, gate)
    gate.set()
    server.close()


def test_from_a_photo_to_files(house: House, tmp_path: Path) -> None:
    order = house.send()
    assert order["state"] in ("waiting", "making") and order["glb"] == f"/{order['id']}.glb"
    assert house.ask("GET", order["glb"])[0] == 409
    while house.say("GET", order["url"])[1]["stages"] != ["look"]:
        time.sleep(0.02)
    assert house.say("GET", order["url"])[1]["part"] == 0.5
    house.gate.set()
    assert house.ended(order["id"])["state"] == "ready"
    assert [found["id"] for found in house.say("GET", "/v1/avatars")[1]["avatars"]] == [order["id"]]

    names, counts = {}, {}
    for query in ("", "quality=low", "morphTargets=ARKit,Oculus%20Visemes&pose=T&meshLod=2&textureAtlas=256"):
        status, content = house.ask("GET", f"{order['glb']}?{query}")
        assert status == 200
        path = tmp_path / "a.glb"
        path.write_bytes(content)
        scene = Scene.read(path)
        names[query] = scene.tree["meshes"][0].get("extras", {}).get("targetNames", [])
        counts[query] = len(scene.faces)
        assert "Armature" in [node["name"] for node in scene.tree["nodes"]]
        if query:
            assert scene.picture.shape[:2] == (256, 256)
    assert [len(found) for found in names.values()] == [2, 0, 67]
    assert counts["quality=low"] < 0.3 * counts[""]
    again = house.ask("GET", f"{order['glb']}?quality=low")[1]
    assert again == house.ask("GET", f"/v1/avatars/{order['id']}.glb?quality=low")[1]
    assert house.say("GET", f"{order['glb']}?quality=best")[0] == 400

    assert house.say("DELETE", order["url"])[0] == 200
    assert house.ask("GET", order["glb"])[0] == 404 and list((tmp_path / "kept").iterdir()) == []


def test_khronos_finds_nothing_in_files_without_morph_targets(house: House, tmp_path: Path) -> None:
    house.gate.set()
    order = house.send()
    house.ended(order["id"])
    for query in ("quality=low", "morphTargets=jawOpen&pose=T&meshLod=2"):
        (tmp_path / "a.glb").write_bytes(house.ask("GET", f"{order['glb']}?{query}")[1])
        assert problems(tmp_path / "a.glb") == []


def test_what_goes_wrong_is_told(house: House, capfd: pytest.CaptureFixture) -> None:
    house.gate.set()
    found = house.ended(house.send(b"nobody")["id"])
    assert found["state"] == "failed" and found["error"] == "the photo shows no person"
    assert house.say("GET", f"/{found['id']}.glb") == (410, {"error": "the photo shows no person"})
    assert "ZeroDivisionError" in house.ended(house.send(b"bug")["id"])["error"]
    assert house.ended(house.send()["id"])["state"] == "ready"
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_who_may_not_ask(house: House) -> None:
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        assert house.say("GET", "/v1/avatars", None, headers)[0] == 403
        assert house.say("POST", "/v1/avatars", b"a", JPEG | headers)[0] == 403
    for method, target, headers, status in (
        ("POST", "/v1/avatars", {"Content-Type": "text/plain"}, 415),
        ("POST", "/v1/avatars", JPEG | {"Content-Length": str(60 << 20)}, 413),
        ("POST", "/v1/avatars", JPEG | {"Content-Length": "-3"}, 411),
        ("POST", "/elsewhere", JPEG, 404),
        ("GET", "/", {}, 404),
        ("GET", "/v1/avatars/../../etc/passwd", {}, 404),
        ("GET", f"/{'0' * 24}.glb", {}, 404),
        ("DELETE", f"/v1/avatars/{'0' * 24}", {}, 404),
    ):
        found = house.say(method, target, b"", headers)
        assert found[0] == status, (target, headers, found)
    assert house.ask("PUT", "/v1/avatars")[0] == 501
    assert house.say("GET", "/v1/avatars")[1] == {"avatars": []}


def test_what_is_said_with_a_photo(house: House) -> None:
    house.gate.set()
    status, found = house.say("POST", "/v1/avatars?age=child&sex=f", b"a photo", JPEG)
    assert status == 202 and house.ended(found["id"])["state"] == "ready"
    assert house.said[-1] == Said(sex="f", age="child")
    house.ended(house.send()["id"])
    assert house.said[-1] == Said()
    for query, words in (("age=7", "age 7 is not possible"), ("size=xl", "size cannot be said")):
        status, found = house.say("POST", f"/v1/avatars?{query}", b"a photo", JPEG)
        assert status == 400 and words in found["error"]


def test_photos_wait_in_a_short_line(house: House) -> None:
    orders = [house.send() for _ in range(studio.WAITING)]
    status, found = house.say("POST", "/v1/avatars", b"a photo", JPEG)
    assert status == 429 and "wait already" in found["error"]
    assert house.say("DELETE", orders[-1]["url"])[0] == 404            # still waits
    house.gate.set()
    assert all(house.ended(order["id"])["state"] == "ready" for order in orders)


def test_avatars_of_a_folder_are_there_again(avatar: Avatar, tmp_path: Path) -> None:
    number = "0123456789abcdef01234567"
    avatar.save(tmp_path / number)
    (tmp_path / "other").mkdir()
    server = Server(tmp_path)
    try:
        assert [order.id for order in server.studio.orders()] == [number]
        assert server.studio.glb(number, "quality=low")[:4] == b"glTF"
    finally:
        server.close()


def test_an_address_that_is_taken(house: House, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing can be served"):
        Server(tmp_path / "a", port=house.port)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="no folder"):
        Server(tmp_path / "file")


def test_the_command_refuses(dinar) -> None:
    run: Run = dinar("serve", "--port", 99_999)
    refused(run, "--port 99999")
