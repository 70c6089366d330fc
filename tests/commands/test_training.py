from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from commands.program import Run, refused


def test_synth_says_what_it_made(
    dinar: Callable[..., Run], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from dinar.synth import shards

    asked = []

    def write_shards(
        assets: Path, out: Path, plan: shards.Plan, *, rigged: Path | None, built: Path | None, workers: int,
        progress: object,
    ) -> list[Path]:  # fmt: skip
        asked.append((assets, out, plan, rigged, workers))
        return [out / "people-00000.tar"]

    monkeypatch.setattr(shards, "write_shards", write_shards)
    options = ("--people", "3", "--views", "4", "-o", "set", "--seed", "5", "--size", "96", "--workers", "2", "--json")
    found = json.loads(dinar("synth", "--assets", "a", *options).stdout)
    assert asked == [(Path("a"), Path("set"), shards.Plan(3, 4, 5, 96), None, 2)]
    assert found["files"] == ["set", "set/people-00000.tar", "set/sheet.jpg", "set/labels.jpg"]
    assert found["people"] == 3 and found["views"] == 12

    for name in ("a.glb", "b.glb"):
        (tmp_path / name).write_bytes(b"")
    options = ("--rigged", tmp_path, "--views", "2", "-o", "set", "--json")
    found = json.loads(dinar("synth", "--assets", "a", *options).stdout)
    assert asked[1][2:4] == (shards.Plan(2, 2), tmp_path) and found["views"] == 4


def test_synth_without_assets_or_sense(dinar: Callable[..., Run], bad: Path) -> None:
    refused(dinar("synth", "--assets", bad, "--people", "1", "--views", "1", "-o", "a"), "makehuman_cc0")
    for option in ("--people", "--views", "--size", "--workers", "--seed"):
        options = {"--people": "1", "--views": "1"} | {option: "-1"}
        arguments = [f"{name}={value}" for name, value in options.items()]
        refused(dinar("synth", "--assets", bad, "-o", "a", *arguments), option)
    refused(dinar("synth", "--assets", bad, "--views", "1", "-o", "a"), "--people")
    refused(dinar("synth", "--assets", bad, "--rigged", bad / "absent", "--views", "1", "-o", "a"), "no rigged people")
