"""Results as people read them: report.html with pictures, and the same tables in Markdown (tables 1 and 2)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

import numpy as np
import torch

from dinar.errors import InputError
from dinar.evaluate.metrics import FLICKER, KID, KID_INCEPTION, MEASURES, Interval, Measure, bootstrap, kid
from dinar.evaluate.protocols import GROUPS, Cases, Group, groups_of
from dinar.evaluate.rows import ROWS
from dinar.evaluate.run import INCEPTION, TRUTH, Findings, Result, features_of
from dinar.files import atomic_file

REPORT, TABLES = "report.html", "tables.md"
_RANKED = "lpips"    # people with the greatest mean of this come first
_BEST_FIRST = ("neural+inpainting+tuning", "neural+inpainting", "neural+tuning", "neural", "texture")


@dataclass(frozen=True)
class Published:
    """A table of the paper, as printed, and what keeps its numbers from being compared with ours."""

    title: str
    differs: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


_OTHERWISE = (
    "other bodies (SMPL-X, fitted), and backgrounds, crops and backbones are not stated: they show the order of size, "
    "no more"
)
_HEADINGS = (
    "", "MS-SSIM ↑", "PSNR ↑", "LPIPS ↓", "DISTS ↓", "novel view: DISTS ↓", "novel view: ReID ↓", "novel view: KID ↓"
)  # fmt: skip
_SNAPSHOTS = Published(
    "Table 1",
    "What differs: 24 people of SnapshotPeople photographed in A-pose, front and back; ReID by FlipReID, KID on "
    f"Inception features; {_OTHERWISE}.",
    _HEADINGS,
    (
        ("DINAR", "0.9687", "24.42", "0.0504", "0.0703", "0.1407", "0.0786", "0.0133"),
        ("StylePeople", "0.9610", "23.06", "0.0848", "0.0852", "0.1698", "0.1309", "0.0530"),
        ("PIFu", "0.9793", "26.28", "0.0404", "0.0706", "0.1839", "0.0977", "0.0907"),
        ("PHORHUM", "0.9603", "24.21", "0.0531", "0.0948", "0.1564", "0.0915", "0.0144"),
        ("ARCH++", "0.9526", "22.57", "0.0540", "0.0842", "0.1750", "0.0910", "0.0589"),
    ),
)
_SCANS = Published(
    "Table 3",
    f"What differs: renders of 25 scans of THuman2.0; ReID by FlipReID, KID on Inception features; {_OTHERWISE}.",
    _HEADINGS,
    (
        ("DINAR", "0.9600", "22.87", "0.0568", "0.0975", "0.1607", "0.1000", "0.0250"),
        ("StylePeople", "0.9765", "25.81", "0.0588", "0.0830", "0.1828", "0.1421", "0.0347"),
        ("PIFu", "0.9893", "28.27", "0.0474", "0.0912", "0.2213", "0.1161", "0.0924"),
        ("S3F", "0.9706", "25.65", "0.0497", "0.1152", "0.1928", "0.1199", "0.1108"),
    ),
)
_ABLATION = Published(
    "Table 2",
    "What differs: 15 single photos of AzurePeople, eight from the front and seven from behind; the paper does not say "
    f"whether its networks were trained anew for each row, ours are the same in all; {_OTHERWISE}.",
    ("", "MS-SSIM ↑", "PSNR ↑", "LPIPS ↓"),
    (
        ("RGB texture (ours: rgb-only)", "0.8825", "22.80", "0.1204"),
        ("neural texture (neural-only)", "0.8632", "23.09", "0.1285"),
        ("both textures (both)", "0.9126", "24.10", "0.1005"),
        ("both + inpainting (both+inpainting)", "0.9199", "24.85", "0.0904"),
        ("+ occlusion detector (neural+inpainting)", "0.9201", "24.86", "0.0905"),
        ("+ RGB tuning (neural+inpainting+tuning)", "0.9203", "24.98", "0.0901"),
    ),
)


def published(findings: Findings) -> tuple[Published, ...]:
    """The paper's tables that belong beside these results."""
    ablated = any(r.row in ("rgb-only", "neural-only", "both") for r in findings.results)
    other = _SCANS if findings.settings["protocol"] == "thuman2" else _SNAPSHOTS
    return (_ABLATION, other) if ablated else (other,)


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
        if math.isnan(interval.mean):
            return "-"
        mean, low, high = (f"{value:.{self.digits}f}" for value in (interval.mean, interval.low, interval.high))
        return f"{mean} [{low}, {high}]" if not math.isnan(interval.low) else mean

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
        inside = [r for r in findings.results if group in groups_of(same=r.same, moved=r.moved, azimuth=r.azimuth)]
        if not inside:
            continue
        keys = [key for key in MEASURES if any(not math.isnan(getattr(r.scores, key)) for r in inside)]
        columns = [Column(key, MEASURES[key], 2 if key == "psnr" else 4) for key in keys]
        names = [row.name for row in ROWS if any(r.row == row.name for r in inside)]
        rows = []
        for name in names:
            mine = [r for r in inside if r.row == name]
            cells = [bootstrap(_by_person(mine, lambda r, key=key: getattr(r.scores, key))) for key in keys]
            rows.append((name, (*cells, *(_kid_of(mine, out, prefix) for prefix in kids))))
        columns += [Column(f"{prefix}kid", measure, 1) for prefix, measure in kids.items()]
        people, pictures = {r.person for r in inside}, {(r.person, r.target) for r in inside}
        made.append(Table(group, len(people), len(pictures), tuple(columns), tuple(rows)))
    return tuple(made)


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


