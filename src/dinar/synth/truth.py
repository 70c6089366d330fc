"""What every texel of a person's body shows from outside: skin, or the outermost thing worn over it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from scipy.spatial import cKDTree

from dinar.body.model import BodyModel
from dinar.body.normals import vertex_normals
from dinar.body.uv import load_layout, texel_map
from dinar.parts import BodyPart
from dinar.synth.kernels import meshes, visible
from dinar.synth.people import Person
from dinar.synth.studio import mesh_of

SIDE = 256  # texels
_WAYS = 14  # directions that a person is looked at from
_PIXELS = 224  # a side of what is seen from there
_GRAZING = 0.3  # least cosine between a texel's normal and such a direction
_INSIDE = 0.025  # metres that a texel may stand out before what is worn over it
_REACH = 0.10  # metres over the skin that clothes are
_FAR = {BodyPart.DRESS: 0.30, BodyPart.HAIR: 0.16, BodyPart.OUTER: 0.16, BodyPart.LOWER: 0.14, BodyPart.BAG: 0.2}
_BASE = np.float32(10.0)  # metres: nearer than all that is drawn


def surface_parts(person: Person, size: int = SIDE) -> np.ndarray:
    """The BodyPart at each texel of the front-cut layout, uint8 [size, size], 0 outside its islands.

    A texel shows what stands before it, seen straight on, the person at rest: what a photo would write there. Texels
    that are hidden from everywhere have the label of the nearest that is not.
    """
    body = person.at_rest()
    vertices = person.posed(body)
    with torch.no_grad():
        surface = person.model(body).vertices[0]
    triangles = person.model.faces
    owner, weights, texels = _texels(person.model, size)
    normals = vertex_normals(surface[None], triangles)[0].numpy()
    corners = triangles.numpy()[owner]
    points = (surface.numpy()[corners] * weights[..., None]).sum(1)
    facing = (normals[corners] * weights[..., None]).sum(1)

    middle = (vertices.min(0) + vertices.max(0)) / 2
    scale = np.float32((_PIXELS / 2 - 1) / np.linalg.norm(vertices - middle, axis=1).max())
    reach = np.full(256, _REACH, np.float32)
    for part, far in _FAR.items():
        reach[part] = far
    names, number = np.unique(np.append(person.label, 0), return_inverse=True)  # 0 first: nothing is seen
    number = number.astype(np.uint8)
    votes = np.zeros((len(points), len(names)), np.float32)
    mesh = mesh_of(person, np.zeros((len(vertices), meshes.SURFACE_COLUMNS), np.float32))
    face, near = np.empty((_PIXELS, _PIXELS), np.int32), np.empty((_PIXELS, _PIXELS), np.float32)
    thin, before = np.empty((_PIXELS, _PIXELS, 1), np.int32), np.empty((_PIXELS, _PIXELS, 1), np.float32)
    for way in _ways():
        frame = _frame(way)
        screen = _seen_along(vertices - middle, frame, scale)
        visible.draw(screen, mesh, face, near)
        visible.layers(screen, mesh, near.copy(), thin, before)
        found, nearness = np.where(thin[..., 0] >= 0, thin[..., 0], face), np.maximum(before[..., 0], near)
        cosine = facing @ way
        rows = np.flatnonzero(cosine > _GRAZING)
        place = _seen_along(points[rows] - middle, frame, scale)
        column, row = place[:, 0].astype(np.int32), place[:, 1].astype(np.int32)
        hit, gap = found[row, column], nearness[row, column] - place[:, 2]
        good = np.flatnonzero((hit >= 0) & (gap > -_INSIDE))
        good = good[gap[good] < reach[person.label[hit[good]]]]
        votes[rows[good], number[hit[good]]] += cosine[rows[good]] ** 4
    label = names[votes.argmax(1)]
    known = label > 0
    if not known.all():
        label[~known] = label[known][cKDTree(points[known]).query(points[~known])[1]]
    out = np.zeros((size, size), np.uint8)
    out[texels] = label
    return out


def _seen_along(points: np.ndarray, frame: np.ndarray, scale: np.float32) -> np.ndarray:
    """Pixels and metres of nearness above `_BASE` away, float32 [N, 3]."""
    out = points @ (frame * np.float32([[scale], [scale], [-1]])).T
    return np.ascontiguousarray(out + np.float32([_PIXELS / 2, _PIXELS / 2, _BASE]), np.float32)


@lru_cache(maxsize=1)
def _ways() -> np.ndarray:
    """Unit vectors towards the eye, float32 [_WAYS, 3]: all around, a few from above and below."""
    k = np.arange(_WAYS) + 0.5
    y = 0.95 * np.sign(1 - 2 * k / _WAYS) * np.abs(1 - 2 * k / _WAYS) ** 1.3
    angle = np.pi * (1 + np.sqrt(5)) * k
    level = np.sqrt(1 - y * y)
    return np.stack([level * np.sin(angle), y, level * np.cos(angle)], axis=1).astype(np.float32)


def _frame(way: np.ndarray) -> np.ndarray:
    """Right, down and away of what is seen from `way`, float32 [3, 3]."""
    right = np.cross(-way, [0, 1, 0])
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(-way, right), -way]).astype(np.float32)


@lru_cache(maxsize=4)
def _texels(model: BodyModel, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The layout's texels: triangles [M], shares of their corners [M, 3], and where they are, bool [size, size]."""
    texels = texel_map(load_layout("front", model), size)
    where = (texels.face >= 0).numpy()
    return texels.face.numpy()[where], texels.barycentric.numpy()[where], where
