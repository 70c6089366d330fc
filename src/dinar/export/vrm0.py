"""VRM 0.x, which VSeeFace, Warudo and tools for VRChat still ask for: the same person, looking along -z."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from dinar.body.model import BodyModel
from dinar.export import springs
from dinar.export.expressions import EXPRESSIONS, FULL_GAZE, between_eyes, targets
from dinar.export.figure import Figure, encoded
from dinar.export.glb import Document
from dinar.export.gltf import FIRST_JOINT_NODE, composed, save
from dinar.export.licence import Licence
from dinar.export.portrait import portrait
from dinar.export.profiles import Profile

PRESETS: Mapping[str, str] = {
    "neutral": "neutral", "aa": "a", "ih": "i", "ou": "u", "ee": "e", "oh": "o", "blink": "blink",
    "blinkLeft": "blink_l", "blinkRight": "blink_r", "happy": "joy", "angry": "angry", "sad": "sorrow",
    "relaxed": "fun", "lookUp": "lookup", "lookDown": "lookdown", "lookLeft": "lookleft", "lookRight": "lookright",
}  # fmt: skip
"""VRM 1.0's expressions, and what 0.x calls them; `surprised` it does not know."""

_WHO = {"onlyAuthor": "OnlyAuthor", "onlySeparatelyLicensedPerson": "ExplicitlyLicensedPerson", "everyone": "Everyone"}
_STRETCH = {"armStretch": 0.05, "legStretch": 0.05, "upperArmTwist": 0.5, "lowerArmTwist": 0.5, "upperLegTwist": 0.5,
            "lowerLegTwist": 0.5, "feetSpacing": 0.0, "hasTranslationDoF": False}  # fmt: skip
_FULL_TURN = 90.0       # degrees that a range map of 0.x starts from; its curve is a line


def write(path: Path, figure: Figure, licence: Licence, profile: Profile) -> None:
    """Writes the file, whole or not at all; `vrm.write` has looked at what it is given."""
    chains = springs.hanging(figure)
    around = springs.turned(springs.bumps(figure), np.array([-1, 1, -1], np.float32)) if chains else ()
    document, joints = composed(figure, profile, name=licence.title, backwards=True, chains=chains)
    picture = document.picture("Thumbnail", encoded(portrait(figure), "png"), "png")
    thumbnail = document.add("textures", {"sampler": 0, "source": picture})
    document.uses("VRM")
    model = figure.model
    document.tree["extensions"] = {
        "VRM": {
            "exporterVersion": f"dinar {version('dinar')}",
            "specVersion": "0.0",
            "meta": _meta(licence) | {"texture": thumbnail},
            "humanoid": {"humanBones": _bones(model), **_STRETCH},
            "firstPerson": _first_person(document, model, joints.places),
            "blendShapeMaster": {"blendShapeGroups": _groups(document, model.expression_names)},
            "secondaryAnimation": springs.secondary(joints, FIRST_JOINT_NODE, chains, around),
            "materialProperties": [_shader(material["name"]) for material in document.tree["materials"]],
        }
    }
    save(path, document)


def _meta(licence: Licence) -> dict[str, Any]:
    """A licence in the words of 0.x; what these cannot say is said as less."""
    allow = {True: "Allow", False: "Disallow"}
    meta = {
        "title": licence.title,
        "version": "1",
        "author": ", ".join(licence.authors),
        "contactInformation": "",
        "reference": "",
        "allowedUserName": _WHO[licence.avatar],
        "violentUssageName": allow[licence.violence],
        "sexualUssageName": allow[licence.sexuality],
        "commercialUssageName": allow[licence.commerce != "personalNonProfit"],
        "otherPermissionUrl": "",
        "licenseName": "Other" if licence.url else "Redistribution_Prohibited",
        "otherLicenseUrl": licence.url or "",
    }
    return meta


def _bones(model: BodyModel) -> list[dict[str, Any]]:
    return [
        {"bone": _bone(bone), "node": FIRST_JOINT_NODE + joint, "useDefaultValues": True}
        for bone, joint in model.humanoid.items()
    ]


def _bone(bone: str) -> str:
    """0.x counts a thumb's bones as it does those of fingers."""
    if bone.endswith("ThumbProximal"):
        return bone.replace("Proximal", "Intermediate")
    return bone.replace("ThumbMetacarpal", "ThumbProximal")


def _first_person(document: Document, model: BodyModel, joints: np.ndarray) -> dict[str, Any]:
    x, y, z = between_eyes(model, joints).tolist()
    curve = {"curve": [0, 0, 0, 1, 1, 1, 1, 0], "xRange": _FULL_TURN, "yRange": 1.0}
    ranges = {f"lookAt{direction}": curve | {"xRange": degrees} for direction, degrees in FULL_GAZE.items()}
    return {
        "firstPersonBone": FIRST_JOINT_NODE + model.humanoid["head"],
        "firstPersonBoneOffset": {"x": x, "y": y, "z": z},
        "meshAnnotations": [
            {"mesh": mesh, "firstPersonFlag": "Auto" if mesh == 0 else "ThirdPersonOnly"}
            for mesh in range(len(document.tree["meshes"]))
        ],
        "lookAtTypeName": "BlendShape",
        **ranges,
    }


def _groups(document: Document, actions: tuple[str, ...]) -> list[dict[str, Any]]:
    """The presets, and each action under its own name, which trackers of faces look for."""
    said = {name: strengths for name, strengths in EXPRESSIONS.items() if set(strengths) <= set(actions)}
    groups = [_group(document, name, PRESETS.get(name, "unknown"), strengths) for name, strengths in said.items()]
    return groups + [_group(document, action, "unknown", {action: 1.0}) for action in actions]


def _group(document: Document, name: str, preset: str, strengths: Mapping[str, float]) -> dict[str, Any]:
    binds = [
        {"mesh": mesh, "index": index, "weight": 100.0 * weight}
        for mesh in range(len(document.tree["meshes"]))
        for index, weight in targets(document, mesh, strengths)
    ]
    return {"name": name, "presetName": preset, "binds": binds, "materialValues": [], "isBinary": False}


def _shader(name: str) -> dict[str, Any]:
    """A material's entry, which leaves it to glTF."""
    kinds = ("floatProperties", "vectorProperties", "textureProperties", "keywordMap", "tagMap")
    return {"name": name, "shader": "VRM_USE_GLTFSHADER", "renderQueue": 2000, **{kind: {} for kind in kinds}}
