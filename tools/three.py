"""Exported people in three.js, drawn by a headless Chromium: for the proofs in the tests and the picture in the docs.

It needs Chromium (`chromium`, `chromium-browser` or `google-chrome` on the path) and npm's `three` and
`@pixiv/three-vrm` in the `node_modules` folder that the environment variable NODE_PATH names. Nothing outside this
machine is asked for anything.
"""

from __future__ import annotations

import base64
import io
import json
import math
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dinar.camera import Camera

PAGE = Path(__file__).with_name("three.html")
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ("three", "@pixiv/three-vrm")
FLAGS = (
    "--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--no-first-run", "--mute-audio",
)  # fmt: skip
_TYPES = {".js": "text/javascript", ".html": "text/html"}


@dataclass(frozen=True)
class Shot:
    """A picture to take.

    camera       Camera  of the picture's size, its principal point in the middle
    clip, time           an animation of the file, at a time in seconds
    bones                of a .vrm: turns of humanoid bones, unit quaternions x y z w
    joints               of a .glb: rotations of nodes by name, unit quaternions x y z w; they stay for later shots
    expressions          strengths of a .vrm's expressions, of a .glb's morph targets
    """

    camera: Camera
    clip: str | None = None
    time: float = 0.0
    bones: Mapping[str, Sequence[float]] = field(default_factory=dict)
    joints: Mapping[str, Sequence[float]] = field(default_factory=dict)
    expressions: Mapping[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        pose = np.eye(4)
        pose[:3, :3] = self.camera.R.numpy().T * [1, -1, -1]        # three.js looks along -z, y up
        pose[:3, 3] = self.camera.position.numpy()
        return {
            "pose": pose.T.ravel().tolist(),                        # column after column
            "fov": math.degrees(2 * math.atan(self.camera.size[0] / 2 / float(self.camera.K[1, 1]))),
            "clip": self.clip,
            "time": self.time,
            "bones": {bone: list(turn) for bone, turn in self.bones.items()},
            "joints": {name: list(turn) for name, turn in self.joints.items()},
            "expressions": dict(self.expressions),
        }


@dataclass(frozen=True)
class Drawn:
    """What came back.

    pictures  uint8 [H, W, 3]   one a shot
    vertices  float32 [N, 3]    one a shot: the first mesh's, skinned and moved by expressions, metres
    clips     names of the file's animations
    """

    pictures: tuple[np.ndarray, ...]
    vertices: tuple[np.ndarray, ...]
    clips: tuple[str, ...]


def missing() -> str | None:
    """What has to be installed before `draw` works, None where it is all there."""
    if not any(shutil.which(program) for program in PROGRAMS):
        return "needs Chromium"
    packages = _packages()
    if packages is None or not all((packages / name).is_dir() for name in PACKAGES):
        return f"needs `npm install {' '.join(PACKAGES)}`, with NODE_PATH at its node_modules"
    return None


def draw(
    path: Path,                         # .glb or .vrm
    shots: Sequence[Shot],              # all of one size
    *,
    background: tuple[float, float, float] = (1.0, 1.0, 1.0),    # sRGB in [0, 1]
    lamp: bool = False,                 # light it: for materials that are not unlit
    seconds: float = 240.0,             # at most
) -> Drawn:
    """Loads a file in three.js and takes pictures of it. Raises RuntimeError with the page's words where it fails."""
    job = {
        "vrm": path.suffix.lower() == ".vrm",
        "size": list(shots[0].camera.size),
        "background": list(background),
        "lamp": lamp,
        "shots": [shot.as_dict() for shot in shots],
    }
    answer = _asked(path, job, seconds)
    if "error" in answer:
        raise RuntimeError(answer["error"])
    pictures = []
    for shot in answer["shots"]:
        with Image.open(io.BytesIO(base64.b64decode(shot["png"]))) as opened:
            pictures.append(np.asarray(opened.convert("RGB")))
    vertices = (np.frombuffer(base64.b64decode(shot["vertices"]), "<f4").reshape(-1, 3) for shot in answer["shots"])
    return Drawn(tuple(pictures), tuple(vertices), tuple(answer["clips"]))


def _packages() -> Path | None:
    places = [Path(place) for place in os.environ.get("NODE_PATH", "").split(os.pathsep) if place]
    return next((place for place in places if (place / PACKAGES[0]).is_dir()), None)


def _asked(path: Path, job: dict[str, Any], seconds: float) -> dict[str, Any]:
    """What the page posts."""
    answer: dict[str, Any] = {}
    arrived = threading.Event()
    packages = _packages()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/job":
                return self._send(json.dumps(job).encode(), "application/json")
            if self.path == "/file":
                return self._send(path.read_bytes(), "model/gltf-binary")
            if self.path == "/":
                return self._send(PAGE.read_bytes(), "text/html")
            file = (packages / self.path.removeprefix("/npm/")).resolve()
            if not self.path.startswith("/npm/") or not file.is_relative_to(packages.resolve()) or not file.is_file():
                return self.send_error(404)
            return self._send(file.read_bytes(), _TYPES.get(file.suffix, "application/octet-stream"))

        def do_POST(self) -> None:
            answer.update(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._send(b"", "text/plain")
            arrived.set()

        def _send(self, content: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing is said about requests."""

    program = next(program for program in PROGRAMS if shutil.which(program))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, tempfile.TemporaryDirectory() as profile:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}/"
        browser = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}/profile", address],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            if not arrived.wait(seconds):
                raise RuntimeError(f"the page said nothing for {seconds:.0f} seconds")
        finally:
            _end(browser)
            server.shutdown()
    return answer


def _end(browser: subprocess.Popen) -> None:
    """Ends a browser with all its processes."""
    try:
        os.killpg(browser.pid, 15)
        browser.wait(10)
    except (ProcessLookupError, subprocess.TimeoutExpired):
        if browser.poll() is None:
            os.killpg(browser.pid, 9)
            browser.wait()
