"""Hair styles from all sides, made by make-wig (`tools/build_wigs.py`), and how made-up people wear them.

A style is made on the mean person at rest, arms hanging. Another body wears it by the change of its skin: a lattice of
points about head and trunk says how far the skin near each has moved. In poses it goes with the head down to the chin,
with the trunk and the collar bones from the shoulders on, and in between with both.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree
from torch import Tensor

from dinar.body.model import BodyModel
from dinar.errors import InputError

FILE = "wigs.npz"
PER_METRE, PER_TILE = np.float32(10_000), np.float32(1_000)

# preset -> how often men and women wear it, and how much more often with African hair
STYLES = {
    "buzz": (8, 0.7, 1), "crop": (10, 1, 0.5), "curls_short": (5, 4, 1.5), "afro": (1.5, 3, 8), "pixie": (0.5, 4, 0.3),
    "bob": (0.2, 6, 0.4), "bob_bangs": (0.2, 5, 0.4), "long_straight": (0.7, 9, 0.4), "long_wavy": (0.4, 7, 0.4),
    "side_part": (9, 2, 0.3), "undercut": (4, 0.8, 0.5), "mohawk": (0.4, 0.2, 0.7), "ponytail": (0.3, 7, 0.6),
    "top_knot": (0.8, 4, 0.8), "low_bun": (0.2, 6, 0.8), "box_braids": (0.3, 1, 8), "locs": (0.8, 0.6, 8),
    "twists_short": (0.8, 0.5, 7), "cornrows": (0.7, 0.7, 7), "braid_ponytail": (0.1, 5, 0.6), "fade": (5, 0.3, 2),
    "taper_waves": (4, 0.3, 2), "slick_back": (5, 2, 0.4), "comb_over": (6, 0.7, 0.3), "pompadour": (3, 0.4, 0.4),
    "receding": (5, 0.1, 0.6), "bald_crown": (4, 0, 0.6), "pigtails": (0, 2.5, 0.6), "space_buns": (0, 1, 1),
    "bantu_knots": (0.1, 0.4, 5), "man_bun": (2, 1, 0.6), "mullet": (2, 0.7, 0.3), "bowl_cut": (1, 0.7, 0.3),
    "shag": (1, 4, 0.3), "wolf_cut": (0.7, 3, 0.3), "hime": (0.1, 1, 0.2), "curtain_bangs": (0.4, 5, 0.3),
    "beehive": (0, 0.6, 0.3), "flat_top": (1, 0.1, 2.5),
    "senegalese_twists": (0.1, 0.7, 8), "knotless_braids": (0.1, 0.7, 8), "faux_locs": (0.3, 0.7, 8),
    "fulani_braids": (0.1, 0.5, 8), "half_up": (0.2, 2, 0.5),
}  # fmt: skip

BALD = "bald"  # the name of no hair at all

_HEAD, _CHEST = 0.66, 0.54  # metres above the open body's origin: all of the head, all of the trunk
_COLLAR = (0.05, 0.14)  # metres aside: none and half of the collar bone's
_STEP = 0.025  # metres between the lattice's points
_LOW, _HIGH = np.array([-0.45, -0.2, -0.45]), np.array([0.45, 1.3, 0.45])
_NEIGHBOURS = 24
_REACH, _GAP = 0.08, 0.008  # metres: how far under clothes hair may be to be lifted, and how far above them it is then
_ROUND = 72  # steps round the neck
_ARMS = 0.28  # metres from the neck, beyond which clothes are sleeves
_STEEP = 0.013  # metres that hair comes out a step
_SHOULDER = 28.0  # degrees about straight aside
_EVENED = 6
_COLLARS = 0.07  # metres above the shoulders that clothes reach at most
_EAR = 0.0715  # metres aside, on the mean person: a head without ears is narrower
_SCALP = (0.012, 0.006)  # metres: how near hair has to be for the scalp to give way, and by how much it does
_ON_CLOTH = (0.03, 0.012)  # likewise for clothes
HANGING = 0.5  # how far below the shoulders elbows are where arms hang, as a share of the upper arm


@dataclass(frozen=True, eq=False)
class Wig:
    """A hair style on the mean person at rest.

    name, preset  its own and its kind's
    vertices      float32 [N, 3]  metres
    faces         int64   [F, 3]
    uv            float32 [N, 2]  across strands and along them, from the scalp on; pictures of strands repeat
    wave, curl    of its strands, 0 to 1.2
    """

    name: str
    preset: str
    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    wave: float
    curl: float


class Wigs:
    """The styles of a folder's wigs.npz, read one by one as they are asked for; none where there is no such file.

    Raises InputError where the file is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.presets: dict[str, str] = {}
        self._frizz: dict[str, np.ndarray] = {}
        self.get = lru_cache(maxsize=64)(self._get)
        if self.path.is_file():
            names, presets, frizz = self._read("names", "presets", "frizz")
            if not len(names) == len(presets) == len(frizz):
                raise InputError(f"{self.path} is damaged: its tables have different lengths")
            self.presets = {str(name): str(preset) for name, preset in zip(names, presets, strict=True)}
            self._frizz = dict(zip(self.presets, frizz.astype(np.float32), strict=True))

    def __len__(self) -> int:
        return len(self.presets)

    def __contains__(self, name: str) -> bool:
        return name in self.presets

    def random(self, rng: np.random.Generator, female: bool, tone: float) -> str:
        """The name of a style that goes with a person; tone 0 = the lightest skin, 1 = the darkest."""
        african = np.clip((tone - 0.55) / 0.3, 0, 1)
        shares = {}
        for preset in sorted(set(self.presets.values())):
            men, women, more = STYLES.get(preset, (1, 1, 1))
            shares[preset] = (women if female else men) * (1 + african * (more - 1))
        total = sum(shares.values())
        preset = str(rng.choice(list(shares), p=[share / total for share in shares.values()]))
        return str(rng.choice([name for name in self.presets if self.presets[name] == preset]))

    def _get(self, name: str) -> Wig:
        """A style by name. Raises InputError where it is not there or damaged."""
        if name not in self.presets:
            raise InputError(f"{self.path} has no hair named {name}")
        vertices, uv, faces = self._read(*(f"{name}.{field}" for field in ("vertices", "uv", "faces")))
        faces = np.cumsum(faces, axis=0, dtype=np.uint16).astype(np.int64)
        if vertices.shape[1:] != (3,) or uv.shape != (len(vertices), 2) or faces.max() >= len(vertices):
            raise InputError(f"{self.path} is damaged: the arrays of {name} do not go together")
        wave, curl = self._frizz[name]
        return Wig(name, self.presets[name], vertices / PER_METRE, faces, uv / PER_TILE, float(wave), float(curl))

    def _read(self, *names: str) -> list[np.ndarray]:
        try:
            with np.load(self.path, allow_pickle=False) as data:
                return [data[name] for name in names]
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"{self.path} is damaged: {error}") from error


