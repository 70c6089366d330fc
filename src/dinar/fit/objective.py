"""What a fit minimises (SMPLify-X's terms and the paper's silhouette Dice, section 3.1).

Each term has its value, and its residuals as `Rows`: half their squares have the same slope as the value, and are
nowhere below it by more than a constant (robust errors are reweighted), so Gauss-Newton steps go down.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor
from torch.nn.functional import normalize

from dinar.fit.rows import Rows
from dinar.photo.landmarks import FACE, HEAD, Landmarks

# How much a landmark of full confidence counts; hands and face have many points, and pose networks place the
# coarse points of hands and feet loosely.
_WEIGHT = {
    "left_hip": 0.5, "right_hip": 0.5, "mid_hip": 0.5, "left_heel": 0.5, "right_heel": 0.5,
    "left_pinky": 0.3, "right_pinky": 0.3, "left_thumb": 0.3, "right_thumb": 0.3, "left_index": 0.3, "right_index": 0.3,
}  # fmt: skip

# Directions that 3D landmarks are asked for: (from, to).
_BONES = (
    *(
        (f"{side}_{a}", f"{side}_{b}")
        for side in ("left", "right")
        for a, b in (
            ("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"), ("shoulder", "hip"),
            ("ankle", "foot_index"), ("ear", "eye_outer"),
        )
    ),
    ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"), ("left_ear", "right_ear"),
)  # fmt: skip


DEPTH_WIDTH = 0.15
"""Metres: depths that a network guesses are this uncertain."""

# Points whose guessed depth is worth following.
_DEEP = ("nose", *(f"{side}_{name}" for side in ("left", "right") for name in
         ("ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")))  # fmt: skip


@dataclass(frozen=True)
class Targets:
    """One photo's landmarks, ordered for a body model.

    index      int64   [N]     rows of the model's landmarks
    xy         float32 [N, 2]  pixels
    weight     float32 [N]     confidence times importance
    bones      int64   [M, 2]  rows of the model's landmarks that a 3D direction joins
    direction  float32 [M, 3]  unit vectors in the camera's axes
    trust      float32 [M]
    deep       int64   [D]     rows of the model's landmarks whose depth was guessed
    depth      float32 [D, 3]  their places about the hips' middle in the camera's axes, metres of an average person
    depth_trust float32 [D]
    size       float           larger side of the person's box, pixels
    """

    index: Tensor
    xy: Tensor
    weight: Tensor
    bones: Tensor
    direction: Tensor
    trust: Tensor
    deep: Tensor
    depth: Tensor
    depth_trust: Tensor
    size: float

    def double(self) -> Self:
        """The same in float64."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        real = {name: v.double() for name, v in values.items() if isinstance(v, Tensor) and v.is_floating_point()}
        return replace(self, **real)


def targets(landmarks: Landmarks, names: tuple[str, ...], size: float) -> Targets:
    """Matches a photo's landmarks with a model's `names`."""
    row = {name: i for i, name in enumerate(names)}
    place = {name: i for i, name in enumerate(landmarks.names)}
    face = sum(float(landmarks.confidence[place[name]]) > 0.3 for name in FACE if name in place) > 30
    shared = [name for name in landmarks.names if name in row]
    importance = torch.tensor([_importance(name, face) for name in shared])
    rows = torch.tensor([place[name] for name in shared])
    confidence = landmarks.confidence[rows]
    weight = torch.where(confidence > 0.2, confidence, 0.0) * importance
    bones, directions, trust = [], [], []
    for a, b in _BONES:
        if a not in place or b not in place or a not in row or b not in row:
            continue
        vector = landmarks.world[place[b]] - landmarks.world[place[a]]
        if torch.isfinite(vector).all():
            bones.append((row[a], row[b]))
            directions.append(normalize(vector, dim=0))
            trust.append(landmarks.confidence[[place[a], place[b]]].min().clamp(min=0.2))
    hips = [place.get(f"{side}_hip") for side in ("left", "right")]
    middle = landmarks.world[hips].mean(0) if None not in hips else landmarks.world.new_full((3,), torch.nan)
    deep = [name for name in _DEEP if name in place and name in row]
    depth = landmarks.world[[place[name] for name in deep]].view(-1, 3) - middle
    known = torch.isfinite(depth).all(1)
    return Targets(
        index=torch.tensor([row[name] for name in shared]),
        xy=landmarks.xy[rows],
        weight=weight,
        bones=torch.tensor(bones, dtype=torch.int64).view(-1, 2),
        direction=torch.stack(directions) if directions else torch.zeros(0, 3),
        trust=torch.stack(trust) if trust else torch.zeros(0),
        deep=torch.tensor([row[name] for name in deep], dtype=torch.int64)[known],
        depth=depth[known],
        depth_trust=landmarks.confidence[[place[name] for name in deep]].view(-1).clamp(min=0.2)[known],
        size=size,
    )


