"""Random dressed people: who they are, what they wear, how they stand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.sparse import coo_matrix, csr_matrix, vstack
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from torch import Tensor

from dinar.body.model import Body, BodyModel
from dinar.body.uv import load_layout
from dinar.parts import BodyPart
from dinar.raster.rasterize import interpolate, rasterize
from dinar.synth.garments.outfits import Extras, Tailor
from dinar.synth.garments.sewing import covered, layered
from dinar.synth.garments.things import Anchors, beneath
from dinar.synth.kernels import meshes
from dinar.synth.piece import CLOTH, LEATHER, Piece
from dinar.synth.pigment import HairColour, random_hair
from dinar.synth.skin import skin_picture
from dinar.synth.srgb import bytes_of, linear
from dinar.synth.strands import strands
from dinar.synth.wardrobe import Asset, Wardrobe
from dinar.synth.wigs import BALD, bald_share, beneath_hair, collar_height, fitted, follows, lifted, scalp_beneath

DATA = Path(__file__).parent / "data"
LEVELS = 7
DOTS = 0.012  # metres between a person's dots, at least
_NEAR = 0.03  # metres within which clothes lie over skin and shoes
_UNDER_CLOTH, _IN_TROUSERS = 0.008, 0.02  # metres by which those give way
_LOW = 0.13  # metres: boots that trousers hide
_MADE_UP, _BOOTS = 0.65, 0.18  # shares of people whose clothes and shoes are cut here
WAIST = 0.15  # metres above the open body's origin: parts of an outfit whose middle is higher are tops

_EYEBALL = 72  # vertices of each of the body's own eyes; MakeHuman's are worn instead
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
_LOGOS = {  # left, top, right, bottom in UV
    "female_casualsuit01": [(0.70, 0.14, 0.885, 0.32)],
    "male_casualsuit02": [(0.48, 0.095, 0.64, 0.245)],
    "male_casualsuit04": [(0.48, 0.095, 0.64, 0.245)],
    "shoes06": [(0.45, 0.785, 0.525, 0.84)],
    "male_casualsuit06": [(0.43, 0.11, 0.64, 0.22), (0.19, 0.11, 0.30, 0.19), (0.72, 0.14, 0.76, 0.20)],
}
_PIECES = {  # pieces of outfits that are neither UPPER nor LOWER
    "female_elegantsuit01": {0: BodyPart.DRESS},
}
_NEUTRALS = (
    (0.02, 0.02, 0.025), (0.78, 0.77, 0.74), (0.05, 0.07, 0.14), (0.18, 0.18, 0.19), (0.42, 0.36, 0.27),
    (0.10, 0.16, 0.30), (0.22, 0.25, 0.16), (0.16, 0.10, 0.07), (0.45, 0.46, 0.48), (0.25, 0.04, 0.05),
)  # fmt: skip
_GREY = np.full((1, 3), 1 / 3, np.float32)
WIGS = 0.85  # of people, the share that wears one where there are any; the others wear MakeHuman's hair

#                   wrap specular shininess sheen bump two-sided shadow bias
_SKIN = (0.30, 0.030, 14.0, 0.0, 0.0, 0, 0.006)
_HAIR = (0.15, 0.012, 16.0, 0.0, 0.0, 1, 0.02)
_WIG = (0.15, 0.014, 18.0, 0.0, 0.6, 1, 0.008)
_BROW = (0.0, 0.0, 1.0, 0.0, 0.0, 1, 0.012)
_EYE = (0.1, 0.040, 120.0, 0.0, 0.0, 0, 0.010)


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


def random_person(wardrobe: Wardrobe, seed: int, *, texture: int = 1024) -> Person:
    """Somebody: women and men evenly, adults of every age, every skin tone evenly, always fully dressed.

    texture  texels a side of the skin's and each garment's image
    """
    rng = np.random.default_rng([seed, 1])
    female = bool(rng.random() < 0.5)
    tone = float(rng.random())
    shape, years = _random_shape(rng, female, tone)
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
        model, rng, lambda quiet: _random_colour(rng, quiet, usual), lambda: _fabric(wardrobe, rng)
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
        picture = _outfit_picture(wardrobe, asset, rng, texture, usual)
        piece = _worn(asset, body, picture, CLOTH, 1, outfit_labels(wardrobe, asset), wardrobe, texture)
        clothes.append(piece if piece.bump is not None else replace(piece, bump=_folds(rng, texture)))
    if shoes is not None:
        asset = wardrobe.get("clothes", shoes)
        hidden[asset.hidden] = True
        picture = _shoe_picture(wardrobe, asset, rng, texture)
        clothes.insert(0, _worn(asset, body, picture, LEATHER, 1, BodyPart.SHOES, wardrobe, texture))
    clothes += added.pieces
    near = cKDTree(np.concatenate([piece.rest for piece in clothes[1:]]))
    bare = _skin(wardrobe, body, hidden, skin)
    parts = [_giving_way(bare, near, _UNDER_CLOTH), _giving_way(clothes[0], near, _IN_TROUSERS), *clothes[1:]]
    hair_colour = random_hair(rng, tone, years)
    things = [("hair", hair), ("eyebrows", brow), ("eyelashes", lash)]
    if hair == BALD or added.hides_hair:
        del things[0]
    elif hair in wardrobe.wigs:
        tops = [points for piece in parts[1:] if len(points := _of_the_trunk(piece))]
        cloth = np.concatenate(tops) if tops else body[:0]
        wig = _wig(wardrobe, rng, things.pop(0)[1], body, joints, cloth, hair_colour, _small(texture))
        wig = wig if added.dome is None else beneath(wig, added.dome)
        over, top = cKDTree(wig.rest), collar_height(model, joints)
        parts = [replace(piece, under=piece.under + beneath_hair(over, piece.rest, top)) for piece in parts]
        parts[0] = replace(parts[0], under=parts[0].under + scalp_beneath(over, parts[0].rest, model))
        parts.append(wig)
    for kind, name in things:
        asset = wardrobe.get(kind, name)
        size = texture if kind == "hair" else _small(texture)
        colour = hair_colour.mean if kind != "eyelashes" else np.full(3, 0.01)
        picture = _tinted(wardrobe, asset.images["diffuse"], size, colour)
        look = (_HAIR, 2, BodyPart.HAIR) if kind == "hair" else (_BROW, 3, BodyPart.FACE_SKIN)
        piece = _worn(asset, body, picture, *look, wardrobe, texture, transparent=True)
        parts.append(beneath(piece, added.dome) if kind == "hair" and added.dome is not None else piece)
    parts += [_eyes(wardrobe, rng, body, tone, _small(texture)), _teeth(wardrobe, body)]
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


def _worn(
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
    label = _components(faces)
    corners = [len(np.unique(faces[label == k])) for k in range(label.max() + 1)]
    keep = np.array(corners)[label] != _EYEBALL
    layout = load_layout("anny", model)
    return faces[keep], layout.uv.numpy(), layout.faces.numpy()[keep]


def _skin(wardrobe: Wardrobe, body: np.ndarray, hidden: np.ndarray, picture: np.ndarray) -> Piece:
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


def _grey(light: np.ndarray) -> np.ndarray:
    """The mean of its three colours, float32 [h, w]."""
    return cv2.transform(light, _GREY)


def _wig(
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


def _tinted(wardrobe: Wardrobe, path: Path, size: int, colour: np.ndarray) -> np.ndarray:
    """A hair picture uint8 [s, s, 4] of another colour (linear light), its light and shade kept."""
    shade, opacity = _strands(wardrobe, path, size)
    return np.dstack([bytes_of(shade * colour.astype(np.float32)), opacity])


@lru_cache(maxsize=32)
def _strands(wardrobe: Wardrobe, path: Path, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Light and shade of a hair picture about 1, float32 [s, s, 1], and its opacity uint8 [s, s]."""
    picture = wardrobe.picture(path, size)
    light = _grey(linear(picture))
    shade = (light + 0.004) / (light[picture[..., 3] > 80].mean() + 0.004)
    return np.clip(shade, 0.12, 4)[..., None] ** np.float32(1.15), picture[..., 3]


