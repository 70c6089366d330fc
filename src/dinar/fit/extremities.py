"""Hands and feet turned until their outlines are those of the masks.

Landmarks place them only roughly, and in a silhouette of the whole person they hardly count. Each step looks for the
mask's outline across that of the drawn body (`fit.rims`), and a small least squares turns wrists, fingers, ankles and
toes, each not far from where it was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import roma
import torch
from torch import Tensor

from dinar.body.model import Body, BodyMesh, BodyModel
from dinar.fit.prior import PosePrior
from dinar.fit.rims import Mask, Rim, Silhouette

STEPS = 5
SPREADS = {"Hand": 0.15, "Foot": 0.2, "Toes": 0.1, "finger": 0.08}   # radians that each turns from where it was
OUTLIER = 0.01          # metres: an outline farther away counts less
TRUST = 0.004           # metres: spread of the place of an outline,
EACH = 0.01             # which is told once in so many metres of it

_FINGERS = "Thumb", "Index", "Middle", "Ring", "Little"


@dataclass(frozen=True)
class _Joint:
    """A joint that turns; float64.

    number  its row
    above   its parent's row
    of      [V]     how far vertices follow it
    stiff   [3, 3]  what turns in the parent's frame are in spreads
    """

    number: int
    above: int
    of: np.ndarray
    stiff: np.ndarray


def turned(
    model: BodyModel,
    silhouette: Silhouette,
    inside: Tensor | None = None,      # [H, W]: what the picture shows, at whose edge no outline is; all
    *,
    steps: int = STEPS,
) -> Body:
    """The silhouette's body with its hands and feet where the mask shows them; a model with shoes on for feet in shoes.
    """
    mask, joints, faces = Mask.of(silhouette, inside), _joints(model), model.faces.numpy()
    body, first = silhouette.body, silhouette.body.pose[0].double()
    for _ in range(steps):
        with torch.no_grad():
            posed = model(body)
        rows, gaps, weights = _equations(mask.rim(posed.vertices[0].double().numpy(), faces), mask, posed, joints)
        weights = weights * np.minimum(1, OUTLIER / np.maximum(np.abs(gaps), 1e-9))
        system, right = rows.T @ (weights[:, None] * rows), rows.T @ (weights * gaps)
        world, pose = posed.transforms[0, :, :3, :3].double(), body.pose[0].double()
        for k, joint in enumerate(joints):
            own = slice(3 * k, 3 * k + 3)
            gone = roma.rotvec_composition((pose[joint.number], -first[joint.number])).numpy()
            stiff = joint.stiff @ world[joint.above].T.numpy()               # of turns about the world's axes
            system[own, own] += stiff.T @ stiff
            right[own] -= stiff.T @ joint.stiff @ gone
        turns = torch.from_numpy(np.linalg.solve(system, right)).view(-1, 3)
        pose = pose.clone()
        for joint, turn in zip(joints, turns, strict=True):
            pose[joint.number] = roma.rotvec_composition((world[joint.above].T @ turn, pose[joint.number]))
        body = replace(body, pose=pose[None].to(body.pose))
    return body


def _equations(
    rim: Rim, mask: Mask, posed: BodyMesh, joints: list[_Joint]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows [N, 3 J] by the joints' turns about the world's axes, radians; gaps [N] in metres, and weights [N]."""
    follows = np.stack([(rim.share * joint.of[rim.corners]).sum(1) for joint in joints], axis=1)     # [N, J]
    near = follows.max(1) > 0.5
    follows, outwards = follows[near], rim.outwards[near]
    there = (rim.share[near, :, None] * posed.vertices[0].double().numpy()[rim.corners[near]]).sum(1)
    rotation, place = mask.camera.R.double().numpy(), mask.camera.t.double().numpy()
    seen = there @ rotation.T + place
    away = (outwards * seen[:, :2]).sum(1) / seen[:, 2]                    # what is farther off is nearer the middle
    across = np.concatenate([outwards, -away[:, None]], axis=1) @ rotation
    arms = there[:, None] - posed.joints[0].double().numpy()[[joint.number for joint in joints]]     # [N, J, 3]
    rows = follows[..., None] * np.cross(arms, across[:, None])
    return rows.reshape(len(rows), 3 * len(joints)), rim.gap[near], (rim.weight * rim.width)[near] / EACH / TRUST**2


def _joints(model: BodyModel) -> list[_Joint]:
    prior, found = PosePrior(model).double(), []
    for bone, number in model.humanoid.items():
        part = bone.removeprefix("left").removeprefix("right")
        name = "finger" if part.startswith(_FINGERS) else part
        if name not in SPREADS:
            continue
        place = int((prior.bones == number).nonzero()[0])
        spread = SPREADS[name] * prior.spread[place] / prior.spread[place].max()
        of = model.skin_weights[:, model.below([number])].sum(1).double().numpy()
        stiff = (prior.axes[place].T / spread[:, None]).numpy()
        found.append(_Joint(number, model.parents[number], of, stiff))
    return found
