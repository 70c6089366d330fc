"""Named points of a person in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

BODY = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer",
    "left_ear", "right_ear", "mouth_left", "mouth_right",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index", "left_thumb", "right_thumb",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "left_heel", "right_heel",
    "left_foot_index", "right_foot_index",
)  # fmt: skip
"""BlazePose's 33 points in its order."""

_SWAP = {"left": "right", "right": "left"}
MIRRORED = tuple(BODY.index("_".join(_SWAP.get(word, word) for word in name.split("_"))) for name in BODY)
"""Of each of them the one on the other side of the body."""

HAND = ("wrist", *(f"{finger}{k}" for finger in ("thumb", "index", "middle", "ring", "pinky") for k in range(1, 5)))
"""The 21 points of a hand, 1 at the knuckle and 4 at the tip; names in `Landmarks` are {left,right}_hand_{...}."""

FACE = tuple(f"face_{k}" for k in range(17, 68))
"""The inner 51 points of the iBUG-68 numbering: brows, nose, eyes, lips (no jaw line)."""

HEAD = BODY[:11]


def hand_names(side: str) -> tuple[str, ...]:
    """The 21 names of the "left" or "right" hand."""
    return tuple(f"{side}_hand_{name}" for name in HAND)


@dataclass(frozen=True)
class Landmarks:
    """Points of one person; left is the person's own left. Arrays while a picture is looked at, which needs no torch;
    `tensors` in a `Photo`.

    names       N names
    xy          float32 [N, 2]  pixels
    confidence  float32 [N]     in [0, 1]; 0 for a point that was not found or lies outside the picture
    world       float32 [N, 3]  metres about the hips' middle, OpenCV axes (x right, y down, z away), NaN where unknown
    """

    names: tuple[str, ...]
    xy: np.ndarray | Tensor
    confidence: np.ndarray | Tensor
    world: np.ndarray | Tensor

    def __post_init__(self) -> None:
        n = len(self.names)
        if len(set(self.names)) != n or [*self.xy.shape, *self.confidence.shape, *self.world.shape] != [n, 2, n, n, 3]:
            raise ValueError(f"landmarks disagree in number: {n} names, {self.xy.shape[0]} points")

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def select(self, names: Sequence[str]) -> Self:
        """The given points in the given order; KeyError where one is absent."""
        place = {name: i for i, name in enumerate(self.names)}
        rows = [place[name] for name in names]
        return replace(
            self, names=tuple(names), xy=self.xy[rows], confidence=self.confidence[rows], world=self.world[rows]
        )

    def joined(self, other: Self) -> Self:
        """These points and then the other ones, both arrays; no name may occur twice."""
        return replace(
            self,
            names=self.names + other.names,
            xy=np.concatenate([self.xy, other.xy]),
            confidence=np.concatenate([self.confidence, other.confidence]),
            world=np.concatenate([self.world, other.world]),
        )

    def moved(self, x: float, y: float, scale: float) -> Self:
        """The same points, arrays, in a window: pixel p becomes (p - (x, y)) * scale."""
        return replace(self, xy=(self.xy - np.array([x, y], np.float32)) * np.float32(scale))

    def tensors(self) -> Self:
        """The same arrays as tensors."""
        import torch

        return replace(
            self,
            xy=torch.from_numpy(self.xy),
            confidence=torch.from_numpy(self.confidence),
            world=torch.from_numpy(self.world),
        )

    def other_sides(self) -> Self:
        """The same points with the names of the person's left and right exchanged."""
        names = ("_".join(_SWAP.get(word, word) for word in name.split("_")) for name in self.names)
        return replace(self, names=tuple(names))

    def seen(self, name: str, threshold: float = 0.5) -> bool:
        """Whether the point exists and is trusted."""
        return name in self.names and float(self.confidence[self.names.index(name)]) >= threshold
