"""What a naked body cannot hold: layers, worn on it, with a linear shape and islands in the atlas of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
import torch
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree
from torch import Tensor

from dinar.body.model import DATA, BodyModel
from dinar.body.normals import vertex_normals
from dinar.body.operators import surface_operators
from dinar.errors import InputError

SCALE = 0.8
"""Of the atlas `clothed` that the body's islands take, as they are in the layout `front`: its upper left."""

BOXES = {"hair": (0.8, 0.0, 1.0, 1.0), "skirt": (0.0, 0.8, 0.8, 1.0)}
"""Left, top, right and bottom of each layer's islands in the atlas, in the order in which layers stand in a model."""

GAP = 3.2 / 640        # between islands, in the same units

RISE = 0.003           # metres above the skin from which hair is there
REACHED = -0.15        # and from which its surface is kept, for offsets to raise it

_CLING = 0.05          # metres about it, of the body that a layer's vertex moves with
_THIN = 0.5            # of their thickness that legs lose where a skirt hides them
_WITHIN = 0.05         # metres that hidden legs lie within the cloth,
_BACK = 0.08           # and that they are drawn back for that at most,
_EVEN = 0.01           # evened out over such a distance
_HEM, _WAIST = (0.0, 0.05), (0.02, 0.05)    # metres from hem and waist at which bodies begin to be hidden, and then are
_NEAR = 48             # vertices of the body that are asked at most
_FOLLOWED = ("root", "spine05", "pelvis", "upperleg", "lowerleg")   # joints that cloth below the waist moves with


@dataclass(frozen=True, eq=False)
class Layer:
    """A surface that is worn; everything on the mean body at rest, metres.

    name          one of BOXES
    template      float32 [N, 3]
    basis         float32 [K, N, 3]  for a coefficient of 1
    shape_basis   float32 [S, N, 3]  for one standard deviation of the body's shape: how it follows that
    skin_weights  float32 [N, J]     rows sum to 1; None: those of the body about it, wherever its coefficients put it
    faces         int64   [F, 3]     counter-clockwise seen from outside
    mirror        int64   [N]        vertex on its other side
    uv            float32 [T, 2]     of the atlas `clothed`, origin top left, in [0, 1]
    uv_faces      int64   [F, 3]     the same triangles in the same order
    inner         float32 [N, 3]     the skin below each vertex, and
    outwards      float32 [N, 3]     unit, the way on which it moves from there; None: all of the layer is worn always
    """

    name: str
    template: Tensor
    basis: Tensor
    shape_basis: Tensor
    skin_weights: Tensor | None
    faces: Tensor
    mirror: Tensor
    uv: Tensor
    uv_faces: Tensor
    inner: Tensor | None = None
    outwards: Tensor | None = None

    @classmethod
    def load(cls, name: str) -> Self:
        """The layer of that name that ships with the package, loaded once; InputError where there is none."""
        return _loaded(name)

    def at(self, coefficients: Tensor) -> Tensor:
        """Vertices [N, 3] on the mean body at rest, metres; coefficients [K]."""
        return self.template + torch.tensordot(coefficients.to(self.basis), self.basis, dims=1)

    def height(self, coefficients: Tensor) -> Tensor:
        """How far its vertices lie above the skin [N], metres; below 0 there is nothing."""
        return ((self.at(coefficients) - self.inner) * self.outwards).sum(1)

    def worn(self, coefficients: Tensor) -> Tensor:
        """Which of its triangles are there, bool [F]: those with a corner that rises above the skin or lies close
        below, in one piece, and their mirror images.
        """
        if self.inner is None:
            return torch.ones(len(self.faces), dtype=torch.bool)
        there = (self.height(coefficients) > REACHED)[self.faces].any(1)
        a, b, c = self.faces[there].numpy().T
        joined = coo_array((np.ones(2 * len(a)), (np.tile(a, 2), np.r_[b, c])), shape=(len(self.template),) * 2)
        _, piece = connected_components(joined, directed=False)
        largest = np.bincount(piece).argmax()
        there &= torch.from_numpy(piece == largest)[self.faces].any(1)
        return there | torch.isin(self._names(self.mirror[self.faces]), self._names(self.faces[there]))

    def _names(self, faces: Tensor) -> Tensor:
        """A number for each triangle [F], the same whatever the order of its corners."""
        a, b, c = faces.sort(dim=1).values.T
        return (a * len(self.template) + b) * len(self.template) + c


