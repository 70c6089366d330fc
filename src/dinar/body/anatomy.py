"""Names of joints, humanoid bones and landmarks on each body model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

Landmark: TypeAlias = tuple[str | int, ...] | Mapping[str | int, float]
"""The mean of some joints (names) and vertices (numbers), or their sum with weights that add up to 1."""


def _sides(table: dict[str, str], left: tuple[str, str], right: tuple[str, str]) -> dict[str, str]:
    """Adds the right side to a table of the left: `left` -> `right` in its keys and in its values."""
    mirrored = {key.replace(left[0], right[0]): value.replace(left[1], right[1]) for key, value in table.items()}
    return table | mirrored


_FINGERS = ("Thumb", "Index", "Middle", "Ring", "Little")


def _finger_bones(joint: str) -> dict[str, str]:
    """VRM's finger bones of the left hand; `joint` is a format of the finger's and the phalanx' numbers from 1."""
    bones = {}
    for f, finger in enumerate(_FINGERS, start=1):
        parts = ("Metacarpal", "Proximal", "Distal") if finger == "Thumb" else ("Proximal", "Intermediate", "Distal")
        bones |= {f"left{finger}{part}": joint.format(f, p) for p, part in enumerate(parts, start=1)}
    return bones


OPEN_HUMANOID = {
    "hips": "root",
    "spine": "spine04",
    "chest": "spine02",
    "upperChest": "spine01",
    "neck": "neck01",
    "head": "head",
} | _sides(
    {
        "leftEye": "eye.L",
        "leftShoulder": "clavicle.L",
        "leftUpperArm": "upperarm01.L",
        "leftLowerArm": "lowerarm01.L",
        "leftHand": "wrist.L",
        "leftUpperLeg": "upperleg01.L",
        "leftLowerLeg": "lowerleg01.L",
        "leftFoot": "foot.L",
        "leftToes": "toe1-1.L",
    }
    | _finger_bones("finger{}-{}.L"),
    ("left", ".L"),
    ("right", ".R"),
)

SMPLX_JOINTS = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle",
    "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "jaw", "left_eye", "right_eye",
    *(f"{side}_{finger}{k}" for side in ("left", "right") for finger in ("index", "middle", "pinky", "ring", "thumb")
      for k in (1, 2, 3)),
)  # fmt: skip

_SMPLX_FINGERS = dict(zip(range(1, 6), ("thumb", "index", "middle", "ring", "pinky"), strict=True))

SMPLX_HUMANOID = {
    "hips": "pelvis",
    "spine": "spine1",
    "chest": "spine2",
    "upperChest": "spine3",
    "neck": "neck",
    "head": "head",
    "jaw": "jaw",
} | _sides(
    {
        "leftEye": "left_eye",
        "leftShoulder": "left_collar",
        "leftUpperArm": "left_shoulder",
        "leftLowerArm": "left_elbow",
        "leftHand": "left_wrist",
        "leftUpperLeg": "left_hip",
        "leftLowerLeg": "left_knee",
        "leftFoot": "left_ankle",
        "leftToes": "left_foot",
    }
    | {
        bone: "left_" + _SMPLX_FINGERS[int(place[0])] + place[1]
        for bone, place in _finger_bones("{}{}").items()
    },
    ("left", "left"),
    ("right", "right"),
)


def _hand(joint: str, fingers: tuple[str, ...], tips: tuple[int, ...], wrist: str) -> dict[str, Landmark]:
    """The left hand's 21 points; `joint` is a format of a finger's name and the phalanx' number from 1."""
    points: dict[str, Landmark] = {"left_hand_wrist": (wrist,)}
    for name, finger, tip in zip(("thumb", "index", "middle", "ring", "pinky"), fingers, tips, strict=True):
        points |= {f"left_hand_{name}{k}": (joint.format(finger, k),) for k in (1, 2, 3)}
        points[f"left_hand_{name}4"] = (tip,)
    return points


def _both_sides(table: dict[str, Landmark], names: tuple[str, str], vertices: dict[int, int]) -> dict[str, Landmark]:
    """Adds the right side to a table of the left: by joint name, and by the vertex on the other side."""

    def other(point: str | int) -> str | int:
        return point.replace(*names) if isinstance(point, str) else vertices[point]

    mirrored: dict[str, Landmark] = {}
    for key, points in table.items():
        sides = [other(point) for point in points]
        weighted = isinstance(points, Mapping)
        found = dict(zip(sides, points.values(), strict=True)) if weighted else tuple(sides)
        mirrored[key.replace("left", "right")] = found
    return table | mirrored


