"""Random dressed people: who they are, what they wear, how they stand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.sparse import csr_matrix, vstack
from scipy.spatial import cKDTree
from torch import Tensor

from dinar.body.model import Body, BodyModel
from dinar.parts import BodyPart
from dinar.synth.bodies import bare_skin, eyes, piece_of, teeth, tinted, wig_on
from dinar.synth.garments.outfits import Extras, Tailor
from dinar.synth.garments.sewing import covered, layered
from dinar.synth.garments.things import Anchors, beneath
from dinar.synth.kernels import meshes
from dinar.synth.outfits import folds, outfit_labels, outfit_picture, random_colour, shoe_picture
from dinar.synth.piece import CLOTH, LEATHER, Piece
from dinar.synth.pigment import random_hair
from dinar.synth.skin import skin_picture
from dinar.synth.srgb import linear
from dinar.synth.wardrobe import Wardrobe
from dinar.synth.wigs import BALD, bald_share, beneath_hair, collar_height, scalp_beneath

DATA = Path(__file__).parent / "data"
LEVELS = 7
DOTS = 0.012  # metres between a person's dots, at least
_NEAR = 0.03  # metres within which clothes lie over skin and shoes
_UNDER_CLOTH, _IN_TROUSERS = 0.008, 0.02  # metres by which those give way
_LOW = 0.13  # metres: boots that trousers hide
_YOUNGEST = 18.0               # years of the skins and hair that there are
_MADE_UP, _BOOTS = 0.65, 0.18  # shares of people whose clothes and shoes are cut here

_MALE_OUTFITS = (
    "male_casualsuit01", "male_casualsuit02", "male_casualsuit03", "male_casualsuit04", "male_casualsuit05",
    "male_casualsuit06", "male_elegantsuit01", "male_worksuit01",
)  # fmt: skip
_FEMALE_OUTFITS = (
    "female_casualsuit01", "female_casualsuit01", "female_casualsuit02", "female_elegantsuit01", "female_elegantsuit01",
    "male_casualsuit01", "male_casualsuit03", "male_casualsuit05", "male_casualsuit06",
    "male_worksuit01",
)  # fmt: skip
_MALE_HAIR = ("short01", "short02", "short04")
_FEMALE_HAIR = ("bob02", "braid01", "long01", "ponytail01", "short03")
WIGS = 0.85  # of people, the share that wears one where there are any; the others wear MakeHuman's hair

_HAIR = (0.15, 0.012, 16.0, 0.0, 0.0, 1, 0.02)
_BROW = (0.0, 0.0, 1.0, 0.0, 0.0, 1, 0.012)


@dataclass(frozen=True)
class Images:
    """Square textures with their smaller copies, one behind the other.

    pixels  uint8 [., 4]       sRGB and opacity
    starts  int64 [P, LEVELS]  where each copy begins
    sizes   int64 [P, LEVELS]  texels a side
    """

    pixels: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray


@dataclass(frozen=True)
class Person:
    """Somebody dressed, in no pose yet: one mesh of skin, clothes, hair and eyes.

    female, years, tone    who; tone 0 = the lightest skin, 1 = the darkest
    wears                  names of the assets
    model                  the open body with helpers
    shape                  float32 [1, S]
    rest                   float32 [N, 3]   vertices at rest, the face neutral, metres
    index, weight          int64, float32 [M, 3]   body vertices that the vertices `moving` [M] follow in expressions
    skin_weights           sparse float32 [N, J]
    faces, uv, uv_faces    int32 [F, 3], float32 [T, 2], int32 [F, 3]; transparent ones from `opaque` on
    part                   int32 [F]        the face's image and material
    label                  uint8 [F]        which part of a person it is: a BodyPart
    detail                 float32 [F]      log2 of the root of a face's area in texels
    dots                   int32 [M, 3]     three vertices each, whose middles lie 1 to 2 cm apart all over the person
    kind                   int64 [N]        0 skin, 1 clothes, 2 hair, 3 eyes and the like
    images                 one a part, and normal maps
    materials              float32 [P, meshes.MATERIAL_COLUMNS]
    under                  float32 [N]      metres by which a vertex gives way to what is worn over it
    """

    female: bool
    years: float
    tone: float
    wears: tuple[str, ...]
    model: BodyModel
    shape: Tensor
    rest: np.ndarray
    moving: np.ndarray
    index: np.ndarray
    weight: np.ndarray
    skin_weights: csr_matrix
    faces: np.ndarray
    uv: np.ndarray
    uv_faces: np.ndarray
    opaque: int
    part: np.ndarray
    label: np.ndarray
    detail: np.ndarray
    dots: np.ndarray
    kind: np.ndarray
    images: Images
    materials: np.ndarray
    under: np.ndarray

    def at_rest(self) -> Body:
        """The body in which the person was dressed."""
        return replace(self.model.neutral(), shape=self.shape)

    def posed(self, body: Body) -> np.ndarray:
        """All vertices float32 [N, 3] on one body of this person's shape, metres."""
        rest = self.rest
        if body.expression.any():
            change = np.zeros((len(self.model.template), 3), np.float32)
            moved = self.model.expression_index.numpy()
            change[moved] = (body.expression[0] @ self.model.expression_basis.flatten(1)).view(-1, 3).numpy()
            rest = rest.copy()
            rest[self.moving] += (change[self.index] * self.weight[..., None]).sum(1)
        with torch.no_grad():
            transforms = _rig(self.model)(body).transforms[0, :, :3].numpy()
        out, follows = np.empty_like(rest), self.skin_weights
        meshes.skinned(rest, np.ascontiguousarray(transforms), follows.indptr, follows.indices, follows.data, out)
        return out


