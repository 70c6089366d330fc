"""What is worn swings: layers hang by springs, lie on the body's limbs and stay outside its skin.

A layer follows hips and legs by its skin weights: so it was fitted, and so a photo sees it. Moved by
these alone, a skirt is drawn through a lap and stands off in a stride. Here a few hundred of its points, tied to their
neighbours, are pulled towards where the weights put them, by gravity and by what they have of speed; balls that fill
the body keep them out. They carry what is between them along, which the drawn skin then pushes out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from dinar.body.layers import vertices_of
from dinar.body.model import Body, BodyModel
from dinar.body.normals import vertex_normals

PARTICLES = 240         # of a layer
BALLS = 140             # that fill the body about it
SETTLED = 240           # substeps until a still, or a clip's first frame, has come to rest

_FOLLOWED = 6           # particles that a vertex follows
_GRAVITY = 9.81
_LOOSE = 25.0           # 1 / second**2: what cloth is pulled back by where it hangs freely,
_TIED = 900.0           # where it is held,
_LAIN = 60.0            # and, more than that, where the body turns it to lie: a lap
_EVENED = 14            # times that skin weights are evened out between neighbours
_FAR = 0.4              # metres off where the skin weights put it, at most
_BEGUN = 0.1            # of freedom, from which on balls push a particle: what is held must not tremble
_THICK = 0.006          # metres that particles keep off the body,
_OFF = 0.004            # and vertices off the drawn skin
_LARGEST = 0.12         # metres of a ball's radius,
_LEAST = 0.015          # and at least,
_ACROSS = 0.04          # and between two points of the skin that tell it: of nearer ones normals say too little
_BESIDE = 0.15          # metres above and below a layer of the skin that it may touch
_DEEP = 0.1             # metres that skin pushes out from, at most
_AT_ONCE = 256          # frames that are moved at a time


@dataclass(frozen=True)
class Hanging:
    """How a layer hangs: above the joint of `bone` the body holds it, `over` metres below it is free.

    It lies on the flesh of the joints below those of the bones `on`, save those below the bones `but`.
    """

    bone: str
    over: float
    on: tuple[str, ...]
    but: tuple[str, ...]


HANGING = {
    "skirt": Hanging("leftUpperLeg", 0.15, on=("hips",), but=("chest",)),
}
"""The layers that hang, by their names."""


@dataclass(frozen=True, eq=False)
class Goals:
    """What the body does to particles and balls in T frames; float64.

    moves   [T, P, 3, 4]  rest -> posed, by the skin weights
    places  [T, P, 3]     where these bring particles, metres
    leans   [T, P, 3]     what of gravity moves them, metres / second**2
    pulls   [T, P]        how they are pulled to their places, 1 / second**2
    balls   [T, B, 3]     where the middles of balls are, metres
    """

    moves: np.ndarray
    places: np.ndarray
    leans: np.ndarray
    pulls: np.ndarray
    balls: np.ndarray


@dataclass(frozen=True, eq=False)
class Cloth:
    """A layer as it hangs on a person: P particles of it, S springs between these, B balls in the body.

    vertices  int64 [N]        the layer's, among the model's
    index     int64 [N, K]     particles that each of them follows,
    weight    float64 [N, K]   and how much; rows sum to 1
    margin    float64 [N]      metres that it keeps off the skin; below 0: it may be anywhere
    places    float64 [N, 3]   where they are at rest, metres
    loose     float64 [N]      0: the body holds them, 1: they hang freely
    rest      float64 [P + B, 3]    particles, then the middles of balls, at rest, metres
    joints    float64 [P + B, J]    their skin weights, those of particles evened out over the cloth about them
    reach     float64 [P, B]   metres that a particle keeps off a ball's middle; 0: it may be anywhere
    free      float64 [P]      `loose` of particles
    springs   int64 [S, 2]
    lengths   float64 [S]      metres
    skin      int64 [M]        the model's vertices that it may touch,
    faces     int64 [F, 3]     and their triangles, in rows of `skin`
    """

    vertices: np.ndarray
    index: np.ndarray
    weight: np.ndarray
    margin: np.ndarray
    places: np.ndarray
    loose: np.ndarray
    rest: np.ndarray
    joints: np.ndarray
    reach: np.ndarray
    free: np.ndarray
    springs: np.ndarray
    lengths: np.ndarray
    skin: np.ndarray
    faces: np.ndarray

    @classmethod
    def of(cls, model: BodyModel, shape: Tensor, name: str) -> Self:
        """A layer that the model, on the CPU, wears, by its name in `HANGING`, on a body of shape [S]."""
        how = HANGING[name]
        with torch.no_grad():
            drawn, places = (part[0] for part in model.rest(shape.detach().cpu()[None]))
        worn = vertices_of(model, name)
        points = drawn[worn].double().numpy()
        chosen = spread(points, PARTICLES)
        particles = points[chosen]
        index, weight = following(points, particles)
        whole = model.faces[worn[model.faces].all(1)] - int(worn.nonzero()[0])
        springs = tied(points, particles, whole.numpy())

        skin, faces = _about(model, how, drawn, points)
        naked = (drawn - model.offsets)[skin]
        touched = spread(naked.double().numpy(), BALLS)
        middles, radii = balls(naked, faces, touched)
        apart = np.linalg.norm(particles[:, None] - middles, axis=2)
        free = _smooth((float(places[model.humanoid[how.bone], 1]) - points[:, 1]) / how.over)
        height = _height(points, drawn[skin], faces)
        weights = model.skin_weights.double().numpy()
        soft = evened(weights[worn][chosen], springs, free[chosen])
        return cls(
            vertices=worn.nonzero()[:, 0].numpy(),
            index=index,
            weight=weight,
            margin=np.where((free > 0) | (height > 0), height.clip(_OFF / 4, _OFF), -1.0),
            places=points,
            loose=free,
            rest=np.concatenate([particles, middles]),
            joints=np.concatenate([soft, weights[skin][touched]]),
            reach=np.where(free[chosen, None] > _BEGUN, np.minimum(apart, radii + _THICK), 0.0),
            free=free[chosen],
            springs=springs,
            lengths=np.linalg.norm(particles[springs[:, 0]] - particles[springs[:, 1]], axis=1),
            skin=skin.numpy(),
            faces=faces.numpy(),
        )

    def swung(self, transforms: Tensor, seconds: float) -> np.ndarray:
        """How particles, and what is about them, come from rest to where they swing, float32 [T, P, 3, 4].

        transforms  [T, J, 4, 4]  of the joints, frames `seconds` apart; the first has come to rest
        """
        from dinar.motion.swinging import swing

        points, speed, settle = np.empty((len(self.free), 3)), np.zeros((len(self.free), 3)), SETTLED
        parts: list[np.ndarray] = []
        for start in range(0, len(transforms), _AT_ONCE):
            before = min(start, 1)                       # frames of the last part: its last one leads into this
            goals = self.goals(transforms[start - before : start + _AT_ONCE])
            if not before:
                points[:] = goals.places[0]
            found = swing(
                points, speed, settle, goals.places, goals.leans, goals.balls, self.reach, self.free == 0.0,
                goals.pulls, _FAR * self.free, self.springs, self.lengths, seconds,
            )  # fmt: skip
            settle, moves = 0, goals.moves.astype(np.float32)
            moves[..., 3] += found - goals.places
            parts.append(moves[before:])
        return np.concatenate(parts)

    def goals(self, transforms: Tensor) -> Goals:
        """What particles are drawn to in every frame, by transforms of the joints [T, J, 4, 4].

        Cloth at rest hangs as it was fitted, so gravity counts as far as the body turns the cloth away from that.
        """
        count = len(self.free)
        moves = np.einsum("pj,tjab->tpab", self.joints, transforms[:, :, :3].double().cpu().numpy(), optimize=True)
        places = (moves[..., :3] * self.rest[:, None]).sum(-1) + moves[..., 3]
        up = moves[:, :count, :, 1]
        upright = up[..., 1].clip(0, 1)
        return Goals(
            moves=moves[:, :count],
            places=places[:, :count],
            leans=_GRAVITY * (upright[..., None] * up - np.array([0.0, 1.0, 0.0])),
            pulls=_LOOSE + (_TIED - _LOOSE) * (1 - self.free) ** 2 + _LAIN * (1 - upright),
            balls=places[:, count:],
        )

    def laid(self, vertices: np.ndarray, moves: np.ndarray) -> None:
        """Brings the layer among a posed body's vertices [V, 3], metres, to where its particles are, in place.

        moves  float32 [P, 3, 4]  of `swung`
        """
        from dinar.motion.swinging import lay

        own = vertices[self.vertices].astype(np.float64)
        skin = vertices[self.skin].astype(np.float64)
        lay(
            own, self.places, self.loose, moves.astype(np.float64), self.index, self.weight, self.margin, skin,
            self.faces, _DEEP,
        )  # fmt: skip
        vertices[self.vertices] = own


@dataclass(frozen=True, eq=False)
class Wardrobe:
    """All that hangs on a person."""

    cloths: tuple[Cloth, ...]
    light: BodyModel

    @classmethod
    def of(cls, model: BodyModel, shape: Tensor) -> Self:
        """What a model, on the CPU, wears on a body of shape [S]."""
        names = [name for name in model.layers if name in HANGING]
        return cls(tuple(Cloth.of(model, shape, name) for name in names), model.only_landmarks())

    def swung(self, bodies: Body, fps: float) -> list[tuple[np.ndarray, ...]]:
        """For every frame what `laid` takes: where the layers are after all that came before."""
        if not self.cloths:
            return [()] * len(bodies)
        with torch.no_grad():
            transforms = self.light(bodies).transforms
        return list(zip(*(cloth.swung(transforms, 1 / fps) for cloth in self.cloths), strict=True))

    def settled(self, body: Body) -> tuple[np.ndarray, ...]:
        """What `laid` takes of somebody, batch 1, who has stood so for a while."""
        return self.swung(body, 1.0)[0]

    def laid(self, vertices: Tensor, moves: tuple[np.ndarray, ...]) -> Tensor:
        """A posed body's vertices [1, V, 3] with its layers where they hang."""
        if not moves:
            return vertices
        moved = vertices[0].cpu().numpy().copy()
        for cloth, move in zip(self.cloths, moves, strict=True):
            cloth.laid(moved, move)
        return torch.from_numpy(moved)[None].to(vertices)


