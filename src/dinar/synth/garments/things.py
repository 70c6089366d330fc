"""Hats, caps, headscarves, glasses, bags and what hands hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_matrix

from dinar.body.model import BodyModel
from dinar.parts import BodyPart
from dinar.synth.garments.sewing import Garment
from dinar.synth.garments.surfaces import surface
from dinar.synth.piece import CLOTH, LEATHER, METAL, Piece

_AROUND, _UP = 28, 9  # quads of a dome
_ROOM = 0.010  # metres between head and hat
_UNDER_HAT = 0.93  # of a hat's size: hair stays within
_TILT = 0.16  # radians that a hat's rim rises to the front
_LENS = 0.026, 0.020  # half of a lens' width and height, metres


@dataclass(frozen=True)
class Anchors:
    """Where things go on one resting body, metres: its joints by name, its vertices, and those of the head."""

    model: BodyModel
    joints: dict[str, np.ndarray]
    body: np.ndarray
    head: np.ndarray

    @classmethod
    def of(cls, model: BodyModel, body: np.ndarray, joints: np.ndarray) -> Anchors:
        skin = int(model.faces.max()) + 1
        weight = model.skin_weights[:skin, model.joint_names.index("head")].numpy()
        return cls(model, dict(zip(model.joint_names, joints, strict=True)), body, body[:skin][weight > 0.5])

    def rigid(self, joint: str, count: int) -> csr_matrix:
        """Shares of the body's vertices, so that `count` vertices move with one joint."""
        vertex = int(self.model.skin_weights[:, self.model.joint_names.index(joint)].argmax())
        rows = np.arange(count)
        return csr_matrix((np.ones(count, np.float32), (rows, np.full(count, vertex))), (count, len(self.body)))

    def piece(
        self,
        rest: np.ndarray,
        quads: np.ndarray,
        joint: str,
        colour: np.ndarray,
        label: BodyPart,
        material: tuple[float, ...],
        opacity: int = 255,
    ) -> Piece:
        """A thing of one colour (sRGB, 0 to 255) of quads [Q, 4]."""
        picture = np.empty((4, 4, 4), np.uint8)
        picture[:] = (*np.uint8(colour), opacity)
        faces = np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]])
        none = np.zeros((len(rest), 3))
        return Piece(
            rest.astype(np.float32),
            none.astype(np.int64),
            none.astype(np.float32),
            faces,
            (rest[:, :2] * 4 % 1).astype(np.float32),
            faces,
            picture,
            material,
            1,
            label,
            transparent=opacity < 255,
            follows=self.rigid(joint, len(rest)),
        )


@dataclass(frozen=True)
class Dome:
    """The ellipsoid that a hat's crown is: middle and radii [3], and its tilt."""

    middle: np.ndarray
    radii: np.ndarray

    def out(self, local: np.ndarray) -> np.ndarray:
        """Points of the unit sphere's space [N, 3] in the world."""
        c, s = np.cos(_TILT), np.sin(_TILT)
        turn = np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
        return self.middle + (local * self.radii) @ turn.T

    def into(self, points: np.ndarray) -> np.ndarray:
        c, s = np.cos(_TILT), np.sin(_TILT)
        turn = np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
        return ((points - self.middle) @ turn) / self.radii


def dome_about(anchors: Anchors, height: float) -> Dome:
    """The crown of a hat whose rim is `height` metres above the eyes."""
    eyes = (anchors.joints["eye.L"] + anchors.joints["eye.R"]) / 2
    high = anchors.head[anchors.head[:, 1] > eyes[1] + height]
    low, top = high.min(0), high.max(0)
    middle = np.array([0, eyes[1] + height - 0.01, (low[2] + top[2]) / 2])
    radii = np.array([(top[0] - low[0]) / 2, top[1] - middle[1], (top[2] - low[2]) / 2])
    radii += np.array([1, 1.4, 1]) * _ROOM
    return Dome(middle, radii)


