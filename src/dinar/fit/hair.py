"""Hair as geometry: the layer `hair` (`tools/build_hair.py`) fitted to the hair that photos show.

Every vertex of the shell moves on a ray from the head's axis, so what a photo says is linear in the layer's
coefficients. Where the skin under a vertex is seen from in front, the pixel's part tells whether there is hair at all;
where it is seen from the side, hair is as thick as it goes on beyond it. Behind, the layer's components follow. What
they lack at the sides (buns, tails, brims) is added there and fades over the shell: hair within some centimetres, hats
all round the head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from dinar.body.layers import RISE, Layer, bare, vertices_of
from dinar.body.model import BodyModel
from dinar.body.normals import vertex_normals
from dinar.fit.look import Look
from dinar.fit.shell import AT_LEAST, AWAY, BARE, CAP, COLUMNS, GAP, Told, even, freed
from dinar.parts import BodyPart
from dinar.raster.rasterize import rasterize
from dinar.texture.filling import scalp_of

FACING = 0.4         # cosine to the camera from which a vertex is seen from in front; aside it is less than that
NOISE = 0.05         # metres: what an equation is off, as much as some hundred that are off together
HIDDEN = 0.03        # metres behind the body from which a vertex is hidden
BESIDE = 0.006       # metres below the skin from which hair is followed outwards
TANGENT = 0.2        # cosine between the camera and mean hair's surface up to which a vertex lies at the outline
OUTLINED = 2.5       # weight of these: they are few
STEPS = 8
MOST = 3.0           # standard deviations of a coefficient
PIXELS = 60          # of hair, from which it is worn as a layer,
SHARE = 0.15         # where they are as many, by those of the naked head
HAIRLINE = 0.004     # metres of hair at its end that are no more than painted on the skin: fringes are thin before eyes
UNDER = 0.003        # metres that skin stays under hair
DRAWN_BACK = 0.03    # metres that it is drawn back for that at most: ears

BURIED = -0.02       # metres: hair that lies lower is nowhere near the skin
SUNK = 0.05          # metres that the scalp is, where outlines are looked at

_HAIR = (BodyPart.HAIR, BodyPart.HEADWEAR)
_SKIN = (BodyPart.FACE_SKIN, BodyPart.SKIN)
_NOTHING = (BodyPart.BAG, BodyPart.UNKNOWN)     # tell nothing of hair
_NEAR = 3            # vertices of the shell that tell of one of the skin


@dataclass(frozen=True)
class Found:
    """What hair was fitted to.

    coefficients  float32 [K]  of the layer
    height        float32 [N]  of its vertices above the skin as they are worn, metres (`shaped`)
    pixels        of hair
    share         of them by the pixels of the naked head
    """

    coefficients: Tensor
    height: Tensor
    pixels: int
    share: float

    @property
    def worn(self) -> bool:
        return self.pixels >= PIXELS and self.share >= SHARE


def fit(model: BodyModel, looks: Sequence[Look]) -> Found | None:
    """The hair that explains photos best, worn or not; None where none is seen."""
    body, layer = bare(model), Layer.load("hair")
    told, of_head, pixels = [], 0, 0
    head = (body.skin_weights[:, body.below([body.humanoid["head"]])].sum(1) > 0.5)[body.faces].all(1)
    head = torch.cat([head, torch.zeros(1, dtype=torch.bool)])
    for look in looks:
        hair = np.isin(look.parts.numpy(), _HAIR)
        with torch.no_grad():
            posed = body(look.body)
        drawn = rasterize(look.camera.project(posed.vertices), body.faces, look.camera.size)
        covered = head[drawn.face[0].long()].numpy()                  # the last, which is False, where nothing is hit
        of_head, pixels = of_head + int(covered.sum()), pixels + int(hair.sum())
        if hair.any():
            told.append(_told(layer, look, posed.transforms[0], drawn.depth[0].numpy()))
    if not told:
        return None
    coefficients = _solved(layer, told)
    height = freed(layer, layer.height(coefficients), told)
    return Found(coefficients, even(layer, height, told), pixels, pixels / max(of_head, 1))


def _told(layer: Layer, look: Look, transforms: Tensor, depth: np.ndarray) -> Told:
    """`depth` [H, W] of the naked body, metres."""
    shape = look.body.shape[0].to(layer.shape_basis)
    inner = layer.inner + torch.tensordot(shape, layer.shape_basis, dims=1)
    blend = (layer.skin_weights @ transforms[:, :3].flatten(1)).unflatten(1, (3, 4))
    inner = (blend[..., :3] * inner[:, None]).sum(-1) + blend[..., 3]
    outwards = torch.nn.functional.normalize((blend[..., :3] * layer.outwards[:, None]).sum(-1), dim=1)
    camera = look.camera
    eye = -camera.R.T @ camera.t
    mean = inner + layer.height(torch.zeros(len(layer.basis))).clamp(min=0)[:, None] * outwards
    ways = torch.nn.functional.normalize(eye - inner, dim=1)
    facing = (ways * outwards).sum(1).numpy()
    tangent = ((ways * vertex_normals(mean[None], layer.faces)[0]).sum(1).abs() <= TANGENT).numpy()
    labels = look.parts.numpy()

    # [A, N]: what is seen so far above the skin; the first row is the skin itself
    away = np.r_[0.0, AWAY][:, None, None]
    at = inner.double().numpy() + away * outwards.double().numpy()
    x, y, z = np.moveaxis(camera.project(torch.from_numpy(at).float()).numpy(), -1, 0)
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    inside = (column >= 0) & (column < labels.shape[1]) & (row >= 0) & (row < labels.shape[0]) & (z > 0)
    row, column = np.where(inside, row, 0), np.where(inside, column, 0)
    part, hidden = labels[row, column], z > depth[row, column] + HIDDEN
    of_hair, silent = (np.isin(part, kinds) for kinds in (_HAIR, _NOTHING))
    clear = (of_hair & inside) | hidden | ~inside | silent
    hair = of_hair[0]
    top = np.arange(len(facing)) // COLUMNS < CAP
    beyond = top & (part[0] == BodyPart.BACKGROUND)                  # the head is too high there, which tells no hair
    front = (facing > FACING) & inside[0] & ~hidden[0] & ~silent[0] & ~beyond
    # aside, hair is followed outwards from where the skin ends, or begins a little beside it; upon the skull it may
    # end below, since heads are fitted too high
    last, hat = np.full(len(facing), -np.inf), part[0] == BodyPart.HEADWEAR
    untold = silent[0].copy()                                        # whether what lies beyond it tells nothing
    for k, step in enumerate(AWAY, 1):
        on = of_hair[k] & inside[k] & (step - np.maximum(last, 0) <= GAP) & (top | (step >= -BESIDE))
        untold = np.where(on, False, untold | (silent[k] & (step - np.maximum(last, 0) <= GAP)))
        last = np.where(on, step, last)
        hat |= on & (part[k] == BodyPart.HEADWEAR)
    far = np.maximum(last, 0)
    side = (np.abs(facing) <= FACING) & inside[0] & ~hidden[0]
    begun = np.isfinite(last)
    height = np.where(front & hair, AT_LEAST, BARE)
    height = np.where(side & begun, far, height)
    below = last < -BESIDE
    reaches = side & begun & ~untold & ~below
    kind = np.where(reaches, np.where(hat | tangent, 0, 2), np.where(hair | side & begun, 1, -1))
    weight = np.where(front, facing, 0.0) + np.where(side, np.where(begun, 1.0, np.where(untold, 0.0, 0.5)), 0.0)
    weight *= np.where(kind == 0, OUTLINED, 1.0)
    bare, worn = ~np.isin(labels, _HAIR + _NOTHING), np.isin(labels, _HAIR)
    pixels = cv2.distanceTransform((~bare).astype(np.uint8), cv2.DIST_L2, 3)
    pixels -= cv2.distanceTransform((~worn).astype(np.uint8), cv2.DIST_L2, 3)
    off = cv2.distanceTransform((~np.isin(labels, _SKIN)).astype(np.uint8), cv2.DIST_L2, 3)
    metre = z[0] / float(camera.K[0, 0])                              # of a pixel
    edge, skin = (np.where(front, field[row[0], column[0]] * metre, np.nan) - HAIRLINE for field in (pixels, off))
    return Told(height, kind, weight, edge, skin, hat & (weight > 0), clear[1:])


def _solved(layer: Layer, told: Sequence[Told]) -> Tensor:
    """The likeliest coefficients [K]: least squares with the standard normal prior, bounds by active sets."""
    ways = torch.einsum("knc,nc->nk", layer.basis, layer.outwards).double().numpy()
    mean = layer.height(torch.zeros(len(layer.basis))).double().numpy()
    found = np.zeros(ways.shape[1])
    for _ in range(STEPS):
        height = mean + ways @ found
        system, right = np.eye(len(found)), np.zeros(len(found))
        for one in told:
            off = one.height - height
            sign = np.choose(one.kind + 1, (-1, 0, 1, -1))
            active = one.weight * ((sign == 0) | (sign * off > 0)) / NOISE**2
            system += ways.T @ (active[:, None] * ways)
            right += ways.T @ (active * (one.height - mean))
        found = np.clip(np.linalg.solve(system, right), -MOST, MOST)
    return torch.from_numpy(found.astype(np.float32))


def shaped(model: BodyModel, height: Tensor, shape: Tensor) -> BodyModel:
    """The body of shape [S] with its hair's vertices at such heights [N] above the skin, metres.

    What is buried lies together within the neck: below it rays begin near the chest's front, not in its middle.
    """
    layer, own = Layer.load("hair"), vertices_of(model, "hair")
    moved = torch.zeros_like(model.template)
    step = height - layer.height(model.layers["hair"].cpu())
    moved[own] = (step[:, None] * layer.outwards).to(moved)
    buried = torch.zeros_like(own)
    buried[own] = (height < BURIED).to(own.device)
    rest, joints = (part[0].detach() for part in model.rest(shape[None].to(model.template)))
    moved[buried] = joints[model.humanoid["neck"]] - rest[buried]
    return model.moved(moved)


def tucked(model: BodyModel, shape: Tensor, worn: Tensor | None = None) -> BodyModel:
    """The body of shape [S] with ears and scalp drawn back under the hair that covers them.

    worn  bool [N]  where there is hair, though it may lie lower than the skin; default: where it lies above that
    """
    if "hair" not in model.layers:
        return model
    layer = Layer.load("hair")
    rest, skin, inner, near, share = _beneath(model, shape)
    thick = ((rest[vertices_of(model, "hair").cpu()] - inner) * layer.outwards).sum(1)
    worn = thick > RISE if worn is None else worn | (thick > RISE)
    outwards = torch.nn.functional.normalize((layer.outwards[near] * share).sum(1), dim=1)
    own_height = ((rest[skin] - (inner[near] * share).sum(1)) * outwards).sum(1)
    back = (own_height - (thick[near].amin(1) - UNDER)).clamp(0, DRAWN_BACK) * worn[near].all(1)
    moved = torch.zeros_like(rest)
    moved[skin] = -back[:, None] * outwards
    return model.moved(moved)


def sunk(model: BodyModel, shape: Tensor, worn: Tensor | None) -> BodyModel:
    """The body of shape [S] with the scalp so deep under hair, `worn` bool [N], that it alone is the head's outline."""
    if worn is None:
        return model
    layer = Layer.load("hair")
    rest, skin, _, near, share = _beneath(model, shape)
    under = scalp_of(model).cpu()[skin] * worn[near].any(1)
    moved = torch.zeros_like(rest)
    moved[skin] = -SUNK * under[:, None] * (layer.outwards[near] * share).sum(1)
    return model.moved(moved)


def _beneath(model: BodyModel, shape: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The body at rest [V, 3], its head's own vertices [M], the skin below those of the shell [N, 3], and for each of
    the head's the nearest of these [M, 3] with their shares [M, 3, 1].
    """
    layer = Layer.load("hair")
    rest = model.rest(shape[None])[0][0].detach().cpu()
    inner = layer.inner + torch.tensordot(shape.cpu().to(layer.shape_basis), layer.shape_basis, dims=1)
    head = model.skin_weights[:, model.below([model.humanoid["head"]])].sum(1).cpu()
    skin = ((model.layer.cpu() == 0) & (head > 0.5)).nonzero()[:, 0]
    distance, near = cKDTree(inner.numpy()).query(rest[skin].numpy(), k=_NEAR)
    share = torch.from_numpy(1 / np.maximum(distance, 1e-4)).float()
    return rest, skin, inner, torch.from_numpy(near), (share / share.sum(1, keepdims=True))[..., None]
