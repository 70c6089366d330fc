"""Pixels of another part than the body has there: a shoe on a knee, hair on a shoulder, a hand on trousers.

Where a fit is a little off, a pixel falls on a texel that something else covers. What each pixel shows is known
(`parts.BodyPart`), and along a limb clothes follow each other in one order only: sleeve and skin, trousers, skin and
shoe. The order that goes best with what a photo shows says what each place may have; what it may not have is foreign,
if it goes on into where its part belongs, near, and has the colours that are seen there rather than those of its place.
Whatever else is labelled oddly is the parser's mistake, and taken for what the body has there; but the layer of hair
takes hair alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import cv2
import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor
from torch.nn import functional

from dinar.body.layers import bare
from dinar.body.uv import PARTS, part_labels
from dinar.images import to_bytes
from dinar.parts import BodyPart
from dinar.raster.rasterize import rasterize
from dinar.texture.neural_texture import window

if TYPE_CHECKING:
    from dinar.body.model import BodyModel
    from dinar.camera import Camera

SIDE = 768         # pixels of the longer side of the body's box at most, at which pixels are compared
STEPS = 12         # places along a thigh, a calf, a foot, and as many along each other bone
TRUNK_STEPS = 16   # along the trunk
ROOM = {"leg": 1, "arm": 1, "trunk": 3}   # places up and down in which a border may lie: hems slant
OTHER_SIDE = 0.5   # what the same place on the body's other side counts, beside its own
NEAR = 0.05        # of the longer side of the body's box: so far from where a part belongs its pixels stray
POINTED = 0.8      # cosine between a thigh and the ray to the camera from which the thigh is seen from its end
MIXED = 0.2        # of the clothes at a place on trunk or leg: as much of a kind is worn there
THIN = 1 / 300     # of that side: half the width of what strays; labels are no finer than this
NECKLINE = 0.1     # of the clothes' pixels at a place of the trunk: as much skin goes on from the neck
LONG = 0.3         # of the head's pixels: as much hair on the trunk hangs there, less strayed
CELLS = 16         # of the histograms of colours, along each axis of Lab
FLOOR = 1e-4       # share of a part's pixels that any colour may have
LIKELIER = 2.0     # how much more a colour is to be that of the part elsewhere than of what its place has
NEUTRAL = (BodyPart.BACKGROUND, BodyPart.BAG, BodyPart.UNKNOWN)   # may be anywhere

_CLOTH = (BodyPart.UPPER, BodyPart.OUTER, BodyPart.DRESS)
_WORN = (*_CLOTH, BodyPart.LOWER)
_ORDERS = {     # of what is worn, from the trunk outwards, from the neck downwards
    "leg": (_CLOTH, (BodyPart.LOWER,), (BodyPart.SKIN,), (BodyPart.SHOES,)),
    "arm": (_CLOTH, (BodyPart.SKIN,)),
    "trunk": ((BodyPart.SKIN,), _CLOTH, (BodyPart.LOWER,)),
}
_MIXED = {      # beside each other at one place: coats are open, hems slant; a shirt on a lap is none of the thigh
    "leg": (BodyPart.OUTER, BodyPart.DRESS, BodyPart.LOWER),
    "trunk": _WORN,
}
_ANY_OF = {     # in no order
    "neck": frozenset(BodyPart) - {BodyPart.LOWER, BodyPart.SHOES},
    "head": frozenset(BodyPart) - {*_CLOTH, BodyPart.LOWER, BodyPart.SHOES},
    "hair": frozenset({BodyPart.HAIR, BodyPart.HEADWEAR}),      # layers
    "skirt": frozenset(_WORN),
}
_BONES = {"leg": ("UpperLeg", "LowerLeg", "Foot", "Toes"), "arm": ("UpperArm", "LowerArm", "Hand", "MiddleDistal")}
_LIMBS = {"leg": ("thigh", "calf", "foot"), "arm": ("upper arm", "lower arm", "hand")}
_SIDES = ("left", "right")
_LABELS = 256
_PLACES = {"leg": 3 * STEPS, "arm": 3 * STEPS, "trunk": TRUNK_STEPS}


@dataclass(frozen=True)
class Places:
    """Where on the body each triangle is: along a leg, an arm or the trunk, on the neck or the head, or on a layer.

    of      int64 [F]   number of its place
    first   of each chain ("left leg", ..., "trunk", "neck", "head", layers) its first place; the others follow
    count   of all places
    """

    of: Tensor
    first: dict[str, int]
    count: int

    @property
    def kinds(self) -> np.ndarray:
        """Of each place the number of what it is of, int [count]: of both legs one, of both arms one."""
        names = [chain.split()[-1] for chain in self.first]
        found = np.empty(self.count, int)
        for name, start in zip(names, self.first.values(), strict=True):      # in their order
            found[start:] = names.index(name)
        return found

    @classmethod
    def on(cls, model: BodyModel) -> Self:
        """Of a body's triangles, without the layers it may wear."""
        model = bare(model)
        vertices, joints = (part[0].detach() for part in model.rest(model.neutral().shape))
        middle = vertices[model.faces].mean(1)
        part = part_labels(model)
        chains = [f"{side} {limb}" for limb in _LIMBS for side in _SIDES]
        first, count = {}, 0
        for chain in (*chains, "trunk", "neck", "head"):
            first[chain], count = count, count + _PLACES.get(chain.split()[-1], 1)

        def at(bone: str) -> Tensor:
            return joints[model.humanoid[bone]]

        neck, head, hips = at("neck")[1], at("head")[1], at("hips")[1]
        down = ((neck - middle[:, 1]) / (neck - hips) * TRUNK_STEPS).long().clamp(0, TRUNK_STEPS - 1)
        of = first["trunk"] + down
        above = torch.where(middle[:, 1] < (neck + head) / 2, first["neck"], first["head"])     # chins are the head's
        of = torch.where(part == PARTS.index("head"), above, of)
        for chain in chains:
            side, limb = chain.split()
            bones = [at(side + bone) for bone in _BONES[limb]]
            for k, name in enumerate(_LIMBS[limb]):
                along = bones[k + 1] - bones[k]
                share = ((middle - bones[k]) @ along) / along.dot(along)
                step = (share * STEPS).long().clamp(0, STEPS - 1)
                of = torch.where(part == PARTS.index(f"{side} {name}"), first[chain] + k * STEPS + step, of)
        return cls(of, first, count)

    def with_layers(self, model: BodyModel) -> Self:
        """The same with the triangles of the layers that the body wears."""
        worn = model.layer[model.faces[len(self.of) :, 0]].to(self.of)
        first = self.first | {name: self.count + number for number, name in enumerate(model.layers)}
        of = torch.cat([self.of, self.count + worn - 1])
        return replace(self, of=of, first=first, count=self.count + len(model.layers))


