"""What appearance training learns from: a person's texture from one view, and parts of another view to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from dinar.body.model import BodyModel
from dinar.body.normals import vertex_normals
from dinar.body.uv import load_layout
from dinar.camera import Camera
from dinar.data.dataset import Augmentation, MultiView, Pair
from dinar.fit import outline
from dinar.networks.appearance import framed
from dinar.presets import Preset
from dinar.synth.view import View
from dinar.texture.filling import Filler
from dinar.texture.neural_drawing import Surface, surface
from dinar.texture.neural_texture import NeuralTexture, window
from dinar.texture.occlusion import occlusion_band
from dinar.texture.sampling import sample_photo
from dinar.train.losses import Truth

MOST_SUPERSAMPLING = 2   # of the texture: what more would add is no worth its time in training
FRONTAL = 0.75           # share of the sources that show the front if any does
ON_FACE = 1 / 3          # share of the windows that are placed about the head
FACING = 0.2             # cosine between face and camera from which a face is seen


class Batch:
    """A dataclass of tensors."""

    def to(self, device: torch.device | str) -> Self:
        return type(self)(*(getattr(self, f.name).to(device, non_blocking=True) for f in fields(self)))

    @classmethod
    def stacked(cls, some: Sequence[Self]) -> Self:
        """One of several, tensor by tensor along the first axis."""
        return cls(*(torch.cat([getattr(one, f.name) for one in some]) for f in fields(cls)))


@dataclass(frozen=True)
class Lesson(Batch):
    """B people, W windows of each one's target; everything in [0, 1] but `face`.

    image    float32 [B, 3, R, R]         the source, framed for the encoder
    mask     float32 [B, 1, R, R]
    colours  float32 [B, W, 5, H, W']     the body in the target's pose in the source's colours: see `Surface`
    uv       float32 [B, W, 2, H, W']
    body     float32 [B, W, 1, H, W']     share of the pixel that the body covers
    truth    float32 [B, W, 3, H, W']     the target
    person   float32 [B, W, 1, H, W']     its mask
    face     float32 [B, W, 4]            box of the face: left, top, right, bottom in pixels; NaN where it is not seen
    """

    image: Tensor
    mask: Tensor
    colours: Tensor
    uv: Tensor
    body: Tensor
    truth: Tensor
    person: Tensor
    face: Tensor

    @property
    def surface(self) -> Surface:
        """Batch B * W."""
        return Surface(self.colours.flatten(0, 1), self.uv.flatten(0, 1), self.body.flatten(0, 1))

    def target(self, backgrounds: Tensor) -> Truth:
        """Batch B * W, the people before plain colours [B * W, 3]."""
        image, mask = self.truth.flatten(0, 1), self.person.flatten(0, 1)
        return Truth(image * mask + backgrounds[:, :, None, None] * (1 - mask), mask, self.face.flatten(0, 1))


class Lessons(Dataset):
    """`lessons[position]` is a `Lesson` of one person, a function of seed and position alone.

    The files are opened where they are first read: a process that prepares samples gets none of another's.
    """

    def __init__(
        self,
        places: Sequence[Path],                  # folders of shards
        preset: Preset,
        seed: int,
        augmentation: Augmentation | None,
    ) -> None:
        self.places, self.preset, self.seed, self.augmentation = places, preset, seed, augmentation

    @cached_property
    def pairs(self) -> MultiView:
        return MultiView(*self.places, seed=self.seed, augmentation=self.augmentation, frontal=FRONTAL)

    @cached_property
    def tailor(self) -> Tailor:
        return Tailor(self.preset.colour_size)

    def __len__(self) -> int:
        """The number of people."""
        return len(self.pairs)

    def __getitem__(self, position: int) -> Lesson:
        rng = np.random.default_rng([self.seed, position, 2])
        return self.lesson(self.pairs[position], rng)

    def lesson(self, pair: Pair, rng: np.random.Generator) -> Lesson:
        """A lesson from a pair of views; `rng` places the windows."""
        how, tailor = self.preset.appearance, self.tailor
        with torch.no_grad():
            model = tailor.clothed(pair.source)
            texture, painted = tailor.dress(pair.source, model)
            image, mask = framed(pair.source.image[None], pair.source.mask[None], self.preset.encoder.resolution)
            target = zoomed(pair.target, float(np.exp(rng.uniform(*np.log(how.zoom)))), how.window)
            vertices = model(target.body).vertices
            face = tailor.face(vertices, target.camera)
            parts = []
            for _ in range(how.windows):
                x, y = _corner(target.camera, window(vertices, target.camera), face, how.window, rng)
                camera = target.camera.cropped(x, y, (how.window, how.window))
                seen = surface(texture, painted, vertices, tailor.model.faces, tailor.layout, camera)
                cut = (slice(y, y + how.window), slice(x, x + how.window))
                truth, person = target.image[(..., *cut)], target.mask[(..., *cut)]
                box = _within(face - torch.tensor([x, y, x, y]), how.window)
                parts.append((seen.colours[0], seen.uv[0], seen.mask[0], truth, person, box))
        return Lesson(image, mask, *(torch.stack(part)[None] for part in zip(*parts, strict=True)))


class Tailor:
    """Dresses the open body in what a view shows, as `dinar create` does."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.model = BodyModel.open().requires_grad_(False)
        self.layout = load_layout("front", self.model)
        self.surface = outline.surface_of(self.model, self.model.neutral().shape[0])
        self.filled = Filler.of(self.model, self.layout, size)   # as `dinar create` makes up what is unseen
        rest = self.model.template
        head = self.model.humanoid["head"]
        weights = self.model.skin_weights
        below = [j for j in range(len(self.model.parents)) if _descends(j, head, self.model.parents)]
        forward = vertex_normals(rest[None], self.model.faces)[0, :, 2]
        self.face_vertices = ((weights[:, below].sum(1) > 0.9) & (forward > 0.3)).nonzero().flatten()

    def clothed(self, *views: View) -> BodyModel:
        """The body with the outlines that the views' masks show, as `dinar create` finds them but in fewer steps."""
        shape = views[0].body.shape[0]
        return self.model.moved(outline.fit(self.model, shape, views, surface=self.surface, steps=2))

    def dress(self, view: View, model: BodyModel | None = None) -> tuple[NeuralTexture, Tensor]:
        """What a view shows (algorithm 1, section 3.5), and its colours without holes [1, 3, R, R].

        model  default: the body without clothes
        """
        texture = self.sampled(view, model)
        return texture, self.filled(texture)

    def sampled(self, view: View, model: BodyModel | None = None) -> NeuralTexture:
        """What a view shows, holes and all."""
        vertices = (model or self.model)(view.body).vertices
        doubtful = occlusion_band(vertices, self.model.faces, self.layout.part_colours, view.camera)
        return sample_photo(
            view.image[None],
            view.mask[None],
            vertices,
            self.model.faces,
            self.layout,
            view.camera,
            self.size,
            without=doubtful,
            most=MOST_SUPERSAMPLING,
        )

    def face(self, vertices: Tensor, camera: Camera) -> Tensor:
        """The box of the face of the first of [B, V, 3] in the image [4], NaN where it looks away."""
        points = vertices[:1, self.face_vertices]
        normals = vertex_normals(vertices[:1], self.model.faces)[0, self.face_vertices]
        forward = functional.normalize(normals.mean(0), dim=0)
        there = functional.normalize(camera.position - points[0].mean(0), dim=0)
        if float(forward @ there) < FACING:
            return torch.full((4,), float("nan"))
        xy = camera.project(points)[0, :, :2]
        return torch.cat([xy.amin(0), xy.amax(0)])


def _descends(joint: int, ancestor: int, parents: Sequence[int]) -> bool:
    while joint >= 0 and joint != ancestor:
        joint = parents[joint]
    return joint == ancestor


def zoomed(view: View, factor: float, least: int) -> View:
    """A view that is enlarged, its sides at least `least`."""
    size = tuple(max(round(side * factor), least) for side in view.camera.size)
    if size == view.camera.size:
        return view
    picture = torch.cat([view.image, view.mask])[None]
    picture = functional.interpolate(picture, size, mode="bilinear", antialias=True, align_corners=False)[0].clamp(0, 1)
    return View(picture[:3], picture[3:], view.camera.resized(size), view.body)


def _corner(
    camera: Camera, person: tuple[int, int, int, int], face: Tensor, side: int, rng: np.random.Generator
) -> tuple[int, int]:
    """The top left corner of a window on the person, inside the image."""
    x, y, width, height = person
    middle = np.array([x + rng.uniform() * width, y + rng.uniform() * height])
    if rng.uniform() < ON_FACE and bool(face.isfinite().all()):
        left, top, right, bottom = face.tolist()
        middle = np.array([(left + right) / 2, (top + bottom) / 2]) + rng.uniform(-0.3, 0.3, 2) * side
    corner = np.rint(middle - side / 2).astype(int)
    h, w = camera.size
    return int(np.clip(corner[0], 0, w - side)), int(np.clip(corner[1], 0, h - side))


def _within(box: Tensor, side: int) -> Tensor:
    """A face's box [4] in a window, NaN where more than a little of it lies outside."""
    inside = (box[:2] >= -0.05 * side).all() & (box[2:] <= 1.05 * side).all()
    return box if bool(inside) else torch.full((4,), float("nan"))
