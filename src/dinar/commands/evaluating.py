"""`dinar evaluate`: numbers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import tyro

from dinar.commands.options import Json, Positional, option
from dinar.commands.reporting import report_files
from dinar.commands.values import within


def evaluate(
    protocol: Annotated[
        Literal["synthetic", "valid", "photos", "people-snapshot", "thuman2", "hsrd", "pose2sim"],
        Positional,
        option("made-up people, rigged people, your own photos, or a published benchmark", "PROTOCOL"),
    ],
    out: Annotated[Path, option("the folder of results; what is finished there is not done again", "DIR", short="-o")],
    data: Annotated[
        Path | None,
        option("the people, photos or benchmark (synthetic and valid: default some that ship)", "DIR"),
    ] = None,
    rows: Annotated[
        str, option("system (default), ablation, layouts, baselines, all, or names with commas between them", "NAMES")
    ] = "system",
    weights: Annotated[Path | None, option("trained weights (default: those that ship)", "DIR")] = None,
    people: Annotated[int, option("the first N people at most (default: 50)", "N")] = 50,
    views: Annotated[int, option("pictures in other poses a person at most (default: 4)", "N")] = 4,
    fitted: Annotated[
        bool, tyro.conf.FlagCreatePairsOff, option("find mask, body and camera of the input instead of being told")
    ] = False,
    walk: Annotated[bool, option("measure flicker as well")] = True,
    masks: Annotated[Path | None, option("true masks of your photos, by the photos' names", "DIR")] = None,
    votes: Annotated[
        bool, tyro.conf.FlagCreatePairsOff, option("write a page of blind pairs to vote on as well")
    ] = False,
    reid: Annotated[
        Path | None, option("your own network for re-identification (ONNX, OpenVINO's .xml)", "FILE")
    ] = None,
    inception: Annotated[Path | None, option("your own ONNX network for KID, such as Inception", "FILE")] = None,
    ray: Annotated[str | None, option("address of a Ray cluster to work on, or local", "ADDRESS")] = None,
    workers: Annotated[int, option("processes (default, and 0: one a core)", "N")] = 0,
    as_json: Json = False,
) -> None:
    """Measure avatars against true pictures; write tables and a report."""
    from dinar.terminal import Bars

    with Bars() as progress:
        from dinar.evaluate import journal, plan, report, run
        from dinar.evaluate.protocols import opened

        within("--people", people, 1, 10**6)
        within("--views", views, 1, 1000)
        within("--workers", workers, 0, 512)
        how = {"people": people, "views": views, "fitted": fitted, "masks": masks, "progress": progress}
        cases = opened(protocol, data, out / journal.MADE, **how)
        wanted = plan.planned(cases, rows, weights, walk=walk, reid=reid, inception=inception)
        findings = run.run(wanted, out, workers=workers or os.cpu_count() or 1, cluster=ray, progress=progress)
        findings = findings.of(wanted.rows)       # earlier runs' others stay in the folder
        command = f"dinar evaluate {protocol} --rows {rows} --people {people} --views {views}{' --fitted' * fitted}"
        named = {"data": data, "masks": masks, "weights": weights, "reid": reid, "inception": inception, "out": out}
        command += "" if walk else " --no-walk"
        command += "".join(f" --{name} {path}" for name, path in named.items() if path)
        files = report.write(findings, cases, out, command, ballot=votes)
    facts = {"people": len({result.person for result in findings.results}), "failures": len(findings.failures)}
    report_files([*files, out / journal.RESULTS], progress, as_json, **facts)
