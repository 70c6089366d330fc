"""What poses and shapes people take: per-bone spreads, hinges and limits for any body model with humanoid bones."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, relu

from dinar.body.model import BodyModel
from dinar.fit.rows import Rows

# Radians that a bone turns about its rest pose in everyday postures (one standard deviation).
_SPREAD = {
    "spine": 0.20, "chest": 0.15, "upperChest": 0.15, "neck": 0.20, "head": 0.25, "jaw": 0.05, "Eye": 0.05,
    "Shoulder": 0.12, "UpperArm": 0.90, "Hand": 0.35, "UpperLeg": 0.60, "Foot": 0.30, "Toes": 0.10,
    "ThumbMetacarpal": 0.20, "ThumbProximal": 0.20, "ThumbDistal": 0.25,
}  # fmt: skip

_HINGES = {"LowerArm": ("UpperArm", "Hand"), "LowerLeg": ("UpperLeg", "Foot")}
_FINGERS = ("Index", "Middle", "Ring", "Little")
_TWIST = {"LowerArm": 0.6, "LowerLeg": 0.12}     # about the bone's own length
_ASIDE = {"LowerArm": 0.05, "LowerLeg": 0.05}    # about the third axis: elbows and knees do not bend sideways
_REACH = {"LowerArm": 2.6, "LowerLeg": 2.5}      # largest angle between the bones
_FLEX = {"LowerArm": 1.0, "LowerLeg": 0.8}


class PosePrior(nn.Module):
    """Penalty for unlikely and impossible joint rotations.

    Every humanoid bone has three axes with a spread about the rest pose and, for hinges, a hard range of flexion.
    """

    def __init__(self, model: BodyModel) -> None:
        super().__init__()
        _, joints = model.rest(model.template.new_zeros(1, len(model.shape_basis)))
        joints = joints[0].cpu()
        bones, axes, spreads, ranges = [], [], [], []
        for bone, joint in model.humanoid.items():
            if bone == "hips":
                continue
            frame, spread, limits = _bone(bone, joints, model.humanoid)
            bones.append(joint)
            axes.append(frame)
            spreads.append(spread)
            ranges.append(limits)
        self.bones = torch.tensor(bones)
        """Joint indices [K] of the bones that a fit may turn, the root apart."""
        self.register_buffer("axes", torch.stack(axes))                 # [K, 3, 3] columns
        self.register_buffer("spread", torch.tensor(spreads))           # [K, 3]
        self.register_buffer("limits", torch.tensor(ranges))            # [K, 2] of the first axis, radians

    def forward(self, rotations: Tensor, weight: Tensor | None = None) -> Tensor:
        """Rotation vectors [B, K, 3] of `bones` -> penalty [B]: squared standard deviations, limits ten times that.

        weight  [B, K] of each bone, default 1
        """
        turned = torch.einsum("bkc,kca->bka", rotations, self.axes)
        likely = (turned / self.spread).square().sum(2)
        low, high = self.limits.unbind(1)
        beyond = relu(low - turned[..., 0]) + relu(turned[..., 0] - high)
        penalty = likely + 10 * (beyond / 0.1).square()
        return (penalty if weight is None else weight * penalty).sum(1)

    def rows(self, rotations: Tensor, weight: Tensor) -> Rows:
        """Of the penalty for rotation vectors [K, 3] with weights [K]; derivatives by all of them."""
        low, high = self.limits.unbind(1)
        angle = (rotations * self.axes[:, :, 0]).sum(1)
        beyond = relu(low - angle) + relu(angle - high)
        side = torch.where(angle > high, 1.0, -1.0) * (beyond > 0)
        stiff = math.sqrt(2 * 10) / 0.1
        likely = math.sqrt(2) * self.axes.transpose(1, 2) / self.spread[..., None]        # [K, 3, 3]
        hinges = stiff * side[:, None, None] * self.axes[:, :, :1].transpose(1, 2)        # [K, 1, 3]
        blocks = torch.cat([likely, hinges], dim=1)                                       # [K, 4, 3]
        residual = torch.cat([(likely @ rotations[..., None])[..., 0], stiff * beyond[:, None]], dim=1)
        share = weight.sqrt()[:, None]
        return Rows((share * residual).flatten(), torch.block_diag(*(share[..., None] * blocks)))


def _bone(bone: str, joints: Tensor, humanoid: dict[str, int]) -> tuple[Tensor, list[float], list[float]]:
    """Axes [3, 3] (columns; the first is the hinge's, flexion positive), spreads and range of flexion of one bone."""
    side = bone[: len("left")] if bone.startswith("left") else bone[: len("right")]
    part = bone.removeprefix("left").removeprefix("right")
    free = [-torch.inf, torch.inf]
    if part in _HINGES:
        upper, end = (joints[humanoid[side + name]] for name in _HINGES[part])
        here = joints[humanoid[bone]]
        axis = normalize(torch.linalg.cross(here - upper, end - here), dim=0)
        along = normalize(end - here, dim=0)
        bend = torch.acos((normalize(here - upper, dim=0) @ along).clamp(-1, 1)).item()
        frame = torch.stack([axis, along, torch.linalg.cross(axis, along)], dim=1)
        return frame, [_FLEX[part], _TWIST[part], _ASIDE[part]], [-bend - 0.05, _REACH[part] - bend]
    finger = next((name for name in _FINGERS if part.startswith(name)), None)
    if finger is not None:
        base, middle = (joints[humanoid[f"{side}{finger}{name}"]] for name in ("Proximal", "Intermediate"))
        wrist, index, little = (
            joints[humanoid[side + name]] for name in ("Hand", "IndexProximal", "LittleProximal")
        )
        along = normalize(middle - base, dim=0)
        palm = torch.linalg.cross(index - wrist, little - wrist) * (-1 if side == "left" else 1)
        axis = normalize(torch.linalg.cross(along, normalize(palm, dim=0)), dim=0)
        frame = torch.stack([axis, along, torch.linalg.cross(axis, along)], dim=1)
        sideways = 0.12 if part.endswith("Proximal") else 0.03
        return frame, [0.35, 0.04, sideways], [-0.6, 1.6]
    spread = next(value for name, value in _SPREAD.items() if part.startswith(name))
    return torch.eye(3), [spread] * 3, free
