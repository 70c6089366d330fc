"""Feet on the ground: set on it, pushing the hips along, and held where they stand."""

from __future__ import annotations

import roma
import torch
from torch import Tensor

TOUCH = 0.04        # metres: a sole this close to the ground stands on it
LEAVE = 0.12        # metres: a sole this high is in the air
NEAR = 0.012        # metres above the ground at which a point counts for 1 / e of one that touches
SLOW = 0.6          # metres a second along the ground, the same
STANDS = 0.3        # weight from which on a foot is held
MOST = 0.04         # metres that a leg gives at most, to hold its foot
STRETCH = 0.998     # of a leg's length: farther than this holding does not stretch it


def ground(lowest: Tensor) -> Tensor:
    """Vertical correction [T, 3] that sets a lowest point [T] near the ground on it and lifts it from below.

    The whole motion is first moved so that its lower tenth stands on the ground.
    """
    shift = lowest.quantile(0.1)
    lowest = lowest - shift
    weight = ((LEAVE - lowest) / (LEAVE - TOUCH)).clamp(0, 1)
    correction = -shift - lowest * weight * weight * (3 - 2 * weight)
    return torch.stack([torch.zeros_like(correction), correction, torch.zeros_like(correction)], dim=1)


def follow(soles: Tensor, translation: Tensor, fps: float) -> Tensor:
    """Horizontal correction [T, 3] of the hips that keeps standing soles [T, feet, N, 3] where they stand.

    The hips take back the mean slide of the points, the standing ones before the others. None for a motion that walks
    on the spot, as on a treadmill: there the slide is longer than the hips' way.
    """
    count = len(soles)
    if count < 2:
        return torch.zeros(count, 3).to(soles)
    slide, weight = _slides(soles, fps)
    mean = (weight * slide).sum(dim=(1, 2)) / weight.sum(dim=(1, 2)).clamp(min=1.0)
    way = (translation[1:, [0, 2]] - translation[:-1, [0, 2]]).norm(dim=1).sum()
    if mean.sum(0).norm() > 0.5 * way + 0.1:
        return torch.zeros(count, 3).to(soles)
    return -torch.cat([torch.zeros(1, 3).to(soles), mean.cumsum(0)])


def hold(
    local: Tensor, rotations: Tensor, points: Tensor, sole: Tensor, leg: tuple[int, int, int],
    parents: tuple[int, ...], fps: float,
) -> Tensor:  # fmt: skip
    """Local rotations [T, J, 3, 3] with one leg bent so that its foot stays where it stands.

    rotations  [T, J, 3, 3]  global
    points     [T, J, 3]     of the joints
    sole       [T, N, 3]     points of the sole
    leg        joints of thigh, shin and foot

    While the foot stands, the slide that is left is taken from it; while it is in the air, that correction passes
    smoothly into the next one.
    """
    moved = _corrections(sole, fps)
    return local if moved is None else bend(local, rotations, points, moved, leg, parents)


