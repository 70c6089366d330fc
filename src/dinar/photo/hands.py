"""Hands: 21 points, searched where BlazePose sees knuckles (as MediaPipe Holistic does) and where forearms point."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dinar.photo.blazepose import Person
from dinar.photo.landmarks import BODY, Landmarks, hand_names
from dinar.photo.regions import Region
from dinar.photo.tflite import Network

LEAST = 0.5  # score from which on a hand is believed


@dataclass(frozen=True)
class _Hand:
    """21 points xy [21, 2] of the picture and world [21, 3] metres about the hand's middle, seen in a region."""

    region: Region
    xy: np.ndarray
    world: np.ndarray
    score: float


class Hands:
    """The networks that find a hand in the body's hand region, and its points."""

    def __init__(self, recrop: Network, landmarks: Network) -> None:
        self.recrop = recrop
        self.network = landmarks

    def __call__(self, pixels: np.ndarray, person: Person, side: str) -> Landmarks | None:
        """The `side` ("left", "right") hand of a person in a picture (uint8 [H, W, 3]); None where it is not seen.

        `world` continues the body's: metres about the hips' middle, the hand's own shape moved to the body's wrist.
        """
        elbow, wrist, index, pinky = (person.point(f"{side}_{name}") for name in ("elbow", "wrist", "index", "pinky"))
        if person.trust(f"{side}_wrist") < 0.3:
            return None
        fingers = (2 * index + pinky) / 3
        if min(np.linalg.norm(fingers - wrist), np.linalg.norm(wrist - elbow)) < 1:
            return None
        first = max(
            (self._look(pixels, region) for region in (self._region(pixels, fingers, wrist), _beyond(elbow, wrist))),
            key=lambda hand: hand.score,
        )
        best = max(first, self._look(pixels, _around(first.xy)), key=lambda hand: hand.score)
        if best.score < LEAST or np.linalg.norm(best.xy[0] - wrist) > 0.5 * best.region.side:
            return None
        h, w = pixels.shape[:2]
        inside = (best.xy >= 0).all(axis=1) & (best.xy <= (w, h)).all(axis=1)
        world = best.world - best.world[0] + person.world[BODY.index(f"{side}_wrist")]
        return Landmarks(
            hand_names(side),
            best.xy.astype(np.float32),
            (inside * min(best.score, person.trust(f"{side}_wrist"))).astype(np.float32),
            world.astype(np.float32),
        )

    def _look(self, pixels: np.ndarray, region: Region) -> _Hand:
        size = self.network.size
        out = self.network(region.draw(pixels, size))
        world = out["Identity_3"].reshape(21, 3).astype(np.float64)
        world[:, :2] = world[:, :2] @ region.rotation.T
        xy = region.to_picture(out["Identity"].reshape(21, 3)[:, :2], size)
        return _Hand(region, xy, world, min(1.0, float(out["Identity_1"].reshape(-1)[0])))

    def _region(self, pixels: np.ndarray, fingers: np.ndarray, wrist: np.ndarray) -> Region:
        """The upright square of the hand, fingers upwards, from the body's rough idea of wrist and fingers."""
        rough = _hanging(fingers, wrist).shifted(0, -0.1, 2.7)
        size = self.recrop.size
        found = next(iter(self.recrop(rough.draw(pixels, size)).values())).reshape(2, 2)
        centre, below = rough.to_picture(found, size)
        return _hanging(centre, below).shifted(0, -0.1, 1.0)


def _beyond(elbow: np.ndarray, wrist: np.ndarray) -> Region:
    """The square where the forearm points, as wide as it is long: better than the body's knuckles on stretched arms."""
    forearm = wrist - elbow
    return Region.around(wrist + 0.35 * forearm, wrist + 0.85 * forearm, 1.0)


def _around(points: np.ndarray) -> Region:
    """The square about the 21 points of a hand, turned so that the middle knuckles are above the wrist."""
    low, high = points.min(axis=0), points.max(axis=0)
    middle = (low + high) / 2
    upright = Region.around(middle, middle + points[[5, 9, 13]].mean(axis=0) - points[0], 1.0)
    return Region(upright.x, upright.y, 1.5 * max(float((high - low).max()), 1.0), upright.angle)


def _hanging(centre: np.ndarray, below: np.ndarray) -> Region:
    """The square about `centre` with `below` in the middle of its lower edge."""
    region = Region.around(centre, below, 1.0)
    return Region(region.x, region.y, region.side, region.angle + math.pi)
