"""Whom networks see in a picture, and where: all that needs no torch, so that it can begin before torch is loaded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dinar.errors import InputError
from dinar.photo import cutout
from dinar.photo.blazepose import BlazePose, Person
from dinar.photo.face import SAME_IN_FACE, Face
from dinar.photo.hands import Hands
from dinar.photo.landmarks import BODY, FACE, HEAD, Landmarks
from dinar.photo.masks import Looks, looked_at
from dinar.photo.modnet import load_modnet
from dinar.photo.segmentation import in_front
from dinar.photo.tflite import Network
from dinar.pictures import Picture, read
from dinar.store import Store

if TYPE_CHECKING:
    from dinar.photo.given_mask import GivenMask

MARGIN = 0.1  # around the person, part of the longer side of their box
HIDDEN = 0.2  # trust in a point that cannot be seen
EDGE = 0.03  # of the person's height: so close to the picture's edge points may be guesses
SIDES = 512, 1024  # least and greatest side of a crop


@dataclass(frozen=True)
class Sighting:
    """One person seen in a picture, before they are cut out of it.

    picture    Picture
    landmarks  Landmarks            arrays, in pixels of the picture
    person     Person or None       as BlazePose sees them; None where it was not asked
    others     (Person, ...)        everybody else
    square     (x, y, side, scale)  of the picture, to be cut out: whole pixels, and crop pixels a picture pixel
    given      GivenMask or None    the user's own mask, of this person
    looks      Looks or None        what makes the mask; None where the user or the picture brings one
    """

    picture: Picture
    landmarks: Landmarks
    person: Person | None
    others: tuple[Person, ...]
    square: tuple[int, int, int, float]
    given: GivenMask | None = None
    looks: Looks | None = None

    @property
    def window(self) -> tuple[float, float, float]:
        """(x, y, scale): crop pixel p = (picture pixel - (x, y)) * scale"""
        x, y, _, scale = self.square
        return x, y, scale

    def looked_at(self, store: Store) -> Looks:
        """What makes the mask, by looking now. Raises InputError where a network is not to be had."""
        _, _, side, scale = self.square
        networks = Perception.load(store).pose, load_modnet(store)
        return looked_at(
            self.picture.pixels, self.window, round(side * scale), *networks, self.person, self.landmarks
        )


@dataclass(frozen=True)
class Perception:
    """The networks that look at a photo."""

    pose: BlazePose
    hands: Hands
    face: Face

    @classmethod
    def load(cls, store: Store) -> Perception:
        """From the store's files; the heavy body network is used where its file is present.

        Raises InputError where a file is not to be had.
        """
        heavy = "pose_landmark_heavy.tflite"
        body = heavy if store.present(heavy) else "pose_landmark_full.tflite"
        names = (
            "pose_detection.tflite", body, "hand_recrop.tflite", "hand_landmark_full.tflite",
            "face_detection_short_range.tflite", "face_landmark.tflite",
        )  # fmt: skip
        return _perception(*store.paths(names).values())


@lru_cache(maxsize=2)
def _perception(*paths: Path) -> Perception:
    detector, body, recrop, hand, face, mesh = (Network(path) for path in paths)
    return Perception(BlazePose(detector, body), Hands(recrop, hand), Face(face, mesh))


def sight(
    path: Path,
    store: Store,
    *,
    picture: Picture | None = None,        # default: it is read
    person: int | None = None,
    given: GivenMask | None = None,
) -> Sighting:
    """The person of that number, counted from 1, from left to right; by default the largest, or who lies in the mask.

    Raises InputError as `photo.look` does.
    """
    picture = picture or read(path)
    perception = Perception.load(store)
    found = perception.pose(picture.pixels)
    if not found:
        raise InputError(f"{path} shows no person; try a photo with the whole body in view")
    seen = found[chosen(path, [body_of(p) for p in found], [p.box for p in found], person, given)]
    others = [p for p in found if p is not seen]
    landmarks = landmarks_of(picture.pixels, perception.pose.steadied(picture.pixels, seen), others, perception)
    if cutout.matters(picture.alpha):
        landmarks = cutout.without_hidden(landmarks, picture.alpha)
    require_whole(path, landmarks, picture.size, seen)
    return framed(picture, landmarks, seen, others, given and given.of(landmarks, path), store)


def framed(
    picture: Picture,
    landmarks: Landmarks,
    person: Person | None,
    others: Sequence[Person],
    given: GivenMask | None,
    store: Store,
) -> Sighting:
    """A person whose landmarks are known, with the square to cut out and what makes the mask, where none is given."""
    where = square(extent(landmarks, given and given.share[0].numpy(), person, picture.size))
    found = Sighting(picture, landmarks, person, tuple(others), where, given)
    if given is not None or cutout.matters(picture.alpha):
        return found
    return replace(found, looks=found.looked_at(store))


def chosen(
    path: Path, people: Sequence[Landmarks], boxes: Sequence[np.ndarray], person: int | None, mask: GivenMask | None
) -> int:
    """Index of the wanted person among people, with a box each, that are sorted from left to right.

    By default the largest, or where there is a mask the one who lies in it most.
    """
    if person is None:
        sizes = [float(np.ptp(box.reshape(2, 2), axis=0).max()) for box in boxes]
        shares = [1.0 if mask is None else mask.inside(landmarks) for landmarks in people]
        return max(range(len(people)), key=lambda k: (round(shares[k], 1), sizes[k]))
    if 1 <= person <= len(people):
        return person - 1
    if len(people) == 1:
        raise InputError(f"{path} shows 1 person, so --person can only be 1")
    raise InputError(f"{path} shows {len(people)} people; --person is 1 to {len(people)}, counted from left to right")


def body_of(person: Person) -> Landmarks:
    """The body's points as BlazePose sees them."""
    xy, confidence, world = (a.astype(np.float32) for a in (person.xy, person.confidence, person.world))
    return Landmarks(BODY, xy, confidence, world)


