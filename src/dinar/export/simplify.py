"""Fewer triangles: a figure's mesh for phones, crowds and games (its level of detail)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from dinar.body.model import Body, BodyModel
from dinar.errors import InputError
from dinar.export.figure import Figure, Triangles

LEAST = 1000        # triangles: fewer lose hands and faces

_SLIP = 0.3         # what a metre that the texture slips over the surface costs, against one across it
_SEAM = 1.7         # and one that a seam of the texture moves
_FACE = 3.0         # and a metre off a face, which is looked at from nearer, against one off a body
_ACTING = 0.005     # metres that facial actions move what is wholly face
_BENT = 0.5         # radians that every joint turns in a pose that tells what bends
_FACES = 4          # so many sets of facial actions tell what the face needs


def simplified(figure: Figure, count: int) -> Figure:
    """The figure in at most `count` triangles between some of the body's own vertices.

    A vertex goes where an edge collapses at the least cost, a quadric (Garland and Heckbert 1997) of the distance to
    the surface at rest, with all joints bent about each axis and with all facial actions at work (Mohr and Gleicher
    2003), and of how far the texture slips over it (Hoppe 1999). What stays keeps its skin weights, facial actions and
    texture coordinates; seams of the texture stay closed, because both of their sides collapse together.

    Raises InputError for less than `LEAST` triangles, or where that few cannot be had.
    """
    check_triangles(count)
    model, layout = figure.model, figure.layout
    if count >= len(model.faces):
        return figure
    from dinar.export.collapse import collapsed

    faces, uv, uv_faces = model.faces.numpy(), layout.uv.double().numpy(), layout.faces.numpy()
    poses = _poses(model, figure.shape).double().numpy()
    worth = _worth(poses)[faces].mean(1)
    bends = np.stack([_bends(vertices, faces, worth) for vertices in poses])
    kept = collapsed(poses, faces, uv, uv_faces, bends, _slips(poses[0], faces, uv, uv_faces, worth), count)
    if len(kept[0]) > count:
        raise InputError(f"this body needs {len(kept[0])} triangles at the least; give more than {count}")
    return replace(figure, triangles=Triangles(*map(torch.from_numpy, kept)))


def check_triangles(count: int) -> None:
    """Raises InputError for less than `LEAST`."""
    if count < LEAST:
        raise InputError(f"{count} triangles are too few for a person; give {LEAST} or more")


def seams(faces: np.ndarray, uv_faces: np.ndarray) -> np.ndarray:
    """Whether the texture is cut along the edge from each corner to the next: bool [F, 3], of triangles [F, 3]."""
    places = {}
    for face, uv_face in zip(faces.tolist(), uv_faces.tolist(), strict=True):
        for k in range(3):
            places[face[k], face[k - 2]] = uv_face[k], uv_face[k - 2]
    found = [
        [places.get((face[k - 2], face[k])) != (uv_face[k - 2], uv_face[k]) for k in range(3)]
        for face, uv_face in zip(faces.tolist(), uv_faces.tolist(), strict=True)
    ]
    return np.array(found)


def _poses(model: BodyModel, shape: Tensor) -> Tensor:
    """The body [P, V, 3] at rest, bent about x, y and z at every joint, and with a share of all facial actions each."""
    rest = replace(model.neutral(), shape=shape[None])
    pose = torch.zeros(4 + _FACES, len(model.parents), 3)
    expression = torch.zeros(4 + _FACES, len(model.expression_names))
    for axis in range(3):
        pose[1 + axis, 1:, axis] = _BENT
    for k in range(_FACES):
        expression[4 + k, k::_FACES] = 1.0
    with torch.no_grad():
        return model(Body(rest.shape, pose, expression, rest.translation)).vertices


def _worth(poses: np.ndarray) -> np.ndarray:
    """What a squared metre off each vertex costs [V], 1 on the body; of the poses [P, V, 3] the last show the face."""
    moved = np.linalg.norm(poses[-_FACES:] - poses[0], axis=2).max(0)
    return 1 + (_FACE**2 - 1) * np.minimum(moved / _ACTING, 1)


def _bends(vertices: np.ndarray, faces: np.ndarray, worth: np.ndarray) -> np.ndarray:
    """For each vertex [V, 4, 4] the squared distances to the planes of its triangles, by a third of their areas and by
    their worth [F].
    """
    a, b, c = vertices[faces].swapaxes(0, 1)
    normal, double = _unit(np.cross(b - a, c - a))
    plane = np.concatenate([normal, -(normal * a).sum(1, keepdims=True)], axis=1)
    return _summed(faces, plane, worth * double / 6, len(vertices))


def _slips(
    rest: np.ndarray, faces: np.ndarray, uv: np.ndarray, uv_faces: np.ndarray, worth: np.ndarray
) -> np.ndarray:
    """For each texture vertex [T, 6, 6] what it costs to go elsewhere on the surface, and across a seam."""
    (a, b, c), (p, q, r) = rest[faces].swapaxes(0, 1), uv[uv_faces].swapaxes(0, 1)
    cross = np.cross(b - a, c - a)
    normal, double = _unit(cross)
    square = np.maximum(double**2, 1e-24)[:, None]
    flat = np.abs((q - p)[:, 0] * (r - p)[:, 1] - (r - p)[:, 0] * (q - p)[:, 1])
    scale = np.sqrt(double / np.maximum(flat, 1e-12))[:, None]                 # metres a unit of the texture
    total = np.zeros((len(uv), 6, 6))
    one = np.ones((len(faces), 1))
    for channel in range(2):
        across, along = (q - p)[:, channel, None], (r - p)[:, channel, None]
        slope = (across * np.cross(c - a, cross) + along * np.cross(cross, b - a)) / square
        offset = p[:, channel, None] - (slope * a).sum(1, keepdims=True)
        form = scale * np.concatenate([slope, -one * np.eye(2)[channel], offset], axis=1)
        total += _summed(uv_faces, form, _SLIP**2 * worth * double / 6, len(uv))
    cut = seams(faces, uv_faces)
    for k in range(3):
        some = cut[:, k]
        ends = uv_faces[some][:, [k, k - 2]]
        start, edge = rest[faces[some, k]], rest[faces[some, k - 2]] - rest[faces[some, k]]
        aside, _ = _unit(np.cross(edge, normal[some]))
        weight = _SEAM**2 * worth[some] * (edge**2).sum(1) / 2
        offset = -(aside * start).sum(1, keepdims=True)
        total += _summed(ends, np.concatenate([aside, 0 * aside[:, :2], offset], axis=1), weight, len(uv))
        line, _ = _unit((uv[ends[:, 1]] - uv[ends[:, 0]])[:, ::-1] * [1, -1])
        offset = -(line * uv[ends[:, 0]]).sum(1, keepdims=True)
        form = scale[some] * np.concatenate([0 * aside, line, offset], axis=1)
        total += _summed(ends, form, weight, len(uv))
    return total


def _summed(rows: np.ndarray, forms: np.ndarray, weights: np.ndarray, count: int) -> np.ndarray:
    """Squares of linear forms [N, C] by their weights [N], added up at each of their rows [N, K]: [count, C, C]."""
    squares = (forms[:, :, None] * forms[:, None] * weights[:, None, None]).reshape(len(forms), -1)
    size = rows.shape[1]
    where = sparse.coo_array((np.ones(rows.size), (rows.ravel(), np.arange(rows.size) // size)), (count, len(forms)))
    return (where.tocsr() @ squares).reshape(count, forms.shape[1], -1)


def _unit(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors [N, C] of length 1, and how long [N] they were; 0 stays 0."""
    length = np.linalg.norm(vectors, axis=1)
    return vectors / np.maximum(length, 1e-14)[:, None], length
