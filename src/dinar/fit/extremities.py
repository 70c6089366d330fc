"""Hands and feet, and the heads of those who look away, turned until their outlines are those of the masks.

Landmarks place them only roughly, and in a silhouette of the whole person they hardly count. Each step looks for the
mask's outline across that of the drawn body (`fit.rims`), and a small least squares turns wrists, fingers, ankles and
toes, each not far from where it was. Fingers are a few pixels wide in a picture of somebody, so hands are looked at
once more from close up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import roma
import torch
from torch import Tensor

from dinar import images
from dinar.body.model import Body, BodyMesh, BodyModel
from dinar.fit.prior import PosePrior
from dinar.fit.rims import Mask, Rim, Seen, Silhouette
from dinar.texture.rounds import SIDES

STEPS = 5
SPREADS = {"Hand": 0.15, "Foot": 0.2, "Toes": 0.1, "finger": 0.08}   # radians that each turns from where it was,
AWAY = {"neck": 0.08, "head": 0.08}     # and of a head without a face
CLOSE = 192             # pixels of a picture of one hand,
AROUND = 0.35           # whose margins are so much of it,
SMALL = 12              # if it is as many pixels large in the photo;
CLOSE_STEPS = 8         # so often each hand turns in it,
CLOSE_SPREADS = {"Hand": 0.15, "finger": 0.2}    # radians, so far
OUTLIER = 0.01          # metres: an outline farther away counts less
TRUST = 0.004           # metres: spread of the place of an outline,
EACH = 0.01             # which is told once in so many metres of it

_FINGERS = "Thumb", "Index", "Middle", "Ring", "Little"


@dataclass(frozen=True)
class _Joints:
    """The J joints that turn.

    numbers  int64 [J]           their rows
    above    int64 [J]           their parents' rows
    follow   float64 [V, J]      how far vertices follow them
    stiff    float64 [J, 3, 3]   what turns in the parents' frames are in spreads
    head     bool [J]            the head's and the neck's
    """

    numbers: Tensor
    above: Tensor
    follow: np.ndarray
    stiff: Tensor
    head: np.ndarray

    @classmethod
    def of(
        cls, model: BodyModel, prior: PosePrior, spreads: Mapping[str, float], sides: Sequence[str] = SIDES
    ) -> Self:
        """Those of some sides and of the middle."""
        numbers, follow, stiff, head = [], [], [], []
        for bone, number in model.humanoid.items():
            part = bone.removeprefix("left").removeprefix("right")
            name = "finger" if part.startswith(_FINGERS) else part
            if name not in spreads or (part != bone and not bone.startswith(tuple(sides))):
                continue
            place = int((prior.bones == number).nonzero()[0])
            spread = spreads[name] * prior.spread[place] / prior.spread[place].max()
            numbers.append(number)
            follow.append(model.skin_weights[:, model.below([number])].sum(1).double().numpy())
            stiff.append(prior.axes[place].T / spread[:, None])
            head.append(name in AWAY)
        above = torch.tensor([model.parents[number] for number in numbers])
        return cls(torch.tensor(numbers), above, np.stack(follow, axis=1), torch.stack(stiff), np.array(head))


def turned(
    model: BodyModel,
    silhouette: Silhouette,
    inside: Tensor | None = None,      # [H, W]: what the picture shows, at whose edge no outline is; all
    *,
    skin: Tensor | None = None,        # bool [H, W]: where it shows skin, of somebody whose head turns too
    steps: int = STEPS,
) -> Body:
    """The silhouette's body with its hands and feet where the mask shows them; a model with shoes on for feet in shoes.

    Outlines of hair say nothing of where a head is, so `skin` says which do.
    """
    prior = PosePrior(model).double()
    joints = _Joints.of(model, prior, SPREADS if skin is None else SPREADS | AWAY)
    body = _followed(model, silhouette.body, Mask.of(silhouette, inside), joints, skin, steps)
    inside = torch.ones(silhouette.camera.size, dtype=torch.bool) if inside is None else inside
    for side in SIDES:
        if (close := _close_up(model, body, silhouette, inside, side)) is not None:
            body = _followed(model, body, close, _Joints.of(model, prior, CLOSE_SPREADS, (side,)), None, CLOSE_STEPS)
    return body


def _close_up(model: BodyModel, body: Body, silhouette: Silhouette, inside: Tensor, side: str) -> Mask | None:
    """The picture of a hand; None where it is too small, or beyond the picture's edge."""
    camera = silhouette.camera
    hand = model.skin_weights[:, model.below([model.humanoid[f"{side}Hand"]])].sum(1) > 0.5
    with torch.no_grad():
        points = camera.project(model(body).vertices)[0, hand, :2]
    low, high = points.amin(0), points.amax(0)
    large = float((high - low).amax())
    (x, y), (right, bottom) = (low - AROUND * large).int().tolist(), (high + AROUND * large).int().tolist()
    height, width = camera.size
    if large < SMALL or not (x < width and right > 0 and y < height and bottom > 0):
        return None
    size = bottom - y, right - x
    mask = images.crop(silhouette.mask, x, y, size, outside=0)
    inside = images.crop(inside.float()[None], x, y, size, outside=0)[0]
    return Mask.of(Seen(mask, body, camera.cropped(x, y, size)), inside, side=CLOSE)


