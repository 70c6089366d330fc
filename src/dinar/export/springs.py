"""Chains of joints that hair and skirts hang on, with what they bump into: springs of VRM's programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from dinar.body.layers import RISE, vertices_of
from dinar.body.model import BodyModel
from dinar.body.normals import vertex_normals
from dinar.export.figure import Figure, standing
from dinar.export.glb import Document
from dinar.export.skinned import Rig, SkinnedMesh, strongest

_AROUND = {"skirt": tuple(range(0, 360, 45)), "hair": (90, 135, 180, 225, 270)}    # degrees: 0 in front, 90 left
_ON = {"skirt": "hips", "hair": "head"}                # the bone that its chains hang on
_SHARES = (0.0, 1 / 3, 2 / 3, 1.0)                     # of a chain's length: its joints, the last one without weight
_LEAST = {"skirt": 0.15, "hair": 0.14}                 # metres below its start that a chain is there for
_START = {"skirt": 0.06}                  # metres below the layer's top where it starts
_EAR = 0.06                                            # metres above the head's joint from where hair hangs
_SOFT = 0.08                                           # metres over which a layer passes from the body to its chains
_NEAR = (25.0, 0.06)                                   # degrees and metres that a chain's joint looks around itself
_SPRING = {
    "skirt": {"stiffness": 0.8, "gravityPower": 0.15, "dragForce": 0.5, "hitRadius": 0.02},
    "hair": {"stiffness": 0.6, "gravityPower": 0.10, "dragForce": 0.4, "hitRadius": 0.01},
}
_BUMPS = {"head": 0.09, "upperChest": 0.12}            # metres: spheres, and how far up the bone they lie:
_UP = {"head": 0.09, "upperChest": 0.02}
_THIGH = 0.85                                          # of a thigh's length that its capsule has
_SPHERES = 4                                           # in place of a capsule in VRM 0.x


@dataclass(frozen=True)
class Chain:
    """Joints that hang on a bone.

    name     before its joints' numbers
    layer    that hangs on it
    above    joint of the body that the first one hangs on
    degrees  where around the body it hangs
    places   float32 [4, 3]  of its joints in the T-pose, from above; the last one is the end
    """

    name: str
    layer: str
    above: int
    degrees: float
    places: np.ndarray


@dataclass(frozen=True)
class Bump:
    """What chains do not pass: a sphere, or a capsule where its ends differ.

    joint   of the body that it moves with
    ends    float32 [2, 3]  in the T-pose, metres
    radius  metres
    """

    joint: int
    ends: np.ndarray
    radius: float


def hanging(figure: Figure) -> tuple[Chain, ...]:
    """The chains of the layers that a figure wears; none where hair is too short to swing."""
    model = figure.model
    with torch.no_grad():
        posed = model(standing(figure, t_pose=True))
    found: list[Chain] = []
    for layer in model.layers:
        above = model.humanoid[_ON[layer]]
        worn = vertices_of(model, layer) & torch.isin(torch.arange(len(model.template)), model.faces)
        points = _above_skin(model, posed.vertices[0], worn)
        if not len(points):
            continue
        joint = posed.joints[0, above].numpy()
        top = points[:, 1].max() - _START[layer] if layer in _START else joint[1] + _EAR
        middle = _middle(points, joint, layer)
        angles = _degrees(points - middle)
        for degrees in _AROUND[layer]:
            near = np.abs(_apart(angles, degrees)) < _NEAR[0]
            if not near.any() or top - points[near, 1].min() < _LEAST[layer]:
                continue
            heights = top - (top - points[near, 1].min()) * np.array(_SHARES)
            places = np.stack([_place(points[near], middle, degrees, height) for height in heights])
            name = f"{layer.capitalize()}{degrees:03d}"
            found.append(Chain(name, layer, above, float(degrees), places.astype(np.float32)))
    return tuple(found)


def _above_skin(model: BodyModel, vertices: Tensor, chosen: Tensor) -> np.ndarray:
    """Of the chosen vertices [V] of a posed body [V, 3] those outside the skin [N, 3]: hair goes on within the neck."""
    skin = (model.layer == 0).numpy()
    normals = vertex_normals(vertices[None], model.faces)[0].numpy()[skin]
    points, body = vertices[chosen].numpy(), vertices.numpy()[skin]
    nearest = cKDTree(body).query(points)[1]
    return points[((points - body[nearest]) * normals[nearest]).sum(1) > RISE]


def with_chains(rig: Rig, chains: Sequence[Chain]) -> Rig:
    """A rig with the chains' joints behind its own; their axes are those of the joint that they hang on."""
    names, parents = list(rig.names), list(rig.parents)
    places, frames, straight = [rig.places], [rig.frames], [rig.straight]
    for chain in chains:
        first, number = len(names), len(chain.places)
        names += [f"{chain.name}_{k + 1}" for k in range(number)]
        parents += [chain.above, *range(first, first + number - 1)]
        places.append(chain.places)
        frames.append(np.repeat(rig.frames[chain.above][None], number, 0))
        straight.append(np.repeat(rig.straight[chain.above][None], number, 0))
    return Rig(tuple(names), np.concatenate(places), np.concatenate(frames), np.concatenate(straight), tuple(parents))


