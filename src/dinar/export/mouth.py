"""What photos do not show of a face: teeth, lips that meet, and the colours behind lips and lids."""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch.nn import functional

from dinar.body.model import DATA, BodyModel
from dinar.body.normals import vertex_normals
from dinar.body.uv import UVLayout
from dinar.export.figure import Figure
from dinar.export.lids import lids
from dinar.raster.rasterize import interpolate, rasterize

_LIPS = ((0.45, 0.19, 0.18), (0.10, 0.03, 0.03))      # inside of the mouth: at the lips, and deep in it
_TONGUE = ((0.70, 0.38, 0.37), (0.28, 0.11, 0.11))    # its tip, its root
_ENAMEL, _GUM = (0.87, 0.83, 0.75), (0.66, 0.36, 0.35)
_WHITE = (0.80, 0.77, 0.75)                           # of eyes, in the shade of their lids
_DEEP = 0.06            # metres from the lips at which it is darkest
_PICTURE = (256, 256)   # texels of the teeth's own texture; the upper row has its upper half
_TEETH = 14             # a row shows so many
_BEHIND = (0.50, 0.38, 0.36)    # of teeth on the tongue's side: in the shade of a red mouth
_CLOSED = 0.12          # of mouthClose, by which lips meet that are a millimetre apart in the body at rest
_LIGHT = 0.62           # brightness of a face that these colours go with


def with_mouth(figure: Figure, seen: Tensor) -> Figure:
    """The figure with teeth and with lips that meet, its mouth, eyes and lids painted where no photo showed them.

    seen  float32 [1, 1, r, r]  1 where a photo showed a texel

    A body other than the open one has no such data and stays as it is.
    """
    if figure.model.name != "open":
        return figure
    close = figure.model.whole_expression_basis()[figure.model.expression_names.index("mouthClose")]
    figure, light = replace(figure, model=figure.model.moved(_CLOSED * close)), _light(figure)
    colours = _painted(figure, seen, light)
    return replace(figure, colours=colours, parts=(*figure.parts, _teeth(figure, light)))


def pieces(model: BodyModel) -> dict[str, np.ndarray]:
    """Vertices [V], as masks, of the open body's eyes, tongue and layers; nothing for another body."""
    if model.name != "open":
        return {}
    label, number = _components()
    label = np.concatenate([label, np.zeros(len(model.template) - len(label), label.dtype)])      # of layers
    eyes = {model.humanoid["leftEye"], model.humanoid["rightEye"]}
    joint = model.skin_weights.argmax(1).numpy()
    found = {"Eyes": np.zeros(len(label), bool), "Tongue": np.zeros(len(label), bool)}
    for part in range(1, number):
        of_part = label == part
        found["Eyes" if set(joint[of_part]) <= eyes else "Tongue"] |= of_part
    return found | layers(model)


def layers(model: BodyModel) -> dict[str, np.ndarray]:
    """Vertices [V], as masks, of what the body wears on it."""
    layer = model.layer.numpy()
    return {name.capitalize(): layer == k for k, name in enumerate(model.layers, start=1)}


@lru_cache(maxsize=1)
def _components() -> tuple[np.ndarray, int]:
    """The connected part of each vertex of the open body, the skin 0, and how many there are."""
    faces = np.load(DATA / "open.npz", allow_pickle=False)["faces"].astype(np.int64)
    count = int(faces.max()) + 1
    edges = coo_matrix((np.ones(faces.size), (faces.ravel(), np.roll(faces, 1, axis=1).ravel())), shape=(count, count))
    number, label = connected_components(edges, directed=False)
    order = np.argsort(-np.bincount(label), kind="stable")
    return np.argsort(order)[label], number


@lru_cache(maxsize=1)
def _data() -> dict[str, np.ndarray]:
    with np.load(DATA / "mouth.npz", allow_pickle=False) as data:
        return {name: data[name] for name in data.files}


def _light(figure: Figure) -> float:
    """How bright the face is against an ordinary one, [0.5, 1.2]."""
    points = figure.model.template
    nose = points[:, 2].masked_fill(points[:, 0].abs() > 0.02, -1).masked_fill(points[:, 1] < 0.6, -1).argmax()
    near = (points - points[nose]).norm(dim=1) < 0.05
    return float((_colour_at(figure, near).mean() / _LIGHT).clamp(0.5, 1.2))


def _colour_at(figure: Figure, chosen: Tensor) -> Tensor:
    """Colours [N, 3] of the texels where the chosen vertices [V] lie."""
    size = figure.colours.shape[-1]
    texel = (figure.layout.uv[figure.layout.faces[chosen[figure.model.faces]]] * size).long().clamp(0, size - 1)
    return figure.colours[:, texel[:, 1], texel[:, 0]].T


