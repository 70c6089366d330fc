"""From a picture file to one person: square crop, mask, landmarks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dinar import images
from dinar.errors import InputError
from dinar.photo import cutout, given_mask, openpose
from dinar.photo.blazepose import BlazePose, Person
from dinar.photo.face import SAME_IN_FACE, Face
from dinar.photo.given_mask import GivenMask
from dinar.photo.hands import Hands
from dinar.photo.landmarks import BODY, FACE, HEAD, Landmarks
from dinar.photo.masks import person_mask
from dinar.photo.modnet import load_modnet
from dinar.photo.segmentation import in_front, segment
from dinar.photo.tflite import Network
from dinar.store import Store

MARGIN = 0.1  # around the person, part of the longer side of their box
HIDDEN = 0.2  # trust in a point that cannot be seen
EDGE = 0.03  # of the person's height: so close to the picture's edge points may be guesses
SIDES = 512, 1024  # least and greatest side of a crop
BAND = 256  # rows of a picture that are resampled at a time


@dataclass(frozen=True)
class Photo:
    """One person, cut out of a picture.

    image        float32 [3, S, S]  sRGB; beyond the picture's edge its border pixels are repeated
    mask         float32 [1, S, S]  the person's share of each pixel; 0 beyond the picture's edge
    landmarks    Landmarks          in pixels of this crop
    focal        float or None      focal length in pixels of this crop, where EXIF tells it
    source_size  (H, W)             of the upright picture
    window       (x, y, scale)      crop pixel p = (picture pixel - (x, y)) * scale
    parts        uint8 [S, S] or None   what each pixel shows of the person (`parts.BodyPart`), where something tells it
    female       float or None      the probability that the person is a woman, where a face is seen or somebody tells
    notes        sentences about what the files lacked, and how it was read
    own_mask     whether the photo's owner said who is the person: by a mask, or as a cut-out
    """

    image: Tensor
    mask: Tensor
    landmarks: Landmarks
    focal: float | None
    source_size: tuple[int, int]
    window: tuple[float, float, float]
    parts: Tensor | None = None
    female: float | None = None
    notes: tuple[str, ...] = ()
    own_mask: bool = False


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


def look(
    path: Path, *, person: int | None = None, mask: Path | None = None, keypoints: Path | None = None, store: Store
) -> Photo:
    """What a photo tells about one person.

    person     which one, counted from 1, from left to right; default: the largest
    mask       the user's own mask, a picture of the upright photo, white on the person (`given_mask.read`)
    keypoints  the user's own landmarks of the upright photo (`openpose.read`)
    store      where the networks come from; not touched where mask and keypoints are both given

    A picture with transparency around the person brings its own mask.

    Raises InputError where the file is no usable picture (see `images.read`), shows nobody or only half a person, has
    no person of that number, or where mask or keypoints do not fit it.
    """
    path = Path(path)
    picture = images.read(path)
    given = None if mask is None else given_mask.read(mask, picture.size, path)
    given_points, notes = ([], ()) if keypoints is None else openpose.read(keypoints, picture.size, path)
    found: list[Person] = []
    if given is None or not given_points:
        perception = Perception.load(store)
        found = perception.pose(picture.pixels)
    if given_points:
        landmarks = given_points[_chosen(Path(keypoints), given_points, [_box(p) for p in given_points], person, given)]
        seen = _matching(found, landmarks)
        if seen is not None:
            landmarks = _with_world(landmarks, seen)
        elif found and (seen := _matching(found, landmarks.other_sides())) is not None:
            notes += (f"{keypoints} has left and right the other way round than {path} shows them",)
    else:
        if not found:
            raise InputError(f"{path} shows no person; try a photo with the whole body in view")
        seen = found[_chosen(path, [_body(p) for p in found], [p.box for p in found], person, given)]
        steady = perception.pose.steadied(picture.pixels, seen)
        landmarks = _landmarks(picture.pixels, steady, [p for p in found if p is not seen], perception)
    cut_out = cutout.matters(picture.alpha)
    if cut_out:
        landmarks = cutout.without_hidden(landmarks, picture.alpha)
    _require_whole(path, landmarks, picture.size, None if given_points else seen)
    if given is None and seen is None:
        _require_scale(Path(keypoints), landmarks, found, path)
        raise InputError(f"{path} shows no person at the given keypoints; give a mask too")
    given = given and given.of(landmarks, path if keypoints is None else keypoints)
    others = [p for p in found if p is not seen]
    x, y, side, scale = _window(_extent(landmarks, given and given.share, seen, picture.size))
    pixels = _cut(picture.bytes, x, y, (side, side), scale)
    alpha = _cut(torch.from_numpy(picture.alpha)[None], x, y, (side, side), scale, outside=0) if cut_out else None
    own_mask = given is not None
    if given is None:
        solid = None
        if alpha is not None:
            solid = segment(picture.pixels, (x, y, scale), pixels.shape[-1], perception.pose, seen, others)
        if solid is not None and cutout.is_mask(alpha, solid):
            soft, own_mask = cutout.near(alpha, solid), True
            pixels = cutout.own_colours(pixels, soft)
        else:
            networks = perception.pose, load_modnet(store)
            found_mask = person_mask(
                picture.pixels, images.to_bytes(pixels), (x, y, scale), *networks, seen, others, landmarks
            )
            soft = torch.from_numpy(found_mask)[None]
    else:
        soft = _cut(given.share, x, y, (side, side), scale, outside=0)
        if alpha is not None:
            pixels = cutout.own_colours(pixels, torch.minimum(alpha, soft))
    rows, columns = (
        _cut(torch.ones(1, 1, length), start, 0, (1, side), scale, outside=0)[0, 0]
        for length, start in zip(picture.size, (y, x), strict=True)
    )
    inside = rows[:, None] * columns
    return Photo(
        pixels,
        (soft * inside).clamp(0, 1),
        landmarks.moved(x, y, scale),
        picture.focal and picture.focal * scale,
        picture.size,
        (float(x), float(y), scale),
        notes=notes + (given.notes if given else ()),
        own_mask=own_mask,
    )


def _chosen(
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


def _body(person: Person) -> Landmarks:
    """The body's points as BlazePose sees them."""
    xy, confidence, world = (torch.from_numpy(a).float() for a in (person.xy, person.confidence, person.world))
    return Landmarks(BODY, xy, confidence, world)


