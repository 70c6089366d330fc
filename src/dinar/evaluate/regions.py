"""Where parts of a body are in a picture, and in the world."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor

from dinar.raster.rasterize import interpolate, rasterize

if TYPE_CHECKING:
    from dinar.body.model import Body, BodyModel
    from dinar.camera import Camera

HEAD = ("head",)
NOT_CLOTHED = ("head", "leftHand", "rightHand")
NOT_TRUNK = ("neck", "leftUpperArm", "rightUpperArm", "leftUpperLeg", "rightUpperLeg")
REACH = 0.5          # heights of the head: how far the band around it goes
SMALLEST_HEAD = 12   # pixels, below which a head has no outline to speak of


def share_of(model: BodyModel, bones: Collection[str]) -> Tensor:
    """How much each vertex follows these bones and all below them: [V], 0 to 1."""
    return model.skin_weights[:, model.below([model.humanoid[bone] for bone in bones])].sum(1)


def seen(model: BodyModel, body: Body, camera: Camera, *shares: Tensor) -> list[Tensor]:
    """Where the camera sees a body whose vertices have a share [V] above one half: bool [H, W] each."""
    with torch.no_grad():
        fragments = rasterize(camera.project(model(body).vertices), model.faces, camera.size)
        values = interpolate(fragments, torch.stack(shares, dim=1)[None], model.faces)[0]
    return list((values > 0.5).unbind(0))


def clothed(model: BodyModel, body: Body, camera: Camera) -> Tensor:
    """Where the camera sees the body below the neck and above the wrists: bool [H, W]."""
    return seen(model, body, camera, 1 - share_of(model, NOT_CLOTHED))[0]


def trunk(model: BodyModel, body: Body, camera: Camera) -> Tensor:
    """Where the camera sees the body without neck, arms and legs: bool [H, W]."""
    return seen(model, body, camera, 1 - share_of(model, NOT_TRUNK))[0]


def around_head(model: BodyModel, body: Body, camera: Camera) -> Tensor | None:
    """The bare head and all within half its height that is no other part of the body: bool [H, W].

    Hair and hats are there, and what is behind. None where the head is hidden, too small, or not in the picture.
    """
    share = share_of(model, HEAD)
    head, rest = (part.numpy() for part in seen(model, body, camera, share, 1 - share))
    rows = np.flatnonzero(head.any(1))
    if not len(rows) or rows[-1] + 1 - rows[0] < SMALLEST_HEAD:
        return None
    away = cv2.distanceTransform((~head).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    return torch.from_numpy((away <= REACH * (rows[-1] + 1 - rows[0])) & ~rest)


def cube_about(model: BodyModel, vertices: Tensor, bones: Collection[str], larger: float) -> Tensor:
    """Corners [8, 3] of a cube about the part below some bones of a body [V, 3]: its side is `larger` of the part's."""
    points = vertices[share_of(model, bones) > 0.5]
    low, high = points.amin(0), points.amax(0)
    half = float((high - low).max()) * larger / 2
    signs = torch.tensor([[x, y, z] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
    return (low + high) / 2 + half * signs