def hat(anchors: Anchors, rng: np.random.Generator, colour: np.ndarray, kind: str) -> tuple[Piece, Dome]:
    """A `cap`, `beanie`, `fedora` or `sunhat`, colour sRGB [3] from 0 to 255, and its dome."""
    dome = dome_about(anchors, {"beanie": 0.025, "cap": 0.035}.get(kind, 0.04))
    angle = np.linspace(0, 2 * np.pi, _AROUND, endpoint=False)  # 0 = to the front
    tall = {"beanie": 1.12, "fedora": 1.25, "sunhat": 1.15}.get(kind, 1.05)
    rows = []
    for step in np.linspace(0, 1, _UP):
        rise = step * np.pi / 2 * 0.999
        flat = np.cos(rise) ** (0.55 if kind != "beanie" else 0.8)
        rows.append(np.stack([flat * np.sin(angle), np.full(_AROUND, tall * np.sin(rise)), flat * np.cos(angle)], 1))
    brim = {"fedora": 0.055, "sunhat": 0.11}.get(kind, 0.0) * rng.uniform(0.8, 1.25)
    if brim:
        outer = rows[0] * (1 + brim / dome.radii) * [1, 0, 1] - [0, rng.uniform(-0.1, 0.25), 0]
        rows.insert(0, outer)
    elif kind == "cap":
        ahead = np.clip(np.cos(angle), 0, 1) ** 0.7 * (np.cos(angle) > 0.05)
        turned = 1.0 if rng.random() < 0.9 else -1.0
        outer = rows[0] * [turned, 1, turned] if turned < 0 else rows[0]
        reach = (0.075 / dome.radii[2]) * (ahead if turned > 0 else ahead[::-1])
        rows.insert(0, outer * (1 + 0.0) + np.stack([0 * angle, -0.22 * ahead, turned * reach], 1))
    points = dome.out(np.concatenate(rows))
    i = np.arange(_AROUND)
    j = (i + 1) % _AROUND
    quads = np.concatenate([np.stack([i, j, j + _AROUND, i + _AROUND], 1) + k * _AROUND for k in range(len(rows) - 1)])
    return anchors.piece(points, quads, "head", colour, BodyPart.HEADWEAR, CLOTH), dome


def beneath(hair: Piece, dome: Dome) -> Piece:
    """Hair that keeps within a hat."""
    local = dome.into(hair.rest)
    size = np.linalg.norm(local, axis=1)
    out = (local[:, 1] > -0.05) & (size > _UNDER_HAT)
    rest = hair.rest.copy()
    rest[out] = dome.out(local[out] / size[out, None] * _UNDER_HAT)
    return replace(hair, rest=rest.astype(np.float32))


def scarf(model: BodyModel, rng: np.random.Generator, *, hood: bool = False) -> Garment:
    """A headscarf about the face down to the shoulders, or a hood that is up."""
    base = surface(model, "head")
    x, y, z = base.place.T
    wide, tall = (0.072, 0.105) if hood else (0.060, 0.088)
    oval = np.hypot(x / (wide * rng.uniform(0.95, 1.1)), (y - 0.705) / (tall * rng.uniform(0.95, 1.08))) - 1
    face = np.where(z > 0.0, 0.06 * oval, 1.0)
    low = 0.56 if hood else float(rng.uniform(0.47, 0.54))
    end = y - low - (0.0 if hood else 0.03 * np.clip(np.abs(x) / 0.1, 0, 1))
    return Garment(
        "hood" if hood else "headscarf",
        BodyPart.HEADWEAR,
        "head",
        "whole",
        (np.float32(face), np.float32(end)),
        0.032 if hood else 0.022,
        smooth=50,
    )


