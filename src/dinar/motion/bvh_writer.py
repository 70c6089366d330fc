"""BVH files, written with the names that Mixamo's skeletons have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import roma
import torch
from torch import Tensor

from dinar.motion.humanoid import PARENT, SOLE, T_POSE, nearest_parent
from dinar.motion.joint_names import mixamo_name

_HIPS = 95.0        # height of the hips in a written file, the custom of centimetres
_TIPS = {"head": (0.0, 0.20, 0.0), "Hand": (0.18, 0.0, 0.0), "Distal": (0.02, 0.0, 0.0), "Toes": (0.0, -SOLE, 0.06)}


def write_bvh(path: Path, names: tuple[str, ...], rotations: Tensor, hips: Tensor, fps: float) -> None:
    """Write the fields of a Motion as BVH, with Mixamo's joint names, in centimetres for hips 95 cm above the ground.

    The skeleton rests in the T-pose that motions start from. Bones that are not named stay at rest there; eyes, and
    fingers of a hand that names none, are left out.
    """
    own = dict(zip(names, roma.rotvec_to_rotmat(rotations.double().cpu()).unbind(1), strict=True))
    bones = [bone for bone in PARENT if bone in own or not _optional(bone, own)]
    columns = [hips.cpu().double().numpy() * _HIPS]
    lines = ["HIERARCHY"]

    def joint(bone: str, above: str | None, depth: int) -> None:
        pad = "\t" * depth
        kind, channels = ("ROOT", "6 Xposition Yposition Zposition ") if above is None else ("JOINT", "3 ")
        lines.extend([f"{pad}{kind} {mixamo_name(bone)}", f"{pad}{{", f"{pad}\tOFFSET {_triple(T_POSE[bone])}"])
        lines.append(f"{pad}\tCHANNELS {channels}Zrotation Xrotation Yrotation")
        turn = own.get(bone)
        angles = torch.zeros(len(hips), 3).double() if turn is None else roma.rotmat_to_euler("ZXY", turn, degrees=True)
        columns.append(np.unwrap(angles.numpy(), period=360, axis=0))       # who interpolates angles goes the short way
        below = [b for b in bones if nearest_parent(b, set(bones)) == bone]
        for child in below:
            joint(child, bone, depth + 1)
        if not below:
            x, y, z = next((tip for part, tip in _TIPS.items() if bone.endswith(part)), (0.0, 0.0, 0.02))
            end = (-x if bone.startswith("right") else x, y, z)
            lines.extend([f"{pad}\tEnd Site", f"{pad}\t{{", f"{pad}\t\tOFFSET {_triple(end)}", f"{pad}\t}}"])
        lines.append(f"{pad}}}")

    joint("hips", None, 0)
    lines += ["MOTION", f"Frames: {len(hips)}", f"Frame Time: {1 / fps:.12g}"]
    lines += [" ".join(f"{value:.6f}" for value in row) for row in np.concatenate(columns, axis=1)]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def _optional(bone: str, own: dict[str, Tensor]) -> bool:
    """Whether a skeleton may go without a bone that the motion does not name."""
    if bone.endswith("Eye"):
        return True
    if not bone.endswith(("Metacarpal", "Proximal", "Intermediate", "Distal")):
        return False
    side = "left" if bone.startswith("left") else "right"
    return not any(name.startswith(side) and name.endswith(("Proximal", "Intermediate", "Distal")) for name in own)


def _triple(point: tuple[float, float, float]) -> str:
    return " ".join(f"{value * _HIPS:.6f}" for value in point)
