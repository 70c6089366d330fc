"""Motions of the SMPL family: AMASS's .npz and its kin, and the .smpl codec."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import roma
import torch
from torch import Tensor

from dinar.body.anatomy import SMPLX_HUMANOID, SMPLX_JOINTS
from dinar.errors import InputError
from dinar.motion.arrays import array_names, read_arrays
from dinar.motion.humanoid import PARENT, nearest_parent
from dinar.motion.recording import MAX_FRAMES, Recording
from dinar.motion.smpl_fields import WANTED, SmplFields, has_poses, in_metres, read_fields
from dinar.motion.stance import Skeleton, from_pose

_BODY, _HEAD, _HANDS = SMPLX_JOINTS[:22], SMPLX_JOINTS[22:25], SMPLX_JOINTS[25:]
_JOINTS = {24: (*_BODY, "left_hand", "right_hand"), 52: (*_BODY, *_HANDS), 55: SMPLX_JOINTS}
_FROM_Z_UP = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])     # to Y up
_FARTHEST = 1e9         # from the origin, in any unit, beyond which a number is no place
_UPRIGHT = 0.7          # mean cosine between a trunk and the axis that is surely up
_PELVIS = torch.tensor([0.0, -0.35, 0.01])      # of SMPL-X at rest, metres; a file's `trans` starts there
_MODELS = {0: "SMPL", 1: "SMPL-H", 2: "SMPL-X", 3: "SUPR", 7: "SMPL-XS"}       # the .smpl codec's numbers
_FOREIGN = {4: "SMPL++", 5: "SKEL"}
_CODEC = 2              # its version
_CODECS = frozenset({"smplVersion", "bodyPose", "codecVersion"})

# An ordinary rest pose of the family: from each joint's parent, metres, to the nearest half centimetre. The models
# themselves may not be passed on; what a motion needs of them is how thighs and shins lie at rest, and about how long
# they are.
_LEFT = {
    "left_hip": (0.06, -0.09, -0.01),
    "left_knee": (0.04, -0.38, 0.0),
    "left_ankle": (-0.015, -0.41, -0.04),
    "left_foot": (0.04, -0.06, 0.125),
    "left_collar": (0.075, 0.115, -0.02),
    "left_shoulder": (0.115, 0.045, -0.015),
    "left_elbow": (0.26, -0.015, -0.025),
    "left_wrist": (0.265, 0.01, -0.005),
    "left_eye": (0.03, 0.06, 0.08),
    "left_hand": (0.085, -0.01, -0.015),
    "left_index1": (0.10, 0.0, 0.03),
    "left_middle1": (0.105, 0.0, 0.005),
    "left_ring1": (0.10, 0.0, -0.02),
    "left_pinky1": (0.09, 0.0, -0.04),
    "left_thumb1": (0.025, -0.015, 0.025),
    "left_thumb2": (0.025, 0.0, 0.025),
    "left_thumb3": (0.025, 0.0, 0.02),
} | {f"left_{finger}{k}": (0.03, 0.0, 0.0) for finger in ("index", "middle", "ring", "pinky") for k in (2, 3)}
_OFFSETS = {
    "pelvis": (0.0, 0.0, 0.0),
    "spine1": (0.0, 0.12, -0.03),
    "spine2": (0.0, 0.135, 0.02),
    "spine3": (0.0, 0.055, 0.0),
    "neck": (0.0, 0.21, -0.03),
    "head": (0.0, 0.08, 0.05),
    "jaw": (0.0, 0.01, 0.02),
    **_LEFT,
    **{joint.replace("left", "right"): (-x, y, z) for joint, (x, y, z) in _LEFT.items()},
}
_SOLES = {          # heels and tips of the toes
    "left_ankle": (0.0, -0.085, -0.04),
    "right_ankle": (0.0, -0.085, -0.04),
    "left_foot": (0.0, -0.025, 0.06),
    "right_foot": (0.0, -0.025, 0.06),
}


def is_smpl(names: Collection[str]) -> bool:
    """Whether a file with fields of these names is of AMASS or its kin, or of the .smpl codec."""
    return bool(set(names) & _CODECS) or has_poses(names)


def read_smpl(path: Path, fps: float | None = None) -> Recording:
    """A motion of the SMPL family, Y up, out of a container.

    fps  frames a second, where the file does not say; None: 30

    AMASS's two layouts are told by their fields: SMPL-H with `poses` [T, 156] and `mocap_framerate`, SMPL-X with
    `poses` [T, 165] (or its parts) and `mocap_frame_rate`; SMPL's `poses` [T, 72] too, and what programs that look at
    videos call them (`smpl_fields`). The .smpl codec has `bodyPose`, `headPose`, hands and `frameRate`. Which axis is
    up is told from the trunk; where it lies down all the time AMASS means Z and the others Y. A hand whose fingers are
    never turned was not recorded: it keeps its body's rest pose. Proportions are an ordinary person's: shapes
    (`betas`) mean nothing without the model.

    Raises InputError where the file is damaged, holds no motion, or one of another model.
    """
    names = array_names(path)
    if names & _CODECS:
        return _checked(_codec(path), str(path), z_up=False)
    fields = read_arrays(path, sorted(WANTED & names))
    return from_fields(fields, names, str(path), fps)


def from_fields(fields: Mapping[str, np.ndarray], names: Collection[str], source: str, fps: float | None) -> Recording:
    """The same out of fields that are read already; `names` of all fields of the file, for messages."""
    found = read_fields(fields, names, source, fps)
    return _checked(found, source, z_up=not found.camera)


def _checked(found: SmplFields, source: str, *, z_up: bool) -> Recording:
    """The recording of checked numbers; `z_up` is meant where the trunk does not tell."""
    count = len(found.poses)
    if found.poses.shape[1] not in _JOINTS or not 0 < count <= MAX_FRAMES:
        raise InputError(f"{source} has {count} poses of {found.poses.shape[1]} joints, not of SMPL")
    rotations, places = torch.from_numpy(found.poses), found.places
    if not (rotations.isfinite().all() and (np.abs(places) <= _FARTHEST).all()):
        raise InputError(f"{source} is damaged: it holds numbers that are not finite, or places beyond the world")
    root = roma.rotvec_to_rotmat(rotations[:, 0])
    trunk = root[:, :, 1].mean(0)
    up = torch.tensor([0.0, 0.0, 1.0] if z_up else [0.0, 1.0, 0.0])
    if found.camera and trunk[1] < -_UPRIGHT:                       # a camera's axes: y down
        up = torch.tensor([0.0, -1.0, 0.0])
    elif trunk[1:].max() > _UPRIGHT:
        up = torch.tensor([0.0, 0.0, 1.0] if trunk[2] > trunk[1] else [0.0, 1.0, 0.0])
    places, notes = in_metres(places, int(up.abs().argmax()), found.fps, source)
    turn = {1.0: torch.eye(3), -1.0: torch.diag(torch.tensor([1.0, -1.0, -1.0]))}.get(float(up[1]), _FROM_Z_UP)
    if not torch.equal(turn, torch.eye(3)):
        rotations = torch.cat([roma.rotmat_to_rotvec(turn @ root)[:, None], rotations[:, 1:]], dim=1)
    recording = _recording(rotations, torch.from_numpy(places) @ turn.T, found.fps, source)
    hands = {joint for joint in _HANDS if joint in recording.names}
    still = {joint for joint in hands if not rotations[:, _hand(recording.names, joint)].any()}
    bones = {bone: chain for bone, chain in recording.bones.items() if recording.names[chain[0]] not in still}
    return replace(recording, bones=bones, upright=True, notes=found.notes + notes)


def _hand(names: tuple[str, ...], joint: str) -> list[int]:
    """The finger joints of the hand that a finger joint is on."""
    side = joint.partition("_")[0]
    return [k for k, name in enumerate(names) if name in _HANDS and name.startswith(side)]


def _recording(rotations: Tensor, places: Tensor, fps: float, source: str) -> Recording:
    joints = _JOINTS[rotations.shape[1]]
    offsets = torch.tensor([_OFFSETS[joint] for joint in joints])
    positions = offsets.expand(len(places), -1, -1).clone()
    positions[:, 0] = places
    return Recording(
        names=joints,
        parents=tuple(joints.index(parent) if (parent := _above(joint)) else -1 for joint in joints),
        offsets=offsets,
        ends={joints.index(joint): torch.tensor(end) for joint, end in _SOLES.items()},
        rotations=rotations,
        positions=positions,
        fps=fps,
        source=source,
        bones={bone: (joints.index(joint),) for bone, joint in _bones().items() if joint in joints},
    )


def _bones() -> dict[str, str]:
    return {bone: SMPLX_HUMANOID[bone] for bone in PARENT if bone in SMPLX_HUMANOID}


def _above(joint: str) -> str | None:
    """The parent of a joint."""
    if joint == "pelvis":
        return None
    if joint == "jaw":
        return "head"
    if joint in ("left_hand", "right_hand"):
        return joint.replace("hand", "wrist")
    bones = _bones()
    bone = next(bone for bone, name in bones.items() if name == joint)
    return bones[nearest_parent(bone, set(bones))]


def _codec(path: Path) -> SmplFields:
    """The fields of a .smpl file."""
    sizes = {"bodyPose": 22, "headPose": 3, "leftHandPose": 15, "rightHandPose": 15}
    found = read_arrays(path, ("smplVersion", "frameCount", "frameRate", "bodyTranslation", *sizes))
    version = _scalar(found.get("smplVersion", np.array(2)))
    if version not in _MODELS:
        name = _FOREIGN.get(version, f"the codec's model {version}")
        raise InputError(f"{path} is of {name}, whose joints are others; dinar reads {', '.join(_MODELS.values())}")
    if "bodyPose" not in found:
        raise InputError(f"{path} holds a body but no motion: it has no bodyPose")
    body = _numbers(path, "bodyPose", found["bodyPose"])
    count = len(body)
    rate = found.get("frameRate", np.array(30.0) if count == 1 else None)
    if _scalar(rate) is None:
        raise InputError(f"{path} does not say its frame rate: it has no frameRate")
    trans = _numbers(path, "bodyTranslation", found.get("bodyTranslation", np.zeros((count, 3))))
    if trans.shape != (count, 3):
        raise InputError(f"{path} has {count} poses and places {list(trans.shape)}, which do not fit")
    if not (np.isfinite(_scalar(rate)) and _scalar(rate) > 0):
        raise InputError(f"{path} says no frame rate above 0")
    body = body.reshape(count, -1, 3)
    if body.shape[1] == 24:
        return SmplFields(body, trans, _scalar(rate), False, ())
    parts = [body]
    for part, joints in list(sizes.items())[1:]:
        given = _numbers(path, part, found.get(part, np.zeros((count, joints, 3)))).reshape(-1, joints, 3)
        if len(given) != count:
            raise InputError(f"{path} is damaged: its poses have different lengths")
        parts.append(given)
    return SmplFields(np.concatenate(parts, axis=1), trans, _scalar(rate), False, ())


def _scalar(array: np.ndarray | None) -> float | None:
    """A single number, None for anything else."""
    return float(array.reshape(())) if array is not None and array.dtype.kind in "fiu" and array.size == 1 else None


def _numbers(path: Path, name: str, array: np.ndarray) -> np.ndarray:
    """float32; InputError for what holds no numbers or no frames."""
    if array.dtype.kind not in "fiu" or array.ndim < 2 or not array.size:
        raise InputError(f"{path} is damaged: its {name} holds no frames of numbers")
    return array.astype(np.float32)


def write_amass(path: Path, names: tuple[str, ...], rotations: Tensor, hips: Tensor, fps: float) -> None:
    """Write the fields of a Motion in AMASS's SMPL-X layout, Z up, of the mean shape; both spellings of the rate."""
    poses, places = _smplx_pose(names, rotations, hips)
    root = _FROM_Z_UP.T @ roma.rotvec_to_rotmat(poses[:, 0])
    poses[:, 0] = roma.rotmat_to_rotvec(root)
    flat = poses.flatten(1).numpy()
    fields = {
        "gender": "neutral",
        "surface_model_type": "smplx",
        "mocap_frame_rate": float(fps),
        "mocap_framerate": float(fps),
        "mocap_time_length": len(flat) / float(fps),
        "trans": (places @ _FROM_Z_UP - _PELVIS).numpy(),
        "poses": flat,
        "betas": np.zeros(16, np.float32),
        "num_betas": 16,
        "root_orient": flat[:, :3],
        "pose_body": flat[:, 3:66],
        "pose_jaw": flat[:, 66:69],
        "pose_eye": flat[:, 69:75],
        "pose_hand": flat[:, 75:],
    }
    with path.open("wb") as file:
        np.savez_compressed(file, **fields)


