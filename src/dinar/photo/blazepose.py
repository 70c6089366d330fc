"""BlazePose: persons, their 33 body points in 2D and 3D, and a coarse mask of each (Bazarevsky et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dinar.photo.detection import Detector, overlaps, sigmoid
from dinar.photo.landmarks import BODY, MIRRORED
from dinar.photo.regions import Region
from dinar.photo.tflite import Network

POINTS = len(BODY)
FILLING = 0.6    # of the picture's longer side: the region of somebody beside whom small people do not count


@dataclass(frozen=True)
class Person:
    """One person as BlazePose sees them, in pixels of the picture.

    xy          [33, 2]    body points
    confidence  [33]       in [0, 1]; 0 outside the picture
    world       [33, 3]    metres about the hips' middle, OpenCV axes
    score       float      that there is a person
    region      Region     where the network looked
    mask        [256, 256] probability of the person's pixels, in the region
    """

    xy: np.ndarray
    confidence: np.ndarray
    world: np.ndarray
    score: float
    region: Region
    mask: np.ndarray

    @property
    def box(self) -> np.ndarray:
        """Box [4] (left, top, right, bottom) around the points that are trusted."""
        points = self.xy[self.confidence > 0.5] if (self.confidence > 0.5).sum() > 3 else self.xy
        return np.concatenate([points.min(axis=0), points.max(axis=0)])

    @property
    def pixels(self) -> np.ndarray:
        """Points [N, 2] of the picture, one for each cell of the mask that is more likely the person than not."""
        rows, columns = np.nonzero(self.mask > 0.5)
        return self.region.to_picture(np.column_stack([columns, rows]) + 0.5, self.mask.shape[0])

    @property
    def faces_away(self) -> bool:
        """Whether the back of the head is seen: the nose is farther away than the ears."""
        nose, *ears = (self.world[BODY.index(name), 2] for name in ("nose", "left_ear", "right_ear"))
        return bool(nose > sum(ears) / 2)

    def point(self, name: str) -> np.ndarray:
        return self.xy[BODY.index(name)]

    def covers(self, points: np.ndarray) -> np.ndarray:
        """Which of the points [N, 2] of the picture lie on the mask, bool [N]."""
        size = self.mask.shape[0]
        columns, rows = np.floor(self.region.from_picture(points, size)).astype(int).T
        inside = (columns >= 0) & (columns < size) & (rows >= 0) & (rows < size)
        return inside & (self.mask[rows.clip(0, size - 1), columns.clip(0, size - 1)] > 0.5)

    def trust(self, name: str) -> float:
        return float(self.confidence[BODY.index(name)])


class BlazePose:
    """Detector and landmark network together."""

    def __init__(self, detector: Network, landmarks: Network) -> None:
        self.detector = Detector(detector, (8, 16, 32, 32, 32), points=4)
        self.network = landmarks

    def __call__(self, pixels: np.ndarray) -> list[Person]:
        """Everybody in a picture (uint8 [H, W, 3]), from left to right.

        The picture is searched whole and then in overlapping tiles, because the detector sees it at 224 px and
        overlooks small persons. Where somebody fills it, the smallest tiles are left out: who is found only there is a
        fifth of them. A tile may show no more than an arm, which looks like a small person: nobody is believed whose
        mask lies on persons found before.
        """
        shape, people = pixels.shape[:2], []
        for parts, threshold in (((1,), 0.5), ((2, 3), 0.5), ((1, 2, 3), 0.25)):
            if threshold < 0.5 and people:
                break
            if any(person.region.side > FILLING * max(shape) for person in people):
                parts = (2,)
            tiles = windows(shape, parts)
            detections = [d for window in tiles for d in self.detector(pixels, window, threshold=threshold)]
            found: list[Person] = []
            for detection in sorted(detections, key=lambda d: -d.score):
                region = Region.around(detection.points[0], detection.points[1], 1.25)
                if not any(_near(region, person.region) for person in (*people, *found)):
                    person = self.refined(pixels, region)
                    found += [person] if person is not None else []
            for person in sorted(found, key=lambda p: -p.region.side * p.confidence.mean()):
                if not any(same(person, other) for other in people) and not _on(person, people):
                    people.append(person)
        return sorted(people, key=lambda p: float(p.box[0] + p.box[2]))

    def refined(self, pixels: np.ndarray, region: Region, passes: int = 2) -> Person | None:
        """Landmarks in a region, then again in the region that they tell; None where nobody is there."""
        for _ in range(passes):
            person, region = self.look(pixels, region)
            if person.score < 0.5:
                return None
        return person

    def steadied(self, pixels: np.ndarray, person: Person) -> Person:
        """The same person by the mean of several looks: turned, closer and farther, each also mirrored.

        One look guesses depths some centimetres off, and differently each time.
        """
        size = self.network.size
        xy, world, confidence = [person.xy], [person.world], [person.confidence]
        for turn, scale in ((-0.12, 1.0), (0.12, 1.0), (0.0, 0.9), (0.0, 1.1)):
            region = replace(person.region.shifted(0, 0, scale), angle=person.region.angle + turn)
            image = region.draw(pixels, size)
            for mirrored in (False, True):
                seen = self._read(image[:, ::-1] if mirrored else image, region, pixels.shape[:2], mirrored=mirrored)
                if seen[0].score > 0.5 and same(seen[0], person):
                    xy.append(seen[0].xy)
                    world.append(seen[0].world)
                    confidence.append(seen[0].confidence)
        return replace(
            person, xy=np.median(xy, axis=0), world=np.mean(world, axis=0), confidence=np.mean(confidence, axis=0)
        )

    def mask(self, pixels: np.ndarray, person: Person, window: tuple[float, float, float], size: int) -> np.ndarray:
        """Probability [size, size] of the person's pixels in a window (x, y, scale) of the picture.

        The mean of four passes: as found and closer by 15 %, each also mirrored, which steadies it at shoes and hands.
        """
        x, y, scale = window
        weighted = np.zeros((2, size, size), np.float32)
        for part in (1.0, 0.85):
            region = person.region.shifted(0, 0, part)
            image = region.draw(pixels, self.network.size)
            passes = [self.network(view)["Identity_2"][..., 0] for view in (image, image[:, ::-1])]
            mean = (sigmoid(passes[0]) + sigmoid(passes[1][:, ::-1])) / 2
            for total, part_mask in zip(weighted, (mean, np.ones_like(mean)), strict=True):
                total += region.seen_in(x, y, scale).paste(part_mask, (size, size))
        return weighted[0] / np.maximum(weighted[1], 1)

    def look(self, pixels: np.ndarray, region: Region) -> tuple[Person, Region]:
        """One pass over a region, and the region where to look again."""
        return self._read(region.draw(pixels, self.network.size), region, pixels.shape[:2])

    def _read(
        self, image: np.ndarray, region: Region, shape: tuple[int, int], *, mirrored: bool = False
    ) -> tuple[Person, Region]:
        """One pass over a drawn region of a picture of `shape` (H, W); sides are swapped back where it was mirrored."""
        size = self.network.size
        out = self.network(image)
        raw = out["Identity"].reshape(-1, 5)
        local = _sharpened(raw[:, :2], sigmoid(out["Identity_3"]))
        world = out["Identity_4"].reshape(-1, 3)[:POINTS].astype(np.float64)
        if mirrored:
            local[:, 0] = size - local[:, 0]
            world[:, 0] *= -1
            local[:POINTS], raw[:POINTS], world = local[list(MIRRORED)], raw[list(MIRRORED)], world[list(MIRRORED)]
        xy = region.to_picture(local, size)
        h, w = shape
        inside = (xy[:POINTS] >= 0).all(axis=1) & (xy[:POINTS] <= (w, h)).all(axis=1)
        world[:, :2] = world[:, :2] @ region.rotation.T
        person = Person(
            xy[:POINTS],
            sigmoid(raw[:POINTS, 3:5]).min(axis=1) * inside,
            world,
            float(out["Identity_1"].reshape(-1)[0]),
            region,
            sigmoid(out["Identity_2"][..., 0]),
        )
        return person, Region.around(xy[POINTS], xy[POINTS + 1], 1.25)


def windows(shape: tuple[int, int], parts: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """Tiles (left, top, right, bottom) of 1/part of a picture's longer side, for each part; they overlap by half."""
    h, w = shape
    out = []
    for part in parts:
        side = round(max(h, w) / part)
        columns, rows = (max(1, -(-2 * (n - side) // side) + 1) for n in (w, h))
        for y in np.linspace(0, max(0, h - side), rows):
            for x in np.linspace(0, max(0, w - side), columns):
                out.append((round(x), round(y), min(w, round(x) + side), min(h, round(y) + side)))
    return list(dict.fromkeys(out))


def same(a: Person, b: Person) -> bool:
    """Whether two sightings are of one person: their points lie close together, or one box nearly fills the other."""
    size = max(np.ptp(a.xy, axis=0).max(), np.ptp(b.xy, axis=0).max(), 1.0)
    distance = np.median(np.linalg.norm(a.xy - b.xy, axis=1))
    return bool(distance < 0.15 * size or overlaps(a.box, b.box[None])[0] > 0.6)


def _near(a: Region, b: Region) -> bool:
    """Whether two regions are so alike that they would be refined to the same person."""
    return math.hypot(a.x - b.x, a.y - b.y) < 0.15 * b.side and 0.7 < a.side / b.side < 1.4


def _on(person: Person, people: list[Person]) -> bool:
    """Whether most of a person's mask lies on others, or too few of the points are trusted at all."""
    if (person.confidence > 0.5).sum() < POINTS // 2 or not len(person.pixels):
        return True
    return bool(people) and bool(np.any([other.covers(person.pixels) for other in people], axis=0).mean() > 0.7)


def _sharpened(points: np.ndarray, heatmaps: np.ndarray, radius: int = 3) -> np.ndarray:
    """Points [N, 2] in network pixels, each moved to the middle of its heatmap of [h, w, N] where that is sure."""
    out = points.astype(np.float64)
    h, w, _ = heatmaps.shape
    cell = 256 / w
    for i, (x, y) in enumerate(points / cell):
        left, right = max(0, int(x) - radius), min(w, int(x) + radius + 1)
        top, bottom = max(0, int(y) - radius), min(h, int(y) + radius + 1)
        if right <= left or bottom <= top:
            continue
        patch = heatmaps[top:bottom, left:right, i]
        if patch.max() >= 0.5:
            rows, columns = np.mgrid[top:bottom, left:right]
            out[i] = np.array([(columns * patch).sum(), (rows * patch).sum()]) / patch.sum() * cell
    return out
