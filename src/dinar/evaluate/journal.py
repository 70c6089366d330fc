"""results.jsonl: what was measured, kept so that nothing is measured twice and nothing stale is shown."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dinar.errors import InputError
from dinar.evaluate.cases import PERSON
from dinar.evaluate.metrics import Scores
from dinar.evaluate.rows import ROWS
from dinar.files import atomic_file

RESULTS = "results.jsonl"
MADE, VOTES = "data", "votes"          # in the output folder: data made for the run, votes about it
FEATURES = "features.safetensors"
UNUSED = {None, "none"}                # weights that no row asks for
WEIGHTS = ("weights", "inpainting")    # settings that only rows which take such networks depend on
RENEWED = (*WEIGHTS, "parser", "lifter", "program")     # with others rows are measured anew, not refused
TRUTH = "truth"                        # what features and pictures of the true view are called in place of a row


@dataclass(frozen=True)
class Result:
    """One row in one target: a line of results.jsonl."""

    person: str
    target: str
    row: str
    azimuth: float
    same: bool
    moved: bool
    scores: Scores
    kind: str = PERSON


@dataclass(frozen=True)
class Walk:
    """How much a row flickers on one person: a line of results.jsonl."""

    person: str
    row: str
    flicker: float


@dataclass(frozen=True)
class Ghost:
    """How much of the front stands on the back of one person in a row, or in truth: a line of results.jsonl."""

    person: str
    row: str
    ghost: float


@dataclass(frozen=True)
class Failure:
    """A person of whom no avatar could be made, and why: a line of results.jsonl."""

    person: str
    failure: str


@dataclass(frozen=True)
class Done:
    """All of a person in a row is measured; a person's failure has the row "": a line of results.jsonl.

    of  digest of everything that decides these numbers
    """

    person: str
    row: str
    of: str


Line = Result | Walk | Ghost | Failure | Done
_KINDS = {"scores": Result, "flicker": Walk, "ghost": Ghost, "failure": Failure, "of": Done}


@dataclass(frozen=True)
class Findings:
    """All of a run.

    settings  what decided the numbers
    """

    settings: Mapping[str, str]
    results: tuple[Result, ...]
    walks: tuple[Walk, ...] = ()
    ghosts: tuple[Ghost, ...] = ()
    failures: tuple[Failure, ...] = ()

    def of(self, rows: Collection[str]) -> Self:
        """Those of some rows, and what is true whatever the row."""
        return replace(
            self,
            results=tuple(line for line in self.results if line.row in rows),
            walks=tuple(line for line in self.walks if line.row in rows),
            ghosts=tuple(line for line in self.ghosts if line.row in (*rows, TRUTH)),
        )


@dataclass(frozen=True)
class Outcome:
    """What a job brings home: lines, features by "row/target", files of the person's folder by name."""

    person: str
    lines: tuple[Line, ...]
    features: dict[str, Tensor]
    pictures: dict[str, bytes]


