"""MakeHuman's outfits and shoes: which parts of a person they are, and pictures of them in new colours and cloths."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from dinar.parts import BodyPart
from dinar.raster.rasterize import interpolate, rasterize
from dinar.synth.kernels import meshes
from dinar.synth.srgb import bytes_of, grey_of, linear
from dinar.synth.wardrobe import Asset, Wardrobe

WAIST = 0.15  # metres above the open body's origin: parts of an outfit whose middle is higher are tops
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
    label = components(asset.faces)
    if label.max() == 0:  # sewn together: told apart by the pattern's pieces
        label = components(asset.uv_faces)
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
    grey = grey_of(light)
    vertices = asset.fit(wardrobe.model.template.numpy())
    places = np.concatenate([vertices[:, :2], meshes.normals_of(vertices, asset.faces)[:, 2:]], axis=1)
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


def components(faces: np.ndarray) -> np.ndarray:
    """The connected part [F] that each face belongs to."""
    edges = np.concatenate([faces[:, :2], faces[:, 1:]])
    count = int(faces.max()) + 1
    _, label = connected_components(coo_matrix((np.ones(len(edges)), edges.T), (count, count)), directed=False)
    return np.unique(label[faces[:, 0]], return_inverse=True)[1]


def random_colour(rng: np.random.Generator, quiet: float = 0.5, skin: np.ndarray | None = None) -> np.ndarray:
    """A colour that cloth might have, linear light [3]; the share `quiet` is black, white, navy, beige and so on.

    None is close to `skin` [3]: nobody is to look undressed.
    """
    while skin is not None:
        colour = random_colour(rng, quiet)
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


def outfit_picture(
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
            cloth = random_colour(rng, quiet, skin)[None, None]
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
        grey = grey_of(cloth)[..., None]
        cloth = grey / max(float(grey.mean()), 1e-3) * random_colour(rng)
    return cloth


def _printed(cloth: np.ndarray, place: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cloth [s, s, 3] or [1, 1, 3] with stripes around the body, or a word or a shape on the chest, in some ink."""
    ink = random_colour(rng)
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


def folds(rng: np.random.Generator, size: int) -> np.ndarray:
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


def shoe_picture(wardrobe: Wardrobe, asset: Asset, rng: np.random.Generator, size: int) -> np.ndarray:
    """A pair of shoes' image, at times dyed."""
    light = _without_logos(linear(wardrobe.picture(asset.images["diffuse"], size)), asset.name)
    if rng.random() < 0.5:
        return bytes_of(light)
    grey = grey_of(light)[..., None]
    return bytes_of(light * 0.3 + 0.7 * grey / max(float(grey.mean()), 0.02) * random_colour(rng) * 0.6)
