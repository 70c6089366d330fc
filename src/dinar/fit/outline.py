"""The clothed outline: a body's surface moved outwards and inwards until it fills the masks of a drawn person.

Clothes and hair that masks show beyond the body are then geometry, and not painted on skin. Every vertex moves along
one direction, the normal of the smoothed body, so the unknown is one number a vertex. At the pixels of the body's
outline the mask's outline is looked for across it; each pair is a linear equation for the corners of the triangle seen
there. Their least squares, with a penalty on slopes and curvature of the movement over the surface, are solved a few
times, each time with the equations of the surface moved so far beside those from before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import sparse
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree
from torch import Tensor

from dinar.body.layers import RISE, thickness, vertices_of
from dinar.body.model import BodyModel
from dinar.body.normals import vertex_normals
from dinar.body.operators import surface_operators
from dinar.body.uv import mirror_of
from dinar.fit.rims import Mask, Silhouette
from dinar.texture.filling import scalp_of

STEPS = 4
OUTWARDS, INWARDS = 0.15, 0.03      # metres that the surface moves at most,
NECK = 0.012            # and the neck outwards: an outline farther away is hair's
SMOOTH = 0.012          # metres over which bumps of the outline are smoothed
SPREAD = 0.2            # metres over which a movement fades where no outline tells
ALIKE = 0.02            # what moving one side alone costs, beside equations: a side that no photo shows follows
OUTLIER = 0.01          # metres: an outline still farther away after a step counts less
ROOM = 0.45             # of the gap to what faces a vertex, that it moves outwards at most,
SLIM = 0.15             # and of the thickness behind it, inwards: what hides half a leg does not make it thin

_NEAR = 0.003           # metres: gaps are told to that
_FLAT = 0.02            # metres: dents of the body that normals are smoothed over
_NECK = 0.9             # of the head's turns, with which skin is still the neck's,
_TURNS = 0.1            # and with which it is the neck's at all
_HELD = 0.01            # freedom below which a vertex does not move at all
_KEPT = 1e3             # how much stiffer face and hands are held in place
_STEEP = 0.3            # cosine: surface seen at the outline has to move across it
_DENSITY = 38.0         # 1 / metre: equations per area of a limb of 10 cm radius, which the penalties are relative to
_FOLD = 0.2             # cosine between the normals of a triangle before and after; below, it is flattened again

_SYMMETRIC = {"diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True}}     # of `splu`


@dataclass(frozen=True)
class Surface:
    """A body at rest and how it may move; all float64.

    vertices    [V, 3]  metres
    direction   [V, 3]  unit, in which a vertex moves
    least       [V]     metres along it at the least, <= 0
    most        [V]     metres along it at the most, >= 0
    free        [V]     0 for what keeps its shape, 1 for what clothes or hair may cover
    loose       [U]     vertices that move at all, in an order that keeps the factors of matrices over them sparse
    mass        [V, V]  areas, on the diagonal
    stiffness   [V, V]  slopes over the surface
    smoothness  [U, U]  the penalty on movements of the loose vertices
    """

    vertices: np.ndarray
    direction: np.ndarray
    least: np.ndarray
    most: np.ndarray
    free: np.ndarray
    loose: np.ndarray
    mass: sparse.sparray
    stiffness: sparse.sparray
    smoothness: sparse.sparray


def fit(
    model: BodyModel,
    shape: Tensor,                          # [S]
    silhouettes: Sequence[Silhouette],
    *,
    surface: Surface | None = None,         # default: the model's in this shape; another saves half the time
    shod: bool = False,                     # the feet wear shoes, whose tips may move
    inside: Sequence[Tensor | None] | None = None,   # [H, W] each: what it shows, at whose edge no outline is; all
    steps: int = STEPS,
) -> Tensor:
    """Movements of the resting body's vertices [V, 3], metres, that make its outlines those of the masks.

    Face, hands and bare toes stay; the rest, the neck too, moves smoothly, not farther than `OUTWARDS` and `INWARDS`,
    outwards less than half way to whatever surface it faces at rest, and inwards not more than `SLIM` of the way
    through the body.
    """
    faces = model.faces.numpy()
    surface = surface or surface_of(model, shape, shod=shod)
    inside = inside or [None] * len(silhouettes)
    views = [_View.of(model, one, surface.direction, part) for one, part in zip(silhouettes, inside, strict=True)]
    moved = np.zeros(len(surface.vertices))
    rows, targets, weights = [], [], []
    for step in range(steps):
        for view in views:
            row, target, weight = view.equations(faces, moved, surface.free)
            rows.append(row)                    # those of all steps count: what was moved is no longer at the outline
            targets.append(target + row @ moved)
            weights.append(weight)
        system, goal, weight = sparse.vstack(rows), np.concatenate(targets), np.concatenate(weights)
        if step:
            weight = weight * np.minimum(1, OUTLIER / np.maximum(np.abs(goal - system @ moved), 1e-9))
        moved = _solved(surface, system, goal, weight)
    moved = _unfolded(surface, moved, faces)
    return torch.from_numpy(moved[:, None] * surface.direction).to(model.template)


def surface_of(model: BodyModel, shape: Tensor, *, shod: bool = False) -> Surface:
    """How a body of shape [S] may move; `shod` feet with their tips."""
    rest = replace(model.neutral(), shape=shape[None])
    with torch.no_grad():
        vertices = model(rest).vertices
    faces = model.faces.numpy()
    normals = vertex_normals(vertices, model.faces)[0].double().numpy()
    vertices = vertices[0].double().numpy()
    mass, stiffness = surface_operators(vertices, faces)
    smooth = splu((mass + _FLAT**2 * stiffness).tocsc()).solve(mass @ vertices)
    direction = vertex_normals(torch.from_numpy(smooth)[None], model.faces)[0].numpy()
    tree = cKDTree(vertices)
    free = _free(model, shod)
    loose = np.flatnonzero(free > _HELD)
    most, least = np.zeros(len(free)), np.zeros(len(free))
    way = _free_way(tree, normals, vertices, loose, direction, OUTWARDS / ROOM)
    most[loose] = np.minimum(np.where(_neck(model)[loose], NECK, OUTWARDS), ROOM * way)
    way = _free_way(tree, -normals, vertices, loose, -direction, INWARDS / SLIM)
    least[loose] = -np.minimum(INWARDS, SLIM * way)
    mass = mass.tocsr()
    bending = stiffness @ sparse.diags(1 / mass.diagonal()) @ stiffness
    held = _KEPT * (1 - free) ** 3 + (SMOOTH / SPREAD) ** 2
    smoothness = _DENSITY * (SMOOTH**2 * stiffness + SMOOTH**4 * bending + mass @ sparse.diags(held))
    if (mirror := mirror_of(model)) is not None:
        count = len(free)
        apart = sparse.eye_array(count) - sparse.csr_array((np.ones(count), (np.arange(count), mirror)), (count, count))
        smoothness = smoothness + _DENSITY * ALIKE / 2 * (apart.T @ mass @ apart)
    smoothness = smoothness.tocsc()
    loose = loose[np.argsort(splu(smoothness[loose][:, loose], permc_spec="MMD_AT_PLUS_A", **_SYMMETRIC).perm_c)]
    smoothness = smoothness[loose][:, loose]
    return Surface(vertices, direction, least, most, free, loose, mass, stiffness, smoothness)


def _solved(surface: Surface, rows: sparse.sparray, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Movements [V] by least squares of rows [N, V]; those beyond their limits are held at them, and the rest solved
    again.
    """
    rows = rows[:, surface.loose]
    least, most = surface.least[surface.loose], surface.most[surface.loose]
    system = surface.smoothness + rows.T @ sparse.diags(weights) @ rows
    right = rows.T @ (weights * targets)
    stiff = _DENSITY * _KEPT * surface.mass.diagonal()[surface.loose]
    stop, found = np.zeros(len(right)), np.zeros(len(right))
    for _ in range(3):
        limit = np.clip(found, least, most)
        stop = np.where(found == limit, stop, stiff)
        factors = splu((system + sparse.diags(stop)).tocsc(), permc_spec="NATURAL", **_SYMMETRIC)
        found = factors.solve(right + stop * limit)
        if not ((found < least) | (found > most)).any():
            break
    moved = np.zeros(len(surface.free))
    moved[surface.loose] = np.clip(found, least, most)
    return moved