def bend(
    local: Tensor, rotations: Tensor, points: Tensor, moved: Tensor, leg: tuple[int, int, int],
    parents: tuple[int, ...],
) -> Tensor:  # fmt: skip
    """Local rotations [T, J, 3, 3] with one leg bent so that its foot is moved by [T, 3], as far as the leg reaches.

    The foot keeps its turn, the knee its plane. The rest is as for `hold`.
    """
    upper, lower, foot = leg
    hip, knee, ankle = points[:, upper], points[:, lower], points[:, foot]
    thigh, shin, way = knee - hip, ankle - knee, ankle - hip
    long, short = thigh.norm(dim=1, keepdim=True), shin.norm(dim=1, keepdim=True)
    far = way.norm(dim=1, keepdim=True)
    goal = way + moved
    reach = goal.norm(dim=1, keepdim=True)
    most = torch.maximum(far, STRETCH * (long + short))
    along = goal / reach
    reach = torch.minimum(reach, most).clamp(max=long + short)

    swing = _arcs(way, goal)
    front = (rotations[:, upper] @ points.new_tensor([0.0, 0.0, 1e-4])[:, None])[..., 0]   # where a straight knee bends
    bend = (swing @ (thigh + front)[..., None])[..., 0]
    bend = bend - along * (bend * along).sum(1, keepdim=True)
    bend = bend / bend.norm(dim=1, keepdim=True).clamp(min=1e-9)
    cosine = ((long**2 + reach**2 - short**2) / (2 * long * reach)).clamp(-1, 1)
    new_thigh = long * (cosine * along + (1 - cosine**2).sqrt() * bend)
    new_shin = reach * along - new_thigh
    turn_thigh = _arcs((swing @ thigh[..., None])[..., 0], new_thigh) @ swing
    turn_shin = _arcs((swing @ shin[..., None])[..., 0], new_shin) @ swing

    local = local.clone()
    for joint, above, own in (
        (upper, None, turn_thigh),
        (lower, turn_thigh, turn_shin),
        (foot, turn_shin, None),
    ):
        over = rotations[:, parents[joint]]
        over = over if above is None else above @ over
        now = rotations[:, joint] if own is None else own @ rotations[:, joint]
        local[:, joint] = over.transpose(-1, -2) @ now
    return local


def _corrections(sole: Tensor, fps: float) -> Tensor | None:
    """How far to move a foot along the ground in each frame [T, 3], metres; None where it never stands."""
    count = len(sole)
    if count < 3:
        return None
    slide, weight = _slides(sole, fps)
    stands = weight.amax(dim=(1, 2)) > STANDS                                           # [T - 1], from frame to frame
    if not stands.any():
        return None
    mean = (weight * slide).sum(1) / weight.sum(1).clamp(min=1e-9) * stands[:, None]
    moved = -torch.cat([torch.zeros(1, 3).to(sole), mean.cumsum(0)])
    held = torch.zeros(count, dtype=torch.bool)
    held[1:] |= stands.cpu()
    held[:-1] |= stands.cpu()
    out = torch.zeros_like(moved)
    starts = [t for t in range(count) if held[t] and (t == 0 or not held[t - 1])]
    ends = [t for t in range(count) if held[t] and (t == count - 1 or not held[t + 1])]
    for start, end in zip(starts, ends, strict=True):
        part = moved[start : end + 1]
        out[start : end + 1] = part - part.mean(0)
    for end, start in zip([-1, *ends], [*starts, count], strict=True):
        w = torch.linspace(0, 1, start - end + 1).to(sole)[1:-1, None]
        a = out[end] if end >= 0 else out[start] if start < count else 0
        b = out[start] if start < count else a
        out[end + 1 : start] = a + (b - a) * w * w * (3 - 2 * w)
    return out * MOST / (MOST**2 + (out * out).sum(1, keepdim=True)).sqrt()


def _slides(soles: Tensor, fps: float) -> tuple[Tensor, Tensor]:
    """How far points [T, ..., 3] go along the ground from frame to frame, and how surely they stand [T - 1, ..., 1].

    A point weighs more the closer to the ground and the slower it is.
    """
    height = (soles[1:, ..., 1] + soles[:-1, ..., 1]) / 2
    slide = (soles[1:] - soles[:-1]) * soles.new_tensor([1.0, 0.0, 1.0])
    weight = torch.exp(-((height.clamp(min=0) / NEAR) ** 2) - (slide.norm(dim=-1) * fps / SLOW) ** 2)[..., None]
    return slide, weight


def _arcs(a: Tensor, b: Tensor) -> Tensor:
    """The smallest rotations [T, 3, 3] that turn the directions a [T, 3] onto b, less than half a turn away."""
    axis = torch.linalg.cross(a, b)
    sine = axis.norm(dim=1, keepdim=True)
    angle = torch.atan2(sine, (a * b).sum(1, keepdim=True))
    return roma.rotvec_to_rotmat(axis / sine.clamp(min=1e-12) * angle)
