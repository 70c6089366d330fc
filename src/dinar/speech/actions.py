"""What a speaking and looking face does, as strengths of ARKit's 52 facial actions.

The fifteen visemes are Oculus' (OVRLipSync's: the sounds of MPEG-4's fourteen, and silence). Which actions make which
is told by how a sound is made: where lips, teeth and tongue are (International Phonetic Association, Handbook, 1999,
part 1); aa and O were looked at on the open body.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

VISEMES: Mapping[str, Mapping[str, float]] = {
    "viseme_sil": {},
    "viseme_PP": {                                                      # p b m: lips pressed together
        "mouthPressLeft": 0.6, "mouthPressRight": 0.6, "mouthRollLower": 0.35, "mouthRollUpper": 0.35,
    },
    "viseme_FF": {                                                      # f v: lower lip to the upper teeth
        "jawOpen": 0.06, "mouthRollLower": 0.6, "mouthUpperUpLeft": 0.35, "mouthUpperUpRight": 0.35,
    },
    "viseme_TH": {                                                      # th: tongue between the teeth
        "jawOpen": 0.16, "tongueOut": 0.35, "mouthLowerDownLeft": 0.2, "mouthLowerDownRight": 0.2,
    },
    "viseme_DD": {                                                      # t d: tongue behind the upper teeth
        "jawOpen": 0.14, "mouthLowerDownLeft": 0.25, "mouthLowerDownRight": 0.25, "mouthUpperUpLeft": 0.15,
        "mouthUpperUpRight": 0.15,
    },
    "viseme_kk": {                                                      # k g: back of the tongue up, jaw a little open
        "jawOpen": 0.2, "mouthLowerDownLeft": 0.15, "mouthLowerDownRight": 0.15, "mouthStretchLeft": 0.15,
        "mouthStretchRight": 0.15,
    },
    "viseme_CH": {                                                      # ch j sh: lips forward, teeth close
        "jawOpen": 0.1, "mouthFunnel": 0.5, "mouthPucker": 0.2,
    },
    "viseme_SS": {                                                      # s z: teeth close, lips apart and wide
        "jawOpen": 0.05, "mouthStretchLeft": 0.35, "mouthStretchRight": 0.35, "mouthLowerDownLeft": 0.3,
        "mouthLowerDownRight": 0.3, "mouthUpperUpLeft": 0.15, "mouthUpperUpRight": 0.15,
    },
    "viseme_nn": {                                                      # n l: as t and d, softer
        "jawOpen": 0.12, "mouthLowerDownLeft": 0.15, "mouthLowerDownRight": 0.15,
    },
    "viseme_RR": {                                                      # r: lips rounded a little
        "jawOpen": 0.14, "mouthFunnel": 0.35, "mouthPucker": 0.15,
    },
    "viseme_aa": {"jawOpen": 0.55},                                     # as in father
    "viseme_E": {                                                       # as in bed: half open, wide
        "jawOpen": 0.3, "mouthStretchLeft": 0.35, "mouthStretchRight": 0.35, "mouthSmileLeft": 0.15,
        "mouthSmileRight": 0.15,
    },
    "viseme_I": {                                                       # as in see: nearly closed, wide
        "jawOpen": 0.14, "mouthSmileLeft": 0.4, "mouthSmileRight": 0.4, "mouthLowerDownLeft": 0.3,
        "mouthLowerDownRight": 0.3,
    },
    "viseme_O": {"jawOpen": 0.35, "mouthFunnel": 0.7},                  # as in more: half open, round
    "viseme_U": {"jawOpen": 0.12, "mouthPucker": 0.75, "mouthFunnel": 0.25},   # as in too: nearly closed, round
}  # fmt: skip

EXTRAS: Mapping[str, Mapping[str, float]] = {
    "mouthOpen": {"jawOpen": 1.0},
    "mouthSmile": {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0},
    "eyesClosed": {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    "eyesLookUp": {"eyeLookUpLeft": 1.0, "eyeLookUpRight": 1.0},
    "eyesLookDown": {"eyeLookDownLeft": 1.0, "eyeLookDownRight": 1.0},
}
"""What Ready Player Me's files had beside both."""


def mixing(actions: Sequence[str]) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of all morph targets, and how each is made of a body's actions: float32 [M, E].

    The actions come first, then those of `VISEMES` and `EXTRAS` that the body has all actions for.
    """
    made = {
        name: strengths
        for name, strengths in {**VISEMES, **EXTRAS}.items()
        if set(strengths) <= set(actions) and (strengths or "jawOpen" in actions)
    }
    rows = np.zeros((len(actions) + len(made), len(actions)), np.float32)
    rows[: len(actions)] = np.eye(len(actions), dtype=np.float32)
    for row, strengths in zip(rows[len(actions) :], made.values(), strict=True):
        for action, strength in strengths.items():
            row[actions.index(action)] = strength
    return (*actions, *made), rows
