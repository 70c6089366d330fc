"""Unseen texels: what goes round limbs, else the mirrored other side, else colours that spread over the surface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import splu
from torch import Tensor
from torch.nn import functional

from dinar.body.uv import PARTS, Opposite, TexelMap, head_texture, mirror_map, opposite_map, part_weights, texel_map
from dinar.raster.nearest import nearest
from dinar.raster.rasterize import Fragments, interpolate, rasterize
from dinar.texture import hats, strands
from dinar.texture.fabric import Fabric
from dinar.texture.faces import MeanFace, from_eyes
from dinar.texture.figures import SOUND, own_detail
from dinar.texture.neural_texture import NeuralTexture
from dinar.texture.rounds import SIDES, Round, gone_round, rounds
from dinar.texture.sampling import MIN_FRONTALITY
from dinar.texture.stubble import stubble_of, stubbled
from dinar.texture.trust import trust

if TYPE_CHECKING:
    from dinar.body.model import BodyModel
    from dinar.body.uv import UVLayout

TRUSTED = 0.4      # frontality from which a colour counts whole; from MIN_FRONTALITY to here it blends into the filling
FEATHER = 1 / 80   # of the texture's side: how far a hole's edge is blended into it
STIFFNESS = 0.05   # of an edge of the mesh against a wholly trusted vertex: small keeps colours, large spreads them
ALONG = 1e-4       # an edge along a bone against one around it: a sleeve's hem goes round the arm
CUFF = 8.0         # times as sharp as joints bend, so do hands begin
SHADE = 1 / 24     # of the texture's side: how far from what is seen the made-up takes on its shade
OTHER = 0.35       # difference of a colour, [0, 1], between what is seen and made up, from which it is no shade at all


@dataclass(frozen=True)
class Guide:
    """How colours spread over a body's surface.

    edges    int64   [E, 2]  vertices that are joined, each pair once
    pull     float32 [E]     how strongly
    regions  float32 [V, K]  share of each vertex in regions that take no colours from each other; rows sum to 1
    """

    edges: Tensor
    pull: Tensor
    regions: Tensor


def guide_of(model: BodyModel) -> Guide:
    """Around limbs and trunk rather than along them, no face on the back of the head and no sleeve on hands."""
    vertices, joints = (part[0] for part in model.rest(model.neutral().shape))
    edges = edges_of(model.faces)
    across = functional.normalize(vertices[edges[:, 0]] - vertices[edges[:, 1]], dim=1)
    weights = (model.skin_weights[edges[:, 0]] + model.skin_weights[edges[:, 1]]) / 2
    bones = _bones(model, joints)
    bones[_head(model)] = 0                                                # hair spreads from the crown down as well
    along = ((across @ bones.T).square() * weights).sum(1)
    scalp, hands = scalp_of(model), part_weights(model)[:, [PARTS.index(f"{side} hand") for side in SIDES]].sum(1)
    hands = ((hands - 0.5) * CUFF + 0.5).clamp(0, 1)
    return Guide(edges, ALONG ** along.clamp(0, 1), torch.stack([scalp, hands, 1 - scalp - hands], dim=1))


def _bones(model: BodyModel, joints: Tensor) -> Tensor:
    """The direction of each joint's bone [J, 3]: towards the next humanoid bone, from the trunk not to the limbs."""
    bone_of = {joint: bone for bone, joint in model.humanoid.items()}
    ahead = torch.zeros_like(joints)
    for bone, joint in model.humanoid.items():
        parent = model.parents[joint]
        while parent >= 0 and parent not in bone_of:
            parent = model.parents[parent]
        if parent >= 0 and not (_paired(bone) and not _paired(bone_of[parent])):
            ahead[parent] += joints[joint] - joints[parent]
    for joint, parent in enumerate(model.parents):
        if ahead[joint].norm() < 1e-6 and parent >= 0:
            ahead[joint] = joints[joint] - joints[parent] if joint in bone_of else ahead[parent]
    return functional.normalize(ahead, dim=1)


def _paired(bone: str) -> bool:
    return bone.startswith(("left", "right"))


def _head(model: BodyModel) -> list[int]:
    """The head's joint and all below it."""
    joints = [model.humanoid["head"]]
    for joint, parent in enumerate(model.parents):
        if parent in joints:
            joints.append(joint)
    return joints


def scalp_of(model: BodyModel) -> Tensor:
    """1 where hair grows and 0 on the face, at the ears and below the head, smooth between: [V]."""
    return _head_of(model)[0]


