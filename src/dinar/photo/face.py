"""The face: a detector in the head's surroundings, then MediaPipe's mesh, of which 51 points have iBUG-68 names."""

from __future__ import annotations

import math

import numpy as np

from dinar.photo.blazepose import Person
from dinar.photo.detection import Detection, Detector, sigmoid
from dinar.photo.landmarks import FACE, HEAD, Landmarks
from dinar.photo.regions import Region
from dinar.photo.tflite import Network

MESH_INDEX = (
    *(70, 63, 105, 66, 107),                                     # right brow, outer end first
    *(336, 296, 334, 293, 300),                                  # left brow, inner end first
    *(168, 197, 5, 4),                                           # bridge of the nose
    *(75, 97, 2, 326, 305),                                      # nostrils
    *(33, 160, 158, 133, 153, 144),                              # right eye
    *(362, 385, 387, 263, 373, 380),                             # left eye
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),      # outer lips
    *(78, 82, 13, 312, 308, 317, 14, 87),                        # inner lips
)  # fmt: skip
"""Vertices of MediaPipe's 468-point face mesh at iBUG's points 17 to 67."""

SAME_IN_FACE = {
    "nose": (30,),
    "left_eye_inner": (42,), "left_eye": tuple(range(42, 48)), "left_eye_outer": (45,),
    "right_eye_inner": (39,), "right_eye": tuple(range(36, 42)), "right_eye_outer": (36,),
    "mouth_left": (54,), "mouth_right": (48,),
}  # fmt: skip
"""Body points and the iBUG points whose mean they are."""


class Face:
    """Face detector and face mesh together."""

    def __init__(self, detector: Network, mesh: Network) -> None:
        self.detector = Detector(detector, (8, 16, 16, 16), points=6)
        self.network = mesh

    def __call__(self, pixels: np.ndarray, person: Person) -> Landmarks | None:
        """The 51 points of a person's face in a picture (uint8 [H, W, 3]); None where no face is seen."""
        found = self._detection(pixels, person)
        if found is None:
            return None
        right_eye, left_eye = found.points[:2]
        angle = math.atan2(*(left_eye - right_eye)[::-1])
        middle = (found.box[:2] + found.box[2:]) / 2
        region = Region(
            float(middle[0]), float(middle[1]), 1.5 * float(np.ptp(found.box.reshape(2, 2), axis=0).max()), angle
        )
        size = self.network.size
        mesh, score = sorted(self.network(region.draw(pixels, size)).values(), key=lambda a: -a.size)
        confidence = float(sigmoid(score.reshape(-1)[0]))
        if confidence < 0.5:
            return None
        xy = region.to_picture(mesh.reshape(-1, 3)[list(MESH_INDEX), :2], size)
        h, w = pixels.shape[:2]
        inside = (xy >= 0).all(axis=1) & (xy <= (w, h)).all(axis=1)
        return Landmarks(
            FACE,
            xy.astype(np.float32),
            (inside * confidence).astype(np.float32),
            np.full((len(FACE), 3), math.nan, np.float32),
        )

    def _detection(self, pixels: np.ndarray, person: Person) -> Detection | None:
        """The best face whose nose is where the body's nose is."""
        head = person.xy[: len(HEAD)]
        shoulders = np.linalg.norm(person.point("left_shoulder") - person.point("right_shoulder"))
        reach = max(1.6 * np.ptp(head, axis=0).max(), 0.5 * shoulders)
        x, y = head.mean(axis=0)
        window = round(x - reach), round(y - reach), round(x + reach), round(y + reach)
        for detection in self.detector(pixels, window):
            if np.linalg.norm(detection.points[2] - person.point("nose")) < 0.5 * np.ptp(
                detection.box.reshape(2, 2)[:, 0]
            ):
                return detection
        return None
