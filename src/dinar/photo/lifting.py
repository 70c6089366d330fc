"""BlazePose's 3D points, moved to where people of such a picture rather are."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from dinar.networks.lifter import Lifter
from dinar.photo.landmarks import BODY, MIRRORED, Landmarks

COUNT = len(BODY)


@torch.inference_mode()
def lifted(lifter: Lifter, landmarks: Landmarks) -> Landmarks:
    """Landmarks, tensors, whose 3D points of the body the network has moved; the same where they are not all known.

    It is asked twice, of the points and of their mirror image, and the mean is taken.
    """
    if landmarks.names[:COUNT] != BODY or not torch.isfinite(landmarks.world[:COUNT]).all():
        return landmarks
    seen = tuple(values[:COUNT] for values in (landmarks.xy, landmarks.world, landmarks.confidence))
    both = lifter(*(torch.stack(pair) for pair in zip(seen, mirrored(*seen), strict=True)))
    points = (both.points[0] + flipped(both.points[1])) / 2
    return replace(landmarks, world=torch.cat([points, landmarks.world[COUNT:]]))


def mirrored(xy: Tensor, world: Tensor, confidence: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What BlazePose sees of somebody in the mirrored picture: [..., N, 2], [..., N, 3] and [..., N]."""
    return flipped(xy), flipped(world), confidence[..., list(MIRRORED)]


def flipped(points: Tensor) -> Tensor:
    """Points [..., N, 2 or 3] of a body in the mirror, each in the place of the one on the other side."""
    sign = torch.ones(points.shape[-1])
    sign[0] = -1
    return points[..., list(MIRRORED), :] * sign.to(points)