def _followed(
    model: BodyModel, body: Body, mask: Mask, joints: _Joints, skin: Tensor | None, steps: int
) -> Body:
    """The body with these joints turned as the mask shows what moves with them."""
    faces, first = model.faces.numpy(), body.pose[0, joints.numbers].double()
    for _ in range(steps):
        with torch.no_grad():
            posed = model(body)
        rim = mask.rim(posed.vertices[0].double().numpy(), faces)
        rows, gaps, weights = _equations(rim, mask, posed, joints, skin)
        weights = weights * np.minimum(1, OUTLIER / np.maximum(np.abs(gaps), 1e-9))
        frames, now = posed.transforms[0, joints.above, :3, :3].double(), body.pose[0, joints.numbers].double()
        gone = roma.rotvec_composition((now, -first))
        stiff = joints.stiff @ frames.mT                                     # of turns about the world's axes
        system = torch.block_diag(*(stiff.mT @ stiff)).numpy() + rows.T @ (weights[:, None] * rows)
        pull = (stiff.mT @ joints.stiff @ gone[..., None]).flatten().numpy()
        turns = torch.from_numpy(np.linalg.solve(system, rows.T @ (weights * gaps) - pull)).view(-1, 3, 1)
        pose = body.pose.clone()
        pose[0, joints.numbers] = roma.rotvec_composition(((frames.mT @ turns)[..., 0], now)).to(pose)
        body = replace(body, pose=pose)
    return body


def _equations(
    rim: Rim, mask: Mask, posed: BodyMesh, joints: _Joints, skin: Tensor | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows [N, 3 J] by the joints' turns about the world's axes, radians; gaps [N] in metres, and weights [N]."""
    follow = (rim.share[..., None] * joints.follow[rim.corners]).sum(1)                 # [N, J]
    near = follow.max(1) > 0.5
    if skin is not None:
        near &= rim.within(skin) | (follow[:, ~joints.head].max(1) > 0.5)
    follow, outwards = follow[near], rim.outwards[near]
    there = (rim.share[near, :, None] * posed.vertices[0].double().numpy()[rim.corners[near]]).sum(1)
    rotation, place = mask.camera.R.double().numpy(), mask.camera.t.double().numpy()
    seen = there @ rotation.T + place
    away = (outwards * seen[:, :2]).sum(1) / seen[:, 2]                    # what is farther off is nearer the middle
    across = np.concatenate([outwards, -away[:, None]], axis=1) @ rotation
    arms = there[:, None] - posed.joints[0, joints.numbers].double().numpy()            # [N, J, 3]
    rows = follow[..., None] * np.cross(arms, across[:, None])
    weights = (rim.weight * rim.width)[near] / EACH / TRUST**2
    return rows.reshape(len(rows), 3 * len(joints.numbers)), rim.gap[near], weights
