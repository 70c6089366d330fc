"""Hair as geometry: the layer `hair` (`tools/build_hair.py`) fitted to the hair that photos show.

Every vertex of the shell moves on a ray from the head's axis, so what a photo says is linear in the layer's
coefficients. Where the skin under a vertex is seen from in front, the pixel's part tells whether there is hair at all;
where it is seen from the side, hair is as thick as it goes on beyond it. Behind, the layer's components follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from torch import Tensor

from dinar.body.layers import RISE, Layer, bare, vertices_of
from dinar.body.model import BodyModel
from dinar.fit.look import Look
from dinar.parts import BodyPart
from dinar.raster.rasterize import rasterize
from dinar.texture.filling import edges_of

FACING = 0.4         # cosine to the camera from which a vertex is seen from in front; aside it is less than that
AT_LEAST = 0.006     # metres that hair which is seen stands above the skin,
BARE = -0.003        # and where none is;
SUNK = -0.004        # what of the shell is there nevertheless, and lies
DEEP = 0.008         # and so much deeper when neighbours have been evened out with it
THIN = 0.015         # no higher, goes under the skin
ROUNDS = 3           # of evening heights out among neighbours
COLUMNS = 64         # of the shell about the head's axis; the crown is the last vertex
REACH = 0.25         # metres that hair is followed outwards
GAP = 0.006          # metres without hair that are passed over
NOISE = 0.05         # metres: what an equation is off, as much as some hundred that are off together
HIDDEN = 0.03        # metres behind the body from which a vertex is hidden
STEPS = 8
MOST = 3.0           # standard deviations of a coefficient
VOLUME = 0.2         # share of the hair's pixels beside the naked body from which it is worn as a layer,
PIXELS = 60          # and pixels of hair
UNDER = 0.003        # metres that skin stays under hair
DRAWN_BACK = 0.03    # metres that it is drawn back for that at most: ears

_HAIR = (BodyPart.HAIR, BodyPart.HEADWEAR)
_NOTHING = (BodyPart.BAG, BodyPart.UNKNOWN)     # tell nothing of hair
_STEP = 0.002        # metres
_BESIDE = 3          # columns on either side that tell where hair ends
_NEAR = 3            # vertices of the shell that tell of one of the skin


@dataclass(frozen=True)
class Found:
    """What hair was fitted to.

    coefficients  float32 [K]  of the layer
    height        float32 [N]  of its vertices above the skin as they are worn, metres (`shaped`)
    volume        share of the hair's pixels that the body without layers does not cover
    pixels        of hair
    """

    coefficients: Tensor
    height: Tensor
    volume: float
    pixels: int

    @property
    def worn(self) -> bool:
        return self.volume >= VOLUME and self.pixels >= PIXELS


@dataclass(frozen=True)
class _Told:
    """What one photo says of the shell's vertices: height float64 [N] metres, kind int [N]: 1 at least so high, -1 at
    most, 0 just so, and weight float64 [N], 0 where it says nothing.
    """

    height: np.ndarray
    kind: np.ndarray
    weight: np.ndarray


def fit(model: BodyModel, looks: Sequence[Look]) -> Found | None:
    """The hair that explains photos best, worn or not; None where none is seen."""
    body, layer = bare(model), Layer.load("hair")
    told, beside, pixels = [], 0, 0
    for look in looks:
        hair = np.isin(look.parts.numpy(), _HAIR)
        with torch.no_grad():
            posed = body(look.body)
        drawn = rasterize(look.camera.project(posed.vertices), body.faces, look.camera.size)
        covered = (drawn.face[0] >= 0).numpy()
        beside, pixels = beside + int((hair & ~covered).sum()), pixels + int(hair.sum())
        if hair.any():
            told.append(_told(layer, look, posed.transforms[0], drawn.depth[0].numpy()))
    if not told:
        return None
    coefficients = _solved(layer, told)
    return Found(coefficients, _even(layer, coefficients, told), beside / pixels, pixels)


def _told(layer: Layer, look: Look, transforms: Tensor, depth: np.ndarray) -> _Told:
    """`depth` [H, W] of the naked body, metres."""
    shape = look.body.shape[0].to(layer.shape_basis)
    inner = layer.inner + torch.tensordot(shape, layer.shape_basis, dims=1)
    blend = (layer.skin_weights @ transforms[:, :3].flatten(1)).unflatten(1, (3, 4))
    inner = (blend[..., :3] * inner[:, None]).sum(-1) + blend[..., 3]
    outwards = torch.nn.functional.normalize((blend[..., :3] * layer.outwards[:, None]).sum(-1), dim=1)
    camera = look.camera
    eye = -camera.R.T @ camera.t
    facing = (torch.nn.functional.normalize(eye - inner, dim=1) * outwards).sum(1).numpy()
    labels = look.parts.numpy()

    def shown(away: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The parts at points so far above the skin, whether the body hides them, and whether they are in the image."""
        x, y, z = camera.project(inner + away * outwards).double().numpy().T
        column, row = np.floor(x).astype(int), np.floor(y).astype(int)
        inside = (column >= 0) & (column < labels.shape[1]) & (row >= 0) & (row < labels.shape[0]) & (z > 0)
        row, column = np.where(inside, row, 0), np.where(inside, column, 0)
        return labels[row, column], z > depth[row, column] + HIDDEN, inside

    part, hidden, inside = shown(0.0)
    hair = np.isin(part, _HAIR)
    front = (facing > FACING) & inside & ~hidden & ~np.isin(part, _NOTHING)
    # aside, hair is followed outwards from where the skin ends, or begins a little beside it
    last = np.full(len(part), -np.inf)
    for away in np.arange(-GAP, REACH, _STEP):
        here, _, within = shown(float(away))
        on = np.isin(here, _HAIR) & within & (away - np.maximum(last, 0) <= GAP)
        last = np.where(on, away, last)
    far = np.maximum(last, 0)
    side = (np.abs(facing) <= FACING) & inside & ~hidden
    begun = np.isfinite(last)
    height = np.where(front & hair, AT_LEAST, BARE)
    height = np.where(side & begun, far, height)
    kind = np.where(side & begun, 0, np.where(hair, 1, -1))
    weight = np.where(front, facing, 0.0) + np.where(side, np.where(begun, 1.0, 0.5), 0.0)
    return _Told(height, kind, weight)


