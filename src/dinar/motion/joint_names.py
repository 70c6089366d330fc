"""Which bones the names of joints speak of: one table of the names in common use, and how a name is taken apart."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

FINGERS = dict.fromkeys(("Thumb", "Index", "Middle", "Ring", "Little"), ("Proximal", "Intermediate", "Distal"))
FINGERS["Thumb"] = ("Metacarpal", "Proximal", "Distal")
"""Finger -> its three bones' names, from the hand outward, as VRM 1.0 calls them."""

_MIXAMO = {
    "hips": "Hips",
    "spine": "Spine",
    "chest": "Spine1",
    "upperChest": "Spine2",
    "neck": "Neck",
    "head": "Head",
    "jaw": "Jaw",
    "UpperArm": "Arm",
    "LowerArm": "ForeArm",
    "UpperLeg": "UpLeg",
    "LowerLeg": "Leg",
    "Toes": "ToeBase",
} | {
    f"{finger}{phalanx}": f"Hand{'Pinky' if finger == 'Little' else finger}{number}"
    for finger, phalanges in FINGERS.items()
    for number, phalanx in enumerate(phalanges, start=1)
}

_LIMBS: dict[str, tuple[str, ...]] = {
    # bone -> names (without side), the first found wins; two joints with + between them make up one bone. A name that
    # means different bones in different programs (shoulder, hip, leg, foot) stands behind those that mean only one.
    "UpperArm": (
        "upperarm01+upperarm02", "upperarm", "uparm", "uarm", "arm", "shldr", "shldrbend", "humerus", "腕", "shoulder",
    ),
    "Shoulder": (
        "clavicle+shoulder01", "clavicle", "collar", "collarbone", "scapula", "肩", "shoulder",
    ),
    "LowerArm": (
        "lowerarm01+lowerarm02", "lowerarm", "lowarm", "loarm", "larm", "forearm", "farm", "forearmbend", "radius",
        "ひじ", "elbow",
    ),
    "Hand": ("wrist", "手首", "hand"),
    "UpperLeg": (
        "upperleg01+upperleg02", "upperleg", "upleg", "uleg", "thigh", "thighbend", "femur", "足", "hip", "leg",
    ),
    "LowerLeg": (
        "lowerleg01+lowerleg02", "lowerleg", "lowleg", "loleg", "lleg", "shin", "calf", "tibia", "ひざ", "knee", "leg",
    ),
    "Foot": ("ankle", "足首", "foot"),
    "Toes": ("toebase", "toe", "toes", "toe0", "ball", "つま先", "toe11", "foot"),
    "Eye": ("eye", "目"),
}  # fmt: skip
_HEAD = ("head", "頭")
_FINGER_WORDS = {
    "thumb": "Thumb", "親指": "Thumb", "first": "Thumb",
    "index": "Index", "fore": "Index", "pointer": "Index", "人指": "Index", "人差指": "Index", "second": "Index",
    "middle": "Middle", "mid": "Middle", "中指": "Middle",
    "ring": "Ring", "薬指": "Ring", "fourth": "Ring",
    "little": "Little", "pinky": "Little", "小指": "Little", "fifth": "Little",
}  # fmt: skip
_FINGER = re.compile(
    rf"(?:hand|f)?(?P<word>{'|'.join(_FINGER_WORDS)}|third|finger\d)"
    r"(?:finger)?(?P<part>\d{0,2}|[mpd][cp]|metacarpal|proximal|intermediate|distal)"
)
_SIDES = {"left": "left", "l": "left", "左": "left", "right": "right", "r": "right", "右": "right"}
_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[左右]|[^\W\d_a-zA-Z左右]+")
_CORES = {core for cores in _LIMBS.values() for chain in cores for core in chain.split("+")} | set(_HEAD)


@dataclass(frozen=True)
class JointName:
    """What a joint's name says.

    side  "left", "right" or ""
    core  the rest of it in small letters, without what most of the file's names have in common
    """

    side: str
    core: str


def mixamo_name(bone: str) -> str:
    """A VRM bone's name in Mixamo's skeletons, without their prefix: leftUpperArm -> LeftArm."""
    side = next((side for side in ("left", "right") if bone.startswith(side)), "")
    part = bone.removeprefix(side)
    return side.capitalize() + _MIXAMO.get(part, part)


def read_names(names: Sequence[str]) -> list[JointName]:
    """What the names of a skeleton say: LeftUpLeg, lThighBend, UpLeg_L, upperleg01.L, mixamorig:LeftArm_09, 左ひざ, ...

    Prefixes, endings and numbers that most names share are left out: namespaces, `Character1_`, `_JNT`, Sketchfab's
    numbers. MakeHuman's connecting joints (`__...`), doubles of the real ones, say nothing.
    """
    plain = [re.sub(r"^.*[:|]", "", unicodedata.normalize("NFKC", name)) for name in names]
    if sum(bool(re.search(r"_\d+$", name)) for name in plain) > 0.6 * len(plain):
        plain = [re.sub(r"_\d+$", "", name) for name in plain]
    tokens = [_TOKEN.findall(re.sub(r"^(DEF|ORG)-|^J_(Bip|Adj|Sec)_", "", name)) for name in plain]
    tokens = _without_common(_without_common(tokens, first=True), first=False)
    return [
        JointName("", "") if name.startswith("__") else _read(words) for name, words in zip(names, tokens, strict=True)
    ]