def flickers(findings: Findings) -> list[tuple[str, Interval]]:
    """Flicker of each row over people."""
    return [
        (row.name, bootstrap([walk.flicker for walk in findings.walks if walk.row == row.name]))
        for row in ROWS
        if any(walk.row == row.name for walk in findings.walks)
    ]


def worst_first(findings: Findings) -> list[tuple[str, float]]:
    """People with their mean LPIPS over all pictures in the row that is judged, the greatest first."""
    name = judged_row(findings)
    mine = [r for r in findings.results if r.row == name]
    people = list(dict.fromkeys(r.person for r in mine))
    means = _by_person(mine, lambda r: getattr(r.scores, _RANKED))
    return sorted(zip(people, means, strict=True), key=lambda pair: -pair[1])


def judged_row(findings: Findings) -> str:
    """The row whose worst people come first: the most complete system that was measured."""
    names = [row.name for row in ROWS if any(r.row == row.name for r in findings.results)]
    if not names:
        raise InputError(_nobody(findings))
    return next((name for name in _BEST_FIRST if name in names), names[0])


def _nobody(findings: Findings) -> str:
    reasons = "; ".join(f"{line.person}: {line.failure}" for line in findings.failures[:3])
    return f"no avatar could be made of anybody ({reasons})"


def write(findings: Findings, cases: Cases, out: Path, command: str) -> tuple[Path, Path]:
    """report.html, a page a person, and tables.md in `out`. Raises InputError where nobody could be measured."""
    judged_row(findings)
    made, walks = tables(findings, out), flickers(findings)
    _text(out / TABLES, markdown(findings, made, walks, cases, command))
    ranked = worst_first(findings)
    for place, (person, _) in enumerate(ranked):
        neighbours = [ranked[i][0] if 0 <= i < len(ranked) else None for i in (place - 1, place + 1)]
        _text(out / "people" / person / "index.html", _person_page(findings, person, neighbours))
    _text(out / REPORT, _page(findings, made, walks, ranked, cases, command))
    return out / REPORT, out / TABLES


def _text(path: Path, text: str) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


# Markdown

def markdown(
    findings: Findings, made: Sequence[Table], walks: Sequence[tuple[str, Interval]], cases: Cases, command: str
) -> str:
    """The tables with all that one must know to read them."""
    lines = [f"`{command}`", "", *_statements(findings, cases)]
    for table in made:
        lines += ["", f"**{table.group.name.capitalize()}** ({table.group.says}): {_count(table)}.", ""]
        lines += ["| | " + " | ".join(c.heading for c in table.columns) + " |", "|---" * (len(table.columns) + 1) + "|"]
        for name, cells in table.rows:
            shown = (
                f"**{c.text(cell)}**" if table.best(i) == name else c.text(cell)
                for i, (c, cell) in enumerate(zip(table.columns, cells, strict=True))
            )
            lines.append(f"| {name} | " + " | ".join(shown) + " |")
    if walks:
        column = Column("flicker", FLICKER)
        lines += ["", f"**Flicker** ({FLICKER.backbone}):", "", "| | Flicker ↓ |", "|---|---|"]
        lines += [f"| {name} | {column.text(interval)} |" for name, interval in walks]
    lines += ["", *(f"- {name}: {says}." for name, says in _shown_rows(findings))]
    lines += ["", *(f"- {line}" for line in _definitions(made))]
    for table in published(findings):
        lines += ["", f"**The paper's own numbers, {table.title.lower()}.** {table.differs}", ""]
        lines += ["| " + " | ".join(table.columns) + " |", "|---" * len(table.columns) + "|"]
        lines += ["| " + " | ".join(row) + " |" for row in table.rows]
    return "\n".join(lines) + "\n"


