"""The VRM 1.0 humanoid: its bones, and how a skeleton's rest pose turns into the T-pose that motions start from."""

from __future__ import annotations

import roma
import torch
from torch import Tensor


def _bones() -> dict[str, str | None]:
    bones: dict[str, str | None] = {
        "hips": None,
        "spine": "hips",
        "chest": "spine",
        "upperChest": "chest",
        "neck": "upperChest",
        "head": "neck",
    }
    for side in ("left", "right"):
        bones |= {
            f"{side}Eye": "head",
            f"{side}Shoulder": "upperChest",
            f"{side}UpperArm": f"{side}Shoulder",
            f"{side}LowerArm": f"{side}UpperArm",
            f"{side}Hand": f"{side}LowerArm",
            f"{side}ThumbMetacarpal": f"{side}Hand",
            f"{side}ThumbProximal": f"{side}ThumbMetacarpal",
            f"{side}ThumbDistal": f"{side}ThumbProximal",
        }
        for finger in ("Index", "Middle", "Ring", "Little"):
            bones |= {
                f"{side}{finger}Proximal": f"{side}Hand",
                f"{side}{finger}Intermediate": f"{side}{finger}Proximal",
                f"{side}{finger}Distal": f"{side}{finger}Intermediate",
            }
        bones |= {
            f"{side}UpperLeg": "hips",
            f"{side}LowerLeg": f"{side}UpperLeg",
            f"{side}Foot": f"{side}LowerLeg",
            f"{side}Toes": f"{side}Foot",
        }
    return bones


PARENT = _bones()
"""Bone -> parent bone, parents before children; hips has none."""


def _t_pose() -> dict[str, tuple[float, float, float]]:
    offsets = {
        "hips": (0.0, 0.0, 0.0),
        "spine": (0.0, 0.10, 0.0),
        "chest": (0.0, 0.13, 0.0),
        "upperChest": (0.0, 0.13, 0.0),
        "neck": (0.0, 0.18, 0.0),
        "head": (0.0, 0.10, 0.02),
    }
    for side, x in (("left", 1.0), ("right", -1.0)):
        offsets |= {
            f"{side}Eye": (0.035 * x, 0.07, 0.09),
            f"{side}Shoulder": (0.03 * x, 0.12, 0.0),
            f"{side}UpperArm": (0.16 * x, 0.0, 0.0),
            f"{side}LowerArm": (0.29 * x, 0.0, 0.0),
            f"{side}Hand": (0.27 * x, 0.0, 0.0),
            f"{side}ThumbMetacarpal": (0.03 * x, -0.01, 0.03),
            f"{side}ThumbProximal": (0.03 * x, 0.0, 0.02),
            f"{side}ThumbDistal": (0.03 * x, 0.0, 0.02),
            f"{side}UpperLeg": (0.095 * x, -0.05, 0.0),
            f"{side}LowerLeg": (0.0, -0.44, 0.0),
            f"{side}Foot": (0.0, -0.43, 0.0),
            f"{side}Toes": (0.0, -0.055, 0.14),
        }
        for finger, z in (("Index", 0.02), ("Middle", 0.0), ("Ring", -0.02), ("Little", -0.04)):
            offsets |= {
                f"{side}{finger}Proximal": (0.10 * x, 0.0, z),
                f"{side}{finger}Intermediate": (0.04 * x, 0.0, 0.0),
                f"{side}{finger}Distal": (0.025 * x, 0.0, 0.0),
            }
    return offsets


T_POSE = _t_pose()
"""Bone -> where it starts in the T-pose, from its parent's start, of somebody whose hips are 1 above the ground."""

SOLE = 0.025
"""How far the ground is below the toes' joints there."""


def nearest_parent(bone: str, present: set[str]) -> str | None:
    """The closest ancestor of `bone` that is in `present`: skeletons may lack any bone but the hips."""
    parent = PARENT[bone]
    while parent is not None and parent not in present:
        parent = PARENT[parent]
    return parent


