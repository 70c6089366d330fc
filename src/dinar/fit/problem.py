"""The unknowns of a fit, the terms that bind them, and the least squares that a step solves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import roma
import torch
from torch import Tensor
from torch.nn.functional import relu

from dinar.body.derivatives import Derivatives, Points, spins_of
from dinar.body.model import Body, BodyMesh, BodyModel
from dinar.camera import Camera
from dinar.fit.contact import Contact
from dinar.fit.initial import initial_pose, initial_translation
from dinar.fit.objective import (
    depth_rows,
    depths,
    dice,
    direction_rows,
    directions,
    reprojection,
    reprojection_rows,
)
from dinar.fit.prior import PosePrior
from dinar.fit.rows import Rows
from dinar.fit.shape_prior import ShapePrior
from dinar.fit.sight import Sight
from dinar.photo.photo import Photo
from dinar.raster.rasterize import rasterize
from dinar.raster.silhouette import crossings

# From the camera's axes (x right, y down, z forward) to the world's (Y up): the camera stands level and looks along -Z.
LEVEL = torch.diag(torch.tensor([1.0, -1.0, -1.0]))

CONTACT = 0.05   # weight of two parts that are 1 cm inside one another
EXPRESSION = 0.01   # of expressions' strengths
ZOOM = 2.0          # of the focal length's spreads
STATURE = 0.5       # of the stature's spreads: without it, what a wrong focal length asks for is a small person
_EVERY = 4              # rows and columns from one that the outline is followed on to the next
_NEAR = 2.0             # pixels: an outline is not asked to be nearer to the mask's than that in one step

_ENDS = {"UpperArm": "elbow", "LowerArm": "wrist", "UpperLeg": "knee", "LowerLeg": "ankle"}   # who shows a bone
_UNSEEN, _STIFF = 0.2, 100.0    # confidence of a landmark that does not count, and weight of its bone's prior


@dataclass(frozen=True)
class Weights:
    """Of the terms; `width` is the robust error's, a share of the person's size."""

    width: float
    directions: float
    depths: float
    pose: float
    shape: float
    silhouette: float = 0.0


@dataclass(frozen=True)
class Unknowns:
    """What a fit finds for n photos; float64.

    shape       [S]           of all photos' body
    expression  [n, E]
    root        [n, 3, 3]     the body's turn
    limbs       [n, K, 3]     rotation vectors of the prior's bones
    shift       [n, 2]        from the first guess of where the body is seen, in sizes of its picture
    distance    [n]           log of metres
    zoom        [n]           log of the focal length over its first guess
    """

    shape: Tensor
    expression: Tensor
    root: Tensor
    limbs: Tensor
    shift: Tensor
    distance: Tensor
    zoom: Tensor

    def moved(self, shape: Tensor, own: Tensor) -> Self:
        """After a step: shape [S], and own [n, E + 3 + 3 K + 4] in the fields' order, turns about the world's axes."""
        n, count = own.shape[0], self.expression.shape[1]
        expression, turn, limbs, shift, distance, zoom = own.split([count, 3, own.shape[1] - count - 7, 2, 1, 1], dim=1)
        return replace(
            self,
            shape=self.shape + shape,
            expression=self.expression + expression,
            root=roma.rotvec_to_rotmat(turn) @ self.root,
            limbs=self.limbs + limbs.view(n, -1, 3),
            shift=self.shift + shift,
            distance=self.distance + distance[:, 0],
            zoom=self.zoom + zoom[:, 0],
        )


@dataclass(frozen=True)
class State:
    """What follows from some unknowns.

    body       of n photos, its translation 0; float64
    mesh       its landmarks' vertices and its joints
    points     [n, L, 3]  landmarks in the cameras' axes, metres
    drawn      a photo's silhouette, where the weights ask for it
    loss       what is minimised
    """

    unknowns: Unknowns
    body: Body
    mesh: BodyMesh
    points: Tensor
    drawn: tuple[_Drawn, ...]
    loss: float


@dataclass(frozen=True)
class _Drawn:
    """A body in a mask's pixels: face [1, h, w], barycentric [1, h, w, 3]; its vertices in the camera's axes."""

    face: Tensor
    barycentric: Tensor
    vertices: Tensor

    @property
    def mask(self) -> Tensor:
        return (self.face >= 0).float()


class Problem:
    """What n photos of a person ask of a body; all float64 but silhouettes."""

    def __init__(self, photos: Sequence[Photo], model: BodyModel) -> None:
        self.photos, self.model, self.few = photos, model, model.only_landmarks().double()
        self.prior, self.contact = PosePrior(model).double(), Contact(model).double()
        self.root = model.humanoid["hips"]
        self.derivatives = Derivatives(self.few, [self.root, *self.prior.bones.tolist()])
        self.landmarks, self.spheres = Points.landmarks(self.few), self.contact.points(self.few)
        self.level = LEVEL.double()
        top, sole = model.template[:, 1].argmax(), model.template[:, 1].argmin()
        self.growth = (model.shape_basis[:, top, 1] - model.shape_basis[:, sole, 1]).double()   # [S] of it, metres
        told = [photo.female for photo in photos if photo.female is not None]
        child = any(photo.child for photo in photos)
        self.shapes = ShapePrior.of(model, sum(told) / len(told) if told else 0.5, child=child)
        starts = [self._start(photo) for photo in photos]
        self.sights = [sight for sight, _, _ in starts]
        self.span = torch.tensor([sight.target.size / sight.focal for sight in self.sights], dtype=torch.float64)
        self.stiffness = torch.stack([self._stiffness(photo) for photo in photos])     # [n, K] of the prior's bones
        places = torch.stack([place for _, _, place in starts])
        self.bearings = places[:, :2] / places[:, 2:]      # [n, 2] tangents of the first guess of where a body is seen
        self.start = self._first(torch.stack([pose for _, pose, _ in starts]), places[:, 2])

    def state(self, unknowns: Unknowns, weights: Weights) -> State:
        body = self.body(unknowns)
        mesh = self.few(body)
        points = self.few.landmarks(mesh) @ self.level + self.places(unknowns)[:, None]
        drawn = self._drawn(unknowns, body) if weights.silhouette else ()
        loss = CONTACT * (self.contact(self.few, body.shape, mesh) / 0.01).square().sum()
        loss = loss + self.shape_rows(unknowns, weights).residual.square().sum() / 2
        loss = loss + weights.pose * self.prior(unknowns.limbs, self.stiffness).sum()
        loss = loss + EXPRESSION * unknowns.expression.square().sum() + self._beyond(unknowns.expression).square().sum()
        for i, sight in enumerate(self.sights):
            loss = loss + ZOOM * (unknowns.zoom[i] / sight.loose).square()
            projected = self.project(unknowns, i, points[i])
            loss = loss + reprojection(projected, sight.target, width=weights.width)
            loss = loss + weights.directions * directions(points[i], sight.target)
            loss = loss + weights.depths * depths(points[i], sight.target)
            if weights.silhouette:
                loss = loss + weights.silhouette * dice(drawn[i].mask, sight.mask)
        return State(unknowns, body, mesh, points, drawn, float(loss))

    def rows(self, state: State, i: int, weights: Weights) -> Rows:
        """Photo i's residuals by the shape [S] and what is its own (`Unknowns.moved`), without `shape_rows`."""
        unknowns, sight = state.unknowns, self.sights[i]
        moves = self._moves(state, i, self.landmarks)
        points, target = state.points[i], sight.target
        projected = self.project(unknowns, i, points)

        def inside(spheres: Tensor) -> Tensor:          # in the world's axes
            return self.level.diagonal()[:, None] * self._moves(state, i, self.spheres[spheres])

        contact = self.contact.rows(self.few, state.body.shape, _only(state.mesh, i), inside)
        found = [
            reprojection_rows(projected, self._on_screen(state, i, points, moves), target, width=weights.width),
            direction_rows(points, moves, target).weighted(weights.directions),
            depth_rows(points, moves, target).weighted(weights.depths),
            contact.weighted(2 * CONTACT / 0.01**2),
            *self._likely(unknowns, i, weights, moves.shape[2]),
        ]
        if weights.silhouette:
            found.append(self.outline_rows(state, i).weighted(weights.silhouette))
        return Rows(torch.cat([rows.residual for rows in found]), torch.cat([rows.jacobian for rows in found]))

    def shape_rows(self, unknowns: Unknowns, weights: Weights) -> Rows:
        """What is likely of a shape [S]."""
        stiff, tall = math.sqrt(2 * weights.shape), math.sqrt(2 * STATURE) / self.shapes.tall
        taller = self.growth @ (unknowns.shape - self.shapes.mean)
        return Rows(
            torch.cat([stiff * self.shapes.departure(unknowns.shape), (tall * taller)[None]]),
            torch.cat([stiff * self.shapes.whitening, tall * self.growth[None]]),
        )

    def body(self, unknowns: Unknowns) -> Body:
        """Bodies of all photos at the world's origin."""
        n = len(self.photos)
        pose = torch.zeros(n, len(self.model.parents), 3, dtype=torch.float64)
        pose[:, self.prior.bones] = unknowns.limbs
        pose[:, self.root] = roma.rotmat_to_rotvec(unknowns.root)
        return Body(unknowns.shape[None], pose, unknowns.expression, torch.zeros(n, 3, dtype=torch.float64))

    def places(self, unknowns: Unknowns) -> Tensor:
        """Of the bodies in the cameras' axes [n, 3], metres."""
        bearing = self.bearings + unknowns.shift * self.span[:, None]
        return torch.cat([bearing, torch.ones_like(bearing[:, :1])], dim=1) * unknowns.distance.exp()[:, None]

    def focal(self, unknowns: Unknowns, i: int) -> float:
        return self.sights[i].focal * math.exp(float(unknowns.zoom[i]))

    def project(self, unknowns: Unknowns, i: int, points: Tensor) -> Tensor:
        """Pixels [N, 2] of photo i for points [N, 3] in its camera's axes."""
        return points[:, :2] / points[:, 2:] * self.focal(unknowns, i) + self.sights[i].middle

    def camera(self, unknowns: Unknowns, i: int) -> Camera:
        """Photo i's camera about its body at the world's origin."""
        focal, (x, y) = self.focal(unknowns, i), self.sights[i].middle.tolist()
        K = torch.tensor([[focal, 0.0, x], [0.0, focal, y], [0.0, 0.0, 1.0]])
        return Camera(K, LEVEL, self.places(unknowns)[i].float(), tuple(self.photos[i].image.shape[1:]))

    def _moves(self, state: State, i: int, points: Points) -> Tensor:
        """Derivatives [N, 3, P] of points in photo i's camera's axes."""
        unknowns, pose = state.unknowns, state.body.pose[i]
        spins = spins_of(torch.cat([torch.zeros(1, 3).double(), unknowns.limbs[i]]))
        coefficients = torch.cat([unknowns.shape, unknowns.expression[i]])
        rotations = roma.rotvec_to_rotmat(pose)
        inner = self.derivatives.of(points, coefficients, rotations, spins, _only(state.mesh, i))
        known, count = points.basis.shape[-1], len(coefficients)
        place = self.places(unknowns)[i]
        outer = torch.zeros(len(points), 3, 4, dtype=torch.float64)
        outer[:, 0, 0] = outer[:, 1, 1] = self.span[i] * place[2]
        outer[:, :, 2] = place
        inner = inner * self.level.diagonal()[:, None]
        gap = inner.new_zeros(len(points), 3, count - known)
        return torch.cat([inner[..., :known], gap, inner[..., known:], outer], dim=2)

    def _on_screen(self, state: State, i: int, points: Tensor, moves: Tensor) -> Tensor:
        """Derivatives [N, 2, P] of pixels, for points [N, 3] in the camera's axes and their derivatives."""
        focal = self.focal(state.unknowns, i)
        tangent = points[:, :2] / points[:, 2:]
        found = (moves[:, :2] - tangent[..., None] * moves[:, 2:]) * (focal / points[:, 2:, None])
        found[:, :, -1] = tangent * focal
        return found

    def _likely(self, unknowns: Unknowns, i: int, weights: Weights, count: int) -> list[Rows]:
        """The terms that hold what is photo i's own."""
        shapes, expressions = len(unknowns.shape), unknowns.expression.shape[1]
        pose = self.prior.rows(unknowns.limbs[i], self.stiffness[i]).weighted(weights.pose)
        expression = unknowns.expression[i]
        beyond = self._beyond(expression)
        one = torch.eye(expressions, dtype=torch.float64)
        looks = Rows(
            math.sqrt(2) * torch.cat([math.sqrt(EXPRESSION) * expression, beyond.abs()]),
            math.sqrt(2) * torch.cat([math.sqrt(EXPRESSION) * one, torch.diag(beyond.sign())]),
        )
        stiff = math.sqrt(2 * ZOOM) / self.sights[i].loose
        zoom = Rows(stiff * unknowns.zoom[i : i + 1], torch.full((1, 1), stiff, dtype=torch.float64))
        first = (shapes, shapes + expressions + 3, count - 1)
        return [_placed(rows, at, count) for rows, at in zip((looks, pose, zoom), first, strict=True)]

    def _beyond(self, expression: Tensor) -> Tensor:
        """How far strengths are above (or, negative, below) those of an ordinary face."""
        low, high = self.model.expression_range
        return relu(expression - high) - relu(low - expression)

    def _drawn(self, unknowns: Unknowns, body: Body) -> tuple[_Drawn, ...]:
        vertices = self.model(body.to(torch.float32)).vertices
        found = []
        for i, sight in enumerate(self.sights):
            camera = self.camera(unknowns, i).resized(tuple(sight.mask.shape[1:]))
            fragments = rasterize(camera.project(vertices[i])[None], self.model.faces, camera.size)
            found.append(_Drawn(fragments.face, fragments.barycentric, camera.to_camera(vertices[i])))
        return tuple(found)

    def outline_rows(self, state: State, i: int) -> Rows:
        """Of the Dice loss of photo i's silhouette.

        The area between two outlines grows with their distance: each place of the body's outline is drawn to the
        mask's with the Dice loss's slope there, as if by a spring that is relaxed when they meet.
        """
        drawn, sight = state.drawn[i], self.sights[i]
        mask, own = sight.mask[0].double(), drawn.mask[0].double()
        total = mask.sum() + own.sum()
        slope = (-2 * (mask * total - (mask * own).sum()) / total**2).flatten()
        gap = sight.gap.flatten()
        pixels, pushes, axes, gaps = [], [], [], []
        for axis in (0, 1):
            found = crossings(drawn.face, axis, every=_EVERY)
            pixels.append(found.inside)
            pushes.append(found.outwards * (slope[found.first] + slope[found.second]) / 2 * _EVERY * sight.scale)
            axes.append(torch.full_like(found.inside, axis))
            gaps.append(gap[found.inside].clamp(min=_NEAR))
        pixel, push, axis, gap = (torch.cat(parts) for parts in (pixels, pushes, axes, gaps))
        corners, share = self.model.faces[drawn.face.flatten()[pixel].long()], drawn.barycentric.view(-1, 3)[pixel]
        there = (share[..., None] * drawn.vertices[corners]).sum(1).double()
        points = Points.on_surface(self.model, corners, share)
        moves = self._on_screen(state, i, there, self._moves(state, i, points))
        moves = moves[torch.arange(len(pixel)), axis]
        stiffness = (push.abs().clamp(min=1e-12) * sight.scale / gap).sqrt()     # of the photo's pixels, as moves are
        return Rows(push / stiffness, stiffness[:, None] * moves)

    def _stiffness(self, photo: Photo) -> Tensor:
        """Of bones [K]: what no landmark shows stays nearly at rest, or else the silhouette bends it as it likes."""
        found = torch.ones(len(self.prior.bones), dtype=torch.float64)
        for side in ("left", "right"):
            for bone, name in _ENDS.items():
                if not photo.landmarks.seen(f"{side}_{name}", _UNSEEN):
                    found[self.prior.bones == self.model.humanoid[side + bone]] = _STIFF
        return found

    def _start(self, photo: Photo) -> tuple[Sight, Tensor, Tensor]:
        """What a photo asks for, and first guesses of its pose [J, 3] and place [3] in the camera's axes, metres."""
        sight = Sight.of(photo, self.model)
        target = sight.target
        known = torch.isfinite(photo.landmarks.world).all(1) & (photo.landmarks.confidence > _UNSEEN)
        world = {
            name: photo.landmarks.world[i] @ LEVEL for i, name in enumerate(photo.landmarks.names) if known[i]
        }
        pose = initial_pose(self.model, world)
        guess = replace(self.model.neutral(), pose=pose[None], shape=self.shapes.mean[None]).to(torch.float64)
        points = self.few.landmarks(self.few(guess))[0, target.index] @ self.level
        focal = torch.tensor(sight.focal, dtype=torch.float64)
        return sight, pose, initial_translation(points, target.xy, target.weight, focal, sight.middle).double()

    def _first(self, pose: Tensor, distance: Tensor) -> Unknowns:
        """The first guesses; pose [n, J, 3], distance [n] metres."""
        n, zeros = len(pose), torch.zeros
        pose = pose.double()
        return Unknowns(
            shape=self.shapes.mean.clone(),
            expression=zeros(n, len(self.model.expression_names), dtype=torch.float64),
            root=roma.rotvec_to_rotmat(pose[:, self.root]),
            limbs=pose[:, self.prior.bones],
            shift=zeros(n, 2, dtype=torch.float64),
            distance=distance.log(),
            zoom=zeros(n, dtype=torch.float64),
        )


def _only(mesh: BodyMesh, i: int) -> BodyMesh:
    return BodyMesh(mesh.vertices[i : i + 1], mesh.joints[i : i + 1], mesh.transforms[i : i + 1])


def _placed(rows: Rows, at: int, count: int) -> Rows:
    """Rows by some unknowns as rows by all of them, of which they are those from `at` on."""
    jacobian = rows.jacobian.new_zeros(len(rows.residual), count)
    jacobian[:, at : at + rows.jacobian.shape[1]] = rows.jacobian
    return Rows(rows.residual, jacobian)