def bound(mesh: SkinnedMesh, chains: Sequence[Chain], first: int, influences: int) -> SkinnedMesh:
    """A layer's mesh that moves with its chains, whose joints start at number `first`; in the T-pose.

    Each vertex follows the two chains beside it and, on each, the joint above it; at the layer's top and where no chain
    is near, it stays with the body.
    """
    own = [(k, chain) for k, chain in enumerate(chains) if chain.layer == mesh.name.lower()]
    if not own:
        return mesh
    per, total = len(_SHARES), first + len(chains) * len(_SHARES)
    middle = np.mean([chain.places[0] for _, chain in own], axis=0)
    angles = _degrees(mesh.vertices - middle)
    gap = 45.0
    body = np.zeros((len(mesh.vertices), total), np.float32)
    np.put_along_axis(body, mesh.joint, mesh.weight, axis=1)
    moved, share = np.zeros_like(body), np.zeros(len(mesh.vertices))
    for k, chain in own:
        beside = np.clip(1 - np.abs(_apart(angles, chain.degrees)) / gap, 0, 1)
        top, end = chain.places[0, 1], chain.places[-1, 1]
        down = np.clip((top - mesh.vertices[:, 1]) / (top - end), 0, 1) * (per - 1)
        soft = np.clip((top - mesh.vertices[:, 1]) / _SOFT, 0, 1)
        held = beside * soft * soft * (3 - 2 * soft)
        for j in range(per - 1):
            along = np.clip(1 - np.abs(down - (j + 0.5)), 0, 1)
            if j == 0:
                along = np.where(down < 0.5, 1, along)
            if j == per - 2:
                along = np.where(down > per - 1.5, 1, along)
            moved[:, first + k * per + j] = held * along
        share += held
    joint, weight = strongest(body * (1 - np.clip(share, 0, 1))[:, None] + moved, influences)
    return replace(mesh, joint=joint, weight=weight)


def bumps(figure: Figure) -> tuple[Bump, ...]:
    """Head, chest and thighs in the T-pose."""
    model = figure.model
    with torch.no_grad():
        posed = model(standing(figure, t_pose=True))
    joints, points = posed.joints[0].numpy(), posed.vertices[0].numpy()
    found = []
    for bone, radius in _BUMPS.items():
        place = joints[model.humanoid[bone]] + [0, _UP[bone], 0.01]
        found.append(Bump(model.humanoid[bone], np.stack([place, place]).astype(np.float32), radius))
    strongest_joint = model.skin_weights.argmax(1).numpy()
    for side in ("left", "right"):
        hip, knee = model.humanoid[f"{side}UpperLeg"], model.humanoid[f"{side}LowerLeg"]
        start, way = joints[hip], _THIGH * (joints[knee] - joints[hip])
        own = points[_within(model, strongest_joint, hip, knee) & (model.layer.numpy() == 0)]
        along = (own - start) @ way / (way @ way)
        off = np.linalg.norm(own - start - along[:, None] * way, axis=1)[(along > 0.3) & (along < 1)]
        found.append(Bump(hip, np.stack([start + 0.1 * way, start + way]).astype(np.float32), float(np.median(off))))
    return tuple(found)


