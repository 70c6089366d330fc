from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
import torch
from evaluate.conftest import Shelf
from safetensors.torch import save_file

from dinar.evaluate import journal, report, run
from dinar.evaluate.metrics import Judges, Scores, kid
from dinar.evaluate.plan import Plan
from dinar.evaluate.sets import Sets


@pytest.fixture
def made(shards: Path, judges: Judges, tmp_path: Path) -> tuple[journal.Findings, Path]:
    cases = Sets("synthetic", shards)
    plan = Plan(cases, ("texture", "mean-colour"), walk=False, face=False)
    found = run.run(plan, tmp_path, store=Shelf())
    report.write(found, cases, tmp_path, "dinar evaluate synthetic")
    return found, tmp_path


def test_pages_link_to_what_is_there(made: tuple[journal.Findings, Path]) -> None:
    _, out = made
    pages = [out / report.REPORT, *sorted(out.glob("people/*/index.html"))]
    assert len(pages) == 3
    for page in pages:
        targets = re.findall(r'(?:src|href)="([^"]+)"', page.read_text(encoding="utf-8"))
        assert len(targets) >= 4 and all((page.parent / unquote(target)).is_file() for target in targets)


def test_worst_first(made: tuple[journal.Findings, Path]) -> None:
    found, out = made
    ranked = report.worst_first(found)
    mine = [r for r in found.results if r.row == "texture"]
    for person, value in ranked:
        values = [r.scores.lpips for r in mine if r.person == person]
        assert value == pytest.approx(sum(values) / len(values))
    assert ranked[0][1] >= ranked[1][1]
    shown = re.findall(r'people/(\d+)/index', (out / report.REPORT).read_text(encoding="utf-8"))
    assert shown == [person for person, _ in ranked]


def test_tables_say_what_they_hold(made: tuple[journal.Findings, Path]) -> None:
    found, out = made
    same, novel, back = report.tables(found, out)
    assert (same.people, same.pictures, novel.pictures, back.pictures) == (2, 2, 4, 4)
    psnr = [c.key for c in novel.columns].index("psnr")
    moved = [r for r in found.results if r.row == "texture" and r.moved]
    people = [[r.scores.psnr for r in moved if r.person == person] for person in ("0000", "0001")]
    assert novel.rows[0][1][psnr].mean == pytest.approx(sum(sum(values) / len(values) for values in people) / 2)
    features = {person: journal.features_of(out, person) for person in ("0000", "0001")}
    stacks = [
        torch.stack([features[r.person][f"{row}/{r.target}"] for r in moved]) for row in ("texture", journal.TRUTH)
    ]
    assert novel.rows[0][1][-1].mean == pytest.approx(1000 * kid(*stacks))
    text = (out / report.TABLES).read_text(encoding="utf-8")
    assert "MS-SSIM ↑" in text and "KID-VGG16 ↓" in text and "mid-grey" in text and "`dinar evaluate synthetic`" in text


def test_names_are_no_markup(shards: Path, tmp_path: Path) -> None:
    person = "a <b> & 'c'.jpg"
    (tmp_path / "people" / person).mkdir(parents=True)
    result = journal.Result(person, "photo", "texture", 0.0, True, False, Scores(psnr=20.0, lpips=0.1))
    features = {"texture/photo": torch.ones(4), "truth/photo": torch.ones(4)}
    save_file(features, tmp_path / "people" / person / journal.FEATURES)
    found = journal.Findings({"protocol": "photos"}, (result,))
    report.write(found, Sets("synthetic", shards), tmp_path, "x")
    page = (tmp_path / report.REPORT).read_text(encoding="utf-8")
    assert "<b> &" not in page and "a &lt;b&gt; &amp;" in page