def bald_share(female: bool, years: float) -> float:
    """How many of such people have no hair on their heads, or shave it."""
    return 0.005 if female else float(np.clip((years - 22) / 400, 0.01, 0.12))


def fitted(wig: Wig, model: BodyModel, body: np.ndarray) -> np.ndarray:
    """A style's vertices float32 [N, 3] on another body at rest, `body` [V, 3] (helpers included), metres."""
    change = (_lattice(model) @ (body - model.template.numpy())).reshape(*_sides(), 3)
    place = (wig.vertices - _LOW) / _STEP
    cell = np.clip(np.floor(place).astype(np.int64), 0, np.array(_sides()) - 2)
    within = (place - cell).astype(np.float32)
    moved = np.zeros_like(wig.vertices)
    for corner in np.ndindex(2, 2, 2):
        share = np.where(corner, within, 1 - within).prod(1, keepdims=True)
        x, y, z = (cell + corner).T
        moved += share * change[x, y, z]
    return wig.vertices + moved


def lifted(wig: Wig, hair: np.ndarray, cloth: np.ndarray, axis: np.ndarray, top: float) -> np.ndarray:
    """A style's vertices [N, 3] on a person, those that clothes would cover moved out of them, away from the neck.

    cloth  float32 [M, 3]  vertices of clothes
    axis   float32 [3]     a point of the neck, about whose vertical hair hangs
    top    metres: the height up to which clothes reach, collars too
    """
    around, level, radius = _polar(cloth, axis)
    kept = (radius < _ARMS) & (cloth[:, 1] < top) & (level >= 0)
    reach = np.zeros((_ROUND, int(level[kept].max(initial=0)) + 3), np.float32)
    np.maximum.at(reach, (around[kept], level[kept] + 1), radius[kept])
    reach = np.max([np.roll(np.roll(reach, i, 0), j, 1) for i in (-1, 0, 1) for j in (-1, 0, 1)], axis=0)
    for row in range(1, reach.shape[1]):  # hair comes out over what is below it by and by
        reach[:, row] = np.maximum(reach[:, row], reach[:, row - 1] - _STEEP)
    around, level, radius = _polar(hair, axis)
    row = np.clip(level + 1, 0, reach.shape[1] - 1)
    need = reach[around, row] + _GAP - radius
    side = np.abs(np.abs(around * (360 / _ROUND) - 180) - 90) < _SHOULDER  # hair on a shoulder is not to leave it
    need = np.where((need > 0) & (need < np.where(side, 0.4, 1.0) * _REACH) & (hair[:, 1] < top), need, 0.0)
    edges = np.concatenate([wig.faces[:, [0, 1]], wig.faces[:, [1, 2]], wig.faces[:, [2, 0]]])
    ones = np.ones(2 * len(edges), np.float32)
    beside = csr_matrix((ones, (edges.ravel(), edges[:, ::-1].ravel())), (len(hair), len(hair)))
    count = np.maximum(beside @ np.ones(len(hair), np.float32), 1)
    for _ in range(_EVENED):  # neighbours go along, so that locks bend and do not break
        need = np.maximum(need, beside @ need / count)
    away = (hair - axis) * np.float32([1, 0, 1])
    return hair + (away * (need / np.maximum(radius, 1e-3))[:, None]).astype(np.float32)


