"""The page in a browser: photo in, avatar out, turned, moved, saved."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image

from dinar.avatar import Avatar
from dinar.errors import InputError
from dinar.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

EXAMPLE = Path(__file__).parents[2] / "examples" / "person.jpg"
SIZE = {"width": 800, "height": 480}
PATIENCE = 120_000        # milliseconds; a browser without a graphics card beside other work

DROP = """
([name, content]) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  const files = new DataTransfer();
  files.items.add(new File([bytes], name));
  for (const kind of ["dragenter", "dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: files, bubbles: true, cancelable: true }));
  }
}
"""


@pytest.fixture
def visit(browser: Browser) -> Any:
    """Opens pages, and closes them after the test."""
    pages = []

    def go(viewer: Any) -> Page:
        page = browser.new_page(viewport=SIZE)
        pages.append(page)
        page.set_default_timeout(PATIENCE)
        page.goto(viewer.url)
        return page

    yield go
    for page in pages:
        page.close()


def drop(page: Page, name: str, content: bytes) -> None:
    page.evaluate(DROP, [name, base64.b64encode(content).decode()])


def look(page: Page) -> np.ndarray:
    """What is left of the panel, float [H, W, 3] in [0, 1]."""
    shot = page.screenshot(clip={"x": 300, "y": 0, "width": 170, "height": SIZE["height"]})
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), np.float32) / 255


def until(page: Page, true: Callable[[np.ndarray], bool]) -> np.ndarray:
    """Waits for a picture of a kind."""
    deadline = time.monotonic() + PATIENCE / 1000
    while not true(seen := look(page)):
        assert time.monotonic() < deadline, "the picture never came"
        page.wait_for_timeout(100)
    return seen


def red(seen: np.ndarray) -> bool:
    """Whether the person is seen from the front."""
    return float(((seen[..., 0] > 0.5) & (seen[..., 2] < 0.3)).mean()) > 0.08


def blue(seen: np.ndarray) -> bool:
    """Whether they are seen from behind."""
    return float(((seen[..., 2] > 0.5) & (seen[..., 0] < 0.3)).mean()) > 0.08


def test_a_photo_is_dropped_and_a_person_appears(open_viewer: Callable[..., Any], visit: Any) -> None:
    page = visit(open_viewer())
    page.get_by_text("Drop a photo of a person here").wait_for()
    drop(page, "me.jpg", EXAMPLE.read_bytes())
    page.get_by_role("tab", name="Look").wait_for()
    until(page, red)
    page.locator("#dinar").wait_for(state="hidden")
    box = SIZE["width"] // 4, SIZE["height"] // 2
    page.mouse.move(*box)                                  # once half around with the mouse
    page.mouse.down()
    page.mouse.move(box[0] + SIZE["height"] // 2, box[1], steps=8)
    page.mouse.up()
    until(page, blue)


def test_a_photo_that_is_chosen(open_viewer: Callable[..., Any], visit: Any) -> None:
    page = visit(open_viewer())
    page.locator("#dinar input").set_input_files(EXAMPLE)
    until(page, red)


def test_what_goes_wrong_is_said_and_the_next_photo_works(
    open_viewer: Callable[..., Any], visit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visit(open_viewer())
    from dinar.viewer.viewer import pipeline

    good = pipeline.create

    def nobody(source: Any, **_: Any) -> Avatar:
        raise InputError(f"{source.photo} shows no person; <b>try</b> a photo with the whole body in view")

    page.get_by_text("Drop a photo of a person here").wait_for()
    drop(page, "notes.txt", b"hello")
    page.get_by_text("notes cannot be opened here").wait_for()
    monkeypatch.setattr(pipeline, "create", nobody)
    drop(page, "beach.jpg", b"photo")
    page.get_by_text("beach shows no person; <b>try</b> a photo").wait_for()       # as text, not as HTML
    monkeypatch.setattr(pipeline, "create", good)
    drop(page, "me.jpg", b"photo")
    until(page, red)


def test_sides_looks_and_motions(open_viewer: Callable[..., Any], visit: Any, avatar: Avatar) -> None:
    viewer = open_viewer(avatar, "me")
    page = visit(viewer)
    until(page, red)
    page.get_by_text("back", exact=True).click()
    until(page, blue)
    page.get_by_text("front", exact=True).click()
    until(page, red)
    page.get_by_role("tab", name="Move").click()
    page.get_by_role("combobox", name="Motion").click()
    page.get_by_role("option", name="walk").click()
    deadline = time.monotonic() + PATIENCE / 1000
    while not (viewer.puppet.name == "walk" and viewer.puppet.playing):
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)
    before = look(page)
    until(page, lambda seen: bool(np.abs(seen - before).mean() > 0.005))
    page.get_by_role("tab", name="Face").click()
    page.get_by_text("surprise", exact=True).click()
    jaw = avatar.model.expression_names.index("jawOpen")
    while viewer.puppet.body().expression[0, jaw] < 0.3:
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)


def test_a_hand_is_dragged(open_viewer: Callable[..., Any], visit: Any, avatar: Avatar) -> None:
    viewer = open_viewer(avatar, "me")
    page = visit(viewer)
    until(page, red)
    page.get_by_role("tab", name="Pose").click()
    page.get_by_role("checkbox", name="Handles").click(force=True)
    before = viewer.puppet.handles()["rightHand"].clone()
    client = next(iter(viewer._server.get_clients().values()))
    until(page, lambda seen: bool(((seen[..., 2] > seen[..., 0] + 0.2) & (seen[..., 1] > 0.25)).mean() > 0.001))
    from dinar.viewer.pictures import camera_of

    camera = camera_of(client.camera.wxyz, client.camera.position, client.camera.fov, (SIZE["height"], SIZE["width"]))
    x, y, _ = camera.project(before).tolist()
    page.mouse.move(x, y)
    page.wait_for_timeout(300)
    page.mouse.down()
    page.mouse.move(x + 20, y - 60, steps=6)
    page.mouse.up()
    deadline = time.monotonic() + PATIENCE / 1000
    while viewer.puppet.handles()["rightHand"][1] < before[1] + 0.1:
        assert time.monotonic() < deadline
        page.wait_for_timeout(50)


def test_files_are_saved(
    open_viewer: Callable[..., Any], visit: Any, avatar: Avatar, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dinar.viewer import saving

    monkeypatch.setattr(saving, "TURN_SECONDS", 0.1)
    viewer = open_viewer(avatar, "Grandma")
    page = visit(viewer)
    until(page, red)
    page.get_by_role("tab", name="Save").click()
    page.get_by_role("checkbox", name="With all motions").click(force=True)         # without: quicker
    page.get_by_role("button", name="VRM").click()
    page.get_by_text("a VRM names its author").wait_for()
    page.locator("input.mantine-TextInput-input").last.fill("Ann Example")
    page.keyboard.press("Tab")
    page.wait_for_timeout(300)
    files = {}
    for suffix, button in {
        ".png": "Picture", ".mp4": "Video", ".glb": "3D model", ".vrm": "VRM", ".zip": "Avatar (.zip)"
    }.items():  # fmt: skip
        with page.expect_download() as coming:
            page.get_by_role("button", name=button).click()
        assert coming.value.suggested_filename == f"Grandma{suffix}"
        files[suffix] = tmp_path / f"file{suffix}"
        coming.value.save_as(files[suffix])
        assert viewer.jobs.wait(60)
    with Image.open(files[".png"]) as picture:
        seen = np.asarray(picture.convert("RGB"), np.float32) / 255
        assert picture.size[1] == 1024 and ((seen[..., 0] > 0.5) & (seen[..., 2] < 0.3)).mean() > 0.03
    assert files[".mp4"].read_bytes()[4:8] == b"ftyp"
    for suffix in (".glb", ".vrm"):
        content = files[suffix].read_bytes()
        assert content[:4] == b"glTF"
        found = json.loads(content[20 : 20 + int.from_bytes(content[12:16], "little")])
        assert "animations" not in found
    assert found["extensions"]["VRMC_vrm"]["meta"]["authors"] == ["Ann Example"]
    assert torch.allclose(Avatar.load(files[".zip"]).shape, avatar.shape)


def test_an_idle_page_leaves_the_processor_alone(
    open_viewer: Callable[..., Any], visit: Any, avatar: Avatar
) -> None:
    page = visit(open_viewer(avatar, "me"))
    until(page, red)
    page.wait_for_timeout(1500)                             # the sharp picture
    start = time.process_time()
    time.sleep(2)
    assert time.process_time() - start < 0.4                # of 2 s


def test_a_real_photo(browser: Browser, visit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but the networks that draw is left out."""
    pytest.importorskip("viser", reason="needs viser (dinar's extra 'view')")
    if any(status.path is None and not status.file.optional for status in Store().table()):
        pytest.skip("needs the models that `dinar doctor --fetch needed` downloads")
    from dinar.viewer import viewer

    quick = partial(viewer.pipeline.create, renderer="texture", refine="none")
    monkeypatch.setattr(viewer.pipeline, "create", quick)
    opened = viewer.Viewer()
    try:
        page = visit(opened)
        page.get_by_text("Drop a photo of a person here").wait_for()
        drop(page, "person.jpg", EXAMPLE.read_bytes())
        page.get_by_text("Looking at the photo").wait_for()
        page.get_by_role("tab", name="Look").wait_for(timeout=600_000)
        assert opened.jobs.wait(10) and opened.jobs.state.error is None and len(opened.puppet.avatar.shots) == 1
        until(page, lambda seen: bool((seen.min(-1) < 0.5).mean() > 0.05))
    finally:
        opened.close()
