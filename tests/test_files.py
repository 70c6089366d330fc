from __future__ import annotations

import ast
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dinar import files
from dinar.errors import InputError
from dinar.files import atomic_file, atomic_folder, check_file, check_folder


def tree(folder: Path) -> dict[str, str | None]:
    """All that lies in a folder, hidden things too: path -> text, None for folders."""
    return {str(p.relative_to(folder)): p.read_text() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def test_a_file_replaces_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    with atomic_file(target) as temporary:
        temporary.write_text("new")
        assert temporary.suffix == ".txt" and target.read_text() == "old"
    assert tree(tmp_path) == {"a.txt": "new"}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_a_failed_file_leaves_everything_as_it_was(tmp_path: Path, error: type[BaseException]) -> None:
    (tmp_path / "a.txt").write_text("old")
    for target in (tmp_path / "a.txt", tmp_path / "new" / "deep" / "b.txt"):
        with pytest.raises(error), atomic_file(target) as temporary:
            temporary.write_text("half")
            raise error
    assert tree(tmp_path) == {"a.txt": "old"}


def test_parents_are_made(tmp_path: Path) -> None:
    with atomic_file(tmp_path / "x" / "y" / "a.txt") as temporary:
        temporary.write_text("new")
    assert tree(tmp_path) == {"x": None, "x/y": None, "x/y/a.txt": "new"}


def test_a_folder_replaces_an_empty_one_and_an_earlier_result(tmp_path: Path) -> None:
    target = tmp_path / "out"
    for text in ("first", "second"):
        with atomic_folder(target, marker="mark") as folder:
            (folder / "mark").write_text(text)
            (folder / text).write_text("")
    assert tree(target) == {"mark": "second", "second": ""}
    (tmp_path / "empty").mkdir()
    with atomic_folder(tmp_path / "empty", marker="mark") as folder:
        (folder / "mark").write_text("")
    assert tree(tmp_path / "empty") == {"mark": ""}


def test_a_failed_folder_leaves_everything_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mark").write_text("old")
    for target in (tmp_path / "out", tmp_path / "new" / "out"):
        with pytest.raises(KeyboardInterrupt), atomic_folder(target, marker="mark") as folder:
            (folder / "mark").write_text("half")
            raise KeyboardInterrupt
    assert tree(tmp_path) == {"out": None, "out/mark": "old"}


def test_an_interruption_between_the_renames_brings_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mark").write_text("old")
    replace = os.replace

    def interrupted(source: Path, target: Path) -> None:
        if Path(source).name == "new":
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt), atomic_folder(tmp_path / "out", marker="mark") as folder:
        (folder / "mark").write_text("new")
    assert tree(tmp_path) == {"out": None, "out/mark": "old"}


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"), atomic_file(tmp_path / "a.txt"):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(IsADirectoryError), atomic_file(tmp_path / "a.txt"):   # any other error is a bug
        raise IsADirectoryError(errno.EISDIR, "Is a directory")
    assert tree(tmp_path) == {}


def _file(path: Path) -> None:
    with atomic_file(path):
        raise AssertionError("not reached")


def _folder(path: Path) -> None:
    with atomic_folder(path, marker="mark"):
        raise AssertionError("not reached")


@pytest.mark.parametrize("write", [_file, check_file])
def test_unusable_file_names(tmp_path: Path, write: Callable[[Path], None]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write(tmp_path / "file" / "a.txt")
    with pytest.raises(InputError, match="is a folder"):
        write(tmp_path)
    assert tree(tmp_path) == {"file": ""}


@pytest.mark.parametrize("write", [_folder, lambda path: check_folder(path, marker="mark")])
def test_unusable_folder_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "here").mkdir()
    for path, reason in {
        tmp_path / "file": "is a file",
        tmp_path / "file" / "a": "cannot be written",
        tmp_path: "holds other files",
    }.items():
        with pytest.raises(InputError, match=reason):
            write(path)
    monkeypatch.chdir(tmp_path / "here")
    for path in (Path("."), Path("..")):
        with pytest.raises(InputError, match="current folder"):
            write(path)
    assert tree(tmp_path) == {"file": "", "here": None}


def test_checks_leave_nothing_behind(tmp_path: Path) -> None:
    check_file(tmp_path / "x" / "a.txt")
    check_folder(tmp_path / "y" / "z", marker="mark")
    assert tree(tmp_path) == {}


@pytest.mark.parametrize(
    ("name", "safe"),
    {
        "anna": "anna", "CON": "CON_", "con.old": "con.old_", "COM1": "COM1_", "console": "console", "a:b?c": "a_b_c",
        "a\nb": "a_b", "me. ": "me", ".hidden": "hidden", "...": "", "写真 é": "写真 é", "latin\udce9": "latin_",
        "x" * 300: "x" * 120,
    }.items(),
)  # fmt: skip
def test_names_for_every_system(name: str, safe: str) -> None:
    assert files.portable(name) == safe


@pytest.mark.parametrize("name", ["con.glb", "NUL", "aux.tar.zip", "me:1", "a?.mp4", "a|b"])
def test_windows_has_no_such_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """There a device would be written to, or a hidden stream of another file."""
    check_file(tmp_path / name)                            # elsewhere these are names like others
    monkeypatch.setattr(files.sys, "platform", "win32")
    for write in (_file, check_file, _folder):
        with pytest.raises(InputError, match="Windows has no files called"):
            write(tmp_path / name)
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("name", ["console.glb", "写真 é.zip", "me (2).glb"])
def test_windows_has_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(files.sys, "platform", "win32")
    check_file(tmp_path / name)
    check_folder(tmp_path / name, marker="mark")


def test_what_is_open_elsewhere_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows replaces nothing that a program has open."""
    (tmp_path / "a.mp4").write_text("old")
    (tmp_path / "me").mkdir()
    (tmp_path / "me" / "mark").write_text("old")

    def refused(source: Path, target: Path) -> None:
        raise PermissionError(errno.EACCES, "Access is denied")

    monkeypatch.setattr(files.os, "replace", refused)
    said = r"a.mp4 cannot be replaced \(Access is denied\)"
    with pytest.raises(InputError, match=said), atomic_file(tmp_path / "a.mp4") as temporary:
        temporary.write_text("new")
    with pytest.raises(InputError, match="me cannot be replaced"), atomic_folder(tmp_path / "me", marker="mark"):
        pass
    assert tree(tmp_path) == {"a.mp4": "old", "me": None, "me/mark": "old"}


def test_every_text_file_names_its_encoding() -> None:
    """Else Windows reads and writes it in a code page."""
    package = Path(files.__file__).parent
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _text_without_encoding(node):
                raise AssertionError(f"{path}:{node.lineno}")


def _text_without_encoding(call: ast.Call) -> bool:
    named = any(word.arg == "encoding" for word in call.keywords)
    if isinstance(call.func, ast.Attribute):
        return call.func.attr in ("read_text", "write_text") and not named
    words = [word.value for word in call.args[1:2] if isinstance(word, ast.Constant)]
    return isinstance(call.func, ast.Name) and call.func.id == "open" and not named and not any("b" in w for w in words)