def glasses(anchors: Anchors, rng: np.random.Generator) -> list[Piece]:
    """A frame, and dark lenses as often as clear ones."""
    left, right = anchors.joints["eye.L"], anchors.joints["eye.R"]
    front = float(anchors.head[np.abs(anchors.head[:, 1] - left[1] + 0.004) < 0.006][:, 2].max()) - 0.006
    ear = 0.082 if len(anchors.head) == 0 else float(np.abs(anchors.head[:, 0]).max()) * 0.93
    thick = float(rng.choice([0.0013, 0.002, 0.0032]))
    power = float(rng.choice([2.0, 2.6, 4.0]))
    half = np.array(_LENS) * rng.uniform([0.9, 0.8], [1.12, 1.2])
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    loop = np.stack(
        [
            np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** (2 / power) * half[0],
            np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** (2 / power) * half[1],
        ],
        axis=1,
    )
    paths, lenses = [], []
    for eye, sign in ((left, 1), (right, -1)):
        centre = np.array([eye[0] + sign * 0.001, eye[1] - 0.004, front])
        ring = centre + np.concatenate([loop, -np.abs(loop[:, :1]) * 0.12], axis=1)
        paths.append((ring, True))
        lenses.append(ring)
        hinge = centre + np.array([sign * half[0], half[1] * 0.35, -0.003])
        paths.append(
            (
                np.array(
                    [
                        hinge,
                        [sign * ear, hinge[1], front - 0.03],
                        [sign * ear, hinge[1], front - 0.105],
                        [sign * ear * 0.97, hinge[1] - 0.025, front - 0.125],
                    ]
                ),
                False,
            )
        )
    inner = [lenses[0][12], lenses[1][0] if lenses[1][0][0] > lenses[1][12][0] else lenses[1][12]]
    paths.append((np.array([inner[0], (inner[0] + inner[1]) / 2 + [0, 0.003, 0.003], inner[1]]), False))
    points, quads = _tubes(paths, thick)
    frame = rng.choice([0, 1, 2], p=[0.55, 0.25, 0.2])
    colour = [(18, 17, 17), (120, 110, 95), tuple(rng.uniform(30, 160, 3))][int(frame)]
    made = [anchors.piece(points, quads, "head", np.array(colour), BodyPart.GLASSES, METAL)]
    dark = rng.random() < 0.45
    rest = np.concatenate([np.concatenate([ring, ring.mean(0, keepdims=True)]) for ring in lenses])
    i = np.arange(24)
    fan = np.concatenate([np.stack([i, (i + 1) % 24, np.full(24, 24), np.full(24, 24)], 1) + 25 * k for k in (0, 1)])
    tint = rng.uniform(8, 45, 3) if dark else np.array([150, 160, 165])
    made.append(anchors.piece(rest, fan, "head", tint, BodyPart.GLASSES, METAL, 225 if dark else 22))
    return made