def _polar(points: np.ndarray, axis: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where points [N, 3] are about a vertical: steps round it, 1 cm steps up from 0.9 m below, and metres from it."""
    x, y, z = (points - axis).T
    around = np.floor((np.arctan2(x, z) + np.pi) / (2 * np.pi) * _ROUND).astype(np.int64) % _ROUND
    return around, np.floor((y + 0.9) / 0.01).astype(np.int64), np.hypot(x, z)


def scalp_beneath(hair: cKDTree, skin: np.ndarray, model: BodyModel) -> np.ndarray:
    """Metres by which vertices of the skin [N, 3], the body's first ones, count as deeper than they are: the scalp
    under thin hair, but no ears, which stand out from it."""
    near, depth = _SCALP
    distance, _ = hair.query(skin, distance_upper_bound=near)
    template = model.template.numpy()[: len(skin)]
    return np.where((distance < near) & (np.abs(template[:, 0]) < _EAR) & (template[:, 1] > _CHEST), depth, 0.0)


def beneath_hair(hair: cKDTree, points: np.ndarray, top: float) -> np.ndarray:
    """Metres by which clothes, and skin below them [N, 3], count as deeper than they are where hair lies on them; top:
    the height up to which clothes reach."""
    near, depth = _ON_CLOTH
    distance, _ = hair.query(points, distance_upper_bound=near)
    return np.where((distance < near) & (points[:, 1] < top), depth, 0.0)


def follows(wig: Wig, model: BodyModel) -> tuple[np.ndarray, np.ndarray]:
    """Three of the body's vertices int64 [N, 3] that a style's vertices go with in poses, and in what shares [N, 3]:
    one of the scalp, one of the trunk and one of a shoulder."""
    scalp, trunk, shoulders = _anchors(model)
    x, y, _ = wig.vertices.T
    head = _smooth((y - _CHEST) / (_HEAD - _CHEST))
    collar = 0.5 * _smooth((np.abs(x) - _COLLAR[0]) / (_COLLAR[1] - _COLLAR[0])) * _smooth((y - 0.40) / 0.08)
    level = np.clip(np.searchsorted(trunk[1], y), 0, len(trunk[0]) - 1)
    index = np.stack([np.full(len(y), scalp), trunk[0][level], np.where(x > 0, *shoulders)], axis=1)
    weight = np.stack([head, (1 - head) * (1 - collar), (1 - head) * collar], axis=1)
    return index.astype(np.int64), weight.astype(np.float32)


def collar_height(model: BodyModel, joints: np.ndarray) -> float:
    """The height up to which clothes reach on a body with joints [J, 3] at rest, collars too, metres."""
    return float(joints[model.joint_names.index("shoulder01.L"), 1]) + _COLLARS


def lies_on_shoulders(hair: np.ndarray, model: BodyModel, shape: Tensor) -> bool:
    """Whether hair [N, 3] of somebody of a shape [1, S] at rest hangs lower than the shoulders."""
    if not len(hair):
        return False
    shoulder = model.rest(shape)[1][0, model.joint_names.index("shoulder01.L"), 1]
    return float(np.quantile(hair[:, 1], 0.02)) < float(shoulder)


def arms_hang(model: BodyModel, shape: Tensor, pose: np.ndarray) -> bool:
    """Whether both elbows are well below the shoulders, along the chest, in a pose [J, 3]."""
    small = _joints(model)
    body = replace(small.neutral(), shape=shape, pose=torch.from_numpy(pose)[None])
    with torch.no_grad():
        at = dict(zip(model.joint_names, small(body).joints[0].numpy(), strict=True))
    up = at["neck01"] - at["spine02"]
    up /= np.linalg.norm(up)
    arms = [at[f"lowerarm01.{side}"] - at[f"upperarm01.{side}"] for side in "LR"]
    return all(arm @ up < -HANGING * np.linalg.norm(arm) for arm in arms)


@lru_cache(maxsize=2)
def _joints(model: BodyModel) -> BodyModel:
    """The joints of a model, with hardly any vertices."""
    return model.only_landmarks()


def _smooth(share: np.ndarray) -> np.ndarray:
    share = np.clip(share, 0, 1)
    return share * share * (3 - 2 * share)


def _sides() -> tuple[int, int, int]:
    return tuple(int(n) for n in np.rint((_HIGH - _LOW) / _STEP).astype(int) + 1)


@lru_cache(maxsize=2)
def _lattice(model: BodyModel) -> csr_matrix:
    """How far each point of the lattice moves with the body's vertices: sparse [points, V], rows of sum 1."""
    skin = np.unique(model.faces.numpy())
    limbs = ("upperarm", "lowerarm", "wrist", "finger")
    arms = [k for k, name in enumerate(model.joint_names) if name.startswith(limbs)]
    skin = skin[model.skin_weights.numpy()[skin][:, arms].sum(1) < 0.3]
    template = model.template.numpy()
    axes = [_LOW[c] + _STEP * np.arange(n) for c, n in enumerate(_sides())]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    distance, nearest = cKDTree(template[skin]).query(points, k=_NEIGHBOURS)
    width = np.maximum(0.015, 0.35 * distance[:, :1])
    weight = np.exp(-(((distance - distance[:, :1]) / width) ** 2))
    weight /= weight.sum(1, keepdims=True)
    rows = np.arange(len(points) + 1) * _NEIGHBOURS
    return csr_matrix((weight.ravel().astype(np.float32), skin[nearest].ravel(), rows), (len(points), len(template)))


@lru_cache(maxsize=2)
def _anchors(model: BodyModel) -> tuple[int, tuple[np.ndarray, np.ndarray], tuple[int, int]]:
    """Vertices: one of the scalp; of the back's middle from below with their heights; of the shoulders, left and right,
    each following its joints as purely as any does."""
    template, weights = model.template.numpy(), model.skin_weights.numpy()
    names = list(model.joint_names)
    skin = np.unique(model.faces.numpy())
    still = np.setdiff1d(skin, model.expression_index.numpy())
    of_head = still[weights[still, names.index("head")] > 0.99]
    scalp = of_head[template[of_head, 1].argmax()]
    back = still[(np.abs(template[still, 0]) < 0.012) & (template[still, 2] < -0.02) & (template[still, 1] < _CHEST)]
    back = back[np.argsort(template[back, 1])]
    shoulders = []
    for side in "LR":
        mine = weights[still][:, [names.index(f"clavicle.{side}"), names.index(f"shoulder01.{side}")]].sum(1)
        shoulders.append(int(still[mine.argmax()]))
    return int(scalp), (back, template[back, 1]), (shoulders[0], shoulders[1])
