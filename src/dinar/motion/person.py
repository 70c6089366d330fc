"""Which joints of a skeleton are which bones of a person: by names, and by shape where names do not settle it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from dinar.errors import InputError
from dinar.motion.joint_names import JointName, ancestors, chains_by_name, meeting, read_names
from dinar.motion.shape import Skeleton, chains_by_shape

_NAMED = 12         # joints that a message names
_FEWEST = 9         # joints that a person needs
_FORKS = 5          # forks on the way from a root, below which nobody is looked for
_BRANCHES = 32      # branches of a fork in which somebody is looked for
_NEEDED = [f"{side}{part}" for part in ("UpperLeg", "LowerLeg", "UpperArm", "LowerArm") for side in ("left", "right")]

Chains = dict[str, tuple[int, ...]]
"""VRM bone -> the joints that make it up, first to last."""


def humanoid_chains(names: Sequence[str], parents: Sequence[int], source: str) -> Chains:
    """The bones of the first person of a skeleton, by names. Raises InputError where there is none (`nobody`)."""
    found = people(names, parents)
    if not found:
        raise nobody(names, parents, source)
    return found[0]


def nobody(names: Sequence[str], parents: Sequence[int], source: str) -> InputError:
    """What is to be said where nothing tells legs and arms, with the names of the joints that nothing was made of."""
    chains = chains_by_name(read_names(names), parents)
    missing = [bone for bone in _NEEDED if bone not in chains]
    if not missing:
        listed = ", ".join(names[:_NAMED])
        return InputError(f"{source} has arms and legs that hang on no common joint; its joints: {listed}")
    known = {j for chain in chains.values() for j in chain}
    strange = [name for j, name in enumerate(names) if j not in known]
    strange = ", ".join(strange[:_NAMED]) + (f" and {len(strange) - _NAMED} more" if len(strange) > _NAMED else "")
    return InputError(f"{source} has no joint known as {', '.join(missing)}; joints that say nothing: {strange}")


def people(names: Sequence[str], parents: Sequence[int], poses: Sequence[Skeleton] = ()) -> list[Chains]:
    """The bones of every person in a forest of joints, in the order of their roots.

    Limbs, neck and head are known by name (`joint_names`); hips and spine by where they stand between those. Where the
    names do not settle it, the shape does (`shape`) in the first of the poses in which it is clear; names then still
    say which fingers and eyes there are.
    """
    said = read_names(names)
    poses = [replace(pose, sides=[name.side for name in said]) for pose in poses]
    children: list[list[int]] = [[] for _ in parents]
    size = [1] * len(parents)
    for j in range(len(parents) - 1, -1, -1):
        if parents[j] >= 0:
            children[parents[j]].append(j)
            size[parents[j]] += size[j]

    def by_name(own: list[JointName], root: int) -> Chains | None:
        chains = _complete(chains_by_name(own, parents), parents)
        if chains is None or "head" in chains:
            return chains
        shape = by_shape(own, root)                         # the names settle the limbs, the shape the head
        same = shape is not None and all(shape[bone] == chains[bone] for bone in _NEEDED)
        return chains | {bone: shape[bone] for bone in ("neck", "head") if bone in shape} if same else chains

    def by_shape(own: list[JointName], root: int) -> Chains | None:
        shapes = (chains_by_shape(pose, root) for pose in poses)
        chains = _complete(next((shape for shape in shapes if shape is not None), {}), parents)
        return None if chains is None else chains | _details(chains_by_name(own, parents), chains, parents)

    def within(root: int, way: Callable[[list[JointName], int], Chains | None], depth: int = 0) -> list[Chains]:
        """The people below a joint: those in the branches of the first fork, else the one whom it carries itself."""
        large = [root]
        while len(large) == 1:
            large = [j for j in reversed(children[large[0]]) if size[j] >= _FEWEST]
        found = [chains for j in large[:_BRANCHES] for chains in within(j, way, depth + 1)] if depth < _FORKS else []
        if found:
            return found
        inside = _below(root, children)
        chains = way([name if j in inside else JointName("", "") for j, name in enumerate(said)], root)
        return [chains] if chains is not None else []

    roots = [j for j, parent in enumerate(parents) if parent < 0 and size[j] >= _FEWEST]
    for way in (by_name, by_shape):
        found = [chains for root in roots for chains in within(root, way)]
        if found:
            return found
    return []


def _below(root: int, children: list[list[int]]) -> set[int]:
    inside, waiting = set(), [root]
    while waiting:
        j = waiting.pop()
        inside.add(j)
        waiting.extend(children[j])
    return inside


def _complete(chains: Chains, parents: Sequence[int]) -> Chains | None:
    """Limbs and head with hips, spine and neck; None where limbs are missing or do not hang together."""
    if any(bone not in chains for bone in _NEEDED):
        return None
    for side in ("left", "right"):
        for upper, lower in (("UpperLeg", "LowerLeg"), ("UpperArm", "LowerArm")):
            if chains[side + upper][-1] not in ancestors(chains[side + lower][0], parents)[1:]:
                return None
    hips = meeting([chains["leftUpperLeg"][0], chains["rightUpperLeg"][0], chains["leftUpperArm"][0]], parents)
    top = meeting([chains["leftUpperArm"][0], chains["rightUpperArm"][0]], parents)
    if hips is None or top is None:
        return None
    chains = chains | {"hips": (hips,)}
    above_hips, above_top = ancestors(hips, parents), ancestors(top, parents)
    trunk = [j for j in reversed(above_top) if j not in above_hips]
    for bone, joint in zip(("spine", "chest", "upperChest"), _spread(trunk, 3), strict=False):
        chains[bone] = (joint,)
    if "head" in chains:
        neck = [j for j in reversed(ancestors(chains["head"][0], parents)[1:]) if j not in above_top]
        if neck:
            chains["neck"] = (neck[len(neck) // 2],)
    return chains


def _details(said: Chains, chains: Chains, parents: Sequence[int]) -> Chains:
    """Fingers and eyes that names tell, as far as they hang on the hands and the head that are known by shape."""
    used = {j for chain in chains.values() for j in chain}
    details: Chains = {}
    for bone, chain in said.items():
        side = "left" if bone.startswith("left") else "right"
        over = chains.get("head" if bone.endswith("Eye") else f"{side}Hand")
        finger = bone.endswith(("Metacarpal", "Proximal", "Intermediate", "Distal"))
        wanted = (finger or bone.endswith("Eye")) and bone not in chains and chain[0] not in used
        if wanted and over and over[-1] in ancestors(chain[0], parents)[1:]:
            details[bone] = chain
    return details


def _spread(items: list[int], count: int) -> list[int]:
    """At most `count` of the items, evenly over their length, the last always among them."""
    n = min(count, len(items))
    return [items[math.ceil((k + 1) * len(items) / n) - 1] for k in range(n)]
