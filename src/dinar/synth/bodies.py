"""What is a made-up person's own: skin, eyes, teeth, hair and brows as pieces to be drawn."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from dinar.body.model import BodyModel
from dinar.body.uv import load_layout
from dinar.parts import BodyPart
from dinar.synth.outfits import components
from dinar.synth.piece import Piece
from dinar.synth.pigment import HairColour
from dinar.synth.srgb import bytes_of, grey_of, linear
from dinar.synth.strands import strands
from dinar.synth.wardrobe import Asset, Wardrobe
from dinar.synth.wigs import collar_height, fitted, follows, lifted

_EYEBALL = 72  # vertices of each of the body's own eyes; MakeHuman's are worn instead
#                   wrap specular shininess sheen bump two-sided shadow bias
_SKIN = (0.30, 0.030, 14.0, 0.0, 0.0, 0, 0.006)
_WIG = (0.15, 0.014, 18.0, 0.0, 0.6, 1, 0.008)
_EYE = (0.1, 0.040, 120.0, 0.0, 0.0, 0, 0.010)


def piece_of(
    asset: Asset, body: np.ndarray, picture: np.ndarray, material: tuple[float, ...], kind: int,
    label: int | np.ndarray, wardrobe: Wardrobe, texture: int, transparent: bool = False,
) -> Piece:  # fmt: skip
    bump = wardrobe.picture(asset.images["normal"], texture) if kind == 1 and "normal" in asset.images else None
    return Piece(
        rest=asset.fit(body), index=asset.index, weight=asset.weight, faces=asset.faces, uv=asset.uv,
        uv_faces=asset.uv_faces, picture=picture, material=material, kind=kind, label=label, bump=bump,
        transparent=transparent,
    )  # fmt: skip


@lru_cache(maxsize=2)
def _body_mesh(model: BodyModel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The skin's faces [F, 3] without eyes, uv [T, 2], uv_faces [F, 3]."""
    faces = model.faces.numpy()
    label = components(faces)
    corners = [len(np.unique(faces[label == k])) for k in range(label.max() + 1)]
    keep = np.array(corners)[label] != _EYEBALL
    layout = load_layout("anny", model)
    return faces[keep], layout.uv.numpy(), layout.faces.numpy()[keep]


def bare_skin(wardrobe: Wardrobe, body: np.ndarray, hidden: np.ndarray, picture: np.ndarray) -> Piece:
    faces, uv, uv_faces = _body_mesh(wardrobe.model)
    seen = ~hidden[faces].all(1)
    index = np.repeat(np.arange(int(faces.max()) + 1)[:, None], 3, axis=1)
    weight = np.tile(np.array([[1, 0, 0]], np.float32), (len(index), 1))
    label = np.where(_on_head(wardrobe.model)[faces].all(1), BodyPart.FACE_SKIN, BodyPart.SKIN)[seen]
    return Piece(body[: len(index)], index, weight, faces[seen], uv, uv_faces[seen], picture, _SKIN, 0, label)


@lru_cache(maxsize=2)
def _on_head(model: BodyModel) -> np.ndarray:
    """Whether a vertex belongs to the head, bool [N]: above the line from the chin to the nape."""
    joints = [model.joint_names.index(name) for name in ("head", "eye.L", "eye.R")]
    return model.skin_weights[:, joints].sum(1).numpy() > 0.5


def wig_on(
    wardrobe: Wardrobe, rng: np.random.Generator, name: str, body: np.ndarray, joints: np.ndarray,
    cloth: np.ndarray, colour: HairColour, texture: int,
) -> Piece:  # fmt: skip
    wig = wardrobe.wigs.get(name)
    picture, bump = strands(colour, wig.wave, wig.curl, int(rng.integers(1 << 16)), texture)
    index, weight = follows(wig, wardrobe.model)
    rest = fitted(wig, wardrobe.model, body)
    neck = joints[wardrobe.model.joint_names.index("neck02")]
    rest = lifted(wig, rest, cloth, neck, collar_height(wardrobe.model, joints))
    return Piece(rest, index, weight, wig.faces, wig.uv, wig.faces, picture, _WIG, 2, BodyPart.HAIR, bump)


def tinted(wardrobe: Wardrobe, path: Path, size: int, colour: np.ndarray) -> np.ndarray:
    """A hair picture uint8 [s, s, 4] of another colour (linear light), its light and shade kept."""
    shade, opacity = _strands(wardrobe, path, size)
    return np.dstack([bytes_of(shade * colour.astype(np.float32)), opacity])


@lru_cache(maxsize=32)
def _strands(wardrobe: Wardrobe, path: Path, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Light and shade of a hair picture about 1, float32 [s, s, 1], and its opacity uint8 [s, s]."""
    picture = wardrobe.picture(path, size)
    light = grey_of(linear(picture))
    shade = (light + 0.004) / (light[picture[..., 3] > 80].mean() + 0.004)
    return np.clip(shade, 0.12, 4)[..., None] ** np.float32(1.15), picture[..., 3]


def eyes(wardrobe: Wardrobe, rng: np.random.Generator, body: np.ndarray, tone: float, size: int) -> Piece:
    """MakeHuman's eyes without their clear corneas."""
    asset = wardrobe.get("eyes", "high-poly")
    brown = tone > 0.45 or rng.random() < 0.4
    name = str(rng.choice([n for n in wardrobe.irises if n.startswith("brown") == brown]))
    picture = wardrobe.picture(wardrobe.irises[name], size)
    light = linear(picture)
    r, g, b = cv2.split(light)
    least, most = np.minimum(np.minimum(r, g), b), np.maximum(np.maximum(r, g), b)
    white = (least / (most + np.float32(1e-3)))[..., None]  # 1 where grey, 0 where vivid
    dull = grey_of(light)[..., None] * np.float32(0.45) + light * np.float32(0.55)
    iris = np.float32(0.55 - 0.4 * tone if brown else 0.7) * dull
    share = np.clip((white - np.float32(0.45)) / np.float32(0.25), 0, 1)
    eye = bytes_of(np.float32(0.7) * light * share + iris * (1 - share))
    middle = (asset.uv[asset.uv_faces].mean(1) % 1 * size).astype(int)
    solid = picture[middle[:, 1], middle[:, 0], 3] > 128
    part = piece_of(asset, body, eye, _EYE, 3, BodyPart.FACE_SKIN, wardrobe, size)
    return replace(part, faces=part.faces[solid], uv_faces=part.uv_faces[solid])


def teeth(wardrobe: Wardrobe, body: np.ndarray) -> Piece:
    asset = wardrobe.get("teeth", "teeth_base")
    picture = bytes_of(linear(wardrobe.picture(asset.images["diffuse"], 256)) * np.float32(0.5))
    return piece_of(asset, body, picture, _EYE, 3, BodyPart.FACE_SKIN, wardrobe, 256)
