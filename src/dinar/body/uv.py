"""UV layouts of the body, texels on its surface, and the body-part colour map of section 3.5."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Self

import numpy as np
import torch
from scipy.sparse.linalg import splu
from torch import Tensor

from dinar.body.layers import SCALE, Layer, bare
from dinar.body.model import DATA, BodyModel
from dinar.body.normals import vertex_normals
from dinar.body.operators import surface_operators
from dinar.errors import InputError
from dinar.raster.nearest import nearest
from dinar.raster.rasterize import Fragments, interpolate, rasterize

LAYOUTS = ("front", "anny", "clothed")

_SIDES = ("left", "right")
_LIMBS = {
    "upper arm": ("UpperArm",),
    "lower arm": ("LowerArm",),
    "hand": ("Hand",),
    "thigh": ("UpperLeg",),
    "calf": ("LowerLeg",),
    "foot": ("Foot", "Toes"),
}
PARTS = ("torso", "head", *(f"{side} {limb}" for side in _SIDES for limb in _LIMBS))
_TRUNK_BONES = {"torso": ("hips", "spine", "chest", "upperChest", "leftShoulder", "rightShoulder"),
                "head": ("neck", "head", "jaw", "leftEye", "rightEye")}  # fmt: skip
_LAYER_PARTS = {"hair": "head", "skirt": "torso"}

# Any two differ by 0.4 or more in some channel, neighbours along a limb too, because a bent limb hides itself;
# smoothness comes from the weights.
_COLOURS = {
    "torso": (0.50, 0.50, 0.50),
    "head": (1.00, 1.00, 1.00),
    "left upper arm": (0.95, 0.10, 0.10),
    "left lower arm": (0.95, 0.00, 0.60),
    "left hand": (0.55, 0.00, 0.95),
    "left thigh": (0.00, 0.80, 0.10),
    "left calf": (0.00, 0.35, 0.10),
    "left foot": (0.50, 1.00, 0.50),
    "right upper arm": (0.10, 0.30, 1.00),
    "right lower arm": (0.00, 0.80, 1.00),
    "right hand": (0.55, 0.55, 1.00),
    "right thigh": (1.00, 0.85, 0.00),
    "right calf": (0.55, 0.45, 0.00),
    "right foot": (1.00, 0.50, 0.50),
}
_GRAIN = 0.0015  # metres: pixels in which texels before and behind each other are looked for
_GRAZING = 1.1   # radians from straight on: where a limb seen from before or behind is turned away
_AROUND = 0.01   # metres about the body in that picture
_BLEND = 0.03  # metres over which one part's weight fades into the next

_SPREAD: deque[tuple[tuple[Tensor, ...], Tensor]] = deque(maxlen=3)      # of `_spread`


@dataclass(frozen=True, eq=False)
class UVLayout:
    """Where each triangle of a body lies in the texture.

    name                        "front" (cut in front, whole behind), "anny" (MakeHuman's own, cut behind) or "clothed"
                                (front's with room for layers, `body.layers`)
    uv            float32 [T, 2]  origin top left, in [0, 1]
    faces         int64   [F, 3]  rows of uv, the same triangles in the same order as the body's faces
    mirror        int64   [V]     vertex of the body on its other side
    part_colours  float32 [V, 3]  each limb its own colour with smooth transitions (section 3.5)
    """

    name: str
    uv: Tensor
    faces: Tensor
    mirror: Tensor
    part_colours: Tensor

    def to(self, device: torch.device | str) -> Self:
        """On a device; itself where it is there."""
        there = {f.name: getattr(self, f.name).to(device) for f in fields(self) if f.name != "name"}
        return self if there["uv"] is self.uv else replace(self, **there)

    def of_vertices(self, faces: Tensor) -> Tensor:
        """Where the vertices of a body's triangles [F, 3] lie, [V, 2] on the CPU; of one on a seam, the last place."""
        places = np.zeros((len(self.mirror), 2), np.float32)       # of several places for one row torch takes any
        places[faces.flatten().cpu().numpy()] = self.uv[self.faces.flatten()].cpu().numpy()
        return torch.from_numpy(places)


@dataclass(frozen=True)
class TexelMap:
    """The point of the body's surface at each texel.

    face         int32   [S, S]        triangle, -1 where there is none
    barycentric  float32 [S, S, 3]     weights of its corners, 0 where there is none
    covered      float32 [1, 1, S, S]  1 where the texel's centre lies on an island, 0 in the margin around it
    """

    face: Tensor
    barycentric: Tensor
    covered: Tensor

    @property
    def mask(self) -> Tensor:
        """1 on islands and in their margins: float32 [1, 1, S, S]."""
        return (self.face >= 0).float()[None, None]

    def interpolate(self, attributes: Tensor, faces: Tensor) -> Tensor:
        """Attributes [N, C], indexed by the triangles' corners [F, 3], at each texel: [1, C, S, S], 0 outside."""
        depth = torch.zeros_like(self.barycentric[None, ..., 0])
        return interpolate(Fragments(self.face[None], self.barycentric[None], depth), attributes[None], faces)


def load_layout(name: str = "front", model: BodyModel | None = None) -> UVLayout:
    """A layout that ships with the package, on the device of `model` (the open body where none is given).

    Raises InputError for an unknown name or a body that the layout was not made for.
    """
    if name not in LAYOUTS:
        raise InputError(f"no UV layout is called {name}; there are {' and '.join(LAYOUTS)}")
    model = BodyModel.open() if model is None else model
    data = np.load(DATA / f"uv_{'front' if name == 'clothed' else name}.npz", allow_pickle=False)
    uv, faces, mirror = (torch.from_numpy(data[k]) for k in ("uv", "uv_faces", "mirror"))
    if name == "clothed":
        uv, faces, mirror = _with_layers(model, uv * SCALE, faces.long(), mirror.long())
    if faces.shape != model.faces.shape or len(mirror) > len(model.template):
        raise InputError(f"the UV layout {name} is made for the open body and does not fit {model.name}")
    layout = UVLayout(name, uv, faces.long(), mirror.long(), part_colours(model))
    return layout.to(model.template.device)


def mirror_of(model: BodyModel) -> Tensor | None:
    """The vertex on the other side of each of a body's and its layers' [V]; None for another than the open body."""
    mirror = _open_mirror()
    for layer in map(Layer.load, model.layers):
        mirror = torch.cat([mirror, layer.mirror + len(mirror)])
    return mirror if model.name == "open" and len(mirror) == len(model.template) else None


@lru_cache(maxsize=1)
def _open_mirror() -> Tensor:
    with np.load(DATA / "uv_front.npz", allow_pickle=False) as data:
        return torch.from_numpy(data["mirror"].astype(np.int64))


def _with_layers(model: BodyModel, uv: Tensor, faces: Tensor, mirror: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same with the islands of the layers that a body wears."""
    for layer in map(Layer.load, model.layers):
        faces = torch.cat([faces, layer.uv_faces[layer.worn(model.layers[layer.name].cpu())] + len(uv)])
        uv, mirror = torch.cat([uv, layer.uv]), torch.cat([mirror, layer.mirror + len(mirror)])
    return uv, faces, mirror


@lru_cache(maxsize=4)
def texel_map(layout: UVLayout, size: int) -> TexelMap:
    """The surface point at each of size x size texels; kept, for several things ask for the same.

    Islands reach one texel beyond themselves: a texel whose centre lies outside, but not more than one texel away in
    either direction, shows the island's nearest point (to a third of a texel). So bilinear sampling at any point of the
    surface reads texels of the surface only.
    """
    fine = 3  # odd: texel centres are among the samples
    corners = torch.nn.functional.pad(layout.uv * (size * fine), (0, 1), value=1.0)
    samples = rasterize(corners[None].cpu(), layout.faces.cpu(), (size * fine, size * fine))
    face, barycentric = samples.face[0].numpy(), samples.barycentric[0].numpy()
    centre = slice(fine // 2, None, fine)
    y, x = np.divmod(nearest(face >= 0)[centre, centre], size * fine)
    grid = np.arange(size) * fine + fine // 2
    reach = fine + 1  # the nearest point may lie up to a sample nearer than the nearest sample
    near = (np.abs(y - grid[:, None]) <= reach) & (np.abs(x - grid[None]) <= reach) & (face[y, x] >= 0)
    device = layout.uv.device
    return TexelMap(
        torch.from_numpy(np.where(near, face[y, x], -1).astype(np.int32)).to(device),
        torch.from_numpy(np.where(near[..., None], barycentric[y, x], 0).astype(np.float32)).to(device),
        torch.from_numpy((face[centre, centre] >= 0).astype(np.float32))[None, None].to(device),
    )


def mirror_map(layout: UVLayout, faces: Tensor, texels: TexelMap) -> Tensor:
    """For each texel the uv of the same point on the body's other side.

    faces   [F, 3]  the body's triangles
    texels          of `layout`

    Returns float32 [S, S, 2], NaN where the texel map has no surface.
    """
    mirrored = layout.mirror[faces]
    count = len(layout.mirror)
    place = torch.tensor([count * count, count, 1], device=faces.device)
    key, order = (faces.sort(1).values * place).sum(1).sort()
    partner = order[torch.searchsorted(key, (mirrored.sort(1).values * place).sum(1)).clamp(max=len(key) - 1)]
    same = mirrored[:, :, None] == faces[partner][:, None]  # [F, 3 corners here, 3 corners there]
    if not same.any(2).all():
        raise ValueError("the triangles of this body have no mirror images")
    there = layout.faces[partner].gather(1, same.int().argmax(2))
    uv = texels.interpolate(layout.uv, there)[0].permute(1, 2, 0)
    return uv.masked_fill(texels.face[..., None] < 0, torch.nan)


@dataclass(frozen=True)
class Opposite:
    """For each of S x S texels the one on the other side of the trunk or limb: front and back.

    uv      float32 [S, S, 2]  its UV coordinates, NaN where there is none
    beside  float32 [S, S, 2]  near the outline that is seen from before, the texel on the same side as far inside it,
                               at the same height; NaN elsewhere
    """

    uv: Tensor
    beside: Tensor


def opposite_map(layout: UVLayout, model: BodyModel, texels: TexelMap) -> Opposite:
    """What lies straight before or behind each texel on the resting body.

    texels  of `layout`
    """
    vertices = model.rest(model.neutral().shape)[0][0].detach()
    low, high = vertices.amin(0) - _AROUND, vertices.amax(0) + _AROUND
    size = tuple(int(side) for side in ((high - low) / _GRAIN).ceil()[[1, 0]].tolist())
    x, y, z = ((vertices - low) / _GRAIN).T
    attributes = torch.stack([x, y, vertex_normals(vertices[None], model.faces)[0, :, 2]], dim=-1)
    column, row, normal = texels.interpolate(attributes, model.faces)[0]
    row, column = (i.long().clamp(0, most - 1) for i, most in zip((row, column), size, strict=True))
    uv = beside = torch.full((*texels.face.shape, 2), torch.nan).to(vertices)
    surfaces = model.layer[model.faces[:, 0]]
    here = surfaces[texels.face.long().clamp(min=0)].masked_fill(texels.face < 0, -1)[..., None]
    for surface in range(len(model.layers) + 1):           # a skirt's front goes with its back, not with the legs in it
        own = surfaces == surface
        front, back = (
            rasterize(torch.stack([x, y, 1 + d - d.min()], -1)[None], model.faces[own], size) for d in (-z, z)
        )
        shown = [interpolate(side, layout.uv[None], layout.faces[own])[0].permute(1, 2, 0) for side in (front, back)]
        looked = [seen[row, column].masked_fill(side.face[0][row, column][..., None] < 0, torch.nan)
                  for seen, side in zip(shown, (front, back), strict=True)]  # fmt: skip
        uv = torch.where(here == surface, torch.where((normal < 0)[..., None], *looked), uv)
        inner = _turned_in(front.face[0] >= 0)[row, column]
        turned = [seen[row, inner.clamp(min=0)].masked_fill((inner < 0)[..., None], torch.nan) for seen in shown]
        beside = torch.where(here == surface, torch.where((normal > 0)[..., None], *turned), beside)
    return Opposite(uv, beside)


def _turned_in(mask: Tensor) -> Tensor:
    """For pixels near the left and right ends of a mask's runs [H, W] the column as far inside: int64 [H, W], else -1.

    Runs are taken for round bodies seen from one side: "near" and "as far" are angles about their axes.
    """
    column = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    first = torch.where(mask, -1, column).cummax(1).values + 1
    last = torch.where(mask, mask.shape[1], column).flip(1).cummin(1).values.flip(1) - 1
    middle, radius = (first + last) / 2, (last - first + 1) / 2
    angle = ((column - middle) / radius).clamp(-1, 1).asin()
    inner = middle + radius * angle.sign() * (2 * _GRAZING - angle.abs()).sin()
    return inner.round().long().masked_fill(~mask | (angle.abs() < _GRAZING), -1)


def part_weights(model: BodyModel) -> Tensor:
    """How much each vertex belongs to each of PARTS: float32 [V, P], rows sum to 1.

    Skin weights, summed over the joints of a part and spread along the surface, so that parts fade into each other over
    some centimetres. A layer belongs to one part as a whole.
    """
    body = bare(model)
    found = _spread(body)
    for number, name in enumerate(model.layers, start=1):
        whole = torch.eye(len(PARTS))[PARTS.index(_LAYER_PARTS[name])]
        found = torch.cat([found, whole.expand(int((model.layer == number).sum()), -1)])
    return found.to(model.template.device)


def _spread(body: BodyModel) -> Tensor:
    """`part_weights` of a body without layers; those of the last few are kept, for many steps ask for the same."""
    made_of = tuple(part.detach().cpu() for part in (body.template, body.faces, body.skin_weights))
    for others, found in tuple(_SPREAD):
        if all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(made_of, others, strict=True)):
            return found.clone()
    part_of = {bone: PARTS.index(part) for part, bones in _TRUNK_BONES.items() for bone in bones}
    for side in _SIDES:
        part_of |= {side + bone: PARTS.index(f"{side} {limb}") for limb, bones in _LIMBS.items() for bone in bones}
    bone_of = {joint: bone for bone, joint in body.humanoid.items()}
    part = []
    for joint, parent in enumerate(body.parents):  # parents stand before their children
        bone = bone_of.get(joint)
        part.append(part_of[bone] if bone in part_of else part[parent] if parent >= 0 else 0)
    membership = torch.nn.functional.one_hot(torch.tensor(part), len(PARTS)).double()
    template, faces, skin_weights = made_of
    sharp = skin_weights.double() @ membership
    mass, stiffness = surface_operators(template.numpy(), faces.numpy())
    solve = splu((mass + _BLEND**2 / 2 * stiffness).tocsc()).solve
    smooth = sharp.numpy()
    for _ in range(2):
        smooth = solve(mass @ smooth)
    smooth = np.clip(smooth, 0, None)
    smooth /= smooth.sum(1, keepdims=True)
    found = torch.from_numpy(smooth.astype(np.float32))
    _SPREAD.append((tuple(part.clone() for part in made_of), found))
    return found.clone()


def part_colours(model: BodyModel) -> Tensor:
    """The colour map of section 3.5 at the vertices: float32 [V, 3] in [0, 1]."""
    weights = part_weights(model)
    return weights @ weights.new_tensor([_COLOURS[part] for part in PARTS])


def part_texture(layout: UVLayout, faces: Tensor, size: int) -> Tensor:
    """The colour map of section 3.5 as a texture [1, 3, size, size]; 0 where there is no surface.

    faces  [F, 3]  the body's triangles
    """
    return texel_map(layout, size).interpolate(layout.part_colours, faces)


def head_texture(texels: TexelMap, model: BodyModel) -> Tensor:
    """How much each texel belongs to head and neck [1, 1, S, S] in [0, 1]; 0 where there is no surface."""
    head = part_weights(model)[:, PARTS.index("head"), None]
    return texels.interpolate(head, model.faces)


def part_labels(model: BodyModel) -> Tensor:
    """The one of PARTS that each triangle belongs to most: int64 [F]."""
    return part_weights(model)[model.faces].sum(1).argmax(1)
