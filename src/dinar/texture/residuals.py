"""A texture refined by what is left: photo minus drawing, sampled back into the texture.

It stands in for appendix B's gradients. The renderer copies colours, so what its drawing lacks the texture lacks: a few
passes come nearer to the photo than many steps of gradients, at a tenth of their time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor
from torch.nn import functional

from dinar import images
from dinar.body.normals import vertex_normals
from dinar.raster.rasterize import rasterize
from dinar.texture.neural_texture import NeuralTexture, window
from dinar.texture.refinement import Draw, photo_shares
from dinar.texture.unmixing import person_in

if TYPE_CHECKING:
    from dinar.body.uv import TexelMap
    from dinar.camera import Camera

SIDE = 512         # pixels of the person's larger side that are compared: what the renderer learnt at (section 4.1)
SURE = 0.9         # of a mask: less is mixed with what lies behind
EROSION = 2        # pixels at the mask's edge that are not believed where background may be mixed in,
RIM = 1            # and those at the drawing's that are not at all
NEAR = 0.01        # metres behind the surface that a pixel shows, up to which a texel is seen there
GRAZING = 0.05     # frontality from which a texel follows, for one that algorithm 1 did not sample
HEAD = 0.85        # of what is left that a texel of the head takes in a pass: the renderer copies nearly all of it


@dataclass(frozen=True)
class Sight:
    """A photo, and where in it each texel is seen.

    image     float32 [1, 3, H, W]     colours in [0, 1], made smaller where they are finer than SIDE, of `person_in`
    mask      float32 [1, 1, H, W]     the person's share of each pixel
    clear     float32 [1, 1, H, W]     1 where no background is mixed in
    vertices  float32 [1, V, 3]        the fitted body, metres
    camera    Camera                   of size (H, W)
    grid      float32 [1, R, R, 2]     each texel's place in the picture, from -1 to 1
    weight    float32 [1, 1, R, R]     how frontal it is seen there, [0, 1], 0 where it is hidden
    """

    image: Tensor
    mask: Tensor
    clear: Tensor
    vertices: Tensor
    camera: Camera
    grid: Tensor
    weight: Tensor

    @classmethod
    def of(
        cls,
        image: Tensor,                 # [3, H, W] the photo, [0, 1]
        mask: Tensor,                  # [1, H, W] the person's share of each pixel
        vertices: Tensor,              # [1, V, 3] the fitted body, metres
        faces: Tensor,                 # [F, 3] its triangles
        camera: Camera,                # that took the photo, of size (H, W)
        texels: TexelMap,              # R x R
        frontality: Tensor,            # [1, 1, R, R] of what algorithm 1 sampled of this photo, 0 elsewhere
        without: Tensor | None = None,   # [1, 1, H, W] 1 at pixels that are doubtful or show something else
    ) -> Self:
        """Texels that turn to the camera and are not hidden count too, where algorithm 1 left them out."""
        *_, width, height = window(vertices, camera)
        scale = min(1.0, SIDE / max(width, height))
        size = tuple(max(1, round(side * scale)) for side in camera.size)
        both = torch.cat([image, mask])
        both = (both if scale == 1 else images.resize(both, size))[None].clamp(0, 1)
        camera = camera.resized(size)
        place = texels.interpolate(vertices[0], faces)                          # [1, 3, R, R]
        pixel = camera.project(place[0].permute(1, 2, 0))                       # [R, R, 3]
        grid = (pixel[..., :2] / pixel.new_tensor(size[::-1]) * 2 - 1)[None]
        depth = rasterize(camera.project(vertices), faces, size).depth[:, None].nan_to_num(posinf=1e6)
        normal = texels.interpolate(vertex_normals(vertices, faces)[0], faces)
        towards = functional.normalize(camera.position[None, :, None, None] - place, dim=1)
        turned = (functional.normalize(normal, dim=1) * towards).sum(1, keepdim=True)
        before = functional.grid_sample(depth, grid, mode="nearest", align_corners=False)
        out = mask[None] * 0 if without is None else without
        out = functional.adaptive_max_pool2d(out, size)
        shown = functional.grid_sample(1 - out, grid, align_corners=False) > 1 - 1e-3
        far = pixel[None, None, ..., 2]
        slope = (1 - turned.square()).clamp(min=0).sqrt() / turned.clamp(min=GRAZING)       # of depth across a pixel
        within = far < before + NEAR + slope * far / camera.K[0, 0]
        seen = shown & within & (turned > GRAZING) & (texels.face >= 0)
        image, mask = both.split([3, 1], dim=1)
        image, clear = person_in(image, mask, EROSION)
        clear = clear * (mask > SURE)
        return cls(image, mask, clear, vertices, camera, grid, torch.maximum(frontality, turned * seen))

    def left(self, drawn: Tensor, drawn_mask: Tensor) -> Tensor:
        """Photo minus drawing [1, 3, H, W], as the texels see it: [1, 3, R, R]; 0 near the outlines of both."""
        drawn_mask = (drawn_mask > 0.5).to(self.image)
        sure = self.clear * (1 - functional.max_pool2d(1 - drawn_mask, 2 * RIM + 1, 1, RIM))
        return functional.grid_sample((self.image - drawn) * sure, self.grid, align_corners=False)


def settle(
    texture: NeuralTexture,            # batch 1, the sights' merged
    painted: Tensor,                   # [1, 3, R, R] its colours without holes
    sights: Sequence[Sight],
    draw: Draw,
    *,
    passes: int,
    head: Tensor,                      # [1, 1, R, R] share of each texel that belongs to the head
) -> tuple[NeuralTexture, Tensor]:
    """The texture and its colours without holes after so many passes of adding what is left of the photos.

    Each texel follows by the root of its frontality: what is seen well comes near at once, what is seen at a grazing
    angle keeps a part of what was made up. Of several photos those count that show it best, with the weights of eq. 5.
    """
    shown = [sight.weight for sight in sights]
    share = photo_shares(shown) * torch.stack(shown).sqrt() * (1 - (1 - HEAD) * head)
    for _ in range(passes):
        step = torch.zeros_like(painted)
        for sight, weight in zip(sights, share, strict=True):
            with torch.no_grad():
                drawn = draw(texture, painted, sight.vertices, sight.camera)
            step = step + weight * sight.left(drawn.rgb, drawn.mask)
        painted = (painted + step).clamp(0, 1)
        texture = replace(texture, rgb=(texture.rgb + step).clamp(0, 1) * texture.filled)
    return texture, painted
