"""Other programs' own pages, served to a browser from npm's packages and folders of this machine, with no network."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

ADDRESS = "http://localhost/"
PATIENCE = 120_000        # milliseconds; a browser without a graphics card beside other work
PACKAGES = {
    "@google/model-viewer": "4.4.0",
    "@met4citizen/talkinghead": "1.7.0",
    "@pixiv/three-vrm": "3.5.5",
    "babylonjs": "9.35.0",
    "babylonjs-loaders": "9.28.0",
    "meshoptimizer": "1.3.0",
    "three": "0.187.0",
}
_SCRIPT = "text/javascript"
_TYPES = {".js": _SCRIPT, ".mjs": _SCRIPT, ".cjs": _SCRIPT, ".html": "text/html", ".json": "application/json"}


def packages(name: str, folder: Path) -> Path:
    """The `node_modules` folder that holds a package: one of NODE_PATH, else npm installs it below `folder`.

    Each has a place of its own there: npm removes what it did not just install. Skips where neither is possible.
    """
    for place in filter(None, os.environ.get("NODE_PATH", "").split(os.pathsep)):
        if (Path(place) / name / "package.json").is_file():
            return Path(place)
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"needs npm, or {name} in a folder that NODE_PATH names")
    place = folder / name.replace("/", "+")
    found = place / "node_modules"
    if not (found / name).is_dir():
        place.mkdir(exist_ok=True)
        quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-save")
        command = [npm, "install", *quiet, f"{name}@{PACKAGES[name]}"]
        try:
            run = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=300)
        except subprocess.TimeoutExpired:
            pytest.skip(f"npm did not install {name} in five minutes")
        if run.returncode:
            pytest.skip(f"npm could not install {name}: {run.stderr[-200:]}")
    return found


def opened(browser: Browser, html: str, folders: Mapping[str, Path], size: tuple[int, int] = (480, 640)) -> Page:
    """A page of this text at `ADDRESS`; what lies below a folder's name there comes from the folder, all else fails.

    What goes wrong in it is in its list `troubles`.
    """
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.set_default_timeout(PATIENCE)
    page.troubles = []
    page.on("pageerror", lambda error: page.troubles.append(str(error)))

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix(ADDRESS).split("?")[0]
        name, _, rest = path.partition("/")
        if not path:
            return route.fulfill(body=html, content_type="text/html")
        if name in folders and (folders[name] / rest).is_file():
            kind = _TYPES.get(Path(rest).suffix, "application/octet-stream")
            return route.fulfill(body=(folders[name] / rest).read_bytes(), content_type=kind)
        if path != "favicon.ico":
            page.troubles.append(f"asked for {route.request.url}")
        return route.abort()

    page.route("**/*", answer)
    page.goto(ADDRESS)
    return page


def until(page: Page, expression: str) -> Any:
    """Waits for an expression to be true, and tells its value; fails with the page's own words."""
    for _ in range(PATIENCE // 200):
        if value := page.evaluate(expression):
            return value
        assert not page.troubles, page.troubles
        page.wait_for_timeout(200)
    raise AssertionError(f"{expression} never came true")


def picture(page: Page, name: str) -> np.ndarray:
    """What the page shows, uint8 [H, W, 3]; kept as a file where DINAR_SHOTS names a folder."""
    content = page.screenshot()
    if folder := os.environ.get("DINAR_SHOTS"):
        (Path(folder) / f"{name}.png").write_bytes(content)
    with Image.open(io.BytesIO(content)) as opened:
        return np.asarray(opened.convert("RGB"))
