"""The generated channels tuned until the drawing has the photos' outlines and shades (appendix B, for eq. 2's others).

Colours need no gradients (`texture.residuals`). What the renderer does not copy, outlines above all, follows from the
generated channels, and those from gradients alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor
from torch.optim.adam import adam

from dinar import images
from dinar.texture.neural_drawing import Surface, surface, surroundings
from dinar.texture.neural_texture import NeuralTexture
from dinar.texture.refinement import hidden

if TYPE_CHECKING:
    from dinar.body.uv import UVLayout
    from dinar.configs import Residuals
    from dinar.networks.renderer import Renderer
    from dinar.texture.residuals import Sight

EPSILON = 1e-8             # Adam's
BACKGROUNDS = (0.0, 1.0)   # in turn: an outline that is right on both is right


def tune(
    renderer: Renderer,
    texture: NeuralTexture,            # batch 1, with generated channels
    painted: Tensor,                   # [1, 3, R, R] its colours without holes
    sights: Sequence[Sight],
    faces: Tensor,                     # [F, 3] the body's triangles
    layout: UVLayout,
    how: Residuals,
    *,
    seed: int = 0,                     # of the parts
    progress: Callable[[float], None] = lambda _: None,    # called with the part that is done
) -> NeuralTexture:
    """The texture with generated channels whose drawing is nearest to the photos, by squared differences of colours.

    The rasterised colours do not change meanwhile, so they are laid once.
    """
    scenes = [Scene.of(renderer, texture, painted, sight, faces, layout) for sight in sights]
    generated = tuned(renderer, texture.generated, scenes, how, seed=seed, progress=progress)
    return replace(texture, generated=generated)


def tuned(
    renderer: Renderer,
    generated: Tensor,                 # [1, 16, S, S] generated channels
    scenes: Sequence[Scene],
    how: Residuals,
    *,
    seed: int = 0,                     # of the parts
    progress: Callable[[float], None] = lambda _: None,    # called with the part that is done
) -> Tensor:
    """Generated channels whose drawing is nearest to scenes; a step draws a part of each, `how.window` pixels a side
    at most.
    """
    generated = generated.detach().clone().requires_grad_()
    mean, square, count = torch.zeros_like(generated), torch.zeros_like(generated), torch.zeros(())
    rng = torch.Generator().manual_seed(seed)
    for step in range(how.steps):
        gradient = torch.zeros_like(generated)
        for scene in scenes:
            part = scene.part(how.window, renderer.stride, rng)
            drawn = renderer(part.surface.features(generated), part.surface.uv, part.surface.mask)
            behind = BACKGROUNDS[step % len(BACKGROUNDS)]
            error = (drawn.rgb - behind) * drawn.mask - (part.image - behind) * part.mask
            loss = (error.square() * part.counts).mean() / len(scenes)
            gradient += torch.autograd.grad(loss, [generated])[0]
        with torch.no_grad():       # as a function: the class `Adam` imports torch's compiler, which takes two seconds
            adam([generated], [gradient], [mean], [square], [], [count], foreach=False, amsgrad=False,
                 beta1=how.betas[0], beta2=how.betas[1], lr=how.learning_rate, weight_decay=0.0, eps=EPSILON,
                 maximize=False)  # fmt: skip
        progress((step + 1) / how.steps)
    return generated.detach()


@dataclass(frozen=True)
class Scene:
    """What is drawn of a photo, and what it should look like, in pixels of the person's surroundings.

    surface                       the body in its colours
    image    float32 [1, 3, H, W]
    mask     float32 [1, 1, H, W]  the person
    counts   float32 [1, 1, H, W]  0 outside the photo, and where something stands before the person
    """

    surface: Surface
    image: Tensor
    mask: Tensor
    counts: Tensor

    @classmethod
    def of(
        cls, renderer: Renderer, texture: NeuralTexture, painted: Tensor, sight: Sight, faces: Tensor, layout: UVLayout
    ) -> Self:
        there, (left, top, *_) = surroundings(sight.vertices, sight.camera, renderer.stride)
        with torch.no_grad():
            seen = surface(texture, painted, sight.vertices, faces, layout, there)
        photo = torch.cat([sight.image, sight.mask, torch.ones_like(sight.mask)], dim=1)
        image, mask, counts = images.crop(photo, left, top, there.size, outside=0).split((3, 1, 1), dim=1)
        return cls(seen, image, mask, counts * (1 - hidden(mask[0], seen.mask[0], max(there.size))))

    def part(self, window: int, stride: int, rng: torch.Generator) -> Self:
        """A window of it at random, on the renderer's grid."""
        rows, columns = (_span(side, window, stride, rng) for side in self.mask.shape[-2:])
        cut = (..., rows, columns)
        seen = Surface(self.surface.colours[cut], self.surface.uv[cut], self.surface.mask[cut])
        return replace(self, surface=seen, image=self.image[cut], mask=self.mask[cut], counts=self.counts[cut])


def _span(side: int, window: int, stride: int, rng: torch.Generator) -> slice:
    window = min(window // stride * stride, side)
    places = math.floor((side - window) / stride) + 1
    start = int(torch.randint(places, (), generator=rng)) * stride
    return slice(start, start + window)
