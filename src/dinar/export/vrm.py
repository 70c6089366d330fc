"""A VRM avatar of a person: a GLB in a T-pose with humanoid bones, expressions, gaze, a thumbnail and a licence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dinar.body.model import BodyModel
from dinar.errors import InputError
from dinar.export import springs, vrm0
from dinar.export.expressions import EXPRESSIONS, FULL_GAZE, between_eyes, targets
from dinar.export.figure import Figure, encoded
from dinar.export.glb import Document
from dinar.export.gltf import FIRST_JOINT_NODE, MESH_NODE, composed, save
from dinar.export.licence import Licence
from dinar.export.portrait import portrait
from dinar.export.profiles import PLAIN, Profile

Version = Literal[0, 1]
def write(
    path: Path,
    figure: Figure,
    licence: Licence,
    *,
    profile: Profile = PLAIN,           # how it is written; its rest is a T-pose whatever it says
    version: Version = 1,               # VRM 1.0, or 0.x for older programs
) -> None:
    """Writes a .vrm, whole or not at all: what `gltf.write` writes, but its rest pose is the T-pose that VRM asks for.

    A VRM 0.x looks along -z, its joints' frames lie along the world's axes, and the hips are the root.

    Raises InputError where `path` cannot be written or is no .vrm, or the profile has what VRM has no place for.
    """
    path = Path(path)
    if path.suffix.lower() != ".vrm":
        raise InputError(f"{path} is no .vrm")
    check(profile)
    profile = replace(profile, rest="t")
    if version == 0:
        return vrm0.write(path, figure, licence, replace(profile, axes="world", root=None))
    chains = springs.hanging(figure)
    document, joints = composed(figure, profile, name=licence.title, chains=chains)
    thumbnail = document.picture("Thumbnail", encoded(portrait(figure), "png"), "png")
    document.uses("VRMC_vrm")
    meshes = mesh_nodes(document)
    document.tree["extensions"] = {
        "VRMC_vrm": {
            "specVersion": "1.0",
            "meta": licence.as_dict() | {"thumbnailImage": thumbnail},
            "humanoid": {"humanBones": _bones(figure.model)},
            "firstPerson": {"meshAnnotations": [{"node": node, "type": _seen(node)} for node in meshes]},
            "lookAt": _gaze(figure.model, joints.places),
            "expressions": _expressions(document, meshes, figure.model.expression_names),
        }
    }
    springs.springs(document, joints, FIRST_JOINT_NODE, chains, springs.bumps(figure) if chains else ())
    save(path, document)


def check(profile: Profile) -> None:
    """Raises InputError where a profile asks for what programs that read VRM do not know."""
    if profile.packed or profile.picture == "webp":
        raise InputError("a VRM file is neither packed nor has it WebP pictures; few programs would read it")
    if profile.prefix:
        raise InputError("a VRM file says itself which joint is which bone; leave the prefix of names out")


def mesh_nodes(document: Document) -> list[int]:
    """The nodes that hold a mesh."""
    return [number for number, node in enumerate(document.tree["nodes"]) if "mesh" in node]


def _seen(node: int) -> str:
    """Who looks out of the person's own eyes sees the body without its head: not teeth, tongue and eyes."""
    return "auto" if node == MESH_NODE else "thirdPersonOnly"


def _bones(model: BodyModel) -> dict[str, dict[str, int]]:
    return {bone: {"node": FIRST_JOINT_NODE + joint} for bone, joint in model.humanoid.items()}


def _gaze(model: BodyModel, joints: np.ndarray) -> dict[str, Any]:
    """Eyes turn by expressions, which move the lids along; a target is looked at from between the eyes."""
    ranges = {
        f"rangeMap{direction}": {"inputMaxValue": degrees, "outputScale": 1.0}
        for direction, degrees in FULL_GAZE.items()
    }
    return {"type": "expression", "offsetFromHeadBone": between_eyes(model, joints).tolist(), **ranges}


def _expressions(document: Document, meshes: list[int], actions: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """The presets that the body has all actions for, and each action under its own name."""
    presets = {name: _expression(document, meshes, strengths) for name, strengths in EXPRESSIONS.items()
               if set(strengths) <= set(actions)}  # fmt: skip
    custom = {action: _expression(document, meshes, {action: 1.0}) for action in actions}
    return {"preset": presets, "custom": custom}


def _expression(document: Document, meshes: list[int], strengths: Mapping[str, float]) -> dict[str, Any]:
    binds = [
        {"node": node, "index": index, "weight": weight}
        for node in meshes
        for index, weight in targets(document, document.tree["nodes"][node]["mesh"], strengths)
    ]
    return {"isBinary": False, "overrideBlink": "none", "overrideLookAt": "none", "overrideMouth": "none",
            "morphTargetBinds": binds}  # fmt: skip