def _without_common(tokens: list[list[str]], *, first: bool) -> list[list[str]]:
    """Without the words that more than half of the names begin (or end) with, however many there are."""
    place = 0 if first else -1
    while True:
        heads = Counter(words[place].lower() for words in tokens if len(words) > 1)
        word, count = heads.most_common(1)[0] if heads else ("", 0)
        if count <= len(tokens) / 2 or word in _SIDES:
            return tokens
        rest = slice(1, None) if first else slice(None, -1)
        tokens = [w[rest] if len(w) > 1 and w[place].lower() == word else w for w in tokens]


def _read(words: list[str]) -> JointName:
    small = [word.lower() for word in words]
    if len(small) > 1:
        small = [word for word in small if word not in ("c", "m")] or small        # the middle's letter in some rigs
    sides = {_SIDES[word] for word in small if word in _SIDES}
    if len(sides) == 1 and len(small) > 1:
        return JointName(sides.pop(), "".join(word for word in small if word not in _SIDES))
    whole = "".join(small)
    for word, side in _SIDES.items():                                              # LEFTUPLEG, LUArm
        for core in {whole.removeprefix(word), whole.removesuffix(word)} - {whole}:
            if core in _CORES or _FINGER.fullmatch(core):
                return JointName(side, core)
    return JointName("", whole)


def chains_by_name(names: list[JointName], parents: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """VRM bone -> the joints that make it up, first to last: limbs and head as far as their names are known.

    Of several joints of one name that one counts which hangs on the bone above it, so that meshes or controls that are
    named like bones are passed over.
    """
    called: dict[tuple[str, str], list[int]] = {}
    for j, name in enumerate(names):
        called.setdefault((name.side, name.core), []).append(j)
    chains: dict[str, tuple[int, ...]] = {}
    for side in ("left", "right"):
        used: set[int] = set()
        for part, customs in _LIMBS.items():
            above = chains.get(side + _ABOVE[part], ()) if part in _ABOVE else ()
            for custom in customs:
                found = [called.get((side, core), []) for core in custom.split("+")]
                hangs = _hanging(above[-1], parents) if above else (lambda j: True)
                chain = tuple(next((j for j in joints if hangs(j)), joints[0]) for joints in found if joints)
                if len(chain) == len(found) and not used & set(chain):
                    chains[side + part] = chain
                    used |= set(chain)
                    break
        chains |= _fingers(names, parents, side, chains.get(f"{side}Hand"))
    head = next((joints for core in _HEAD if (joints := called.get(("", core)))), None)
    if head:
        arms = [chains[f"{side}UpperArm"][0] for side in ("left", "right") if f"{side}UpperArm" in chains]
        roots = {ancestors(j, parents)[-1] for j in arms}
        chains["head"] = (next((j for j in head if ancestors(j, parents)[-1] in roots), head[0]),)
    return chains


_ABOVE = {"LowerArm": "UpperArm", "Hand": "LowerArm", "LowerLeg": "UpperLeg", "Foot": "LowerLeg", "Toes": "Foot"}


def _fingers(
    names: list[JointName], parents: Sequence[int], side: str, hand: tuple[int, ...] | None
) -> dict[str, tuple[int, ...]]:
    """Bones of a hand's fingers: of each, the first three joints; nothing unless four fingers are there."""
    biped = any(name.core == "finger0" for name in names)
    joints: dict[str, list[int]] = {}
    for j, name in enumerate(names):
        match = _FINGER.fullmatch(name.core) if name.side == side else None
        if match is None or (hand is not None and not _hanging(hand[0], parents)(j)):
            continue
        word, part = match["word"], match["part"]
        if word.startswith("finger"):                       # 3ds Max counts from the thumb's 0, MakeHuman from its 1
            number = int(word[-1]) - (0 if biped else 1)
            if not 0 <= number < len(FINGERS):
                continue
            finger = tuple(FINGERS)[number]
        elif word == "third":                               # the ring finger in MMD, the middle one in Xsens
            finger = "Ring" if part.isdigit() else "Middle"
        else:
            finger = _FINGER_WORDS[word]
        if finger != "Thumb" and part in ("mc", "metacarpal"):
            continue
        joints.setdefault(finger, []).append(j)
    if not {"Index", "Middle", "Ring", "Little"} <= set(joints):
        return {}
    bones = {}
    for finger, found in joints.items():
        found.sort(key=lambda j: len(ancestors(j, parents)))
        bones |= {f"{side}{finger}{phalanx}": (j,) for phalanx, j in zip(FINGERS[finger], found, strict=False)}
    return bones


def ancestors(j: int, parents: Sequence[int]) -> list[int]:
    """The joint and those above it, from below."""
    path = []
    while j >= 0:
        path.append(j)
        j = parents[j]
    return path


def meeting(joints: list[int], parents: Sequence[int]) -> int | None:
    """The lowest joint that all of them hang on."""
    paths = [ancestors(j, parents) for j in joints]
    return next((j for j in paths[0] if all(j in path for path in paths[1:])), None)


def _hanging(above: int, parents: Sequence[int]) -> Callable[[int], bool]:
    return lambda j: above in ancestors(j, parents)[1:]
