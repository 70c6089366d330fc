"""One body, posed for each photo, and the cameras that saw it (SMPLify-X-like, with the silhouette of section 3.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dinar.body.model import Body, BodyModel
from dinar.camera import Camera
from dinar.fit import extremities, shoes
from dinar.fit.descent import DAMPING, step
from dinar.fit.look import looks_at, shown_at
from dinar.fit.problem import LEVEL, Problem, Weights
from dinar.fit.rims import Seen
from dinar.parallel import torch_threads
from dinar.parts import BodyPart
from dinar.photo.landmarks import BODY, FACE
from dinar.photo.photo import Photo
from dinar.raster.rasterize import rasterize

__all__ = ["LEVEL", "STAGES", "Fit", "Stage", "fit", "unseen"]

_LIMBS = {
    "head": ("nose", "left_ear", "right_ear"),
    "left arm": ("left_elbow", "left_wrist"),
    "right arm": ("right_elbow", "right_wrist"),
    "left leg": ("left_knee", "left_ankle"),
    "right leg": ("right_knee", "right_ankle"),
    "left foot": ("left_heel", "left_foot_index"),
    "right foot": ("right_heel", "right_foot_index"),
}


@dataclass(frozen=True)
class Fit:
    """A body that explains one photo.

    body          batch of 1, its translation 0: the camera is placed about the body
    camera        of the photo's crop
    reprojection  mean distance of the body's landmarks from the seen ones, % of the larger side of the person's box
    mask_iou      intersection over union of the body's silhouette and the photo's mask
    unseen        limbs that the photo does not show
    """

    body: Body
    camera: Camera
    reprojection: float
    mask_iou: float
    unseen: tuple[str, ...]


@dataclass(frozen=True)
class Stage:
    """At most so many steps with the same weights; without `limbs` only shape and place move."""

    steps: int
    weights: Weights
    limbs: bool = True


STAGES = (
    Stage(4, Weights(width=0.15, directions=1.0, depths=1.0, pose=0.02, shape=0.08), limbs=False),
    Stage(6, Weights(width=0.06, directions=0.6, depths=1.0, pose=0.012, shape=0.08)),
    Stage(6, Weights(width=0.025, directions=0.2, depths=1.0, pose=0.009, shape=0.048)),
    Stage(6, Weights(width=0.025, directions=0.2, depths=1.0, pose=0.009, shape=0.048, silhouette=10.0)),
)

ENOUGH = 2e-3    # part of the loss: a stage whose step brings less is over


def fit(
    photos: Sequence[Photo],
    model: BodyModel,
    *,
    stages: Sequence[Stage] = STAGES,
    progress: Callable[[float], None] | None = None,   # called with the part done, 0 to 1
) -> list[Fit]:
    """One shape for all photos, and a pose, an expression and a camera for each; the same every time.

    Raises InputError where a photo's landmarks are too few to fit a body to.
    """
    total, done = sum(stage.steps for stage in stages), 0
    with torch_threads(1), torch.no_grad():   # matrices this small gain nothing from more, and results repeat
        problem = Problem(photos, model)
        unknowns = problem.start
        for stage in stages:
            state, damping = problem.state(unknowns, stage.weights), DAMPING
            for k in range(stage.steps):
                before = state.loss
                state, damping = step(problem, state, stage.weights, damping, limbs=stage.limbs)
                if progress is not None:
                    progress((done + k + 1) / total)
                if before - state.loss < ENOUGH * before:
                    break
            unknowns, done = state.unknowns, done + stage.steps
        bodies = problem.body(unknowns).to(torch.float32)
        seen = [
            Seen(photo.mask, bodies[i : i + 1], problem.camera(unknowns, i)) for i, photo in enumerate(photos)
        ]
        feet = _shod(model, photos, seen)
        found = [
            _result(problem, i, extremities.turned(feet, one, photos[i].inside, skin=_skin(photos[i])), one.camera)
            for i, one in enumerate(seen)
        ]
        if progress is not None:
            progress(1.0)
        return found


def _shod(model: BodyModel, photos: Sequence[Photo], seen: Sequence[Seen]) -> BodyModel:
    """The body, in shoes if the photos show them."""
    looks = looks_at(photos, seen)
    worn = shoes.made_for(model) and bool(looks) and shoes.shod(*shown_at(model, looks))
    return model.moved(shoes.put_on(model)) if worn else model


def _skin(photo: Photo) -> Tensor | None:
    """Where a photo shows skin of somebody whose face nobody sees, bool [H, W]; the face tells better how a head is
    turned.
    """
    if photo.parts is None or any(photo.landmarks.seen(name) for name in ("nose", *FACE)):
        return None
    return torch.isin(photo.parts, torch.tensor([BodyPart.FACE_SKIN, BodyPart.SKIN], dtype=torch.uint8))


def _result(problem: Problem, i: int, body: Body, camera: Camera) -> Fit:
    photo, target, model = problem.photos[i], problem.sights[i].target, problem.model
    mesh = model(body)
    shared = [name for name in photo.landmarks.names if name in model.landmark_names]     # in the order of `targets`
    counted = torch.tensor([name in BODY for name in shared]) & (target.weight > 0)
    projected = camera.project(model.landmarks(mesh)[0])
    distance = (projected[target.index, :2] - target.xy).norm(dim=1)[counted]
    drawn = rasterize(camera.project(mesh.vertices), model.faces, camera.size).mask[0] > 0.5
    mask = photo.mask > 0.5
    return Fit(
        body=body,
        camera=camera,
        reprojection=(distance.mean() / target.size * 100).item(),
        mask_iou=((drawn & mask).sum() / (drawn | mask).sum()).item(),
        unseen=unseen(photo),
    )


def unseen(photo: Photo) -> tuple[str, ...]:
    """Limbs of which no landmark was seen with confidence."""
    return tuple(limb for limb, names in _LIMBS.items() if not any(photo.landmarks.seen(name, 0.4) for name in names))