def _eyes(wardrobe: Wardrobe, rng: np.random.Generator, body: np.ndarray, tone: float, size: int) -> Piece:
    """MakeHuman's eyes without their clear corneas."""
    asset = wardrobe.get("eyes", "high-poly")
    brown = tone > 0.45 or rng.random() < 0.4
    name = str(rng.choice([n for n in wardrobe.irises if n.startswith("brown") == brown]))
    picture = wardrobe.picture(wardrobe.irises[name], size)
    light = linear(picture)
    r, g, b = cv2.split(light)
    least, most = np.minimum(np.minimum(r, g), b), np.maximum(np.maximum(r, g), b)
    white = (least / (most + np.float32(1e-3)))[..., None]  # 1 where grey, 0 where vivid
    dull = _grey(light)[..., None] * np.float32(0.45) + light * np.float32(0.55)
    iris = np.float32(0.55 - 0.4 * tone if brown else 0.7) * dull
    share = np.clip((white - np.float32(0.45)) / np.float32(0.25), 0, 1)
    eye = bytes_of(np.float32(0.7) * light * share + iris * (1 - share))
    middle = (asset.uv[asset.uv_faces].mean(1) % 1 * size).astype(int)
    solid = picture[middle[:, 1], middle[:, 0], 3] > 128
    part = _worn(asset, body, eye, _EYE, 3, BodyPart.FACE_SKIN, wardrobe, size)
    return replace(part, faces=part.faces[solid], uv_faces=part.uv_faces[solid])


