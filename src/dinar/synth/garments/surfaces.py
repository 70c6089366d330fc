"""The surfaces that garments are cut from: a suit of tights and a skirt about MakeHuman's body, twice as fine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from scipy.sparse import coo_matrix, csr_matrix, identity

from dinar.body.model import BodyModel
from dinar.raster.rasterize import rasterize
from dinar.synth.kernels import meshes

DATA = Path(__file__).parents[1] / "data"
_RING = 0.015  # metres: what lies at one height, or as far along an arm, is a ring
_ARM = ("shoulder01", "upperarm01", "upperarm02", "lowerarm01", "lowerarm02", "wrist", "finger", "metacarpal")
_NAPE, _BROAD = 0.44, 0.23  # metres on the mean body: how low and how broad a headscarf reaches
_UPPER, _LOWER = -0.22, 0.24  # metres on the mean body: how low tops reach in their pattern, how high trousers


@dataclass(frozen=True, eq=False)
class Surface:
    """A surface about the body; all places are on the mean body at rest, metres.

    faces, uv_faces  int64 [F, 3]
    front            bool [F]            whether it belongs to the front's panels
    uv               float32 [T, 2]      flat pattern, metres
    uv_front         bool [T]
    mix              [N, V]              shares of the body's vertices (helpers included)
    place            float32 [N, 3]
    arm              float32 [N]         how much a vertex is an arm's, 0 to 1
    along            float32 [N]         metres from the shoulder's joint along the arm
    leg              float32 [N]         how much a vertex is a leg's, 0 to 1
    mean             [N, N]              each vertex' mean with its neighbours
    ring             [N, N]              each vertex' ring's mean: the middle of trunk, arm or leg there
    """

    faces: np.ndarray
    uv_faces: np.ndarray
    front: np.ndarray
    uv: np.ndarray
    uv_front: np.ndarray
    mix: csr_matrix
    place: np.ndarray
    arm: np.ndarray
    along: np.ndarray
    leg: np.ndarray
    mean: csr_matrix
    ring: csr_matrix

    def normals(self, vertices: np.ndarray) -> np.ndarray:
        """Unit normals float32 [N, 3]."""
        return meshes.normals_of(vertices, self.faces)


@dataclass(frozen=True, eq=False)
class Sheet:
    """How a surface's pattern lies in a square picture.

    uv       float32 [T, 2]        in [0, 1]
    side     metres a side
    corner   int32   [S, S, 3]     the surface's vertices about each texel; those next to the panels too
    share    float32 [S, S, 3]     their shares
    place    float32 [3, S, S]     where texels are on the mean body, metres
    front    bool    [S, S]        the front's panels
    """

    uv: np.ndarray
    side: float
    corner: np.ndarray
    share: np.ndarray
    place: np.ndarray
    front: np.ndarray

    def at_texels(self, values: np.ndarray) -> np.ndarray:
        """Values [N] of vertices at each texel: float32 [S, S]."""
        values = np.float32(values)
        return sum(np.take(values, self.corner[..., k]) * self.share[..., k] for k in range(3))


@lru_cache(maxsize=4)
def surface(model: BodyModel, name: str) -> Surface:
    """`tights` or `skirt`, each quad made four, or `head`."""
    if name == "head":
        return _head(model)
    with np.load(DATA / "helpers.npz", allow_pickle=False) as data:
        quads, uv_quads = (data[f"{name}_{k}"].astype(np.int64) for k in ("quads", "uv_quads"))
        flat, front = data[f"{name}_uv"], data[f"{name}_front"]
    used, quads = np.unique(quads, return_inverse=True)
    quads = quads.reshape(-1, 4)
    picked = csr_matrix(
        (np.ones(len(used), np.float32), (np.arange(len(used)), used)), (len(used), len(model.template))
    )
    finer, quads = _finer(quads, len(used))
    uv_finer, uv_quads = _finer(uv_quads, len(flat))
    uv = (uv_finer @ flat).astype(np.float32)
    front = np.repeat(front, 4)
    mix = (finer @ picked).tocsr().astype(np.float32)
    faces, uv_faces = (np.concatenate([q[:, :3], q[:, [0, 2, 3]]]) for q in (quads, uv_quads))
    front = np.tile(front, 2)
    uv_front = np.zeros(len(uv), bool)
    uv_front[uv_faces[front]] = True
    place = (mix @ model.template.numpy()).astype(np.float32)
    weights = mix @ model.skin_weights.numpy()
    arms = [j for j, joint in enumerate(model.joint_names) if joint.startswith(_ARM)]
    legs = [j for j, joint in enumerate(model.joint_names) if joint.startswith(("upperleg", "lowerleg", "foot", "toe"))]
    arm, leg = weights[:, arms].sum(1), weights[:, legs].sum(1)
    joints = dict(zip(model.joint_names, model.joint_template.numpy(), strict=True))
    along = np.zeros(len(place), np.float32)
    for side, sign in ((".L", 1), (".R", -1)):
        start, end = joints["upperarm01" + side], joints["wrist" + side]
        own = place[:, 0] * sign > 0
        along[own] = (place[own] - start) @ ((end - start) / np.linalg.norm(end - start))
    return Surface(
        faces,
        uv_faces,
        front,
        uv,
        uv_front,
        mix,
        place,
        arm.astype(np.float32),
        along,
        leg.astype(np.float32),
        _means(faces, len(place)),
        _rings(place, arm, along) if name == "tights" else _levels(place),
    )


def _finer(quads: np.ndarray, count: int) -> tuple[csr_matrix, np.ndarray]:
    """Shares [M, count] of a mesh's vertices, and the quads of one with each quad made four."""
    edges = np.sort(np.concatenate([quads[:, [k, (k + 1) % 4]] for k in range(4)]), axis=1)
    unique, number = np.unique(edges, axis=0, return_inverse=True)
    number = number.reshape(4, -1).T + count  # the edge after each corner
    middle = count + len(unique) + np.arange(len(quads))
    rows = np.concatenate([np.arange(count), np.repeat(count + np.arange(len(unique)), 2), np.repeat(middle, 4)])
    columns = np.concatenate([np.arange(count), unique.ravel(), quads.ravel()])
    shares = np.concatenate([np.ones(count), np.full(2 * len(unique), 0.5), np.full(4 * len(quads), 0.25)])
    finer = csr_matrix((shares.astype(np.float32), (rows, columns)), (count + len(unique) + len(quads), count))
    four = [np.stack([quads[:, k], number[:, k], middle, number[:, k - 1]], axis=1) for k in range(4)]
    return finer, np.stack(four, axis=1).reshape(-1, 4)


