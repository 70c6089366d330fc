from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from dinar.errors import InputError
from dinar.evaluate import report, votes
from dinar.evaluate.journal import Findings, Result
from dinar.evaluate.metrics import Scores, bootstrap
from dinar.evaluate.rows import ROWS

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("texture", "neural")
SHOWN = "[...document.querySelectorAll('figure:not([hidden]) img')]"


def drawn(out: Path, people: tuple[str, ...] = ("ann", "ben", "cem")) -> Findings:
    """Two rows of some people from in front and from behind."""
    results = []
    for person in people:
        folder = out / "people" / person
        folder.mkdir(parents=True)
        (folder / "input.webp").write_bytes(b"photo of " + person.encode())
        for target, azimuth in (("view1", 20.0), ("view2", 170.0), ("view3", 150.0), ("view4", 90.0)):
            for row in NAMES:
                (folder / f"{target}.{row}.webp").write_bytes(f"{person} {target} {row}".encode())
                results.append(Result(person, target, row, azimuth, False, True, Scores(psnr=20.0, lpips=0.1)))
    return Findings({"protocol": "valid"}, tuple(results))


def pairs_in(out: Path) -> list[dict]:
    return json.loads((out / "votes" / votes.KEY).read_text())


def test_the_page_tells_nothing(tmp_path: Path) -> None:
    page = votes.write(drawn(tmp_path), tmp_path)
    text = page.read_text(encoding="utf-8")
    pairs = pairs_in(tmp_path)
    assert [sum(pair["question"] == question for pair in pairs) for question in (votes.BACKS, votes.WHO)] == [6, 3]
    shown = json.loads(re.search(r"const pairs = (\[.*?\]);\n", text)[1])
    assert {entry["id"] for entry in shown} == {pair["id"] for pair in pairs}
    for row in ROWS:
        assert row.name not in text, row.name
    for entry in shown:
        pair = next(pair for pair in pairs if pair["id"] == entry["id"])
        for side in ("left", "right"):
            said = (page.parent / entry[side]).read_bytes().decode()
            assert said == f"{pair['person']} {pair['target']} {pair[side]}"
        assert ("photo" in entry) == (pair["question"] == votes.WHO)
    sides = [pair["left"] for pair in pairs]
    assert set(sides) == set(NAMES)                       # not always the same row on one side


def test_votes_come_back_with_intervals(tmp_path: Path) -> None:
    found = drawn(tmp_path)
    votes.write(found, tmp_path)
    pairs = [pair for pair in pairs_in(tmp_path) if pair["question"] == votes.BACKS]
    said, shares = {}, {"ann": [1, 1], "ben": [1, 0], "cem": [0.5, 1]}       # of "neural"
    for person, wanted in shares.items():
        for pair, share in zip([p for p in pairs if p["person"] == person], wanted, strict=True):
            said[pair["id"]] = 0 if share == 0.5 else 1 if (pair["left"] == "neural") == (share == 1) else 2
    (tmp_path / "votes" / "votes-a.json").write_text(json.dumps({**said, "ffff": 1}))
    (verdict,) = votes.verdicts(tmp_path / "votes")
    assert (verdict.question, verdict.row, verdict.against, verdict.votes) == (votes.BACKS, "neural", "texture", 6)
    assert verdict.share == bootstrap([1, 0.5, 0.75]) and verdict.cells[3].startswith("0.75 [")
    (tmp_path / "people" / "ann" / "view2.neural.webp").write_bytes(b"another drawing")
    votes.write(found, tmp_path)
    assert votes.verdicts(tmp_path / "votes")[0].votes == 5           # what was said of the old one is forgotten
    (tmp_path / "votes" / "votes-b.json").write_text('{"x": 7}')
    with pytest.raises(InputError, match="holds no votes"):
        votes.verdicts(tmp_path / "votes")
    (tmp_path / "votes" / "votes-b.json").write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        votes.verdicts(tmp_path / "votes")


def test_one_row_is_no_choice(tmp_path: Path) -> None:
    found = drawn(tmp_path)
    alone = Findings(found.settings, tuple(r for r in found.results if r.row == "neural"))
    with pytest.raises(InputError, match="two rows at least"):
        votes.write(alone, tmp_path)
    assert report.votes.verdicts(tmp_path / "votes") == []


def test_votes_are_given_by_keys_and_come_back(tmp_path: Path, browser: Browser) -> None:
    found = drawn(tmp_path)
    for k, path in enumerate(sorted(tmp_path.rglob("*.webp"))):              # pictures that a browser can show
        path.write_bytes(cv2.imencode(".webp", np.full((512, 512, 3), 5 * k, np.uint8))[1].tobytes())
    address = votes.write(found, tmp_path).as_uri()
    context = browser.new_context(viewport={"width": 1000, "height": 700})
    try:
        page = context.new_page()
        broken: list[str] = []
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.goto(address)
        pairs = {pair["id"]: pair for pair in pairs_in(tmp_path)}
        order = page.evaluate("pairs.map(pair => pair.id)")
        assert sorted(order) == sorted(pairs)
        wanted = {}
        for k, name in enumerate(order):
            place = f"{k + 1} of {len(order)}"                              # on a busy machine keys take a while
            page.wait_for_function("place => document.querySelector('#place').textContent === place", arg=place)
            assert page.inner_text("#question") == pairs[name]["question"]
            page.wait_for_function(f"{SHOWN}.every(picture => picture.naturalWidth)")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            left = pairs[name]["left"] == "neural"
            wanted[name] = (1 if left else 2) if k % 3 else 0               # neural, or neither
            if k == 2:                                                      # a slip, and back
                page.keyboard.press("2" if left else "1")
                page.keyboard.press("Backspace")
                assert page.inner_text("#place") == f"{k + 1} of {len(order)}"
            page.keyboard.press(str(wanted[name]))
            if k == 4:
                page.reload()                                               # the browser remembers
        assert page.inner_text("#question").startswith("Thank you")
        with page.expect_download() as waited:
            page.click("#save")
        saved = tmp_path / "votes" / waited.value.suggested_filename
        waited.value.save_as(saved)
    finally:
        context.close()
    assert not broken and json.loads(saved.read_text()) == wanted
    made = votes.verdicts(tmp_path / "votes")
    assert sum(verdict.votes for verdict in made) == len(order)
    for verdict in made:
        asked = [name for name in order if pairs[name]["question"] == verdict.question]
        assert verdict.votes == len(asked) and (verdict.row, verdict.against) == ("neural", "texture")
        assert 0.5 < verdict.share.mean < 1
