"""The page's server: viser shows what is drawn here, the door lets photos in, jobs do the long work."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import tempfile
import threading
import time
import urllib.request
import warnings
import webbrowser
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

import torch

from dinar import pipeline
from dinar.avatar import Avatar
from dinar.errors import InputError
from dinar.motion.motion import Motion
from dinar.photo.source import Said, Source
from dinar.progress import Progress
from dinar.viewer import pictures
from dinar.viewer.door import LOCAL, Door, Upload
from dinar.viewer.jobs import Jobs, sentence
from dinar.viewer.latest import Latest
from dinar.viewer.panel import Panel
from dinar.viewer.puppet import Puppet
from dinar.viewer.uploads import label

try:
    import viser
except ImportError as missing:
    raise InputError("the viewer needs viser: pip install 'dinar[view]'") from missing

warnings.filterwarnings("ignore", "Queued a .* on a closed connection")    # somebody left while a picture was drawn

STILL = 0.25            # seconds without a change after which a sharp picture is drawn
FRAMES = 30.0           # pictures a second at most
MOVING, RESTING = "moving", "resting"


class _Server(viser.ViserServer):
    """viser, on this computer alone."""

    def request_share_url(self, verbose: bool = True) -> None:
        """Nothing leaves this computer, even where a page asks for a public address."""


class Viewer:
    """Serves the page from when it is made until `close`.

    Raises InputError where the address is taken.
    """

    def __init__(
        self,
        avatar: Avatar | None = None,
        name: str = "avatar",
        *,
        host: str = "127.0.0.1",
        port: int = 0,                  # 0: any that is free
        device: str = "cpu",
    ) -> None:
        self.jobs = Jobs()
        self.puppet: Puppet | None = None
        self.name = name
        self.said = Said()                      # of who is on the next photo
        self._device = device
        self._panel: Panel | None = None
        self._drop = 0                          # number of the job that the last upload started
        self._pace = pictures.Pace()
        self._latest: Latest[int, str] = Latest()
        self._complained = ""
        self._folder = Path(tempfile.mkdtemp(prefix="dinar-view-"))
        with contextlib.redirect_stdout(io.StringIO()):       # viser's own address is nobody's business
            self._server = _Server("127.0.0.1", 0, label="dinar", verbose=False)
        self._server.scene.set_up_direction("+y")
        self._server.gui.configure_theme(show_logo=False, show_share_button=False, control_width="medium")
        self._server.on_client_connect(self._arrived)
        self._server.on_client_disconnect(lambda client: self._latest.drop(client.client_id))
        self._painter = threading.Thread(target=self._paint, name="dinar-painter", daemon=True)
        try:
            self._door = Door(
                host, port, self._server.get_port(), _pages(self._server.get_port()), self._folder,
                self._dropped, self.state,
            )  # fmt: skip
        except BaseException:
            self._latest.close()
            self._stop_viser()
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self._painter.start()
        if avatar is not None:
            self.show(avatar, name)
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{'localhost' if host in ('0.0.0.0', '::') else shown}:{self._door.port}"

    def close(self) -> None:
        self._door.close()
        self._latest.close()
        self._stop_viser()
        self._painter.join(timeout=10)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _stop_viser(self) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            self._server.stop()

    def show(self, avatar: Avatar, name: str) -> None:
        """Puts a person on the stage in place of the one before."""
        puppet = Puppet(avatar.to(self._device))
        self.name = name
        self._panel = Panel(self, self._server, puppet)
        self.puppet = puppet
        self._pace = pictures.Pace()
        self.refresh()

    def move(self, name: str, motion: Motion) -> None:
        """Plays a motion, which stays among those to choose from; nothing happens while nobody is there."""
        if self._panel is not None:
            self._panel.add_motion(name, motion)

    def state(self) -> dict[str, object]:
        """What the page asks for: whether there is somebody to see, and how far the last upload is."""
        job = self.jobs.state
        mine = job is not None and job.number == self._drop
        return {"ready": self.puppet is not None, "job": asdict(job) if mine else None}

    # Pictures

    def refresh(self) -> None:
        """Something has changed: everybody gets a new picture."""
        for number in self._server.get_clients():
            self._latest.put(number, MOVING)

    def _arrived(self, client: viser.ClientHandle) -> None:
        client.camera.on_update(lambda _: self._latest.put(client.client_id, MOVING))
        if self._panel is not None:
            self._panel.welcome(client)
        self._latest.put(client.client_id, MOVING)

    def _paint(self) -> None:
        while (found := self._latest.take()) is not None:
            number, how = found
            client = self._server.get_clients().get(number)
            if client is None or self.puppet is None or self._panel is None:
                continue
            start = time.monotonic()
            try:
                self._draw(client, self.puppet, self._panel, sharp=how == RESTING)
            except Exception as error:
                self._complain(client, sentence(error))
                continue
            self._complained = ""
            passed = time.monotonic() - start
            if self.puppet.playing:
                self._latest.later(number, MOVING, max(0.0, 1 / FRAMES - passed))
            elif how == MOVING:
                self._latest.later(number, RESTING, STILL)
            if how == MOVING:
                self._pace.took(passed)

    def _draw(self, client: viser.ClientHandle, puppet: Puppet, panel: Panel, *, sharp: bool) -> None:
        panel.follow()
        avatar, background = panel.drawn(puppet), panel.background
        if avatar is None:
            flat = (background * 255).round().byte().expand(2, 2, 3).contiguous().numpy()
            client.scene.set_background_image(flat, format="png")
            return
        camera = client.camera
        canvas = (max(camera.image_height, 16), max(camera.image_width, 16))
        size = pictures.size_of(pictures.SHARP if sharp else self._pace.height, canvas)
        seen = pictures.camera_of(camera.wxyz, camera.position, camera.fov, size)
        picture = pictures.picture(avatar, puppet.body(), seen, background, hung=puppet.hangs)
        client.scene.set_background_image(picture, format="jpeg", jpeg_quality=95 if sharp else 85)

    def _complain(self, client: viser.ClientHandle, why: str) -> None:
        """Once for the same reason: a picture that cannot be drawn is asked for again and again."""
        if why != self._complained:
            self._complained = why
            client.add_notification("That cannot be drawn", why, color="red")

    # Files that are dropped

    def _dropped(self, upload: Upload) -> None:
        """Takes a file over. Raises InputError while something else is being made."""
        name = label(upload.name)
        works: Mapping[str, tuple[str, Callable[[Progress], None]]] = {
            "photo": (f"Making an avatar of {name}", lambda progress: self._create(upload, name, progress)),
            "avatar": (f"Opening {name}", lambda progress: self._open(upload, name, progress)),
            "motion": (f"Reading {name}", lambda progress: self._move(upload, name, progress)),
        }
        if upload.kind.what == "motion" and self.puppet is None:
            raise InputError("a motion needs somebody to move: drop a photo or an avatar first")
        what, work = works[upload.kind.what]

        def tidy(progress: Progress) -> None:
            try:
                work(progress)
            except InputError as error:
                raise InputError(str(error).replace(str(upload.path), name)) from error
            finally:
                upload.path.unlink(missing_ok=True)

        self.jobs.start(what, tidy)
        self._drop = self.jobs.state.number

    def _create(self, upload: Upload, name: str, progress: Progress) -> None:
        torch.manual_seed(0)
        source = Source(upload.path, said=self.said)
        avatar = pipeline.create(source, device=self._device, progress=progress)
        self.show(avatar, name)

    def _open(self, upload: Upload, name: str, progress: Progress) -> None:
        with progress.stage("load"):
            self.show(Avatar.load(upload.path), name)

    def _move(self, upload: Upload, name: str, progress: Progress) -> None:
        with progress.stage("load"):
            motion = Motion.load(upload.path)
        self.move(name, motion)


def _pages(inner: int) -> dict[str, tuple[str, bytes]]:
    """viser's page with the drop zone in it, and the zone's own files."""
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://127.0.0.1:{inner}/") as reply:
        page = reply.read().decode("utf-8")
    page = page.replace("<title>Viser</title>", "<title>dinar</title>")
    links = '<link rel="stylesheet" href="/dinar/page.css"><script src="/dinar/page.js"></script>'
    page = page.replace("</head>", f"{links}</head>", 1)
    folder = files("dinar.viewer") / "page"
    return {
        "/": ("text/html; charset=utf-8", page.encode()),
        "/dinar/page.css": ("text/css; charset=utf-8", (folder / "page.css").read_bytes()),
        "/dinar/page.js": ("text/javascript; charset=utf-8", (folder / "page.js").read_bytes()),
    }


def serve(viewer: Viewer, *, browser: bool = False) -> None:
    """Until Ctrl-C; `browser`: the page is opened where there is a screen."""
    try:
        if browser and (sys.platform in ("win32", "darwin") or {"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys()):
            webbrowser.open(viewer.url)
        threading.Event().wait()
    except KeyboardInterrupt:
        print(file=sys.stderr)
    finally:
        viewer.close()


def is_local(host: str) -> bool:
    return host in LOCAL