# The inner 51 points of the iBUG-68 face on the open body, from 17 on: where a face mesh network (MediaPipe's) finds
# them on 24 rendered heads, mean over both sides; median error 2.7 px of a 300 px face.
_OPEN_FACE = (
    255, 225, 224, 205, 208, 6967, 6964, 6982, 6983, 7008, 136, 131, 201, 5118, 334, 314, 317, 7061, 7080, 21, 4833,
    4849, 4854, 6756, 1068, 6837, 11451, 11435, 11440, 7744, 13336, 424, 5338, 456, 466, 7199, 11924, 7151, 7223, 7229,
    492, 490, 484, 415, 462, 468, 7205, 7159, 7226, 493, 487,
)  # fmt: skip

# Where BlazePose sees them on made-up people, told by tools/build_landmarks.py, but for wrists and toes. Shoulders lie
# 30 mm beyond the arm's joint, seen from the elbow: above it where arms hang, beside it where they are stretched out.
_OPEN_LEFT: dict[str, Landmark] = {
    "left_eye": ("eye.L",),
    "left_eye_inner": (6837,),
    "left_eye_outer": (11440,),
    "left_ear": (7564, 11702),
    "mouth_left": (7151,),
    "left_shoulder": {"upperarm01.L": 1.11, "lowerarm01.L": -0.11},
    "left_elbow": (8402, 9993),
    "left_wrist": ("wrist.L",),
    "left_pinky": (9848, 10286),
    "left_index": (10269, 9750),
    "left_thumb": (10467, 9796),
    "left_hip": ("upperleg01.L", "upperleg01.L", 10939),
    "left_knee": (11184, 11235),
    "left_ankle": (12934, 12952),
    "left_heel": (12917, 12879),
    "left_foot_index": (13040, 11550),
    "left_big_toe": (11519,),
    "left_small_toe": (13248,),
} | _hand("finger{}-{}.L", ("1", "2", "3", "4", "5"), (9316, 8563, 8755, 8950, 9139), "wrist.L")

_OPEN_MIRROR = {
    6837: 4854, 11440: 21, 7151: 424, 11519: 4917, 13248: 6668, 9316: 2664, 8563: 1911, 8755: 2103,
    8950: 2298, 9139: 2487, 7564: 875, 11702: 5103, 8402: 1746, 9993: 3341,
    9848: 3196, 10286: 3634, 10269: 3617, 9750: 3098, 10467: 3817, 9796: 3144, 10939: 4330, 11184: 4582,
    11235: 4633, 12934: 6353, 12952: 6371, 12917: 6336, 12879: 6298, 13040: 6460, 11550: 4948,
}  # fmt: skip

OPEN_LANDMARKS: dict[str, Landmark] = (
    {
        "nose": (5038,),
        "neck": ("upperarm01.L", "upperarm01.R"),
        "mid_hip": ("upperleg01.L", "upperleg01.R"),
    }
    | _both_sides(_OPEN_LEFT, (".L", ".R"), _OPEN_MIRROR)
    | {f"face_{i}": (vertex,) for i, vertex in enumerate(_OPEN_FACE, start=17)}
)

_SMPLX_LEFT: dict[str, Landmark] = {
    "left_eye": (9448,),
    "left_ear": (6,),
    "left_shoulder": ("left_shoulder",),
    "left_elbow": ("left_elbow",),
    "left_wrist": ("left_wrist",),
    "left_pinky": ("left_pinky1",),
    "left_index": ("left_index1",),
    "left_thumb": ("left_thumb2",),
    "left_hip": ("left_hip",),
    "left_knee": ("left_knee",),
    "left_ankle": ("left_ankle",),
    "left_heel": (8846,),
    "left_foot_index": (5770,),
    "left_big_toe": (5770,),
    "left_small_toe": (5780,),
} | _hand("left_{}{}", ("thumb", "index", "middle", "ring", "pinky"), (5361, 4933, 5058, 5169, 5286), "left_wrist")

_SMPLX_MIRROR = {
    9448: 9929, 6: 616, 8846: 8635, 5770: 8463, 5780: 8474, 5361: 8079, 4933: 7669, 5058: 7794, 5169: 7905, 5286: 8022,
}  # fmt: skip

SMPLX_LANDMARKS: dict[str, Landmark] = {
    "nose": (9120,),
    "neck": ("neck",),
    "mid_hip": ("left_hip", "right_hip"),
} | _both_sides(_SMPLX_LEFT, ("left", "right"), _SMPLX_MIRROR)