def face_of(model: BodyModel) -> Tensor:
    """1 on the face and at the ears, 0 where hair grows and below the head, smooth between: [V]."""
    return _head_of(model)[1]


def _head_of(model: BodyModel) -> tuple[Tensor, Tensor]:
    _, y, z = from_eyes(model).unbind(-1)
    face = ((z + 1.9) / 0.6).clamp(0, 1) * ((1.6 - y) / 0.4).clamp(0, 1)
    head = model.skin_weights[:, _head(model)].sum(1).clamp(0, 1)
    return head * (1 - face), head * face


@dataclass(frozen=True, eq=False)
class Filler:
    """Fills textures of one body in one layout (`fill`).

    texels                       of the layout, R x R
    mirror    float32 [R, R, 2]  UV coordinates of each texel's mirror image, NaN where it has none
    opposite                     what lies before and behind each texel
    guide                        how colours spread
    rounds                       what cloth runs round
    face                         for who shows none; None: there is none for the layout
    stubble   float32 [1, R, R]  skin about the end of hair (`texture.stubble`); None: of none
    hat       float32 [1, 1, R, R]  share of headwear in what is seen of the layer `hair`; None: of none
    """

    model: BodyModel
    layout: UVLayout
    texels: TexelMap
    mirror: Tensor
    opposite: Opposite
    guide: Guide
    rounds: list[Round]
    face: MeanFace | None = None
    stubble: Tensor | None = None
    hat: Tensor | None = None

    @classmethod
    def of(cls, model: BodyModel, layout: UVLayout, size: int) -> Self:
        """Of textures of size x size texels."""
        texels = texel_map(layout, size)
        mirror, opposite = mirror_map(layout, model.faces, texels), opposite_map(layout, model, texels)
        own = face_of(model)
        face = MeanFace.of(model, layout, texels, own)
        shade = stubble_of(model, texels, own) if "hair" in model.layers else None
        return cls(model, layout, texels, mirror, opposite, guide_of(model), rounds(model, texels), face, shade)

    @cached_property
    def head(self) -> Tensor:
        """How much each texel belongs to head and neck: float32 [1, 1, R, R] in [0, 1]."""
        return head_texture(self.texels, self.model)

    def __call__(self, texture: NeuralTexture) -> Tensor:
        """Its colours without holes [B, 3, R, R]."""
        others = {"mirror": self.mirror, "opposite": self.opposite, "guide": self.guide, "rounds": self.rounds}
        filled = fill(texture, self.model.faces, self.layout, **others)
        sound = trust(texture, self.texels.mask, feather=FEATHER, angles=(MIN_FRONTALITY, TRUSTED))
        seen = texture.rgb, texture.filled, sound
        if self.face is not None:
            filled = self.face.worn(filled, *seen)
        if "hair" not in self.model.layers:
            return filled
        if self.hat is None:
            filled = strands.around(filled, *seen)
            return filled if self.stubble is None else stubbled(filled, texture.filled, self.stubble)
        hat = self.hat.expand_as(sound)
        return hats.around(strands.around(filled, *seen, hat), *seen, hat)


