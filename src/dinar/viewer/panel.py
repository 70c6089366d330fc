"""What stands in the page's panel and on its stage: looks, motions, joints, faces, files to take away."""

from __future__ import annotations

import math
import re
import time
from typing import TYPE_CHECKING

import numpy as np
import roma
import torch
from torch import Tensor

from dinar.avatar import VIEWS, Avatar
from dinar.camera import framing
from dinar.motion.humanoid import PARENT
from dinar.motion.motion import Motion
from dinar.photo.source import Said
from dinar.viewer.puppet import PHOTO, REACH, STANDING, Puppet
from dinar.viewer.saving import TOLD, Saving, aspect

if TYPE_CHECKING:
    import viser

    from dinar.viewer.viewer import Viewer

PERSON, TEXTURE, MESH = "Person", "Texture", "Mesh"
FIELD = math.radians(30)      # of the camera, vertical
PAPER = (242, 242, 240)       # behind the person
CLAY = (196, 190, 182)        # of the mesh

FACES = {
    "smile": {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8, "cheekSquintLeft": 0.4, "cheekSquintRight": 0.4},
    "surprise": {"browInnerUp": 0.9, "eyeWideLeft": 0.8, "eyeWideRight": 0.8, "jawOpen": 0.35},
    "blink": {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
}
REGIONS = {
    "Eyes": "eye", "Brows": "brow", "Jaw": "jaw", "Mouth": "mouth", "Cheeks and nose": "cheek|nose", "Tongue": "tongue",
}  # fmt: skip

SAID = {
    "sex": {"by the face": None, "a woman": "f", "a man": "m", "unsure": "unsure"},
    "age": {"an adult": "adult", "a child": "child"},
    "held": {"bags are cut out": None, "bags stay": "keep", "bags are cut out always": "cut"},
}
"""What may be said of a photo's person (`photo.source.Said`): as it is shown, and as it is."""


def words(name: str) -> str:
    """A name of code as people say it: leftUpperArm -> left upper arm."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


class Panel:
    """The controls of one puppet; making them takes the ones before away."""

    def __init__(self, viewer: Viewer, server: viser.ViserServer, puppet: Puppet) -> None:
        self._viewer, self._server, self._puppet = viewer, server, puppet
        self._avatar = puppet.avatar
        self._texture = self._avatar.drawn_by("texture")
        self._drawn_version = -1
        self._placed_version = -1
        self._time_told = 0.0
        self._chosen: str | None = None
        with torch.no_grad():
            self._standing = self._avatar.model(self._avatar.standing().to(self._avatar.shape.device)).vertices[0].cpu()
        self._lift = torch.tensor([0.0, -float(self._standing[:, 1].min()), 0.0])
        server.gui.reset()
        server.scene.reset()
        server.scene.set_up_direction("+y")
        server.scene.configure_environment_map(None)              # reflections and shadows cost a browser without
        server.scene.configure_default_lights(True, cast_shadow=False)     # a graphics card seconds a picture
        self._place_camera(server.initial_camera, 0.0, 1.0)
        server.initial_camera.fov = FIELD
        self._stage()
        with server.gui.add_folder(self._viewer.name):
            server.gui.add_markdown("Drag to turn, scroll to come closer. Drop another photo or a motion on the page.")
            self._about()
        tabs = server.gui.add_tab_group()
        save = Saving(viewer, server, puppet, self)
        parts = {
            "Look": self._look, "Move": self._move, "Pose": self._pose, "Face": self._face, "Save": save.fill,
        }  # fmt: skip
        for name, fill in parts.items():
            with tabs.add_tab(name):
                fill()

    # What the viewer asks

    @property
    def texture(self) -> Avatar:
        """The person without networks."""
        return self._texture

    @property
    def background(self) -> Tensor:
        """Colour behind the person [3]."""
        return torch.tensor(self._colour.value) / 255

    def drawn(self, puppet: Puppet) -> Avatar | None:
        """Who is to be drawn, None where the browser draws the mesh itself."""
        return {PERSON: puppet.avatar, TEXTURE: self._texture, MESH: None}[self._shown.value]

    def welcome(self, client: viser.ClientHandle) -> None:
        """Somebody has opened the page."""
        client.camera.min_orbit_distance = 0.3
        client.camera.max_orbit_distance = 30.0

    def follow(self) -> None:
        """Brings mesh, handles and the clip's time to where the puppet is."""
        puppet, now = self._puppet, time.monotonic()
        if puppet.playing and now - self._time_told > TOLD:
            self._time_told = now
            self._time.value = round(min(puppet.time(), self._time.max), 2)
        fresh = puppet.playing or puppet.version != self._drawn_version
        self._drawn_version = puppet.version
        if self._shown.value == MESH and fresh:
            self._mesh.vertices = self._avatar.posed(puppet.body(), hung=puppet.hangs)[0].cpu().numpy()
        if self._handles.value and not puppet.playing and puppet.version != self._placed_version:
            self._placed_version = puppet.version
            self._place_handles()

    def add_motion(self, name: str, motion: Motion) -> None:
        """A motion that was dropped: it plays at once."""
        name = name if name not in (STANDING, PHOTO) else f"{name} (motion)"
        self._puppet.motions[name] = motion
        self._motion.options = tuple(self._puppet.motions)
        self._motion.value = name
        self._begin(name)

    # The stage

    def _stage(self) -> None:
        scene, model = self._server.scene, self._avatar.model
        self._mesh = scene.add_mesh_simple(
            "/body", (self._standing + self._lift).numpy(), model.faces.cpu().numpy(), color=CLAY, visible=False
        )
        self._balls: dict[str, viser.IcosphereHandle] = {}
        scene.add_light_ambient("/light", intensity=1.2)
        for bone in ("hips", *REACH):
            ball = scene.add_icosphere(
                f"/handles/{bone}", 0.028, color=(47, 111, 222), subdivisions=2, opacity=0.75, visible=False,
                cast_shadow=False, receive_shadow=False,
            )  # fmt: skip
            self._listen(ball, bone)
            self._balls[bone] = ball
        self._ring = scene.add_transform_controls(
            "/ring", scale=0.22, disable_axes=True, disable_sliders=True, depth_test=False, visible=False
        )

        @self._ring.on_update
        async def _(event: viser.TransformControlsEvent) -> None:
            if self._chosen is not None and event.phase == "update":
                w, x, y, z = (float(part) for part in event.target.wxyz)
                self._puppet.turn(self._chosen, roma.unitquat_to_rotmat(torch.tensor([x, y, z, w])))
                self._viewer.refresh()

    def _listen(self, ball: viser.IcosphereHandle, bone: str) -> None:
        @ball.on_drag("left")
        async def _(event: viser.SceneNodeDragEvent) -> None:
            self._puppet.reach(bone, torch.tensor(event.end_position, dtype=torch.float32))
            self._viewer.refresh()

        @ball.on_click
        def _(_: viser.SceneNodePointerEvent) -> None:
            self._joint.value = words(bone)
            self._pick(bone)

    def _place_handles(self) -> None:
        points, rotations = self._puppet.joints()
        with self._server.atomic():
            for bone, point in self._puppet.handles().items():
                self._balls[bone].position = point.numpy()
            if self._chosen is not None:
                joint = self._avatar.model.humanoid[self._chosen]
                x, y, z, w = roma.rotmat_to_unitquat(rotations[joint]).tolist()
                self._ring.position, self._ring.wxyz = points[joint].numpy(), (w, x, y, z)

    def _show_handles(self) -> None:
        shown = self._handles.value
        if shown and self._puppet.playing:
            self._play.value = False
            self._puppet.play(False)
        for ball in self._balls.values():
            ball.visible = shown
        self._ring.visible = shown and self._chosen is not None
        self._placed_version = -1
        self._viewer.refresh()

    def _pick(self, bone: str | None) -> None:
        self._chosen = bone
        if bone is not None and not self._handles.value:
            self._handles.value = True
        self._show_handles()

    # Tabs

    def _about(self) -> None:
        """What may be said of who is on the next photo."""
        gui, viewer = self._server.gui, self._viewer
        self.about: dict[str, viser.GuiDropdownHandle[str]] = {}

        def told(_: viser.GuiEvent) -> None:
            viewer.said = Said(**{name: SAID[name][one.value] for name, one in self.about.items()})

        with gui.add_folder("The next photo", expand_by_default=False):
            for name, meanings in SAID.items():
                now = next(label for label, meaning in meanings.items() if meaning == getattr(viewer.said, name))
                self.about[name] = gui.add_dropdown(name.capitalize(), tuple(meanings), initial_value=now)
                self.about[name].on_update(told)

    def _look(self) -> None:
        gui = self._server.gui
        self._shown = gui.add_dropdown(
            "Show", (PERSON, TEXTURE, MESH), hint="as the networks draw it, the colours on the body, or the body itself"
        )
        self._colour = gui.add_rgb("Background", PAPER)
        sides = gui.add_button_group("From", tuple(VIEWS))
        near = gui.add_button_group("Frame", ("whole body", "head"))
        with gui.add_folder("Texture map", expand_by_default=False):
            picture = (self._avatar.painted.cpu().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
            gui.add_image(np.ascontiguousarray(picture), format="jpeg", jpeg_quality=90)

        @self._shown.on_update
        def _(_: viser.GuiEvent) -> None:
            self._mesh.visible = self._shown.value == MESH
            self._drawn_version = -1
            self._viewer.refresh()

        @self._colour.on_update
        def _(_: viser.GuiEvent) -> None:
            self._viewer.refresh()

        @sides.on_click
        def _(event: viser.GuiEvent) -> None:
            if event.client is not None:
                self._place_camera(event.client.camera, VIEWS[event.target.value], aspect(event.client))

        @near.on_click
        def _(event: viser.GuiEvent) -> None:
            if event.client is not None:
                head = event.target.value == "head"
                self._place_camera(event.client.camera, 0.0, aspect(event.client), head=head)

    def _move(self) -> None:
        gui, puppet = self._server.gui, self._puppet
        self._motion = gui.add_dropdown("Motion", tuple(puppet.motions), hint="drop a .bvh, .glb or .npz for your own")
        self._play = gui.add_checkbox("Play", False)
        self._time = gui.add_slider("Time (s)", 0.0, 1.0, 0.01, 0.0, disabled=True)
        speed = gui.add_slider("Speed", 0.1, 2.0, 0.1, 1.0)

        @self._motion.on_update
        def _(event: viser.GuiEvent) -> None:
            if event.client is not None:
                self._begin(self._motion.value)

        @self._play.on_update
        def _(event: viser.GuiEvent) -> None:
            if event.client is not None:
                puppet.play(self._play.value)
                self._viewer.refresh()

        @self._time.on_update
        def _(event: viser.GuiEvent) -> None:
            if event.client is not None:
                puppet.seek(self._time.value)
                self._viewer.refresh()

        @speed.on_update
        def _(_: viser.GuiEvent) -> None:
            puppet.speed(speed.value)

    def _begin(self, name: str) -> None:
        puppet = self._puppet
        puppet.choose(name)
        self._time.disabled = puppet.seconds <= 1.0
        self._time.max, self._time.value = max(puppet.seconds, 0.01), 0.0
        self._play.value = puppet.playing
        if puppet.playing and self._handles.value:
            self._handles.value = False
            self._show_handles()
        self._viewer.refresh()

    def _pose(self) -> None:
        gui = self._server.gui
        bones = {words(bone): bone for bone in PARENT if bone in self._avatar.model.humanoid}
        gui.add_markdown("Drag a blue ball and the limb follows. Click one, or choose a joint, to turn it by rings.")
        self._handles = gui.add_checkbox("Handles", False, hint="blue balls to drag: hands, feet, elbows, knees, hips")
        self._joint = gui.add_dropdown("Joint", ("none", *bones), hint="rings to turn it with appear at this joint")
        free = gui.add_button("Let go of all joints", hint="they follow the motion again")

        @self._handles.on_update
        def _(event: viser.GuiEvent) -> None:
            if event.client is not None:
                self._show_handles()

        @self._joint.on_update
        def _(event: viser.GuiEvent) -> None:
            if event.client is not None:
                self._pick(bones.get(self._joint.value))

        @free.on_click
        def _(_: viser.GuiEvent) -> None:
            self._puppet.release()
            self._viewer.refresh()

    def _face(self) -> None:
        gui, names = self._server.gui, self._avatar.model.expression_names
        faces = {face: parts for face, parts in FACES.items() if set(parts) <= set(names)}
        ready = gui.add_button_group("Face", ("neutral", *faces))
        sliders = {}
        least, most = self._avatar.model.expression_range
        for region, start in REGIONS.items():
            found = [name for name in names if re.match(start, name)]
            if not found:
                continue
            with gui.add_folder(region, expand_by_default=region == "Mouth"):
                for name in found:
                    sliders[name] = gui.add_slider(words(name), least, most, 0.01, 0.0)
                    self._express(sliders[name], name)

        @ready.on_click
        def _(_: viser.GuiEvent) -> None:
            face = faces.get(ready.value, {})
            for name, slider in sliders.items():
                if slider.value != face.get(name, 0.0):
                    slider.value = face.get(name, 0.0)

    def _express(self, slider: viser.GuiSliderHandle[float], name: str) -> None:
        @slider.on_update
        def _(_: viser.GuiEvent) -> None:
            self._puppet.express(name, slider.value)
            self._viewer.refresh()

    # Camera

    def _place_camera(
        self,
        camera: viser.CameraHandle | viser.InitialCameraConfig,
        azimuth: float,      # degrees
        aspect: float,       # width / height
        *,
        head: bool = False,
    ) -> None:
        """Before the standing person, all of it in view."""
        points = self._standing + self._lift
        if head:
            points = points[points[:, 1] > 0.87 * points[:, 1].max()]
        seen = framing(points, azimuth, 3.0, (512, max(64, round(512 * aspect))), margin=0.25 if head else 0.08)
        target = (points.amin(0) + points.amax(0)) / 2
        camera.position, camera.look_at = seen.position.numpy(), target.numpy()