def _landmarks(pixels: np.ndarray, person: Person, others: Sequence[Person], perception: Perception) -> Landmarks:
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
    landmarks = _body(person)
    face = None if person.faces_away else perception.face(pixels, person)
    for part in (*(perception.hands(pixels, person, side) for side in ("left", "right")), face):
        landmarks = landmarks if part is None else landmarks.joined(part)
    return landmarks if face is None else _with_face(landmarks)


def _with_face(landmarks: Landmarks) -> Landmarks:
    """The body's nose, eyes and mouth moved to where the face network, which looks closer, sees them."""
    xy = landmarks.xy.clone()
    for name, points in SAME_IN_FACE.items():
        xy[landmarks.names.index(name)] = landmarks.select([f"face_{k}" for k in points]).xy.mean(dim=0)
    return replace(landmarks, xy=xy)


def _require_whole(path: Path, landmarks: Landmarks, size: tuple[int, int], person: Person | None) -> None:
    """InputError unless head, shoulders, hips and knees lie in the picture; hidden ones count, feet may be cut off.

    Cut-off points are guessed just within the picture's edge, and heads with full trust; so heads and points of little
    trust do not count close to it, nor does the head of a `person` who reaches to the upper edge without a face there.
    """
    known = landmarks.xy[landmarks.confidence > 0]
    margin = EDGE * float((known.amax(dim=0) - known.amin(dim=0)).max())
    heads = torch.tensor([name in HEAD for name in landmarks.names])
    inset = margin * ((landmarks.confidence < 0.5) | heads)[:, None]
    limit = torch.tensor([size[1], size[0]])
    inside = ((landmarks.xy >= inset) & (landmarks.xy <= limit - inset)).all(dim=1) & (landmarks.confidence > 0)
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