def _teeth(wardrobe: Wardrobe, body: np.ndarray) -> Piece:
    asset = wardrobe.get("teeth", "teeth_base")
    picture = bytes_of(linear(wardrobe.picture(asset.images["diffuse"], 256)) * np.float32(0.5))
    return _worn(asset, body, picture, _EYE, 3, BodyPart.FACE_SKIN, wardrobe, 256)


@dataclass(frozen=True)
class _Piece:
    """An outfit's top, or the rest of it.

    texels  bool [s, s]           its place in the image
    shade   float32 [s, s, 1]     the light and shade painted there, about 1
    place   float32 [s, s, 3]     of a top: x and y on the mean person, metres, and how much a texel faces forwards
    """

    texels: np.ndarray
    shade: np.ndarray
    place: np.ndarray | None


@lru_cache(maxsize=32)
def _tops(wardrobe: Wardrobe, asset: Asset) -> tuple[np.ndarray, np.ndarray]:
    """Of each face of an outfit: the number of the piece it belongs to, and whether that is worn above, bool [F]."""
    label = _components(asset.faces)
    if label.max() == 0:  # sewn together: told apart by the pattern's pieces
        label = _components(asset.uv_faces)
    height = asset.fit(wardrobe.model.template.numpy())[asset.faces, 1].mean(1)
    return label, (np.bincount(label, height) / np.bincount(label) > WAIST)[label]


def outfit_labels(wardrobe: Wardrobe, asset: Asset) -> np.ndarray:
    """The BodyPart of each face of an outfit, uint8 [F]."""
    piece, top = _tops(wardrobe, asset)
    label = np.where(top, BodyPart.UPPER, BodyPart.LOWER).astype(np.uint8)
    for number, part in _PIECES.get(asset.name, {}).items():
        label[piece == number] = part
    return label


