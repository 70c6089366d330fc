"""Single-shot detectors: anchors, decoding, and the merging of overlapping boxes (MediaPipe's BlazeFace family)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from dinar.photo.tflite import Network


@dataclass(frozen=True)
class Detection:
    """box [4] (left, top, right, bottom) and points [K, 2] in pixels of the picture; score in [0, 1]."""

    box: np.ndarray
    points: np.ndarray
    score: float


class Detector:
    """A detector of one kind of thing, with `points` key points a thing."""

    def __init__(self, network: Network, strides: Sequence[int], points: int) -> None:
        self.network = network
        self.points = points
        self.anchors = anchors(network.size, strides)

    def __call__(
        self, pixels: np.ndarray, window: tuple[int, int, int, int] | None = None, *, threshold: float = 0.5
    ) -> list[Detection]:
        """What is in a picture (uint8 [H, W, 3]), or in its window (left, top, right, bottom), best first."""
        h, w = pixels.shape[:2]
        left, top, right, bottom = window or (0, 0, w, h)
        left, top, right, bottom = max(0, left), max(0, top), min(w, right), min(h, bottom)
        if right - left < 2 or bottom - top < 2:
            return []
        image, scale, offset = _letterbox(pixels[top:bottom, left:right], self.network.size)
        raw, score = sorted(self.network(image * 2 - 1).values(), key=lambda a: -a.size)
        score = sigmoid(score.reshape(-1))
        keep = score > threshold
        raw = raw.reshape(-1, 2 + self.points, 2)[keep] / self.network.size
        centre = self.anchors[keep]
        raw[:, 0] += centre
        raw[:, 2:] += centre[:, None]
        half = raw[:, 1] / 2
        corners = np.stack([raw[:, 0] - half, raw[:, 0] + half], axis=1)
        everything = np.concatenate([corners, raw[:, 2:]], axis=1) * scale - offset + np.array([left, top])
        return merged(everything[:, :2].reshape(-1, 4), everything[:, 2:], score[keep])


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -80, 80)))


def anchors(size: int, strides: Sequence[int]) -> np.ndarray:
    """Centres [N, 2] in [0, 1]: two anchors a cell and layer, layers of equal stride interleaved."""
    out = []
    for stride in dict.fromkeys(strides):
        cells = -(-size // stride)
        y, x = np.mgrid[:cells, :cells]
        centre = (np.stack([x, y], axis=-1).reshape(-1, 2) + 0.5) / cells
        out.append(centre.repeat(2 * strides.count(stride), axis=0))
    return np.concatenate(out).astype(np.float32)


def merged(boxes: np.ndarray, points: np.ndarray, scores: np.ndarray, *, overlap: float = 0.3) -> list[Detection]:
    """Boxes that overlap a better one are averaged with it, weighted by their scores."""
    out = []
    order = np.argsort(-scores)
    while order.size:
        iou = overlaps(boxes[order[0]], boxes[order])
        group = iou > overlap
        group[0] = True
        weights = scores[order[group]]
        weights = weights / weights.sum()
        box = np.tensordot(weights, boxes[order[group]], 1)
        out.append(Detection(box, np.tensordot(weights, points[order[group]], 1), float(scores[order[0]])))
        order = order[~group]
    return out


def overlaps(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of one box [4] with others [N, 4]."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[2:], boxes[:, 2:])
    inner = np.clip(high - low, 0, None).prod(axis=1)
    area = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(axis=1)
    return inner / np.maximum(area + np.clip(box[2:] - box[:2], 0, None).prod() - inner, 1e-9)


def _letterbox(pixels: np.ndarray, size: int) -> tuple[np.ndarray, float, np.ndarray]:
    """The picture centred in a black square: [size, size, 3] in [0, 1]; picture pixel = unit * scale - offset."""
    h, w = pixels.shape[:2]
    side = max(h, w)
    inner = max(1, round(w * size / side)), max(1, round(h * size / side))
    method = cv2.INTER_AREA if size < side else cv2.INTER_LINEAR
    out = np.zeros((size, size, 3), np.float32)
    x, y = (size - inner[0]) // 2, (size - inner[1]) // 2
    out[y : y + inner[1], x : x + inner[0]] = cv2.resize(pixels, inner, interpolation=method) / np.float32(255)
    return out, float(side), np.array([x, y]) * (side / size)
