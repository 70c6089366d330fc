"""A viewer that makes a known person of every photo."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from dinar.avatar import Avatar
from dinar.progress import Progress

if TYPE_CHECKING:
    from dinar.viewer.viewer import Viewer

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
