"""VRM's expressions and gaze, told by the facial actions of the body."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dinar.body.model import BodyModel
from dinar.export.glb import Document

EXPRESSIONS: Mapping[str, Mapping[str, float]] = {
    "neutral": {},
    "happy": {
        "mouthSmileLeft": 0.9, "mouthSmileRight": 0.9, "cheekSquintLeft": 0.6, "cheekSquintRight": 0.6,
        "eyeSquintLeft": 0.3, "eyeSquintRight": 0.3,
    },
    "angry": {
        "browDownLeft": 1.0, "browDownRight": 1.0, "noseSneerLeft": 0.6, "noseSneerRight": 0.6,
        "mouthPressLeft": 0.6, "mouthPressRight": 0.6, "mouthFrownLeft": 0.4, "mouthFrownRight": 0.4,
    },
    "sad": {
        "browInnerUp": 1.0, "mouthFrownLeft": 0.9, "mouthFrownRight": 0.9, "mouthShrugLower": 0.4,
        "eyeSquintLeft": 0.2, "eyeSquintRight": 0.2,
    },
    "relaxed": {
        "mouthSmileLeft": 0.4, "mouthSmileRight": 0.4, "eyeBlinkLeft": 0.25, "eyeBlinkRight": 0.25,
    },
    "surprised": {
        "browInnerUp": 0.8, "browOuterUpLeft": 0.9, "browOuterUpRight": 0.9, "eyeWideLeft": 1.0, "eyeWideRight": 1.0,
        "jawOpen": 0.4,
    },
    "aa": {"jawOpen": 0.6},
    "ih": {"jawOpen": 0.15, "mouthStretchLeft": 0.6, "mouthStretchRight": 0.6},
    "ou": {"jawOpen": 0.15, "mouthPucker": 0.8},
    "ee": {"jawOpen": 0.2, "mouthSmileLeft": 0.4, "mouthSmileRight": 0.4,
           "mouthLowerDownLeft": 0.4, "mouthLowerDownRight": 0.4},
    "oh": {"jawOpen": 0.35, "mouthFunnel": 0.7},
    "blink": {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    "blinkLeft": {"eyeBlinkLeft": 1.0},
    "blinkRight": {"eyeBlinkRight": 1.0},
    "lookUp": {"eyeLookUpLeft": 1.0, "eyeLookUpRight": 1.0},
    "lookDown": {"eyeLookDownLeft": 1.0, "eyeLookDownRight": 1.0},
    "lookLeft": {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0},
    "lookRight": {"eyeLookInLeft": 1.0, "eyeLookOutRight": 1.0},
}  # fmt: skip
"""VRM's presets as strengths of ARKit's facial actions."""

FULL_GAZE = {"HorizontalInner": 14.6, "HorizontalOuter": 14.1, "VerticalDown": 10.9, "VerticalUp": 9.6}
"""Degrees that the open body's eyes turn at strength 1 of looking in, out, down and up."""


def between_eyes(model: BodyModel, joints: np.ndarray) -> np.ndarray:
    """From the head's joint to the middle of the eyes [3], in the world's axes at rest; joints [J, 3], metres."""
    eyes = (joints[model.humanoid["leftEye"]] + joints[model.humanoid["rightEye"]]) / 2
    return eyes - joints[model.humanoid["head"]]


def targets(document: Document, mesh: int, strengths: Mapping[str, float]) -> list[tuple[int, float]]:
    """Numbers and weights of a mesh's morph targets that make some strengths of actions."""
    names = document.tree["meshes"][mesh]["extras"]["targetNames"]
    return [(names.index(action), weight) for action, weight in strengths.items()]
