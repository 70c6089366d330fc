"""Trunk, neck, arms, legs, feet and skirts unrolled: where round which of them a texel lies, and what goes on there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn import functional

from dinar.body.uv import PARTS, part_weights
from dinar.texture.lines import closed, mirrored

if TYPE_CHECKING:
    from dinar.body.model import BodyModel
    from dinar.body.uv import TexelMap

ROW = 0.006            # metres: height of a row,
CELLS = 64             # and cells round it
COLLAR = 0.03, 0.13    # metres below the neck's joint: from here up rows lean as collars do, up to there they are level
LEAN = 0.5             # metres that a collar lies higher than level, by those that it lies farther behind
MIDDLE = 2.0, 4.0      # cells from the middle of a front, to the first of which it is one, and beyond the second not
NECK = 0.14, 0.22      # metres below the trunk's upper end, to the first of which it is the neck's, as above
NAPE = 0.03, 0.06      # metres along the neck's bone, between which rows that go round it end: hair and jaw follow
WRIST = 0.03, 0.06     # metres beyond the wrist's joint, between which rows that go round an arm end: sleeves do before
CROTCH = 0.06          # metres: so far above the crotch thighs are the trunk's, so that a hem lies in one of them
SIDES = ("left", "right")
FINER = 2, 4           # rows and cells as fine as detail, in each of them,
CLOSED = 5, 9          # over how many of which gaps between seen ones are passed,
EDGES = 6, 16          # cells and rows over which its edges are smoothed: upright stripes, mirrored there, stay so,
LEAST = 16             # and how many cells of a row have to be seen, to go on round it

_ARM = ("UpperArm", "LowerArm", "Hand", "MiddleDistal")
_LEG = ("UpperLeg", "LowerLeg", "Foot")


@dataclass(frozen=True, eq=False)
class Round:
    """The texels of one trunk, limb, foot or layer, by rows round it.

    name    what it is
    texels  int64   [N]  flat indices
    share   float32 [N]  how far each belongs to it, in [0, 1]
    row     float32 [N]  place along it, in rows of ROW
    cell    float32 [N]  place round it, in cells: 0 in front, CELLS once round
    rows    int          how many there are
    last    float        place along it, in rows, where what it is ends: beyond that goes on what is seen there alone
    """

    name: str
    texels: np.ndarray
    share: np.ndarray
    row: np.ndarray
    cell: np.ndarray
    rows: int
    last: float = math.inf

    @property
    def places(self) -> np.ndarray:
        """The cell that each texel lies in, as a flat index of rows x CELLS."""
        return self.row.round().astype(np.int64) * CELLS + self.cell.round().astype(np.int64) % CELLS

    @property
    def fronts(self) -> np.ndarray:
        """How far each texel lies in the middle of a front, about the neck, in the trunk below that: [N, 3]."""
        aside = np.minimum(self.cell, CELLS - self.cell)
        below = (self.rows - self.row) * ROW
        trunk = self.name == "trunk"
        middle = ((MIDDLE[1] - aside) / (MIDDLE[1] - MIDDLE[0])).clip(0, 1)
        neck = ((NECK[1] - below) / (NECK[1] - NECK[0])).clip(0, 1)
        shares = middle * (trunk or self.name == "skirt"), neck * trunk, (1 - neck) * trunk
        return self.share[:, None] * np.stack(shares, axis=1)


def rounds(model: BodyModel, texels: TexelMap) -> list[Round]:
    """Trunk, neck, arms, legs, feet and a skirt of the body at rest."""
    vertices, joints = (part[0].detach() for part in model.rest(model.neutral().shape))
    parts = part_weights(model)
    layer = model.layer

    def at(bone: str) -> Tensor:
        return joints[model.humanoid[bone]]

    def part(*names: str) -> Tensor:
        return parts[:, [PARTS.index(name) for name in names]].sum(1) * (layer == 0)

    def upright(share: Tensor, centre: Tensor, depth: float) -> tuple[Tensor, ...]:
        """Rows of one height about an upright axis through points [V, 2] (x, z)."""
        off = vertices[:, [0, 2]] - centre
        return share, vertices[:, 1], torch.stack([off[:, 0], off[:, 1] * depth], dim=1)

    middle = (at("hips")[[0, 2]] + at("neck")[[0, 2]]) / 2
    torso, height = part("torso"), vertices[:, 1]
    crotch = height[(torso > 0.5) & (vertices[:, 0].abs() < 0.01)].min()
    above = ((height - crotch) / CROTCH).clamp(0, 1)
    thighs = part("left thigh", "right thigh")
    neck, bone = at("neck"), functional.normalize(at("head") - at("neck"), dim=0)
    below = ((NAPE[1] - (vertices - neck) @ bone) / (NAPE[1] - NAPE[0])).clamp(0, 1)
    leaning = LEAN * ((height - neck[1] + COLLAR[1]) / (COLLAR[1] - COLLAR[0])).clamp(0, 1)
    share, along, off = upright((torso + part("head")) * below + thighs * above, middle, 1.4)
    made = {"trunk": (share, along + leaning * (vertices[:, 2] - neck[2]), off)}
    if "skirt" in model.layers:
        number = list(model.layers).index("skirt") + 1
        made["skirt"] = upright((layer == number).float(), middle, 1.0)
    last: dict[str, float] = {}
    for side in SIDES:
        knots = torch.stack([at(side + bone) for bone in _LEG])
        leg = part(f"{side} thigh", f"{side} calf") * (1 - above)
        made[f"{side} leg"] = upright(leg, _along(height, knots), 1.0)
        foot = part(f"{side} foot")
        made[f"{side} foot"] = upright(foot, vertices[foot > 0.5][:, [0, 2]].mean(0), 0.5)
        knots = torch.stack([at(side + bone) for bone in _ARM])
        along, off = _round_bones(vertices, knots)
        wrist = float((knots[1:3] - knots[:2]).norm(dim=1).sum())
        hand = part(f"{side} hand") * ((WRIST[1] - along + wrist) / (WRIST[1] - WRIST[0])).clamp(0, 1)
        made[f"{side} arm"] = part(f"{side} upper arm", f"{side} lower arm") + hand, along, off
        last[f"{side} arm"] = wrist
    found = []
    for name, (share, along, off) in made.items():
        low = float(along[share > 0.05].min())
        share, along, x, z = texels.interpolate(torch.cat([share[:, None], along[:, None], off], 1), model.faces)[0]
        here = ((share > 0.02) & (texels.face >= 0)).flatten().nonzero()[:, 0]
        row = ((along.flatten()[here] - low) / ROW).clamp(min=0)
        cell = torch.atan2(x.flatten()[here], z.flatten()[here]) / (2 * torch.pi) * CELLS % CELLS
        arrays = (v.cpu().numpy() for v in (here, share.flatten()[here].clamp(0, 1), row, cell))
        found.append(Round(name, *arrays, int(row.max()) + 2, (last.get(name, math.inf) - low) / ROW))
    return found


def _along(height: Tensor, knots: Tensor) -> Tensor:
    """Points (x, z) [V, 2] at heights [V] on the line through knots [K, 3] from above to below."""
    out = knots[0, [0, 2]].expand(len(height), 2)
    for upper, lower in pairwise(knots):
        share = ((upper[1] - height) / (upper[1] - lower[1])).clamp(0, 1)[:, None]
        out = torch.where(share > 0, upper[[0, 2]] + share * (lower - upper)[[0, 2]], out)
    return out


def _round_bones(vertices: Tensor, knots: Tensor) -> tuple[Tensor, Tensor]:
    """How far along the bones through knots [K, 3] each vertex is, and its place beside them (up, front) [V, 2]."""
    best = vertices.new_full((len(vertices),), torch.inf)
    along, off, start = torch.zeros_like(best), vertices.new_zeros(len(vertices), 2), 0.0
    for a, b in pairwise(knots):
        bone = (b - a) / (b - a).norm()
        step = (vertices - a) @ bone
        clear = step.clamp(0, float((b - a).norm()))
        beside = vertices - a - clear[:, None] * bone
        front = functional.normalize(bone.new_tensor([0.0, 0, 1]) - bone[2] * bone, dim=0)
        here = torch.stack([beside @ torch.linalg.cross(front, bone), beside @ front], dim=1)
        near = beside.norm(dim=1) < best
        best = torch.where(near, beside.norm(dim=1), best)
        along, off = torch.where(near, start + step, along), torch.where(near[:, None], here, off)
        start += float((b - a).norm())
    return along, off


def gone_round(values: Tensor, known: Tensor, rounds: Sequence[Round]) -> Tensor:
    """Values [C, R, R] as far as they are known, [1, R, R] in [0, 1], and on round the limbs from there: mirrored where
    what is known of a row ends, again and again.
    """
    flat, share = values.flatten(1), known.flatten()
    source = np.arange(len(share))
    sound, open_ = (share > 0.5).cpu().numpy(), (share < 0.5).cpu().numpy()
    for about in rounds:
        here = about.share > 0.5
        texels = about.texels[here]
        row = (about.row[here] * FINER[0]).round().astype(np.int64)
        cell = (about.cell[here] * FINER[1]).round().astype(np.int64) % (CELLS * FINER[1])
        grid = np.full((about.rows * FINER[0] + 1, CELLS * FINER[1]), -1)
        grid[row[sound[texels]], cell[sound[texels]]] = texels[sound[texels]]
        seen = cv2.morphologyEx((grid >= 0).astype(np.uint8), cv2.MORPH_CLOSE, np.ones(CLOSED, np.uint8)) > 0
        seen = _evenly(seen)
        seen &= seen.sum(1, keepdims=True) >= LEAST
        if not seen.any():
            continue
        near = distance_transform_edt(grid < 0, return_distances=False, return_indices=True)
        lacks = open_[texels]
        there = mirrored(seen)[row[lacks], cell[lacks]]
        found = grid[near[0][row[lacks], there], near[1][row[lacks], there]]
        source[texels[lacks]] = np.where(seen.any(1)[row[lacks]], found, texels[lacks])
    return flat[:, torch.from_numpy(source).to(values.device)].view_as(values)


def _evenly(seen: np.ndarray) -> np.ndarray:
    """What is seen of rows, bool [L, N], with smooth edges; rows of which nothing is seen do not count."""
    rows = np.broadcast_to(seen.any(1, keepdims=True), seen.shape)
    both, reach = np.stack([seen, rows], axis=-1), 4 * EDGES[0]
    blurred = closed(both, lambda of: cv2.GaussianBlur(of, (0, 0), EDGES[0], sigmaY=EDGES[1]), reach)
    return (blurred[..., 0] > 0.5 * blurred[..., 1]) & rows
