"""BVH files of one small walk, in the customs of many programs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import roma
import torch
from torch import Tensor

from dinar.motion.bvh import read_bvh
from dinar.motion.motion import Motion
from dinar.motion.recording import Recording


def walk(folder: Path, seconds: float = 1.2) -> Recording:
    """A piece of the shipped walk, without fingers, as a skeleton of Mixamo's names that rests in the T-pose."""
    path = folder / "walk.bvh"
    motion = Motion.load("walk").clipped(0, seconds).resampled(20)
    fingers = ("Metacarpal", "Proximal", "Intermediate", "Distal")
    kept = [k for k, bone in enumerate(motion.names) if not bone.endswith(fingers)]
    names = tuple(motion.names[k] for k in kept)
    replace(motion, names=names, rotations=motion.rotations[:, kept]).save(path)
    return read_bvh(path)


def angles(motion: Motion, path: Path) -> Tensor:
    """Degrees [T, K] between a motion and the one in a file, bone by bone; the hips' heading is left out."""
    other = Motion.load(path)
    assert set(motion.names) <= set(other.names), set(motion.names) - set(other.names)
    assert len(other) == len(motion)
    a = roma.rotvec_to_rotmat(motion.rotations)
    b = roma.rotvec_to_rotmat(other.rotations[:, [other.names.index(bone) for bone in motion.names]])
    hips = motion.names.index("hips")
    for turns in (a, b):
        x, z = turns[0, hips, 0, 2].clone(), turns[0, hips, 2, 2].clone()
        heading = roma.rotvec_to_rotmat(torch.tensor([0.0, -float(torch.atan2(x, z)), 0.0]))
        turns[:, hips] = heading @ turns[:, hips]
    return torch.rad2deg(roma.rotmat_geodesic_distance(a, b))


def write(
    path: Path,
    recording: Recording,
    *,
    names: list[str] | None = None,
    rest: Tensor | None = None,
    world: Tensor | None = None,
    encoding: str = "utf-8",
) -> Path:
    """A recording as BVH, with other names, joints that rest turned by `rest` [J, 3, 3] (global, as the joints lie in
    the T-pose), and the movement in other axes of the world.
    """
    names = names or list(recording.names)
    turns, places = recording.global_pose()
    count = len(names)
    rest = torch.eye(3).expand(count, 3, 3) if rest is None else rest
    turns = turns @ rest.transpose(-1, -2)                          # own axes that lie so in the T-pose
    if world is not None:
        turns, places = world @ turns, places @ world.T
    columns = [places[:, 0]]
    lines = ["HIERARCHY"]

    def joint(j: int) -> None:
        above = recording.parents[j]
        own = turns[:, j] if above < 0 else turns[:, above].transpose(-1, -2) @ turns[:, j]
        columns.append(roma.rotmat_to_euler("ZXY", own.double(), degrees=True).float())
        offset = torch.zeros(3) if above < 0 else rest[above] @ recording.offsets[j]
        channels = "6 Xposition Yposition Zposition " if above < 0 else "3 "
        lines.append(f"{'ROOT' if above < 0 else 'JOINT'} {names[j]}\n{{\nOFFSET {numbers(offset)}")
        lines.append(f"CHANNELS {channels}Zrotation Xrotation Yrotation")
        for k, parent in enumerate(recording.parents):
            if parent == j:
                joint(k)
        if j in recording.ends:
            lines.append(f"End Site\n{{\nOFFSET {numbers(rest[j] @ recording.ends[j])}\n}}")
        lines.append("}")

    joint(0)
    lines += ["MOTION", f"Frames: {len(turns)}", f"Frame Time: {1 / recording.fps:.6f}"]
    lines += [numbers(row) for row in torch.cat(columns, dim=1)]
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


def numbers(row: Tensor) -> str:
    return " ".join(f"{value:.6f}" for value in row.tolist())