def _painted(figure: Figure, seen: Tensor, light: float) -> Tensor:
    """The colours with mouth and eyes painted."""
    model, points = figure.model, figure.model.template
    found, inside = pieces(model), torch.from_numpy(_data()["inside"].astype(np.int64))
    lips = points[inside, 2].max()
    deep = ((lips - points[:, 2]) / _DEEP).clamp(0, 1)[:, None]
    painted = torch.zeros(len(points), 4)                            # colours times how much they count, and that
    tongue, eyes = (torch.from_numpy(found[name]) for name in ("Tongue", "Eyes"))
    for rows, (near, far) in ((inside, _LIPS), (tongue.nonzero()[:, 0], _TONGUE)):
        painted[rows, :3] = torch.lerp(torch.tensor(near), torch.tensor(far), deep[rows].sqrt()) * light
        painted[rows, 3] = 1
    folded, skin = lids(model, figure.shape, lambda near: _colour_at(figure, near))
    painted += torch.cat([folded * skin, folded], dim=1) * (painted[:, 3:] == 0)
    size = figure.colours.shape[-1]
    values = torch.cat([painted, eyes[:, None].float()], dim=1)
    some = (values[model.faces].amax(dim=(1, 2)) > 0).nonzero()[:, 0]
    corners = functional.pad(figure.layout.uv * size, (0, 1), value=1.0)[None]
    texels = rasterize(corners, figure.layout.faces[some], (size, size))
    total, share, eye = interpolate(texels, values[None], model.faces[some])[0].split((3, 1, 1))
    colours = torch.lerp(figure.colours, (total / share.clamp(min=1e-3)).clamp(0, 1), share)
    shown = functional.interpolate(seen, (size, size), mode="bilinear")[0]
    white = (torch.tensor(_WHITE) * light).clamp(0, 1)[:, None, None]
    return torch.lerp(colours, white.expand_as(colours), eye * (1 - shown))


def _teeth(figure: Figure, light: float) -> Figure:
    """Both rows of teeth, with a texture of their own."""
    data = _data()
    rows = torch.from_numpy(data["teeth"].astype(np.int64))
    whole = _with_helpers()
    model = copy.copy(figure.model)
    model._buffers = dict(figure.model._buffers)
    model.template, model.shape_basis = whole.template[rows], whole.shape_basis[:, rows]
    model.skin_weights = whole.skin_weights[rows]
    model.expression_basis = whole.whole_expression_basis()[:, rows]
    model.expression_index = torch.arange(len(rows))
    model.faces = torch.from_numpy(data["faces"].astype(np.int64))
    model.offsets, model.layers = torch.zeros_like(model.template), {}
    model.layer = torch.zeros(len(rows), dtype=torch.int64)
    colours = torch.from_numpy(_row_picture(light)).permute(2, 0, 1).float()
    uv, behind = _teeth_uv(model.template, model.faces, torch.from_numpy(data["upper"]))
    corners = model.faces + len(rows) * behind[model.faces].any(1, keepdim=True)
    layout = UVLayout("teeth", uv, corners, torch.arange(len(rows)), torch.zeros(len(rows), 3))
    return Figure(model, layout, figure.shape, colours, name="Teeth")


@lru_cache(maxsize=1)
def _with_helpers() -> BodyModel:
    return BodyModel.open(helpers=True)


def _teeth_uv(points: Tensor, faces: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """Along the row from one side to the other, and from the gum to the edge and behind it to the gum again.

    Returns [2 N, 2], every vertex as the front of teeth has it and as their back does, and which are at the back [N].
    """
    front, back = torch.zeros(len(points), 2), torch.zeros(len(points), 2)
    normals = vertex_normals(points[None], faces)[0]
    behind = torch.zeros(len(points), dtype=torch.bool)
    for row, top in ((upper, 0.0), (~upper, 0.5)):
        x, y, z = points[row].T
        outward = torch.stack([x, torch.zeros_like(x), z - z.min() + 0.004], dim=1)
        angle = torch.atan2(outward[:, 0], outward[:, 2])
        gum = (y - y.min()) / (y.max() - y.min())                    # 1 at the top
        edge = 1 - gum if top == 0 else gum                          # 1 where the rows meet
        front[row, 0] = back[row, 0] = 0.02 + 0.96 * (angle - angle.min()) / (angle.max() - angle.min())
        front[row, 1], back[row, 1] = top + 0.02 + 0.23 * edge, top + 0.48 - 0.23 * edge
        behind[row] = ((normals[row] * outward).sum(1) < 0) & (edge > 0.2) & (edge < 0.8)
    return torch.cat([front, back]), behind


def _row_picture(light: float) -> np.ndarray:
    """Teeth and gums float64 [h, w, 3] in [0, 1]: darker towards the cheeks and behind, dark lines between teeth."""
    height, width = _PICTURE
    u = (np.arange(width) + 0.5) / width
    v = (np.arange(height // 4) + 0.5) / (height // 4)               # from the gum to the edge
    place = (u - 0.02) / 0.96 * _TEETH
    within = np.abs(place - np.floor(place) - 0.5) * 2               # 0 in a tooth's middle, 1 between two
    line = 1 - 0.45 * np.clip((within - 0.82) / 0.18, 0, 1)[None]
    side = 1 - 0.8 * np.clip((np.abs(2 * u - 1) - 0.12) / 0.3, 0, 1)[None, :, None]
    border = 0.42 + 0.12 * within[None] ** 2                         # gums reach down between teeth
    tooth = np.clip((v[:, None] - border) / 0.08, 0, 1)[..., None]
    enamel = np.array(_ENAMEL) * line[..., None] * (1 - 0.10 * np.clip(v - 0.9, 0, 1)[:, None, None] * 10)
    outside = (tooth * enamel + (1 - tooth) * np.array(_GUM)) * side * light
    row = np.concatenate([outside, outside[::-1] * np.array(_BEHIND)])
    return np.clip(np.concatenate([row, row]), 0, 1)