def _importance(name: str, face: bool) -> float:
    if name.startswith("face_"):
        return 0.15
    if "_hand_" in name:
        return 0.15
    if face and name in HEAD:
        return 0.3
    return _WEIGHT.get(name, 1.0)


def reprojection(projected: Tensor, target: Targets, *, width: float) -> Tensor:
    """Geman-McClure's robust error of projected landmarks [L, 3]; `width`, where it levels off, is a share of size."""
    error = (projected.index_select(0, target.index)[:, :2] - target.xy) / target.size / width
    squared = error.square().sum(1)
    return (target.weight * squared / (1 + squared)).sum()


def directions(points: Tensor, target: Targets) -> Tensor:
    """Disagreement (1 - cosine) of the body's bones with the 3D landmarks; points [L, 3] in the camera's axes."""
    if not len(target.bones):
        return points.new_zeros(())
    ends = points.index_select(0, target.bones.flatten()).unflatten(0, (-1, 2))
    vector = normalize(ends[:, 1] - ends[:, 0], dim=1)
    return (target.trust * (1 - (vector * target.direction).sum(1))).sum()


def depths(points: Tensor, target: Targets) -> Tensor:
    """Robust error of the body's depths against the 3D landmarks', about the hips; points [L, 3] in the camera's axes.

    The landmarks are those of a person of average size: they are scaled to the body first.
    """
    if not len(target.deep):
        return points.new_zeros(())
    found, wanted = _about_middle(points.index_select(0, target.deep), target), _about_middle(target.depth, target)
    scale = _size_ratio(found, wanted).detach()
    squared = ((found[:, 2] - scale * wanted[:, 2]) / DEPTH_WIDTH).square()
    return (target.depth_trust * squared / (1 + squared)).sum()


def _about_middle(values: Tensor, target: Targets) -> Tensor:
    """Values [D, C] of the deep landmarks less their mean."""
    return values - (target.depth_trust[:, None] * values).sum(0) / target.depth_trust.sum()


def _size_ratio(found: Tensor, wanted: Tensor) -> Tensor:
    """How much larger the body is in the picture than the 3D landmarks' person; both [D, 3] about their means."""
    return (found * wanted)[:, :2].sum() / wanted[:, :2].square().sum()


def reprojection_rows(projected: Tensor, moves: Tensor, target: Targets, *, width: float) -> Rows:
    """Of `reprojection`; projected [L, 2] pixels, moves [L, 2, P]."""
    error = (projected[target.index] - target.xy) / target.size / width
    weight = (2 * target.weight).sqrt() / (1 + error.square().sum(1))
    share = weight / (target.size * width)
    return Rows((weight[:, None] * error).flatten(), (share[:, None, None] * moves[target.index]).flatten(0, 1))


def direction_rows(points: Tensor, moves: Tensor, target: Targets) -> Rows:
    """Of `directions`; points [L, 3] in the camera's axes, moves [L, 3, P]."""
    start, end = target.bones.unbind(1)
    vector = points[end] - points[start]
    length = vector.norm(dim=1, keepdim=True).clamp(min=1e-12)
    unit = vector / length
    weight = target.trust.sqrt()[:, None]
    across = torch.eye(3).to(points) - unit[:, :, None] * unit[:, None]
    moved = (weight / length)[..., None] * across @ (moves[end] - moves[start])
    return Rows((weight * (unit - target.direction)).flatten(), moved.flatten(0, 1))


def depth_rows(points: Tensor, moves: Tensor, target: Targets) -> Rows:
    """Of `depths`; points [L, 3] in the camera's axes, moves [L, 3, P]."""
    if not len(target.deep):
        return Rows(points.new_zeros(0), moves.new_zeros(0, moves.shape[2]))
    found, wanted = _about_middle(points[target.deep], target), _about_middle(target.depth, target)
    error = (found[:, 2] - _size_ratio(found, wanted) * wanted[:, 2]) / DEPTH_WIDTH
    weight = (2 * target.depth_trust).sqrt() / (1 + error.square())
    moved = _about_middle(moves[target.deep, 2], target)
    return Rows(weight * error, (weight / DEPTH_WIDTH)[:, None] * moved)


def dice(mask: Tensor, other: Tensor) -> Tensor:
    """Dice loss (section 3.1, [52]) of two masks [1, H, W]: 0 where equal, 1 where apart."""
    return 1 - 2 * (mask * other).sum() / (mask.sum() + other.sum()).clamp(min=1.0)
