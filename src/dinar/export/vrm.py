"""A VRM avatar of a person: a GLB in a T-pose with humanoid bones, expressions, gaze, a thumbnail and a licence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dinar.body.model import BodyModel
from dinar.errors import InputError
from dinar.export import springs
from dinar.export.figure import Figure, encoded
from dinar.export.glb import Document
from dinar.export.gltf import FIRST_JOINT_NODE, MESH_NODE, composed, save
from dinar.export.portrait import portrait
from dinar.export.profiles import PLAIN, Profile

Version = Literal[0, 1]
Permission = Literal["onlyAuthor", "onlySeparatelyLicensedPerson", "everyone"]
Commerce = Literal["personalNonProfit", "personalProfit", "corporation"]
Modification = Literal["prohibited", "allowModification", "allowModificationRedistribution"]

WHO: Mapping[str, Permission] = {
    "author": "onlyAuthor",
    "licensed": "onlySeparatelyLicensedPerson",
    "everyone": "everyone",
}
COMMERCE: Mapping[str, Commerce] = {
    "none": "personalNonProfit",
    "personal": "personalProfit",
    "corporate": "corporation",
}
"""Plain words for who may act as the person, and for what that may earn."""

_LICENCE = "https://vrm.dev/licenses/1.0/"

EXPRESSIONS: Mapping[str, Mapping[str, float]] = {
    "neutral": {},
    "happy": {
        "mouthSmileLeft": 0.9, "mouthSmileRight": 0.9, "cheekSquintLeft": 0.6, "cheekSquintRight": 0.6,
        "eyeSquintLeft": 0.3, "eyeSquintRight": 0.3,
    },
    "angry": {
        "browDownLeft": 1.0, "browDownRight": 1.0, "noseSneerLeft": 0.6, "noseSneerRight": 0.6,
        "mouthPressLeft": 0.6, "mouthPressRight": 0.6, "mouthFrownLeft": 0.4, "mouthFrownRight": 0.4,
    },
    "sad": {
        "browInnerUp": 1.0, "mouthFrownLeft": 0.9, "mouthFrownRight": 0.9, "mouthShrugLower": 0.4,
        "eyeSquintLeft": 0.2, "eyeSquintRight": 0.2,
    },
    "relaxed": {
        "mouthSmileLeft": 0.4, "mouthSmileRight": 0.4, "eyeBlinkLeft": 0.25, "eyeBlinkRight": 0.25,
    },
    "surprised": {
        "browInnerUp": 0.8, "browOuterUpLeft": 0.9, "browOuterUpRight": 0.9, "eyeWideLeft": 1.0, "eyeWideRight": 1.0,
        "jawOpen": 0.4,
    },
    "aa": {"jawOpen": 0.6},
    "ih": {"jawOpen": 0.15, "mouthStretchLeft": 0.6, "mouthStretchRight": 0.6},
    "ou": {"jawOpen": 0.15, "mouthPucker": 0.8},
    "ee": {"jawOpen": 0.2, "mouthSmileLeft": 0.4, "mouthSmileRight": 0.4,
           "mouthLowerDownLeft": 0.4, "mouthLowerDownRight": 0.4},
    "oh": {"jawOpen": 0.35, "mouthFunnel": 0.7},
    "blink": {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0},
    "blinkLeft": {"eyeBlinkLeft": 1.0},
    "blinkRight": {"eyeBlinkRight": 1.0},
    "lookUp": {"eyeLookUpLeft": 1.0, "eyeLookUpRight": 1.0},
    "lookDown": {"eyeLookDownLeft": 1.0, "eyeLookDownRight": 1.0},
    "lookLeft": {"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0},
    "lookRight": {"eyeLookInLeft": 1.0, "eyeLookOutRight": 1.0},
}  # fmt: skip
"""VRM's presets as strengths of ARKit's facial actions."""

FULL_GAZE = {"HorizontalInner": 14.6, "HorizontalOuter": 14.1, "VerticalDown": 10.9, "VerticalUp": 9.6}
"""Degrees that the open body's eyes turn at strength 1 of looking in, out, down and up."""


@dataclass(frozen=True)
class Licence:
    """What VRM's licence of an avatar says; what is not given stays forbidden.

    title             the avatar's name
    authors           one at least
    avatar            who may act as this person
    commerce          what it may earn
    modification      whether it may be changed, and the changed one passed on
    redistribution    whether the file may be passed on
    credit            whether the authors must be named
    violence, sexuality, politics, hate   whether it may act so
    url               of a further licence
    copyright         the line of its owner
    """

    title: str
    authors: tuple[str, ...]
    avatar: Permission = "onlyAuthor"
    commerce: Commerce = "personalNonProfit"
    modification: Modification = "prohibited"
    redistribution: bool = False
    credit: bool = True
    violence: bool = False
    sexuality: bool = False
    politics: bool = False
    hate: bool = False
    url: str | None = None
    copyright: str | None = None

    def __post_init__(self) -> None:
        if not self.authors or not all(author.strip() for author in self.authors):
            raise InputError("a VRM file names its author; give --author")

    def as_dict(self) -> dict[str, Any]:
        """The `meta` of VRMC_vrm."""
        meta: dict[str, Any] = {
            "name": self.title,
            "authors": list(self.authors),
            "licenseUrl": _LICENCE,
            "avatarPermission": self.avatar,
            "allowExcessivelyViolentUsage": self.violence,
            "allowExcessivelySexualUsage": self.sexuality,
            "commercialUsage": self.commerce,
            "allowPoliticalOrReligiousUsage": self.politics,
            "allowAntisocialOrHateUsage": self.hate,
            "creditNotation": "required" if self.credit else "unnecessary",
            "allowRedistribution": self.redistribution,
            "modification": self.modification,
        }
        optional = {"otherLicenseUrl": self.url, "copyrightInformation": self.copyright}
        return meta | {name: value for name, value in optional.items() if value}


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
        from dinar.export import vrm0

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


def between_eyes(model: BodyModel, joints: np.ndarray) -> np.ndarray:
    """From the head's joint to the middle of the eyes [3], in the world's axes at rest; joints [J, 3], metres."""
    eyes = (joints[model.humanoid["leftEye"]] + joints[model.humanoid["rightEye"]]) / 2
    return eyes - joints[model.humanoid["head"]]


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


def targets(document: Document, mesh: int, strengths: Mapping[str, float]) -> list[tuple[int, float]]:
    """Numbers and weights of a mesh's morph targets that make some strengths of actions."""
    names = document.tree["meshes"][mesh]["extras"]["targetNames"]
    return [(names.index(action), weight) for action, weight in strengths.items()]
