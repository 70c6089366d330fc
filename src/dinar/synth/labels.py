"""Which part of a person each face of a rigged mesh is, told by its bones, its meshes' names and its colours."""

from __future__ import annotations

import numpy as np

from dinar.parts import BodyPart
from dinar.synth.glb import RiggedPart

_UNLIKE = 0.16  # distance of two colours (square roots of sRGB's shares and brightness) that are not one thing's
_BIN = 0.01  # metres: heights at which colours are compared to find the waist
_BARE = 0.11  # the same to the skin of face or hands
_WAIST = -0.45, 0.16  # metres above the hips' joint between which a top may end
_UNTOLD = -0.20, 0.12  # where nobody can tell what is whose, if all is of one cloth
_THIGH = -0.25  # metres above the hips' joint: below are legs
_SHIN = 0.12, 0.25  # metres above the feet
_BOOT = 0.03, 0.35  # metres above the feet between which boots and socks end
_HALF = 0.05  # metres above and below a waist that are compared
_OVAL = 0.165, 0.185  # half axes of the face in VALID's texture, about the nose's tip


def rigged_labels(
    parts: list[RiggedPart],
    kinds: list[np.ndarray],  # of vertices: 0 skin, 1 clothes, 2 hair, 3 eyes
    owner: list[str],  # the humanoid bone of each of the rig's joints
    face: tuple[tuple[float, float], ...] | None,  # the face's points in VALID's texture, where it is that
    tops: str = "",  # "jackets": there is one; "coats": there may be one of the same colour as what is below it
) -> list[np.ndarray]:
    """The BodyPart of each face, a uint8 [F] for each part.

    Hair that is a mesh of its own, eyes, hands and feet are told for every rig, clothes of a mesh for VALID's layout
    only, whose face says how skin looks; else they are UNKNOWN.
    """
    found = []
    main = max(range(len(parts)), key=lambda k: len(parts[k].vertices))
    for k, (part, kind) in enumerate(zip(parts, kinds, strict=True)):
        of_face = np.median(kind[part.faces], axis=1).astype(np.int64)
        label = np.full(len(part.faces), BodyPart.UNKNOWN, np.uint8)
        label[of_face == 2] = BodyPart.HAIR
        label[of_face == 3] = BodyPart.FACE_SKIN
        if k == main:
            _label_body(part, owner, face, tops, label)
        found.append(label)
    return found


def _label_body(
    part: RiggedPart, owner: list[str], face: tuple[tuple[float, float], ...] | None, tops: str,
    label: np.ndarray,
) -> None:  # fmt: skip
    bones = np.array(owner)

    def follows(chosen: np.ndarray) -> np.ndarray:
        return (part.weight * chosen[part.joint]).sum(1)[part.faces].mean(1) > 0.5

    head = follows(np.isin(bones, ("head", "jaw", "leftEye", "rightEye")))
    feet = follows(np.array([bone.endswith(("Foot", "Toes")) for bone in owner]))
    arms = follows(np.array([bone.endswith(("Arm", "Hand")) or "Proximal" in bone or "Distal" in bone
                             or "Intermediate" in bone or "Metacarpal" in bone for bone in owner]))  # fmt: skip
    hands = arms & ~follows(np.array([bone.endswith("Arm") for bone in owner]))
    label[head], label[hands], label[feet] = BodyPart.FACE_SKIN, BodyPart.SKIN, BodyPart.SHOES
    if face is None:
        return
    colour = _colours(part)
    middle = part.uv[part.uv_faces].mean(1)
    points = np.array(face)
    nose = points[13]
    inner = ((middle - points.min(0)) > 0).all(1) & ((points.max(0) - middle) > 0).all(1) & head
    skin = np.median(colour[inner], axis=0)
    oval = (((middle - nose) / _OVAL) ** 2).sum(1) < 1
    _label_hair(part, colour, skin, head & ~oval, label)

    rest = ~(head | hands | feet)
    skins = np.stack([skin, np.median(colour[hands], axis=0)])
    unlike = np.linalg.norm(colour[:, None] - skins, axis=2).min(1)
    bare = unlike < _BARE
    place = part.vertices[part.faces].mean(1)
    height = place[:, 1]
    hips = float(np.median(height[follows(bones == "hips")])) if (bones == "hips").any() else 0.0
    ankle = float(np.quantile(height[feet], 0.98)) if feet.any() else 0.0
    legs = rest & ~arms & (height < hips + _THIGH)
    shins = legs & (height > ankle + _SHIN[0]) & (height < ankle + _SHIN[1])
    shorts = shins.any() and bool(bare[shins].mean() > 0.5)
    if shorts:  # knees are redder
        bare |= legs & (unlike < 2 * _BARE)
    bare = _settled(part.faces, bare)
    cloth = rest & ~bare & ~arms
    waist = _step(height, colour, cloth, hips + _WAIST[0], hips + _WAIST[1])
    label[rest] = np.where(height[rest] > (hips if waist is None else waist), BodyPart.UPPER, BodyPart.LOWER)
    if waist is None:
        label[rest & (height > hips + _UNTOLD[0]) & (height < hips + _UNTOLD[1])] = BodyPart.UNKNOWN
    label[rest & arms] = BodyPart.UPPER
    if tops == "jackets":
        jacket = (label == BodyPart.UPPER) & ~bare
        other = np.linalg.norm(colour - np.median(colour[jacket], axis=0), axis=1) > _UNLIKE
        label[jacket & ~_settled(part.faces, other & (place[:, 2] > 0))] = BodyPart.OUTER
    elif tops == "coats":
        label[rest & (arms | (height > hips + _WAIST[0]))] = BodyPart.UNKNOWN
    boot = ankle + _SHIN[0] if shorts else _step(height, colour, cloth, ankle + _BOOT[0], ankle + _BOOT[1])
    if boot is not None:
        label[cloth & (height < boot)] = BodyPart.SHOES
    label[rest & bare] = BodyPart.SKIN


