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
from scipy.sparse import coo_array
from scipy.ndimage import gaussian_filter1d, median_filter
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
LOCK = 0.012         # as it is worn,
BARE = -0.003        # and where none is;
SUNK = -0.004        # what of the shell is there nevertheless, and lies
THIN = 0.015         # no higher, goes under the skin,
DEEP = 0.008         # so much deeper when neighbours have been evened out with it,
BURIED = 0.07        # and so deep where no hair is near: shoulders move;
WITHIN = 0.8         # of the way to the head's axis at most
ROUNDS = 3           # of evening heights out among neighbours
ROW = 0.024          # metres from one row below it to the next
NAPE = 12            # row from which it may end,
HEM = 7              # columns that the hem behind is evened over
CAP = 18             # rows of the shell above the head's middle
COLUMNS = 64         # of the shell about the head's axis; the crown is the last vertex
REACH = 0.25         # metres that hair is followed outwards
GAP = 0.006          # metres without hair that are passed over
NOISE = 0.05         # metres: what an equation is off, as much as some hundred that are off together
HIDDEN = 0.03        # metres behind the body from which a vertex is hidden
STEPS = 8
MOST = 3.0           # standard deviations of a coefficient
PIXELS = 60          # of hair, from which it is worn as a layer,
SHARE = 0.15         # where they are as many, by those of the naked head
UNDER = 0.003        # metres that skin stays under hair
DRAWN_BACK = 0.03    # metres that it is drawn back for that at most: ears
FREE = 0.03          # metres: what components leave at the sides, one standard deviation,
RANGE = 0.03         # and over how far it fades along the shell
SURE = 0.008         # metres: what sides are seen to
PROMINENT = 0.04     # metres that a brim stands out beyond what is above it
AHEAD = 0.9          # cosine to straight ahead, of what tells how low it is there
BELOW = 2            # rows of a brim below where it stands out most
TILT = 8             # rows that one side of a hat may be lower than the other
EVEN_LEVEL = 0.8     # rows over which that fades
BRIM = 0.06          # metres: what components lack of a hat, all round the head
SLACK = 0.012        # metres that are left to errors of the body's fit, and to the outline
HAT = 0.2            # share of headwear among hair from which what stands out at its height goes round the head

_HAIR = (BodyPart.HAIR, BodyPart.HEADWEAR)
_NOTHING = (BodyPart.BAG, BodyPart.UNKNOWN)     # tell nothing of hair
_STEP = 0.002        # metres
_BESIDE = 3          # columns on either side that tell where hair ends
_NEAR = 3            # vertices of the shell that tell of one of the skin
_AWAY = np.arange(-GAP, REACH, _STEP)


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


@dataclass(frozen=True)
class _Told:
    """What one photo says of the shell's vertices.

    height  float64 [N]     metres
    kind    int [N]         1 at least so high, -1 at most, 0 just so
    weight  float64 [N]     0 where it says nothing
    edge    float64 [N]     metres from the end of the hair that is seen, 0 and more within it; NaN where skin is not
                            seen from in front
    hat     bool [N]        whether headwear is seen there
    open    bool [A, N]     whether hair may lie `_AWAY` metres above the skin: it is seen there, or nothing tells
    """

    height: np.ndarray
    kind: np.ndarray
    weight: np.ndarray
    edge: np.ndarray
    hat: np.ndarray
    open: np.ndarray


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
    height = _freed(layer, layer.height(coefficients), told)
    return Found(coefficients, _even(layer, height, told), pixels, pixels / max(of_head, 1))


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

    # [A, N]: what is seen so far above the skin; the first row is the skin itself
    away = np.r_[0.0, _AWAY][:, None, None]
    at = inner.double().numpy() + away * outwards.double().numpy()
    x, y, z = np.moveaxis(camera.project(torch.from_numpy(at).float()).numpy(), -1, 0)
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    inside = (column >= 0) & (column < labels.shape[1]) & (row >= 0) & (row < labels.shape[0]) & (z > 0)
    row, column = np.where(inside, row, 0), np.where(inside, column, 0)
    part, hidden = labels[row, column], z > depth[row, column] + HIDDEN
    of_hair, silent = (np.isin(part, kinds) for kinds in (_HAIR, _NOTHING))
    clear = (of_hair & inside) | hidden | ~inside | silent
    hair = of_hair[0]
    front = (facing > FACING) & inside[0] & ~hidden[0] & ~silent[0]
    # aside, hair is followed outwards from where the skin ends, or begins a little beside it
    last, hat = np.full(len(facing), -np.inf), part[0] == BodyPart.HEADWEAR
    for k, step in enumerate(_AWAY, 1):
        on = of_hair[k] & inside[k] & (step - np.maximum(last, 0) <= GAP)
        last = np.where(on, step, last)
        hat |= on & (part[k] == BodyPart.HEADWEAR)
    far = np.maximum(last, 0)
    side = (np.abs(facing) <= FACING) & inside[0] & ~hidden[0]
    begun = np.isfinite(last)
    height = np.where(front & hair, AT_LEAST, BARE)
    height = np.where(side & begun, far, height)
    kind = np.where(side & begun, 0, np.where(hair, 1, -1))
    weight = np.where(front, facing, 0.0) + np.where(side, np.where(begun, 1.0, 0.5), 0.0)
    mask = np.isin(labels, _HAIR).astype(np.uint8)
    pixels = cv2.distanceTransform(mask, cv2.DIST_L2, 3) - cv2.distanceTransform(1 - mask, cv2.DIST_L2, 3)
    edge = np.where(front, pixels[row[0], column[0]] * z[0] / float(camera.K[0, 0]), np.nan)
    return _Told(height, kind, weight, edge, hat & (weight > 0), clear[1:])


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