def fill(
    texture: NeuralTexture,
    faces: Tensor,                     # [F, 3] the body's triangles
    layout: UVLayout,                  # the same triangles in UV space
    *,
    mirror: Tensor | None = None,      # [R, R, 2] UV coordinates of each texel's mirror image, NaN where it has none
    opposite: Opposite | None = None,  # of R x R texels
    guide: Guide | None = None,        # of the body (`guide_of`); None: all alike
    rounds: Sequence[Round] = (),      # what its cloth runs round
) -> Tensor:
    """A texture without holes, [B, 3, R, R]: `rgb` where it is `filled`, made up elsewhere.

    Trunk, limbs and feet go on round themselves as what is seen of them, without the figures on it (`texture.fabric`);
    fine detail of theirs comes from the other side and from the other half of the front. Elsewhere, on head and hands,
    an unseen texel takes the colour of its mirror image where that was seen, and else that of its surroundings on the
    body's surface: a membrane over the mesh, so that neither seams of the layout nor gaps between its islands show.
    What is seen stays as it is. What is made up beside it takes on its shade at the edge, but no hue of it where cloth
    goes round, and less the farther off it is (`continued`); colours seen at a grazing angle and at edges of holes are
    no source for other places. Texels off the islands repeat the nearest one on them: bilinear sampling at seams finds
    no foreign colour. With nothing seen at all everything is mid-grey.
    """
    size = texture.rgb.shape[-1]
    atlas, nearest = _atlas(layout, size)
    inside = atlas.mask
    weight = trust(texture, inside, feather=FEATHER, angles=(MIN_FRONTALITY, TRUSTED))
    known = torch.cat([texture.rgb * weight, weight], dim=1)             # colours times their trust, here and below
    made = torch.zeros_like(known) if mirror is None else _elsewhere(known * inside, mirror)
    known = known + made * (1 - known[:, 3:])
    if guide is None:
        edges = edges_of(faces)
        guide = Guide(edges, torch.ones(len(edges)), torch.ones(int(faces.max()) + 1, 1))
    base, sure = _worn(texture, weight * inside, rounds, mirror, opposite)
    around = torch.stack([_spread(c[:3], c[3:], atlas, faces, guide) for c in known])
    around = interpolate(_repeated(atlas, len(around)), around, faces)
    plain = made[:, :3] + around * (1 - made[:, 3:])
    plain = plain + (base - plain) * sure
    seen = texture.filled * inside
    step = texture.rgb - plain
    step = torch.lerp(step, step.mean(1, keepdim=True).expand_as(step), sure)       # cloth goes on in its own hue
    alike = ((OTHER - step.abs().amax(1, keepdim=True)) / (OTHER / 2)).clamp(0, 1)   # else it is other cloth
    shade = continued(step * alike, seen, inside)
    filled = torch.where(seen > 0, texture.rgb, (plain + shade).clamp(0, 1))
    return filled.flatten(2)[:, :, nearest.flatten()].view_as(filled)


def _worn(
    texture: NeuralTexture, trusted: Tensor, rounds: Sequence[Round], mirror: Tensor | None, opposite: Opposite | None
) -> tuple[Tensor, Tensor]:
    """Colours [B, 3, R, R] of what goes round the body, and how far they are known [B, 1, R, R].

    Fine detail behind is that of the front's other half, where it was seen: what stands in the middle of a front, or on
    both sides of it, is not found again right behind.
    """
    base, sure = torch.zeros_like(texture.rgb), torch.zeros_like(trusted)
    ways = [] if opposite is None else [opposite.beside, opposite.uv]
    if mirror is not None:
        ways = [*ways[:1], *(_composed(mirror, way) for way in ways[1:]), *ways[1:], mirror]
    for k in range(len(base) if rounds else 0):
        fabric = Fabric.of(texture.rgb[k], trusted[k], rounds)
        known = torch.cat(own_detail(fabric, texture.rgb[k], trusted[k], rounds))[None]
        detail = torch.zeros_like(known)
        for way in ways:
            detail = detail + _elsewhere(known, way) * (1 - detail[:, 3:])
        fine, known = detail[0].split([3, 1])
        fine = gone_round(fine / known.clamp(min=SOUND), known, rounds)
        base[k], sure[k] = (fabric.base + fine).clamp(0, 1), fabric.sure
    return base, sure


def _composed(first: Tensor, then: Tensor) -> Tensor:
    """Places [R, R, 2] where `first` leads from the texels to which `then` leads; NaN where either is."""
    texel = (then * len(first)).nan_to_num(0).long().clamp(0, len(first) - 1)
    return first[texel[..., 1], texel[..., 0]].where(then.isfinite(), torch.nan)


