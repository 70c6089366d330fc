"""A photo taken apart into what is behind the person and how the person is lit, and put together again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from dinar import images
from dinar.avatar import Avatar, Shot
from dinar.body.model import Body
from dinar.camera import Camera
from dinar.fit.level import levelled
from dinar.parallel import in_order
from dinar.scene import background, grain, shadow
from dinar.scene.hole import hole
from dinar.scene.place import Course
from dinar.texture.drawing import Rendering

GAINS = 0.9, 1.12      # bounds of what a channel of the drawing is multiplied with


@dataclass(frozen=True, eq=False)
class Scene:
    """A photo without its person, and all that it takes to draw them in.

    photo       float32 [3, H, W]  as it was
    background  float32 [3, H, W]  without the person
    removed     float32 [1, H, W]  1 where the background was filled, else 0
    before      float32 [1, H, W]  share of the people in front, who are seen before the person
    start       Body               how the person stands in the photo, batch 1; up is up (`level.levelled`)
    camera      Camera             of the photo, at its size here
    ground      shadow.Ground      that the person stands on
    shade       float              how dark the shade on it is
    gain        float32 [3]        brings the drawing to the photo's light
    noise       float32 [3]        deviation of the noise that the drawing lacks
    seed        int                of that noise
    """

    photo: Tensor
    background: Tensor
    removed: Tensor
    before: Tensor
    start: Body
    camera: Camera
    ground: shadow.Ground
    shade: float
    gain: Tensor
    noise: Tensor
    seed: int = 0

    @classmethod
    def of(
        cls, photo: Tensor, mask: Tensor, others: Tensor, before: Tensor, avatar: Avatar, shot: Shot, *, seed: int = 0
    ) -> Self:
        """The scene of a photo [3, H, W] with masks [1, H, W] of the person, of all others and of those in front.

        avatar  of the person, on the CPU
        shot    how the person stands in this photo
        """
        start = Body(avatar.shape[None], shot.pose[None], shot.expression[None], shot.translation[None])
        start, camera = levelled(avatar.model, start, shot.camera.resized(tuple(photo.shape[1:])))
        with torch.no_grad():
            mesh = avatar.model(start)
        ground = shadow.Ground.of(camera, float(mesh.vertices[0, :, 1].min()))
        shade = ground.shade(mesh.vertices[0])
        removed = hole(mask, _head(avatar, mesh.joints[0], camera), shade, others)
        there = grain.deviation(photo, 1 - torch.maximum(removed, others))
        behind = background.fill(photo, removed, avoid=others, seed=seed)
        lacking = grain.missing(there, grain.deviation(behind, removed))
        behind = (behind + removed * grain.noise(lacking, camera.size, seed)).clamp(0, 1)
        drawn = avatar.render(camera, start)
        both = (mask > 0.95) & (drawn.mask[0] > 0.95)
        gain = _gain(photo, drawn.rgb[0], both)
        apart = removed * (max_pool2d(torch.maximum(mask, others)[None], 3, 1, 1)[0] < 0.02)
        dark = shadow.strength(photo, behind, shade, apart)
        noise = grain.missing(there, grain.deviation(drawn.rgb[0] * gain[:, None, None], both.float()))
        return cls(photo, behind, removed, before, start, camera, ground, dark, gain, noise, seed)

    def composed(self, drawn: Rendering, vertices: Tensor, number: int) -> Tensor:
        """The picture [3, H, W] of a person [V, 3] as they are drawn in its place; `number` tells noises apart."""
        picture = self.background * (1 - self.shade * self.ground.shade(vertices))
        covered = (drawn.mask[0, 0] > 0).nonzero()
        if not len(covered):
            return picture
        (top, left), (bottom, right) = covered.amin(0).tolist(), (covered.amax(0) + 1).tolist()
        box = np.s_[:, top:bottom, left:right]
        lacking = grain.noise(self.noise, (bottom - top, right - left), self.seed + 1 + number)
        person = (drawn.rgb[0][box] * self.gain[:, None, None] + lacking).clamp(0, 1)
        person = torch.lerp(picture[box], person, drawn.mask[0][box])
        picture[box] = torch.lerp(person, self.photo[box], self.before[box])
        return picture

    def play(self, avatar: Avatar, course: Course, *, stiff: bool = False) -> Iterator[Tensor]:
        """Every frame [3, H, W] of an avatar, on the CPU, that takes its course; the first one is the photo.

        A skirt swings, unless it shall be stiff.
        """
        posed = avatar.swinging(course.bodies, course.fps, stiff=stiff)

        def frame(number: int) -> Tensor:
            vertices, share = posed(number), course.photo[number]
            picture = self.composed(avatar.draw_posed(vertices, self.camera), vertices[0], number)
            return torch.lerp(picture, self.photo, share) if share else picture

        yield from in_order(frame, range(len(course.bodies)))


def scaled(photo: Tensor, longest: int) -> Tensor:
    """A photo whose larger side has at most so many pixels, both sides even numbers, which videos need."""
    height, width = photo.shape[1:]
    scale = min(1.0, longest / max(height, width))
    size = tuple(max(2, 2 * round(side * scale / 2)) for side in (height, width))
    return photo if size == (height, width) else images.resize(photo, size).clamp(0, 1)


def _head(avatar: Avatar, joints: Tensor, camera: Camera) -> tuple[float, float, float]:
    """The head's middle and a radius that holds its hair, pixels."""
    bones = avatar.model.humanoid
    places = camera.project(joints[[bones["head"], bones["hips"]]])
    x, y, _ = places[0].tolist()
    return x, y, 0.5 * float((places[0] - places[1])[:2].norm())


def _gain(photo: Tensor, drawn: Tensor, both: Tensor) -> Tensor:
    """What makes the mean colour of the drawing that of the photo, channel by channel."""
    if not both.any():
        return torch.ones(3)
    means = [image[:, both[0]].mean(dim=1).clamp(min=0.01) for image in (photo, drawn)]
    return (means[0] / means[1]).clamp(*GAINS)