def _label_hair(part: RiggedPart, colour: np.ndarray, skin: np.ndarray, where: np.ndarray, label: np.ndarray) -> None:
    """Hair that is painted on the head: what looks like its crown and unlike its face."""
    place = part.vertices[part.faces].mean(1)
    crown = where & (place[:, 1] > np.quantile(place[where, 1], 0.9))
    hair = np.median(colour[crown], axis=0)
    if np.linalg.norm(hair - skin) > _UNLIKE:
        near = np.linalg.norm(colour - hair, axis=1) < np.linalg.norm(colour - skin, axis=1)
        label[where & _settled(part.faces, near)] = BodyPart.HAIR


def _step(height: np.ndarray, colour: np.ndarray, cloth: np.ndarray, lowest: float, highest: float) -> float | None:
    """The highest level, metres, at which the colour of cloth changes much; None where it hardly does."""
    levels = np.arange(lowest, highest, _BIN)
    steps = np.zeros(len(levels))
    for k, level in enumerate(levels):
        above = cloth & (height > level) & (height < level + _HALF)
        below = cloth & (height < level) & (height > level - _HALF)
        if min(above.sum(), below.sum()) > 20:
            steps[k] = np.linalg.norm(np.median(colour[above], axis=0) - np.median(colour[below], axis=0))
    great = np.flatnonzero(steps > max(_UNLIKE, 0.7 * steps.max()))
    if not len(great):
        return None
    near = levels > levels[great[-1]] - _HALF
    return float(levels[near][steps[near].argmax()])


def _colours(part: RiggedPart) -> np.ndarray:
    """The colour of each face as shares of red and green, and brightness: float64 [F, 3] in [0, 1]."""
    h, w = part.picture.shape[:2]
    middle = part.uv[part.uv_faces].mean(1) % 1
    rgb = part.picture[(middle[:, 1] * h).astype(int) % h, (middle[:, 0] * w).astype(int) % w, :3] / 255.0
    total = rgb.sum(1, keepdims=True) + 0.06
    return np.concatenate([2 * (rgb[:, :2] + 0.02) / total, rgb.max(1, keepdims=True) * 0.7], axis=1)


def _settled(faces: np.ndarray, chosen: np.ndarray, rounds: int = 3) -> np.ndarray:
    """A choice of faces [F] that goes with most of their neighbours: no single faces stand out."""
    count = int(faces.max()) + 1
    share = chosen.astype(np.float64)
    many = np.bincount(faces.ravel(), minlength=count)
    for _ in range(rounds):
        of_vertex = np.bincount(faces.ravel(), np.repeat(share, 3), count) / np.maximum(many, 1)
        share = of_vertex[faces].mean(1)
    return share > 0.5
