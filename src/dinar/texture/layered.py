"""Textures of the atlas `clothed`: its upper left is the layout `front`, which is all that networks have learnt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.sparse import csr_array
from scipy.spatial import cKDTree
from torch import Tensor
from torch.nn import functional

from dinar.body.layers import SCALE, bare
from dinar.body.uv import load_layout, texel_map
from dinar.texture.filling import edges_of
from dinar.texture.neural_texture import NeuralTexture

if TYPE_CHECKING:
    from dinar.body.model import BodyModel
    from dinar.body.uv import UVLayout

_ROUNDS = 30   # in which what a layer takes from the body becomes smooth


def whole_side(side: int) -> int:
    """Texels a side of the atlas whose upper left has so many."""
    return round(side / SCALE)


def whole(texture: Tensor, side: int) -> Tensor:
    """A texture [..., S, S] in the upper left of one of so many texels a side, 0 beside it."""
    return functional.pad(texture, (0, side - texture.shape[-1]) * 2)


def front_part(texture: Tensor) -> Tensor:
    """What a texture [..., S, S] of the atlas shows in the layout `front`."""
    side = round(texture.shape[-1] * SCALE)
    return texture[..., :side, :side]


def with_front(texture: Tensor, part: Tensor) -> Tensor:
    """A texture of the atlas with another upper left."""
    whole = texture.clone()
    whole[..., : part.shape[-2], : part.shape[-1]] = part
    return whole


def each(texture: NeuralTexture, change: Callable[[str, Tensor], Tensor]) -> NeuralTexture:
    """A neural texture with each of its maps changed, given its name."""
    maps = {field.name: getattr(texture, field.name) for field in fields(texture)}
    return replace(texture, **{name: change(name, values) for name, values in maps.items() if values is not None})


def front_of(texture: NeuralTexture) -> NeuralTexture:
    """What a neural texture of the atlas says in the layout `front`."""
    return each(texture, lambda _, values: front_part(values))


def on_layers(generated: Tensor, model: BodyModel, layout: UVLayout) -> Tensor:
    """Generated channels [B, C, S, S] of the layout `front` in the atlas; layers take those of the body about them.

    No network has learnt to make any for layers. The nearest skin's tell the renderer about the same light and figure.
    """
    side = whole_side(generated.shape[-1])
    body, front = bare(model), load_layout("front")
    own = len(body.template)
    place = front.of_vertices(body.faces)
    values = functional.grid_sample(
        generated, (place * 2 - 1)[None, None].to(generated).expand(len(generated), -1, -1, -1), align_corners=False
    )[:, :, 0].transpose(1, 2)                                                       # [B, V, C]
    vertices = (model.template - model.offsets).cpu()
    used = body.faces.unique().cpu()
    skin = cKDTree(vertices[used].numpy())
    _, near = skin.query(vertices[own:].numpy())
    taken = values[:, used[torch.from_numpy(near)].to(values.device)]
    values = torch.cat([values, _smooth(taken, model.faces[(model.faces >= own).all(1)] - own)], dim=1)
    layer = torch.arange(len(vertices), device=values.device) >= own
    texels = texel_map(layout, side)
    of_layer = layer[model.faces[texels.face.long().clamp(min=0)][..., 0]] & (texels.face >= 0)
    maps = torch.stack([texels.interpolate(some, model.faces)[0] for some in values])
    whole = with_front(maps, generated)
    return torch.where(of_layer, maps, whole)


def _smooth(values: Tensor, faces: Tensor) -> Tensor:
    """Values [B, N, C] at the vertices of a mesh, each time and again the mean of a vertex' own and its neighbours'."""
    batch, count, channels = values.shape
    a, b = edges_of(faces).cpu().numpy().T
    i, j = np.r_[a, b, np.arange(count)], np.r_[b, a, np.arange(count)]
    share = (1 / np.bincount(i, minlength=count))[i].astype(np.float32)
    mean = csr_array((share, (i, j)), shape=(count, count))
    found = values.transpose(0, 1).flatten(1).cpu().numpy()
    for _ in range(_ROUNDS):
        found = mean @ found
    return torch.from_numpy(found).to(values).view(count, batch, channels).transpose(0, 1)
