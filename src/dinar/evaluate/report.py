"""Results as people read them: report.html with pictures, the same tables in Markdown, and a page to vote on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from dinar.evaluate import votes
from dinar.evaluate.cases import PERSON
from dinar.evaluate.journal import TRUTH, VOTES, Findings, Result
from dinar.evaluate.markup import count, markdown, measures, shown_rows, statements
from dinar.evaluate.metrics import MEASURES, Interval
from dinar.evaluate.paper import published
from dinar.evaluate.tables import (
    RANKED,
    Aside,
    Column,
    Table,
    asides,
    belongs,
    judged_row,
    measured_rows,
    tables,
    worst_first,
)  # fmt: skip
from dinar.evaluate.votes import SHARE, VERDICT_HEADINGS, Verdict
from dinar.files import atomic_file

if TYPE_CHECKING:
    from dinar.evaluate.cases import Cases

REPORT, TABLES = "report.html", "tables.md"


def write(findings: Findings, cases: Cases, out: Path, command: str, *, ballot: bool = False) -> tuple[Path, ...]:
    """report.html, a page a person, and tables.md in `out`; with `ballot` a page of pairs to vote on too.

    Votes that lie in `out`/votes count, with and without it.

    Raises InputError where nobody could be measured, or a file of votes is damaged.
    """
    judged_row(findings)
    made, others = tables(findings, out), asides(findings)
    page = votes.write(findings, out) if ballot else None
    verdicts = votes.verdicts(out / VOTES)
    _text(out / TABLES, markdown(findings, made, others, verdicts, cases, command))
    ranked = worst_first(findings)
    for place, (person, _) in enumerate(ranked):
        neighbours = [ranked[i][0] if 0 <= i < len(ranked) else None for i in (place - 1, place + 1)]
        _text(out / "people" / person / "index.html", _person_page(findings, person, neighbours))
    _text(out / REPORT, _page(findings, made, others, verdicts, ranked, cases, command))
    return (out / REPORT, out / TABLES, *([page] if page else []))


def _text(path: Path, text: str) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


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
    others: Sequence[Aside],
    verdicts: Sequence[Verdict],
    ranked: Sequence[tuple[str, float]],
    cases: Cases,
    command: str,
) -> str:
    title = f"Evaluation: {findings.settings['protocol']}"
    parts = [f"<h1>{escape(title)}</h1><p><code>{escape(command)}</code></p>"]
    parts += [f"<p>{escape(line)}</p>" for line in statements(findings, cases)]
    for table in made:
        parts.append(f"<h2>{escape(table.group.name.capitalize())}</h2>")
        parts.append(f"<p>{escape(table.group.says)}; {count(table)}</p>{_html_table(table)}")
    for aside in others:
        column = Column("aside", aside.measure)
        rows = "".join(f"<tr><td>{escape(n)}</td>{_cell(column, interval, False)}</tr>" for n, interval in aside.rows)
        parts.append(f"<h2>{escape(aside.measure.label)}</h2><p>{escape(aside.measure.backbone)}</p>")
        parts.append(f"<table>{rows}</table>")
    if verdicts:
        parts.append(f"<h2>Votes</h2><p>{escape(SHARE)}</p>")
        parts.append(_plain_table(VERDICT_HEADINGS, [verdict.cells for verdict in verdicts]))
    parts.append(_gallery(findings, ranked))
    parts.append("<h2>Rows</h2>" + _plain_table(("", "what it is"), shown_rows(findings)))
    words = [(m.label, m.backbone, m.values, m.region, m.background) for m in measures(made, others)]
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
        mine = [r for r in findings.results if r.person == person and r.row == name and r.kind == PERSON]
        worst = max(mine, key=lambda r: getattr(r.scores, RANKED))
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
    rows = measured_rows(mine)
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
        groups = belongs(first)
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
    told = [f"PSNR {scores.psnr:.2f}", f"LPIPS {scores.lpips:.4f}"]
    values = {MEASURES[key].label: getattr(scores, key) for key in ("dists", "outline")}
    told += [f"{label} {value:.4f}" for label, value in values.items() if not math.isnan(value)]
    return (
        f'<img src="{base}.webp" alt="drawn"><img src="{base}.error.webp" alt="error">'
        f"<small>{', '.join(told)}</small>"
    )