def _means(faces: np.ndarray, count: int) -> csr_matrix:
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    near = coo_matrix((np.ones(len(edges), np.float32), edges.T), (count, count)).tocsr()
    near = ((near + near.T) > 0).astype(np.float32)
    near = near.multiply(1 / np.maximum(near.sum(1), 1)).tocsr()
    return (0.5 * near + 0.5 * identity(count, np.float32)).tocsr().astype(np.float32)


def _rings(place: np.ndarray, arm: np.ndarray, along: np.ndarray) -> csr_matrix:
    side = (place[:, 0] > 0).astype(int)
    low = place[:, 1] < -0.09  # legs, below the crotch
    region = np.where(arm > 0.5, 1 + side, np.where(low, 3 + side, 0))
    level = np.floor(np.where(arm > 0.5, along, place[:, 1]) / _RING).astype(int)
    _, number = np.unique(region * 1000 + level, return_inverse=True)
    member = csr_matrix((np.ones(len(place), np.float32), (np.arange(len(place)), number)))
    ring = (member.multiply(1 / member.sum(0))).T.tocsr()
    mean = (member @ ring).tocsr()
    return mean.astype(np.float32)


def _levels(place: np.ndarray) -> csr_matrix:
    """Middles that change slowly with height, alike on both sides: of a skirt, whose rings lie aslant."""
    near = np.exp(-0.5 * ((place[:, None, 1] - place[None, :, 1]) / (3 * _RING)) ** 2)
    near[near < 1e-3] = 0
    angle = np.arctan2(place[:, 0], place[:, 2] - place[:, 2].mean())
    sector = np.floor(angle / (np.pi / 9)).astype(int)
    crowd = near @ np.eye(18)[sector % 18]  # how many there are around, by sector: each counts as much
    near /= np.maximum(crowd[:, sector % 18], 1e-6)
    return csr_matrix((near / near.sum(1, keepdims=True)).astype(np.float32))