def _freed(layer: Layer, height: Tensor, told: Sequence[_Told]) -> Tensor:
    """Heights [N] with what is seen at the sides beyond them, or less, added: a Gaussian process over the shell."""
    height = height.double().numpy()
    just = np.stack([one.weight * (one.kind == 0) for one in told])
    weight = just.sum(0)
    seen = np.flatnonzero(weight > 0)
    if not len(seen):
        return torch.from_numpy(height).float()
    target = (just * [one.height for one in told]).sum(0)[seen] / weight[seen]
    place = (layer.inner + torch.from_numpy(height).float().clamp(min=0)[:, None] * layer.outwards).double().numpy()
    apart = ((place[:, None] - place[seen]) / RANGE) ** 2
    worn = [one.weight * ((one.kind >= 0) & (one.height > RISE)) for one in told]
    hat = sum((one.hat * w).sum() for one, w in zip(told, worn, strict=True)) / max(np.sum(worn), 1e-9) > HAT
    likeness = FREE**2 * np.exp(-0.5 * apart.sum(2))
    if hat:
        there = np.any([one.hat for one in told], axis=0)
        level, rim = _levels(layer, seen, target, there)
        top = level <= rim
        apart = ((level[:, None] - level[seen]) / EVEN_LEVEL) ** 2
        likeness += BRIM**2 * np.exp(-0.5 * apart) * top[:, None] * top[seen]
    system = likeness[seen] + np.diag(SURE**2 / weight[seen])
    off = target - height[seen]
    height += likeness @ np.linalg.solve(system, off if hat else np.sign(off) * (np.abs(off) - SLACK).clip(0))
    return torch.from_numpy(height).float()


def _levels(layer: Layer, seen: np.ndarray, target: np.ndarray, hat: np.ndarray) -> tuple[np.ndarray, float]:
    """Rows [N] of a hat's shell, level with its brim, and the lowest: tilted as the profiles [M] seen at the two sides
    are apart, and as the brim ahead is higher or lower than there.
    """
    row, aside = np.arange(len(layer.inner)) // COLUMNS, layer.outwards[:, 0].numpy()
    profiles = []
    for side in (aside[seen] > 0.5, aside[seen] < -0.5):
        count = np.bincount(row[seen][side], minlength=row.max() + 1)
        profiles.append(np.bincount(row[seen][side], target[side], len(count)) / np.where(count, count, np.nan))
    best = (np.inf, 0)
    for shift in range(-TILT, TILT + 1):
        a, b = profiles[0][max(shift, 0) :], profiles[1][max(-shift, 0) :]
        off = (a[: len(b)] - b[: len(a)])[: len(a) - TILT]
        if np.isfinite(off).sum() > TILT:
            best = min(best, (float(np.nanmean(off**2)), shift))
    level = row - best[1] * aside / 2
    with np.errstate(invalid="ignore"):
        profile = np.nanmean([np.interp(np.arange(len(p)), *_known(p)) for p in profiles], axis=0)[: CAP + TILT]
    brim, front = int(profile.argmax()), hat & (layer.outwards[:, 2].numpy() > AHEAD * np.hypot(aside, layer.outwards[:, 2]).numpy())
    rim = np.quantile(level[hat], 0.95)
    if profile[brim] > np.median(profile[:brim]) + PROMINENT and front.any():
        ahead = layer.outwards[:, 2].numpy() / np.maximum(np.hypot(aside, layer.outwards[:, 2].numpy()), 1e-6)
        level = level + np.clip(brim - np.quantile(row[front], 0.95), -TILT, TILT) * ahead
        rim = max(rim, brim + BELOW)
    return level, rim