def foreign(
    image: Tensor,                 # [3, H, W] the photo, [0, 1]
    labels: Tensor,                # uint8 [H, W] `parts.BodyPart`
    vertices: Tensor,              # [1, V, 3] the fitted body, metres
    faces: Tensor,                 # [F, 3] its triangles
    places: Places,                # of the same triangles
    camera: Camera,                # the photo's, of size (H, W)
) -> Tensor:
    """Pixels that show another part than the body has there: [1, 1, H, W] in {0, 1}; do not sample them."""
    x, y, width, height = window(vertices, camera)
    there = camera.cropped(x, y, (height, width))
    scale = min(1.0, SIDE / max(width, height))
    size = (max(round(height * scale), 1), max(round(width * scale), 1))
    face = rasterize(there.resized(size).project(vertices), faces, size).face[0].long()
    place = torch.where(face >= 0, places.of[face.clamp(min=0)], -1).cpu().numpy()
    shown = labels[y : y + height, x : x + width].cpu().numpy()
    shown = cv2.resize(shown, size[::-1], interpolation=cv2.INTER_NEAREST)
    allowed = _allowed(_telling(place, shown, places, vertices[0], faces, camera), shown, places)
    on_body = place >= 0
    owns = allowed[place, shown] & ~np.isin(shown, NEUTRAL)
    here = on_body & ~allowed[place, shown]
    kinds = places.kinds[place]
    cells = _cells(image[:, y : y + height, x : x + width], size)
    reach = NEAR * max(size)
    out = np.zeros(shown.shape, bool)
    for label in np.unique(shown[here]):
        belongs = on_body & allowed[place, label]
        if belongs.any():
            far = cv2.distanceTransform((~belongs).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
            _, pieces = cv2.connectedComponents((shown == label).astype(np.uint8))
            astray = here & (shown == label) & (far <= reach) & np.isin(pieces, pieces[belongs & (shown == label)])
            elsewhere = _likely(cells, belongs & (shown == label))
            for kind in np.unique(kinds[astray]):
                as_placed = _likely(cells, on_body & owns & (kinds == kind) & (shown != label))
                out |= astray & (kinds == kind) & (elsewhere > LIKELIER * as_placed)
    if "hair" in places.first:                 # where the shell lies before skin or cloth, it is as the hair beside it
        out |= here & (place == places.first["hair"])
    out = cv2.morphologyEx(out.astype(np.uint8), cv2.MORPH_OPEN, _disc(THIN * max(size)))
    if "hair" in places.first:                 # pixels at its end are mixed: they stay with head and hair
        hair = np.isin(shown, tuple(_ANY_OF["hair"])).astype(np.uint8)
        mixed = cv2.dilate(hair, _disc(1)) > cv2.erode(hair, _disc(1))
        out |= (mixed & on_body & ~np.isin(place, [places.first["head"], places.first["hair"]])).astype(np.uint8)
    out = cv2.resize(out, (width, height), interpolation=cv2.INTER_NEAREST)
    out = torch.from_numpy(out)[None, None].float().to(vertices.device)
    return functional.pad(out, (x, camera.size[1] - x - width, y, camera.size[0] - y - height))


def counted(place: np.ndarray, shown: np.ndarray, count: int) -> np.ndarray:
    """How many pixels show each label at each of so many places, [count, 256]. Place [h, w] is -1 off the body."""
    counts = np.zeros((count, _LABELS))
    np.add.at(counts, (place[place >= 0], shown[place >= 0]), 1.0)
    return counts


def _allowed(place: np.ndarray, shown: np.ndarray, places: Places) -> np.ndarray:
    """Which labels each place may have, bool [count, 256], by what a photo shows. Place [h, w] is -1 where it tells
    nothing.
    """
    counts = counted(place, shown, places.count)
    allowed = np.zeros(counts.shape, bool)
    allowed[:, list(NEUTRAL)] = True
    for chain, start in places.first.items():
        *sides, kind = chain.split()
        rows = slice(start, start + _PLACES.get(kind, 1))
        if kind not in _ORDERS:
            allowed[rows, list(_ANY_OF[kind])] = True
            continue
        seen = counts[rows]
        if sides:
            other = places.first[f"{_SIDES[1 - _SIDES.index(sides[0])]} {kind}"]
            seen = seen + OTHER_SIDE * counts[other : other + len(seen)]
        worn = in_order(np.stack([seen[:, list(group)].sum(1) for group in _ORDERS[kind]], axis=1))
        for k, group in enumerate(_ORDERS[kind]):
            allowed[rows, list(group)] = _widened(worn == k, ROOM[kind])[:, None]
        mixed = list(_MIXED.get(kind, ()))
        share = seen[:, mixed] / np.maximum(seen[:, list(_WORN)].sum(1), 1)[:, None]
        allowed[rows, mixed] |= share > MIXED
    trunk = slice(places.first["trunk"], places.first["trunk"] + TRUNK_STEPS)
    bare = counts[trunk, BodyPart.SKIN] > NECKLINE * np.maximum(counts[trunk][:, list(_WORN)].sum(1), 1)
    allowed[trunk, BodyPart.SKIN] |= _widened(np.logical_and.accumulate(bare), 1)
    hair = counts[:, BodyPart.HAIR]
    allowed[trunk, BodyPart.HAIR] = hair[trunk].sum() > LONG * counts[places.first["head"]].sum()
    return allowed


def _telling(
    place: np.ndarray, shown: np.ndarray, places: Places, vertices: Tensor, faces: Tensor, camera: Camera
) -> np.ndarray:
    """Places [h, w] without the pixels that do not tell what is worn there: where someone sits and thighs point at the
    camera, all of them is a few pixels high, and the shirt behind is easily taken for theirs.
    """
    middle, of = vertices[faces].mean(1), places.of
    out = place.copy()
    for side in _SIDES:
        start = places.first[f"{side} leg"]
        hip, knee = (middle[of == start + k].mean(0) for k in (0, STEPS - 1))
        if functional.cosine_similarity(knee - hip, camera.position - hip, dim=0) > POINTED:
            out[(place >= start) & (place < start + STEPS) & (shown == BodyPart.UPPER)] = -1
    return out


def _cells(image: Tensor, size: tuple[int, int]) -> np.ndarray:
    """The cell of each pixel's colour in Lab, [h, w, 3] of such a size."""
    small = cv2.resize(to_bytes(image), size[::-1], interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(int) * CELLS // 256


def _likely(cells: np.ndarray, where: np.ndarray) -> np.ndarray:
    """How likely each pixel's colour is among those of some [h, w]; all alike where there are none."""
    counts = np.zeros((CELLS,) * 3)
    np.add.at(counts, tuple(cells[where].T), 1.0)
    smooth = gaussian_filter(counts, 1.0, mode="constant")
    return (smooth / max(smooth.sum(), 1e-9) + FLOOR)[tuple(np.moveaxis(cells, 2, 0))]


def in_order(votes: np.ndarray) -> np.ndarray:
    """For each of N places which of K things it has, int [N]: the k-th comes before the next, each as long as it will,
    or not at all, so that the votes [N, K] for what is where are most.
    """
    best, came = np.zeros(votes.shape), np.zeros(votes.shape, int)
    for n, vote in enumerate(votes):
        before = best[n - 1] if n else np.zeros_like(vote)
        for k in range(len(vote)):
            came[n, k] = int(before[: k + 1].argmax())
            best[n, k] = before[came[n, k]] + vote[k]
    out = np.empty(len(votes), int)
    out[-1] = int(best[-1].argmax())
    for n in range(len(votes) - 1, 0, -1):
        out[n - 1] = came[n, out[n]]
    return out


def _widened(there: np.ndarray, room: int) -> np.ndarray:
    """Places bool [N] and as many up and down of them."""
    return np.convolve(there, np.ones(2 * room + 1), mode="same") > 0


def _disc(radius: float) -> np.ndarray:
    reach = max(1, round(radius))
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