@lru_cache(maxsize=4)
def _loaded(name: str) -> Layer:
    path = DATA / f"{name}.npz"
    if name not in BOXES or not path.is_file():
        raise InputError(f"no layer is called {name}")
    with np.load(DATA / "open.npz", allow_pickle=False) as body:
        shapes, joints = body["shape_basis"], len(body["joints"])
    with np.load(path, allow_pickle=False) as data:
        skin_weights = None
        if "skin_index" in data:
            skin_weights = np.zeros((len(data["template"]), joints), np.float32)
            index, weight = data["skin_index"].astype(np.int64), data["skin_weight"].astype(np.float32)
            np.put_along_axis(skin_weights, index, weight, axis=1)
            skin_weights = torch.from_numpy(skin_weights / skin_weights.sum(1, keepdims=True))
        real, whole = ("template", "basis", "uv"), ("faces", "mirror", "uv_faces")
        arrays = {key: torch.from_numpy(data[key].astype(np.float32)) for key in real}
        arrays |= {key: torch.from_numpy(data[key].astype(np.int64)) for key in whole}
        arrays |= {key: torch.from_numpy(data[key].astype(np.float32)) for key in ("inner", "outwards") if key in data}
        index, weight = data["follow_index"].astype(np.int64), data["follow_weight"].astype(np.float32)
    shape_basis = sum(shapes[:, index[:, k]].astype(np.float32) * weight[:, k, None] for k in range(index.shape[1]))
    return Layer(name=name, shape_basis=torch.from_numpy(shape_basis), skin_weights=skin_weights, **arrays)


def wearing(model: BodyModel, worn: Mapping[str, Tensor]) -> BodyModel:
    """The body with layers [K coefficients each] on it, their vertices and triangles behind its own; joints stay.

    Layers that it wears already are taken off first, offsets of the body's own vertices (`moved`) stay.

    Raises InputError for a body that layers were not made for, or coefficients that do not go with a layer.
    """
    if model.name != "open":
        raise InputError(f"hair and skirts are made for the open body and do not fit {model.name}")
    model = bare(model)
    for name in BOXES:
        if name not in worn:
            continue
        layer, coefficients = Layer.load(name), worn[name]
        if coefficients.shape != (len(layer.basis),):
            raise InputError(f"the layer {name} has {len(layer.basis)} coefficients, not {list(coefficients.shape)}")
        vertices = layer.at(coefficients.cpu())
        weights = layer.skin_weights
        if weights is None:
            weights = clinging(model, vertices)
        faces = layer.faces[layer.worn(coefficients.cpu())]
        model = model.layered(name, coefficients, vertices, layer.shape_basis, weights, faces)
    return model


def bare(model: BodyModel) -> BodyModel:
    """The body without layers."""
    return model.without_layers() if model.layers else model


def vertices_of(model: BodyModel, name: str) -> Tensor:
    """Which vertices are those of a layer that the body wears, bool [V]."""
    return model.layer == 1 + list(model.layers).index(name)


def thickness(model: BodyModel) -> Tensor:
    """How high the hair that is worn lies above the mean body's skin: float32 [N], metres."""
    layer, own = Layer.load("hair"), vertices_of(model, "hair").cpu()
    return layer.height(model.layers["hair"].cpu()) + (model.offsets.cpu()[own] * layer.outwards).sum(1)