class Journal:
    """results.jsonl while it grows: the settings, then a line a result; at the end all in order.

    A row of a person that was measured with other weights, other data or another program than now is forgotten, and all
    else stays. Other choices of what is measured are refused.

    Raises InputError where `out` holds results of such, or something else.
    """

    def __init__(
        self,
        out: Path,
        settings: Mapping[str, str],
        digest: Callable[[Mapping[str, str], str, str], str],   # settings, person, row ("" for failures) -> `Done.of`
    ) -> None:
        self.out, self.path, self.settings = out, out / RESULTS, dict(settings)
        self.lines: dict[tuple[str, str, str], Line] = {}
        self._digest = digest
        if out.exists() and not out.is_dir():
            raise InputError(f"{out} is a file; give the name of a folder")
        if self.path.exists():
            found, lines = read_lines(self.path)
            # rows that do not depend on weights stay, whatever the weights; others are known by their digests
            names = {**found, **self.settings}
            other = [n for n in names if n not in RENEWED and found.get(n) != self.settings.get(n)]
            if other:
                raise InputError(f"{out} holds results with other {', '.join(other)}; give the name of a new folder")
            kept = {n: found[n] for n in WEIGHTS if n in found and self.settings.get(n) in UNUSED}
            self.settings |= kept
            done = {(line.person, line.row) for line in lines if isinstance(line, Done) and self._current(line)}
            known = {row for _, row in done}
            self.lines = {_key(line): line for line in lines if _belongs(line, done, known)}
        elif out.exists() and any(path.name != MADE for path in out.iterdir()):
            raise InputError(f"{out} holds other files; give the name of a new folder")
        out.mkdir(parents=True, exist_ok=True)
        self._rewrite(self.lines.values())

    def _current(self, done: Done) -> bool:
        try:
            return done.of == self._digest(self.settings, done.person, done.row)
        except InputError:
            return False            # they are not among the data any more

    def missing(self, person: str, rows: Sequence[str], *, walk: bool) -> tuple[str, ...]:
        """The rows that are left to do for a person."""
        if (person, "done", "") in self.lines:
            return ()
        done = {row for name, kind, row in self.lines if name == person and kind == "done"}
        if walk:
            done = {row for row in done if (person, "walk", row) in self.lines}
        return tuple(row for row in rows if row not in done)

    def keep(self, outcome: Outcome) -> None:
        """Pictures and features first: where lines are, all is."""
        folder = self.out / "people" / outcome.person
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in outcome.pictures.items():
            with atomic_file(folder / name) as temporary:
                temporary.write_bytes(content)
        if outcome.features:
            with atomic_file(folder / FEATURES) as temporary:
                save_file({**features_of(self.out, outcome.person), **outcome.features}, temporary)
        rows = {line.row: self._digest(self.settings, outcome.person, line.row) for line in outcome.lines
                if isinstance(line, Result)}  # fmt: skip
        if any(isinstance(line, Failure) for line in outcome.lines):
            rows[""] = self._digest(self.settings, outcome.person, "")
        lines = [*outcome.lines, *(Done(outcome.person, row, of) for row, of in rows.items())]
        with self.path.open("a", encoding="utf-8") as file:
            file.write("".join(_written(line) for line in lines))
        self.lines.update({_key(line): line for line in lines})

    def close(self, people: Sequence[str]) -> Findings:
        """Everything in the order of people and rows; results of earlier runs with more of them stay."""
        order = {name: i for i, name in enumerate((*dict.fromkeys([*people, *(key[0] for key in self.lines)]),))}
        ranks = {row.name: i for i, row in enumerate(ROWS)}
        keys = sorted(self.lines, key=lambda key: (order[key[0]], ranks.get(key[2], -1), key[1]))
        lines = [self.lines[key] for key in keys]
        self._rewrite(lines)
        kinds = (Result, Walk, Ghost, Failure)
        return Findings(self.settings, *(tuple(line for line in lines if isinstance(line, kind)) for kind in kinds))

    def _rewrite(self, lines: Iterable[Line]) -> None:
        with atomic_file(self.path) as temporary:
            first = json.dumps({"settings": self.settings}) + "\n"
            temporary.write_text(first + "".join(_written(line) for line in lines), encoding="utf-8")


def read_lines(path: Path) -> tuple[dict[str, str], list[Line]]:
    """Settings and results of a results.jsonl; a last line that was cut short is left out.

    Raises InputError where it is damaged.
    """
    try:
        text = path.read_text(encoding="utf-8")
        first, *rest = text.split("\n")[:-1]
        return dict(json.loads(first)["settings"]), [_read(json.loads(line)) for line in rest]
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
        raise InputError(f"{path} is damaged; remove it or give the name of a new folder") from error


def features_of(out: Path, person: str) -> dict[str, Tensor]:
    """The features of a person's pictures by "row/target"."""
    path = out / "people" / person / FEATURES
    try:
        return load_file(path) if path.exists() else {}
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} is damaged; give the name of a new folder") from error


def _belongs(line: Line, done: set[tuple[str, str]], rows: set[str]) -> bool:
    """Whether a line is of a row that is done; what is true of a person whatever the row stays with any of theirs."""
    if isinstance(line, Failure):
        return (line.person, "") in done
    if isinstance(line, Ghost) and line.row == TRUTH:
        return any((line.person, row) in done for row in rows)
    return (line.person, line.row) in done


def _key(line: Line) -> tuple[str, str, str]:
    if isinstance(line, Failure):
        return line.person, "", ""
    kind = {Walk: "walk", Ghost: "ghost", Done: "done"}.get(type(line)) or line.target
    return line.person, kind, line.row


def _written(line: Line) -> str:
    entry: dict[str, Any] = asdict(line)
    if isinstance(line, Result):
        entry["scores"] = {name: value for name, value in entry["scores"].items() if not math.isnan(value)}
    return json.dumps(entry) + "\n"


def _read(entry: dict[str, Any]) -> Line:
    kind = next(kind for name, kind in _KINDS.items() if name in entry)
    if kind is Result:
        entry["scores"] = Scores(**entry["scores"])
    return kind(**entry)
