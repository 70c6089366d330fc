"""Results in Markdown, and the sentences that stand in every report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from dinar.evaluate.paper import published
from dinar.evaluate.rows import in_order
from dinar.evaluate.tables import Aside, Column, Table
from dinar.evaluate.votes import SHARE, VERDICT_HEADINGS, Verdict

if TYPE_CHECKING:
    from dinar.evaluate.cases import Cases
    from dinar.evaluate.journal import Findings
    from dinar.evaluate.metrics import Measure


def markdown(
    findings: Findings,
    made: Sequence[Table],
    others: Sequence[Aside],
    verdicts: Sequence[Verdict],
    cases: Cases,
    command: str,
) -> str:
    """The tables with all that one must know to read them."""
    lines = [f"`{command}`", "", *statements(findings, cases)]
    for table in made:
        lines += ["", f"**{table.group.name.capitalize()}** ({table.group.says}): {count(table)}.", ""]
        lines += ["| | " + " | ".join(c.heading for c in table.columns) + " |", "|---" * (len(table.columns) + 1) + "|"]
        for name, cells in table.rows:
            shown = (
                f"**{c.text(cell)}**" if table.best(i) == name else c.text(cell)
                for i, (c, cell) in enumerate(zip(table.columns, cells, strict=True))
            )
            lines.append(f"| {name} | " + " | ".join(shown) + " |")
    for aside in others:
        column = Column("aside", aside.measure)
        lines += ["", f"**{aside.measure.label}** ({aside.measure.backbone}):", ""]
        lines += [f"| | {column.heading} |", "|---|---|"]
        lines += [f"| {name} | {column.text(interval)} |" for name, interval in aside.rows]
    if verdicts:
        lines += ["", f"**Votes** ({SHARE}):", "", f"| {' | '.join(VERDICT_HEADINGS)} |", "|---" * 5 + "|"]
        lines += [f"| {' | '.join(verdict.cells)} |" for verdict in verdicts]
    lines += ["", *(f"- {name}: {says}." for name, says in shown_rows(findings))]
    lines += ["", *(f"- {line}" for line in definitions(made, others))]
    for table in published(findings):
        lines += ["", f"**The paper's own numbers, {table.title.lower()}.** {table.differs}", ""]
        lines += ["| " + " | ".join(table.columns) + " |", "|---" * len(table.columns) + "|"]
        lines += ["| " + " | ".join(row) + " |" for row in table.rows]
    return "\n".join(lines) + "\n"


def statements(findings: Findings, cases: Cases) -> list[str]:
    settings = ", ".join(f"{name} {value}" for name, value in findings.settings.items())
    failed = [f"No avatar: {line.person} ({line.failure})." for line in findings.failures]
    return [f"{settings}.", *cases.says, "Mean [95 % interval, bootstrap over people].", *failed]


def count(table: Table) -> str:
    return f"{table.people} people, {table.pictures} pictures"


def shown_rows(findings: Findings) -> list[tuple[str, str]]:
    return [(row.name, row.says) for row in in_order({r.row for r in findings.results})]


def measures(made: Sequence[Table], others: Sequence[Aside]) -> list[Measure]:
    """Every measure that tables show, once."""
    columns = [column.measure for table in made for column in table.columns]
    return list(dict.fromkeys([*columns, *(aside.measure for aside in others)]))


def definitions(made: Sequence[Table], others: Sequence[Aside]) -> Iterator[str]:
    for m in measures(made, others):
        yield f"{m.label}: {m.backbone}; {m.values}; region: {m.region}; background: {m.background}."
