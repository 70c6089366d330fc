"""Which joint is which bone: skeletons in the customs of many programs, known by their joints' names."""

from __future__ import annotations

import math
import re

from dinar.errors import InputError

_NAMED = 12         # joints that a message names

_FINGERS = {
    "Thumb": ("thumb", "finger1"),
    "Index": ("index", "finger2"),
    "Middle": ("middle", "mid", "finger3"),
    "Ring": ("ring", "finger4"),
    "Little": ("pinky", "little", "finger5"),
}
FINGERS = dict.fromkeys(_FINGERS, ("Proximal", "Intermediate", "Distal"))
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

_LIMBS: dict[str, tuple[tuple[str, ...], ...]] = {
    # bone -> chains of joint names (without side) that make it up, the first found wins: MakeHuman's split limbs, then
    # CMU and Mixamo, Poser and Daz, SMPL and others
    "UpperArm": (("upperarm01", "upperarm02"), ("upperarm",), ("uparm",), ("arm",), ("shldr",), ("shoulder",)),
    "Shoulder": (("clavicle", "shoulder01"), ("clavicle",), ("collar",), ("shoulder",)),
    "LowerArm": (("lowerarm01", "lowerarm02"), ("lowerarm",), ("loarm",), ("forearm",), ("elbow",)),
    "Hand": (("wrist",), ("hand",)),
    "UpperLeg": (("upperleg01", "upperleg02"), ("upperleg",), ("upleg",), ("thigh",), ("hip",)),
    "LowerLeg": (("lowerleg01", "lowerleg02"), ("lowerleg",), ("loleg",), ("leg",), ("shin",), ("calf",), ("knee",)),
    "Foot": (("ankle",), ("foot",)),
    "Toes": (("toebase",), ("toe",), ("toes",), ("toe0",), ("ball",), ("toe11",), ("foot",)),
    "Eye": (("eye",),),
}


def mixamo_name(bone: str) -> str:
    """A VRM bone's name in Mixamo's skeletons, without their prefix: leftUpperArm -> LeftArm."""
    side = next((side for side in ("left", "right") if bone.startswith(side)), "")
    part = bone.removeprefix(side)
    return side.capitalize() + _MIXAMO.get(part, part)


def humanoid_chains(names: tuple[str, ...], parents: tuple[int, ...], source: str) -> dict[str, tuple[int, ...]]:
    """VRM bone -> the joints that make it up, first to last.

    Limbs, neck and head are known by name, in the customs of CMU, MakeHuman, Mixamo, Poser/Daz, SMPL, VRM, VRoid,
    Rigify and Unreal; hips and spine by where they stand between those. Raises InputError where legs or arms are
    missing, with the names of the joints that nothing was made of.
    """
    sided: dict[tuple[str, str], int] = {}
    for j, name in enumerate(names):
        if not name.startswith("__"):                       # MakeHuman's connecting joints, doubles of the real ones
            sided.setdefault(_side(name), j)
    chains: dict[str, tuple[int, ...]] = {}
    for side in ("left", "right"):
        used: set[int] = set()
        for part, customs in _LIMBS.items():
            for custom in customs:
                chain = tuple(sided[side, core] for core in custom if (side, core) in sided)
                if len(chain) == len(custom) and not used & set(chain):
                    chains[side + part] = chain
                    used |= set(chain)
                    break
        fingers = {}
        for finger, cores in _FINGERS.items():
            for number, phalanx in enumerate(FINGERS[finger], start=1):
                spelt = (f"{core}{n}" for core in cores for n in (number, f"0{number}", phalanx.lower()))
                joint = next((sided[side, name] for name in spelt if (side, name) in sided), None)
                if joint is not None:
                    fingers[f"{side}{finger}{phalanx}"] = (joint,)
        if all(f"{side}{finger}Proximal" in fingers for finger in ("Index", "Middle", "Ring", "Little")):
            chains |= fingers
    needed = ("UpperLeg", "LowerLeg", "UpperArm", "LowerArm")
    missing = [side + part for part in needed for side in ("left", "right") if side + part not in chains]
    if missing:
        found = {j for chain in chains.values() for j in chain}
        strange = [name for j, name in enumerate(names) if j not in found]
        strange = ", ".join(strange[:_NAMED]) + (f" and {len(strange) - _NAMED} more" if len(strange) > _NAMED else "")
        raise InputError(f"{source} has no joint known as {', '.join(missing)}; joints that say nothing: {strange}")

    def ancestors(j: int) -> list[int]:
        path = []
        while j >= 0:
            path.append(j)
            j = parents[j]
        return path

    def meeting(joints: list[int]) -> int:
        paths = [ancestors(j) for j in joints]
        common = (j for j in paths[0] if all(j in path for path in paths[1:]))
        joint = next(common, None)
        if joint is None:
            raise InputError(f"{source} has arms and legs that hang on no common joint")
        return joint

    hips = meeting([chains["leftUpperLeg"][0], chains["rightUpperLeg"][0], chains["leftUpperArm"][0]])
    top = meeting([chains["leftUpperArm"][0], chains["rightUpperArm"][0]])
    chains["hips"] = (hips,)
    trunk = [j for j in reversed(ancestors(top)) if j not in ancestors(hips)]
    for bone, joint in zip(("spine", "chest", "upperChest"), _spread(trunk, 3), strict=False):
        chains[bone] = (joint,)
    if ("", "head") in sided:
        head = sided["", "head"]
        neck = [j for j in reversed(ancestors(head)[1:]) if j not in ancestors(top)]
        if neck:
            chains["neck"] = (neck[len(neck) // 2],)
        chains["head"] = (head,)
    return chains


def _spread(items: list[int], count: int) -> list[int]:
    """At most `count` of the items, evenly over their length, the last always among them."""
    n = min(count, len(items))
    return [items[math.ceil((k + 1) * len(items) / n) - 1] for k in range(n)]


def _side(name: str) -> tuple[str, str]:
    """(side, core) of a joint's name: LeftUpLeg, lThigh, UpLeg_L, upperleg01.L, mixamorig:LeftArm, L_Wrist, ..."""
    name = re.sub(r"^(.*:|mixamorig\d*_?|Bip\d+[ _]|J_(Bip|Adj|Sec)_(C_)?|DEF-|ORG-)", "", name)
    for pattern in (
        r"(?P<s>[Ll]eft|[Rr]ight)[ _.-]?(?P<core>.+)",
        r"(?P<s>[lrLR])[ _.-](?P<core>.+)",
        r"(?P<s>[lrLR])(?P<core>[A-Z].+)",
        r"(?P<core>.+)[ _.-](?P<s>[lrLR]|[Ll]eft|[Rr]ight)",
    ):
        match = re.fullmatch(pattern, name)
        if match:
            side = "left" if match["s"].lower().startswith("l") else "right"
            core = re.sub(r"[^a-z0-9]", "", match["core"].lower())
            return side, re.sub(r"^(hand|f)(?=(thumb|index|middle|ring|pinky)\d)", "", core)
    return "", re.sub(r"[^a-z0-9]", "", name.lower())
