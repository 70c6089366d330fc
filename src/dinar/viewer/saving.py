"""What the page of an avatar saves: a picture, a video, files for other programs, the avatar itself."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import roma
import torch
from torch import Tensor

from dinar import images
from dinar.avatar import composed
from dinar.camera import Camera
from dinar.errors import InputError
from dinar.export import video
from dinar.export.licence import Licence
from dinar.parallel import in_order
from dinar.progress import Progress
from dinar.viewer import pictures
from dinar.viewer.jobs import State
from dinar.viewer.puppet import Puppet

if TYPE_CHECKING:
    import viser

    from dinar.viewer.panel import Panel
    from dinar.viewer.viewer import Viewer

TOLD = 0.25                   # seconds between two notes on the page about the same thing
HEIGHTS = {"512 px": 512, "720 px": 720, "1080 px": 1080}
TURN_SECONDS = 4.0            # of a video of somebody who stands
VIDEO_FPS = 30.0
CLOSE = 5.0                   # seconds that good news stay


def aspect(client: viser.ClientHandle) -> float:
    """Width over height of what a client sees."""
    return client.camera.image_width / max(client.camera.image_height, 1)


class Saving:
    """The buttons of one puppet that send files to whoever pressed them."""

    def __init__(self, viewer: Viewer, server: viser.ViserServer, puppet: Puppet, panel: Panel) -> None:
        self._viewer, self._server, self._puppet, self._panel = viewer, server, puppet, panel
        self._avatar = puppet.avatar

    def fill(self) -> None:
        """Adds them to the page."""
        gui = self._server.gui
        clear = gui.add_checkbox("Transparent picture", False)
        self._on("Picture (PNG)", lambda client, _: self._png(client, clear.value))
        height = gui.add_dropdown("Video height", tuple(HEIGHTS), initial_value="720 px")
        self._on(
            "Video (MP4)",
            lambda client, progress: self._mp4(client, HEIGHTS[height.value], progress),
            hint="of the motion, from where you look; once around a person that stands",
        )
        every = gui.add_checkbox("With all motions", True)
        self._on(
            "3D model (GLB)",
            lambda _, progress: self._glb(every.value, progress),
            hint="rigged, for engines and Blender",
        )
        author = gui.add_text("Author", "", hint="a VRM says who made it")
        self._on("VRM", lambda _, progress: self._vrm(author.value, progress), hint="for VTubing and social worlds")
        self._on("Avatar (.zip)", lambda *_: self._made(".zip", self._avatar.save), hint="for this page, later")

    def _on(
        self, title: str, make: Callable[[viser.ClientHandle, Progress], tuple[str, bytes]], hint: str | None = None
    ) -> None:
        """A button that makes a file (its suffix and its bytes) and sends it to whoever pressed it."""
        button = self._server.gui.add_button(title, hint=hint)

        @button.on_click
        def _(event: viser.GuiEvent) -> None:
            client = event.client
            if client is None:
                return
            note = client.add_notification(title, "starts", loading=True, with_close_button=False)
            last = [0.0]

            def work(progress: Progress) -> None:
                suffix, content = make(client, progress)
                client.send_file_download(f"{self._viewer.name}{suffix}", content, save_immediately=True)

            def told(state: State) -> None:
                if not state.running:
                    note.loading, note.with_close_button = False, True
                    note.body = state.error or "saved"
                    note.color = "red" if state.error else "green"
                    note.auto_close_seconds = None if state.error else CLOSE
                elif time.monotonic() - last[0] > TOLD:
                    last[0] = time.monotonic()
                    part = "" if state.part is None else f" {100 * state.part:.0f} %"
                    note.body = f"{state.stages[-1] if state.stages else 'starts'}{part}"

            try:
                self._viewer.jobs.start(title, work, told)
            except InputError as error:
                note.loading, note.body, note.color = False, str(error), "red"
                note.with_close_button = True

    def _png(self, client: viser.ClientHandle, clear: bool) -> tuple[str, bytes]:
        camera, drawn = client.camera, self._panel.drawn(self._puppet)
        if drawn is None:
            shot = client.get_render(camera.image_height, camera.image_width, transport_format="png", timeout=20)
            picture = torch.from_numpy(shot.copy()).permute(2, 0, 1) / 255
            picture = picture if clear else picture[:3]
        else:
            size = (pictures.SHARP, max(16, round(pictures.SHARP * aspect(client))))
            puppet, camera = self._puppet, self._camera(client, size)
            picture = composed(drawn.render(camera, puppet.body(), hung=puppet.hangs), self._behind(clear)).cpu()
        return self._made(".png", lambda path: images.save(path, picture))

    def _behind(self, clear: bool) -> Tensor | None:
        return None if clear else self._panel.background

    def _camera(self, client: viser.ClientHandle, size: tuple[int, int]) -> Camera:
        camera = client.camera
        return pictures.camera_of(camera.wxyz, camera.position, camera.fov, size)

    def _mp4(self, client: viser.ClientHandle, height: int, progress: Progress) -> tuple[str, bytes]:
        puppet, background = self._puppet, self._panel.background
        avatar = self._panel.drawn(puppet) or self._panel.texture
        camera = self._camera(client, (height, max(16, round(height * aspect(client) / 2) * 2)))
        stands = puppet.motions[puppet.name] is None
        fps = VIDEO_FPS if stands else puppet.motions[puppet.name].fps
        count = max(1, round((TURN_SECONDS if stands else puppet.seconds) * fps))
        centre = torch.tensor([float(part) for part in client.camera.look_at])

        if stands:
            still = avatar.posed(puppet.body(), hung=puppet.hangs)
        else:
            posed = avatar.swinging(puppet.bodies([(k + 0.5) / fps for k in range(count)]), fps)

        def frame(k: int) -> Tensor:
            if stands:
                return composed(avatar.draw_posed(still, _around(camera, centre, 360 * k / count)), background).cpu()
            return composed(avatar.draw_posed(posed(k), camera), background).cpu()

        frames = in_order(frame, range(count))
        return self._made(".mp4", lambda path: video.write(path, progress.track(frames, count, "draw"), fps))

    def _glb(self, every: bool, progress: Progress) -> tuple[str, bytes]:
        motions = {name: motion for name, motion in self._puppet.motions.items() if every and motion is not None}
        return self._made(".glb", lambda path: self._avatar.export(path, motions=motions, progress=progress))

    def _vrm(self, author: str, progress: Progress) -> tuple[str, bytes]:
        if not author.strip():
            raise InputError("a VRM names its author: write a name into the field above first")
        licence = Licence(self._viewer.name, authors=(author.strip(),))
        return self._made(".vrm", lambda path: self._avatar.export(path, licence=licence, progress=progress))

    def _made(self, suffix: str, write: Callable[[Path], object]) -> tuple[str, bytes]:
        """What a writer of files writes."""
        with tempfile.TemporaryDirectory(prefix="dinar-view-") as folder:
            path = Path(folder) / f"file{suffix}"
            write(path)
            return suffix, path.read_bytes()


def _around(camera: Camera, centre: Tensor, degrees: float) -> Camera:
    """A camera carried about the vertical axis through a point [3]."""
    turn = roma.rotvec_to_rotmat(torch.tensor([0.0, -math.radians(degrees), 0.0]))
    return replace(camera, R=camera.R @ turn, t=camera.t + camera.R @ (centre - turn @ centre))
