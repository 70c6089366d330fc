"""A person's page, opened from the disk by a browser that has no network."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from commands.program import Run
from PIL import Image

from dinar.avatar import Avatar
from dinar.errors import InputError
from dinar.export import gltf, profiles, webpage, writing
from dinar.export.figure import Figure
from dinar.motion.motion import Motion

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PATIENCE = 120            # seconds; a browser without a graphics card beside other work
MOST = 4_000_000          # bytes
PERSON = "document.querySelector('dinar-avatar')"


@pytest.fixture(scope="module")
def figure(avatar: Avatar) -> Figure:
    return avatar.figure(texture="plain", triangles=profiles.PAGE.triangles)


@pytest.fixture(scope="module")
def page_file(figure: Figure, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "Ann & <Bob>.html"
    motions = {name: Motion.load(name) for name in ("walk", "turn")}
    writing.write(path, figure, motions=motions, profile=profiles.profile(None, path))
    return path


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a file in a browser without a network; a page that throws or asks for anything but itself fails."""
    contexts, troubles = [], []

    def go(path: Path, size: tuple[int, int] = (480, 360), **options: Any) -> Page:
        context = browser.new_context(offline=True, viewport={"width": size[0], "height": size[1]}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("request", lambda request: troubles.append(request.url[:80])
                if not request.url.startswith(("file:", "blob:", "data:")) else None)
        page.goto(path.as_uri())
        until(page, f"{PERSON}._seen && {PERSON}.renderer.info.render.frame > 2")
        return page

    yield go
    for context in contexts:
        context.close()
    assert not troubles


def until(page: Page, expression: str) -> None:
    for _ in range(PATIENCE * 5):
        if page.evaluate(f"Boolean({expression})"):
            return
        page.wait_for_timeout(200)
    raise AssertionError(f"{expression} never came true")


def look(page: Page) -> np.ndarray:
    """What is above the buttons, float [H, W, 3] in [0, 1]."""
    size = page.viewport_size
    shot = page.screenshot(clip={"x": 0, "y": 0, "width": size["width"], "height": size["height"] - 110})
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), np.float32) / 255


def red(seen: np.ndarray) -> int:
    return int(((seen[..., 0] > 0.5) & (seen[..., 2] < 0.3)).sum())


def blue(seen: np.ndarray) -> int:
    return int(((seen[..., 2] > 0.5) & (seen[..., 0] < 0.3)).sum())


def test_it_is_one_small_file(page_file: Path, figure: Figure, tmp_path: Path) -> None:
    assert page_file.stat().st_size <= MOST
    text = page_file.read_text(encoding="utf-8")
    assert "Ann &amp; &lt;Bob&gt;" in text and "<Bob>" not in text
    assert text.count("</script>") == 2                                     # nothing inside ends a script early
    with pytest.raises(InputError, match="no clip dance"):
        webpage.write(tmp_path / "a.html", figure, clip="dance")
    assert not list(tmp_path.iterdir())


