"""A drawn person made into one mesh with one texture: what the neural renderer adds, for programs that lack it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dinar.body.normals import vertex_normals
from dinar.export.figure import Figure, check_texture_size
from dinar.export.snapshots import Snapshot
from dinar.fit import outline
from dinar.parallel import in_order
from dinar.progress import Progress
from dinar.raster.rasterize import rasterize
from dinar.texture.filling import fill, guide_of
from dinar.texture.merging import TAU
from dinar.texture.neural_texture import NeuralTexture
from dinar.texture.sampling import MIN_FRONTALITY

SIZE = 2048             # texels a side
DRAWN = 1024            # at most, of what is collected from snapshots: about as fine as their pixels
EROSION = 4             # pixels of a snapshot taken off its outlines: there colours mix with what lies behind
DEEP = 0.03             # metres: a step in depth is an outline, and what lies farther behind is hidden
TRUSTED = 0.6           # frontality from which a photo's own colour counts whole, from MIN_FRONTALITY on in part
FEATHER = 1 / 60        # of the texture's side: how far the photo's colours blend into the others at their edge


def bake(
    figure: Figure,                     # the body in the avatar's own colours
    texture: NeuralTexture,             # batch 1, which of them photos showed
    snapshots: Sequence[Snapshot],
    *,
    size: int = SIZE,                   # texels a side of the baked texture
    outlined: bool = True,              # let the surface follow the masks
    coloured: bool = True,              # bake the texture
    progress: Progress | None = None,
) -> Figure:
    """The person as one mesh: its surface moved to the drawn outlines, its texture that of the drawings.

    A texel's colour is the mean of the snapshots that show it, weighted by frontality as photos are (eq. 5); only
    pixels that belong to the person count. Where a photo showed it, the photo's own colour stands, with a soft edge.
    What nothing shows is filled from its surroundings, and texels off the islands repeat the nearest one on them.

    Joints, skin weights and facial actions are the body's own.

    Raises InputError for a size that is not possible.
    """
    check_texture_size(size)
    progress = progress or Progress()
    if outlined:
        with progress.stage("outline"):
            figure = replace(figure, model=figure.model.moved(outline.fit(figure.model, figure.shape, snapshots)))
    if coloured:
        with progress.stage("bake"):
            figure = replace(figure, colours=_colours(figure, texture, snapshots, size))
    return figure


def _colours(figure: Figure, texture: NeuralTexture, snapshots: Sequence[Snapshot], size: int) -> Tensor:
    """The baked texture [3, size, size]."""
    side = min(size, DRAWN)
    texels = _Texels.of(figure, side)
    total = torch.zeros(len(texels.index), 4)
    best = torch.zeros(len(texels.index))
    for seen, frontality, colours in in_order(lambda snapshot: _seen(figure, texels, snapshot), snapshots):
        weight = (frontality / TAU).exp()
        total[seen, :3] += weight[:, None] * colours
        total[seen, 3] += weight
        best[seen] = torch.maximum(best[seen], frontality)
    mean = total[:, :3] / total[:, 3:].clamp(min=1e-9)
    values = torch.cat([mean, best[:, None]], dim=1) * (best > 0)[:, None]
    maps = torch.zeros(side * side, 4).index_copy_(0, texels.index, values).T.view(1, 4, side, side)
    rgb, frontality = maps[:, :3], maps[:, 3:]
    shown = (frontality > 0).float()
    drawn = NeuralTexture(None, rgb, shown, shown, frontality)
    filled = fill(drawn, figure.model.faces, figure.layout, guide=guide_of(figure.model))
    filled = functional.interpolate(filled, (size, size), mode="bicubic")[0].clamp(0, 1)
    own, trust = _photographed(figure, texture, size)
    return torch.lerp(filled, own, trust)


@dataclass(frozen=True)
class _Texels:
    """Texels whose centres lie on the surface.

    index   int64   [N]     of the texel
    faces   int64   [N, 3]  vertices of the triangle there
    share   float32 [N, 3]  their weights
    """

    index: Tensor
    faces: Tensor
    share: Tensor

    @classmethod
    def of(cls, figure: Figure, size: int) -> _Texels:
        corners = functional.pad(figure.layout.uv * size, (0, 1), value=1.0)
        atlas = rasterize(corners[None], figure.layout.faces, (size, size))
        face = atlas.face.flatten()
        index = (face >= 0).nonzero()[:, 0]
        return cls(index, figure.model.faces[face[index].long()], atlas.barycentric.view(-1, 3)[index])

    def at(self, values: Tensor, some: Tensor) -> Tensor:
        """Values [V, C] of vertices at some of the texels: [n, C]."""
        faces, share = self.faces[some], self.share[some]
        return sum(values[faces[:, k]] * share[:, k, None] for k in range(3))


def _seen(figure: Figure, texels: _Texels, snapshot: Snapshot) -> tuple[Tensor, Tensor, Tensor]:
    """Texels [n] that a snapshot shows, by their place in `texels`, their frontality [n] and colours [n, 3]."""
    camera = snapshot.camera
    with torch.no_grad():
        vertices = figure.model(snapshot.body).vertices
    normals = vertex_normals(vertices, figure.model.faces)[0]
    towards = functional.normalize(camera.position - vertices[0], dim=1)
    facing = (normals * towards).sum(1)                                         # near a texel's own: saves most of them
    some = (facing[texels.faces].amax(1) > MIN_FRONTALITY).nonzero()[:, 0]
    place, normal = texels.at(torch.cat([vertices[0], normals], dim=1), some).split(3, dim=1)
    ray = camera.position - place
    frontality = (normal * ray).sum(1) / (normal.square().sum(1) * ray.square().sum(1)).sqrt().clamp(min=1e-9)
    points = camera.project(place)
    fragments = rasterize(camera.project(vertices), figure.model.faces, camera.size)
    depth = fragments.depth[0]
    shown = torch.cat([snapshot.rgb, _trusted(snapshot.mask, depth)[None]])[None]
    h, w = camera.size
    grid = (points[:, :2] / points.new_tensor([w, h]) * 2 - 1)[None, None]
    values = functional.grid_sample(shown, grid, align_corners=False)[0, :, 0].T
    nearest = functional.grid_sample(depth[None, None], grid, mode="nearest", align_corners=False)[0, 0, 0]
    good = (frontality > MIN_FRONTALITY) & (values[:, 3] > 0.999) & (points[:, 2] < nearest + DEEP)
    return some[good], frontality[good], values[good, :3]


def _trusted(mask: Tensor, depth: Tensor) -> Tensor:
    """1 on pixels [H, W] of the person that are not beside an outline, the mask's or one within the body."""
    depth = depth.numpy()
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * EROSION + 1, 2 * EROSION + 1))
    far = np.where(np.isfinite(depth), depth, 1e3).astype(np.float32)
    behind = depth - cv2.erode(far, around) > DEEP                              # what stands before it is not far off
    inside = cv2.erode((mask[0].numpy() > 0.95).astype(np.uint8), around) > 0
    return torch.from_numpy((inside & ~behind & np.isfinite(depth)).astype(np.float32))


def _photographed(figure: Figure, texture: NeuralTexture, size: int) -> tuple[Tensor, Tensor]:
    """The avatar's own colours [3, size, size], and how much they count [1, size, size], 0 where no photo does."""
    side = texture.rgb.shape[-1]
    trust = ((texture.frontality - MIN_FRONTALITY) / (TRUSTED - MIN_FRONTALITY)).clamp(0, 1) * texture.filled
    corners = functional.pad(figure.layout.uv * side, (0, 1), value=1.0)
    off = rasterize(corners[None], figure.layout.faces, (side, side)).mask[0, 0] < 0.5
    known = ((texture.filled[0, 0] > 0.5) & (texture.frontality[0, 0] > 0)) | off
    edge = cv2.distanceTransform(known.numpy().astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5) / (FEATHER * side)
    trust = trust[0] * torch.from_numpy(edge).clamp(0, 1)
    both = functional.interpolate(torch.cat([figure.colours, trust])[None], (size, size), mode="bicubic")[0]
    return both[:3].clamp(0, 1), both[3:].clamp(0, 1)
