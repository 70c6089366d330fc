"""How far a rigged mesh and the open body that was registered to it are apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from dinar.body.model import BodyModel
from dinar.synth.registration import Target, mixed, visible_body

_NEIGHBOURS = 8     # triangles whose middle is nearest, tried for the nearest point


@dataclass(frozen=True)
class Distances:
    """How far a body and a rigged mesh are apart, metres; what cannot be seen from outside, eyes and hair cards aside.

    to_body  mean, 95th percentile  from the mesh's surface to the body's
    to_mesh  mean, 95th percentile  from the body's surface to the mesh's
    face     mean, most             between the face's points; None where the mesh has none that are known
    """

    to_body: tuple[float, float]
    to_mesh: tuple[float, float]
    face: tuple[float, float] | None

    @property
    def mean(self) -> float:
        """Both ways."""
        return (self.to_body[0] + self.to_mesh[0]) / 2


def distances(model: BodyModel, body: np.ndarray, mesh: np.ndarray, faces: np.ndarray, target: Target) -> Distances:
    """How far the body's vertices [V, 3] and the main part's [M, 3], both in one pose, are apart."""
    rows, area = (x.numpy() for x in visible_body(model))
    seen = np.flatnonzero(target.seen)
    outer = faces[target.seen[faces].all(1)]
    shown = np.zeros(len(body), bool)
    shown[rows] = True
    skin = model.faces.numpy()
    to_body = nearest(mesh[seen], body, skin[shown[skin].all(1)])
    to_mesh = nearest(body[rows], mesh, outer)
    face = np.linalg.norm(mixed(mesh, target.corners) - body[target.vertex.numpy()], axis=1)
    return Distances(
        _summary(to_body, target.area.numpy()),
        _summary(to_mesh, area),
        (float(face.mean()), float(face.max())) if len(face) else None,
    )


def _summary(gap: np.ndarray, area: np.ndarray) -> tuple[float, float]:
    """Mean and 95th percentile, by area."""
    order = np.argsort(gap)
    place = np.searchsorted(np.cumsum(area[order]), 0.95 * area.sum())
    return float((gap * area).sum() / area.sum()), float(gap[order[min(place, len(gap) - 1)]])


def nearest(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Distances [N] of points [N, 3] from a mesh's surface, of the triangles whose middles are nearest."""
    corners = vertices[faces].astype(np.float64)
    near = cKDTree(corners.mean(1)).query(points, k=min(_NEIGHBOURS, len(faces)))[1].reshape(len(points), -1)
    p = points[:, None].astype(np.float64)
    a, b, c = (corners[near, k] for k in range(3))
    across = np.cross(b - a, c - a)
    square = np.maximum((across**2).sum(-1), 1e-20)
    height = ((p - a) * across).sum(-1)
    best = height**2 / square
    foot = p - (height / square)[..., None] * across
    inside = np.ones(best.shape, bool)
    for s, t in ((a, b), (b, c), (c, a)):
        inside &= (np.cross(t - s, foot - s) * across).sum(-1) >= 0
    best = np.where(inside, best, np.inf)
    for s, t in ((a, b), (b, c), (c, a)):
        way = t - s
        share = ((p - s) * way).sum(-1) / np.maximum((way**2).sum(-1), 1e-20)
        best = np.minimum(best, ((p - s - np.clip(share, 0, 1)[..., None] * way) ** 2).sum(-1))
    return np.sqrt(best.min(1))
