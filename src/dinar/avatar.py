"""An animatable person: texture, shape and body; saved, loaded, drawn."""

from __future__ import annotations

import copy
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import torch
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor

from dinar import images
from dinar.body.model import Body, BodyModel
from dinar.body.uv import LAYOUTS, UVLayout, load_layout
from dinar.camera import Camera, framing
from dinar.errors import InputError
from dinar.files import atomic_file, atomic_folder, check_file, check_folder
from dinar.motion import retarget
from dinar.motion.motion import Motion
from dinar.networks.appearance import shipped
from dinar.networks.pretrained import moved
from dinar.networks.renderer import Renderer
from dinar.parallel import in_order
from dinar.progress import Progress
from dinar.texture.drawing import Rendering, draw
from dinar.texture.neural_drawing import Artist, draw_neural
from dinar.texture.neural_texture import NeuralTexture, window

if TYPE_CHECKING:
    from dinar.export.figure import Figure, PictureKind
    from dinar.export.vrm import Licence

FORMAT = 2
MARKER = "avatar.json"
TEXTURE = "texture.safetensors"
PREVIEW = "preview.png"
Frame = TypeVar("Frame")
RendererName = Literal["neural", "texture"]
Wear = Literal["baked", "plain"]
VIEWS = {"front": 0.0, "left": 90.0, "back": 180.0, "right": 270.0}   # azimuth of the camera, degrees

