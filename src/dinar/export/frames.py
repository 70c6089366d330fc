"""Which way joints' own axes lie: along the world's, or along the bones, as in Mixamo's and Ready Player Me's files."""

from __future__ import annotations

import torch
from torch import Tensor

from dinar.body.model import BodyModel
from dinar.motion.humanoid import PARENT, arc, next_along

_TRUNK = {"spine": "chest", "chest": "upperChest", "upperChest": "neck", "neck": "head"}
_LIMB = {"Shoulder": "UpperArm", "Hand": "MiddleProximal", "Foot": "Toes", "ThumbMetacarpal": "ThumbProximal",
         "ThumbProximal": "ThumbDistal"}  # fmt: skip
_FORWARD = (0.0, 0.0, 1.0)
_ARM = {"left": ((0.0, 0.0, -1.0), (1.0, 0.0, 0.0)), "right": ((0.0, 0.0, 1.0), (-1.0, 0.0, 0.0))}
_LEG = ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0))
"""x and y of arms and of legs in a T-pose: palms are down, so fingers bend about +x, and knees about -x."""


def along_bones(model: BodyModel, joints: Tensor) -> Tensor:
    """Frames [J, 3, 3] of a body in a T-pose whose y runs along each bone, columns x, y, z in the world.

    joints  float32 [J, 3]  where they are in the T-pose

    The trunk's frames are the world's but for the bone's slant; arms and legs have their own, and each bone turns from
    that by the shortest arc. The last bone of a finger lies as the one before it, toes lie level, and joints that are
    no humanoid bone lie as the bone above them, so that a clip's rotations, which know nothing of them, stay true.
    """
    frames: dict[str, Tensor] = {}
    present = {bone: joint for bone, joint in model.humanoid.items() if bone in PARENT}
    for bone in PARENT:
        if bone not in present:
            continue
        base = _base(bone).to(joints)
        tip = _tip(bone)
        if bone.endswith("Toes"):
            way = torch.tensor(_FORWARD).to(joints)
        elif tip in present:
            way = joints[present[tip]] - joints[present[bone]]
        elif bone.endswith("Distal"):
            frames[bone] = frames[PARENT[bone]]
            continue
        else:
            way = base[:, 1]
        frames[bone] = arc(base[:, 1], way) @ base
    bone_of = {joint: bone for bone, joint in present.items()}
    rows: list[Tensor] = []
    for joint, parent in enumerate(model.parents):
        if joint in bone_of:
            rows.append(frames[bone_of[joint]])
        else:
            rows.append(rows[parent] if parent >= 0 else torch.eye(3).to(joints))
    return torch.stack(rows)


def _base(bone: str) -> Tensor:
    """The frame [3, 3] that a bone's is turned from."""
    side = next((side for side in ("left", "right") if bone.startswith(side)), None)
    if side is None or bone.endswith("Eye"):
        return torch.eye(3)
    x, y = _LEG if bone.endswith(("Leg", "Foot", "Toes")) else _ARM[side]
    first, second = torch.tensor(x), torch.tensor(y)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=1)


def _tip(bone: str) -> str | None:
    """The bone that starts where this one ends."""
    if bone in _TRUNK:
        return _TRUNK[bone]
    side = next((side for side in ("left", "right") if bone.startswith(side)), "")
    part = bone.removeprefix(side)
    return side + _LIMB[part] if part in _LIMB else next_along(bone)
