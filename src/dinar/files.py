"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dinar.errors import InputError

_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{k}" for port in ("com", "lpt") for k in "123456789¹²³")}  # Windows
_FORBIDDEN = r'[<>:"/\\|?*\x00-\x1f]'       # there
_LONGEST = 120                     # characters of a name: Windows allows 260 of a whole path
_IN_USE = (errno.EACCES, errno.EPERM, errno.EBUSY)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` (same name) that replaces it if the block ends well and vanishes if not.

    Raises InputError where the folder cannot be written, the disk is full, or `path` is in use.
    """
    path = _file(path)
    with _scratch(path) as folder:
        temporary = folder / path.name
        yield temporary
        _replace(temporary, path, path)


@contextmanager
def atomic_folder(path: Path, *, marker: str) -> Iterator[Path]:
    """A temporary folder that becomes `path` when the block ends well.

    An existing `path` is replaced whole if it is empty or holds a file named `marker` (an earlier result of ours).

    Raises InputError where the parent cannot be written, the disk is full, `path` is in use, a file, the current
    folder, or a folder of something else.
    """
    path = _folder(path, marker)
    with _scratch(path) as folder:
        fresh = folder / "new"
        fresh.mkdir()
        yield fresh
        old = folder / "old"
        try:
            if path.exists():
                _replace(path, old, path)
            _replace(fresh, path, path)
        except BaseException:      # a Ctrl-C between the two renames: what was there comes back
            if old.exists() and not path.exists():
                os.replace(old, path)
            raise


def check_file(path: Path) -> None:
    """Raises the InputError that `atomic_file` would raise, before the long work; leaves nothing behind."""
    with _scratch(_file(path), keep_parents=False):
        pass


def check_folder(path: Path, *, marker: str) -> None:
    """Raises the InputError that `atomic_folder` would raise, before the long work; leaves nothing behind."""
    with _scratch(_folder(path, marker), keep_parents=False):
        pass


def portable(name: str) -> str:
    """`name` as a file or folder may be called on every system; empty where nothing of it is left.

    Windows knows devices by names such as CON, whatever their suffix, and forbids some characters, and dots and blanks
    at the end; names that begin with a dot are hidden elsewhere.
    """
    name = re.sub(rf"{_FORBIDDEN}|[\x7f\ud800-\udfff]", "_", name)[:_LONGEST].lstrip(". ").rstrip(". ")
    return f"{name}_" if _is_device(name) else name


def _is_device(name: str) -> bool:
    return name.split(".")[0].rstrip().lower() in _RESERVED


def _check_name(path: Path) -> None:
    """Raises InputError for a name that Windows keeps for a device, or cannot give to a file; it writes elsewhere."""
    if sys.platform == "win32" and (_is_device(path.name) or re.search(_FORBIDDEN, path.name)):
        raise InputError(f"{path} cannot be written: Windows has no files called {path.name}")


def refuse_stand_in(path: Path) -> None:
    """Raises InputError where a file holds something else than its name says: what came in its place, by its start.

    Raises OSError where it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(512)
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if path.name.startswith("._") and start[:4] == b"\x00\x05\x16\x07":
        raise InputError(f"{path} is what macOS notes about {path.name[2:]}, not that file itself")
    if text.startswith(b"version https://git-lfs"):
        raise InputError(f"{path} is a Git LFS pointer in the file's place; `git lfs pull` brings the file itself")
    if text.startswith((b"<!doctype html", b"<html")):
        raise InputError(f"{path} is a web page saved under that name; download the file itself")
    if start.startswith(b"Kaydara FBX Binary"):
        raise InputError(f"{path} is FBX, which dinar does not read; Blender turns it into glTF (.glb) or BVH")
    if start.startswith(b"Vocaloid Motion Data"):
        raise InputError(f"{path} is MMD's VMD, which dinar does not read; Blender with mmd_tools turns it into BVH")


def _file(path: Path) -> Path:
    _check_name(Path(path))
    if Path(path).is_dir():
        raise InputError(f"{path} is a folder; give the name of a file")
    return Path(os.path.abspath(path))


def _folder(path: Path, marker: str) -> Path:
    _check_name(Path(path))
    absolute = Path(os.path.abspath(path))
    if absolute.exists() and not absolute.is_dir():
        raise InputError(f"{path} is a file; give the name of a folder")
    if absolute == Path.cwd() or absolute in Path.cwd().parents:
        raise InputError(f"{path} is the current folder or one around it; give the name of a new folder")
    if absolute.exists() and not (absolute / marker).exists() and any(absolute.iterdir()):
        raise InputError(f"{path} holds other files; give the name of a new folder")
    return absolute


def _replace(source: Path, target: Path, path: Path) -> None:
    """Raises InputError where `path` may not be replaced, or is in use, as whatever is open is on Windows."""
    try:
        os.replace(source, target)
    except OSError as error:
        if error.errno not in _IN_USE:
            raise
        raise InputError(f"{path} cannot be replaced ({error.strerror}); is it open in another program?") from error


@contextmanager
def _scratch(path: Path, *, keep_parents: bool = True) -> Iterator[Path]:
    """A hidden folder in the parent of `path`, so that a rename stays on one file system; always removed.

    Parents that are made for it stay only if the block ends well (and never without `keep_parents`).
    """
    made = [parent for parent in (path.parent, *path.parent.parents) if not parent.exists()]
    folder = None
    keep = False
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=f".{path.name[:100]}.", dir=path.parent))
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error.strerror})") from error
        yield folder
        keep = keep_parents
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise InputError(f"{path} cannot be written ({error.strerror})") from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        if not keep:
            _remove_empty(made)


def _remove_empty(folders: list[Path]) -> None:
    """Innermost first; one that is gone or has been filled by somebody else ends it."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return
