"""A viewer that makes a known person of every photo."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from dinar.avatar import Avatar
from dinar.photo.source import Said, Source
from dinar.progress import Progress

if TYPE_CHECKING:
    from dinar.viewer.viewer import Viewer

@pytest.fixture
def open_viewer(monkeypatch: pytest.MonkeyPatch, avatar: Avatar) -> Iterator[Callable[..., Viewer]]:
    """Opens viewers at free ports; what they make of a photo is `avatar`, after the usual stages. `said` lists what was
    said of the photos.
    """
    pytest.importorskip("viser", reason="needs viser (dinar's extra 'view')")
    from dinar.viewer import viewer

    said: list[Said] = []

    def create(source: Source, *, progress: Progress, **_: Any) -> Avatar:
        assert source.photo.stat().st_size > 0
        said.append(source.said)
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

    start.said = said
    yield start
    for one in opened:
        one.close()
