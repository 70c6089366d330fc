"""A viewer that makes a known person of every photo, and a browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from dinar.avatar import Avatar
from dinar.progress import Progress

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from dinar.viewer.viewer import Viewer

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]     # WebGL without a graphics card


@pytest.fixture
def open_viewer(monkeypatch: pytest.MonkeyPatch, avatar: Avatar) -> Iterator[Callable[..., Viewer]]:
    """Opens viewers at free ports; what they make of a photo is `avatar`, after the usual stages."""
    pytest.importorskip("viser", reason="needs viser (dinar's extra 'view')")
    from dinar.viewer import viewer

    def create(photos: list, *, progress: Progress, **_: Any) -> Avatar:
        assert photos[0].stat().st_size > 0
        with progress.stage("look"):
            pass
        with progress.stage("fit"):
            progress.advance("fit", 0.5)
        return avatar

    monkeypatch.setattr(viewer.pipeline, "create", create)
    opened: list[Viewer] = []

    def start(*arguments: Any, **options: Any) -> Viewer:
        opened.append(viewer.Viewer(*arguments, **options))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright (dinar's extra 'test')")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip("needs Chromium (Debian's package chromium)")
    alone = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        program = driver.chromium.launch(executable_path=path, args=[*OPTIONS, *alone], timeout=120_000)
        yield program
        program.close()