def test_the_person_turns_plays_a_clip_and_makes_a_face(page_file: Path, visit: Callable[..., Page]) -> None:
    page = visit(page_file)
    front = look(page)
    assert red(front) > 400 and blue(front) < 0.2 * red(front)
    page.mouse.move(240, 120)                                               # half around with the mouse
    page.mouse.down()
    page.mouse.move(240 + 180, 120, steps=6)
    page.mouse.up()
    until(page, f"Math.abs({PERSON}.orbit.getAzimuthalAngle()) > 2.8")
    page.wait_for_timeout(500)
    back = look(page)
    assert blue(back) > 400 and red(back) < 0.2 * blue(back)
    far = page.evaluate(f"{PERSON}.orbit.getDistance()")
    page.mouse.wheel(0, -400)
    until(page, f"{PERSON}.orbit.getDistance() < {0.95 * far}")
    page.get_by_label("Clip").select_option("walk")
    foot = f"{PERSON}.person.getObjectByName('LeftFoot').matrixWorld.elements.slice(12, 15)"
    before = np.array(page.evaluate(foot))
    moved = 0.0
    for _ in range(PATIENCE * 5):
        moved = max(moved, float(np.linalg.norm(np.array(page.evaluate(foot)) - before)))
        if moved > 0.15:
            break
        page.wait_for_timeout(200)
    assert moved > 0.15                                                     # metres: a step
    page.get_by_label("Clip").select_option("")
    page.get_by_role("button", name="Face").click()
    page.get_by_label("Expression").select_option("aa")
    jaw = f"{PERSON}.meshes.map((mesh) => mesh.morphTargetInfluences[mesh.morphTargetDictionary.jawOpen])"
    until(page, f"Math.min(...{jaw}) > 0.55")                               # teeth go with the jaw
    plain = look(page)
    page.get_by_role("button", name="Light").click()
    page.wait_for_timeout(500)
    assert np.abs(look(page) - plain).mean() > 0.005
    page.get_by_role("button", name="Background").click()
    page.wait_for_timeout(500)
    assert look(page)[0, 0].mean() < 0.4


def test_on_a_phone_all_of_the_person_and_every_button_are_seen(page_file: Path, visit: Callable[..., Page]) -> None:
    page = visit(page_file, (320, 560), has_touch=True, is_mobile=True)
    seen = look(page)
    person = (np.abs(seen - seen.mean(-1, keepdims=True)).max(-1) > 0.2).nonzero()[1]
    assert person.min() > 0 and person.max() < 319                          # arms and all
    boxes = "all => all.map((one) => one.getBoundingClientRect().toJSON())"
    for box in page.locator("dinar-avatar .bar > *").evaluate_all(boxes):
        assert box["left"] >= 0 and box["right"] <= 320 and box["bottom"] <= 560 and box["height"] >= 40


def test_the_button_gives_the_glb(
    page_file: Path, visit: Callable[..., Page], figure: Figure, tmp_path: Path
) -> None:
    page = visit(page_file)
    with page.expect_download() as coming:
        page.get_by_role("link", name="Download").click()
    assert coming.value.suggested_filename.endswith(".glb")
    coming.value.save_as(tmp_path / "got.glb")
    motions = {name: Motion.load(name) for name in ("walk", "turn")}
    own = tmp_path / f"{page_file.stem}.glb"
    gltf.write(own, figure, motions=motions, profile=profiles.PAGE)
    assert (tmp_path / "got.glb").read_bytes() == own.read_bytes()


def test_the_element_stands_in_other_pages(figure: Figure, visit: Callable[..., Page], tmp_path: Path) -> None:
    webpage.write_element(tmp_path / "dinar-avatar.js")
    packing = find_spec("meshopt") is not None
    gltf.write(tmp_path / "me.glb", figure, profile=profiles.profile("web").having(packed=packing))
    packed = base64.b64encode((tmp_path / "me.glb").read_bytes()).decode()
    page_file = tmp_path / "mine.html"
    page_file.write_text(
        f'<!doctype html><script src="dinar-avatar.js"></script><script type="text/plain" id="me">{packed}</script>'
        '<dinar-avatar bare src="#me" style="height: 300px"></dinar-avatar>', encoding="utf-8",
    )
    page = visit(page_file)
    assert red(look(page)) > 200 and page.locator("dinar-avatar .bar > *").count() == 0


def test_the_program_writes_a_page_with_all_clips(dinar: Callable[..., Run], made: Path) -> None:
    run = dinar("export", made, "-o", "me.html", "--texture-size", "64", "--json")
    assert run.code == 0 and json.loads(run.stdout)["files"] == ["me.html"]
    text = Path("me.html").read_text(encoding="utf-8")
    content = base64.b64decode(text.split('id="glb">')[1].split("<")[0])
    tree = json.loads(content[20 : 20 + int.from_bytes(content[12:16], "little")])
    assert [animation["name"] for animation in tree["animations"]] == list(webpage.CLIPS)