@lru_cache(maxsize=2)
def _rig(model: BodyModel) -> BodyModel:
    """The joints of a model, with hardly any vertices."""
    return model.only_landmarks()


def random_person(wardrobe: Wardrobe, seed: int, *, texture: int = 1024, child: bool = False) -> Person:
    """Somebody: women and men evenly, adults of every age, every skin tone evenly, always fully dressed.

    texture  texels a side of the skin's and each garment's image
    child    a body of 3 to 14 years instead, with an adult's skin, hair and clothes
    """
    rng = np.random.default_rng([seed, 1])
    female = bool(rng.random() < 0.5)
    tone = float(rng.random())
    shape, years = _child_shape(rng) if child else _random_shape(rng, female, tone)
    outfits, hairs = (_FEMALE_OUTFITS, _FEMALE_HAIR) if female else (_MALE_OUTFITS, _MALE_HAIR)
    outfit = str(rng.choice([name for name in outfits if name in wardrobe.files["clothes"]]))
    shoes = str(rng.choice([name for name in wardrobe.files["clothes"] if name.startswith("shoes")]))
    made = rng.random(2) < (_MADE_UP, _BOOTS)
    if rng.random() < bald_share(female, years):
        hair = BALD
    elif wardrobe.wigs and rng.random() < WIGS:
        hair = wardrobe.wigs.random(rng, female, tone)
    else:
        hair = str(rng.choice([name for name in hairs if name in wardrobe.files["hair"]]))
    brow = str(rng.choice(list(wardrobe.files["eyebrows"])))
    lash = "eyelashes01" if female and rng.random() < 0.7 else "eyelashes04"
    return dress(
        wardrobe, rng, female=female, years=years, tone=tone, shape=shape, outfit=None if made[0] else outfit,
        shoes=None if made[1] else shoes, hair=hair, brow=brow, lash=lash, extras=True, texture=texture,
    )  # fmt: skip


