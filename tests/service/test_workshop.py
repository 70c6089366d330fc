from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands.program import refused
from export.glb_reader import Scene
from PIL import Image
from speech.sounds import vowel, write

from dinar import pipeline
from dinar.avatar import Avatar
from dinar.errors import InputError
from dinar.service.workshop import Workshop


@pytest.fixture
def workshop(avatar: Avatar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    monkeypatch.setattr(pipeline, "create", lambda photos, **_: avatar if photos[0].is_file() else None)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "me.jpg").write_bytes(b"a photo")
    found = Workshop(tmp_path / "here")
    found.create("me.jpg", "me")
    return found


def test_tools_write_what_they_tell(workshop: Workshop, tmp_path: Path) -> None:
    here = tmp_path / "here"
    assert Avatar.load(here / "me").shape.shape
    assert "me.png" in workshop.render("me", "me.png", "back")
    with Image.open(here / "me.png") as picture:
        assert picture.size == (768, 768) and np.asarray(picture)[0, 0].tolist() == [255, 255, 255]
    assert "0.1 s" in workshop.animate("me", "wave", "wave.mp4", seconds=0.1)
    assert "me.glb" in workshop.export("me", "me.glb", program="unity", motions=("wave",))
    assert [a["name"] for a in Scene.read(here / "me.glb").tree["animations"]] == ["wave"]
    write(here / "said.wav", vowel("aa", 0.1))
    assert "0.1 s" in workshop.speak("me", "said.wav", "said.mp4")
    assert {path.name for path in here.iterdir()} == {
        "me.jpg", "me", "me.png", "wave.mp4", "me.glb", "said.wav", "said.mp4",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["../out.png", "/etc/out.png", "link/out.png", ".", "", "a\0b"])
def test_nothing_outside_the_folder_is_touched(workshop: Workshop, tmp_path: Path, name: str) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "here" / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match=r"outside the folder|no name of a file"):
        workshop.render("me", name)
    with pytest.raises(InputError):
        workshop.create(name, "you")
    assert list((tmp_path / "outside").iterdir()) == [] and not (tmp_path / "here" / "you").exists()


def test_what_cannot_be_is_one_sentence(workshop: Workshop) -> None:
    for call in (
        lambda: workshop.render("nobody", "a.png"),
        lambda: workshop.animate("me", "moonwalk", "a.mp4"),
        lambda: workshop.animate("me", "wave", "a.mp4", seconds=-1.0),
        lambda: workshop.export("me", "a.txt"),
        lambda: workshop.speak("me", "none.wav", "a.mp4"),
    ):
        with pytest.raises(InputError):
            call()


def test_an_assistant_calls_them(workshop: Workshop, tmp_path: Path) -> None:
    pytest.importorskip("mcp.server.mcpserver", reason="needs mcp 2 (dinar's extra 'mcp')")
    program = "from dinar.cli import main; main()"
    assert shutil.which(sys.executable)
    client = f"""
import asyncio, json, sys
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
async def ask():
    server = StdioServerParameters(command=sys.executable, args=["-c", {program!r}, "mcp", "--folder", "here"],
                                   env=dict(__import__("os").environ))
    async with stdio_client(server) as (reading, writing), ClientSession(reading, writing) as session:
        await session.initialize()
        tools = (await session.list_tools()).tools
        good = await session.call_tool("render", {{"avatar": "me", "picture": "asked.png"}})
        bad = await session.call_tool("render", {{"avatar": "nobody", "picture": "b.png"}})
        print(json.dumps([[tool.name for tool in tools], good.content[0].text, bad.is_error, bad.content[0].text]))
asyncio.run(ask())
"""
    run = subprocess.run(
        [sys.executable, "-c", client], cwd=tmp_path, capture_output=True, text=True, timeout=300, env=os.environ
    )
    assert run.returncode == 0, run.stderr
    names, good, failed, bad = json.loads(run.stdout)
    assert names == ["create", "animate", "render", "speak", "export"]
    assert "asked.png" in good and (tmp_path / "here" / "asked.png").is_file()
    assert failed and "nobody" in bad and "Traceback" not in bad


def test_the_command_refuses(dinar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.setitem(sys.modules, "mcp.server.mcpserver", None)
    refused(dinar("mcp"), "pip install 'dinar[mcp]'")