def _solved(layer: Layer, told: Sequence[_Told]) -> Tensor:
    """The likeliest coefficients [K]: least squares with the standard normal prior, bounds by active sets."""
    ways = torch.einsum("knc,nc->nk", layer.basis, layer.outwards).double().numpy()
    mean = layer.height(torch.zeros(len(layer.basis))).double().numpy()
    found = np.zeros(ways.shape[1])
    for _ in range(STEPS):
        height = mean + ways @ found
        system, right = np.eye(len(found)), np.zeros(len(found))
        for one in told:
            off = one.height - height
            active = one.weight * ((one.kind == 0) | (one.kind * off > 0)) / NOISE**2
            system += ways.T @ (active[:, None] * ways)
            right += ways.T @ (active * (one.height - mean))
        found = np.clip(np.linalg.solve(system, right), -MOST, MOST)
    return torch.from_numpy(found.astype(np.float32))


def _even(layer: Layer, coefficients: Tensor, told: Sequence[_Told]) -> Tensor:
    """Heights [N] of the shell's vertices, metres, as it is worn: even, in one piece, with no spikes at its hem, and
    under the skin where there is no hair.

    Where more photos see skin than hair there is none, but for locks farther off than THIN: they are seen beside the
    skin that they hang before.
    """
    height = layer.height(coefficients)
    skin = sum(one.weight * (one.kind < 0) for one in told) > sum(one.weight * (one.kind >= 0) for one in told)
    worn = (height > RISE) & ~(torch.from_numpy(skin) & (height < THIN))
    grid = worn[:-1].view(-1, COLUMNS)                     # the same memory: what goes here goes there
    end = torch.where(grid, torch.arange(len(grid))[:, None], -1).amax(0)
    beside = torch.stack([end.roll(k) for k in range(-_BESIDE, _BESIDE + 1)])
    grid &= torch.arange(len(grid))[:, None] <= beside.median(0).values + 1
    a, b = edges_of(layer.faces).T
    joined = coo_array((np.ones(len(a)), (a.numpy(), b.numpy())), shape=(len(height),) * 2).tocsr()
    kept = np.flatnonzero(worn.numpy())
    if not len(kept):
        return height.clamp(max=SUNK)
    _, piece = connected_components(joined[kept][:, kept], directed=False)
    kept = kept[piece == np.bincount(piece).argmax()]
    around = joined + joined.T
    even = height.clamp(max=SUNK).double().numpy()
    even[kept] = height[kept].double().numpy()
    for _ in range(ROUNDS):
        even[kept] = (even + around @ even / around.sum(1))[kept] / 2
    even[np.setdiff1d(np.arange(len(even)), kept)] -= DEEP        # cloth and necks may be thinner than the mean body's
    return torch.from_numpy(even).to(height)


def shaped(model: BodyModel, height: Tensor) -> BodyModel:
    """The body with its hair's vertices at such heights [N] above the skin, metres."""
    layer = Layer.load("hair")
    moved = torch.zeros_like(model.template)
    step = height - layer.height(model.layers["hair"].cpu())
    moved[vertices_of(model, "hair")] = (step[:, None] * layer.outwards).to(moved)
    return model.moved(moved)


def tucked(model: BodyModel, shape: Tensor) -> BodyModel:
    """The body of shape [S] with ears and scalp drawn back under the hair that covers them."""
    if "hair" not in model.layers:
        return model
    layer = Layer.load("hair")
    own = vertices_of(model, "hair").cpu()
    rest = model.rest(shape[None])[0][0].detach().cpu()
    inner = layer.inner + torch.tensordot(shape.cpu().to(layer.shape_basis), layer.shape_basis, dims=1)
    thick = ((rest[own] - inner) * layer.outwards).sum(1)
    head = model.skin_weights[:, model.below([model.humanoid["head"]])].sum(1).cpu()
    skin = ((model.layer.cpu() == 0) & (head > 0.5)).nonzero()[:, 0]
    distance, near = cKDTree(inner.numpy()).query(rest[skin].numpy(), k=_NEAR)
    share = torch.from_numpy(1 / np.maximum(distance, 1e-4)).float()
    share = (share / share.sum(1, keepdims=True))[..., None]
    near = torch.from_numpy(near)
    outwards = torch.nn.functional.normalize((layer.outwards[near] * share).sum(1), dim=1)
    own_height = ((rest[skin] - (inner[near] * share).sum(1)) * outwards).sum(1)
    cover = thick[near].amin(1)
    back = (own_height - (cover - UNDER)).clamp(0, DRAWN_BACK) * (cover > RISE)
    moved = torch.zeros_like(rest)
    moved[skin] = -back[:, None] * outwards
    return model.moved(moved)