def dress(
    wardrobe: Wardrobe,
    rng: np.random.Generator,  # colours and patterns
    *,
    female: bool,
    years: float,
    tone: float,  # 0 light to 1 dark
    shape: Tensor,  # [1, S]
    outfit: str | None,  # None: made up
    shoes: str | None,  # None: boots, made up
    hair: str,
    brow: str,
    lash: str,
    extras: bool = False,  # hats, glasses, bags and the like, now and then
    texture: int = 1024,
) -> Person:
    """A person of given looks. Raises InputError where the wardrobe lacks a thing."""
    model = wardrobe.model
    body, joints = (rest[0].numpy() for rest in model.rest(shape))
    skin = skin_picture(wardrobe, rng, female, tone, years, texture)
    usual = np.float32(cv2.mean(linear(skin))[:3])
    tailor = Tailor(
        model, rng, lambda quiet: random_colour(rng, quiet, usual), lambda: _fabric(wardrobe, rng)
    )
    worn = tailor.clothes(female) if outfit is None else []
    if shoes is None:
        worn.insert(0, tailor.boots() if outfit is None else tailor.boots(_LOW))
    added = tailor.extras(Anchors.of(model, body, joints), female, worn) if extras else Extras()
    worn += added.worn
    hidden = covered([each.garment for each in worn], model)
    shapes = layered([each.garment for each in worn], model, body)
    clothes = [each.piece(model, body, form, rng, texture) for each, form in zip(worn, shapes, strict=True)]
    if outfit is not None:
        asset = wardrobe.get("clothes", outfit)
        hidden[asset.hidden] = True
        picture = outfit_picture(wardrobe, asset, rng, texture, usual)
        piece = piece_of(asset, body, picture, CLOTH, 1, outfit_labels(wardrobe, asset), wardrobe, texture)
        clothes.append(piece if piece.bump is not None else replace(piece, bump=folds(rng, texture)))
    if shoes is not None:
        asset = wardrobe.get("clothes", shoes)
        hidden[asset.hidden] = True
        picture = shoe_picture(wardrobe, asset, rng, texture)
        clothes.insert(0, piece_of(asset, body, picture, LEATHER, 1, BodyPart.SHOES, wardrobe, texture))
    clothes += added.pieces
    near = cKDTree(np.concatenate([piece.rest for piece in clothes[1:]]))
    bare = bare_skin(wardrobe, body, hidden, skin)
    parts = [_giving_way(bare, near, _UNDER_CLOTH), _giving_way(clothes[0], near, _IN_TROUSERS), *clothes[1:]]
    hair_colour = random_hair(rng, tone, years)
    things = [("hair", hair), ("eyebrows", brow), ("eyelashes", lash)]
    if hair == BALD or added.hides_hair:
        del things[0]
    elif hair in wardrobe.wigs:
        tops = [points for piece in parts[1:] if len(points := _of_the_trunk(piece))]
        cloth = np.concatenate(tops) if tops else body[:0]
        wig = wig_on(wardrobe, rng, things.pop(0)[1], body, joints, cloth, hair_colour, _small(texture))
        wig = wig if added.dome is None else beneath(wig, added.dome)
        over, top = cKDTree(wig.rest), collar_height(model, joints)
        parts = [replace(piece, under=piece.under + beneath_hair(over, piece.rest, top)) for piece in parts]
        parts[0] = replace(parts[0], under=parts[0].under + scalp_beneath(over, parts[0].rest, model))
        parts.append(wig)
    for kind, name in things:
        asset = wardrobe.get(kind, name)
        size = texture if kind == "hair" else _small(texture)
        colour = hair_colour.mean if kind != "eyelashes" else np.full(3, 0.01)
        picture = tinted(wardrobe, asset.images["diffuse"], size, colour)
        look = (_HAIR, 2, BodyPart.HAIR) if kind == "hair" else (_BROW, 3, BodyPart.FACE_SKIN)
        piece = piece_of(asset, body, picture, *look, wardrobe, texture, transparent=True)
        parts.append(beneath(piece, added.dome) if kind == "hair" and added.dome is not None else piece)
    parts += [eyes(wardrobe, rng, body, tone, _small(texture)), teeth(wardrobe, body)]
    names = (*(w.garment.name for w in worn), *added.names)
    wears = (*((outfit,) if outfit else ()), *((shoes,) if shoes else ()), *names)
    return _assemble(parts, model, female, years, tone, (*wears, hair, brow, lash), shape)


