"""A person known by the shape of a skeleton: two legs down from the hips, a spine with two arms and a head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from dinar.motion.joint_names import FINGERS, ancestors, meeting

_PAIRS = 12             # pairs of limbs that are looked at, the longest ones
_ALIKE = 0.12           # most by which the two limbs of a pair differ in length, of the longer one
_LONGEST = 2.0          # most by which the two bones of a limb differ in length
_STANDS = -0.5          # most cosine between the spine's direction and the legs'
_CLEARLY = 0.85         # a second reading must be smaller than this share of the first one, or it is ambiguous
_BENDS = 3.0            # degrees by which a joint bends that is one
_LEG = (0.08, 0.40, 0.38, 0.14)     # shares of a leg: from the hips to the thigh, thigh, shin, foot
_ARM = (0.22, 0.35, 0.28, 0.15)     # shares of an arm: collar, upper arm, forearm, hand
_SPLIT, _TWIST = 0.30, 0.20         # what a joint within a bone costs, one that bends and one that does not
_KINK = 2.0             # what a bone that is not straight costs, times its missing share
_HINGE = 0.3            # what the joint that bends most is worth as knee or elbow


@dataclass(frozen=True)
class Skeleton:
    """A skeleton in one pose.

    parents  J parent indices, parents before children, -1 for a root
    points   float64 [J, 3]  where the joints are
    tips     joint -> float64 [3], where its end site is
    bends    float64 [J]     degrees by which the way through a joint bends over the motion; None: not known
    sides    J of "left", "right" or "", as the names say
    """

    parents: Sequence[int]
    points: np.ndarray
    tips: dict[int, np.ndarray]
    bends: np.ndarray | None
    sides: Sequence[str]


@dataclass(frozen=True)
class _Limb:
    """The joints of a leg or an arm; bones are chains of joints, first to last.

    before  the joint before the upper bone, None where that hangs on the trunk itself
    end     foot or hand, None where the limb ends in an end site
    beyond  the joint after that
    """

    before: int | None
    upper: tuple[int, ...]
    lower: tuple[int, ...]
    end: int | None
    beyond: int | None
    length: float


def chains_by_shape(skeleton: Skeleton, root: int) -> dict[str, tuple[int, ...]] | None:
    """VRM bone -> its joints, first to last, of the one person below a root; None where that is not clear.

    Legs and arms are pairs of limbs alike; the arms' pair stands higher and has a head between. Left is told from the
    names where they say it, else from where the feet point.
    """
    tree = _Tree(skeleton, root)
    readings = []
    for legs, arms in ((a, b) for a in tree.pairs for b in tree.pairs if a is not b):
        reading = tree.person(legs, arms)
        if reading is not None:
            readings.append(reading)
    readings.sort(key=lambda reading: -reading[0])
    if not readings or (len(readings) > 1 and readings[1][0] > _CLEARLY * readings[0][0]):
        return None
    return readings[0][1]


class _Tree:
    """A skeleton below a root, with end sites as joints of their own, numbered after the others."""

    def __init__(self, skeleton: Skeleton, root: int) -> None:
        self.skeleton, self.count = skeleton, len(skeleton.parents)
        tips = sorted(skeleton.tips)
        self.parents = [*skeleton.parents, *tips]
        self.points = np.concatenate([skeleton.points, *(skeleton.tips[j][None] for j in tips)])
        self.children: list[list[int]] = [[] for _ in self.parents]
        inside = {root}
        for j, parent in enumerate(self.parents):
            if parent in inside:
                inside.add(j)
                self.children[parent].append(j)
        self.length = np.zeros(len(self.parents))               # from the parent
        for j in inside - {root}:
            self.length[j] = np.linalg.norm(self.points[j] - self.points[self.parents[j]])
        self.down = np.zeros(len(self.parents))                 # the longest way to an end
        for j in sorted(inside, key=lambda j: (j >= self.count, j), reverse=True):
            self.down[j] = max((self.length[k] + self.down[k] for k in self.children[j]), default=0.0)
        size = self.down[root]
        limbs = [
            (j, a, b)
            for j in sorted(inside)
            for a, b in combinations(self._longest(j, 0.15 * size), 2)
            if abs(self.reach(a) - self.reach(b)) <= _ALIKE * max(self.reach(a), self.reach(b))
        ]
        self.pairs = sorted(limbs, key=lambda pair: -self.reach(pair[1]))[:_PAIRS]

    def _longest(self, j: int, least: float) -> list[int]:
        """The longest branches from a joint, at most as many as pairs are looked at."""
        found = sorted((k for k in self.children[j] if self.reach(k) > least), key=self.reach, reverse=True)
        return sorted(found[:_PAIRS])

    def reach(self, j: int) -> float:
        return float(self.length[j] + self.down[j])

    def person(self, legs: tuple[int, int, int], arms: tuple[int, int, int]) -> tuple[float, dict] | None:
        """The bones of a person with these two pairs of limbs, and the limbs' length; None where it is none."""
        (below, *leg_starts), (top, *arm_starts) = legs, arms
        hips = meeting([top, below], self.parents)
        if hips is None or hips == top or below == top:
            return None
        heads = [j for j in self.children[top] if j not in arm_starts and self.reach(j) > 0]
        if not heads or {*heads, *arm_starts} & set(ancestors(below, self.parents)):
            return None
        leg_pair, arm_pair = self.limbs(leg_starts, _LEG), self.limbs(arm_starts, _ARM)
        if leg_pair is None or arm_pair is None:
            return None
        found = leg_pair + arm_pair
        leg, arm = (found[0].length + found[1].length) / 2, (found[2].length + found[3].length) / 2
        up = self._middle(found[2:]) - self._middle(found[:2])
        way = np.mean([self.points[self._end(limb)] for limb in found[:2]], axis=0) - self._middle(found[:2])
        if not (0.8 < leg / arm < 2.5 and 0.2 < np.linalg.norm(up) / leg < 2.0 and _cosine(up, way) < _STANDS):
            return None
        head = max(heads, key=lambda j: (self.points[self._far(j)] - self.points[top]) @ up)
        if self.reach(head) > self.reach(arm_starts[0]) or head >= self.count:
            return None
        first_is_left = self._first_is_left(found, up)
        if first_is_left is None:
            return None
        bones = {"hips": (hips,), "head": (self._head(head),)}
        for pair, swapped in ((found[:2], not first_is_left[0]), (found[2:], not first_is_left[1])):
            for side, limb in zip(("right", "left") if swapped else ("left", "right"), pair, strict=True):
                bones |= self._bones(side, limb, arm=pair[0] is found[2])
        return leg + arm, bones

    def limbs(self, starts: list[int], shares: tuple[float, ...]) -> list[_Limb] | None:
        """The two long bones of a pair of limbs: the same joints on both sides, nearest to the shares of a person's."""
        ways = [self._way(start) for start in starts]
        scores = [self._readings(way, shares) for way in ways]
        if len(ways[0]) == len(ways[1]):
            both = {choice: scores[0][choice] + scores[1][choice] for choice in scores[0] if choice in scores[1]}
            scores = [both, both]
        if not all(scores):
            return None
        return [self._limb(way, *max(score, key=score.get)) for way, score in zip(ways, scores, strict=True)]

    def _way(self, start: int) -> list[int]:
        way = [start]
        while self.children[way[-1]]:
            way.append(max(self.children[way[-1]], key=self.reach))
        return way

    def _readings(self, way: list[int], shares: tuple[float, ...]) -> dict[tuple[int, int, int], float]:
        """How well places on a way serve as shoulder, elbow and wrist, or hip, knee and ankle."""
        along = np.cumsum([self.length[j] for j in way])
        bends = np.array([self._bend(j) for j in way])
        most = bends.max(initial=0.0)
        scores = {}
        for a, b, c in combinations(range(len(way)), 3):
            bones = along[b] - along[a], along[c] - along[b]
            if min(bones) <= 0 or max(bones) / min(bones) > _LONGEST or way[b] >= self.count:
                continue
            parts = np.diff([0.0, along[a], along[b], along[c], along[-1]]) / along[-1]
            kinks = sum(bones) - np.linalg.norm(self._step(way, a, b)) - np.linalg.norm(self._step(way, b, c))
            between = [*range(a + 1, b), *range(b + 1, c)]
            score = -np.abs(parts - shares).sum() - _KINK * kinks / sum(bones) + 1e-3 * a
            score -= sum(_SPLIT if most == 0 or bends[k] > _BENDS else _TWIST for k in between)
            scores[a, b, c] = score + (_HINGE * bends[b] / most if most > _BENDS else 0.0)
        return scores

    def _limb(self, way: list[int], a: int, b: int, c: int) -> _Limb:
        real = [j if j < self.count else None for j in way] + [None]
        return _Limb(
            before=way[a - 1] if a else None,
            upper=tuple(way[a:b]),
            lower=tuple(way[b:c]),
            end=real[c],
            beyond=real[c + 1] if real[c] is not None else None,
            length=sum(self.length[j] for j in way[a + 1 : c + 1]),
        )

    def _bend(self, j: int) -> float:
        bends = self.skeleton.bends
        return 0.0 if bends is None or j >= self.count else float(bends[j])

    def _step(self, way: list[int], a: int, b: int) -> np.ndarray:
        return self.points[way[b]] - self.points[way[a]]

    def _middle(self, pair: list[_Limb]) -> np.ndarray:
        return np.mean([self.points[limb.upper[0]] for limb in pair], axis=0)

    def _end(self, limb: _Limb) -> int:
        """The joint where a limb's lower bone ends, or its end site."""
        return limb.end if limb.end is not None else max(self.children[limb.lower[-1]], key=self.reach)

    def _far(self, j: int) -> int:
        while self.children[j]:
            j = max(self.children[j], key=self.reach)
        return j

    def _head(self, start: int) -> int:
        """The head of the way up from the neck: where it branches, else its last joint that has something above."""
        way = [start]
        while self.children[way[-1]]:
            below = [j for j in self.children[way[-1]] if j < self.count]
            if len(below) != 1:
                break
            way.append(below[0])
        tip = way[-1]
        ends = tip in self.skeleton.tips or self.children[tip] or not self.skeleton.tips
        return tip if ends or len(way) == 1 else way[-2]

    def _first_is_left(self, limbs: list[_Limb], up: np.ndarray) -> tuple[bool, bool] | None:
        """Whether the first leg and the first arm are left ones."""
        votes = []
        for pair in (limbs[:2], limbs[2:]):
            said = [{self.skeleton.sides[j] for j in (*limb.upper, *limb.lower)} - {""} for limb in pair]
            clear = {frozenset(side) for side in said} == {frozenset({"left"}), frozenset({"right"})}
            votes.append(said[0] == {"left"} if clear else None)
        if None not in votes:
            return votes[0], votes[1]
        up = up / np.linalg.norm(up)
        front = sum(self.points[self._far(self._end(limb))] - self.points[self._end(limb)] for limb in limbs[:2])
        front = front - up * (front @ up)
        if np.linalg.norm(front) < 0.05 * limbs[0].length:
            return None
        left = np.cross(up, front)
        sides = []
        for first, second in (limbs[:2], limbs[2:]):
            across = self.points[first.upper[0]] - self.points[second.upper[0]]
            if abs(_cosine(across, left)) < 0.5:
                return None
            sides.append(bool(across @ left > 0))
        return sides[0], sides[1]

    def _bones(self, side: str, limb: _Limb, *, arm: bool) -> dict[str, tuple[int, ...]]:
        upper, lower, end = ("UpperArm", "LowerArm", "Hand") if arm else ("UpperLeg", "LowerLeg", "Foot")
        bones = {side + upper: limb.upper, side + lower: limb.lower}
        if arm and limb.before is not None:
            bones[f"{side}Shoulder"] = (limb.before,)
        if limb.end is not None:
            bones[side + end] = (limb.end,)
            if arm:
                bones |= self._fingers(side, limb.end)
            elif limb.beyond is not None:
                bones[f"{side}Toes"] = (limb.beyond,)
        return bones

    def _fingers(self, side: str, hand: int) -> dict[str, tuple[int, ...]]:
        """The bones of five fingers that start at the hand: the thumb nearest to the wrist, the index next to it."""
        ways = []
        for start in self.children[hand]:
            way = [start]
            while any(k < self.count for k in self.children[way[-1]]):
                way.append(max((k for k in self.children[way[-1]] if k < self.count), key=self.reach))
            ways.append(way)
        ways = [way for way in ways if len(way) >= 2 and way[0] < self.count]
        if len(ways) != len(FINGERS):
            return {}
        thumb = min(ways, key=lambda way: (len(way) > min(map(len, ways)), self.length[way[0]]))
        others = [way for way in ways if way is not thumb]
        others.sort(key=lambda way: float(np.linalg.norm(self.points[way[0]] - self.points[thumb[0]])))
        bones = {}
        for (finger, phalanges), way in zip(FINGERS.items(), [thumb, *others], strict=True):
            metacarpal = finger != "Thumb" and len(way) > 3 and self.length[way[1]] > 1.5 * self.length[way[2]]
            bones |= {f"{side}{finger}{p}": (j,) for p, j in zip(phalanges, way[metacarpal:], strict=False)}
        return bones


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12))