_MOST_BYTES = {MARKER: 16 << 20, TEXTURE: 2 << 30}
_LARGEST_SIDE = 8192
_FOLLOW = 0.3               # seconds; the camera follows the hips smoothed by this much
_FRAMED = 40                # frames of a clip that decide how far off the camera stands
_DRAWN = (320, 1024)        # pixels of the body's larger side that the neural renderer is used at: near what it learnt,
#                             and beyond them the texture has no more to show
_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Shot:
    """How the person stood in one of the photos, and the camera that took it.

    pose          float32 [J, 3]  rotation vectors
    expression    float32 [E]
    translation   float32 [3]     metres
    camera        Camera          of the whole upright photo
    reprojection  mean distance of landmarks to the body's, % of the larger side of the person's box
    mask_iou      overlap of mask and body, [0, 1]
    unseen        limbs that the photo does not show
    notes         how the photo's files were read, where that is not plain; not kept on disk
    """

    pose: Tensor
    expression: Tensor
    translation: Tensor
    camera: Camera
    reprojection: float
    mask_iou: float
    unseen: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


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
        found = shipped()
        if found.name != self.weights:
            raise InputError(
                f"this avatar was made with the weights {self.weights}, but this version of dinar has {found.name}; "
                "make it again to draw it neurally"
            )
        return replace(self, renderer=moved(found.renderer, self.shape.device))

    # Drawing

    def standing(self) -> Body:
        """The person at rest, batch 1."""
        return replace(self.model.neutral(), shape=self.shape[None])

    def render(self, camera: Camera, body: Body | None = None, *, supersample: int = 2) -> Rendering:
        """The person in every pose of `body` (default: at rest), as seen by a camera; no gradient passes.

        supersample  samples a pixel along each axis, of the plain renderer
        """
        with torch.no_grad():
            vertices = self.model((body or self.standing()).to(self.shape.device)).vertices
            return self._draw(vertices, camera, supersample=supersample)

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
        swept = torch.cat([(points - centre) @ _about_y(15 * k).T + centre for k in range(24)])
        camera = framing(swept, 0.0, 0.0, size)
        scale = _scale(swept[None], camera)

        def turned(k: int) -> Rendering:
            turn = _about_y(-360 * k / frames)       # to turn the person is to carry the camera the other way
            moved = replace(camera, R=camera.R @ turn, t=camera.t + camera.R @ (centre - turn @ centre))
            return self._draw(vertices, moved, scale=scale)

        yield from in_order(turned, range(frames))

    def moving(self, motion: Motion, size: tuple[int, int], *, azimuth: float = 0.0) -> Iterator[Rendering]:
        """Every frame of a motion; the camera keeps direction and distance and follows the person over the ground."""
        return self._moving(motion, size, azimuth, lambda drawn: drawn)

    def _moving(
        self, motion: Motion, size: tuple[int, int], azimuth: float, finish: Callable[[Rendering], Frame]
    ) -> Iterator[Frame]:
        """What `finish` makes of every frame, on the thread that has drawn it."""
        with torch.no_grad():
            bodies = retarget.apply(motion, self.model, self.shape)
            path = self._path(bodies, motion.fps)
            some = torch.linspace(0, len(bodies) - 1, min(len(bodies), _FRAMED)).long().tolist()
            points = [self.model(bodies[i : i + 1]).vertices[0].cpu() - path[i] for i in some]
            camera = framing(torch.cat(points), azimuth, 4.0, size)
            scale = _scale(torch.cat(points)[None], camera)
            model = self.model
            if bool((bodies.expression == bodies.expression[0]).all()):
                model = model.only_posed(self.shape, bodies.expression[0])
                bodies = replace(bodies, shape=bodies.shape[:, :0], expression=bodies.expression[:, :0])

        def frame(i: int) -> Frame:
            with torch.no_grad():
                vertices = model(bodies[i : i + 1]).vertices
            return finish(self._draw(vertices, replace(camera, t=camera.t - camera.R @ path[i]), scale=scale))

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
        progress: Progress | None = None,
    ) -> None:
        """A video of the person moving. Raises InputError where `motion` is none or `path` cannot be written."""
        from dinar.export import video

        motion = motion if isinstance(motion, Motion) else Motion.load(motion)
        motion = motion.resampled(fps) if fps else motion
        frames = self._moving(motion, size, azimuth, lambda drawn: video.to_bytes(composed(drawn, background)))
        video.write(path, (progress or Progress()).track(frames, len(motion), "draw"), motion.fps)

    def export(
        self,
        path: Path | str,                               # .glb, .vrm, .fbx, .usdz, .obj or .ply
        *,
        motions: Mapping[str, Motion] | None = None,    # animations of a .glb, .fbx or .usdz, by their names
        colours: Tensor | None = None,                  # [3, R, R] in the layout of the texture, in place of any
        texture: Wear | None = None,                    # what the person wears; default: "baked" where it can be
        outline: bool | None = None,                    # clothes and hair as geometry; default: where it can be
        triangles: int | None = None,                   # at most; default: all of the body's
        texture_size: int | None = None,                # texels a side; default: 2048 baked, else the colours' own
        picture: PictureKind = "png",                   # what the texture is stored as
        influences: int = 4,                            # joints that a vertex follows: 4 or 8
        lit: bool = False,                              # let lamps shade the person
        licence: Licence | None = None,                 # of a .vrm, which has to have one
        progress: Progress | None = None,
    ) -> tuple[Path, ...]:
        """The person for other programs: rigged, or standing at rest; the files written, `path` first.

        Raises InputError where `path` cannot be written, is of another kind, or has no place for what is given.
        """
        from dinar.export import writing

        path = Path(path)
        writing.check(path, motions=motions, licence=licence)
        figure = self.figure(
            texture=texture, outline=outline, triangles=triangles, colours=colours, texture_size=texture_size,
            progress=progress,
        )  # fmt: skip
        return writing.write(
            path, figure, motions=motions, texture_size=texture_size, picture=picture, influences=influences, lit=lit,
            licence=licence,
        )  # fmt: skip

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
        surface to what it draws beyond the body: clothes and hair.

        Raises InputError for "baked" or an outline where the plain renderer draws the avatar, and for a size or number
        that is not possible.
        """
        from dinar.export import bake, simplify, snapshots
        from dinar.export.figure import Figure, check_texture_size

        if texture_size is not None:
            check_texture_size(texture_size)
        if triangles is not None:
            simplify.check_triangles(triangles)
        neural = self.renderer is not None
        if not neural and (texture == "baked" or outline):
            raise InputError("this avatar is drawn by the plain renderer, which has nothing to bake; export it plain")
        coloured = colours is None and neural and texture != "plain"
        outlined = neural and outline is not False
        person = self.to("cpu")
        figure = Figure(person.model, person.layout, person.shape, person.painted if colours is None else colours.cpu())
        if coloured or outlined:
            photos = [
                (Body(person.shape[None], shot.pose[None], shot.expression[None], shot.translation[None]), shot.camera)
                for shot in person.shots
            ]
            seen = snapshots.around(person.model, person.shape, self.render, photos, progress=progress)
            size = texture_size or bake.SIZE
            figure = bake.bake(
                figure, person.texture, seen, size=size, outlined=outlined, coloured=coloured, progress=progress
            )
        return figure if triangles is None else simplify.simplified(figure, triangles)

    def wearing(self, figure: Figure) -> Self:
        """The person as other programs show a figure of them: its mesh in its colours, drawn by the plain renderer."""
        model, layout = copy.deepcopy(figure.model), replace(figure.layout, faces=figure.mesh.uv_faces)
        model.faces = figure.mesh.faces
        colours = figure.extended()
        all_of_it = torch.ones(1, 1, *colours.shape[1:])
        texture = NeuralTexture(None, colours[None], all_of_it, all_of_it, all_of_it)
        return replace(
            self, texture=texture, painted=colours, shape=figure.shape, model=model, layout=layout, weights=None,
            renderer=None,
        )  # fmt: skip

    def drawn(self, painted: Tensor, vertices: Tensor, camera: Camera, *, supersample: int = 2) -> Rendering:
        """Bodies [B, V, 3] in colours [1, 3, R, R] in place of `painted`; differentiable in these."""
        if self.renderer is None:
            return draw(painted, vertices, self.model.faces, self.layout, camera, supersample=supersample)
        return draw_neural(self.renderer, self.texture, painted, vertices, self.model.faces, self.layout, camera)

    def _draw(
        self, vertices: Tensor, camera: Camera, *, supersample: int = 2, scale: float | None = None
    ) -> Rendering:
        """Bodies [B, V, 3] on the avatar's device; `scale` as of `_scale`, one for all pictures of a clip."""
        camera = camera.to(self.shape.device)
        with torch.no_grad():
            if self.renderer is None:
                return self.drawn(self.painted[None], vertices, camera, supersample=supersample)
            scale = scale or _scale(vertices, camera)
            there = camera.resized(tuple(max(1, round(side * scale)) for side in camera.size))
            # one by one: a batch is no faster and takes more memory
            drawn = [self._drawn_neurally(body, there) for body in vertices.split(1)]
            whole = Rendering(torch.cat([d.rgb for d in drawn]), torch.cat([d.mask for d in drawn]))
            return _resized(whole, camera.size)

    def _drawn_neurally(self, vertices: Tensor, camera: Camera) -> Rendering:
        """One body [1, V, 3], by the faster way where there is one."""
        if self._artist is None:
            return self.drawn(self.painted[None], vertices, camera)
        return self._artist.draw(vertices, self.model.faces, camera)

    @cached_property
    def _artist(self) -> Artist | None:
        """Made once: an avatar's tensors never change."""
        return Artist.of(self.renderer, self.texture, self.painted, self.layout)

    def _path(self, bodies: Body, fps: float) -> Tensor:
        """The hips' way over the ground [T, 3], smoothed, height 0."""
        hips = self.model.humanoid["hips"]
        way = self.model.only_landmarks()(bodies).joints[:, hips].cpu() * torch.tensor([1.0, 0.0, 1.0])
        if len(way) < 3:
            return way
        sigma = _FOLLOW * fps
        reach = min(math.ceil(3 * sigma), len(way) - 1)
        ahead, behind = 2 * way[0] - way[1 : reach + 1].flip(0), 2 * way[-1] - way[-reach - 1 : -1].flip(0)
        weight = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
        padded = torch.cat([ahead, way, behind]).T[:, None]
        return torch.nn.functional.conv1d(padded, (weight / weight.sum())[None, None])[:, 0].T

    # Files

    def save(self, path: Path | str) -> None:
        """Writes a folder, or one .zip file: avatar.json, texture.safetensors, preview.png; whole or not at all.

        Raises InputError where `path` cannot be written or holds something else.
        """
        path = Path(path)
        if path.suffix.lower() != ".zip":
            with atomic_folder(path, marker=MARKER) as folder:
                self._write(folder)
            return
        with atomic_file(path) as temporary:
            folder = temporary.parent / "content"
            folder.mkdir()
            self._write(folder)
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as bundle:
                for name in (MARKER, TEXTURE, PREVIEW):
                    entry = zipfile.ZipInfo(name, _DATE)
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    entry.external_attr = 0o644 << 16
                    bundle.writestr(entry, (folder / name).read_bytes())

    def _write(self, folder: Path) -> None:
        (folder / TEXTURE).write_bytes(safetensors.save(self._tensors()))
        (folder / MARKER).write_text(json.dumps(self._description(), indent=1, allow_nan=False), encoding="utf-8")
        images.save(folder / PREVIEW, composed(self.view("front", (512, 512)), None))

    def _tensors(self) -> dict[str, Tensor]:
        """Colours in half precision (a 4000th at worst), masks in bytes."""
        texture = self.texture
        tensors = {
            "rgb": texture.rgb[0].half(),
            "sampled": texture.sampled[0].to(torch.uint8),
            "filled": texture.filled[0].to(torch.uint8),
            "frontality": texture.frontality[0].half(),
            "painted": self.painted.half(),
            "offsets": self.model.offsets.half(),
        }
        if texture.generated is not None:
            tensors["generated"] = texture.generated[0].half()
        return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

    def _description(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "program": f"dinar {version('dinar')}",
            "body": self.model.name,
            "layout": self.layout.name,
            "weights": self.weights,
            "shape": self.shape.tolist(),
            "shots": [
                {
                    "pose": shot.pose.tolist(),
                    "expression": shot.expression.tolist(),
                    "translation": shot.translation.tolist(),
                    "camera": {
                        "K": shot.camera.K.tolist(),
                        "R": shot.camera.R.tolist(),
                        "t": shot.camera.t.tolist(),
                        "size": list(shot.camera.size),
                    },
                    "reprojection": shot.reprojection,
                    "mask_iou": shot.mask_iou,
                    "unseen": list(shot.unseen),
                }
                for shot in self.shots
            ],
        }

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Reads what `save` wrote; nothing is unpickled and nothing unpacked to disk.

        The neural renderer draws it where the package has the weights that it was made with, else the plain one.

        Raises InputError that names what is missing, damaged, or of a newer version.
        """
        path = Path(path)
        found = _description(path)
        if found.get("body") != "open":
            raise InputError(f"{path} wears a body that this version of dinar does not know: {found.get('body')}")
        if found.get("layout") not in LAYOUTS:
            raise InputError(f"{path} has a UV layout that this version of dinar does not know: {found.get('layout')}")
        model = open_body()
        shots, weights = found.get("shots"), found.get("weights")
        if not isinstance(shots, list) or not isinstance(weights, str | None):
            raise InputError(f"{path} is damaged: 'shots' or 'weights' in its {MARKER} is of the wrong kind")
        tensors = _tensors(path)
        texture, painted = _texture(path, tensors)
        model = model.moved(_offsets(path, tensors, model))
        return cls(
            texture,
            painted,
            shape=_numbers(path, found, "shape", (len(model.shape_basis),)),
            model=model,
            layout=load_layout(found["layout"], model),
            weights=weights,
            shots=tuple(_shot(path, shot, model) for shot in shots),
            renderer=_renderer(weights) if texture.generated is not None else None,
        )


def composed(rendering: Rendering, background: Tensor | None) -> Tensor:
    """The first person of a rendering on a colour [3], [3, H, W]; on None with transparency, [4, H, W]."""
    if background is None:
        return torch.cat([rendering.rgb[0], rendering.mask[0]])
    return rendering.over(background.to(rendering.rgb)[None, :, None, None])[0]


def _renderer(weights: str | None) -> Renderer | None:
    """The renderer of the weights of that name, None where this version has others."""
    try:
        return shipped().renderer if weights is not None and shipped().name == weights else None
    except InputError:
        return None


def _scale(vertices: Tensor, camera: Camera) -> float:
    """How much larger than asked for the neural renderer draws bodies [B, V, 3]: 1 but for small and large ones."""
    _, _, width, height = window(vertices.cpu(), camera.to("cpu"))
    least, most = _DRAWN
    return min(max(1.0, least / max(width, height)), most / max(width, height))


def _resized(rendering: Rendering, size: tuple[int, int]) -> Rendering:
    """A rendering in another size (H, W); colours are weighted by the mask."""
    if tuple(rendering.mask.shape[-2:]) == tuple(size):
        return rendering
    both = images.resize(torch.cat([rendering.rgb * rendering.mask, rendering.mask], dim=1), size).clamp_(0, 1)
    rgb, mask = both[:, :3], both[:, 3:]
    return Rendering(rgb.div_(torch.where(mask > 0, mask, 1)).clamp_(0, 1), mask)   # in place: pictures may be large


def check_output(path: Path) -> None:
    """Raises the InputError that `Avatar.save` would raise, before the long work."""
    if Path(path).suffix.lower() == ".zip":
        check_file(path)
    else:
        check_folder(path, marker=MARKER)


@lru_cache(maxsize=1)
def open_body() -> BodyModel:
    """The body that ships with the package, loaded once."""
    return BodyModel.open()


def _about_y(degrees: float) -> Tensor:
    """A turn about the vertical axis [3, 3] that brings +Z towards +X."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return torch.tensor([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def _description(path: Path) -> dict[str, Any]:
    """avatar.json as a dictionary of a format that is known."""
    try:
        found = json.loads(_member(path, MARKER).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: its {MARKER} is no JSON") from error
    if not isinstance(found, dict) or not isinstance(found.get("format"), int):
        raise InputError(f"{path} is damaged: its {MARKER} says no format")
    if found["format"] != FORMAT:
        raise InputError(
            f"{path} has avatar format {found['format']} (of {found.get('program', 'another program')}), but this "
            f"version of dinar reads format {FORMAT}"
        )
    return found


def _tensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.load(_member(path, TEXTURE))
    except (SafetensorError, ValueError, KeyError, struct.error, RuntimeError) as error:
        raise InputError(f"{path} is damaged: its {TEXTURE} cannot be read") from error


def _member(path: Path, name: str) -> bytes:
    """The bytes of a file of an avatar, a folder or .zip; only the three known names are ever looked up."""
    if not path.exists():
        raise InputError(f"{path} is not there; `dinar create` makes an avatar")
    try:
        if path.is_dir():
            file = path / name
            if file.stat().st_size > _MOST_BYTES[name]:
                raise InputError(f"{path} is damaged: its {name} is too large")
            return file.read_bytes()
        with zipfile.ZipFile(path) as bundle:
            if bundle.getinfo(name).file_size > _MOST_BYTES[name]:
                raise InputError(f"{path} is damaged: its {name} is too large")
            return bundle.read(name)
    except (FileNotFoundError, KeyError) as error:
        raise InputError(f"{path} is no avatar of dinar's: it has no {name}") from error
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{path} is no avatar of dinar's or damaged: its {name} cannot be read") from error


def _texture(path: Path, tensors: Mapping[str, Tensor]) -> tuple[NeuralTexture, Tensor]:
    """The neural texture and the painted colours, checked."""
    parts = {}
    for name, channels in {"rgb": 3, "sampled": 1, "filled": 1, "frontality": 1, "painted": 3, "generated": 16}.items():
        if name == "generated" and name not in tensors:
            continue
        tensor = tensors.get(name)
        if tensor is None:
            raise InputError(f"{path} is damaged: its {TEXTURE} has no '{name}'")
        side = tensor.shape[-1] if tensor.ndim else 0
        if tensor.shape != (channels, side, side) or not 0 < side <= _LARGEST_SIDE:
            raise InputError(f"{path} is damaged: '{name}' in its {TEXTURE} has shape {list(tensor.shape)}")
        if name != "generated" and side != tensors["rgb"].shape[-1]:
            raise InputError(f"{path} is damaged: '{name}' in its {TEXTURE} is not as large as 'rgb'")
        parts[name] = tensor.float()
        if not parts[name].isfinite().all():
            raise InputError(f"{path} is damaged: '{name}' in its {TEXTURE} holds numbers that are not finite")
    painted = parts.pop("painted")
    return NeuralTexture(**{"generated": None} | {name: part[None] for name, part in parts.items()}), painted


def _offsets(path: Path, tensors: Mapping[str, Tensor], model: BodyModel) -> Tensor:
    """How the person's outline differs from the body's [V, 3], checked."""
    offsets = tensors.get("offsets")
    if offsets is None or offsets.shape != model.template.shape or not offsets.isfinite().all():
        raise InputError(f"{path} is damaged: its {TEXTURE} has no sound 'offsets'")
    return offsets.float()


def _shot(path: Path, found: object, model: BodyModel) -> Shot:
    camera = found.get("camera") if isinstance(found, dict) else None
    if not isinstance(camera, dict):
        raise InputError(f"{path} is damaged: 'shots' in its {MARKER} has no camera")
    size = _numbers(path, camera, "size", (2,))
    if not (size >= 1).all() or not (size <= 1 << 16).all():
        raise InputError(f"{path} is damaged: 'size' in its {MARKER} is no size of an image")
    unseen = found.get("unseen", [])
    if not isinstance(unseen, list) or not all(isinstance(limb, str) for limb in unseen):
        raise InputError(f"{path} is damaged: 'unseen' in its {MARKER} is no list of names")
    return Shot(
        pose=_numbers(path, found, "pose", (len(model.parents), 3)),
        expression=_numbers(path, found, "expression", (len(model.expression_names),)),
        translation=_numbers(path, found, "translation", (3,)),
        camera=Camera(
            _numbers(path, camera, "K", (3, 3)),
            _numbers(path, camera, "R", (3, 3)),
            _numbers(path, camera, "t", (3,)),
            (int(size[0]), int(size[1])),
        ),
        reprojection=float(_numbers(path, found, "reprojection", ())),
        mask_iou=float(_numbers(path, found, "mask_iou", ())),
        unseen=tuple(unseen),
    )


def _numbers(path: Path, found: Mapping[str, Any], name: str, shape: tuple[int, ...]) -> Tensor:
    """An entry of avatar.json as a float32 tensor of a given shape, finite."""
    try:
        tensor = torch.tensor(found[name], dtype=torch.float32)
    except (KeyError, TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise InputError(f"{path} is damaged: its {MARKER} has no sound '{name}'") from error
    if tensor.shape != shape or not tensor.isfinite().all():
        what = f"shape {list(tensor.shape)} in place of {list(shape)}" if tensor.shape != shape else "infinite numbers"
        raise InputError(f"{path} is damaged: '{name}' in its {MARKER} has {what}")
    return tensor