def _matching(found: Sequence[Person], landmarks: Landmarks) -> Person | None:
    """Whom of the persons that BlazePose found the given landmarks belong to."""
    names = [name for name in BODY if landmarks.seen(name, 0.3)]
    if not found or len(names) < 3:
        return None
    given = landmarks.select(names).xy.numpy()
    rows = [BODY.index(name) for name in names]
    distances = [float(np.median(np.linalg.norm(person.xy[rows] - given, axis=1))) for person in found]
    best = int(np.argmin(distances))
    return found[best] if distances[best] < 0.15 * np.ptp(given, axis=0).max() else None


def _require_scale(keypoints: Path, landmarks: Landmarks, found: Sequence[Person], path: Path) -> None:
    """InputError where the given landmarks are somebody's in the picture once they are scaled."""
    names = [name for name in BODY if landmarks.seen(name, 0.3)]
    rows = [BODY.index(name) for name in names]
    for person in found if len(names) > 2 else ():
        extents = [np.ptp(points, axis=0).max() for points in (person.xy[rows], landmarks.select(names).xy.numpy())]
        scale = float(extents[0] / max(extents[1], 1e-6))
        if _matching([person], replace(landmarks, xy=landmarks.xy * scale)) is not None:
            raise InputError(
                f"{keypoints} fits {path} only if it is scaled by {scale:.2f}; it is of that picture in another size"
            )


def _with_world(landmarks: Landmarks, person: Person) -> Landmarks:
    """The user's 2D points, with BlazePose's 3D where it has a point of the same name."""
    world = landmarks.world.clone()
    for i, name in enumerate(landmarks.names):
        if name in BODY:
            world[i] = torch.from_numpy(person.world[BODY.index(name)])
    return replace(landmarks, world=world)


def _box(landmarks: Landmarks) -> np.ndarray:
    points = landmarks.xy[landmarks.confidence > 0]
    return torch.cat([points.amin(dim=0), points.amax(dim=0)]).numpy()


def _extent(landmarks: Landmarks, mask: Tensor | None, person: Person | None, size: tuple[int, int]) -> np.ndarray:
    """Box [4] (left, top, right, bottom) of everything known of the person, within the picture."""
    points = [landmarks.xy[landmarks.confidence > 0.3].numpy()]
    if mask is not None:
        inside = mask[0].numpy() > 0.5
        columns, rows = (np.flatnonzero(inside.any(axis=axis)) for axis in (0, 1))
        if len(rows):
            points.append(np.array([[columns[0], rows[0]], [columns[-1] + 1, rows[-1] + 1]]))
    elif person is not None:
        points.append(person.pixels)
    together = np.concatenate(points).clip((0, 0), size[::-1])
    return np.concatenate([together.min(axis=0), together.max(axis=0)])


def _window(box: np.ndarray) -> tuple[int, int, int, float]:
    """The square of the picture to cut out, and its scale: x, y, side (whole pixels), crop pixels a picture pixel."""
    (left, top, right, bottom) = box
    side = math.ceil(max(right - left, bottom - top) * (1 + 2 * MARGIN))
    x, y = round((left + right - side) / 2), round((top + bottom - side) / 2)
    return x, y, side, min(max(side, SIDES[0]), SIDES[1]) / side


def _cut(
    image: Tensor, x: int, y: int, size: tuple[int, int], scale: float, *, outside: float | None = None
) -> Tensor:
    """The window of an image [C, H, W], uint8 or float, at the crop's size, float32 in [0, 1]; sides of 1 stay 1."""
    high, wide = (side if side == 1 else round(side * scale) for side in size)
    bands = []
    for top in range(0, size[0], BAND):                      # a large picture in float32 takes more than all networks
        band = images.crop(image, x, y + top, (min(BAND, size[0] - top), size[1]), outside=outside)
        band = band / 255 if band.dtype == torch.uint8 else band.float()
        bands.append(band if wide == size[1] else images.resize(band, (band.shape[1], wide)))
    window = torch.cat(bands, dim=1)
    return window if high == size[0] else images.resize(window, (high, wide))
