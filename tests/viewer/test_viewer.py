"""The viewer without a browser."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from dinar.avatar import Avatar
from dinar.errors import InputError
from dinar.motion.motion import Motion
from dinar.photo.source import Said, Source


def ask(url: str, method: str, target: str, body: bytes | None = None) -> tuple[int, bytes]:
    line = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    line.request(method, target, body, {"X-Dinar": "drop"})
    reply = line.getresponse()
    return reply.status, reply.read()


def drop(viewer: Any, name: str, body: bytes) -> tuple[int, str | None]:
    """Sends a file and waits until its job has ended: status, and what went wrong."""
    status, found = ask(viewer.url, "POST", f"/dinar/drop?name={quote(name)}", body)
    if status != 202:
        return status, json.loads(found)["error"]
    assert viewer.jobs.wait(60)
    return status, json.loads(ask(viewer.url, "GET", "/dinar/state")[1])["job"]["error"]


def test_the_page_is_served_to_this_computer_alone(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer()
    assert viewer.url.startswith("http://127.0.0.1:")
    page = ask(viewer.url, "GET", "/")[1]
    assert b"<title>dinar</title>" in page and b"/dinar/page.js" in page and b"/dinar/page.css" in page
    for part in (b"/dinar/page.js", b"/dinar/page.css"):
        assert len(ask(viewer.url, "GET", part.decode())[1]) > 500
    assert json.loads(ask(viewer.url, "GET", "/dinar/state")[1]) == {"ready": False, "job": None}
    assert viewer._server.get_host() == "127.0.0.1" and viewer._server.request_share_url() is None


def test_a_photo_becomes_an_avatar(open_viewer: Callable[..., Any], avatar: Avatar) -> None:
    viewer = open_viewer()
    assert drop(viewer, "../Grandma.jpg", b"photo") == (202, None)
    state = json.loads(ask(viewer.url, "GET", "/dinar/state")[1])
    assert state["ready"] and state["job"]["stages"] == ["look", "fit"] and not state["job"]["running"]
    assert viewer.name == "Grandma" and os.listdir(viewer._folder) == []


def test_what_is_said_of_the_next_photo(open_viewer: Callable[..., Any], avatar: Avatar) -> None:
    viewer = open_viewer(avatar)
    assert drop(viewer, "a.jpg", b"photo") == (202, None) and open_viewer.said[-1] == Said()
    viewer._panel.about["age"].value = "a child"
    viewer._panel.about["sex"].value = "a woman"
    assert drop(viewer, "b.jpg", b"photo") == (202, None) and open_viewer.said[-1] == Said(sex="f", age="child")
    assert viewer._panel.about["age"].value == "a child"          # still, though the panel is another


def test_failures_leave_the_page_alive(
    open_viewer: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    viewer = open_viewer()
    from dinar.viewer.viewer import pipeline

    good = pipeline.create

    def nobody(source: Source, **_: Any) -> Avatar:
        raise InputError(f"{source.photo} shows no person")

    monkeypatch.setattr(pipeline, "create", nobody)
    assert drop(viewer, "beach.jpg", b"photo") == (202, "beach shows no person")     # no path of this computer

    def bug(source: Source, **_: Any) -> Avatar:
        raise ZeroDivisionError("one too many")

    monkeypatch.setattr(pipeline, "create", bug)
    status, error = drop(viewer, "beach.jpg", b"photo")
    assert status == 202 and "ZeroDivisionError" in error and "one too many" in capsys.readouterr().err
    assert not viewer.state()["ready"] and os.listdir(viewer._folder) == []
    monkeypatch.setattr(pipeline, "create", good)
    assert drop(viewer, "me.jpg", b"photo") == (202, None) and viewer.state()["ready"]


def test_avatars_and_motions_are_dropped_too(
    open_viewer: Callable[..., Any], avatar: Avatar, tmp_path: Path
) -> None:
    viewer = open_viewer()
    Motion.load("wave").clipped(0, 0.5).save(tmp_path / "hello.bvh")
    hello = (tmp_path / "hello.bvh").read_bytes()
    status, error = drop(viewer, "hello.bvh", hello)
    assert status == 409 and "somebody to move" in error
    avatar.save(tmp_path / "me.zip")
    assert drop(viewer, "me.zip", (tmp_path / "me.zip").read_bytes()) == (202, None)
    assert drop(viewer, "hello.bvh", hello) == (202, None)
    assert viewer.puppet.name == "hello" and viewer.puppet.playing
    assert "damaged" in drop(viewer, "me.zip", b"PK\x03\x04")[1]
    assert drop(viewer, "bad.bvh", b"HIERARCHY what")[1].startswith("bad")
    assert viewer.puppet.name == "hello"


def test_closing_leaves_nothing(open_viewer: Callable[..., Any], avatar: Avatar) -> None:
    viewer = open_viewer(avatar, "me")
    folder = viewer._folder
    assert folder.is_dir()
    viewer.close()
    assert not folder.exists() and not viewer._painter.is_alive()
    with pytest.raises(OSError):
        ask(viewer.url, "GET", "/")


def test_a_taken_port_leaves_nothing(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer()
    with pytest.raises(InputError, match="--port"):
        open_viewer(port=urlsplit(viewer.url).port)
    assert ask(viewer.url, "GET", "/dinar/state")[0] == 200