def landmarks_of(pixels: np.ndarray, person: Person, others: Sequence[Person], perception: Perception) -> Landmarks:
    """Body, then those of left hand, right hand and face that are seen; pixels of the picture.

    BlazePose guesses hidden points and trusts its guesses: the face of a person seen from behind, and what lies behind
    another person, keep their places with little confidence.
    """
    confidence = person.confidence.copy()
    if person.faces_away:
        confidence[[BODY.index(name) for name in HEAD if "ear" not in name]] *= HIDDEN
    for other in others:
        if in_front(other, person):
            confidence[other.covers(person.xy)] *= HIDDEN
    person = replace(person, confidence=confidence)
    landmarks = body_of(person)
    face = None if person.faces_away else perception.face(pixels, person)
    for part in (*(perception.hands(pixels, person, side) for side in ("left", "right")), face):
        landmarks = landmarks if part is None else landmarks.joined(part)
    return landmarks if face is None else _with_face(landmarks)


def _with_face(landmarks: Landmarks) -> Landmarks:
    """The body's nose, eyes and mouth moved to where the face network, which looks closer, sees them."""
    xy = landmarks.xy.copy()
    for name, points in SAME_IN_FACE.items():
        xy[landmarks.names.index(name)] = landmarks.select([f"face_{k}" for k in points]).xy.mean(axis=0)
    return replace(landmarks, xy=xy)


def require_whole(path: Path, landmarks: Landmarks, size: tuple[int, int], person: Person | None) -> None:
    """InputError unless head, shoulders, hips and knees lie in the picture; hidden ones count, feet may be cut off.

    Cut-off points are guessed just within the picture's edge, and heads with full trust; so heads and points of little
    trust do not count close to it, nor does the head of a `person` who reaches to the upper edge without a face there.
    """
    known = landmarks.xy[landmarks.confidence > 0]
    margin = EDGE * float(np.ptp(known, axis=0).max())
    heads = np.array([name in HEAD for name in landmarks.names])
    inset = margin * ((landmarks.confidence < 0.5) | heads)[:, None]
    limit = np.array([size[1], size[0]])
    inside = ((landmarks.xy >= inset) & (landmarks.xy <= limit - inset)).all(axis=1) & (landmarks.confidence > 0)
    present = {name for name, here in zip(landmarks.names, inside.tolist(), strict=True) if here}
    parts = {
        "head": {"nose", "left_ear", "right_ear"},
        "shoulders": {"left_shoulder", "right_shoulder"},
        "hips": {"left_hip", "right_hip"},
        "knees": {"left_knee", "right_knee"},
    }
    if (
        person is not None
        and FACE[0] not in landmarks
        and len(person.pixels)
        and person.pixels[:, 1].min() < margin / 3
    ):
        present -= parts["head"]
    missing = [part for part, names in parts.items() if not names & present]
    if missing:
        raise InputError(
            f"{path} shows only a part of the person (no {' and no '.join(missing)}); the whole body is needed"
        )


def extent(landmarks: Landmarks, mask: np.ndarray | None, person: Person | None, size: tuple[int, int]) -> np.ndarray:
    """Box [4] (left, top, right, bottom) of everything known of the person, within the picture."""
    points = [landmarks.xy[landmarks.confidence > 0.3]]
    if mask is not None:
        inside = mask > 0.5
        columns, rows = (np.flatnonzero(inside.any(axis=axis)) for axis in (0, 1))
        if len(rows):
            points.append(np.array([[columns[0], rows[0]], [columns[-1] + 1, rows[-1] + 1]]))
    elif person is not None:
        points.append(person.pixels)
    together = np.concatenate(points).clip((0, 0), size[::-1])
    return np.concatenate([together.min(axis=0), together.max(axis=0)])


def square(box: np.ndarray) -> tuple[int, int, int, float]:
    """The square of the picture to cut out, and its scale: x, y, side (whole pixels), crop pixels a picture pixel."""
    (left, top, right, bottom) = box
    side = math.ceil(max(right - left, bottom - top) * (1 + 2 * MARGIN))
    x, y = round((left + right - side) / 2), round((top + bottom - side) / 2)
    return x, y, side, min(max(side, SIDES[0]), SIDES[1]) / side


def box_of(landmarks: Landmarks) -> np.ndarray:
    points = landmarks.xy[landmarks.confidence > 0]
    return np.concatenate([points.min(axis=0), points.max(axis=0)])