def springs(document: Document, rig: Rig, first_node: int, chains: Sequence[Chain], around: Sequence[Bump]) -> None:
    """Adds `VRMC_springBone`; joint j of the rig is node first_node + j."""
    if not chains:
        return
    shapes = []
    for bump in around:
        ends = (bump.ends - rig.places[bump.joint]) @ rig.frames[bump.joint]
        shape: dict[str, Any] = {"offset": ends[0].tolist(), "radius": bump.radius}
        capsule = bool(np.abs(ends[1] - ends[0]).max() > 0)
        shape = {"capsule": shape | {"tail": ends[1].tolist()}} if capsule else {"sphere": shape}
        shapes.append({"node": first_node + bump.joint, "shape": shape})
    first = first_node + len(rig.names) - len(chains) * len(_SHARES)
    rows = []
    for k, chain in enumerate(chains):
        how = _SPRING[chain.layer] | {"gravityDir": [0, -1, 0]}
        nodes = range(first + k * len(_SHARES), first + (k + 1) * len(_SHARES))
        joints = [{"node": node, **how} for node in nodes]
        rows.append({"name": chain.name, "joints": joints, "colliderGroups": [0]})
    document.uses("VRMC_springBone")
    group = {"name": "Body", "colliders": list(range(len(shapes)))}
    document.tree.setdefault("extensions", {})["VRMC_springBone"] = {
        "specVersion": "1.0", "colliders": shapes, "colliderGroups": [group], "springs": rows,
    }  # fmt: skip


def secondary(rig: Rig, first_node: int, chains: Sequence[Chain], around: Sequence[Bump]) -> dict[str, Any]:
    """The `secondaryAnimation` of VRM 0.x, which knows spheres alone and counts z the other way."""
    if not chains:
        return {"boneGroups": [], "colliderGroups": []}
    bodies = []
    for bump in around:
        ends = (bump.ends - rig.places[bump.joint]) @ rig.frames[bump.joint]
        number = 1 if np.array_equal(*ends) else _SPHERES
        offsets = [ends[0] + share * (ends[1] - ends[0]) for share in np.linspace(0, 1, number)]
        spheres = [{"offset": {"x": float(x), "y": float(y), "z": -float(z)}, "radius": bump.radius}
                   for x, y, z in offsets]  # fmt: skip
        bodies.append({"node": first_node + bump.joint, "colliders": spheres})
    first = first_node + len(rig.names) - len(chains) * len(_SHARES)
    groups = []
    for layer in dict.fromkeys(chain.layer for chain in chains):
        how = _SPRING[layer]
        groups.append({
            "comment": layer,
            "stiffiness": how["stiffness"],                                  # the format's own spelling
            "gravityPower": how["gravityPower"],
            "gravityDir": {"x": 0, "y": -1, "z": 0},
            "dragForce": how["dragForce"],
            "center": -1,
            "hitRadius": how["hitRadius"],
            "bones": [first + k * len(_SHARES) for k, chain in enumerate(chains) if chain.layer == layer],
            "colliderGroups": list(range(len(bodies))),
        })  # fmt: skip
    return {"boneGroups": groups, "colliderGroups": bodies}


def turned(around: Sequence[Bump], factor: np.ndarray) -> tuple[Bump, ...]:
    """Bumps with their axes multiplied by [3] numbers of 1 and -1 that are a turn."""
    return tuple(replace(bump, ends=bump.ends * factor) for bump in around)


def _middle(points: np.ndarray, joint: np.ndarray, layer: str) -> np.ndarray:
    """What a layer's chains hang around [3]."""
    return (points.max(0) + points.min(0)) / 2 if layer == "skirt" else joint + np.array([0, 0, 0.01])


def _degrees(away: np.ndarray) -> np.ndarray:
    return np.degrees(np.arctan2(away[:, 0], away[:, 2]))


def _apart(angles: np.ndarray, degrees: float) -> np.ndarray:
    return (angles - degrees + 180) % 360 - 180


def _place(points: np.ndarray, middle: np.ndarray, degrees: float, height: float) -> np.ndarray:
    """Where cloth or hair is in a direction, at a height [3]."""
    away = points - middle
    closeness = np.exp(-((points[:, 1] - height) / _NEAR[1]) ** 2 - (_apart(_degrees(away), degrees) / _NEAR[0]) ** 2)
    closeness += 1e-6 * np.exp(-np.abs(points[:, 1] - height))
    radius = (np.hypot(away[:, 0], away[:, 2]) * closeness).sum() / closeness.sum()
    x, z = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    return np.array([middle[0] + radius * x, height, middle[2] + radius * z])


def _within(model: BodyModel, joint: np.ndarray, start: int, end: int) -> np.ndarray:
    """Which of some joints lie below `start` and not below `end`."""
    below = set(model.below([start])) - set(model.below([end]))
    return np.isin(joint, list(below))
