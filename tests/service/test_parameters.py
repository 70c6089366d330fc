from __future__ import annotations

import pytest

from dinar.body.model import BodyModel
from dinar.errors import InputError
from dinar.service.parameters import wanted
from dinar.speech.actions import VISEMES

ACTIONS = BodyModel.open().expression_names


def test_an_address_without_words() -> None:
    profile = wanted("", ACTIONS, 27_420)
    assert profile.targets == ("mouthOpen", "mouthSmile") and profile.texture_size == 1024
    assert profile.root == "Armature" and profile.axes == "bones" and profile.rest == "a" and profile.triangles is None


@pytest.mark.parametrize(
    "query, field, value",
    [
        ("quality=low", "triangles", 6855),
        ("quality=low", "texture_size", 256),
        ("quality=medium", "triangles", 13_710),
        ("quality=high", "triangles", None),
        ("quality=high", "targets", ()),
        ("textureAtlas=512&quality=low", "texture_size", 512),
        ("meshLod=1&quality=low", "triangles", 13_710),
        ("meshLod=0&quality=low", "triangles", None),
        ("textureAtlas=none", "texture_size", 1024),
        ("textureSizeLimit=512", "texture_size", 512),
        ("morphTargets=ARKit", "targets", ACTIONS),
        ("morphTargets=ARKit,Oculus%20Visemes", "targets", (*ACTIONS, *VISEMES)),
        ("quality=low&morphTargets=jawOpen,mouthSmile,jawOpen", "targets", ("jawOpen", "mouthSmile")),
        ("morphTargets=none", "targets", ()),
        ("pose=T", "rest", "t"),
        ("textureFormat=webp", "picture", "webp"),
        ("useMeshOptCompression=true", "packed", True),
        ("useHands=true&textureQuality=high", "texture_size", 1024),
    ],
)
def test_a_parameter(query: str, field: str, value: object) -> None:
    assert getattr(wanted(query, ACTIONS, 27_420), field) == value


@pytest.mark.parametrize(
    "query, words",
    [
        ("quality=best", "quality best is not possible; give one of low, medium, high"),
        ("meshLod=7", "meshLod 7"),
        ("textureAtlas=333", "textureAtlas 333"),
        ("pose=x", "pose x"),
        ("morphTargets=nose", "morphTargets: nose"),
        ("useDracoMeshCompression=true", "Draco"),
        ("colour=red", "colour is no parameter"),
    ],
)
def test_what_cannot_be(query: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        wanted(query, ACTIONS, 27_420)