def _of_the_trunk(piece: Piece) -> np.ndarray:
    """The vertices [N, 3] of what is worn above the waist, on which hair may lie."""
    here = np.isin(np.broadcast_to(piece.label, len(piece.faces)), (BodyPart.UPPER, BodyPart.OUTER, BodyPart.DRESS))
    return piece.rest[np.unique(piece.faces[here])]


def _giving_way(piece: Piece, cloth: cKDTree, depth: float) -> Piece:
    """A piece that stays under the cloth which lies about it."""
    distance, _ = cloth.query(piece.rest, distance_upper_bound=_NEAR)
    return replace(piece, under=np.maximum(np.where(distance < _NEAR, depth, 0.0), piece.under))


def _fabric(wardrobe: Wardrobe, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Some fabric, linear light [s, s, 3], and how many metres of it the picture shows."""
    tile = linear(wardrobe.picture(wardrobe.fabrics[rng.integers(len(wardrobe.fabrics))], 128))[2:-2, 2:-2]
    return tile, float(rng.uniform(0.08, 0.28))


def _small(texture: int) -> int:
    """Texels a side for eyes, brows and lashes."""
    return min(texture // 2, 512)


@lru_cache(maxsize=1)
def _population() -> dict[str, np.ndarray]:
    with np.load(DATA / "people.npz", allow_pickle=False) as data:
        return {key: data[key] for key in data.files}


def _random_shape(rng: np.random.Generator, female: bool, tone: float) -> tuple[Tensor, float]:
    """A shape [1, S] between two adults of one sex and alike origin, and the years of their mean."""
    people = _population()
    african = people["race"][:, 0]
    fits = people["female"] == female
    fits &= (african > 0.5) if tone > 0.75 else (african < 0.6) if tone < 0.5 else np.ones_like(fits)
    first, second = rng.choice(np.flatnonzero(fits), 2, replace=False)
    share = rng.uniform(0, 0.5)
    shape = people["shape"][first].astype(np.float32) * (1 - share) + people["shape"][second].astype(np.float32) * share
    years = people["years"][first] * (1 - share) + people["years"][second] * share
    return torch.from_numpy(shape)[None], float(years)


def _child_shape(rng: np.random.Generator) -> tuple[Tensor, float]:
    """The shape [1, S] of a child, and the years whose skin and hair it has."""
    shapes = _population()["child"]
    return torch.from_numpy(shapes[rng.integers(len(shapes))].astype(np.float32))[None], _YOUNGEST


def _assemble(
    parts: list[Piece], model: BodyModel, female: bool, years: float, tone: float, wears: tuple[str, ...], shape: Tensor
) -> Person:
    parts = sorted(parts, key=lambda part: part.transparent)
    rows, faces, uv, uv_faces, owner, labels = [], [], [], [], [], []
    vertex = texel = 0
    pictures = [part.picture for part in parts]
    materials = np.zeros((len(parts), meshes.MATERIAL_COLUMNS), np.float32)
    for k, part in enumerate(parts):
        faces.append(part.faces + vertex)
        uv.append(part.uv)
        uv_faces.append(part.uv_faces + texel)
        owner.append(np.full(len(part.faces), k))
        labels.append(np.broadcast_to(np.uint8(part.label), len(part.faces)))
        materials[k, : len(part.material)] = part.material
        materials[k, meshes.NORMAL_MAP] = -1
        if part.bump is not None:
            materials[k, meshes.NORMAL_MAP] = len(pictures)
            pictures.append(part.bump)
        vertex += len(part.rest)
        texel += len(part.uv)
        rows.append(np.full(len(part.rest), part.kind))
    kind = np.concatenate(rows)
    index, weight = np.concatenate([p.index for p in parts]), np.concatenate([p.weight for p in parts])
    rest = np.concatenate([p.rest for p in parts]).astype(np.float32)
    faces = np.concatenate(faces).astype(np.int32)
    uv = np.concatenate(uv).astype(np.float32)
    uv_faces = np.concatenate(uv_faces).astype(np.int32)
    owner = np.concatenate(owner).astype(np.int32)
    images = pyramids(pictures)
    corner = vstack([part.shares(len(model.template)) for part in parts], "csr")
    in_face = np.zeros(len(model.template), bool)
    in_face[model.expression_index.numpy()] = True
    moving = np.flatnonzero(in_face[index].any(1) & (kind != 1))
    return Person(
        female=female,
        years=years,
        tone=tone,
        wears=wears,
        model=model,
        shape=shape,
        rest=rest,
        moving=moving,
        index=index[moving],
        weight=weight[moving],
        skin_weights=corner @ _skin_weights(model),
        faces=faces,
        uv=uv,
        uv_faces=uv_faces,
        opaque=sum(len(p.faces) for p in parts if not p.transparent),
        part=owner,
        label=np.concatenate(labels),
        detail=detail_of(uv, uv_faces, images.sizes[owner, 0]),
        dots=dots_of(rest, faces, kind),
        kind=kind,
        images=images,
        materials=materials,
        under=np.concatenate([np.broadcast_to(np.float32(p.under), len(p.rest)) for p in parts]),
    )


@lru_cache(maxsize=2)
def _skin_weights(model: BodyModel) -> csr_matrix:
    return csr_matrix(model.skin_weights.numpy())


def detail_of(uv: np.ndarray, faces: np.ndarray, size: np.ndarray) -> np.ndarray:
    """log2 of the root of faces' areas in texels, float32 [F]; size [F]: their images' texels a side."""
    first, second = (uv[faces[:, k]] - uv[faces[:, 0]] for k in (1, 2))
    twice = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) * size.astype(np.float32) ** 2
    return np.float32(0.5) * np.log2(np.maximum(twice * np.float32(0.5), np.float32(5e-7)))


def dots_of(rest: np.ndarray, faces: np.ndarray, kind: np.ndarray) -> np.ndarray:
    """Vertices and faces' middles, each as three vertices, int32 [M, 3], DOTS or more apart; none in eyes and mouth."""
    used = np.zeros(len(rest), bool)
    used[faces.ravel()] = True
    vertices = np.flatnonzero(used & (kind != 3)).astype(np.int32)
    corners = np.concatenate([np.repeat(vertices[:, None], 3, axis=1), faces[kind[faces[:, 0]] != 3]])
    middle = (rest[corners[:, 0]] + rest[corners[:, 1]] + rest[corners[:, 2]]) / 3
    cell = (middle / np.float32(DOTS)).astype(np.int64) @ [1 << 20, 1 << 10, 1]
    return corners[np.unique(cell, return_index=True)[1]]


def pyramids(pictures: list[np.ndarray]) -> Images:
    sizes = np.array([[max(len(picture) >> level, 1) for level in range(LEVELS)] for picture in pictures])
    ends = np.cumsum(sizes.ravel() ** 2)
    starts = (ends - sizes.ravel() ** 2).reshape(sizes.shape)
    pixels = np.empty((ends[-1], 4), np.uint8)
    for k, picture in enumerate(pictures):
        for level, side in enumerate(sizes[k]):
            copy = pixels[starts[k, level] :][: side * side].reshape(side, side, 4)
            if level:
                cv2.resize(picture, (side, side), copy, interpolation=cv2.INTER_AREA)
            elif picture.shape[2] == 3:
                cv2.cvtColor(picture, cv2.COLOR_RGB2RGBA, copy)
            else:
                copy[:] = picture
            picture = copy
    return Images(pixels, starts, sizes)