def t_pose_alignment(rest: dict[str, Tensor], *, feet_follow_legs: bool = False) -> dict[str, Tensor]:
    """Per bone, the global rotation [3, 3] from the rest pose to the T-pose: arms along +-X, legs along -Y.

    rest              bone -> where it starts at rest [3]; Y up, front +Z
    feet_follow_legs  the rest feet are square to tilted legs, as in skeletons whose rest pose straddles; otherwise
                      the rest feet stand flat and stay as they are

    Each limb turns by the shortest arc beyond its parent's turn, so that roll is kept. Palms come to face down where
    index and little finger tell how the hand lies. The trunk keeps its natural curve, thumbs keep to their hand.
    """
    alignment: dict[str, Tensor] = {}
    like = rest["hips"]
    for bone in PARENT:
        if bone not in rest:
            continue
        parent = nearest_parent(bone, set(rest))
        inherited = alignment[parent] if parent else torch.eye(3).to(like)
        side, part = _split(bone)
        if part in ("UpperArm", "LowerArm", "UpperLeg", "LowerLeg") or part.endswith(("Proximal", "Intermediate")):
            tip = rest.get(next_along(bone))
            if tip is not None:
                target = _AXES["down" if part.endswith("Leg") else side].to(like)
                inherited = arc(inherited @ (tip - rest[bone]), target) @ inherited
        elif part == "Hand":
            inherited = _hand(rest, side, inherited)
        elif part == "Foot" and not feet_follow_legs:
            inherited = torch.eye(3).to(like)
        alignment[bone] = inherited
    return alignment


_AXES = {
    "left": torch.tensor([1.0, 0.0, 0.0]),
    "right": torch.tensor([-1.0, 0.0, 0.0]),
    "down": torch.tensor([0.0, -1.0, 0.0]),
}
_NEXT = {"UpperArm": "LowerArm", "LowerArm": "Hand", "UpperLeg": "LowerLeg", "LowerLeg": "Foot"} | {
    f"{finger}{a}": f"{finger}{b}"
    for finger in ("Index", "Middle", "Ring", "Little")
    for a, b in (("Proximal", "Intermediate"), ("Intermediate", "Distal"))
}


def next_along(bone: str) -> str | None:
    """The bone that lies along another's line in the T-pose: of limbs and fingers, of thumbs none."""
    side, part = _split(bone)
    return side + _NEXT[part] if part in _NEXT else None


def _split(bone: str) -> tuple[str, str]:
    for side in ("left", "right"):
        if bone.startswith(side):
            return side, bone.removeprefix(side)
    return "", bone


def _hand(rest: dict[str, Tensor], side: str, inherited: Tensor) -> Tensor:
    """Fingers along the arm; index before little finger, which lays the palm down."""
    wrist = rest[f"{side}Hand"]
    knuckles = [rest.get(f"{side}{finger}Proximal") for finger in ("Index", "Middle", "Little")]
    if any(k is None for k in knuckles):
        return inherited
    index, middle, little = knuckles
    front = torch.tensor([0.0, 0.0, 1.0]).to(wrist)
    return laid(middle - wrist, index - little, _AXES[side].to(wrist), front)


def laid(first: Tensor, second: Tensor, along: Tensor, beside: Tensor) -> Tensor:
    """The rotation [3, 3] that turns `first` onto `along`, and `second` as near to `beside` as that leaves it."""
    return _pair(along, beside) @ _pair(first, second).T


def _pair(first: Tensor, second: Tensor) -> Tensor:
    first = torch.nn.functional.normalize(first, dim=0)
    second = torch.nn.functional.normalize(second - first * (second @ first), dim=0)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=1)


def arc(a: Tensor, b: Tensor) -> Tensor:
    """The smallest rotation [3, 3] that turns the direction a onto the direction b; none where either is zero."""
    a, b = torch.nn.functional.normalize(a, dim=0), torch.nn.functional.normalize(b, dim=0)
    axis, cosine = torch.linalg.cross(a, b), a @ b
    if cosine < -0.9999:
        axis = torch.linalg.cross(a, torch.eye(3).to(a)[a.abs().argmin()])
    angle = torch.atan2(torch.linalg.cross(a, b).norm(), cosine)
    return roma.rotvec_to_rotmat(torch.nn.functional.normalize(axis, dim=0) * angle)
