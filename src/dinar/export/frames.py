"""Which way joints' own axes lie: along the world's, or along the bones, as in Mixamo's and Ready Player Me's files."""

from __future__ import annotations

import torch
from torch import Tensor

from dinar.body.model import BodyModel
from dinar.motion.humanoid import PARENT, arc, next_along

_UP = (0.0, 1.0, 0.0)
_STANDARD = {
    "spine": (0.0, 0.993, -0.121), "chest": (0.0, 0.993, -0.121), "upperChest": _UP, "neck": _UP, "head": _UP,
    "Shoulder": (0.979, -0.027, -0.201), "Foot": (0.02, -0.638, 0.769), "Toes": (0.0, 0.0, 1.0),
}  # fmt: skip
"""Where bones of the trunk, left shoulders and feet point in a T-pose of Mixamo's own characters. A clip tells turns
from there; frames that followed this body's slants instead would bend it by the difference.
"""
_HAND = {"Hand": "MiddleProximal", "ThumbMetacarpal": "ThumbProximal", "ThumbProximal": "ThumbDistal"}
_ARM = {"left": ((0.0, 0.0, -1.0), (1.0, 0.0, 0.0)), "right": ((0.0, 0.0, 1.0), (-1.0, 0.0, 0.0))}
_LEG = ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0))
"""x and y of arms and of legs in a T-pose: palms are down, so fingers bend about +x, and knees about -x."""


def along_bones(model: BodyModel, joints: Tensor) -> Tensor:
    """Frames [J, 3, 3] of a body in a T-pose whose y runs along each bone, columns x, y, z in the world.

    joints  float32 [J, 3]  where they are in the T-pose

    The trunk's frames are the world's but for the bone's slant; arms and legs have their own, and each bone turns from
    that by the shortest arc. Limbs, hands and fingers point to their next joint, all else as Mixamo's characters
    do, so that a clip of theirs leaves at rest what is at rest. The last bone of a finger lies as the one before it,
    and joints that are no humanoid bone lie as the bone above them, so that a clip's rotations, which know nothing of
    them, stay true.
    """
    frames: dict[str, Tensor] = {}
    present = {bone: joint for bone, joint in model.humanoid.items() if bone in PARENT}
    for bone in PARENT:
        if bone not in present:
            continue
        base = _base(bone).to(joints)
        if (standard := _standard(bone)) is not None:
            way = torch.tensor(standard).to(joints)
        elif (tip := _tip(bone)) in present:
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


def _split(bone: str) -> tuple[str, str]:
    """Its side, if any, and the rest of its name."""
    side = next((side for side in ("left", "right") if bone.startswith(side)), "")
    return side, bone.removeprefix(side)


def _standard(bone: str) -> tuple[float, float, float] | None:
    """Where Mixamo's point, of the bones whose slant differs from one body to another."""
    side, part = _split(bone)
    if part not in _STANDARD:
        return None
    x, y, z = _STANDARD[part]
    return (-x if side == "right" else x), y, z


def _base(bone: str) -> Tensor:
    """The frame [3, 3] that a bone's is turned from."""
    side, part = _split(bone)
    if not side or part == "Eye":
        return torch.eye(3)
    x, y = _LEG if part.endswith(("Leg", "Foot", "Toes")) else _ARM[side]
    first, second = torch.tensor(x), torch.tensor(y)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=1)


def _tip(bone: str) -> str | None:
    """The bone that starts where one of a limb or a hand ends."""
    side, part = _split(bone)
    return side + _HAND[part] if part in _HAND else next_along(bone)
