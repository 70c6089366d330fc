"""Cloth hangs: over the trunk it bridges what the naked body has in hollows, breasts, navel and the small of the back.

The trunk at rest is looked at from in front and from behind as a height field; a closing (mathematical morphology)
fills what is narrower than cloth follows. Vertices move forwards and backwards alone: to the sides, the photo's outline
says where cloth lies.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from scipy.sparse.linalg import splu
from torch import Tensor

from dinar.body.layers import bare
from dinar.body.model import BodyModel
from dinar.body.normals import vertex_normals
from dinar.body.operators import surface_operators
from dinar.body.uv import PARTS, part_weights
from dinar.parts import BodyPart
from dinar.raster.rasterize import rasterize
from dinar.texture.part_colours import TRUNK_STEPS, Places

TIGHT = (0.1, 0.3)       # metres up and across that all cloth bridges,
LOOSE = (0.5, 0.3)       # and loose cloth; how loose it is nobody tells, so half of that is taken
MOST = 0.06              # and how far from the skin at most
LEAST = 0.004            # and how far within it, where it evens a tip,
EVEN = 0.012             # over such a distance

_PIXEL = 0.005           # metres, of the height field
_EDGE = (0.5, 0.95)      # share of the trunk in a vertex at which cloth begins to hang, and does;
_COLLAR = 0.06           # so it does such a way below the neck, metres
_FLAT = 0.04             # metres: dents of the body that directions are smoothed over
_TURNED = (0.15, 0.7)    # cosine to the camera at which a side begins to move, and moves wholly
_FAR = 2.0               # metres to the camera
_LEAST = 20              # pixels of a photo that tell what a place of the trunk wears
_CLOTH = (BodyPart.UPPER, BodyPart.OUTER, BodyPart.DRESS, BodyPart.LOWER)
_BARE = (BodyPart.SKIN, BodyPart.HAIR, BodyPart.FACE_SKIN)


def clothed(model: BodyModel, places: Places, counts: np.ndarray) -> Tensor:
    """How much of the trunk at each vertex's height is covered with cloth, [V] in [0, 1], by what photos show there
    (`look.shown_at`); 0 off the trunk.
    """
    model, first = bare(model), places.first["trunk"]
    trunk = counts[first : first + TRUNK_STEPS]
    cloth, skin = (trunk[:, list(kinds)].sum(1) for kinds in (_CLOTH, _BARE))
    share = np.where(cloth + skin >= _LEAST, cloth / np.maximum(cloth + skin, 1), 0.0)
    of_place = torch.zeros(places.count)
    of_place[first : first + TRUNK_STEPS] = torch.from_numpy(share).float()
    corners = model.faces.flatten()
    total = torch.zeros(len(model.template)).index_add_(0, corners, of_place[places.of].repeat_interleave(3))
    return total / torch.bincount(corners, minlength=len(total)).clamp(min=1)


def hang(model: BodyModel, shape: Tensor, cloth: Tensor) -> Tensor:
    """Movements [V, 3], metres, of the resting body of shape [S] that is covered with `cloth` [V] in [0, 1].

    Of layers nothing moves; `cloth` may leave them out.
    """
    body = bare(model)
    vertices, joints = (part.detach() for part in body.rest(shape[None]))
    parts = part_weights(body)
    trunk = parts[:, PARTS.index("torso")]
    low, high = _EDGE
    weight = cloth[: len(trunk)].to(trunk) * ((trunk - low) / (high - low)).clamp(0, 1)
    neck = joints[0, body.humanoid["neck"], 1]
    weight = weight * ((neck - vertices[0, :, 1]) / _COLLAR).clamp(0, 1)
    limbs = parts[:, [PARTS.index(f"{side} thigh") for side in ("left", "right")]].sum(1)
    inner = ((trunk + limbs)[body.faces] > low).all(1)
    mass, stiffness = surface_operators(vertices[0].numpy(), body.faces.numpy())
    smooth = splu((mass + _FLAT**2 * stiffness).tocsc()).solve(mass @ vertices[0].double().numpy())
    facing = vertex_normals(torch.from_numpy(smooth)[None], body.faces)[0, :, 2].float()
    moved = torch.zeros_like(model.template)
    for sign in (1.0, -1.0):
        share = ((sign * facing - _TURNED[0]) / (_TURNED[1] - _TURNED[0])).clamp(0, 1)
        moved[: len(share), 2] += sign * share * weight * _before(vertices[0], body.faces[inner], sign)
    return moved


def _before(vertices: Tensor, faces: Tensor, sign: float) -> Tensor:
    """How far before each vertex cloth lies, [V] metres, seen from in front (1) or from behind (-1)."""
    x, y, z = vertices.T
    low, high = vertices[faces.unique()].amin(0), vertices[faces.unique()].amax(0)
    margin = max(LOOSE)
    size = tuple(int(float(extent + 2 * margin) / _PIXEL) + 1 for extent in (high - low)[[1, 0]])
    column, row = (x - low[0] + margin) / _PIXEL, (high[1] - y + margin) / _PIXEL
    points = torch.stack([column if sign > 0 else size[1] - column, row, _FAR - sign * z], dim=1)
    fragments = rasterize(points[None], faces, size)
    face = fragments.face[0].long()
    corners = z[faces[face.clamp(min=0)]]
    height = torch.where(face >= 0, sign * (corners * fragments.barycentric[0]).sum(-1), -1.0).numpy()
    closed = (_closed(height, TIGHT) + _closed(height, LOOSE)) / 2
    inside = (face >= 0).numpy().astype(np.float32)
    weight = np.maximum(cv2.GaussianBlur(inside, (0, 0), EVEN / _PIXEL), 1e-3)
    even = cv2.GaussianBlur(closed * inside, (0, 0), EVEN / _PIXEL) / weight
    at = points[:, None, :2].numpy().astype(np.float32) - 0.5
    there = torch.from_numpy(cv2.remap(even, at[..., 0], at[..., 1], cv2.INTER_LINEAR)[:, 0])
    return (there - sign * z).clamp(-LEAST, MOST)


def _closed(height: np.ndarray, bridged: tuple[float, float]) -> np.ndarray:
    """A height field [h, w] with hollows filled that are narrower than so many metres up or across."""
    up, across = (round(extent / _PIXEL / 2) for extent in bridged)
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * across + 1, 2 * up + 1))
    return cv2.morphologyEx(height, cv2.MORPH_CLOSE, element)
