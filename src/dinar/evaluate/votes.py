"""Which of two looks right? A page of blind pairs, and what people said about them."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path

from dinar.errors import InputError
from dinar.evaluate.cases import BACK, PERSON, SIDE, spread
from dinar.evaluate.journal import VOTES, Findings, Result
from dinar.evaluate.metrics import Interval, bootstrap
from dinar.evaluate.rows import ROWS
from dinar.evaluate.tables import judged_row, measured_rows
from dinar.files import atomic_file

PAGE, KEY = "index.html", "key.json"
BACKS, WHO = "Which back looks right?", "Which is the person of the photo?"
PICTURES_EACH = 2          # of a person for each question
SHARE = "share of the votes that the row got, undecided ones half; mean over people [95 % interval]"
VERDICT_HEADINGS = ("question", "row", "against", "share", "votes")


@dataclass(frozen=True)
class Pair:
    """Two drawings of one person in one view, as they lie side by side.

    id           of the question and of both pictures' content: other pictures, other pair
    left, right  rows
    """

    id: str
    question: str
    person: str
    target: str
    left: str
    right: str


@dataclass(frozen=True)
class Verdict:
    """What was said about two rows.

    share  of the votes for `row`, undecided ones half
    """

    question: str
    row: str
    against: str
    share: Interval
    votes: int

    @property
    def cells(self) -> tuple[str, ...]:
        return self.question, self.row, self.against, self.share.text(2), str(self.votes)


def write(findings: Findings, out: Path) -> Path:
    """The page of pairs in `out`/votes: the row that is judged against each other one.

    Nothing in the page tells which is which; the key lies beside it. Votes that are there stay.
    """
    folder = out / VOTES
    pictures = folder / "pictures"
    if pictures.exists():
        shutil.rmtree(pictures)
    pictures.mkdir(parents=True)
    shown, pairs = [], list(_pairs(findings, out))
    for pair in sorted(pairs, key=lambda pair: pair.id):          # an order that tells nothing
        people = out / "people" / pair.person
        names = [people / f"{pair.target}.{row}.webp" for row in (pair.left, pair.right)]
        entry = {"id": pair.id, "question": pair.question}
        for side, source in (("left", names[0]), ("right", names[1]), ("photo", people / "input.webp")):
            if side == "photo" and pair.question != WHO:
                continue
            name = f"{hashlib.sha256(f'{pair.id} {side}'.encode()).hexdigest()[:16]}.webp"
            shutil.copyfile(source, pictures / name)
            entry[side] = f"pictures/{name}"
        shown.append(entry)
    with atomic_file(folder / KEY) as temporary:
        temporary.write_text(json.dumps([asdict(pair) for pair in pairs], indent=1) + "\n", encoding="utf-8")
    template = (files("dinar.evaluate") / "ballot.html").read_text(encoding="utf-8")
    content = json.dumps(shown).replace("<", "\\u003c")
    with atomic_file(folder / PAGE) as temporary:
        temporary.write_text(template.replace("[/*pairs*/]", content), encoding="utf-8")
    return folder / PAGE


def _pairs(findings: Findings, out: Path) -> Iterator[Pair]:
    best = judged_row(findings)
    others = [name for name in measured_rows(findings.results) if name != best]
    if not others:
        raise InputError("votes take two rows at least; ask for more with --rows")
    mine = [r for r in findings.results if r.row == best and r.kind == PERSON]
    known = {(r.person, r.target, r.row) for r in findings.results}
    for person in dict.fromkeys(r.person for r in mine):
        for question in (BACKS, WHO):
            asked = [r for r in mine if r.person == person and _asks(question, r)]
            for result in spread(asked, PICTURES_EACH):
                for other in others:
                    if (person, result.target, other) in known:
                        yield _pair(out, question, result, best, other)


def _asks(question: str, result: Result) -> bool:
    return not result.same and (result.azimuth >= BACK if question == BACKS else result.azimuth <= SIDE)


def _pair(out: Path, question: str, result: Result, best: str, other: str) -> Pair:
    contents = [(out / "people" / result.person / f"{result.target}.{row}.webp").read_bytes() for row in (best, other)]
    digest = hashlib.sha256(" ".join((question, result.person, result.target, best, other)).encode())
    for content in contents:
        digest.update(hashlib.sha256(content).digest())
    sides = (best, other) if digest.digest()[-1] % 2 else (other, best)
    return Pair(digest.hexdigest()[:16], question, result.person, result.target, *sides)


def verdicts(folder: Path) -> list[Verdict]:
    """What the files of votes in a folder say, as the page saves them; votes about other pictures are left out.

    Raises InputError where one is damaged.
    """
    if not (folder / KEY).exists():
        return []
    pairs = {pair.id: pair for pair in (Pair(**entry) for entry in _read(folder / KEY))}
    shares: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for path in sorted(path for path in folder.glob("*.json") if path.name != KEY):
        said = _read(path)
        if not isinstance(said, dict) or not all(choice in (0, 1, 2) for choice in said.values()):
            raise InputError(f"{path} holds no votes; remove it")
        for name, choice in said.items():
            if (pair := pairs.get(name)) is not None:
                first, second = sorted((pair.left, pair.right), key=_rank)
                chosen = {0: None, 1: pair.left, 2: pair.right}[choice]
                share = 0.5 if chosen is None else float(chosen == second)
                shares.setdefault((pair.question, second, first), {}).setdefault(pair.person, []).append(share)
    return [
        Verdict(*names, bootstrap([sum(said) / len(said) for said in of.values()]), sum(map(len, of.values())))
        for names, of in sorted(shares.items())
    ]


def _rank(row: str) -> int:
    return next((i for i, known in enumerate(ROWS) if known.name == row), -1)


def _read(path: Path) -> list | dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged; remove it") from error