def _head(model: BodyModel) -> Surface:
    """The skin of head, neck and shoulders, for what is laid about it; its pattern is a cylinder's."""
    skin = model.faces.numpy().astype(np.int64)
    place = model.template.numpy()
    inside = (place[skin, 1] > _NAPE).all(1) & (np.abs(place[skin, 0]) < _BROAD).all(1)
    eyes = [model.joint_names.index(name) for name in ("eye.L", "eye.R")]
    inside &= (model.skin_weights[:, eyes].sum(1).numpy() < 0.5)[skin].all(1)
    used, faces = np.unique(skin[inside], return_inverse=True)
    faces = faces.reshape(-1, 3)
    rows = np.arange(len(used))
    mix = csr_matrix((np.ones(len(used), np.float32), (rows, used)), (len(used), len(place)))
    place = place[used].astype(np.float32)
    uv = np.stack([0.1 * np.arctan2(place[:, 0], place[:, 2] - 0.03), -place[:, 1]], axis=1).astype(np.float32)
    zero = np.zeros(len(used), np.float32)
    none = csr_matrix((len(used), len(used)), dtype=np.float32)
    front = np.ones(len(faces), bool)
    mean = _means(faces, len(used))
    return Surface(faces, faces, front, uv, np.ones(len(used), bool), mix, place, zero, zero, zero, mean, none)


@lru_cache(maxsize=8)
def sheet(model: BodyModel, name: str, region: str, size: int) -> Sheet:
    """A surface's pattern in a picture of `size` texels a side; region: `upper`, `lower` or `whole`."""
    whole = surface(model, name)
    height = whole.place[whole.faces, 1].mean(1)
    inside = np.ones(len(height), bool)
    if region == "upper":
        inside = height > _UPPER
    elif region == "lower":
        inside = (height < _LOWER) & (whole.arm[whole.faces].max(1) < 0.5)
    uv = whole.uv.copy()
    boxes = []
    for front in (True, False):
        chosen = inside & (whole.front == front)
        own = whole.uv[np.unique(whole.uv_faces[chosen])] if chosen.any() else np.zeros((1, 2), np.float32)
        boxes.append((np.quantile(own, 0.001, axis=0), np.quantile(own, 0.999, axis=0)))
    extent = np.array([high - low for low, high in boxes])
    gap = 0.03
    down = extent[:, 0].max() > extent[:, 1].max()  # wide panels one above the other, tall ones side by side
    shift = np.array([0, extent[0, 1] + gap]) if down else np.array([extent[0, 0] + gap, 0])
    uv[whole.uv_front] -= boxes[0][0]
    uv[~whole.uv_front] += shift - boxes[1][0]
    side = float(max((extent[0] + gap / 2).max(), (extent[1] + shift + gap / 2).max()))
    uv = ((uv + gap / 4) / side).astype(np.float32)
    corners = torch.from_numpy(np.pad(uv * size, ((0, 0), (0, 1)), constant_values=1).astype(np.float32))[None]
    faces, uv_faces = whole.faces[inside], whole.uv_faces[inside]
    seen = rasterize(corners, torch.from_numpy(uv_faces), (size, size))
    face, share = seen.face[0].numpy(), seen.barycentric[0].numpy()
    y, x = ndimage.distance_transform_edt(face < 0, return_distances=False, return_indices=True)
    face, share = face[y, x], share[y, x]
    corner = faces[face].astype(np.int32)
    place = np.einsum("hwkc,hwk->chw", whole.place[corner], share)
    return Sheet(uv, side, np.ascontiguousarray(corner), share, np.ascontiguousarray(place), whole.front[inside][face])