def _statements(findings: Findings, cases: Cases) -> list[str]:
    settings = ", ".join(f"{name} {value}" for name, value in findings.settings.items())
    failed = [f"No avatar: {line.person} ({line.failure})." for line in findings.failures]
    return [f"{settings}.", *cases.says, "Mean [95 % interval, bootstrap over people].", *failed]


def _count(table: Table) -> str:
    return f"{table.people} people, {table.pictures} pictures"


def _shown_rows(findings: Findings) -> list[tuple[str, str]]:
    return [(row.name, row.says) for row in ROWS if any(r.row == row.name for r in findings.results)]


def _definitions(made: Sequence[Table]) -> Iterator[str]:
    columns = {column.key: column.measure for table in made for column in table.columns}
    for m in columns.values():
        yield f"{m.label}: {m.backbone}; {m.values}; region: {m.region}; background: {m.background}."


# HTML

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem; color: #222 }
h2 { margin: 2.2rem 0 .4rem } p { max-width: 60rem; margin: .4rem 0 } .wide { overflow-x: auto }
table { border-collapse: collapse; margin: .8rem 0 }
td, th { padding: .35rem .7rem; text-align: left; vertical-align: top; border-bottom: 1px solid #ddd }
tr:hover td { background: #fafafa } td.number { font-variant-numeric: tabular-nums; white-space: nowrap }
.interval, small { color: #777; font-size: 85%; font-weight: normal } .best { font-weight: 600; background: #eef6ee }
img { display: block; background: #808080; border-radius: 3px } figure { margin: 0 }
td img { width: 13rem; margin-bottom: 4px }
.people { display: flex; flex-wrap: wrap; gap: 1rem } .people a { color: inherit; text-decoration: none }
.people div { display: flex; gap: 4px } .people img { height: 11rem } .people a:hover { color: #05c }
code { background: #f2f2f2; padding: .1rem .3rem; overflow-wrap: anywhere } nav a { margin-right: 1rem }
"""


def _document(title: str, body: str) -> str:
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def _page(
    findings: Findings,
    made: Sequence[Table],
    walks: Sequence[tuple[str, Interval]],
    ranked: Sequence[tuple[str, float]],
    cases: Cases,
    command: str,
) -> str:
    title = f"Evaluation: {findings.settings['protocol']}"
    parts = [f"<h1>{escape(title)}</h1><p><code>{escape(command)}</code></p>"]
    parts += [f"<p>{escape(line)}</p>" for line in _statements(findings, cases)]
    for table in made:
        parts.append(f"<h2>{escape(table.group.name.capitalize())}</h2>")
        parts.append(f"<p>{escape(table.group.says)}; {_count(table)}</p>{_html_table(table)}")
    if walks:
        column = Column("flicker", FLICKER)
        rows = "".join(f"<tr><td>{escape(n)}</td>{_cell(column, interval, False)}</tr>" for n, interval in walks)
        parts.append(f"<h2>Flicker</h2><p>{escape(FLICKER.backbone)}</p><table>{rows}</table>")
    parts.append(_gallery(findings, ranked))
    parts.append("<h2>Rows</h2>" + _plain_table(("", "what it is"), _shown_rows(findings)))
    columns = {column.key: column.measure for table in made for column in table.columns}
    words = [(m.label, m.backbone, m.values, m.region, m.background) for m in columns.values()]
    parts.append("<h2>Measures</h2>" + _plain_table(("", "backbone", "range", "region", "background"), words))
    for table in published(findings):
        parts.append(f"<h2>The paper's own numbers, {table.title.lower()}</h2><p>{escape(table.differs)}</p>")
        parts.append(_plain_table(table.columns, table.rows))
    return _document(title, "\n".join(parts))


def _gallery(findings: Findings, ranked: Sequence[tuple[str, float]]) -> str:
    """A card a person: the input, and the picture in which the judged row is worst."""
    name = judged_row(findings)
    cards = []
    for person, value in ranked:
        folder = f"people/{quote(person)}"
        mine = [r for r in findings.results if r.person == person and r.row == name]
        worst = max(mine, key=lambda r: getattr(r.scores, _RANKED))
        drawn = f"{folder}/{quote(f'{worst.target}.{name}')}.webp"
        cards.append(
            f'<a href="{folder}/index.html"><div><img src="{folder}/input.webp" alt="input">'
            f'<img src="{drawn}" alt="drawn"></div>{escape(person)} <small>{value:.4f}</small></a>'
        )
    return (
        f"<h2>People, worst first</h2><p>The input, and the worst picture of the row {escape(name)}; the number is its "
        f'mean LPIPS. Click for all pictures.</p><div class="people">{"".join(cards)}</div>'
    )


def _plain_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["<tr>" + "".join(f"<th>{escape(name)}</th>" for name in heading) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{escape(value)}</td>" for value in row) + "</tr>" for row in rows]
    return '<div class="wide"><table>' + "\n".join(lines) + "</table></div>"


def _html_table(table: Table) -> str:
    lines = ['<div class="wide"><table><tr><th></th>']
    lines += ["".join(f"<th>{escape(c.heading)}</th>" for c in table.columns) + "</tr>"]
    for name, cells in table.rows:
        shown = (
            _cell(column, cell, table.best(i) == name)
            for i, (column, cell) in enumerate(zip(table.columns, cells, strict=True))
        )
        lines.append(f"<tr><td>{escape(name)}</td>{''.join(shown)}</tr>")
    return "\n".join(lines) + "</table></div>"


def _cell(column: Column, interval: Interval, best: bool) -> str:
    mean, _, rest = column.text(interval).partition(" ")
    kind = "number best" if best else "number"
    return f'<td class="{kind}">{mean}<br><span class="interval">{rest}</span></td>'


def _person_page(findings: Findings, person: str, neighbours: Sequence[str | None]) -> str:
    mine = [r for r in findings.results if r.person == person]
    rows = [row.name for row in ROWS if any(r.row == row.name for r in mine)]
    links = "".join(
        f'<a href="../{quote(name)}/index.html">{word}</a>'
        for name, word in zip(neighbours, ("worse", "better"), strict=True)
        if name is not None
    )
    parts = [
        f'<nav><a href="../../report.html">report</a>{links}</nav><h1>{escape(person)}</h1>',
        '<figure><img src="input.webp" alt="the input"><figcaption>the input</figcaption></figure>',
        '<div class="wide"><table><tr><th></th><th>truth</th>',
        "".join(f"<th>{escape(row)}</th>" for row in rows) + "</tr>",
    ]
    for target in dict.fromkeys(r.target for r in mine):
        first, *_ = shown = [r for r in mine if r.target == target]
        groups = groups_of(same=first.same, moved=first.moved, azimuth=first.azimuth)
        kinds = "<br>".join(escape(group.name) for group in groups)
        name = escape(target)
        cells = [f"<td>{name}<br>{first.azimuth:.0f}°<br>{kinds}</td>"]
        cells.append(f'<td><img src="{name}.{TRUTH}.webp" alt="truth"></td>')
        for row in rows:
            found = next((r for r in shown if r.row == row), None)
            cells.append(f"<td>{_drawn(found)}</td>" if found else "<td>-</td>")
        parts.append(f"<tr>{''.join(cells)}</tr>")
    note = "<p>Dark pictures: the mean difference of colours, from black (none) to bright yellow (half or more).</p>"
    return _document(person, "\n".join(parts) + f"</table></div>{note}")


def _drawn(result: Result) -> str:
    base = quote(f"{result.target}.{result.row}")
    scores = result.scores
    return (
        f'<img src="{base}.webp" alt="drawn"><img src="{base}.error.webp" alt="error">'
        f"<small>PSNR {scores.psnr:.2f}, MS-SSIM {scores.ms_ssim:.4f}, LPIPS {scores.lpips:.4f}</small>"
    )
