"""An animatable person: texture, shape and body, and all that it can do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, TypeVar

import torch
from torch import Tensor

from dinar.avatar.drawing import VIEWS, about_y, composed, resized, scale_of, way_of
from dinar.avatar.known import Shot, renderer_of
from dinar.body.model import Body, BodyModel
from dinar.body.uv import UVLayout
from dinar.camera import Camera, framing
from dinar.errors import InputError
from dinar.motion.cloth import Wardrobe
from dinar.networks.pretrained import moved
from dinar.networks.renderer import Renderer
from dinar.parallel import in_order
from dinar.progress import Progress
from dinar.texture.drawing import Rendering, draw
from dinar.texture.neural_drawing import Artist, draw_neural
from dinar.texture.neural_texture import NeuralTexture

if TYPE_CHECKING:
    from dinar.export.figure import Figure
    from dinar.export.licence import Licence
    from dinar.export.profiles import PictureKind, Profile
    from dinar.export.vrm import Version
    from dinar.motion.motion import Motion

Frame = TypeVar("Frame")
RendererName = Literal["neural", "texture"]
Wear = Literal["baked", "plain"]

_FRAMED = 40                # frames of a clip that decide how far off the camera stands


@dataclass(frozen=True, eq=False)
class Avatar:
    """One person, ready to be moved.

    texture   NeuralTexture       batch 1, what the photos showed
    painted   float32 [3, R, R]   its colours with the unseen texels filled
    shape     float32 [S]         standard deviations from the mean person
    model     BodyModel           the body that wears it, with the person's outline (`BodyModel.moved`)
    layout    UVLayout            of the texture on that body
    weights   name of the weights that its generated channels belong to, None without these
    shots     how the person stood in each photo; may be empty
    renderer  Renderer            of those weights; None: the plain renderer draws
    """

    texture: NeuralTexture
    painted: Tensor
    shape: Tensor
    model: BodyModel = field(repr=False)
    layout: UVLayout = field(repr=False)
    weights: str | None = None
    shots: tuple[Shot, ...] = ()
    renderer: Renderer | None = field(default=None, repr=False)

    def to(self, device: torch.device | str) -> Self:
        if torch.device(device) == self.shape.device:
            return self
        return replace(
            self,
            texture=self.texture.to(device),
            painted=self.painted.to(device),
            shape=self.shape.to(device),
            model=moved(self.model, device),
            layout=self.layout.to(device),
            renderer=None if self.renderer is None else moved(self.renderer, device),
        )

    def drawn_by(self, renderer: RendererName) -> Self:
        """The same person, drawn by the neural renderer or by the plain one.

        Raises InputError where "neural" is wanted and the avatar's weights are not those of this version.
        """
        if renderer == "texture":
            return replace(self, renderer=None)
        if self.renderer is not None:
            return self
        if self.weights is None or self.texture.generated is None:
            raise InputError("this avatar was made for the plain renderer; make it again to draw it neurally")
        return replace(self, renderer=moved(renderer_of(self.weights), self.shape.device))

    # Drawing

    def standing(self) -> Body:
        """The person at rest, batch 1."""
        return replace(self.model.neutral(), shape=self.shape[None])

    def render(
        self, camera: Camera, body: Body | None = None, *, supersample: int = 2, hung: bool = False
    ) -> Rendering:
        """The person in every pose of `body` (default: at rest), as seen by a camera; no gradient passes.

        supersample  samples a pixel along each axis, of the plain renderer
        hung         let a skirt hang in each pose; else it is as photos were fitted with it
        """
        return self.draw_posed(self.posed(body or self.standing(), hung=hung), camera, supersample=supersample)

    def posed(self, body: Body, *, hung: bool = False) -> Tensor:
        """The vertices [B, V, 3] in every pose of `body`, on the avatar's device; `hung` as `render` says."""
        with torch.no_grad():
            body = body.to(self.shape.device)
            vertices = self.model(body).vertices
            if not (hung and self.model.layers):
                return vertices
            hanging = [self.wardrobe.settled(body[k : k + 1].to("cpu")) for k in range(len(body))]
            return torch.cat([self.wardrobe.laid(v, m) for v, m in zip(vertices.split(1), hanging, strict=True)])

    def swinging(self, bodies: Body, fps: float, *, stiff: bool = False) -> Callable[[int], Tensor]:
        """What gives a frame's vertices [1, V, 3]: the bodies, `fps` a second, in any order and from any thread.

        A skirt swings, unless it shall be stiff.
        """
        model, moves = self.model, [()] * len(bodies)
        with torch.no_grad():
            if model.layers and not stiff:
                moves = self.wardrobe.swung(bodies.to("cpu"), fps)
            bodies = bodies.to(self.shape.device)
            if bool((bodies.expression == bodies.expression[0]).all()):
                model = model.only_posed(self.shape, bodies.expression[0])
                bodies = replace(bodies, shape=bodies.shape[:, :0], expression=bodies.expression[:, :0])

        def posed(i: int) -> Tensor:
            with torch.no_grad():
                vertices = model(bodies[i : i + 1]).vertices
            return self.wardrobe.laid(vertices, moves[i]) if moves[i] else vertices

        return posed

    @cached_property
    def wardrobe(self) -> Wardrobe:
        """What hangs on the person."""
        return Wardrobe.of(moved(self.model, "cpu"), self.shape.cpu())

    def view(self, name: str, size: tuple[int, int] | None = None) -> Rendering:
        """The person at rest from "front", "back", "left" or "right" (whole body in the image), or as in the "photo".

        size  (H, W); default 768 x 768, for "photo" that of the photo; other proportions than the photo's leave room

        Raises InputError for "photo" where the avatar was made of none.
        """
        if name != "photo":
            return self.render(self.camera(VIEWS[name], size or (768, 768)))
        if not self.shots:
            raise InputError("this avatar was made without a photo, so it has no photo view")
        shot = self.shots[0]
        body = Body(self.shape[None], shot.pose[None], shot.expression[None], shot.translation[None])
        return self.render(shot.camera if size is None else shot.camera.contained(size), body)

    def camera(self, azimuth: float, size: tuple[int, int]) -> Camera:
        """A camera that sees the whole person at rest; azimuth in degrees, 0 = front, 90 = the person's left side."""
        with torch.no_grad():
            return framing(self.model(self.standing()).vertices[0].cpu(), azimuth, 0.0, size)

    def turntable(self, frames: int, size: tuple[int, int]) -> Iterator[Rendering]:
        """Once around the person at rest, front to left to back to right."""
        with torch.no_grad():
            vertices = self.model(self.standing()).vertices
        points = vertices[0].cpu()
        centre = (points.amin(0) + points.amax(0)) / 2
        swept = torch.cat([(points - centre) @ about_y(15 * k).T + centre for k in range(24)])
        camera = framing(swept, 0.0, 0.0, size)
        scale = scale_of(swept[None], camera)

        def turned(k: int) -> Rendering:
            turn = about_y(-360 * k / frames)       # to turn the person is to carry the camera the other way
            moved = replace(camera, R=camera.R @ turn, t=camera.t + camera.R @ (centre - turn @ centre))
            return self.draw_posed(vertices, moved, scale=scale)

        yield from in_order(turned, range(frames))

    def moving(
        self, motion: Motion, size: tuple[int, int], *, azimuth: float = 0.0, stiff: bool = False
    ) -> Iterator[Rendering]:
        """Every frame of a motion; the camera keeps direction and distance and follows the person over the ground.

        A skirt swings, unless it shall be stiff.
        """
        return self._moving(motion, size, azimuth, stiff, lambda drawn: drawn)

    def _moving(
        self, motion: Motion, size: tuple[int, int], azimuth: float, stiff: bool,
        finish: Callable[[Rendering], Frame],
    ) -> Iterator[Frame]:  # fmt: skip
        """What `finish` makes of every frame, on the thread that has drawn it."""
        from dinar.motion import retarget

        with torch.no_grad():
            bodies = retarget.apply(motion, self.model, self.shape)
            path = way_of(self.model, bodies, motion.fps)
            some = torch.linspace(0, len(bodies) - 1, min(len(bodies), _FRAMED)).long().tolist()
            points = [self.model(bodies[i : i + 1]).vertices[0].cpu() - path[i] for i in some]
            camera = framing(torch.cat(points), azimuth, 4.0, size)
            scale = scale_of(torch.cat(points)[None], camera)
            posed = self.swinging(bodies, motion.fps, stiff=stiff)

        def frame(i: int) -> Frame:
            return finish(self.draw_posed(posed(i), replace(camera, t=camera.t - camera.R @ path[i]), scale=scale))

        yield from in_order(frame, range(len(bodies)))

    def animate(
        self,
        motion: Motion | str | Path,           # a clip by its name, or what `Motion.load` reads
        path: Path | str,                      # .mp4, or what `export.video.write` writes
        *,
        size: tuple[int, int] = (768, 768),    # (H, W) pixels
        fps: float | None = None,              # default: the motion's
        azimuth: float = 0.0,                  # degrees, 0 = from the front
        background: Tensor | None = None,      # [3] in [0, 1]; None: transparent where the format can, else white
        stiff: bool = False,                   # a skirt does not swing
        progress: Progress | None = None,
    ) -> None:
        """A video of the person moving. Raises InputError where `motion` is none or `path` cannot be written."""
        from dinar.export import video
        from dinar.motion.motion import Motion

        motion = motion if isinstance(motion, Motion) else Motion.load(motion)
        motion = motion.resampled(fps) if fps else motion
        frames = self._moving(motion, size, azimuth, stiff, lambda drawn: video.to_bytes(composed(drawn, background)))
        video.write(path, (progress or Progress()).track(frames, len(motion), "draw"), motion.fps)

    def drawn(self, painted: Tensor, vertices: Tensor, camera: Camera, *, supersample: int = 2) -> Rendering:
        """Bodies [B, V, 3] in colours [1, 3, R, R] in place of `painted`; differentiable in these."""
        if self.renderer is None:
            return draw(painted, vertices, self.model.faces, self.layout, camera, supersample=supersample)
        return draw_neural(self.renderer, self.texture, painted, vertices, self.model.faces, self.layout, camera)

    def draw_posed(
        self, vertices: Tensor, camera: Camera, *, supersample: int = 2, scale: float | None = None
    ) -> Rendering:
        """Bodies [B, V, 3] on the avatar's device; `scale` as of `scale_of`, one for all pictures of a clip."""
        camera = camera.to(self.shape.device)
        with torch.no_grad():
            if self.renderer is None:
                return self.drawn(self.painted[None], vertices, camera, supersample=supersample)
            scale = scale or scale_of(vertices, camera)
            there = camera.resized(tuple(max(1, round(side * scale)) for side in camera.size))
            # one by one: a batch is no faster and takes more memory
            drawn = [self._drawn_neurally(body, there) for body in vertices.split(1)]
            whole = Rendering(torch.cat([d.rgb for d in drawn]), torch.cat([d.mask for d in drawn]))
            return resized(whole, camera.size)

    def _drawn_neurally(self, vertices: Tensor, camera: Camera) -> Rendering:
        """One body [1, V, 3], by the faster way where there is one."""
        if self._artist is None:
            return self.drawn(self.painted[None], vertices, camera)
        return self._artist.draw(vertices, self.model.faces, camera)

    @cached_property
    def _artist(self) -> Artist | None:
        """Made once: an avatar's tensors never change."""
        return Artist.of(self.renderer, self.texture, self.painted, self.layout)

    # Files

    def save(self, path: Path | str) -> None:
        """Writes a folder, or one .zip file: avatar.json, texture.safetensors, preview.png; whole or not at all.

        Raises InputError where `path` cannot be written or holds something else.
        """
        from dinar.avatar import keeping

        keeping.save(self, path)

    @classmethod
    def load(cls, path: Path | str) -> Avatar:
        """Reads what `save` wrote; nothing is unpickled and nothing unpacked to disk.

        The neural renderer draws it where the package has the weights that it was made with, else the plain one.

        Raises InputError that names what is missing, damaged, or of a newer version.
        """
        from dinar.avatar import keeping

        return keeping.load(path)

    def export(
        self,
        path: Path | str,                               # .glb, .html, .vrm, .fbx, .blend, .usdz, .obj or .ply
        *,
        motions: Mapping[str, Motion] | None = None,    # animations of a .glb, .html, .fbx, .blend or .usdz
        colours: Tensor | None = None,                  # [3, R, R] in the layout of the texture, in place of any
        texture: Wear | None = None,                    # what the person wears; default: "baked" where it can be
        outline: bool | None = None,                    # clothes and hair as geometry; default: where it can be
        triangles: int | None = None,                   # at most; default: the profile's
        profile: Profile | str | None = None,           # what a program wants (`export.profiles`), or its name
        texture_size: int | None = None,                # texels a side; default: 2048 baked, else the colours' own
        picture: PictureKind | None = None,             # what the texture is stored as; default: PNG
        influences: int | None = None,                  # joints that a vertex follows: 4, the default, or 8
        lit: bool | None = None,                        # let lamps shade the person
        licence: Licence | None = None,                 # of a .vrm, which has to have one
        version: Version = 1,                           # of a .vrm: 1.0, or 0.x
        progress: Progress | None = None,
    ) -> tuple[Path, ...]:
        """The person for other programs: rigged, or standing at rest; the files written, `path` first.

        Raises InputError where `path` cannot be written, is of another kind, or has no place for what is given.
        """
        from dinar.export import profiles, writing

        path = Path(path)
        if not isinstance(profile, profiles.Profile):
            profile = profiles.profile(profile, path)
        profile = profile.having(
            triangles=triangles, texture_size=texture_size, picture=picture, influences=influences, lit=lit
        )
        writing.check(path, motions=motions, licence=licence, profile=profile)
        figure = self.figure(
            texture=texture, outline=outline, triangles=profile.triangles, colours=colours,
            texture_size=profile.texture_size, progress=progress,
        )  # fmt: skip
        return writing.write(path, figure, motions=motions, profile=profile, licence=licence, version=version)

    def figure(
        self,
        *,
        texture: Wear | None = None,                    # default: "baked" where the neural renderer draws
        outline: bool | None = None,                    # default: as well
        triangles: int | None = None,                   # at most; default: all of the body's
        colours: Tensor | None = None,                  # [3, R, R] in the layout of the texture, in place of any
        texture_size: int | None = None,                # texels a side of a baked one; default 2048
        progress: Progress | None = None,
    ) -> Figure:
        """The person as one mesh with one texture, on the CPU.

        "baked" is what the neural renderer shows from all sides, "plain" the avatar's own colours; `outline` moves the
        surface to what it draws beyond the body: clothes and hair. Unless the colours are given, teeth stand behind the
        lips, and mouth and eyes are painted where no photo showed them.

        Raises InputError for "baked" or an outline where the plain renderer draws the avatar, and for a size or number
        that is not possible.
        """
        from dinar.avatar import exporting

        return exporting.figure(
            self, texture=texture, outline=outline, triangles=triangles, colours=colours, texture_size=texture_size,
            progress=progress,
        )  # fmt: skip

    def wearing(self, figure: Figure, *, parts: bool = False) -> Self:
        """The person as other programs show a figure of them: its mesh in its colours, drawn by the plain renderer.

        parts  its teeth as well, for faces that speak; such a person is to be drawn, not to be saved
        """
        from dinar.avatar import exporting

        return exporting.wearing(self, figure, parts=parts)
