"""Garments on a body: a surface that hangs about it, cut, with collars and hems sewn on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.sparse import vstack
from scipy.spatial import cKDTree

from dinar.body.model import BodyModel
from dinar.parts import BodyPart
from dinar.synth.garments.cutting import cut, rim, strip, tidy, uncut
from dinar.synth.garments.surfaces import sheet, surface
from dinar.synth.piece import CLOTH, Piece

_APART = 0.007  # metres that each leg's cloth keeps from the middle
_GAP, _FADE = 0.005, 0.03  # metres between layers, and beyond a layer's hem over which that fades
_NEAR = 0.06  # metres that garments of different surfaces may lie inside each other
_SKIRT_MARGIN = 0.12  # metres above a skirt's hem that one sees from below
_BENEATH = 0.03  # metres from the tights that skin lies under them


@dataclass(frozen=True, eq=False)
class Collar:
    """A strip along a cut.

    cut      the number of the garment's value that makes the cut
    profile  float32 [R, 2]  metres onwards along the cloth and outwards
    turn     the row at which it folds back; None: nowhere
    scale    of the profile, at each of the surface's vertices; None: 1
    """

    cut: int
    profile: np.ndarray
    turn: int | None = None
    scale: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Garment:
    """How a garment is cut and hangs. Arrays [M] are values of a surface's vertices.

    name      what it is
    label     the BodyPart it counts as
    base      the surface: `tights` or `skirt`
    region    of the pattern that its picture shows: `upper`, `lower` or `whole`
    cuts      float32 [M]: it is where all are above 0, metres about the lines
    offset    metres over the surface; a number or [M]
    wide      how wide rings about trunk, arms and legs are, by the surface's; a number or [M]
    pleats    metres that folds stand out, [M], how many there are about the body, and radians of turn
    smooth    rounds of evening out: the body's forms show less
    collars   strips sewn on
    waist     of what is worn below: its upper edge's height, metres on the mean body
    under     metres by which it gives way to what is worn over it
    """

    name: str
    label: BodyPart
    base: str
    region: str
    cuts: tuple[np.ndarray, ...]
    offset: np.ndarray | float = 0.006
    wide: np.ndarray | float = 1.0
    pleats: tuple[np.ndarray, int, float] | None = None
    smooth: int = 4
    collars: Sequence[Collar] = ()
    material: tuple[float, ...] = CLOTH
    under: float = 0.0
    waist: float = 0.0

    @property
    def inside(self) -> np.ndarray:
        """Metres from the nearest line that it is cut along, [M], less than 0 beyond it."""
        return np.minimum.reduce(self.cuts)


def hung(garment: Garment, model: BodyModel, body: np.ndarray) -> np.ndarray:
    """The garment's whole surface on a resting body [V, 3]: float32 [M, 3]."""
    base = surface(model, garment.base)
    tight = (base.mix @ body).astype(np.float32)
    even = tight
    for _ in range(garment.smooth):
        even = base.mean @ even
    normals = base.normals(even)
    stands = np.maximum(((tight - even) * normals).sum(1), 0)
    for _ in range(garment.smooth // 2):
        stands = base.mean @ stands
    out = even + normals * (stands + garment.offset)[:, None]
    wide = np.broadcast_to(np.float32(garment.wide), len(out))
    radial = out - base.ring @ tight
    radial[:, 1] *= base.arm
    out = out + radial * (wide - 1)[:, None]
    if garment.pleats is not None:
        depth, count, phase = garment.pleats
        angle = np.arctan2(radial[:, 0], radial[:, 2])
        length = np.maximum(np.linalg.norm(radial, axis=1, keepdims=True), 1e-6)
        out = out + radial / length * (depth * (1 + np.sin(count * angle + phase)))[:, None].astype(np.float32)
    if garment.base == "tights":
        low = (base.place[:, 1] < -0.085) & (base.arm < 0.5)
        sign = np.where(base.place[:, 0] >= 0, 1, -1).astype(np.float32)
        near = low & (out[:, 0] * sign < _APART)
        out[near, 0] = sign[near] * _APART
    return out.astype(np.float32)


def layered(garments: Sequence[Garment], model: BodyModel, body: np.ndarray) -> list[np.ndarray]:
    """The garments' whole surfaces [M, 3], innermost first, each outside those under it."""
    found: list[np.ndarray] = []
    for k, garment in enumerate(garments):
        base, out = surface(model, garment.base), hung(garment, model, body)
        normals = base.normals(out)
        for below, under in zip(garments[:k], found, strict=True):
            there = 1.0 if garment.label == BodyPart.BAG else np.clip(below.inside / _FADE + 1, 0, 1)
            if below.base != garment.base:  # the nearest points of what is there stand for it
                kept = np.flatnonzero(below.inside > 0)
                gap, number = cKDTree(under[kept]).query(out, distance_upper_bound=_NEAR)
                there = (gap < _NEAR).astype(np.float32)
                under = under[kept[np.minimum(number, len(kept) - 1)]]
            push = np.maximum(((under - out) * normals).sum(1) + _GAP, 0) * there
            if below.base != garment.base:
                for _ in range(2):
                    push = np.maximum(push, base.mean @ push)
            out = out + normals * push[:, None]
        found.append(out.astype(np.float32))
    return found


def sewn(
    garment: Garment,
    model: BodyModel,
    body: np.ndarray,  # at rest, [V, 3]
    shape: np.ndarray,  # the garment's whole surface on it [M, 3]
    picture: np.ndarray,  # of `garment.region` of the pattern
    bump: np.ndarray | None,
) -> Piece:
    """A garment, cut out of its surface."""
    base = surface(model, garment.base)
    flat = sheet(model, garment.base, garment.region, len(picture))
    cloth = uncut(base.faces, base.uv_faces)
    for value in garment.cuts:
        cloth = cut(cloth, value)
    cloth = tidy(cloth)
    vertices = (cloth.mix @ shape).astype(np.float32)
    uv = (cloth.uv_mix @ flat.uv).astype(np.float32)
    faces, uv_faces, follows = cloth.faces, cloth.uv_faces, (cloth.mix @ base.mix).tocsr()
    if garment.collars:
        normals = (cloth.mix @ base.normals(base.mix @ body)).astype(np.float32)
        rows, uvs, all_faces, all_uv = [vertices], [uv], [faces], [uv_faces]
        followed = [follows]
        for collar in garment.collars:
            edge = rim(cloth, garment.cuts[collar.cut])
            if not len(edge.edges):
                continue
            scale = 1.0 if collar.scale is None else cloth.mix @ collar.scale
            sewn_on = strip(edge, vertices, normals, uv, collar.profile, scale, collar.turn, 1 / flat.side)
            shift, uv_shift = sum(map(len, rows)) - len(vertices), sum(map(len, uvs)) - len(uv)
            all_faces.append(np.where(sewn_on.faces >= len(vertices), sewn_on.faces + shift, sewn_on.faces))
            all_uv.append(np.where(sewn_on.uv_faces >= len(uv), sewn_on.uv_faces + uv_shift, sewn_on.uv_faces))
            rows.append(sewn_on.vertices)
            uvs.append(sewn_on.uv)
            followed.append(follows[sewn_on.parent])
        vertices, uv = np.concatenate(rows), np.concatenate(uvs)
        faces, uv_faces, follows = np.concatenate(all_faces), np.concatenate(all_uv), vstack(followed, "csr")
    none = np.zeros((len(vertices), 3))
    return Piece(
        vertices,
        none.astype(np.int64),
        none.astype(np.float32),
        faces,
        uv,
        uv_faces,
        picture,
        garment.material,
        1,
        garment.label,
        bump=bump,
        under=garment.under,
        follows=follows,
    )


def covered(garments: Sequence[Garment], model: BodyModel, margin: float = 0.025) -> np.ndarray:
    """Which of the body's vertices lie well under some garment, or under two, bool [V]."""
    number, near = _nearest(model)
    out = np.zeros(len(number), bool)
    layers = np.zeros(len(number), int)
    for garment in garments:
        if garment.base == "tights":
            out |= near & (garment.inside > margin)[number]
            layers += near & (garment.inside > 0)[number]
        elif garment.base == "skirt" and len(garment.cuts) == 2:  # closed all round
            base = surface(model, "skirt")
            low = base.place[garment.inside > 0, 1].min() + _SKIRT_MARGIN
            tights = surface(model, "tights")
            height = tights.place[:, 1]
            out |= near & ((height > low) & (height < garment.waist - margin) & (tights.arm < 0.2))[number]
    return out | (layers > 1)


@lru_cache(maxsize=2)
def _nearest(model: BodyModel) -> tuple[np.ndarray, np.ndarray]:
    """The tights' vertex nearest to each of the body's, and whether it is near, [V]."""
    gap, number = cKDTree(surface(model, "tights").place).query(model.template.numpy())
    return number, gap < _BENEATH
