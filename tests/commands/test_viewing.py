from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from commands.program import Run, refused


def test_view_opens_a_page(dinar: Callable[..., Run], made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("viser", reason="needs viser (dinar's extra 'view')")
    from dinar.viewer import viewer

    opened = []
    monkeypatch.setattr(viewer, "serve", lambda page, **options: (opened.append((page.puppet, options)), page.close()))
    run = dinar("view", made, "--port", "0", "--json")
    assert run.code == 0 and json.loads(run.stdout)["url"].startswith("http://127.0.0.1:") and run.stderr == ""
    assert opened[0][0].avatar.shots and opened[0][1] == {"browser": False}
    run = dinar("view", "--port", "0", "--host", "0.0.0.0")
    assert run.code == 0 and "http://localhost:" in run.stdout and "everybody" in run.stderr
    assert opened[1] == (None, {"browser": True})
    run = dinar("export", made, "-o", "a.glb", "--motion", "walk", "--triangles", "2000", "--preview", "--json")
    assert run.code == 0 and json.loads(run.stdout)["files"] == ["a.glb"] and "://127.0.0.1:" in run.stdout
    shown = opened[2][0]
    assert shown.playing and len(shown.avatar.model.faces) == len(shown.avatar.layout.faces) == 2000
    assert shown.avatar.renderer is None and opened[2][1] == {"browser": False}
    Path("a.glb").unlink()
    refused(dinar("view", "absent"), "absent")
    refused(dinar("view", "--port", "70000"), "--port")
    refused(dinar("view", "--port", "0", "--host", "no.such.host.invalid"), "--host")
