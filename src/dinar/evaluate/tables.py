"""Results as tables: means over people with intervals, a table a group of pictures (tables 1 and 2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from dinar.errors import InputError
from dinar.evaluate.cases import GROUPS, PERSON, Group, groups_of
from dinar.evaluate.journal import TRUTH, Findings, Result, features_of
from dinar.evaluate.metrics import FLICKER, GHOST, KID, KID_INCEPTION, MEASURES, Interval, Measure, bootstrap, kid
from dinar.evaluate.rows import ROWS, WHOLE, in_order
from dinar.evaluate.work import INCEPTION

RANKED = "lpips"    # people with the greatest mean of this come first
_TRUE_BACKS = "true backs"
_BEST_FIRST = (WHOLE, "neural+inpainting", "neural+tuning", "neural", "texture")


@dataclass(frozen=True)
class Column:
    """A measure in a table.

    key      its name in results.jsonl
    measure  what it means
    digits   decimals shown
    """

    key: str
    measure: Measure
    digits: int = 4

    def text(self, interval: Interval) -> str:
        return interval.text(self.digits)

    @property
    def heading(self) -> str:
        return f"{self.measure.label} {'↑' if self.measure.higher else '↓'}"


@dataclass(frozen=True)
class Table:
    """Rows by measures; `best[i]` is the row that leads in column i, None where fewer than two rows have a number."""

    group: Group
    people: int
    pictures: int
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, tuple[Interval, ...]], ...]

    def best(self, column: int) -> str | None:
        found = [(row[column].mean, name) for name, row in self.rows if not math.isnan(row[column].mean)]
        if len(found) < 2:
            return None
        return (max if self.columns[column].measure.higher else min)(found)[1]


def tables(findings: Findings, out: Path) -> tuple[Table, ...]:
    """A table a group of targets: means over people, each the mean of their pictures, with 95 % intervals."""
    made, kids = [], {"": KID, **({INCEPTION: KID_INCEPTION} if "inception" in findings.settings else {})}
    for group in GROUPS:
        inside = [r for r in findings.results if group in belongs(r)]
        if not inside:
            continue
        keys = [key for key in MEASURES if any(not math.isnan(getattr(r.scores, key)) for r in inside)]
        columns = [Column(key, _named(key, findings), 2 if key == "psnr" else 4) for key in keys]
        sets = kids if inside[0].kind == PERSON else {}
        names = measured_rows(inside)
        rows = []
        for name in names:
            mine = [r for r in inside if r.row == name]
            cells = [bootstrap(_by_person(mine, lambda r, key=key: getattr(r.scores, key))) for key in keys]
            rows.append((name, (*cells, *(_kid_of(mine, out, prefix) for prefix in sets))))
        columns += [Column(f"{prefix}kid", measure, 3) for prefix, measure in sets.items()]
        people, pictures = {r.person for r in inside}, {(r.person, r.target) for r in inside}
        made.append(Table(group, len(people), len(pictures), tuple(columns), tuple(rows)))
    return tuple(made)


def measured_rows(results: Iterable[Result]) -> list[str]:
    """The rows of these results in the order of tables."""
    return [row.name for row in in_order({r.row for r in results})]


def belongs(result: Result) -> tuple[Group, ...]:
    """The tables that a result belongs to."""
    return groups_of(same=result.same, moved=result.moved, azimuth=result.azimuth, kind=result.kind)


def _named(key: str, findings: Findings) -> Measure:
    """A measure, that by the user's network under its name."""
    measure = MEASURES[key]
    if key == "reid" and "reid" in findings.settings:
        return replace(measure, label=f"ReID, {findings.settings['reid'].partition(' ')[0]}")
    return measure


def _by_person(results: Sequence[Result], value: Callable[[Result], float]) -> list[float]:
    found: dict[str, list[float]] = {}
    for result in results:
        if not math.isnan(value(result)):
            found.setdefault(result.person, []).append(value(result))
    return [sum(values) / len(values) for values in found.values()]


def _kid_of(results: Sequence[Result], out: Path, prefix: str, *, rounds: int = 200) -> Interval:
    """KID x 1000 of drawn and true pictures; the interval from resampling people."""
    drawn: dict[str, list[torch.Tensor]] = {}
    truth: dict[str, list[torch.Tensor]] = {}
    for person in dict.fromkeys(r.person for r in results):
        features = features_of(out, person)
        targets = [(r.row, r.target) for r in results if r.person == person]
        drawn[person] = [features[f"{prefix}{row}/{target}"] for row, target in targets]
        truth[person] = [features[f"{prefix}{TRUTH}/{target}"] for _, target in targets]
    people = list(drawn)
    whole = 1000 * kid(*(torch.stack([f for p in people for f in of[p]]) for of in (drawn, truth)))
    if len(people) < 8:      # with so few, resampled sets are mostly repetitions
        return Interval(whole, math.nan, math.nan)
    # Half of the people at a time, none twice: repeated people would bias an unbiased estimate
    rng, found = np.random.default_rng(0), []
    for _ in range(rounds):
        some = [people[i] for i in rng.permutation(len(people))[: len(people) // 2]]
        found.append(1000 * kid(*(torch.stack([f for p in some for f in of[p]]) for of in (drawn, truth))))
    spread = 1.96 * float(np.std(found)) * math.sqrt(0.5)     # of halves to that of the whole
    return Interval(whole, whole - spread, whole + spread)


@dataclass(frozen=True)
class Aside:
    """What is measured of a person as a whole and in no picture of a group.

    measure  what it means
    rows     its mean over people, a row each
    """

    measure: Measure
    rows: tuple[tuple[str, Interval], ...]


def asides(findings: Findings) -> tuple[Aside, ...]:
    """Ghost, with that of true backs where they are known, and flicker; those that were measured."""
    found: list[tuple[Measure, dict[str, list[float]]]] = [(GHOST, {}), (FLICKER, {})]
    for line in findings.ghosts:
        found[0][1].setdefault(line.row, []).append(line.ghost)
    for line in findings.walks:
        found[1][1].setdefault(line.row, []).append(line.flicker)
    order = [*(row.name for row in ROWS), TRUTH]
    return tuple(
        Aside(measure, tuple((_TRUE_BACKS if n == TRUTH else n, bootstrap(of[n])) for n in order if n in of))
        for measure, of in found
        if of
    )


def worst_first(findings: Findings) -> list[tuple[str, float]]:
    """People with their mean LPIPS over all pictures in the row that is judged, the greatest first."""
    name = judged_row(findings)
    mine = [r for r in findings.results if r.row == name and r.kind == PERSON]
    people = list(dict.fromkeys(r.person for r in mine))
    means = _by_person(mine, lambda r: getattr(r.scores, RANKED))
    return sorted(zip(people, means, strict=True), key=lambda pair: -pair[1])


def judged_row(findings: Findings) -> str:
    """The row whose worst people come first: the most complete system that was measured."""
    names = measured_rows(findings.results)
    if not names:
        raise InputError(_nobody(findings))
    return next((name for name in _BEST_FIRST if name in names), names[0])


def _nobody(findings: Findings) -> str:
    reasons = "; ".join(f"{line.person}: {line.failure}" for line in findings.failures[:3])
    return f"no avatar could be made of anybody ({reasons})"
