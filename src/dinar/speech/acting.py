"""A track of visemes -> a face that says it, blinks, and a head that moves a little: the same for the same seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from dinar.motion.motion import Motion
from dinar.speech.actions import mixing
from dinar.speech.track import NAMES, Track

_BLINK = 0.07, 0.03, 0.15       # seconds in which lids close, stay closed, and open
_BETWEEN = 1.8, 5.0             # seconds from one blink to the next
_SWAY = {"pitch": 1.3, "yaw": 2.6, "roll": 1.0}         # degrees that a head wanders
_PACE = 0.08, 0.45              # Hz
_WAVES = 4
_NOD = 2.5                      # degrees down while a syllable is loud
_EMPHASIS = 0.15                # seconds of a syllable
_BROWS = 0.25
_NECK = 0.4                     # of a turn is the neck's, the rest the head's
_HANGING = 68.0                 # degrees that arms hang below a T-pose's


@dataclass(frozen=True, eq=False)
class Performance:
    """How somebody speaks.

    actions    E names of facial actions
    strengths  float32 [T, E]  in [0, 1]
    motion     T frames of head and neck; arms hang
    """

    actions: tuple[str, ...]
    strengths: Tensor
    motion: Motion = field(repr=False)

    def __len__(self) -> int:
        return len(self.strengths)


def perform(
    track: Track,
    actions: Sequence[str],        # that the face has
    fps: float,
    *,
    seed: int = 0,
    still: bool = False,           # the mouth alone moves
) -> Performance:
    """A face that says a track, `fps` frames a second."""
    count = max(1, math.ceil(track.seconds * fps))
    said, loudness = track.at((np.arange(count) + 0.5) / fps)
    names, rows = mixing(actions)
    known = [k for k, name in enumerate(NAMES) if name in names]
    strengths = said[:, known] @ rows[[names.index(NAMES[k]) for k in known]]
    turns = np.zeros((count, 3))
    if not still:
        random = np.random.default_rng(seed % (1 << 64))
        emphasis = _emphasis(loudness, fps)
        turns = _head(count, fps, emphasis, random)
        for name, strength in _upper_face(count, fps, emphasis, random).items():
            if name in actions:
                column = strengths[:, actions.index(name)]
                np.maximum(column, strength, out=column)
    return Performance(
        tuple(actions), torch.from_numpy(strengths.clip(0, 1).astype(np.float32)), _motion(turns, fps)
    )


def _upper_face(count: int, fps: float, emphasis: np.ndarray, random: np.random.Generator) -> dict[str, np.ndarray]:
    """Blinks, and brows that rise with what is stressed [T]."""
    time = np.arange(count) / fps
    lids = np.zeros(count)
    close, shut, open_ = _BLINK
    start = random.uniform(0.5, 2.0)
    while start < time[-1]:
        since = time - start
        down, up = since / close, (close + shut + open_ - since) / open_
        lids = np.maximum(lids, np.clip(np.minimum(down, up), 0, 1))
        start += random.uniform(*_BETWEEN)
    lids = lids * lids * (3 - 2 * lids)
    return {"eyeBlinkLeft": lids, "eyeBlinkRight": lids, "browInnerUp": _BROWS * np.clip(emphasis, 0, 1)}


def _emphasis(loudness: np.ndarray, fps: float) -> np.ndarray:
    """How much louder than around it each moment is [T], syllable by syllable."""
    from scipy.ndimage import gaussian_filter1d

    near, far = (gaussian_filter1d(loudness, seconds * fps) for seconds in (_EMPHASIS, 6 * _EMPHASIS))
    return np.clip(near - far, -0.5, 0.5) * 2


def _head(count: int, fps: float, emphasis: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Rotation vectors [T, 3] of the head: it wanders, and nods with what is stressed."""
    time = np.arange(count)[:, None] / fps
    turns = []
    for degrees in _SWAY.values():
        pace, phase = random.uniform(*_PACE, _WAVES), random.uniform(0, 2 * math.pi, _WAVES)
        turns.append(degrees * np.sin(2 * math.pi * pace * time + phase).sum(1) / math.sqrt(_WAVES))
    turns[0] = turns[0] + _NOD * emphasis
    return np.radians(np.stack(turns, axis=1))


def _motion(turns: np.ndarray, fps: float) -> Motion:
    """Head and neck turned by [T, 3], arms hanging."""
    rotations = torch.zeros(len(turns), 4, 3)
    turned = torch.from_numpy(turns).float()
    rotations[:, 0], rotations[:, 1] = _NECK * turned, (1 - _NECK) * turned
    down = math.radians(_HANGING)
    rotations[:, 2, 2], rotations[:, 3, 2] = -down, down
    hips = torch.tensor([[0.0, 1.0, 0.0]]).repeat(len(turns), 1)
    return Motion(("neck", "head", "leftUpperArm", "rightUpperArm"), rotations, hips, float(fps))