@lru_cache(maxsize=16)
def _outfit(wardrobe: Wardrobe, asset: Asset, size: int) -> tuple[np.ndarray, tuple[_Piece, ...]]:
    """An outfit as painted, without logos, linear light [size, size, 3], and its pieces."""
    light = np.full((size, size, 3), 0.3, np.float32)
    if "diffuse" in asset.images:
        light = _without_logos(linear(wardrobe.picture(asset.images["diffuse"], size)), asset.name)
    grey = _grey(light)
    vertices = asset.fit(wardrobe.model.template.numpy())
    places = np.concatenate([vertices[:, :2], vertex_normals(vertices, asset.faces)[:, 2:]], axis=1)
    _, top = _tops(wardrobe, asset)
    corners = torch.from_numpy(np.pad(asset.uv * size, ((0, 0), (0, 1)), constant_values=1).astype(np.float32))[None]
    pieces = []
    for chosen, is_top in ((top, True), (~top, False)):
        if chosen.any():
            fragments = rasterize(corners, torch.from_numpy(asset.uv_faces[chosen]), (size, size))
            texels = cv2.dilate(fragments.mask[0, 0].numpy(), np.ones((7, 7))) > 0
            shade = np.clip(grey / max(float(np.median(grey[texels])), 1e-3), 0.25, 1.8)[..., None] ** np.float32(0.8)
            place = None
            if is_top:
                place = interpolate(fragments, torch.from_numpy(places)[None], torch.from_numpy(asset.faces[chosen]))
                place = place[0].permute(1, 2, 0).numpy()
            pieces.append(_Piece(texels, shade, place))
    return light, tuple(pieces)


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals float32 [N, 3] of a mesh."""
    normals = np.empty((len(vertices), 3), np.float32)
    meshes.vertex_normals(vertices, faces, normals)
    return normals


def _components(faces: np.ndarray) -> np.ndarray:
    """The connected part [F] that each face belongs to."""
    edges = np.concatenate([faces[:, :2], faces[:, 1:]])
    count = int(faces.max()) + 1
    _, label = connected_components(coo_matrix((np.ones(len(edges)), edges.T), (count, count)), directed=False)
    return np.unique(label[faces[:, 0]], return_inverse=True)[1]


def _random_colour(rng: np.random.Generator, quiet: float = 0.5, skin: np.ndarray | None = None) -> np.ndarray:
    """A colour that cloth might have, linear light [3]; the share `quiet` is black, white, navy, beige and so on.

    None is close to `skin` [3]: nobody is to look undressed.
    """
    while skin is not None:
        colour = _random_colour(rng, quiet)
        if np.abs(np.log((colour + 0.02) / (skin + 0.02))).max() > 0.7:
            return colour
    if rng.random() < quiet:
        return np.array(_NEUTRALS[rng.integers(len(_NEUTRALS))], np.float32) * rng.uniform(0.8, 1.2)
    hsv = np.float32([[[rng.uniform(0, 360), rng.uniform(0.2, 0.8), rng.uniform(0.25, 0.85)]]])
    return (cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0] ** 2.2).astype(np.float32)


def _without_logos(light: np.ndarray, name: str) -> np.ndarray:
    """A garment's image [s, s, 3] with what is known of its maker's signs painted over."""
    light = light.copy()
    for left, top, right, bottom in _LOGOS.get(name, ()):
        x0, y0, x1, y1 = (round(v * len(light)) for v in (left, top, right, bottom))
        patch = light[y0:y1, x0:x1]
        edge = np.concatenate([patch[0], patch[-1], patch[:, 0], patch[:, -1]])
        plain = np.median(edge, axis=0)
        odd = (np.abs(patch - plain).max(2) > 0.06).astype(np.float32)
        odd = cv2.GaussianBlur(cv2.dilate(odd, np.ones((7, 7))), (0, 0), 2)[..., None]
        light[y0:y1, x0:x1] = patch * (1 - odd) + plain * odd
    return light


def _outfit_picture(
    wardrobe: Wardrobe, asset: Asset, rng: np.random.Generator, size: int, skin: np.ndarray
) -> np.ndarray:
    """An outfit's image uint8 [size, size, 3], most parts in new colours or cloths; no logo survives."""
    light, pieces = _outfit(wardrobe, asset, size)
    out = light.copy()
    for piece in pieces:
        kind, top = rng.random(), piece.place is not None
        if "diffuse" in asset.images and kind < (0.2 if top else 0.4) and not (top and asset.name in _LOGOS):
            continue
        quiet = 0.35 if top else 0.75
        if kind > (0.75 if top else 0.88):
            cloth = _cloth(wardrobe, rng, size)
        else:
            cloth = _random_colour(rng, quiet, skin)[None, None]
            if top and rng.random() < 0.3:
                cloth = _printed(cloth, piece.place, rng)
        np.copyto(out, np.minimum(cloth * piece.shade, np.float32(0.85)), where=piece.texels[..., None])
    if "occlusion" in asset.images:
        occlusion = wardrobe.picture(asset.images["occlusion"], size)[..., :3]
        out *= cv2.LUT(np.ascontiguousarray(occlusion), np.linspace(0.55, 1, 256, dtype=np.float32))
    return bytes_of(out)