@dataclass(frozen=True)
class _View:
    """A mask, and the body before its camera.

    vertices   float64 [V, 3]  of the body in the mask's pose, metres
    direction  float64 [V, 3]  in which they move there
    """

    mask: Mask
    vertices: np.ndarray
    direction: np.ndarray

    @classmethod
    def of(cls, model: BodyModel, silhouette: Silhouette, direction: np.ndarray, inside: Tensor | None) -> _View:
        with torch.no_grad():
            posed = model(silhouette.body)
            turns = torch.matmul(model.skin_weights, posed.transforms[0, :, :3, :3].flatten(1)).unflatten(1, (3, 3))
        turned = np.einsum("vij,vj->vi", turns.double().numpy(), direction)
        return cls(Mask.of(silhouette, inside), posed.vertices[0].double().numpy(), turned)

    def equations(
        self, faces: np.ndarray, moved: np.ndarray, free: np.ndarray
    ) -> tuple[sparse.sparray, np.ndarray, np.ndarray]:
        """Rows [N, V], metres [N] that the outline has still to move, and weights [N]."""
        vertices = self.vertices + moved[:, None] * self.direction
        rim, camera = self.mask.rim(vertices, faces), self.mask.camera
        rotation = camera.R.double().numpy()
        there = (vertices @ rotation.T + camera.t.double().numpy())[rim.corners]          # [N, 3, 3]
        along = (self.direction @ rotation.T)[rim.corners]
        slide = along[..., :2] - along[..., 2:] * there[..., :2] / there[..., 2:]
        coefficient = rim.share * (slide * rim.outwards[:, None]).sum(2)
        weight = rim.weight * rim.width * (rim.share * free[rim.corners]).sum(1)
        good = (weight > 0) & (coefficient.sum(1) > _STEEP)
        number = np.arange(int(good.sum()))
        rows = sparse.csr_array(
            (coefficient[good].ravel(), (np.repeat(number, 3), rim.corners[good].ravel())),
            shape=(len(number), len(moved)),
        )
        return rows, rim.gap[good], weight[good]