def spread(points: np.ndarray, count: int) -> np.ndarray:
    """Rows of points [N, 3] that lie as far apart as so many can, int64 [count or N]; the lowest is the first."""
    found = [int(points[:, 1].argmin())]
    distance = np.full(len(points), np.inf)
    while len(found) < min(count, len(points)):
        distance = np.minimum(distance, ((points - points[found[-1]]) ** 2).sum(1))
        found.append(int(distance.argmax()))
    return np.array(found)


def following(points: np.ndarray, particles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The particles [N, K] that points follow, and weights [N, K] that fall to 0 where another comes nearer."""
    count = min(_FOLLOWED, len(particles) - 1)
    distance, near = cKDTree(particles).query(points, k=count + 1)
    weight = (1 - distance[:, :count] / np.maximum(distance[:, count:], 1e-9)).clip(1e-6) ** 2
    return near[:, :count].astype(np.int64), weight / weight.sum(1, keepdims=True)


def tied(points: np.ndarray, particles: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Pairs of particles [S, 2] whose surroundings on a mesh touch each other."""
    _, nearest = cKDTree(particles).query(points)
    pairs = nearest[np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])]
    return np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1), axis=0).astype(np.int64)


def evened(weights: np.ndarray, springs: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Skin weights [P, J] that change more softly from particle to particle, the more the freer these are [P]."""
    first, second = springs.T
    count = np.bincount(springs.ravel(), minlength=len(weights))[:, None]
    for _ in range(_EVENED):
        total = np.zeros_like(weights)
        np.add.at(total, first, weights[second])
        np.add.at(total, second, weights[first])
        weights = weights + 0.5 * free[:, None] * (total / np.maximum(count, 1) - weights)
    return weights


def balls(skin: Tensor, faces: Tensor, touched: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest balls in a body that touch its skin [M, 3] at some vertices: middles [B, 3] and radii [B], metres."""
    normals = vertex_normals(skin[None], faces)[0].double().numpy()[touched]
    every = skin.double().numpy()
    way = every[touched][:, None] - every                                       # [B, M, 3]
    square, deep = (way**2).sum(2), (way * normals[:, None]).sum(2)
    counted = (square > _ACROSS**2) & (deep > 1e-3)
    radii = np.where(counted, square / (2 * np.where(counted, deep, 1)), _LARGEST).min(1).clip(_LEAST, _LARGEST)
    return every[touched] - radii[:, None] * normals, radii


def _about(model: BodyModel, how: Hanging, drawn: Tensor, points: np.ndarray) -> tuple[Tensor, Tensor]:
    """The skin that a layer may touch: vertices [M], and its triangles [F, 3] in rows of these."""
    but = model.below(model.humanoid[bone] for bone in how.but)
    joints = [j for j in model.below(model.humanoid[bone] for bone in how.on) if j not in but]
    flesh = (model.layer == 0) & (model.skin_weights[:, joints].sum(1) > 0.5)
    low, high = points[:, 1].min() - _BESIDE, points[:, 1].max() + _BESIDE
    flesh &= (drawn[:, 1] > low) & (drawn[:, 1] < high)
    faces = model.faces[flesh[model.faces].all(1)]
    return flesh.nonzero()[:, 0], (flesh.cumsum(0) - 1)[faces]


def _height(points: np.ndarray, skin: Tensor, faces: Tensor) -> np.ndarray:
    """How far points [N, 3] are outside of skin [M, 3], metres, below 0 inside; beyond a little it is no measure."""
    normals = vertex_normals(skin[None], faces)[0].double().numpy()
    _, near = cKDTree(skin.double().numpy()).query(points)
    return ((points - skin.double().numpy()[near]) * normals[near]).sum(1)


def _smooth(x: np.ndarray) -> np.ndarray:
    x = x.clip(0, 1)
    return x * x * (3 - 2 * x)