def continued(values: Tensor, known: Tensor, inside: Tensor) -> Tensor:
    """Values [B, C, R, R] carried outwards from where they are known, fading to 0 at SHADE of the texture's side.

    known   [B, 1, R, R]       1 where they are, else 0
    inside  [1 or B, 1, R, R]  1 on islands, whose borders nothing crosses

    They are smooth along the edge, which is why half the resolution does.
    """
    size, coarse = values.shape[-1], max(values.shape[-1] // 2, 1)
    known, inside = known * inside, inside.expand_as(known)
    pooled = functional.interpolate(torch.cat([values * known, known, inside], dim=1), (coarse, coarse), mode="area")
    values, share, inside = pooled[:, :-2], pooled[:, -2:-1], pooled[:, -1:]
    carried, inside = (share > 0).to(values), (inside > 0).to(values)
    reach = max(round(SHADE * coarse), 2)
    mean = _mean(torch.cat([values, share], dim=1), 3)
    values, near = mean[:, :-1] / mean[:, -1:].clamp(min=1e-6) * carried, carried
    for step in range(1, reach):
        grown = _mean(torch.cat([values, carried], dim=1), 3) * inside
        new = ((carried == 0) & (grown[:, -1:] > 0)).to(values)
        values = values + new * grown[:, :-1] / grown[:, -1:].clamp(min=1e-6)
        near, carried = near + new * (1 - step / reach), carried + new
    mean = _mean(torch.cat([values, carried], dim=1), 5)
    smooth = mean[:, :-1] / mean[:, -1:].clamp(min=1e-6) * near
    return functional.interpolate(smooth, (size, size), mode="bilinear", align_corners=False)


def _mean(image: Tensor, side: int) -> Tensor:
    """Means of squares of `side` texels, along one axis after the other."""
    rows = functional.avg_pool2d(image, (1, side), 1, (0, side // 2))
    return functional.avg_pool2d(rows, (side, 1), 1, (side // 2, 0))


def _elsewhere(values: Tensor, uv: Tensor) -> Tensor:
    """Values [B, C, R, R] at other places [R, R, 2] of the same textures, 0 where they are NaN."""
    grid = (uv.to(values) * 2 - 1).nan_to_num(-9)[None].expand(len(values), -1, -1, -1)
    return functional.grid_sample(values, grid, align_corners=False)


def _atlas(layout: UVLayout, size: int) -> tuple[Fragments, Tensor]:
    """The triangle at each texel's centre, and the nearest texel that has one, as flat indices [size, size]."""
    corners = functional.pad(layout.uv * size, (0, 1), value=1.0)
    atlas = rasterize(corners[None], layout.faces, (size, size))
    inside = atlas.face[0].cpu().numpy() >= 0
    return atlas, torch.from_numpy(nearest(inside)).to(layout.uv.device)


def _repeated(atlas: Fragments, batch: int) -> Fragments:
    return Fragments(*(part.expand(batch, *part.shape[1:]) for part in (atlas.face, atlas.barycentric, atlas.depth)))


def _spread(colour: Tensor, trusted: Tensor, atlas: Fragments, faces: Tensor, guide: Guide) -> Tensor:
    """Colours at all vertices [V, 3] from those of trusted texels: the membrane that hangs on them.

    colour [3, R, R], multiplied by `trusted` [1, R, R].
    """
    count = len(guide.regions)
    texel = (atlas.face[0].flatten() >= 0).nonzero()[:, 0]
    corners = faces.long()[atlas.face[0].flatten()[texel].long()]          # [n, 3]
    share = atlas.barycentric[0].flatten(0, 1)[texel]                      # [n, 3]
    values = torch.cat([colour, trusted, torch.ones_like(trusted)]).flatten(1)[:, texel].T.double()
    sums = values.new_zeros(count, 5)
    for i in range(3):
        sums.index_add_(0, corners[:, i], values * share[:, i, None])
    sums = sums.cpu().numpy()
    weight = sums[:, 3] / np.maximum(sums[:, 4], 1e-9)                     # a vertex' mean trust
    own = sums[:, :3] / np.maximum(sums[:, 3:4], 1e-9)
    if weight.sum() < 1e-6:
        return colour.new_full((count, 3), 0.5)
    (i, j), pull = guide.edges.cpu().numpy().T, STIFFNESS * guide.pull.double().cpu().numpy()
    edges = sparse.coo_array((pull, (i, j)), shape=(count, count))
    edges = edges + edges.T
    edges = sparse.diags_array(edges.sum(1)) - edges                       # the graph's Laplacian
    spread = np.zeros((count, 3))
    for region in guide.regions.double().cpu().numpy().T:
        inside = weight * region**4                                        # its heart's colours, not its borders'
        spread += region[:, None] * _membrane(edges, inside if inside.sum() > 1 else weight, own)
    return torch.from_numpy(spread).to(colour)


def _membrane(edges: sparse.sparray, weight: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Colours [V, 3] near `own` where the weight [V] is large, as smooth as can be over the edges elsewhere."""
    mean = weight @ own / weight.sum()
    faint = 1e-10                                                          # what nothing seen touches gets the mean
    system = (sparse.diags_array(weight + faint) + edges).tocsc()
    factors = splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return factors.solve(weight[:, None] * own + faint * mean)


def edges_of(faces: Tensor) -> Tensor:
    """Pairs of vertices that a triangle joins, each once: [E, 2]."""
    ends = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).long().sort(dim=1).values
    count = int(faces.max()) + 1
    pairs = torch.unique(ends[:, 0] * count + ends[:, 1])
    return torch.stack([pairs // count, pairs % count], dim=1)