def _tubes(paths: Sequence[tuple[np.ndarray, bool]], radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Square tubes along paths [N, 3], closed or not: points and quads."""
    points, quads, count = [], [], 0
    for path, closed in paths:
        ahead = (np.roll(path, -1, 0) - np.roll(path, 1, 0)) if closed else np.gradient(path, axis=0)
        ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
        side = np.cross(ahead, [0.1, 0.2, 1.0] if closed else [0.1, 1.0, 0.2])
        side /= np.linalg.norm(side, axis=1, keepdims=True)
        other = np.cross(side, ahead)
        n = len(path)
        for a, b in ((1, 1), (-1, 1), (-1, -1), (1, -1)):
            points.append(path + radius * (a * side + b * other))
        last = n if closed else n - 1
        i = np.arange(last)
        for k in range(4):
            one, two = count + k * n, count + (k + 1) % 4 * n
            quads.append(np.stack([one + i, one + (i + 1) % n, two + (i + 1) % n, two + i], 1))
        count += 4 * n
    return np.concatenate(points), np.concatenate(quads)


def box(half: np.ndarray, corners: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    """A rounded box of half sizes [3] about the origin: points and quads."""
    around, up = 20, 11
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)
    rise = np.linspace(-np.pi / 2 * 0.98, np.pi / 2 * 0.98, up)

    def squared(x: np.ndarray) -> np.ndarray:
        return np.sign(x) * np.abs(x) ** (2 / corners)

    level = squared(np.cos(rise))[:, None]
    points = (
        np.stack(
            [
                level * squared(np.sin(angle)),
                np.broadcast_to(squared(np.sin(rise))[:, None], (up, around)),
                level * squared(np.cos(angle)),
            ],
            axis=2,
        ).reshape(-1, 3)
        * half
    )
    i = np.arange(around)
    j = (i + 1) % around
    quads = np.concatenate([np.stack([i, j, j + around, i + around], 1) + k * around for k in range(up - 1)])
    return points, quads


def held(anchors: Anchors, rng: np.random.Generator, colour: np.ndarray) -> list[Piece]:
    """A phone, a cup, a bottle, a book or a handbag in one hand."""
    side = str(rng.choice([".L", ".R"]))
    wrist, knuckle = anchors.joints["wrist" + side], anchors.joints["finger3-1" + side]
    index, little = anchors.joints["finger2-1" + side], anchors.joints["finger5-1" + side]
    ahead = (knuckle - wrist) / np.linalg.norm(knuckle - wrist)
    across = (little - index) / np.linalg.norm(little - index)
    palm = np.cross(ahead, across) * (1 if side == ".L" else -1)
    palm /= np.linalg.norm(palm)
    kind = str(rng.choice(["phone", "cup", "bottle", "book", "handbag"], p=[0.25, 0.15, 0.15, 0.15, 0.3]))
    half, corners = {
        "phone": ((0.038, 0.075, 0.005), 8.0),
        "cup": ((0.04, 0.06, 0.04), 5.0),
        "bottle": ((0.033, 0.11, 0.033), 3.0),
        "book": ((0.075, 0.11, 0.012), 12.0),
        "handbag": ((0.06, 0.10, 0.15), 5.0),
    }[kind]
    points, quads = box(np.array(half) * rng.uniform(0.85, 1.2), corners)
    material = LEATHER if kind != "bottle" else METAL
    if kind == "handbag":  # hangs on from the arm's line
        frame = np.stack([palm, -ahead, across])
        middle = knuckle + ahead * (0.07 + half[1] * 1.5)
        made = [anchors.piece(points @ frame + middle, quads, "wrist" + side, colour, BodyPart.BAG, material)]
        top = middle - ahead * half[1] * 0.9
        grip = knuckle + palm * 0.02
        handle = np.array([top + across * 0.06, grip + across * 0.03, grip - across * 0.03, top - across * 0.06])
        tubes = _tubes([(handle, False)], 0.005)
        return [*made, anchors.piece(*tubes, "wrist" + side, colour * 0.7, BodyPart.BAG, material)]
    frame = np.stack([across, ahead, palm])
    middle = knuckle + palm * (0.022 + half[2]) + ahead * 0.01
    return [anchors.piece(points @ frame + middle, quads, "wrist" + side, colour, BodyPart.BAG, material)]


def bag(anchors: Anchors, rng: np.random.Generator, colour: np.ndarray) -> tuple[list[Piece], list[Garment]]:
    """A bag on the shoulder or across, or a backpack: the bag itself, and its straps as garments."""
    base = surface(anchors.model, "tights")
    x, y, z = base.place.T
    trunk = np.where(base.arm < 0.45, 1.0, -1.0)
    pelvis, chest = anchors.joints["spine05"], anchors.joints["spine02"]
    if rng.random() < 0.4:  # a backpack
        half = np.array([0.14, 0.20, 0.075]) * rng.uniform(0.8, 1.15)
        points, quads = box(half, 4.5)
        back = float(anchors.body[np.abs(anchors.body[:, 1] - chest[1]) < 0.05][:, 2].min())
        middle = np.array([0, chest[1] + 0.02, back - half[2] * 0.9])
        band = 0.020 - np.abs(np.abs(x) - 0.095)
        straps = [(band, np.where(z > -0.06, y - 0.24, -1.0))]
        bags = [anchors.piece(points + middle, quads, "spine02", colour, BodyPart.BAG, CLOTH)]
    else:
        sign = float(rng.choice([-1, 1]))
        half = np.array([0.05, 0.11, 0.14]) * rng.uniform(0.7, 1.3)
        points, quads = box(half, 5.0)
        sides = (base.mix @ anchors.body)[base.arm < 0.2]
        hip = float(np.abs(sides[np.abs(sides[:, 1] - pelvis[1]) < 0.08][:, 0]).max())
        low = float(rng.uniform(-0.06, 0.08))
        middle = np.array([sign * (hip + half[0] + 0.015), pelvis[1] + low, pelvis[2]])
        if rng.random() < 0.65:  # across
            shoulder, end = np.array([-sign * 0.10, 0.555]), np.array([sign * 0.17, 0.0])
        else:
            shoulder, end = np.array([sign * 0.13, 0.555]), np.array([sign * 0.165, 0.0])
        way = (end - shoulder) / np.linalg.norm(end - shoulder)
        away = np.abs((x - shoulder[0]) * way[1] - (y - shoulder[1]) * way[0])
        straps = [(0.014 - away, y - 0.02)]
        bags = [anchors.piece(points + middle, quads, "spine05", colour, BodyPart.BAG, LEATHER)]
    made = [
        Garment(
            "strap",
            BodyPart.BAG,
            "tights",
            "upper",
            tuple(np.float32(np.minimum(c, trunk)) for c in cuts),
            0.012,
            smooth=24,
        )
        for cuts in straps
    ]
    return bags, made