def tucked(model: BodyModel, shape: Tensor) -> BodyModel:
    """The body of shape [S] with hips and legs drawn back where a skirt hides them, so that they stay within it.

    At hem and waist, where they can be seen beside it, they stay as they are.
    """
    if "skirt" not in model.layers:
        return model
    vertices, joints = (part.detach().cpu() for part in model.rest(shape[None]))
    normals = vertex_normals(vertices, model.faces.cpu())[0].double()
    start, layer = vertices[0].double(), model.layer.cpu()
    points = start.clone()
    tube, body = vertices_of(model, "skirt").cpu(), layer == 0
    low, high = float(points[tube, 1].min()), float(points[tube, 1].max())
    y = points[body, 1]
    hidden = ((y - low - _HEM[0]) / _HEM[1]).clamp(0, 1) * ((high - _WAIST[0] - y) / _WAIST[1]).clamp(0, 1)
    legs = model.skin_weights.cpu()[body][:, _followed(model)].sum(1)
    for side in ("left", "right"):
        chain = [model.humanoid[side + bone] for bone in ("UpperLeg", "LowerLeg", "Foot")]
        own = model.skin_weights.cpu()[body][:, model.below([chain[0]])].sum(1)
        bone = _nearest(joints[0, chain].double(), points[body])
        points[body] += (_THIN * hidden * own)[:, None] * (bone - points[body])
    distance, near = cKDTree(points[tube].numpy()).query(points[body].numpy())
    depth = (points[tube][near] - points[body]).mul(normals[tube][near]).sum(1)
    towards = (normals[tube][near] * normals[body]).sum(1).clamp(0, 1)
    back = hidden * legs * towards * (_WITHIN - depth).clamp(0, _BACK) * torch.from_numpy(distance < _BACK)
    mass, stiffness = surface_operators(points[body].numpy(), bare(model).faces.cpu().numpy())
    back = splu((mass + _EVEN**2 * stiffness).tocsc()).solve(mass @ back.numpy()).clip(0)
    points[body] -= torch.from_numpy(back)[:, None] * normals[body]
    return model.moved((points - start).to(model.template))


def _nearest(line: Tensor, points: Tensor) -> Tensor:
    """The point of a polyline [K, 3] that is nearest to each of some points [N, 3]."""
    start, way = line[:-1], line.diff(dim=0)
    share = ((points[:, None] - start) * way).sum(-1) / way.square().sum(-1)
    places = start + share.clamp(0, 1)[..., None] * way                     # [N, K - 1, 3]
    return places[torch.arange(len(points)), (places - points[:, None]).norm(dim=-1).argmin(1)]


def _followed(model: BodyModel) -> Tensor:
    """The joints of hips and legs, bool [J]."""
    return torch.tensor([joint.startswith(_FOLLOWED) for joint in model.joint_names])


def clinging(model: BodyModel, vertices: Tensor) -> Tensor:
    """Skin weights [N, J] of cloth that hangs below the waist: those of hips and legs near it at its height."""
    body = bare(model)
    weights = body.skin_weights.cpu() * _followed(body)
    own = (weights.sum(1) > 0.5).nonzero()[:, 0]
    points = (body.template - body.offsets).cpu()[own].numpy()
    joints = _followed(body).nonzero()[:, 0]
    low = torch.nn.functional.normalize(weights[own], p=1, dim=1)[:, joints].double().numpy()
    places = vertices.numpy().astype(np.float64)
    places[:, 1] = np.maximum(places[:, 1], points[:, 1].min())
    distance, near = cKDTree(points).query(places, k=_NEAR)
    share = np.exp(-0.5 * ((distance - distance[:, :1]) / _CLING) ** 2)
    share /= share.sum(1, keepdims=True)
    rows = np.arange(0, share.size + 1, _NEAR)
    found = csr_array((share.ravel(), near.ravel(), rows), shape=(len(places), len(points))) @ low
    return torch.zeros(len(places), weights.shape[1]).index_copy_(1, joints, torch.from_numpy(found).float())