def _free_way(
    tree: cKDTree,                  # of the vertices
    normals: np.ndarray,            # [V, 3] away from what is to be reached
    vertices: np.ndarray,           # [V, 3]
    movable: np.ndarray,            # [U] those that are asked for
    direction: np.ndarray,          # [V, 3]
    most: float,                    # metres
) -> np.ndarray:
    """How far vertices get in their direction before they are behind another part of the surface, metres [U]."""
    start, direction = vertices[movable], direction[movable]
    way, length = np.full(len(movable), most), np.full(len(movable), _NEAR)
    going = np.arange(len(movable))
    while len(going):
        points = start[going] + length[going, None] * direction[going]
        clear, nearest = tree.query(points)
        behind = ((points - vertices[nearest]) * normals[nearest]).sum(1) < 0
        behind &= (normals[nearest] * direction[going]).sum(1) < 0
        way[going[behind]] = length[going[behind]] - _NEAR
        length[going] += np.maximum(clear, _NEAR)                          # nothing is nearer than that
        going = going[~behind & (length[going] < most)]
    return way


def _free(model: BodyModel, shod: bool) -> np.ndarray:
    """1 for what may move [V]: neither the face nor the hands nor bare toes."""
    scalp = scalp_of(model)
    bones = ("leftHand", "rightHand") if shod else ("leftHand", "rightHand", "leftToes", "rightToes")
    ends = [model.humanoid[bone] for bone in bones]
    weights = model.skin_weights
    head = ((_turning(model) - _NECK) / (1 - _NECK)).clamp(0, 1)
    kept = head * (1 - scalp) + weights[:, model.below(ends)].sum(1)
    if "hair" in model.layers:                     # what the photo shows of hair is the layer's, where it is above skin
        of_hair = vertices_of(model, "hair")
        kept = torch.where(of_hair, 0, torch.maximum(kept, head))
        kept[of_hair] = (thickness(model) < RISE).to(kept)
    return (1 - kept).clamp(0, 1).double().numpy()


def _neck(model: BodyModel) -> np.ndarray:
    """Which vertices of the skin turn somewhat with the head: bool [V]."""
    return ((_turning(model) > _TURNS) & (model.layer == 0)).numpy()


def _turning(model: BodyModel) -> Tensor:
    """How far vertices turn with the head: [V]."""
    return model.skin_weights[:, model.below([model.humanoid["head"]])].sum(1)


def _unfolded(surface: Surface, moved: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Movements [V], less of them wherever they would turn a triangle over."""
    before = _across_triangles(surface.vertices, faces)
    smooth = None
    for _ in range(20):
        after = _across_triangles(surface.vertices + moved[:, None] * surface.direction, faces)
        folded = (before * after).sum(1) < _FOLD
        if not folded.any():
            break
        smooth = smooth or splu((surface.mass + 0.01**2 * surface.stiffness).tocsc())
        share = np.ones(len(moved))
        share[faces[folded]] = 0
        moved = moved * np.clip(smooth.solve(surface.mass @ share), 0, 1) ** 2
    return moved


def _across_triangles(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals [F, 3]."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    return across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-12)