def _cloth(wardrobe: Wardrobe, rng: np.random.Generator, size: int) -> np.ndarray:
    """A fabric repeated over an image, linear light [size, size, 3], at times dyed."""
    tile = linear(wardrobe.picture(wardrobe.fabrics[rng.integers(len(wardrobe.fabrics))], 128))[2:-2, 2:-2]
    side = int(size * rng.uniform(0.05, 0.15))
    tile = cv2.resize(tile, (side, side), interpolation=cv2.INTER_AREA if side < 128 else cv2.INTER_LINEAR)
    count = -(-size // side)
    cloth = np.tile(tile, (count, count, 1))[:size, :size]
    if rng.random() < 0.5:
        grey = _grey(cloth)[..., None]
        cloth = grey / max(float(grey.mean()), 1e-3) * _random_colour(rng)
    return cloth


def _printed(cloth: np.ndarray, place: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cloth [s, s, 3] or [1, 1, 3] with stripes around the body, or a word or a shape on the chest, in some ink."""
    ink = _random_colour(rng)
    if rng.random() < 0.4:
        width = rng.uniform(0.012, 0.09)
        share = (place[..., 1] / width % 1 < rng.uniform(0.2, 0.6)).astype(np.float32)
    else:
        motif = np.zeros((256, 256), np.uint8)
        if rng.random() < 0.6:
            letters = [chr(65 + int(k)) for k in rng.integers(0, 26, rng.integers(2, 7))]
            font = int(rng.choice([cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_SCRIPT_COMPLEX]))
            (w, h), _ = cv2.getTextSize("".join(letters), font, 1, 3)
            cv2.putText(motif, "".join(letters), (12, 128 + h // 2), font, 230 / w, 255, 7, cv2.LINE_AA)
        else:
            corners, turn = int(rng.integers(3, 8)), rng.uniform(0, 6.28)
            angle = turn + np.arange(2 * corners) * np.pi / corners
            radius = np.where(np.arange(2 * corners) % 2, 110, rng.uniform(40, 110))
            star = np.stack([128 + radius * np.cos(angle), 128 + radius * np.sin(angle)], axis=1)
            cv2.fillPoly(motif, [star.astype(np.int32)], 255, cv2.LINE_AA)
        wide, height = rng.uniform(0.12, 0.24), rng.uniform(0.33, 0.40)
        x = (place[..., 0] / wide + 0.5) * 256
        y = ((height - place[..., 1]) / wide + 0.5) * 256
        drawn = cv2.remap(motif, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
        share = drawn / np.float32(255) * (place[..., 2] > 0.15)
    return cloth + share[..., None] * (ink - cloth)


def _folds(rng: np.random.Generator, size: int) -> np.ndarray:
    """A normal map uint8 [size, size, 3] of creased cloth."""
    height = np.zeros((256, 256), np.float32)
    for along, across, strength in ((22, 9, 1.0), (9, 16, 0.7), (5, 3, 0.25)):
        wave = cv2.GaussianBlur(rng.standard_normal((256, 256), np.float32), (0, 0), along, sigmaY=across)
        height += strength * across * (wave / wave.std() - 0.6 * np.abs(wave / wave.std()))
    dy, dx = np.gradient(height)
    slope = np.stack([-dx, dy], axis=2) * (rng.uniform(0.06, 0.14) / max(float(dx.std()), float(dy.std())))
    bump = np.concatenate([slope, np.ones((256, 256, 1), np.float32)], axis=2)
    bump = np.rint((np.clip(bump, -1, 1) + 1) * 127.5).astype(np.uint8)
    return cv2.resize(bump, (min(size, 512),) * 2, interpolation=cv2.INTER_CUBIC)


def _shoe_picture(wardrobe: Wardrobe, asset: Asset, rng: np.random.Generator, size: int) -> np.ndarray:
    """A pair of shoes' image, at times dyed."""
    light = _without_logos(linear(wardrobe.picture(asset.images["diffuse"], size)), asset.name)
    if rng.random() < 0.5:
        return bytes_of(light)
    grey = _grey(light)[..., None]
    return bytes_of(light * 0.3 + 0.7 * grey / max(float(grey.mean()), 0.02) * _random_colour(rng) * 0.6)
