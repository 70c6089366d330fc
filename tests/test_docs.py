"""README and docs: what they link to exists, the commands they show parse, their pictures are small."""

from __future__ import annotations

import functools
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import tyro
from PIL import Image

from dinar.cli import COMMANDS, command

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PICTURES = sorted((ROOT / "docs" / "pictures").iterdir())
MOST_BYTES, MOST_BYTES_TOGETHER = 120_000, 1_200_000

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MODULE = re.compile(r"`((?:\w+/)*\w+\.py|(?:\w+/)+)`")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def links(text: str) -> list[str]:
    return [target for target in LINK.findall(FENCE.sub("", text)) if not re.match(r"\w+:", target)]


def anchors(text: str) -> set[str]:
    """What headings are called in links."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(text: str) -> Iterator[list[str]]:
    """Arguments of every `dinar ...` in sh blocks."""
    for language, block in FENCE.findall(text):
        if language != "sh":
            continue
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            while words:
                end = words.index("&&") if "&&" in words else len(words)
                part, words = words[:end], words[end + 1 :]
                while part and re.match(r"[A-Z_]+=", part[0]):
                    part = part[1:]
                if part and Path(part[0]).name == "dinar":
                    yield part[1:]


def parse(arguments: list[str]) -> dict:
    """What a command would be called with; SystemExit where it does not parse."""

    def called(function):
        return functools.wraps(function)(lambda *args, **options: options)

    quiet = {name: called(command(name)) for name in COMMANDS}
    return tyro.extras.subcommand_cli_from_dict(quiet, prog="dinar", args=arguments)


COMMAND_LINES = sorted({shlex.join(words) for page in PAGES for words in commands(page.read_text(encoding="utf-8"))})


@pages
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), f"{page.name} links to {target}, which is not there"
        assert not anchor or anchor in anchors(there.read_text(encoding="utf-8")), f"{page.name}: no heading {target}"


@pages
def test_named_modules_exist(page: Path) -> None:
    for name in MODULE.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        assert any((top / name).exists() for top in (ROOT, ROOT / "src/dinar")), f"{page.name} names {name}"


def test_the_architecture_names_every_part() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for path in sorted((ROOT / "src" / "dinar").iterdir()):
        if path.suffix == ".py" and path.stem != "__init__":
            assert f"`{path.name}`" in text, f"docs/architecture.md does not name {path.name}"
        elif (path / "__init__.py").exists():
            assert f"`{path.name}/" in text, f"docs/architecture.md does not name {path.name}/"


@pages
def test_no_page_names_a_place_of_one_machine(page: Path) -> None:
    found = re.search(r"(?<![\w.])/(tmp|work|home|root|Users|var)/\S*", page.read_text(encoding="utf-8"))
    assert not found, f"{page.name} names {found.group()}"


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_commands_parse(line: str) -> None:
    parse(shlex.split(line))


def test_every_step_from_photo_to_video_is_shown() -> None:
    assert {"create", "fit", "animate", "render", "doctor"} <= {line.split()[0] for line in COMMAND_LINES}


@pytest.mark.parametrize(
    "line", ["crate me.jpg -o me", "create me.jpg", "create me.jpg -o me --colour red", "render me --view top -o a.png"]
)
def test_wrong_commands_do_not_parse(line: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as end:
        parse(shlex.split(line))
    assert end.value.code == 2


def test_commands_are_found_in_blocks() -> None:
    text = "```sh\nA=b .venv/bin/dinar fit x.jpg -o y.png && dinar doctor   # says\n```\n```python\ndinar = 1\n```\n"
    assert list(commands(text)) == [["fit", "x.jpg", "-o", "y.png"], ["doctor"]]
    assert parse(["fit", "x.jpg", "-o", "y.png"])["out"] == Path("y.png")


def test_every_picture_has_its_painter_and_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "tools")
    painted = {f"{name}.webp" for name in importlib.import_module("build_docs").PAINTERS}
    assert {path.name for path in PICTURES} == painted
    shown = {Path(target).name for page in PAGES for target in links(page.read_text(encoding="utf-8"))}
    assert painted <= shown


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_pictures_are_small_and_whole(path: Path) -> None:
    assert path.stat().st_size <= MOST_BYTES
    with Image.open(path) as picture:
        picture.load()
        assert min(picture.size) >= 256


def test_pictures_are_small_together() -> None:
    assert sum(path.stat().st_size for path in PICTURES) <= MOST_BYTES_TOGETHER
