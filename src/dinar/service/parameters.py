"""What addresses ask for: of a .glb, in the words that Ready Player Me's had, and what is said with a photo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from urllib.parse import parse_qsl

from dinar.errors import InputError
from dinar.export.profiles import PROFILES, Profile
from dinar.photo.source import Said
from dinar.speech.actions import EXTRAS, VISEMES

_QUALITY: Mapping[str, tuple[int, int]] = {"low": (2, 256), "medium": (1, 512), "high": (0, 1024)}
"""A level of detail, and texels a side."""

_DETAIL = {"0": 0, "1": 1, "2": 2}                      # every level has half the triangles of the one before
_TEXELS = ("256", "512", "1024", "2048")
_USUAL = ("mouthOpen", "mouthSmile")                    # of a file whose address names none
_FORMATS = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "webp": "webp"}
_SWITCH = {"true": True, "false": False}
_SAID = {"sex": ("f", "m", "unsure"), "age": ("adult", "child"), "held": ("keep", "cut")}
_IGNORED = ("useHands", "textureQuality", "textureChannels", "lod", "uat", "cacheControl", "size")


def wanted(query: str, actions: tuple[str, ...], triangles: int) -> Profile:
    """How a person whose face has these actions, and whose mesh so many triangles, is written for an address's query.

    Raises InputError for a value that a parameter cannot have, and for a parameter that is not known.
    """
    pairs = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=32))
    profile = replace(PROFILES["talkinghead"], rest="a", texture_size=1024, triangles=None, targets=_USUAL)
    level = 0
    for name, value in pairs.items():
        match name:
            case "quality":
                level, size = _QUALITY[_one_of(name, value, _QUALITY)]
                profile = replace(profile, texture_size=size, targets=())
            case "meshLod" | "textureAtlas" | "textureSizeLimit" | "morphTargets":
                pass                                    # after the quality, which they change
            case "pose":
                profile = replace(profile, rest=_one_of(name, value, {"A": "a", "T": "t"}).lower())
            case "textureFormat":
                profile = replace(profile, picture=_FORMATS[_one_of(name, value, _FORMATS)])
            case "useQuantizeMeshOptCompression" | "useMeshOptCompression":
                profile = replace(profile, packed=_SWITCH[_one_of(name, value, _SWITCH)])
            case "useDracoMeshCompression":
                if _SWITCH[_one_of(name, value, _SWITCH)]:
                    raise InputError("Draco is not written; ask for useMeshOptCompression=true")
            case _ if name not in _IGNORED:
                raise InputError(f"{name[:40]} is no parameter of an avatar's address (docs/serve.md names them)")
    if "meshLod" in pairs:
        level = _DETAIL[_one_of("meshLod", pairs["meshLod"], _DETAIL)]
    for name in ("textureSizeLimit", "textureAtlas"):
        if pairs.get(name, "none") != "none":
            profile = replace(profile, texture_size=int(_one_of(name, pairs[name], _TEXELS)))
    if "morphTargets" in pairs:
        profile = replace(profile, targets=_targets(pairs["morphTargets"], actions))
    return replace(profile, triangles=triangles >> level if level else None)


def said(query: str) -> Said:
    """What a photo's owner says of the person, in the words of `dinar create`'s options.

    Raises InputError as `wanted` does.
    """
    pairs = dict(parse_qsl(query, keep_blank_values=True, max_num_fields=32))
    for name, value in pairs.items():
        if name not in _SAID:
            raise InputError(f"{name[:40]} cannot be said of a photo; there are {', '.join(_SAID)}")
        _one_of(name, value, _SAID[name])
    return Said(**pairs)


def _targets(value: str, actions: tuple[str, ...]) -> tuple[str, ...]:
    """The morph targets that a list of groups and names stands for."""
    groups = {"none": (), "Default": _USUAL, "ARKit": actions, "Oculus Visemes": tuple(VISEMES)}
    known = (*actions, *VISEMES, *EXTRAS)
    found: list[str] = []
    for word in filter(None, (word.strip() for word in value.split(","))):
        if word not in groups and word not in known:
            raise InputError(f"morphTargets: {word[:40]} is none; there are {', '.join(groups)} and single names")
        found += groups.get(word, (word,))
    return tuple(dict.fromkeys(found))


def _one_of(name: str, value: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    if value not in known:
        raise InputError(f"{name} {value[:40]} is not possible; give one of {', '.join(known)}")
    return value