def _known(profile: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    there = np.flatnonzero(np.isfinite(profile))
    return there, profile[there]


def _even(layer: Layer, height: Tensor, told: Sequence[_Told]) -> Tensor:
    """Heights [N] of the shell's vertices, metres, as it is worn: even, in one piece, with no spikes at its hem, and
    under the skin where there is no hair.

    Where a photo would see it before skin, cloth or background, it lies no higher than it may.
    """
    skin = sum(one.weight * (one.kind < 0) for one in told) > sum(one.weight * (one.kind >= 0) for one in told)
    scalp = (layer.height(torch.zeros(len(layer.basis))) > RISE) & ~torch.from_numpy(skin)
    scalp &= torch.arange(len(height)) < CAP * COLUMNS                     # nobody with hair is bald behind
    scalp[-1] = True
    height = torch.minimum(height, _allowed(height, told))
    height = torch.where(scalp, height.clamp(min=AT_LEAST), height)
    edge = np.nan_to_num([one.edge for one in told], nan=0.0)
    faced = np.array([one.weight * np.isfinite(one.edge) for one in told])
    edge = torch.from_numpy((edge * faced).sum(0) / np.maximum(faced.sum(0), 1e-9)).to(height)
    ahead = torch.from_numpy(faced.sum(0) > 0)

    def ended(height: Tensor) -> Tensor:
        """Hair comes out of the skin where it is seen to end, straight through the shell's cells."""
        out = torch.where(edge < LOCK, torch.where(height < THIN, edge.clamp(min=SUNK - DEEP), height), height.clamp(min=LOCK))
        return torch.where(ahead, out, height)

    height = _hemmed(ended(height), np.sum([one.weight for one in told], axis=0) == 0)
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
    even = height.clamp(SUNK - DEEP, SUNK).double().numpy()
    even[kept] = height[kept].double().numpy()
    for _ in range(ROUNDS):
        even[kept] = (even + around @ even / around.sum(1))[kept] / 2
    near = np.isin(np.arange(len(even)), kept)
    reach = (layer.inner - layer.inner[-1])[:, [0, 2]].norm(dim=1).numpy()
    beside = ~near & (around @ near > 0)
    even[~near] = np.where(beside, SUNK - DEEP, -np.minimum(BURIED, WITHIN * reach))[~near]   # cloth and necks may be thinner than the mean body's
    even = torch.from_numpy(even).to(height)
    return torch.where(torch.from_numpy(near | beside), ended(even), even)


def _hemmed(height: Tensor, unseen: np.ndarray) -> Tensor:
    """Heights [N] with an even hem where no photo shows it."""
    grid = height[:-1].view(-1, COLUMNS).numpy()
    row = np.arange(len(grid))[:, None]
    fall = NAPE - 0.5 + (grid[NAPE:] / AT_LEAST).clip(0, 1).sum(0)
    below = (gaussian_filter1d(median_filter(fall, HEM, mode="wrap"), HEM / 3, mode="wrap") - row) * ROW
    below = below.clip(SUNK - DEEP)
    even = np.where(below < AT_LEAST, np.minimum(grid, below), np.maximum(grid, AT_LEAST))
    even = np.where(unseen[:-1].reshape(grid.shape) & (row >= NAPE), even, grid)
    return torch.cat([torch.from_numpy(even).to(height).flatten(), height[-1:]])


def _allowed(height: Tensor, told: Sequence[_Told]) -> Tensor:
    """The greatest heights [N], metres, up to those given, at which no photo would see hair where there is none."""
    clear = np.all([one.open for one in told], axis=0)
    near = round(GAP / _STEP)
    clear = np.any([np.roll(clear, k, 0) for k in range(-near, near + 1)], axis=0)
    step = np.arange(len(_AWAY))[:, None]
    up_to = np.maximum.accumulate(np.where(clear, step, -1), axis=0)
    own = np.clip(((height.numpy() + GAP) / _STEP).astype(int), 0, len(_AWAY) - 1)
    found = up_to[own, np.arange(len(own))]
    lower = np.where(found == own, np.inf, np.where(found < 0, SUNK, _AWAY[found]))
    return torch.from_numpy(lower).float()


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