def write_smpl(path: Path, names: tuple[str, ...], rotations: Tensor, hips: Tensor, fps: float) -> None:
    """Write the fields of a Motion as a .smpl file: SMPL-X, Y up, of the mean shape."""
    poses, places = _smplx_pose(names, rotations, hips)
    poses = poses.numpy().astype(np.float32)
    fields = {
        "codecVersion": np.int32(_CODEC),
        "smplVersion": np.int32(2),
        "gender": np.int32(0),
        "shapeParameters": np.zeros(10, np.float32),
        "frameCount": np.int32(len(poses)),
        "frameRate": np.float32(fps),
        "bodyTranslation": (places - _PELVIS).numpy().astype(np.float32),
        "bodyPose": poses[:, :22],
        "headPose": poses[:, 22:25],
        "leftHandPose": poses[:, 25:40],
        "rightHandPose": poses[:, 40:],
    }
    with path.open("wb") as file:
        np.savez_compressed(file, **fields)


def _smplx_pose(names: tuple[str, ...], rotations: Tensor, hips: Tensor) -> tuple[Tensor, Tensor]:
    """SMPL-X's rotation vectors [T, 55, 3] and the pelvis' places [T, 3], Y up.

    Bones that the motion does not name stay as in the T-pose.
    """
    still = _recording(torch.zeros(1, len(SMPLX_JOINTS), 3), torch.zeros(1, 3), 1.0, "SMPL-X")
    stance = from_pose(still.bones, still.at_rest(), Skeleton(*still.global_pose()), {})
    own = dict(zip(names, roma.rotvec_to_rotmat(rotations.cpu()).unbind(1), strict=True))
    identity = torch.eye(3).expand(len(hips), 3, 3)
    bone_of = {chain[0]: bone for bone, chain in still.bones.items()}
    posed: dict[str, Tensor] = {}                       # global rotations, relative to the T-pose
    turned: list[Tensor] = []                           # global rotations, relative to SMPL-X at rest
    local = []
    for joint, parent in enumerate(still.parents):
        above = turned[parent] if parent >= 0 else identity
        bone = bone_of.get(joint)
        if bone is None:
            turned.append(above)
        else:
            over = PARENT[bone]
            posed[bone] = (posed[over] if over else identity) @ own.get(bone, identity)
            turned.append(posed[bone] @ stance.frames[bone])
        local.append(above.transpose(-1, -2) @ turned[joint])
    height = stance.hip_height({bone: points for bone, (_, points) in still.soles(still.bones).items()})
    return roma.rotmat_to_rotvec(torch.stack(local, dim=1)), hips.cpu() * height
